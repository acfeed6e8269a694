"""The only reader of YAML: cards, presets and guidelines are read unambiguously, or refused in one line.

``yaml.safe_load`` takes the last of two equal keys, reads ``010`` as 8, ``1:30`` as 90 and ``no`` as false, follows
aliases that double a hundred times, and ends in a ``RecursionError`` where a file is nested deeply.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from nnunet_ext.documents.regular_file import read_small, shown
from nnunet_ext.ground.errors import InputError

LARGEST_BYTES = 1 << 20
"""1 MiB: a hundred times the largest guideline that comes with the package."""

DEEPEST = 50
"""Levels of nesting. Cards have two, presets four."""

MOST_NODES = 100_000
"""Keys and values, those that an alias repeats counted again."""

_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class _Loader(yaml.SafeLoader):
    """Refuses what ``safe_load`` would guess."""

    depth = 0
    nodes = 0

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.weight: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose what comes next, within the limits of depth and size."""
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        is_alias, before = self.check_event(yaml.AliasEvent), self.nodes
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {DEEPEST} levels", problem_mark=mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if is_alias and id(node) not in self.weight:
            raise yaml.MarkedYAMLError(problem="an alias that holds itself", problem_mark=mark)
        self.nodes += self.weight[id(node)] if is_alias else 1
        if self.nodes > MOST_NODES:
            raise yaml.MarkedYAMLError(problem=f"more than {MOST_NODES} keys and values", problem_mark=mark)
        self.weight.setdefault(id(node), self.nodes - before)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Compose keys and values; every key is a word, and there once."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key that is no single word", problem_mark=key.start_mark)
            if (key.tag, key.value) in seen:
                problem = f"the key {key.value!r} is there twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add((key.tag, key.value))
        return node


def _plain_int(_: _Loader, node: yaml.ScalarNode) -> int:
    if not _WHOLE.fullmatch(node.value):
        problem = f"{node.value!r} could be several numbers (YAML reads 010 as 8); write it in plain decimals, or in quotes"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    return int(node.value)


def _plain_float(loader: _Loader, node: yaml.ScalarNode) -> float:
    if not _DECIMAL.fullmatch(node.value):
        problem = f"{node.value!r} could be several numbers; write it in plain decimals, or in quotes"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    return loader.construct_yaml_float(node)


def _no_date(_: _Loader, node: yaml.ScalarNode) -> None:
    problem = f"{node.value!r} is a date to YAML; write it in quotes"
    raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


_Loader.add_constructor("tag:yaml.org,2002:int", _plain_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _plain_float)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _no_date)


class _AsTyped(_Loader):
    """Reads every word as it is typed, and nothing where nothing is: ``007`` and ``no`` are names."""


_AsTyped.yaml_implicit_resolvers = {
    first: kept
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (kept := [(tag, word) for tag, word in known if tag.endswith((":null", ":merge"))])
}


def read_yaml(path: Path, what: str, *, if_missing: str, as_typed: bool = False) -> Any:
    """Read a YAML file of one document.

    Args:
        path: The file, in UTF-8.
        what: Its kind, such as ``"cohort card"``, for the messages.
        if_missing: What to do if it is not there, for the message.
        as_typed: Whether numbers, dates and truth values are text, letter by letter as they stand there.

    Raises:
        InputError: If it cannot be read, names a key twice, holds a number that could be another, a date, several documents or
            an object of a programming language, or is nested too deeply.
    """
    content = read_small(path, what, if_missing=if_missing, largest=LARGEST_BYTES)
    try:
        loader = (_AsTyped if as_typed else _Loader)(content.decode("utf-8-sig"))
        return loader.get_single_data()
    except UnicodeDecodeError as error:
        msg = f"{shown(path)} is not readable YAML: it is not UTF-8 text"
        raise InputError(msg) from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError, OverflowError) as error:
        msg = f"{shown(path)} is not readable YAML: {_why(error)}"
        raise InputError(msg) from error


def _why(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem}, line {error.problem_mark.line + 1}"
    return " ".join(str(error).split())[:200]
