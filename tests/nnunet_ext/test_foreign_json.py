"""JSON of someone else: what ``json.loads`` would take for something is refused."""

import pytest

from nnunet_ext.foreign_json import parse_json


def test_what_is_json_is_read() -> None:
    assert parse_json(b'{"a": [1, 2.5, null, "b"], "c": 1e308}') == {"a": [1, 2.5, None, "b"], "c": 1e308}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "gives the key 'a' twice"),
        ("[NaN]", "holds NaN"),
        ("[-Infinity]", "holds -Infinity"),
        ("[1e309]", "holds 1e309, which no float can hold"),
        ("[" * 100_000, "nested too deep"),
        ("", "is not JSON"),
        ('{"a": }', "is not JSON"),
        (b"\xff\xfe\xff", "is not UTF-8|is not JSON"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        parse_json(text)
    assert "\n" not in str(refused.value)
