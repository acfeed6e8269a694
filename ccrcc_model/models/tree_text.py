"""LightGBM's text of trees, checked before LightGBM sees it: it believes the text, and one that misleads it ends the process.

What stands here holds of every model that ``fit`` can write: one tree per iteration, splits on numbers, leaves of one value.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NoReturn

FARTHEST = 1e6
"""Log odds beyond it are none: a leaf of that size outweighs everything else that a model knows."""

OBJECTIVES = ("binary sigmoid:1", None)
"""Objectives of boosted trees: yes or no, or a loss of ours, which LightGBM does not name."""

AVERAGED = "\naverage_output\n"
"""What LightGBM writes in the header of a forest, whose objective is regression."""

DECISIONS = frozenset({0, 2, 4, 6, 8, 10})
"""A split of a number, by the side and the kind of missing values; odd ones split categories, which no feature is."""

_FIXED = {"version": "v4", "num_class": "1", "num_tree_per_iteration": "1", "label_index": "0"}
_HEADER = frozenset({*_FIXED, "max_feature_idx", "objective", "feature_names", "feature_infos", "tree_sizes"})
_SPLITS = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child")
_INTERNAL = ("internal_value", "internal_weight", "internal_count")
_LEAVES = ("leaf_weight", "leaf_count")
_TREE = frozenset({*_SPLITS, *_INTERNAL, *_LEAVES, "leaf_value", "num_leaves", "num_cat", "is_linear", "shrinkage"})
_WHOLE = frozenset({"split_feature", "decision_type", "left_child", "right_child", "leaf_count", "internal_count"})
_END = "end of trees\n"
_TAIL = re.compile(
    r"\nfeature_importances:\n(?:[!-<>-~]+=\d+\n)*\nparameters:\n(?:\[[a-z0-9_]+: [^\[\]\n]*\]\n)*\nend of parameters\n"
    r"\npandas_categorical:null\n?"
)
_INFO = re.compile(r"none|\[([^:\]]+):([^:\]]+)\]")


def check_trees(text: str, n_features: int, *, averaged: bool = False) -> None:
    """Check a text of trees.

    Args:
        text: As ``Booster.model_to_string`` gives it.
        n_features: Number of features of the trees.
        averaged: Whether it is a forest, whose trees are averaged and not added up.

    Raises:
        ValueError: In one line, if it is not such a text, or holds what would end LightGBM or poison its predictions.
    """
    if not text.isascii():
        _refuse("a letter that LightGBM does not write")
    head, _, rest = text.partition("\n\n")
    if (AVERAGED in head) != averaged:
        _refuse("trees that are averaged, or added up, and should not be")
    head = head.replace(AVERAGED, "\n", 1)
    header = _fields(head.removeprefix("tree\n").split("\n"), _HEADER, optional={"objective"}, of="the header")
    if not head.startswith("tree\n") or any(header[key] != value for key, value in _FIXED.items()):
        _refuse("another header than ours")
    _check_header(header, n_features, objectives=("regression",) if averaged else OBJECTIVES)
    body, end, tail = rest.partition(_END)
    if not end or not _TAIL.fullmatch(tail):
        _refuse("no end, or something other than importances and parameters after it")
    sizes = _numbers(header["tree_sizes"], whole=True, of="tree_sizes")
    if not sizes or min(sizes) < 1 or sum(sizes) != len(body):
        _refuse("sizes of trees that do not add up to their text")
    start = 0
    for number, size in enumerate(map(int, sizes)):
        _check_tree(body[start : start + size], number, n_features)
        start += size


def _check_header(header: Mapping[str, str], n_features: int, *, objectives: Sequence[str | None]) -> None:
    names, infos = header["feature_names"].split(" "), header["feature_infos"].split(" ")
    if header["max_feature_idx"] != str(n_features - 1) or len(infos) != n_features:
        _refuse(f"trees of another number of features than {n_features}")
    if names != [f"Column_{place}" for place in range(n_features)]:
        _refuse("other names of columns than LightGBM's own")
    if header.get("objective") not in objectives:
        _refuse(f"the objective {header.get('objective')!r:.60}")
    for info in infos:
        found = _INFO.fullmatch(info)
        if not found:
            _refuse(f"{info!r:.60} for the range of a feature")
        if found[1]:
            _numbers(f"{found[1]} {found[2]}", of="feature_infos")


@dataclass(frozen=True)
class _Tree:
    """The numbers of one tree, by key."""

    n_leaves: int
    numbers: Mapping[str, Sequence[float]]


def _check_tree(text: str, number: int, n_features: int) -> None:
    of = f"tree {number}"
    lines = text.removeprefix(f"Tree={number}\n").rstrip("\n").split("\n")
    if not text.startswith(f"Tree={number}\n"):
        _refuse(f"something else where {of} should begin")
    fields = _fields(lines, _TREE, optional=frozenset(), of=of)
    if fields["num_cat"] != "0" or fields["is_linear"] != "0":
        _refuse(f"{of} with categories or linear leaves")
    (n_leaves,) = _numbers(fields["num_leaves"], whole=True, of=f"num_leaves of {of}") or (0,)
    _numbers(fields["shrinkage"], of=f"shrinkage of {of}")
    keys = (*_SPLITS, *_INTERNAL, *_LEAVES, "leaf_value")
    numbers = {key: _numbers(fields[key], whole=key in _WHOLE, of=f"{key} of {of}") for key in keys}
    tree = _Tree(int(n_leaves), numbers)
    _check_lengths(tree, of)
    if not all(0 <= place < n_features for place in numbers["split_feature"]):
        _refuse(f"{of} that splits a feature that there is none of")
    if not DECISIONS.issuperset(numbers["decision_type"]):
        _refuse(f"{of} with a decision_type that there is none of")
    if any(abs(value) > FARTHEST for value in numbers["leaf_value"]):
        _refuse(f"{of} with a leaf beyond {FARTHEST:g}")
    _check_shape(tree, of)


def _check_lengths(tree: _Tree, of: str) -> None:
    n = tree.n_leaves
    wanted = {**dict.fromkeys((*_SPLITS, *_INTERNAL), n - 1), **dict.fromkeys((*_LEAVES, "leaf_value"), n)}
    for key, length in wanted.items():
        is_stub = n == 1 and key != "leaf_value" and len(tree.numbers[key]) <= 1
        if n < 1 or (len(tree.numbers[key]) != length and not is_stub):
            _refuse(f"{len(tree.numbers[key])} numbers in {key} of {of}, which has {n} leaves")


def _check_shape(tree: _Tree, of: str) -> None:
    """Check that every split and every leaf is reached from the root, once."""
    if tree.n_leaves == 1:
        return
    children = list(zip(tree.numbers["left_child"], tree.numbers["right_child"], strict=True))
    splits, leaves, open_splits = {0}, set[int](), [0]
    while open_splits:
        for child in map(int, children[open_splits.pop()]):
            reached, place, of_all = (leaves, ~child, tree.n_leaves) if child < 0 else (splits, child, len(children))
            if place >= of_all or place in reached:
                _refuse(f"{of} whose children are no tree")
            reached.add(place)
            if child >= 0:
                open_splits.append(child)
    if len(splits) < len(children) or len(leaves) < tree.n_leaves:
        _refuse(f"{of} whose children are no tree")


def _fields(lines: Sequence[str], known: frozenset[str], *, optional: frozenset[str] | set[str], of: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        key, is_field, value = line.partition("=")
        if not is_field or key not in known or key in found:
            _refuse(f"{line!r:.60} in {of}")
        found[key] = value
    if absent := sorted(known - set(found) - set(optional)):
        _refuse(f"no {absent[0]} in {of}")
    return found


def _numbers(text: str, *, of: str, whole: bool = False) -> tuple[float, ...]:
    words = text.split(" ") if text else []
    pattern = r"-?\d{1,18}" if whole else r"-?\d+(\.\d*)?(e[+-]?\d+)?"
    for word in words:
        if not re.fullmatch(pattern, word) or not isfinite(float(word)):
            _refuse(f"{word!r:.60} in {of}")
    return tuple(int(word) if whole else float(word) for word in words)


def _refuse(found: str) -> NoReturn:
    msg = f"it has {found}"
    raise ValueError(msg)
