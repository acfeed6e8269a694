# Also of: ccrcc_model.report.sheets.evidence, ccrcc_model.report.sheets.files, ccrcc_model.report.sheets.guideline,
# ccrcc_model.report.sheets.sheet.

import json
import re
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
from fitted import fit
from pydantic import ValidationError
from typer.testing import CliRunner

from ccrcc_model.cli import app
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.report import read_run, report_run
from ccrcc_model.report.model_card import as_text
from ccrcc_model.report.run_parts import find_parts
from ccrcc_model.report.sheets import Evidence, Item, Pointer, Row, Status, fill, load_guidelines
from ccrcc_model.report.sheets.evidence import TOPICS, in_short
from ccrcc_model.validation.benchmark import benchmark
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.preset import load_preset

SCRIPT = "<script>alert(1)</script>"
GUIDELINES = {guideline.name: guideline for guideline in load_guidelines()}


def write_csv(path: Path, columns: str, *rows: tuple) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=columns.split()).to_csv(path, index=False)


def write_tables(folder: Path) -> None:
    write_csv(
        folder / "acquisition.csv",
        "cohort centre cases tube_voltage_kv tube_current_ma matrix slice_thickness_mm pitch",
        ("home", "east", 60, "120", "220", "512 × 512", "1 or 2", "0.83"),
        ("north", "west", 40, "N/A", "N/A", "512 × 512", "5", "N/A"),
    )
    flow = ("home", "development", 62, 60, 60, 60, 60), (f"north {SCRIPT}", "external", 40, 40, 40, 40, 40)
    write_csv(folder / "flow.csv", "cohort role listed passed segmented extracted modelled", *flow)
    refused = [("home", f"secret-{number}", "check", "mask-shape", "mask of another shape") for number in range(2)]
    write_csv(folder / "quarantine.csv", "cohort case_id stage code reason", *refused)
    columns = "cohort centre case_id structure dice reference_ml predicted_ml relative_volume_error"
    dice = [("north", "west", f"secret-{i}", s, 0.7 + i / 10, 10.0, 11.0, 0.1) for i in range(3) for s in ("kidney", "tumour")]
    write_csv(folder / "overlap.csv", columns, *dice)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, planted) -> Path:
    """A run with every piece of evidence that a guideline may ask for, made by the stages themselves where they make it."""
    folder = tmp_path_factory.mktemp("run")
    preset = load_preset("quick")
    made_by = {"preset": "quick", "preset_sha256": preset.sha256, "mode": "canonical"}
    table, outcomes = planted(60)
    table = replace(table, provenance=table.provenance | made_by)
    model = fit(table, outcomes, GRADE, out_dir=folder / "models" / "grade", folds=3, repeats=1, trials=1, controls=True)
    external, known = planted(40, role="external", cohort="north", seed=1)
    result = benchmark(model, Study(None, replace(external, provenance=external.provenance | made_by), known))
    result.save(folder / "benchmark" / "grade")
    record = {"title": f"A study {SCRIPT}", "synthetic": False, "command": "ccrcc demo", "versions": {"python": "3.11"}}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "masks").mkdir()
    (folder / "masks" / "segmentation.json").write_text(
        json.dumps({"structures": ["tumour"], "model": {"folds": [0]}}), encoding="utf-8"
    )
    write_tables(folder / "tables")
    report_run(read_run(folder))
    return folder


def evidence_in(folder: Path) -> Evidence:
    if not any((folder / name).exists() for name in ("models", "benchmark")):
        (folder / "run.json").touch()  # by which a run is known
    return Evidence(find_parts(folder))


def rows_of(folder: Path) -> dict[tuple[str, str], Row]:
    evidence = evidence_in(folder)
    return {(name, row.item.number): row for name, guideline in GUIDELINES.items() for row in fill(guideline, evidence)}


def items() -> list[tuple[str, Item]]:
    return [(name, item) for name, guideline in GUIDELINES.items() for part in guideline.sections.values() for item in part]


# The guidelines as data


@pytest.mark.parametrize(
    ("name", "n_items", "doi"),
    [
        ("clear", 58, "10.1186/s13244-023-01415-8"),
        ("metrics", 30, "10.1186/s13244-023-01572-w"),
        ("claim", 44, "10.1148/ryai.240300"),
    ],
)
def test_items_are_numbered_as_published(name, n_items, doi):
    guideline = GUIDELINES[name]
    numbers = [item.number for part in guideline.sections.values() for item in part]
    assert numbers == [str(number) for number in range(1, n_items + 1)]
    assert guideline.doi == doi


def test_tripod_ai_has_27_items_in_52_parts():
    numbers = [item.number for part in GUIDELINES["tripod_ai"].sections.values() for item in part]
    assert len(numbers) == len(set(numbers)) == 52
    whole = [int(re.sub(r"\D", "", number)) for number in numbers]
    assert whole == sorted(whole)
    assert set(whole) == set(range(1, 28))
    assert [number for number in numbers if number.startswith("12")] == [f"12{letter}" for letter in "abcdefg"]


def test_the_weights_of_metrics_add_up_to_one_over_nine_categories():
    sections = GUIDELINES["metrics"].sections
    assert len(sections) == 9
    weights = {name: sum(item.weight for item in part) for name, part in sections.items()}
    assert sum(weights.values()) == pytest.approx(1, abs=1e-12)
    # The paper's order of importance: study design first, open science last.
    assert max(weights, key=weights.__getitem__) == "Study design"
    assert min(weights, key=weights.__getitem__) == "Open science"


def test_every_item_about_ethics_or_eligibility_is_reserved_to_the_author():
    reserved = {(name, item.number) for name, item in items() if item.reserved}
    about = re.compile(r"ethic|consent|eligib|inclusion and exclusion|de-identif", re.IGNORECASE)
    assert {(name, item.number) for name, item in items() if about.search(item.topic)} <= reserved
    assert {("clear", "8"), ("clear", "11"), ("clear", "45"), ("metrics", "2"), ("claim", "8"), ("claim", "11")} <= reserved
    assert {("tripod_ai", "6b"), ("tripod_ai", "16"), ("tripod_ai", "17")} <= reserved


@pytest.mark.parametrize(
    "more",
    [{"evidence": ["flow"]}, {"not_applicable": "it is public data", "evidence": ["flow"]}],
    ids=["filled", "not needed"],
)
def test_an_item_about_ethics_takes_no_evidence(more):
    Item.model_validate({"item": 8, "topic": "Ethics", "reserved": "ethics"})
    with pytest.raises(ValidationError, match="it is left to the author, and takes no evidence"):
        Item.model_validate({"item": 8, "topic": "Ethics", "reserved": "ethics", **more})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"evidence": ["flow", "flaw"]}, "no evidence is called 'flaw'"),
        ({"not_applicable": "so"}, "not_applicable requires evidence"),
    ],
)
def test_an_item_rests_on_evidence_that_there_is(more, message):
    with pytest.raises(ValidationError, match=message):
        Item.model_validate({"item": 1, "topic": "Title", **more})


def test_every_topic_is_asked_for():
    assert {topic for _, item in items() for topic in item.evidence} == set(TOPICS)


# What is filled


def test_a_whole_run_fills_every_item_that_names_evidence(run_dir):
    rows = rows_of(run_dir)
    assert len(rows) == 58 + 30 + 52 + 44
    expected = {True: Status.NOT_APPLICABLE, False: Status.FILLED}
    for key, row in rows.items():
        wanted = expected[bool(row.item.not_applicable)] if row.item.evidence else Status.AUTHOR
        assert (key, row.status) == (key, wanted)
        assert bool(row.pointers) == (row.status is not Status.AUTHOR)


def test_every_pointer_leads_to_what_it_says(run_dir):
    pointers = {pointer for row in rows_of(run_dir).values() for pointer in row.pointers}
    assert len(pointers) > 40
    for pointer in pointers:
        path = run_dir / pointer.file
        assert path.stat().st_size > 0
        if path.suffix == ".csv" and pointer.key:
            assert pointer.key in pd.read_csv(path, nrows=0).columns
        elif pointer.key:
            value = json.loads(path.read_text(encoding="utf-8"))
            for part in pointer.key.split("."):
                value = value[int(part)] if isinstance(value, list) else value[part]
            assert in_short(value) == pointer.value


def test_pointers_read_as_documented(run_dir):
    found = {str(pointer) for row in rows_of(run_dir).values() for pointer in row.pointers}
    assert "models/grade/manifest.json: settings.folds = 3" in found
    assert "benchmark/grade/benchmark.json: groups.1.model.n = 40" in found
    assert "report/tables/preset_quick.json: scales.3mm.setting.resampledPixelSpacing = 3, 3, 3" in found
    assert "tables/flow.csv: role = development, external" in found
    assert "tables/acquisition.csv: tube_voltage_kv = 120" in found
    assert "report/figures/figure_s1_dice.csv" in found


def test_no_case_is_named(run_dir):
    assert not [row for row in rows_of(run_dir).values() if "secret" in str(row.pointers)]


# What is left to the author


PATTERNS = sorted({place.files for places in TOPICS.values() for place in places})


@pytest.mark.parametrize("pattern", PATTERNS)
def test_without_a_file_its_rows_are_left_to_the_author_and_no_other(run_dir, tmp_path, pattern):
    before = rows_of(run_dir)
    left = shutil.copytree(run_dir, tmp_path / "run", ignore=shutil.ignore_patterns("*.png", "member_*"))
    removed = list(left.glob(pattern))
    for path in removed:
        path.unlink()
    assert removed
    known_by = {"models/*/manifest.json": "models/", "benchmark/*/benchmark.json": "benchmark/"}  # without it, all is gone
    gone = known_by.get(pattern, pattern)
    resting = {topic for topic, places in TOPICS.items() if any(place.files.startswith(gone) for place in places)}
    for key, row in rows_of(left).items():
        wanted = Status.AUTHOR if resting & set(row.item.evidence) else before[key].status
        assert (key, row.status) == (key, wanted)


def test_a_key_that_one_of_two_models_lacks_is_left_to_the_author(run_dir, tmp_path):
    for target in ("grade", "ki67"):
        shutil.copytree(run_dir / "models" / "grade", tmp_path / "models" / target)
    assert len(evidence_in(tmp_path).find("centre_control")) == 2
    manifest = tmp_path / "models" / "ki67" / "manifest.json"
    manifest.write_text(
        json.dumps(json.loads(manifest.read_text(encoding="utf-8")) | {"controls": {"centre_only": {"value": None}}}),
        encoding="utf-8",
    )
    assert evidence_in(tmp_path).find("centre_control") == ()
    assert len(evidence_in(tmp_path).find("folds")) == 4


@pytest.mark.parametrize(
    ("value", "found"), [(0, "0"), (0.0, "0"), (True, "true"), (False, None), (None, None), ("", None), ([], None), ({}, None)]
)
def test_nothing_is_no_evidence_but_zero_is(tmp_path, value, found):
    path = tmp_path / "models" / "grade" / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"settings": {"seed": value}}), encoding="utf-8")
    assert evidence_in(tmp_path).find("seed") == (
        () if found is None else (Pointer(path.relative_to(tmp_path).as_posix(), "settings.seed", found),)
    )


def test_that_classes_are_not_weighed_rests_on_the_setting_that_says_so(run_dir, tmp_path):
    left = shutil.copytree(run_dir, tmp_path / "run", ignore=shutil.ignore_patterns("*.png", "member_*"))
    manifest = left / "models" / "grade" / "manifest.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    row = rows_of(left)["tripod_ai", "13"]
    assert (row.status, [str(one) for one in row.pointers]) == (
        Status.NOT_APPLICABLE,
        ["models/grade/manifest.json: settings.balanced = false"],
    )
    for settings in (
        content["settings"] | {"balanced": True},
        {k: v for k, v in content["settings"].items() if k != "balanced"},
    ):
        manifest.write_text(json.dumps(content | {"settings": settings}), encoding="utf-8")
        assert rows_of(left)["tripod_ai", "13"].status is Status.AUTHOR


def test_updating_points_at_the_recalibration_that_the_benchmark_wrote(run_dir):
    for item in ("12f", "24"):
        row = rows_of(run_dir)["tripod_ai", item]
        assert row.status is Status.FILLED
        assert "report/benchmark/grade/recalibration.csv" in {pointer.file for pointer in row.pointers}


@pytest.mark.parametrize(("centres", "found"), [(("east", "east"), False), (("east", "N/A"), False), (("east", "west"), True)])
def test_several_centres_are_two_that_are_named(tmp_path, centres, found):
    write_csv(tmp_path / "tables" / "acquisition.csv", "centre", *((centre,) for centre in centres))
    assert bool(evidence_in(tmp_path).find("centres")) is found


def test_a_preset_that_is_not_the_one_that_was_used_is_not_told(run_dir, tmp_path):
    left = shutil.copytree(run_dir, tmp_path / "run")
    manifest = left / "models" / "grade" / "manifest.json"
    assert evidence_in(left).find("resampling")
    content = json.loads(manifest.read_text(encoding="utf-8"))
    content["preset"]["preset_sha256"] = "0" * 64
    reseal(manifest, content)
    shutil.rmtree(left / "benchmark")
    report_run(read_run(left))
    assert not list(left.glob("report/tables/preset_*.json"))
    assert not evidence_in(left).find("resampling")


def reseal(manifest: Path, content: dict) -> None:
    manifest.write_text(json.dumps(content), encoding="utf-8")
    manifest.with_name("manifest.sha256").write_text(sha256(manifest.read_bytes()).hexdigest() + "\n", encoding="utf-8")


def test_a_damaged_record_is_refused_in_one_line(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "segmentation.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"segmentation\.json is not readable JSON") as caught:
        evidence_in(tmp_path).find("segmentation")
    assert "\n" not in str(caught.value)


# The files


def test_report_writes_the_sheets_as_csv_and_as_a_page(run_dir, tmp_path):
    left = shutil.copytree(run_dir, tmp_path / "run", ignore=shutil.ignore_patterns("sheets*"))
    done = CliRunner().invoke(app, ["report", str(left)])
    assert done.exit_code == 0, done.output
    page = (left / "report" / "sheets.html").read_text(encoding="utf-8")
    for name, guideline in GUIDELINES.items():
        frame = pd.read_csv(left / "report" / "sheets" / f"{name}.csv", dtype=str, keep_default_na=False)
        assert list(frame["item"]) == [item.number for part in guideline.sections.values() for item in part]
        assert set(frame["status"]) <= {status.value for status in Status}
        assert ((frame["evidence"] == "") == (frame["status"] == Status.AUTHOR)).all()
        assert set(frame["source"]) == {f"doi:{guideline.doi}"}
        assert page.count(f"doi:{guideline.doi}") == 1
    assert "weight" in pd.read_csv(left / "report" / "sheets" / "metrics.csv")
    assert "weight" not in pd.read_csv(left / "report" / "sheets" / "clear.csv")


def test_the_page_of_the_sheets_asks_for_nothing_and_escapes_what_users_wrote(run_dir):
    page = (run_dir / "report" / "sheets.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|@import|url\(|<script|<img|<link(?! rel=\"icon\" href=\"data:,\")", page)
    assert set(re.findall(r'href="([^#][^"]*)"', page)) == {"data:,", "report.html"}
    assert "A study &lt;script&gt;" in page
    assert page.count("<caption") == page.count("<table") == 4


def test_the_report_counts_the_rows_and_links_to_them(run_dir):
    page = (run_dir / "report" / "report.html").read_text(encoding="utf-8")
    rows = rows_of(run_dir)
    clear = [row.status for (name, _), row in rows.items() if name == "clear"]
    counted = "".join(f"<td>{clear.count(status)}</td>" for status in Status)
    assert f'<tr><th scope="row">CLEAR</th><td>58</td>{counted}</tr>' in page
    assert '<a href="sheets.html">' in page


# What was measured


def test_the_report_tells_how_features_were_extracted(run_dir):
    page = re.sub(r"<[^>]+>", " ", (run_dir / "report" / "report.html").read_text(encoding="utf-8"))
    for words in (
        "3 × 3 × 3",
        "BSpline",
        "25 HU wide",
        "LoG, σ 3, 6 mm",
        "Wavelet coif1",
        "shell_0_5mm_fat",
        "−190 to 300 HU",
    ):
        assert words in page
    frame = pd.read_csv(run_dir / "report" / "tables" / "features_used.csv")
    assert list(frame.columns) == ["region", "scale", "grade"]
    manifest = json.loads((run_dir / "models" / "grade" / "pipeline.json").read_text(encoding="utf-8"))
    names = {feature["name"] for member in manifest["members"] for feature in member["features"]}
    assert frame["grade"].sum() == len(names | {member["volume"]["column"] for member in manifest["members"]})


# The model card

SECTIONS = [
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
]
"""Of Mitchell et al. 2019, doi:10.1145/3287560.3287596, in their order."""


@pytest.fixture(scope="module")
def card(run_dir) -> str:
    return (run_dir / "report" / "model_cards" / "grade.md").read_text(encoding="utf-8")


def test_a_model_card_has_the_published_sections_in_order(card):
    assert re.findall(r"^## (.+)$", card, re.MULTILINE) == SECTIONS
    assert "not a medical device" in card
    assert re.search(r"## Ethical considerations\n\n\*Author to complete\.\*\n\n##", card)


def test_a_model_card_is_filled_from_manifest_and_benchmark(card, run_dir):
    manifest = json.loads((run_dir / "models" / "grade" / "manifest.json").read_text(encoding="utf-8"))
    assert f"home: {manifest['n_patients']} patients, {manifest['n_positive']} positive" in card
    assert "- north: 40 patients" in card
    assert (run_dir / "models" / "grade" / "manifest.sha256").read_text(encoding="utf-8").strip() in card
    assert "| north |" in card
    assert "in `benchmark/grade/subgroups.csv`: tumour size\n" in card
    assert "Sex, age" not in card
    assert "a validation should have at least 100 in each class" in card


def test_a_model_without_a_benchmark_says_so(run_dir, tmp_path):
    left = shutil.copytree(run_dir, tmp_path / "run", ignore=shutil.ignore_patterns("benchmark"))
    report_run(read_run(left))
    card = (left / "report" / "model_cards" / "grade.md").read_text(encoding="utf-8")
    assert "No external cohort was scored" in card
    assert "The run contains no benchmark of this model." in card
    assert "Sex, age, ethnicity and other groups of patients: not recorded in the run." in card


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (SCRIPT, "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a | b", r"a \| b"),
        ("isup_grade >= 3", r"isup\_grade &gt;= 3"),
        ("two\n# lines", r"two \# lines"),
        ("[x](y) `z` *", r"\[x\](y) \`z\` \*"),
    ],
)
def test_text_in_a_card_is_text(written, shown):
    assert as_text(written) == shown
