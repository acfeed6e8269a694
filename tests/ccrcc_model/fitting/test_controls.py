from dataclasses import replace

import numpy as np
import pytest

import ccrcc_model.fitting.controls
from ccrcc_model.fitting.controls import (
    FEWEST_SHUFFLES,
    SHUFFLES,
    Controls,
    control_lines,
    mean_of_shuffles,
    run_controls,
    shuffled,
)
from ccrcc_model.fitting.folds import Folds
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.statistics.estimate import Estimate

VOLUME = "tumour__1mm__original_shape_MeshVolume"
SETTINGS = Settings(folds=5, repeats=2, trials=1, seed=4)


def cases_of(y: np.ndarray, centre: np.ndarray, *, signal: float = 0.0, scans: int = 1) -> LabelledCases:
    """Patients with so many scans, a volume and 20 features, the first of which tells the label by ``signal``."""
    rng = np.random.default_rng(0)
    patients = np.array([f"p{n:03d}" for n in range(len(y))]).repeat(scans)
    features = rng.normal(size=(len(patients), 21))
    features[:, 1] += signal * y.repeat(scans)
    features[:, 0] = np.exp(features[:, 0])
    names = (VOLUME, *(f"f{n}" for n in range(20)))
    return LabelledCases(names, features, patients, centre.repeat(scans), y.repeat(scans))


def controls_of(cases: LabelledCases, settings: Settings) -> Controls:
    return run_controls(cases, GRADE, settings, folds=Folds.of(cases, settings))


def test_shuffling_deals_the_same_labels_to_whole_patients() -> None:
    y = np.arange(60) % 3 // 2
    cases = cases_of(y, np.full(60, "north"), scans=2)
    dealt = shuffled(cases, seed=1)
    assert dealt.y.sum() == cases.y.sum()
    assert not np.array_equal(dealt.y, cases.y)
    assert all(len(np.unique(dealt.y[dealt.patient_id == patient])) == 1 for patient in dealt.patients)
    assert np.array_equal(shuffled(cases, seed=1).y, dealt.y)
    assert not np.array_equal(shuffled(cases, seed=1, place=1).y, dealt.y)
    assert not np.array_equal(shuffled(cases, seed=2).y, dealt.y)


def test_a_strong_signal_is_gone_with_shuffled_labels() -> None:
    y = np.random.default_rng(3).permutation(np.arange(80) % 2)
    controls = controls_of(cases_of(y, np.full(80, "north"), signal=3.0), SETTINGS)
    assert controls.shuffled_labels.low < 0.5 < controls.shuffled_labels.high
    assert FEWEST_SHUFFLES <= controls.shuffles <= SHUFFLES
    assert controls.centre_only.value is None
    assert controls.centre_only.reason == "all patients are of one centre"


def test_the_interval_over_shuffles_is_students():
    found = mean_of_shuffles([0.45, 0.5, 0.6])
    half = 4.302652729911275 * np.std([0.45, 0.5, 0.6], ddof=1) / np.sqrt(3)  # t of 2 degrees of freedom, any table
    assert (found.value, found.low, found.high) == pytest.approx(
        (0.55 - 0.1 / 3, 0.55 - 0.1 / 3 - half, 0.55 - 0.1 / 3 + half)
    )


@pytest.mark.parametrize(("figures", "shuffles"), [([0.4, 0.5, 0.6], 3), ([0.4, 0.5, 0.61], 5), ([0.9] * 3, 5)])
def test_a_mean_above_chance_is_shuffled_further(figures: list[float], shuffles: int, monkeypatch) -> None:
    values = iter([*figures, 0.5, 0.5])
    monkeypatch.setattr(ccrcc_model.fitting.controls, "order_of", lambda *_: Estimate(next(values)))
    monkeypatch.setattr(ccrcc_model.fitting.controls, "run_nested", lambda *_args, **_rest: ([], None))
    cases = cases_of(np.arange(30) % 2, np.full(30, "north"))
    assert controls_of(cases, SETTINGS).shuffles == shuffles


@pytest.mark.parametrize(("share_north", "share_south", "low", "high"), [(0.5, 0.5, 0.35, 0.65), (1.0, 0.0, 1.0, 1.0)])
def test_the_centre_tells_what_its_case_mix_tells(share_north: float, share_south: float, low: float, high: float) -> None:
    y = np.concatenate([np.arange(40) < 40 * share_north, np.arange(40) < 40 * share_south]).astype(int)
    centre = np.array(["north", "south"]).repeat(40)
    controls = controls_of(cases_of(y, centre), replace(SETTINGS, repeats=1))
    assert low <= controls.centre_only.value <= high


def test_controls_are_told_in_a_line_each():
    told = {
        "shuffled_labels": {"value": 0.51, "low": 0.4, "high": 0.62},
        "centre_only": {"value": None, "reason": "one centre"},
        "shuffles": 3,
    }
    assert control_lines(told) == [
        "Control, labels shuffled 3 times: AUC 0.51(0.40-0.62); 0.5 is chance",
        "Control, the centre alone: not estimable, one centre",
    ]
    assert control_lines(None) == []
