# Also of: ccrcc_model.report.benchmark_tables, ccrcc_model.report.environment, ccrcc_model.report.facts,
# ccrcc_model.report.features, ccrcc_model.report.figures, ccrcc_model.report.limits, ccrcc_model.report.model_card,
# ccrcc_model.report.model_tables, ccrcc_model.report.run_folder, ccrcc_model.report.stages, ccrcc_model.report.summary,
# ccrcc_model.report.tables.

import base64
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, in_chromium
from fitted import GRADED, fit
from PIL import Image
from scipy.special import expit

from ccrcc_model.models.folder import write_model_folder
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.finding import Finding
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE, KI67_PERCENT, Target, ki67
from ccrcc_model.report import read_run, report_run, write_report
from ccrcc_model.report.benchmark_tables import calibration
from ccrcc_model.report.figures import Picture
from ccrcc_model.report.limits import limits
from ccrcc_model.report.model_tables import SMALLEST_SHARE
from ccrcc_model.report.page import render
from ccrcc_model.report.run_folder import Run, RunRecord
from ccrcc_model.report.summary import judge, summarise
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.evaluation import Pair
from ccrcc_model.statistics.graded_predictions import GradedPredictions
from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.validation.benchmark import benchmark
from ccrcc_model.validation.graded_result import GradedGroup, GradedResult
from ccrcc_model.validation.groups import assemble
from ccrcc_model.validation.result import BenchmarkResult
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.record import write_record
from radiomics_cfg.table import FeatureTable

SCRIPT = "<script>alert(1)</script>"


def cohort(name: str, n: int, *, seed: int, prevalence: float = 0.4) -> Pair:
    rng = np.random.default_rng(seed)
    y_true = (np.arange(n) < round(prevalence * n)).astype(int)
    ids = np.array([f"p{i}" for i in range(n)], dtype=np.str_)
    centre = np.full(n, "one", dtype=np.str_)
    return Pair(
        *(Predictions(name, "t", ids, centre, y_true, expit(s * y_true - s / 2 + rng.normal(size=n))) for s in (2, 0.3))
    )


def benchmark_of(target: Target, *, seed: int, odd: bool = False) -> BenchmarkResult:
    external = [cohort("north", 60, seed=seed), cohort("south", 50, seed=seed + 1)]
    if odd:
        external += [cohort("one class", 12, seed=seed + 2, prevalence=0.0), cohort("five", 5, seed=seed + 3)]
    result = assemble(cohort("home", 120, seed=seed + 4), external, target=target, threshold=0.5, baseline_threshold=0.5)
    audit = (Finding("Nobody was seen twice.", "0 of 110 patients.", passed=True),)
    return replace(result, audit=audit)


def write_csv(path: Path, columns: str, *rows: tuple) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=columns.split()).to_csv(path, index=False)


def write_run_json(folder: Path, **changes: object) -> None:
    record = {
        "title": f"A study {SCRIPT}",
        "synthetic": True,
        "command": "ccrcc demo --out <runs/demo>",
        "seed": 1,
        "settings": {"preset": "quick"},
        "versions": {"python": "3.11"},
        "stages": [{"name": "Training", "seconds": 185.4}, {"name": "Gate", "seconds": 2.25}],
        "best_possible_auc": {"grade": 0.93},
        "jobs": 2,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(record | changes), encoding="utf-8")


def fit_model(folder: Path) -> Model:
    rng = np.random.default_rng(0)
    high = np.arange(45) % 3 == 0
    ids = [f"p{i}" for i in range(45)]
    keys = {"cohort": "home", "case_id": ids, "patient_id": ids, "centre": "one", "lesion": 1, "side": "left"}
    rows = pd.DataFrame(keys)
    rows["tumour__1mm__original_shape_MeshVolume"] = np.exp(8 + high + rng.normal(size=45))
    rows[f"tumour__1mm__original_glcm_{SCRIPT}"] = high + rng.normal(size=45)
    provenance = {"preset": "quick", "preset_sha256": "0" * 64, "mode": "pyradiomics", "cohorts": {"home": "development"}}
    outcomes = pd.DataFrame({"patient_id": ids, "isup_grade": np.where(high, 3.0, 1.0)})
    return fit(FeatureTable(rows, provenance), outcomes, GRADE, out_dir=folder, folds=3, repeats=1, trials=1)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> Path:
    """A whole run, with a cohort of one class and one of five patients, and hostile names."""
    folder = tmp_path_factory.mktemp("run")
    write_run_json(folder)
    write_csv(
        folder / "tables" / "acquisition.csv",
        "cohort centre cases tube_voltage_kv tube_current_ma matrix slice_thickness_mm pitch kernel",
        ("home", "one", 120, "120", "220", "512 × 512", "1 or 2", "0.83", "soft"),
        ("north", "one", 60, "N/A", "N/A", "512 × 512", "5", "N/A", "N/A"),
    )
    write_csv(
        folder / "tables" / "flow.csv",
        "cohort role listed passed segmented extracted modelled",
        ("home", "development", 122, 120, 120, 120, 120),
        ("north", "external", 61, 60, 60, 60, 60),
        ("south", "external", 50, 50, 50, 50, 50),
    )
    write_csv(
        folder / "tables" / "quarantine.csv",
        "cohort case_id stage code reason",
        ("home", "secret-1", "gate", "mask-shape", f"mask {SCRIPT}"),
        ("home", "secret-2", "gate", "mask-shape", "mask of another shape"),
        ("north", "secret-3", "gate", "hu-range", "values up to 1e30 HU"),
    )
    dice = [(c, "one", f"secret-{c}{i}", s, d + i / 50, 10.0, 11.0, 0.1) for c in ("north", "south") for i in range(3)
            for s, d in (("kidney", 0.9), ("tumour", 0.7))]  # fmt: skip
    columns = "cohort centre case_id structure dice reference_ml predicted_ml relative_volume_error"
    write_csv(folder / "tables" / "overlap.csv", columns, *dice)
    (folder / "overlays").mkdir()
    Image.new("RGB", (60, 40), "grey").save(folder / "overlays" / "secret-north0.png")
    model = fit_model(folder / "models" / "grade")
    replace(benchmark_of(GRADE, seed=1, odd=True), model_id=model.id).save(folder / "benchmark" / "grade")
    benchmark_of(ki67(20), seed=20).save(folder / "benchmark" / "ki67")
    report_run(read_run(folder))
    return folder


class Page(HTMLParser):
    """What a test asks of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def page(run_dir) -> Page:
    return Page((run_dir / "report" / "report.html").read_text(encoding="utf-8"))


# The page as a document


def test_the_page_asks_for_nothing_from_anywhere(page, run_dir):
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            address = attributes.get(name)
            # The one link that leaves the page goes to the sheets beside it.
            assert address is None or address.startswith(("#", "data:")) or (name, address) == ("href", "sheets.html")
    text = re.sub(r"data:image/[^\"]+", "", (run_dir / "report" / "report.html").read_text(encoding="utf-8"))
    assert not re.search(r"https?://|@import|url\(", text)
    assert not page.all("script")


def test_text_of_users_is_escaped(page, run_dir):
    assert SCRIPT not in (run_dir / "report" / "report.html").read_text(encoding="utf-8")
    assert page.text.count(SCRIPT) == 3  # title, heading, reason of a refusal
    assert any(SCRIPT in (image["alt"] or "") for image in page.all("img"))  # name of a feature


def test_every_figure_is_there_and_told_in_words(page):
    names = [figure["id"] for figure in page.all("figure")]
    expected = ["auc_difference", "flow", "figure_s1_dice", "overlay-1"]
    expected += [f"{kind}_{target}" for target in ("grade", "ki67") for kind in ("roc", "calibration", "decision")]
    assert names == [*expected, "features_grade"]
    images = page.all("img")
    assert len(images) == len(names)
    for image in images:
        assert len(image["alt"] or "") > 40
        kind, _, content = (image["src"] or "").partition(";base64,")
        assert base64.b64decode(content).lstrip()[:5] in (b"<?xml", b"\x89PNG\r"), kind


def test_every_figure_is_a_file_in_png_svg_and_csv(page, run_dir):
    for name in (figure["id"] or "" for figure in page.all("figure")):
        if not name.startswith("overlay"):
            assert all(
                (run_dir / "report" / "figures" / f"{name}{suffix}").stat().st_size > 20 for suffix in (".png", ".svg", ".csv")
            )


def test_every_column_and_row_has_a_head_and_every_table_a_caption(page):
    assert len(page.all("caption")) == len(page.all("table")) >= 10
    assert all(head.get("scope") in {"col", "row"} for head in page.all("th"))
    regions = [div for div in page.all("div") if div.get("role") == "region"]
    captions = {caption["id"] for caption in page.all("caption")}
    assert {region["aria-labelledby"] for region in regions} == captions
    assert all(region["tabindex"] == "0" for region in regions)


def test_landmarks_headings_and_links_lead_somewhere(page, run_dir):
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    inside = [link["href"] or "" for link in page.all("a") if link["href"] != "sheets.html"]
    assert {link[:1] for link in inside} == {"#"}
    assert all(link[1:] in ids for link in inside)
    assert (run_dir / "report" / "sheets.html").is_file()
    assert page.all("a")[0] == {"class": "skip", "href": "#main"}
    assert [len(page.all(tag)) for tag in ("html", "header", "nav", "main", "footer", "h1")] == [1] * 6
    assert page.all("html")[0]["lang"] == "en-GB"


def test_no_case_is_named(run_dir):
    assert "secret" not in re.sub(r"data:image/[^\"]+", "", (run_dir / "report" / "report.html").read_text(encoding="utf-8"))
    assert "secret" not in (run_dir / "report" / "figures" / "figure_s1_dice.csv").read_text(encoding="utf-8")


# What it says


def test_the_page_says_what_it_is_not(page):
    assert "Synthetic phantoms: no clinical claim" in page.text
    assert "not a medical device" in page.text


def test_six_lines_answer_what_was_asked(run_dir, page):
    lines = summarise(read_run(run_dir))
    assert [line.label for line in lines] == ["Asked", "Grade", "Ki67", "At the locked threshold", "Probabilities", "Masks"]
    assert "The answer, in six lines" in page.text
    assert "in four cohorts that the model has never seen" in lines[0].text
    first = read_run(run_dir).benchmarks[1].headline
    assert (first.n, lines[2].verdict) == (110, "Better than tumour volume")
    assert f"AUC {first.auc.value:.2f} (95% CI" in lines[2].text
    assert "means over three of four cohorts by random effects" in lines[1].text
    assert "means over two cohorts, weighted by precision; two cohorts do not show" in lines[2].text
    assert "A perfect reader of these phantoms would reach 0.93." in lines[1].text
    assert "perfect reader" not in lines[2].text
    assert "kidney 0.92 ± 0.02, tumour 0.72 ± 0.02, in 6 external cases" in lines[5].text
    assert all(line.text in page.text for line in lines)


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict", "tone"),
    [
        (0.1, 0.001, 0.2, "Better than tumour volume", "good"),
        (0.1, 0.0, 0.2, "Higher AUC than tumour volume, but not significantly", "open"),
        (0.0, -0.1, 0.1, "Not better than tumour volume", "bad"),
        (-0.1, -0.2, 0.0, "Not better than tumour volume", "bad"),
        (-0.1, -0.2, -0.001, "Worse than tumour volume", "bad"),
        (0.3, None, None, "Inconclusive", "open"),
        (None, None, None, "Inconclusive", "open"),
    ],
)
def test_the_verdict_follows_the_interval(value, low, high, verdict, tone):
    assert judge(Estimate(value, low, high)) == (verdict, tone)


def test_not_estimable_is_said_with_its_reason(page):
    assert "not estimable: no positive patients" in page.text
    assert "five †" in page.text


def test_refusals_are_counted_by_code(page):
    assert re.search(r"home\s+gate\s+mask-shape\s+2", page.text)
    assert re.search(r"north\s+gate\s+hu-range\s+1", page.text)


def test_supplement_items_are_named_and_written(page, run_dir):
    for words in ("Table S1. Acquisition", "Fig. S1. Dice", "Table S2. Performance"):
        assert words in page.text
    assert "N/A" in page.text
    assert set(pd.read_csv(run_dir / "report" / "tables" / "table_s2.csv")["target"]) == {"grade", "ki67"}


def test_settings_times_and_audit_are_shown(page):
    for words in ("ccrcc demo --out <runs/demo>", "3 min 5 s", "2.2 s", "quick", "jobs", "Nobody was seen twice. 0 of 110"):
        assert words in page.text


def test_the_locked_model_is_described(page, run_dir):
    model = Model.load(run_dir / "models" / "grade")
    for words in (
        model.id,
        "isup_grade >= 3",
        "2 offered by preset quick, 2 used",
        "3 outer folds, drawn once",
        f"{len(model.members)} members",
    ):
        assert words in page.text
    for one in model.manifest["comparators"]:
        assert one["name"] in page.text
    for one in model.explanation.groups:
        assert f"{one.lowest:.0%} to {one.highest:.0%}" in page.text or one.share < SMALLEST_SHARE
    assert model.explanation.verdict[1:] in page.text


def test_a_benchmark_of_another_model_is_refused(run_dir, tmp_path):
    write_run_json(tmp_path)
    shutil.copytree(run_dir / "models", tmp_path / "models")
    replace(benchmark_of(GRADE, seed=1), model_id="0" * 64).save(tmp_path / "benchmark" / "grade")
    with pytest.raises(InputError, match="was made with model 000000000000, but"):
        report_run(read_run(tmp_path))


def test_the_print_rule_reaches_the_page(run_dir, page):
    drawn = {svg.stem: Picture(svg.stem, svg, "", "") for svg in (run_dir / "report" / "figures").glob("*.svg")}
    run = read_run(run_dir)
    first, *others = (replace(result, print_rule="cut") for result in run.benchmarks)
    cut = Page(render(replace(run, benchmarks=(first, *others)), drawn))
    assert "truncated, not rounded, to two decimals" in cut.text
    mixed = Page(render(replace(run, benchmarks=(first, *run.benchmarks[1:])), drawn))
    assert "rounded, for Grade truncated, to two decimals" in mixed.text
    assert "rounded to two decimals" in page.text
    assert cut.text != page.text


@pytest.mark.parametrize(("n", "noted"), [(399, True), (400, False)])
def test_an_interval_of_the_ici_is_doubted_in_small_cohorts(n, noted):
    result = benchmark_of(GRADE, seed=1)
    sized = tuple(replace(one, model=replace(one.model, n=n, events=n // 2)) for one in result.groups)
    note = calibration(replace(result, groups=sized)).note
    assert ("Below about 400 patients the intervals of the ICI" in note) == noted


def test_figures_that_take_patients_as_more_than_they_are_say_so(page):
    assert "means over the folds, corrected for the training patients that folds share" in page.text
    assert "Internal results are those of a cross-validation" in page.text


def test_a_report_keeps_the_print_rule_of_the_benchmark(run_dir, tmp_path):
    left = shutil.copytree(run_dir, tmp_path / "run")
    result = replace(BenchmarkResult.load(left / "benchmark" / "grade"), print_rule="cut")
    result.save(left / "benchmark" / "grade")
    report_run(read_run(left))
    after, before = (
        pd.read_csv(folder / "report" / "tables" / "table_s2.csv").query("target == 'grade'") for folder in (left, run_dir)
    )
    assert after["accuracy"].tolist() == result.table_s2()["accuracy"].tolist() != before["accuracy"].tolist()


# Graded targets


def graded_result() -> GradedResult:
    """A model that orders percentages well, at home and in two cohorts, and tumour volume that does not."""
    rng = np.random.default_rng(0)

    def group(name: str, n: int) -> GradedGroup:
        truth = rng.uniform(1, 60, n)
        ids, nothing = np.arange(n).astype(str), np.empty((n, 0))
        said = (GradedPredictions(name, KI67_PERCENT, ids, ids, truth, x, x, nothing) for x in (truth, rng.uniform(1, 60, n)))
        return GradedGroup.of(*said)

    groups = (group("home", 40), group("north", 30), group(f"south {SCRIPT}", 30))
    audit = (Finding("No scan stands under two patients of the external cohorts.", "0 patients.", passed=True),)
    return GradedResult("a" * 64, "ki67-percent", groups, audit)


def test_a_graded_benchmark_has_its_section_on_the_page(tmp_path):
    write_run_json(tmp_path)
    graded_result().save(tmp_path / "benchmark" / "ki67-percent")
    raw = report_run(read_run(tmp_path)).read_text(encoding="utf-8")
    page = Page(raw)
    assert [line.label for line in summarise(read_run(tmp_path))] == ["Asked", "Ki67 percentage"]
    assert "Better than tumour volume north (n = 30): concordance 1.00 (95% CI 1.00 to 1.00) compared with" in page.text
    assert "concordance_ki67-percent" in [figure["id"] for figure in page.all("figure")]
    assert "Spearman's rank correlation" in page.text
    assert "doi:10.2307/1412159" in page.text  # the source of the figure
    assert "Passed No scan stands under two patients" in page.text
    assert "This run contains no benchmark" not in page.text
    assert SCRIPT not in raw


def test_a_verdict_over_several_cohorts_counts_those_that_are_better(tmp_path):
    found = graded_result()
    north, south = found.groups[1:]
    worse = Estimate(-0.1, -0.2, 0.1)
    turned = replace(south, figures={name: replace(one, difference=worse) for name, one in south.figures.items()})
    write_run_json(tmp_path)
    replace(found, groups=(found.groups[0], north, turned)).save(tmp_path / "benchmark" / "ki67-percent")
    assert summarise(read_run(tmp_path))[1].verdict == "Better than tumour volume in one of two cohorts"


@pytest.fixture(scope="module")
def graded_run(graded_folders, graded_planted, tmp_path_factory) -> Path:
    """Locked models of both graded targets, each with its benchmark in one external cohort."""
    folder = tmp_path_factory.mktemp("graded-run")
    shutil.copytree(graded_folders, folder / "models")
    study = Study(None, *graded_planted(40, cohort="north", role="external", seed=5))
    for name in GRADED:
        benchmark(Model.load(folder / "models" / name), study).save(folder / "benchmark" / name)
    report_run(read_run(folder))
    return folder


@pytest.mark.parametrize("name", list(GRADED))
def test_a_graded_model_is_described_and_explained_as_a_binary_one(graded_run, name):
    raw = (graded_run / "report" / "report.html").read_text(encoding="utf-8")
    page, model = Page(raw), Model.load(graded_run / "models" / name)
    for words in (
        model.id,
        model.target.sentence,
        model.target.column,
        "3 outer folds, drawn once",
        "calibrated in the same way",
    ):
        assert words in page.text
    assert f"Predicted {model.target.sentence}" in page.text
    assert {f"concordance_{name}", f"features_{name}"} <= {figure["id"] for figure in page.all("figure")}
    assert {f"table-comparators-{name}", f"table-explanation-{name}"} <= {table.get("id") for table in page.all("table")}
    for one in model.manifest["comparators"]:
        assert one["name"] in page.text
        assert f"{one['concordance']['value']:.2f} (95% CI" in page.text
    assert model.explanation.verdict[1:] in page.text
    assert len(page.all("caption")) == len(page.all("table"))
    assert (graded_run / "report" / "model_cards" / f"{name}.md").is_file()


def test_contributions_are_in_the_unit_of_the_target(graded_run):
    text = Page((graded_run / "report" / "report.html").read_text(encoding="utf-8")).text
    assert "contributions to the log odds of a higher grade, and its range" in text
    assert "contributions to the score, in standard deviations of log(1 + percentage), and its range" in text
    drawn = (graded_run / "report" / "figures" / "features_ki67-percent.csv").read_text(encoding="utf-8")
    assert drawn.startswith("feature,log_odds,")


def test_the_card_of_a_graded_model_names_no_positive_patients_and_no_threshold(graded_run):
    card = (graded_run / "report" / "model_cards" / "isup.md").read_text(encoding="utf-8")
    assert "- Predicts: WHO/ISUP grade, 1 to 4 (isup\\_grade)" in card
    assert re.search(r"- north: \d+ patients; never seen by the model", card)
    assert "| Weighted kappa |" in card
    assert not re.search("positive|threshold was|PPV", card.replace("false positive", ""))


def test_graded_models_of_an_older_folder_have_what_they_hold(graded_run, tmp_path):
    run = Path(shutil.copytree(graded_run, tmp_path / "run"))
    for name in GRADED:
        model = Model.load(run / "models" / name)
        shutil.rmtree(run / "models" / name)
        files = {file: text for file, text in model.files.items() if file not in ("applicability.json", "explanation.json")}
        manifest = {key: value for key, value in model.manifest.items() if key not in ("cautions", "comparators")}
        manifest["settings"] = {key: value for key, value in manifest["settings"].items() if key != "stability_sha256"}
        write_model_folder(run / "models" / name, files, manifest)
        result = GradedResult.load(run / "benchmark" / name)
        replace(result, model_id=Model.load(run / "models" / name).id).save(run / "benchmark" / name)
    page = Page(report_run(read_run(run)).read_text(encoding="utf-8"))
    ids = {table.get("id") for table in page.all("table")}
    assert {f"{kind}-{name}" for kind in ("table-comparators", "table-explanation") for name in GRADED}.isdisjoint(ids)
    assert {f"features_{name}" for name in GRADED} <= {figure["id"] for figure in page.all("figure")}


def test_a_graded_benchmark_of_another_model_is_refused(graded_run, tmp_path):
    run = Path(shutil.copytree(graded_run, tmp_path / "run"))
    result = GradedResult.load(run / "benchmark" / "isup")
    replace(result, model_id="0" * 64).save(run / "benchmark" / "isup")
    with pytest.raises(InputError, match="benchmark of isup was made with model 000000000000, but"):
        read_run(run)


def test_a_graded_model_without_external_cohort_has_that_among_its_limits():
    found = graded_result()
    alone = Run(RunRecord(command="x"), graded=(replace(found, groups=found.groups[:1]),))
    assert any(limit.startswith("Ki67 percentage: no external cohort was scored") for limit in limits(alone))
    assert not any("threshold and calibration were fitted on" in limit or "PPV" in limit for limit in limits(alone))
    assert not any("no external cohort" in limit for limit in limits(replace(alone, graded=(found,))))


# Less than a whole run


def test_a_run_record_alone_makes_a_page_that_says_what_is_missing(tmp_path):
    write_run_json(tmp_path, synthetic=False)
    text = Page(report_run(read_run(tmp_path)).read_text(encoding="utf-8")).text
    assert "This run contains no benchmark" in text
    assert "answers no question about grade or Ki67" in text
    assert "Synthetic phantoms" not in text
    assert "not a medical device" in text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", None, "holds no model of `ccrcc fit` and no benchmark"),
        ("run.json", "{}", "is not a run record: command: Field required"),
        ("run.json", "[", "is not a run record"),
        ("tables/flow.csv", "cohort,role\n", "lacks the columns listed, passed"),
        ("tables/flow.csv", "", "is empty"),
        (
            "tables/overlap.csv",
            "cohort,centre,case_id,structure,dice,reference_ml,predicted_ml,relative_volume_error\na,b,c,spleen,1,1,1,0\n",
            "structure 'spleen'; known ones are kidney, tumour, cyst",
        ),
        ("benchmark/grade/benchmark.json", "{}", "is not a benchmark"),
    ],
)
def test_a_broken_run_is_refused_in_one_line_and_writes_no_page(tmp_path, name, content, message):
    write_run_json(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        report_run(read_run(tmp_path))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report").exists()


# A large run


@pytest.fixture(scope="module")
def large_run(run_dir, tmp_path_factory) -> Path:
    """A reported run of a thousand external cases with overlays as large as noise can be."""
    folder = shutil.copytree(run_dir, tmp_path_factory.mktemp("large") / "run")
    rng = np.random.default_rng(0)
    columns = "cohort centre case_id structure dice reference_ml predicted_ml relative_volume_error"
    dice = [
        ("north", f"centre {i % 10}", f"case {i}", structure, rng.uniform(0.5, 1), 10.0, 11.0, rng.normal(0, 0.1))
        for i in range(1000)
        for structure in ("kidney", "tumour", "cyst")
    ]
    write_csv(folder / "tables" / "overlap.csv", columns, *dice)
    for number in range(8):
        noise = rng.integers(0, 255, (600, 900, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "overlays" / f"case {number}.png")
    result = assemble(
        cohort("home", 1000, seed=1), [cohort("north", 1000, seed=2)], target=ki67(), threshold=0.5, baseline_threshold=0.5
    )
    result.save(folder / "benchmark" / "ki67")
    report_run(read_run(folder))
    return folder


def test_a_report_of_a_thousand_cases_takes_15_megabytes_at_most(large_run):
    text = (large_run / "report" / "report.html").read_text(encoding="utf-8")
    assert "The first 6 of 9 images in the folder" in text
    assert "case 0" not in re.sub(r"data:image/[^\"]+", "", text)
    assert len(text.encode()) <= 15e6


# In a browser

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--disable-quic",
    "--enable-logging=stderr",
)

PROBE = """<script>
addEventListener("load", () => {
  const drawn = [...document.images].map((image) => {
    const canvas = Object.assign(document.createElement("canvas"), {width: 200, height: 150});
    const pen = canvas.getContext("2d");
    if (image.naturalWidth) pen.drawImage(image, 0, 0, 200, 150);
    return new Set(new Uint32Array(pen.getImageData(0, 0, 200, 150).data.buffer)).size;
  });
  const names = performance.getEntriesByType("resource").map((entry) => entry.name);
  const asked = names.filter((name) => !name.startsWith("data:"));
  document.documentElement.dataset.probe = btoa(JSON.stringify({drawn, asked}));
});
</script>"""
"""Notes how many colours each picture has, and what was asked for. The page's policy forbids scripts,
so it is put into a copy without the policy, which could ask for anything."""


def in_browser(page: Path, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done


def probe(page: Path, folder: Path) -> dict[str, Any]:
    text = page.read_text(encoding="utf-8")
    free = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", PROBE, text)
    assert free != text
    copy = folder / "probed.html"
    copy.write_text(free, encoding="utf-8")
    found = re.search(r'data-probe="([^"]+)"', in_browser(copy, folder / "profile", "--dump-dom").stdout)
    assert found, "the page did not load"
    return json.loads(base64.b64decode(found[1]))


@in_chromium
@pytest.mark.parametrize("name", ["report.html", "sheets.html"])
@pytest.mark.parametrize("size", ["1200,1600", "500,900"])
def test_the_page_opens_offline_without_a_complaint(run_dir, tmp_path, name, size):
    shot = tmp_path / "page.png"
    done = in_browser(run_dir / "report" / name, tmp_path / "profile", f"--window-size={size}", f"--screenshot={shot}")
    assert "CONSOLE" not in done.stderr  # a blocked request or a script would be told here
    with Image.open(shot) as picture:
        assert np.asarray(picture.convert("L")).std() > 10


@in_chromium
def test_every_figure_is_drawn_and_nothing_is_asked_for(run_dir, page, tmp_path):
    found = probe(run_dir / "report" / "report.html", tmp_path)
    overlay = [image["alt"].startswith("CT slice") for image in page.all("img")].index(True)
    assert len(found["drawn"]) == len(page.all("img"))
    assert found["drawn"].pop(overlay) == 1  # this fixture's overlay is a grey card
    assert min(found["drawn"]) > 20
    assert found["asked"] == []


@in_chromium
def test_the_page_of_a_thousand_cases_draws_every_figure(large_run, tmp_path):
    assert min(probe(large_run / "report" / "report.html", tmp_path)["drawn"]) > 20


@in_chromium
def test_the_page_prints_to_pdf(run_dir, tmp_path):
    pdf = tmp_path / "page.pdf"
    in_browser(run_dir / "report" / "report.html", tmp_path / "profile", "--no-pdf-header-footer", f"--print-to-pdf={pdf}")
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert pdf.stat().st_size > 50_000


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("run.json", b"", "is not a run record"),
        ("run.json", bytes(50), "is not a run record"),
        ("run.json", b'{"title": "a", "title": "b", "synthetic": true, "command": "c"}', "gives the key 'title' twice"),
        ("run.json", b'{"title": "a", "synthetic": true, "command": "c", "more": NaN}', "it holds NaN"),
        ("run.json", b'{"title": "a", "synthetic": true, "command": "c", "stages": [{"name": "s", "seconds": -1}]}', "stages"),
        ("tables/flow.csv", bytes(50), "a null character"),
        ("tables/flow.csv", b"\x89PNG\r\n\x1a\n\xff", "is not UTF-8 text"),
        ("overlays/secret-north0.png", b"GIF89a", "is no PNG picture"),
        ("benchmark/grade/benchmark.json", b"{}", "is not a benchmark"),
        ("models/grade/manifest.json", b"{}", "was changed"),
    ],
)
def test_a_damaged_run_is_refused_in_one_line(run_dir: Path, tmp_path: Path, file: str, content: bytes, message: str) -> None:
    run = Path(shutil.copytree(run_dir, tmp_path / "run"))
    (run / file).write_bytes(content)
    with pytest.raises(InputError, match=message) as refused:
        report_run(read_run(run))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("table", "old", "new", "message"),
    [
        ("flow", ",122,", ",many,", "listed holds 'many'"),
        ("flow", ",122,", ",-1,", "listed holds"),
        ("flow", ",122,", ",1.5,", "listed holds"),
        ("overlap", ",0.9,", ",1.2,", "dice holds"),
        ("overlap", ",10.0,", ",inf,", "reference_ml holds"),
    ],
)
def test_a_table_whose_numbers_are_none_is_refused(
    run_dir: Path, tmp_path: Path, table: str, old: str, new: str, message: str
) -> None:
    run = Path(shutil.copytree(run_dir, tmp_path / "run"))
    path = run / "tables" / f"{table}.csv"
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        report_run(read_run(run))


@pytest.mark.parametrize("file", ["run.json", "tables/flow.csv", "overlays/pipe.png", "benchmark/grade/benchmark.json"])
def test_a_pipe_in_a_run_is_not_waited_for(run_dir: Path, tmp_path: Path, file: str) -> None:
    run = Path(shutil.copytree(run_dir, tmp_path / "run"))
    (run / file).unlink(missing_ok=True)
    os.mkfifo(run / file)
    with pytest.raises(InputError, match="is a pipe"):
        report_run(read_run(run))


def test_of_two_models_of_a_target_the_one_that_was_scored_is_reported(run_dir: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_dir, tmp_path / "run"))
    manifest = shutil.copytree(run / "models" / "grade", run / "models2" / "mine") / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    manifest.with_name("manifest.sha256").write_text(f"{sha256(manifest.read_bytes()).hexdigest()}\n", encoding="utf-8")
    assert read_run(run).models["grade"].id == Model.load(run / "models" / "grade").id
    shutil.rmtree(run / "benchmark")
    with pytest.raises(InputError, match="holds two models of grade and no benchmark of either"):
        read_run(run)


def test_two_benchmarks_of_a_target_are_refused(run_dir: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_dir, tmp_path / "run"))
    shutil.copytree(run / "benchmark" / "grade", run / "again")
    with pytest.raises(InputError, match="holds two benchmarks of grade, again and grade"):
        read_run(run)


def test_a_report_writes_into_its_own_folder_only(run_dir: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_dir, tmp_path / "run"))
    shutil.rmtree(run / "report")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    report_run(read_run(run))
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert before.items() <= after.items()
    assert {path.relative_to(run).parts[0] for path in after.keys() - before.keys()} == {"report"}


def test_models_and_benchmarks_in_memory_are_reported_too(run_dir: Path, tmp_path: Path) -> None:
    run = read_run(run_dir)
    page = write_report(list(run.models.values()), run.benchmarks, str(tmp_path / "mine"))
    assert page == tmp_path / "mine" / "report.html"
    text = Page(page.read_text(encoding="utf-8")).text
    assert "Grade and Ki67 from CT radiomics" in text
    assert run.models["grade"].id in text
    assert "Synthetic phantoms" not in text


def test_the_stages_that_left_a_record_are_named(run_dir: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_dir, tmp_path / "run"))
    (run / "run.json").unlink()
    write_record(run / "scans" / "study" / "run.json", "ccrcc phantom", {"seed": 5})
    write_record(run / "features" / "home.run.json", "ccrcc extract", {"preset": "quick"})
    (run / "features" / "mine.run.json").write_text("{", encoding="utf-8")
    text = Page(report_run(read_run(run)).read_text(encoding="utf-8")).text
    assert re.search(r"scans/study/run.json\s+ccrcc phantom\s+5", text)
    assert re.search(r"features/home.run.json\s+ccrcc extract", text)
    assert "mine.run.json" not in text
    assert "Synthetic phantoms: no clinical claim" in text, "since a stage made them"
