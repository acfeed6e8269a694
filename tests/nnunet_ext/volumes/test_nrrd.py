"""What an NRRD header must state of the grid."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.volumes.stated_geometry import SHEAR_TOLERANCE
from nnunet_ext.volumes.volume_file import read_volume
from tests.support.volumes import code_of, voxels

GOOD = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "24 20 6",
    "space directions": "(0.8,0,0) (0,0.7,0) (0,0,2.5)",
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(-10,20,300)",
}


def nrrd(folder: Path, changes: dict[str, str | None], *, ending: str = "\n", data: bytes | None = None) -> Path:
    fields = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    lines = [
        "NRRD0005",
        "# a comment",
        *(f"{name}: {value}" for name, value in fields.items()),
        "modality:=CT: abdomen",
        "",
        "",
    ]
    path = folder / "a.nrrd"
    path.write_bytes(ending.join(lines).encode() + (voxels().astype("<i2").tobytes() if data is None else data))
    return path


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_whole_header_passes_without_a_note(tmp_path: Path, ending: str) -> None:
    volume = read_volume(nrrd(tmp_path, {}, ending=ending), "image")
    assert volume.notes == ()
    assert np.array_equal(sitk.GetArrayFromImage(volume.image), voxels())


SHEARED = "(0.8,0,0) (0,0.7,0) (0,{:.8f},2.5)"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"space directions": None}, "no-spacing"),
        ({"space directions": None, "space": None}, "no-spacing"),
        ({"space directions": None, "space": None, "space origin": None, "spacings": "0.8 0.7 2.5"}, "no-orientation"),
        ({"space directions": None, "space": None, "space origin": None, "spacings": "0.8 0.7 nan"}, "no-spacing"),
        ({"space directions": None, "space": None, "space origin": None, "spacings": "0.8 0 2.5"}, "no-spacing"),
        ({"space directions": "(0.8,0,0) (0,0.7,0) none"}, "no-spacing"),
        ({"space directions": "(0.8,0,0) (0,0.7,0) (0,0,nan)"}, "no-spacing"),
        ({"space directions": "(0.8,0,0) (0,0.7,0) (0,0,0)"}, "no-spacing"),
        ({"space directions": "(0.8,0,0) (0,0.7,0)"}, "no-orientation"),
        ({"space directions": "(0.8,0) (0,0.7) (0,0)"}, "no-orientation"),
        ({"spacings": "0.8 0.7 2.5"}, "unreadable"),
        ({"spacings": "0.8 0.7 5"}, "spacing-conflict"),
        ({"space": None, "space dimension": "3"}, "no-orientation"),
        ({"space": "3D-left-handed"}, "no-orientation"),
        ({"space": "scanner-xyz"}, "no-orientation"),
        ({"space": "LPS"}, None),
        ({"space": "right-anterior-superior"}, None),
        ({"space origin": "(nan,0,0)"}, "no-orientation"),
        ({"space units": '"mm" "mm" "mm"'}, None),
        ({"space units": '"cm" "cm" "cm"'}, "units"),
        ({"space directions": SHEARED.format(1.1 * SHEAR_TOLERANCE * 2.5)}, "sheared"),
        ({"space directions": "(0.8,0,0) (0.7,0,0) (0,0,2.5)"}, "sheared"),
        ({"encoding": "ascii"}, "format"),
        ({"encoding": "bzip2"}, "format"),
        ({"data file": "a%03d.raw 1 6 1"}, "format"),
        ({"data file": "LIST"}, "format"),
        ({"data file": "absent.raw"}, "image-missing"),
        ({"sizes": "24 20"}, "unreadable"),
        ({"sizes": "24 20 -6"}, "unreadable"),
        ({"sizes": "24 20 7"}, "unreadable"),
        ({"sizes": "24 20 5"}, "unreadable"),
        ({"type": "block"}, "unreadable"),
        ({"byte skip": "2"}, "unreadable"),
        ({"byte skip": "-1"}, None),
        ({"Sizes": "24 20 6"}, "unreadable"),
    ],
)  # fmt: skip
def test_what_a_header_lacks_or_contradicts_is_refused(
    tmp_path: Path, changes: dict[str, str | None], code: str | None
) -> None:
    assert code_of(nrrd(tmp_path, changes)) == code


def test_an_origin_that_is_not_stated_is_noted(tmp_path: Path) -> None:
    (note,) = read_volume(nrrd(tmp_path, {"space origin": None}), "image").notes
    assert note == "the header of the image states no origin; (0, 0, 0) is taken"


def test_a_small_shear_is_read_with_a_note(tmp_path: Path) -> None:
    sheared = SHEARED.format(0.9 * SHEAR_TOLERANCE * 2.5)
    volume = read_volume(nrrd(tmp_path, {"space directions": sheared}), "image")
    direction = np.array(volume.image.GetDirection()).reshape(3, 3)
    assert direction.T @ direction == pytest.approx(np.eye(3), abs=1e-12)
    assert len(volume.notes) == 1


def test_a_list_of_one_value_per_voxel_is_a_volume(tmp_path: Path) -> None:
    directions = f"none {GOOD['space directions']}"
    changes = {"dimension": "4", "sizes": "1 24 20 6", "space directions": directions, "kinds": "list domain domain domain"}
    found = read_volume(nrrd(tmp_path, changes), "image").image
    assert found.GetPixelID() == sitk.sitkInt16
    assert np.array_equal(sitk.GetArrayFromImage(found), voxels())


def test_swapped_voxels_are_read(tmp_path: Path) -> None:
    path = nrrd(tmp_path, {"endian": "big"}, data=voxels().astype(">i2").tobytes())
    assert np.array_equal(sitk.GetArrayFromImage(read_volume(path, "image").image), voxels())
