"""From a user's own fit and benchmark to the page, with nothing written by hand."""

# Also of: ccrcc_model.report.run_parts.

import json
import re
import shutil
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from command_line import ccrcc_here, mistake_here

from ccrcc_model.models.model import Model


@pytest.fixture(scope="module")
def run(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a user fitted and scored a model, named as they liked."""
    folder = tmp_path_factory.mktemp("run")
    settings: Sequence[str] = ("--folds", "3", "--repeats", "1", "--trials", "1")
    fit = ("fit", tables / "home.parquet", "--outcomes", tables / "home.csv", "--target", "grade", *settings)
    scored = ("--cohort", tables / "away.yaml", "--table", tables / "away.parquet", "--replicates", "100")
    for words in (
        (*fit, "--out", folder / "first-try"),
        ("benchmark", folder / "first-try", *scored, "--out", folder / "scores" / "spring"),
        ("report", folder),
    ):
        ran = ccrcc_here(*words)
        assert ran.status == 0, ran.said
    assert ran.said.splitlines()[-1] == f"Report: {folder / 'report' / 'report.html'}"
    return folder


def text_of(page: Path) -> str:
    html = re.sub(r"<style>.*?</style>|data:image/[^\"]+", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def test_the_report_links_the_review_pages_of_a_look(run: Path, phantoms: Path) -> None:
    for words in (("look", phantoms / "away" / "card.yaml", "--out", run / "my look"), ("report", run)):
        ran = ccrcc_here(*words)
        assert ran.status == 0, ran.said
    html = (run / "report" / "report.html").read_text(encoding="utf-8")
    address = re.search(r'<a href="([^"]+)">my%20look/index.html</a>', html)
    assert address
    assert (run / "report" / unquote(address[1])).resolve() == (run / "my look" / "index.html").resolve()
    shutil.rmtree(run / "my look")
    assert ccrcc_here("report", run).status == 0
    assert "review page" not in (run / "report" / "report.html").read_text(encoding="utf-8")


def test_a_users_own_fit_and_benchmark_are_reported(run: Path) -> None:
    text = text_of(run / "report" / "report.html")
    assert "Grade from CT radiomics" in text
    assert "The answer, in four lines" in text
    assert Model.load(run / "first-try").id in text
    assert re.search(r"scores/spring/run.json ccrcc benchmark 0", text)
    assert "This run contains no record of its cohorts" not in text  # the benchmark counts the patients of its card
    assert "without an outcome" in text.lower()
    assert "No predicted mask was compared with a reference in this run" in text
    assert "Synthetic" not in text


def test_the_sheets_point_at_the_users_own_folders(run: Path) -> None:
    sheet = (run / "report" / "sheets" / "clear.csv").read_text(encoding="utf-8")
    assert "first-try/manifest.json: settings.folds = 3" in sheet
    assert "scores/spring/benchmark.json" in sheet


def test_the_page_is_the_same_a_second_time_and_the_record_says_what_made_it(run: Path) -> None:
    before = (run / "report" / "report.html").read_bytes()
    assert ccrcc_here("report", run).status == 0
    assert (run / "report" / "report.html").read_bytes() == before
    assert json.loads((run / "report" / "run.json").read_text(encoding="utf-8"))["command"] == "ccrcc report"


def test_a_table_of_overlaps_is_found_by_its_columns(run: Path, phantoms: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copytree(run, tmp_path / "mine", ignore=shutil.ignore_patterns("report")))
    card = phantoms / "away" / "card.yaml"
    assert ccrcc_here("overlap", card, "--predicted", card, "--out", mine / "masks" / "agreement.csv").status == 0
    assert ccrcc_here("report", mine).status == 0
    assert "kidney 1.00" in text_of(mine / "report" / "report.html")


def test_a_folder_that_holds_nothing_to_report_is_refused(run: Path, tmp_path: Path) -> None:
    assert "holds no model of `ccrcc fit` and no benchmark" in mistake_here("report", tmp_path)
    assert "holds no model" in mistake_here("report", tmp_path / "none")
    assert "would spoil" in mistake_here("report", run / "first-try")
    assert list(tmp_path.iterdir()) == []
