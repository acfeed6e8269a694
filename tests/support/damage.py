"""Ways in which a file is damaged, as hypothesis draws them: bytes, words, and values of JSON."""

import json
from typing import Any

from hypothesis import strategies as st

WORDS = (
    "",
    "nan",
    "-1",
    "0",
    "1e999",
    "9" * 400,
    "true",
    "null",
    "[]",
    "{}",
    '"',
    "'",
    "\x00",
    "\t",
    "é",
    "../..",
    "=1+1",
    "- ",
)
"""What a word of a text file becomes."""

VALUES: tuple[Any, ...] = (None, True, -1, 0, 1.5, 1e300, float("nan"), float("inf"), "", "x", "9" * 40, [], [[]], {}, {"": 0})
"""What a value of a JSON file becomes."""

HEADER = 1024
"""Bytes at the beginning of a file that are damaged as often as all others together."""


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """Flip, overwrite, cut out, double or cut off some bytes, one to four times."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        last = len(data) - 1
        at = draw(st.one_of(st.integers(0, min(HEADER, last)), st.integers(0, last)))
        kind = draw(st.sampled_from(("flip", "overwrite", "remove", "double", "cut", "zero")))
        length = draw(st.integers(1, 64))
        if kind == "flip":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "overwrite":
            data[at : at + length] = draw(st.binary(min_size=1, max_size=8))
        elif kind == "remove":
            del data[at : at + length]
        elif kind == "double":
            data[at:at] = data[at : at + length]
        elif kind == "zero":
            data[at : at + length] = bytes(min(length, len(data) - at))
        else:
            del data[at:]
    return bytes(data)


@st.composite
def damaged_text(draw: st.DrawFn, content: bytes) -> bytes:
    """Exchange words of a text file, or damage it as bytes."""
    if draw(st.booleans()):
        return draw(damaged_bytes(content))
    lines = content.decode().splitlines(keepends=True)
    at = draw(st.integers(0, len(lines) - 1))
    words = lines[at].replace(",", " , ").replace(":", " : ").split(" ")
    words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(WORDS))
    lines[at] = "".join(words)
    if draw(st.booleans()):
        lines.insert(draw(st.integers(0, len(lines))), lines[at])
    return "".join(lines).encode()


@st.composite
def damaged_json(draw: st.DrawFn, content: bytes) -> bytes:
    """Exchange, rename or remove one value anywhere in a JSON file; or damage it as text."""
    if draw(st.integers(0, 3)) == 0:
        return draw(damaged_text(content))
    root = json.loads(content)
    here: Any = {"": root}
    key: Any = ""
    while isinstance(here[key], dict | list) and here[key] and draw(st.integers(0, 5)):
        here = here[key]
        keys = list(here) if isinstance(here, dict) else range(len(here))
        key = draw(st.sampled_from(keys))
    if isinstance(here, dict) and key and draw(st.integers(0, 3)) == 0:
        value = here.pop(key)
        if draw(st.booleans()):
            here[f"{key}x"] = value
    elif key == "":
        root = draw(st.sampled_from(VALUES))
    else:
        here[key] = draw(st.sampled_from(VALUES))
    return json.dumps(root).encode()
