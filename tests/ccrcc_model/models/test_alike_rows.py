"""Rows that are nearly equal are found, and rows of unlike patients are not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ccrcc_model.models.alike_rows import (
    FEWEST_FEATURES,
    FINE_TOLERANCE,
    MANY_FEATURES,
    TOLERANCE,
    FeatureScale,
    alike_pairs,
    telling_features,
)


def normal(n: int, features: int, *, seed: int = 0) -> pd.DataFrame:
    """Independent standard normal features."""
    values = np.random.default_rng(seed).normal(size=(n, features))
    return pd.DataFrame(values, columns=[f"f{place}" for place in range(features)])


def with_copy(frame: pd.DataFrame, *, moved: float) -> pd.DataFrame:
    """The rows, and the first again with every feature moved by so many of its spreads."""
    spread = FeatureScale.of(frame, list(frame.columns)).spread
    return pd.concat([frame, frame.iloc[[0]] + moved * spread], ignore_index=True)


@pytest.mark.parametrize(("features", "tolerance"), [(MANY_FEATURES, TOLERANCE), (MANY_FEATURES - 1, FINE_TOLERANCE)])
def test_a_copy_within_the_tolerance_is_found_and_one_beyond_it_is_not(features: int, tolerance: float) -> None:
    frame = normal(300, features) * 0.2  # near the median, where the tails are not drawn in
    frame.iloc[0] = 0.0
    for moved, found in ((0.9 * tolerance, [(0, 300)]), (1.2 * tolerance, [])):
        assert alike_pairs(with_copy(frame, moved=moved), list(frame.columns)) == found


def test_nine_of_ten_features_must_agree() -> None:
    frame = normal(100, 40)
    twice = pd.concat([frame, frame.iloc[[3]]], ignore_index=True)
    for changed, found in ((4, [(3, 100)]), (5, [])):
        other = twice.copy()
        other.iloc[100, :changed] += 1.0
        assert alike_pairs(other, list(frame.columns)) == found


def test_fewer_features_than_the_fewest_say_nothing() -> None:
    frame = normal(50, FEWEST_FEATURES)
    twice = pd.concat([frame, frame.iloc[[3]]], ignore_index=True)
    assert alike_pairs(twice, list(frame.columns)) == [(3, 50)]
    assert alike_pairs(twice, list(frame.columns)[1:]) == []
    assert alike_pairs(twice, []) == []


def test_features_that_go_together_do_not_make_strangers_alike() -> None:
    """One latent size behind forty features, with a tenth of their variance of their own."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 1)) * np.sqrt(0.9) + rng.normal(size=(400, 40)) * np.sqrt(0.1)
    frame = pd.DataFrame(values, columns=[f"f{place}" for place in range(40)])
    assert alike_pairs(frame, list(frame.columns)) == []


def test_counts_constants_and_features_that_are_rarely_known_are_not_compared() -> None:
    frame = normal(100, 5).assign(count=np.arange(100) % 4, constant=1.0, rare=[*range(50), *[np.nan] * 50])
    assert set(telling_features(frame, list(frame.columns))) == {f"f{place}" for place in range(5)}
    assert len(telling_features(frame, list(frame.columns), most=3)) == 3


@pytest.mark.data
def test_public_tables_hold_no_patients_alike_but_for_true_copies(real_data: Path) -> None:
    """Three of the tables hold rows that agree in 99 to 100% of their features; every other closest pair in 70% at most."""
    copies = {"Granata2021": 1, "Huang2023": 5, "Song2020": 1}
    for path in sorted((real_data / "radmlbench").glob("*.gz")):
        frame = pd.read_csv(path, compression="gzip").drop(columns=["ID", "Target"], errors="ignore")
        name = path.name.removesuffix(".gz")
        assert len(alike_pairs(frame, list(frame.columns))) == copies.get(name, 0), name
