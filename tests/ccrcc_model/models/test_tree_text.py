"""LightGBM's text of trees is refused before LightGBM, whose parser can end the process, sees it."""

import re
from collections.abc import Callable

import lightgbm as lgb
import numpy as np
import pytest

from ccrcc_model.models.tree_text import check_trees

Change = Callable[[str], str]


def trees_of(features: np.ndarray, **settings: object) -> str:
    y = (np.arange(len(features)) % 2).astype(float)
    parameters = {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 2, "min_data_in_bin": 1, "num_leaves": 4}
    return lgb.train(parameters | settings, lgb.Dataset(features, y), 3).model_to_string()


@pytest.fixture(scope="module")
def text() -> str:
    """Three trees of four leaves on two features."""
    return trees_of(np.random.default_rng(0).normal(size=(40, 2)))


@pytest.mark.parametrize(
    "features",
    [
        np.random.default_rng(0).normal(size=(40, 2)),
        np.ones((40, 2)),
        np.column_stack([np.linspace(-1e100, 1e100, 40), np.where(np.arange(40) % 3, np.nan, 1e-300)]),
    ],
    ids=["splits", "no split", "far and missing values"],
)
def test_what_lightgbm_writes_is_taken(features: np.ndarray) -> None:
    check_trees(trees_of(features), 2)


def resized(text: str) -> str:
    """The text with sizes of trees that add up again."""
    body = text[text.index("Tree=0") : text.index("end of trees")]
    sizes = " ".join(str(len(part)) for part in re.split(r"(?=Tree=\d+\n)", body) if part)
    return re.sub(r"tree_sizes=.*", f"tree_sizes={sizes}", text)


def first(key: str, value: str) -> Change:
    """Puts another first value into the first line of a key."""
    return lambda text: resized(re.sub(rf"\n{key}=\S+", f"\n{key}={value}", text, count=1))


CHANGES: dict[str, tuple[Change, str]] = {
    "leaf is not a number": (first("leaf_value", "nan"), "'nan' in leaf_value of tree 0"),
    "leaf is infinite": (first("leaf_value", "inf"), "'inf' in leaf_value"),
    "leaf overflows": (first("leaf_value", "1e999"), "'1e999' in leaf_value"),
    "leaf is no log odds": (first("leaf_value", "1e7"), "leaf beyond 1e\\+06"),
    "leaf too many": (first("leaf_value", "0.5 0.5"), "5 numbers in leaf_value of tree 0, which has 4 leaves"),
    "threshold is not a number": (first("threshold", "nan"), "'nan' in threshold"),
    "more leaves than values": (first("num_leaves", "9"), "which has 9 leaves"),
    "no leaves": (first("num_leaves", "0"), "which has 0 leaves"),
    "leaves without end": (first("num_leaves", "99999999999999999999"), "'99999999999999999999' in num_leaves"),
    "feature that is not there": (first("split_feature", "2"), "splits a feature that there is none of"),
    "feature below 0": (first("split_feature", "-1"), "splits a feature that there is none of"),
    "split by category": (first("decision_type", "1"), "decision_type"),
    "child beyond the tree": (first("left_child", "7"), "children are no tree"),
    "leaf beyond the tree": (first("left_child", "-9"), "children are no tree"),
    "child is its own parent": (first("left_child", "0"), "children are no tree"),
    "categories": (first("num_cat", "1"), "categories or linear leaves"),
    "linear leaves": (first("is_linear", "1"), "categories or linear leaves"),
    "another objective": (first("objective", "multiclass"), "the objective"),
    "another version": (first("version", "v9"), "another header"),
    "several classes": (first("num_class", "3"), "another header"),
    "more features": (first("max_feature_idx", "7"), "another number of features than 2"),
    "other names": (first("feature_names", "Column_1"), "other names of columns"),
    "a range without end": (first("feature_infos", "[-inf:inf]"), "'-inf' in feature_infos"),
    "sizes that do not add up": (lambda text: text.replace("tree_sizes=", "tree_sizes=1", 1), "sizes of trees"),
    "a key twice": (lambda text: resized(text.replace("\nnum_cat=0", "\nnum_cat=0\nnum_cat=0", 1)), "'num_cat=0' in tree 0"),
    "a key of none": (lambda text: resized(text.replace("\nnum_cat=0", "\nnum_cat=0\nfoo=1", 1)), "'foo=1' in tree 0"),
    "a key missing": (lambda text: resized(re.sub(r"\nleaf_count=.*", "", text, count=1)), "no leaf_count in tree 0"),
    "cut": (lambda text: text[: len(text) // 2], "no end|sizes"),
    "zeros": (lambda text: "\0" * len(text), "in the header"),
    "nothing": (lambda _: "", "in the header"),
    "a foreign letter": (lambda text: text.replace("verbosity", "verbosité"), "a letter that LightGBM does not write"),
    "a parameter over two lines": (lambda text: text.replace("[seed: ", "[seed: \n", 1), "no end, or something other"),
    "more after the end": (lambda text: text + "Tree=9\n", "no end, or something other"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_would_mislead_lightgbm_is_refused(text: str, name: str) -> None:
    change, message = CHANGES[name]
    assert change(text) != text
    with pytest.raises(ValueError, match=message):
        check_trees(change(text), 2)


def test_sizes_made_again_are_lightgbms_own(text: str) -> None:
    assert resized(text) == text


def test_trees_of_another_number_of_features_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="another number of features than 3"):
        check_trees(text, 3)


def test_splits_that_no_root_reaches_are_no_tree(text: str) -> None:
    left, right = (re.search(rf"\n{side}_child=(.*)", text)[1] for side in ("left", "right"))
    circle = text.replace(f"left_child={left}", "left_child=-1 2 1", 1).replace(
        f"right_child={right}", "right_child=-2 -3 -4", 1
    )
    with pytest.raises(ValueError, match="children are no tree"):
        check_trees(resized(circle), 2)
