"""The file that a hospital sends: what it holds, what it never holds, and every way in which it is refused."""

# Also of: ccrcc_model.multicentre.older_formats, ccrcc_model.multicentre.predictor_result,
# ccrcc_model.multicentre.result_faults.

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from ccrcc_model.models.model import Model
from ccrcc_model.multicentre.result_file import SiteResult, _digest, share_predictions, site_result
from ccrcc_model.outcomes.seen import patient_hash
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.statistics.calls import counts
from ccrcc_model.statistics.discrimination import auc, auc_difference
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.meta_analysis import standard_error
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.ground.errors import InputError

HALF_A_DIGIT = 5e-6 * (1 + 1e-9)
"""Largest error of a figure that was rounded to five decimals, and of the floats that say so."""


def pair(name: str, n: int, *, seed: int) -> tuple[Predictions, Predictions]:
    """A model that sees the truth through noise, and a baseline that sees it through more."""
    rng = np.random.default_rng(seed)
    truth = (np.arange(n) % 3 == 0).astype(int)
    ids = np.array([f"patient-{i:04d}" for i in range(n)], dtype=np.str_)

    def predictor(strength: float) -> Predictions:
        return Predictions(name, "grade", ids, np.full(n, "one"), truth, expit(strength * truth - 1 + rng.normal(size=n)))

    return predictor(1.6), predictor(0.6)


def shared(name: str = "north", n: int = 150, *, seed: int = 2, **options: Any) -> SiteResult:
    about = {"target": GRADE, "model_id": "a" * 64, "threshold": 0.4, "baseline_threshold": 0.3}
    return share_predictions(*pair(name, n, seed=seed), **(about | options))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "north.grade.json"
    shared().write(path)
    return path


def test_what_was_written_is_read_back(file: Path) -> None:
    back = SiteResult.read(file)
    assert back == shared()
    assert json.loads(file.read_text(encoding="utf-8"))["sha256"] == back.sha256 == shared().sha256


def test_figures_are_those_of_the_benchmark_to_five_decimals() -> None:
    model, baseline = pair("north", 150, seed=2)
    result = shared()
    assert (result.n, result.events, result.rule) == (150, 50, "isup_grade >= 3")
    assert result.model.auc.value == pytest.approx(auc(model).value, abs=HALF_A_DIGIT)
    assert result.difference.high == pytest.approx(auc_difference(model, baseline).estimate.high, abs=HALF_A_DIGIT)
    assert result.model.expected_events == pytest.approx(model.y_prob.sum(), abs=5e-3)
    assert result.baseline.histogram.counts.worst == result.baseline.histogram.counts.best == counts(baseline, 0.3)


def test_the_file_is_small_and_names_nobody(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    ids = pair("north", 150, seed=2)[0].patient_id
    assert len(text) < 10_000
    assert not any(each in text for each in (*ids, *(patient_hash(one) for one in ids), "/", "\\"))


def test_no_count_in_the_file_is_small(tmp_path: Path) -> None:
    """Of eight cohorts of 40, whose counts at the threshold are small now and then."""
    withheld = 0
    for seed in range(8):
        result = shared(n=40, seed=seed)
        result.write(tmp_path / "one.json")
        content = json.loads((tmp_path / "one.json").read_text(encoding="utf-8"))
        for name in ("model", "baseline"):
            histogram = content[name]["histogram"]
            at_threshold = histogram["counts"]
            found = [cell[of] for cell in histogram["cells"] for of in ("negatives", "positives")]
            for least, most, of in (
                (*at_threshold["true_positives"], at_threshold["positives"]),
                (*at_threshold["false_positives"], at_threshold["negatives"]),
            ):
                withheld += least < most
                found += [least, of - least] if least == most else []
            assert not any(0 < count < 5 for count in found)
    assert withheld > 2


def test_a_locked_model_is_shared_as_it_is_benchmarked(model_folder: Path, planted: Callable[..., Any]) -> None:
    model = Model.load(model_folder)
    table, outcomes = planted(80, role="external", cohort="away", seed=3)
    result = site_result(model, table, outcomes)
    predictions = model.predict(Study(None, table, outcomes))
    assert (result.model_id, result.cohort, result.n) == (model.id, "away", 80)
    assert (result.model.threshold, result.baseline.threshold) == (
        model.decision.threshold,
        model.baseline_decision.threshold,
    )
    assert result.model.auc.value == pytest.approx(auc(predictions).value, abs=HALF_A_DIGIT)


def made_of(negatives: list[float], positives: list[float]) -> Predictions:
    y_prob = np.array([*negatives, *positives])
    ids = np.arange(len(y_prob)).astype(np.str_)
    truth = np.array([0] * len(negatives) + [1] * len(positives))
    return Predictions("north", "grade", ids, np.full(len(ids), "one"), truth, y_prob)


def test_figures_from_which_a_withheld_count_would_follow_are_withheld_too(tmp_path: Path) -> None:
    """With the cells, an AUC of 366 / 372 leaves 11 true positives as the only possibility, of 1 to 11."""
    model = made_of([0.1] * 20 + [0.2] * 5 + [0.5] * 6, [0.3] + [0.9] * 11)
    baseline = made_of([0.1] * 20 + [0.2] * 5 + [0.5] * 6, [0.3] * 5 + [0.9] * 7)
    about = {"target": GRADE, "model_id": "a" * 64, "threshold": 0.333, "baseline_threshold": 0.333}
    result = share_predictions(model, baseline, **about)
    assert auc(model).value == pytest.approx(366 / 372)
    assert result.model.histogram.counts.true_positives == (1, 11)
    figures = (result.model.auc, result.model.brier, result.model.intercept, result.model.slope, result.difference)
    assert set(figures) == {Estimate(None, reason="small counts are withheld")}
    assert result.model.expected_events is None
    assert result.baseline.histogram.counts.true_positives == (7, 7)
    assert result.baseline.auc.value == pytest.approx(auc(baseline).value, abs=HALF_A_DIGIT)
    assert result.baseline.expected_events == pytest.approx(baseline.y_prob.sum())
    result.write(tmp_path / "one.json")
    assert SiteResult.read(tmp_path / "one.json") == result
    with pytest.raises(InputError, match="model: auc is given, though a count is withheld"):
        replace(result, model=replace(result.model, auc=Estimate(0.98387, 0.9, 1.0)))
    with pytest.raises(InputError, match="difference is given, though a count is withheld"):
        replace(result, difference=Estimate(0.1, 0.0, 0.2))


@pytest.mark.parametrize(("truth", "word"), [(0, "positive"), (1, "negative")])
def test_a_cohort_of_one_class_has_no_result_file(truth: int, word: str) -> None:
    """Sums of the probabilities of 20 negatives would tell how many of them are called positive."""
    model, baseline = (replace(each, y_true=np.full(150, truth)) for each in pair("north", 150, seed=2))
    with pytest.raises(InputError, match=f"fewer than 5 {word} patients"):
        share_predictions(model, baseline, target=GRADE, model_id="a" * 64, threshold=0.4, baseline_threshold=0.3)


def as_format_1(content: dict[str, Any]) -> None:
    """Make of a file what the version before it wrote: the interval of an AUC on its own scale, here ± 1.96 × 0.04."""
    content["format"] = 1
    for name in ("model", "baseline"):
        value = content[name]["auc"]["value"]
        content[name]["auc"] = {"value": value, "low": value - 0.0784, "high": value + 0.0784, "reason": None}


def test_a_file_of_format_1_is_read_with_its_intervals_on_the_logit_scale(file: Path) -> None:
    rewrite(file, as_format_1, signed=True)
    kept = json.loads(file.read_text(encoding="utf-8"))
    result = SiteResult.read(file)
    assert result.sha256 == kept["sha256"]
    area = result.model.auc
    assert area.value == kept["model"]["auc"]["value"]
    assert standard_error(area, scale="logit") == pytest.approx(0.04 / (area.value * (1 - area.value)), rel=1e-3)
    result.write(file)
    assert json.loads(file.read_text(encoding="utf-8"))["format"] == 2
    assert SiteResult.read(file) == result


def test_a_file_of_format_1_that_lacks_a_figure_is_refused(file: Path) -> None:
    rewrite(file, as_format_1, signed=True)
    rewrite(file, lambda content: content["model"].pop("auc"), signed=True)
    with pytest.raises(InputError, match="contradicts itself"):
        SiteResult.read(file)


def test_the_hash_does_not_depend_on_how_the_json_is_laid_out(file: Path) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(dict(reversed(content.items()))), encoding="utf-8")
    assert SiteResult.read(file) == shared()


def rewrite(file: Path, change: Callable[[dict[str, Any]], Any], *, signed: bool) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    if signed:
        content.pop("sha256", None)
        content["sha256"] = _digest(content)
    file.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(cohort="south"),
        lambda content: content["model"]["auc"].update(value=0.99),
        lambda content: content.update(note="please"),
        lambda content: content.pop("sha256"),
        lambda content: content.update(sha256="0" * 64),
    ],
)
def test_a_file_with_one_thing_changed_is_refused(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    rewrite(file, change, signed=False)
    with pytest.raises(InputError, match=r"north.grade.json was changed: its content does not match its SHA-256"):
        SiteResult.read(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(format=3), "format 3, this version reads 1 and 2: update the software"),
        (lambda content: content.update(format=0), "format 0, this version reads 1 and 2: ask the site to make it again"),
        (lambda content: content.update(kind="benchmark"), "is not a result file"),
        (lambda content: content.update(n=151), "contradicts itself: model: the counts do not add up to the patients"),
        (lambda content: content.update(smallest_cell=4), "smallest_cell is 4, and must be 5 or more"),
        (lambda content: content.update(cohort="../north"), "must be letters, digits"),
        (lambda content: content.update(model_id="12"), "model_id is not the SHA-256 of a manifest"),
        (lambda content: content.pop("difference"), "difference: "),
        (lambda content: content["baseline"].update(threshold=1), r"baseline: the threshold is 1, not inside \(0, 1\)"),
        (lambda content: content["model"]["histogram"]["cells"][0].update(low=0.1), "the cells do not run from 0 to 1"),
        (lambda content: content["model"]["histogram"]["cells"][0].update(negatives=4), "a cell holds fewer than 5 patients"),
        (
            lambda content: content["model"]["histogram"]["counts"].update(true_positives=[9, 50]),
            "the counts at the threshold do not follow from the cells",
        ),
        (lambda content: content.update(patients=["patient-0001"]), "holds more than a result file does"),
        (lambda content: content["model"]["auc"].update(note="fine"), "holds more than a result file does"),
        (lambda content: content.update(n=0, events=0), "0 positive and 0 negative patients, fewer than 5 of a class"),
        (lambda content: content.update(events=148), "148 positive and 2 negative patients, fewer than 5 of a class"),
        (lambda content: content["model"]["auc"].update(value=None), "model: auc is missing"),
        (lambda content: content["model"]["auc"].update(value=1.2, high=1.3), r"model: auc is not inside \[0, 1\]"),
        (lambda content: content["model"]["brier"].update(value=-0.1, low=-0.2), r"model: brier is not inside \[0, 1\]"),
        (lambda content: content["model"]["auc"].update(low=0.99), "model: auc lies outside of its interval"),
        (lambda content: content["model"]["auc"].update(low=None), "model: auc has one bound only"),
        (lambda content: content["baseline"].update(expected_events=151), r"expected_events is not inside \[0, 150\]"),
        (lambda content: content["baseline"].update(expected_events=None), "baseline: expected_events is missing"),
        (lambda content: content["model"]["slope"].update(high=1e200), "model: slope is not inside"),
        (lambda content: content["model"]["intercept"].update(low=-1e200), "model: intercept is not inside"),
        (lambda content: content["difference"].update(value=-1.5, low=-2), r"difference is not inside \[-1, 1\]"),
        (lambda content: content.update(about=["Holds images."]), "holds more than a result file does"),
    ],
)
def test_a_file_that_cannot_be_one_is_refused_even_if_its_hash_is_right(
    file: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    rewrite(file, change, signed=True)
    with pytest.raises(InputError, match=message):
        SiteResult.read(file)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "id,probability\n1,0.5\n", '{"n": NaN}', '{"n": 1e999}', "[" * 100_000])
def test_what_is_no_json_or_another_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "note.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="note.json is not a result file"):
        SiteResult.read(path)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No result file at"):
        SiteResult.read(tmp_path / "none.json")
    (tmp_path / "scan.json").write_bytes(b"\xff\xfe\x00\x9f" * 9)
    with pytest.raises(InputError, match="not readable JSON"):
        SiteResult.read(tmp_path / "scan.json")
