"""The user's own names of structures."""

from pathlib import Path

import pytest

from nnunet_ext.dicom_masks.structures_file import read_structures
from nnunet_ext.ground.errors import InputError


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("n.csv", "name,structure\nNiere_A,kidney\nniere a,Kidney\n\nGTV_x,tumor\nrest,none\n"),
        ("n.yaml", "Niere_A: kidney\nGTV_x: tumour\nrest: none\n"),
        ("n.csv", "\ufeffname,structure\r\n Niere  A ,kidney\r\nGTV_x,tumour\r\nrest,none\r\n"),
    ],
)
def test_names_are_read_from_csv_and_yaml(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert dict(read_structures(tmp_path / name)) == {"niere a": "kidney", "gtv x": "tumour", "rest": None}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("n.csv", "name,structure\nA,kindey\n", "says 'kindey' of 'A'; structures are kidney, tumour, cyst, mass, none"),
        ("n.yaml", "A: kindey\n", "says 'kindey'"),
        ("n.csv", "name,structure\nA,kidney\na,tumour\n", "two things of 'a'"),
        ("n.yaml", "A: kidney\nA: tumour\n", "two things of 'A'"),
        ("n.csv", "region,structure\nA,kidney\n", "its columns are region, structure"),
        ("n.csv", "name,structure\nA\n", "line 2 has 1 cells"),
        ("n.csv", "name,structure\n,kidney\n", "of ''"),
        ("n.yaml", "- A\n", "no mapping"),
        ("n.yaml", "A: [kidney]\n", "no mapping"),
        ("n.yaml", "", "no mapping"),
        ("n.yaml", "A: 'kid\n", "neither YAML nor CSV"),
        ("n.csv", "name,structure\n", "names no region"),
    ],
)
def test_a_file_that_says_nothing_clear_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_structures(tmp_path / name)


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No structures file"):
        read_structures(tmp_path / "n.csv")
    (tmp_path / "n.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="neither YAML nor CSV"):
        read_structures(tmp_path / "n.csv")
