"""A benchmark that is read back holds what one can hold, or is refused in one line."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.statistics.evaluation import Pair
from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.validation.groups import assemble
from ccrcc_model.validation.result import FILE, BenchmarkResult
from nnunet_ext.ground.errors import InputError


def _cohort(name: str, n: int, seed: int) -> Pair:
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.4).astype(np.int_)
    patients = np.array([f"{name}-{place}" for place in range(n)])

    def said(strength: float) -> Predictions:
        probability = 1 / (1 + np.exp(-strength * (truth - 0.5) - rng.normal(size=n)))
        return Predictions(name, "grade", patients, np.full(n, "c"), truth, probability)

    return Pair(said(2.0), said(0.5))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("benchmark")
    external = [_cohort("north", 40, 2), _cohort("south", 30, 3)]
    result = assemble(_cohort("home", 60, 1), external, target=GRADE, threshold=0.4, baseline_threshold=0.5, replicates=100)
    result.save(folder)
    return (folder / FILE).read_text(encoding="utf-8")


def _changed(text: str, where: str, value: object) -> str:
    content = json.loads(text)
    *outer, last = (int(part) if part.isdigit() else part for part in where.split("."))
    inner = content
    for part in outer:
        inner = inner[part]
    inner[last] = value
    return json.dumps(content)


def test_what_was_written_is_read(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    assert len(BenchmarkResult.load(tmp_path).groups) == 4


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("groups", [], "no group of patients"),
        ("prevalence", 1.5, "prevalence is 1.5"),
        ("print_rule", "up", "print_rule"),
        ("groups.0.scope", "elsewhere", "scope"),
        ("groups.0.model.n", "60", r"model\.n: Input should be a valid integer"),
        ("groups.0.model.n", True, r"model\.n: Input should be a valid integer"),
        ("groups.0.model.n", 61, "different patients"),
        ("groups.0.model.threshold", 1.7, "threshold is 1.7"),
        ("groups.0.model.threshold", float("nan"), "it holds NaN"),
        ("groups.0.model.counts.true_positive", -1, "a count below 0"),
        ("groups.1.model.counts.true_positive", 39, "do not add up"),
        ("groups.1.model.auc.value", 0.999, "a difference of AUCs that is not theirs"),
        ("groups.1.model.auc.high", 2.0, r"2, which is not inside \[0, 1\]"),
        ("groups.1.model.auc.low", 1.0, "ends before it begins"),
        ("groups.1.model.auc.value", None, "an interval of no figure"),
        ("groups.1.model.calibration.brier.value", -0.5, "-0.5, which is not inside"),
        ("groups.1.difference.p_value", 1.2, "a p value of 1.2"),
        ("groups.1.calls.accuracy.only_first", 1000, "more calls than patients"),
        ("groups.1.model.roc.sensitivity", [0.0, 1.0], "a ROC curve that is none"),
        ("groups.1.model.curve.group_observed.0.numerator", 10**6, "of .* patients"),
        ("groups.1.uncertainty.declined.value", 0.4, "which is not|not inside"),
        ("recalibrated.0.events", 10**6, "do not add up"),
        ("across.n", 71, "across: it is not of the external cohorts"),
        ("across.auc.within.high", 1.5, r"across: 1.5, which is not inside \[0, 1\]"),
        ("across.auc.random.sites", 3, "across: it uses more cohorts than there are"),
        ("groups.1.model.decision.low", [0.1], "a decision curve that is none"),
    ],
)
def test_what_no_benchmark_can_hold_is_refused(text: str, tmp_path: Path, where: str, value: object, message: str) -> None:
    (tmp_path / FILE).write_text(_changed(text, where, value), encoding="utf-8")
    with pytest.raises(InputError, match=message) as refused:
        BenchmarkResult.load(tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", bytes(100), b"\x89PNG\r\n", b"[]", b'{"target": "a", "target": "b"}', b"[" * 9000])
def test_what_is_no_benchmark_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(InputError, match="is not a benchmark"):
        BenchmarkResult.load(tmp_path)


def test_a_pipe_is_no_benchmark(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(InputError, match="is a pipe"):
        BenchmarkResult.load(tmp_path)
