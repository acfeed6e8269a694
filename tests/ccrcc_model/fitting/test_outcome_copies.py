"""The outcome is found under another name, and strong or few features are not taken for it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ccrcc_model.fitting.outcome_copies import named_like_outcome, outcome_codes, outcome_copies

N = 80
PERCENT = np.random.default_rng(5).gamma(2.0, 8.0, size=N)
GRADE = np.digitize(PERCENT, [6, 14, 25]) + 1.0

HIDDEN = {
    "a copy": PERCENT,
    "a falling copy": -PERCENT,
    "a logarithm": np.log(PERCENT),
    "a rounded copy": np.round(PERCENT / 5),
    "a binned copy": np.digitize(PERCENT, [10, 20]),
    "a noisy copy": PERCENT + np.random.default_rng(6).normal(size=N) * 0.3,
    "a copy of which a third is missing": np.where(np.arange(N) % 3 == 0, np.nan, PERCENT),
}


def noise(features: int, n: int = N, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, features))


@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN)
def test_a_monotone_copy_is_found(hidden: np.ndarray) -> None:
    assert outcome_copies(np.column_stack([noise(500), hidden]), PERCENT) == [500]


@pytest.mark.parametrize("hidden", [GRADE, -GRADE, GRADE + 0.2 * noise(1)[:, 0], GRADE >= 3], ids=str)
def test_a_copy_of_the_grade_is_found(hidden: np.ndarray) -> None:
    assert outcome_copies(np.column_stack([noise(500), hidden]), GRADE) == [500]


def test_a_feature_of_an_auc_of_98_percent_is_suspected_and_one_of_97_percent_is_not() -> None:
    classes = np.repeat([0.0, 1.0], 100)
    for shift, found in ((0.82, [20]), (0.75, [])):  # of uniform values: the AUC is 1 - (1 - shift)^2 / 2
        feature = np.tile(np.linspace(0, 1, 100), 2) + shift * classes
        assert outcome_copies(np.column_stack([noise(20, 200), feature]), classes) == found


def test_what_chance_reaches_is_not_suspected() -> None:
    """Of 12 patients in halves, a feature separates them by chance once in 462."""
    classes = np.tile([0.0, 1.0], 6)
    assert outcome_copies(classes[:, None], classes) == [0]
    assert outcome_copies(np.column_stack([classes, noise(22, 12)]), classes) == [0]
    assert outcome_copies(np.column_stack([classes, noise(23, 12)]), classes) == []


def test_noise_is_hardly_ever_suspected() -> None:
    alarms = 0
    for seed in range(200):
        classes = np.random.default_rng(seed).permutation(np.arange(14) % 2).astype(float)
        features = noise(400, 14, seed)
        alarms += bool(outcome_copies(features, classes) or outcome_codes(np.round(features), classes.astype(int)))
    assert alarms <= 20  # one in twenty at most is promised for each of the two


def test_a_code_of_the_classes_is_found_though_it_orders_nothing() -> None:
    classes = np.arange(60) % 2
    code = np.where(classes, np.array([3.0, 7.0, 11.0])[np.arange(60) % 3], np.array([1.0, 5.0, 9.0])[np.arange(60) % 3])
    mixed = np.where(np.arange(60) == 0, 3.0, code)
    features = np.column_stack([noise(5, 60), code, mixed, np.arange(60.0)])
    assert outcome_copies(features, classes.astype(float)) == []
    assert outcome_codes(features, classes) == [5]


def test_outcomes_that_do_not_differ_have_no_copies() -> None:
    assert outcome_copies(noise(3), np.ones(N)) == []
    assert outcome_codes(noise(3), np.ones(N, dtype=int)) == []


def test_names_are_read_by_their_words() -> None:
    names = ["tumour__1mm__gradient_glcm_Contrast", "original_glrlm_GrayLevelVariance", "ISUP grade", "isupGrade2016", "MIB1"]
    assert named_like_outcome(names, "isup_grade") == ["ISUP grade", "isupGrade2016", "MIB1"]
    assert named_like_outcome(["ki67percent", "tumour__Ki67_Percent", "f"], "ki67_percent") == [
        "ki67percent",
        "tumour__Ki67_Percent",
    ]


@pytest.mark.data
def test_one_feature_of_18_public_tables_is_suspected_and_rightly(real_data: Path) -> None:
    for path in sorted((real_data / "radmlbench").glob("*.gz")):
        table = pd.read_csv(path, compression="gzip")
        target = table["Target"].to_numpy(dtype=np.float64)
        of_images = table.drop(columns=["ID", "Target"], errors="ignore")
        features = of_images.to_numpy(dtype=np.float64)
        assert outcome_copies(features, target) == [], path.name
        codes = [of_images.columns[place] for place in outcome_codes(features, target.astype(int))]
        # Of one table the largest value of an image states where it is from, and each source has one class only.
        assert codes == (["diagnostics_Image-original_Maximum_t1c"] if path.name == "Deng2023.gz" else []), path.name
