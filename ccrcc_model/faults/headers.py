"""Volumes whose file hides what is wrong with it, states no geometry, or is none."""

import gzip
import os
import shutil
import struct
from itertools import permutations, product
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ccrcc_model.faults.fault import Ran, ccrcc, expect, fault
from ccrcc_model.faults.scans import CORNER_MM, SPACING_MM, as_image, small_scan, write_card, write_scan
from nnunet_ext.ground.errors import CaseRefused

QUARANTINED = 3
"""Exit status of a command that left cases out."""

PIXDIM, VOX_OFFSET, UNITS, CODES, SROW_Y = 76, 108, 123, 252, 296
"""Offsets in the NIfTI-1 header."""


def check(folder: Path, name: str, mask: str = "") -> Ran:
    """Run ``ccrcc check`` over one image."""
    (folder / "refused.csv").unlink(missing_ok=True)
    return ccrcc("check", write_card(folder, f"a,p,north,{name},{mask}\n"), "--out", folder / "refused.csv")


def expect_refused(folder: Path, code: str, *names: str, mask: bool = False) -> str:
    """Expect every image, or mask of the image ``a.nii.gz``, to be refused with a code by a command that goes on."""
    found = []
    for name in names:
        ran = check(folder, "a.nii.gz", name) if mask else check(folder, name)
        found.append((name, ran.status == QUARANTINED and f",{code}," in (folder / "refused.csv").read_text(encoding="utf-8")))
    return expect(all(held for _, held in found), f"{code}: " + ", ".join(f"{name} {held}" for name, held in found))


def patched(path: Path, form: str, at: int, *values: float) -> None:
    """Overwrite numbers in the header of a ``.nii.gz`` file."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into(form, content, at, *values)
    path.write_bytes(gzip.compress(content, 1))


def write_nrrd(path: Path, **fields: str | None) -> None:
    """Write ``small_scan`` as NRRD; a field that is None is left out."""
    hu = small_scan()[0]
    x, y, z = SPACING_MM
    stated: dict[str, str | None] = {
        "type": "short",
        "dimension": "3",
        "sizes": " ".join(map(str, hu.shape[::-1])),
        "space": "left-posterior-superior",
        "space_directions": f"({x},0,0) (0,{y},0) (0,0,{z})",
        "space_origin": str(CORNER_MM).replace(" ", ""),
        "endian": "little",
        "encoding": "raw",
        **fields,
    }
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in stated.items() if value is not None]
    path.write_bytes("\n".join(["NRRD0005", *lines, "", ""]).encode() + hu.astype("<i2").tobytes())


@fault("voxels that were cut off are read as zeros")
def nifti_cut_short(folder: Path) -> str:
    """A NIfTI file whose last bytes are missing, its gzip stream whole: refused as ``unreadable``."""
    image, _ = write_scan(folder)
    image.write_bytes(gzip.compress(gzip.decompress(image.read_bytes())[:-20000]))
    return expect_refused(folder, "unreadable", "a.nii.gz")


@fault("voxels that were cut off are read as zeros")
def cut_short_under_any_name(folder: Path) -> str:
    """Cut NIfTI files called ``.Nii``, ``.NII.GZ``, ``.nii`` though compressed, ``.nrrd``; a cut pair: ``unreadable``."""
    write_scan(folder)
    plain = gzip.decompress((folder / "a.nii.gz").read_bytes())[:-3000]
    for name in ("b.Nii", "b.nrrd", "b.vol"):
        (folder / name).write_bytes(plain)
    for name in ("c.NII.GZ", "c.nii"):
        (folder / name).write_bytes(gzip.compress(plain, 1))
    sitk.WriteImage(as_image(small_scan()[0]), str(folder / "d.hdr"))
    (folder / "d.img").write_bytes((folder / "d.img").read_bytes()[:-3000])
    return expect_refused(folder, "unreadable", "b.Nii", "b.nrrd", "b.vol", "c.NII.GZ", "c.nii", "d.hdr", "d.img")


@fault("a checksum that does not fit is not looked at")
def packed_stream_damaged(folder: Path) -> str:
    """A flipped bit in compressed NRRD and MetaImage, and a checksum cut off: ``unreadable``."""
    for name in ("a.nrrd", "a.mha", "b.nrrd"):
        sitk.WriteImage(as_image(small_scan()[0]), str(folder / name), useCompression=True)
        content = bytearray((folder / name).read_bytes())
        content[-1000] ^= 4 if name.startswith("a") else 0
        (folder / name).write_bytes(content if name.startswith("a") else content[:-6])
    return expect_refused(folder, "unreadable", "a.nrrd", "a.mha", "b.nrrd")


@fault("a header that states another shape than there are voxels is believed")
def more_voxels_than_stated(folder: Path) -> str:
    """A header that states two slices fewer than the file holds, and one that states 30000 rows: ``unreadable``."""
    image, _ = write_scan(folder)
    shutil.copy(image, folder / "b.nii.gz")
    patched(image, "<h", 46, 12)
    patched(folder / "b.nii.gz", "<2h", 42, 30000, 30000)
    return expect_refused(folder, "unreadable", "a.nii.gz", "b.nii.gz")


@fault("a voxel that is no number becomes 0")
def not_a_number_under_any_name(folder: Path) -> str:
    """NaN in NIfTI files of several names, a pair, NRRD and MetaImage: ``nan``, by ``ccrcc check`` and by ``Extractor``."""
    from radiomics_cfg import Extractor  # noqa: PLC0415 - slow to import

    hu, mask = small_scan()
    hu = hu.astype(np.float32)
    hu[tuple(np.argwhere(mask == 2)[0])] = np.nan
    for name in ("b.nii", "b.nii.gz", "b.hdr", "b.nrrd", "b.mha"):
        sitk.WriteImage(as_image(hu), str(folder / name))
    (folder / "b.nii").rename(folder / "B.NII")
    shutil.copy(folder / "b.nii.gz", folder / "b.Nii.Gz")
    names = ("B.NII", "b.nii.gz", "b.Nii.Gz", "b.hdr", "b.img", "b.nrrd", "b.mha")
    sitk.WriteImage(as_image((mask == 2).astype(np.uint8)), str(folder / "m.nii.gz"))
    for name in names:
        try:
            Extractor().execute(folder / name, folder / "m.nii.gz")
        except CaseRefused as refused:
            expect(refused.code == "nan", f"Extractor refuses {name} as {refused.code}")
        else:
            return expect(False, f"Extractor measures {name}")
    return expect_refused(folder, "nan", *names)


@fault("a mask is believed where an image would not be")
def mask_damaged(folder: Path) -> str:
    """A mask cut in half, with NaN, with fractions, without geometry: each by its own name."""
    _, path = write_scan(folder)
    mask = small_scan()[1].astype(np.float32)
    content = gzip.decompress(path.read_bytes())
    (folder / "half.nii").write_bytes(content[: 352 + len(content) // 2])
    for name, value in (("nan", np.nan), ("half", 0.5)):
        changed = mask.copy()
        changed[7, 28, 14] = value
        sitk.WriteImage(as_image(changed), str(folder / f"{name}.nrrd"))
    shutil.copy(path, folder / "nowhere.nii.gz")
    patched(folder / "nowhere.nii.gz", "<2h", CODES, 0, 0)
    wanted = {
        "half.nii": "unreadable",
        "nan.nrrd": "nan",
        "half.nrrd": "mask-fraction",
        "nowhere.nii.gz": "no-orientation",
    }
    return "; ".join(expect_refused(folder, code, name, mask=True) for name, code in wanted.items())


@fault("a message contradicts itself")
def mask_of_floats_a_hair_off(folder: Path) -> str:
    """Labels stored as 0.9999999975 and 1.9999999950: read as 1 and 2."""
    write_scan(folder)
    sitk.WriteImage(as_image(small_scan()[1] * 0.9999999975), str(folder / "m.nii.gz"))
    ran = check(folder, "a.nii.gz", "m.nii.gz")
    return expect(ran.status == 0, f"status {ran.status}")


@fault("an absent statement is filled with 1 mm")
def no_voxel_size(folder: Path) -> str:
    """NIfTI with voxels of 0 or NaN mm, NRRD and MetaImage without sizes or with one of 0: ``no-spacing``."""
    image, _ = write_scan(folder)
    for name, size in (("zero", 0.0), ("nan", np.nan), ("negative", -4.0)):
        shutil.copy(image, folder / f"{name}.nii.gz")
        patched(folder / f"{name}.nii.gz", "<f", PIXDIM + 8, size)
    write_nrrd(folder / "absent.nrrd", space=None, space_directions=None, space_origin=None)
    write_nrrd(folder / "none.nrrd", space_directions="(4,0,0) none (0,0,5)")
    write_nrrd(folder / "nan.nrrd", space_directions="(4,0,0) (0,4,0) (0,0,nan)")
    write_nrrd(folder / "spacings.nrrd", space=None, space_directions=None, space_origin=None, spacings="4 nan 5")
    sitk.WriteImage(as_image(small_scan()[0]), str(folder / "a.mha"))
    (folder / "a.mha").write_bytes((folder / "a.mha").read_bytes().replace(b"ElementSpacing", b"ElementComment"))
    names = ("zero.nii.gz", "nan.nii.gz", "negative.nii.gz", "absent.nrrd", "none.nrrd", "nan.nrrd", "spacings.nrrd", "a.mha")
    return expect_refused(folder, "no-spacing", *names)


@fault("an absent statement is filled with the identity")
def no_orientation(folder: Path) -> str:
    """NIfTI with both codes 0, NRRD without a space or in a scanner's, MetaImage without a matrix: ``no-orientation``."""
    image, _ = write_scan(folder)
    patched(image, "<2h", CODES, 0, 0)
    write_nrrd(folder / "absent.nrrd", space=None, space_dimension="3")
    write_nrrd(folder / "scanner.nrrd", space="scanner-xyz")
    write_nrrd(folder / "left.nrrd", space="3D-left-handed")
    sitk.WriteImage(as_image(small_scan()[0]), str(folder / "a.mha"))
    (folder / "a.mha").write_bytes((folder / "a.mha").read_bytes().replace(b"TransformMatrix", b"TransformComment"))
    return expect_refused(folder, "no-orientation", "a.nii.gz", "absent.nrrd", "scanner.nrrd", "left.nrrd", "a.mha")


@fault("of two statements one is believed")
def two_voxel_sizes(folder: Path) -> str:
    """A voxel size of 2 mm together with an sform of 5 mm: ``spacing-conflict``."""
    image, _ = write_scan(folder)
    patched(image, "<h", CODES, 0)
    patched(image, "<f", PIXDIM + 12, 2.0)
    return expect_refused(folder, "spacing-conflict", "a.nii.gz")


@fault("numbers are taken for millimetres")
def other_units(folder: Path) -> str:
    """NIfTI in metres or micrometres, NRRD in cm: ``units``."""
    image, _ = write_scan(folder)
    for name, code in (("metres", 1), ("micrometres", 3)):
        shutil.copy(image, folder / f"{name}.nii.gz")
        patched(folder / f"{name}.nii.gz", "<B", UNITS, code)
    write_nrrd(folder / "cm.nrrd", space_units='"cm" "cm" "cm"')
    return expect_refused(folder, "units", "metres.nii.gz", "micrometres.nii.gz", "cm.nrrd")


@fault("a format that is not looked through is believed")
def other_formats(folder: Path) -> str:
    """GIPL, TIFF, VTK, and a text: ``format``, with what is read."""
    for name in ("a.gipl", "a.tif", "a.vtk"):
        sitk.WriteImage(as_image(small_scan()[0]), str(folder / name))
    (folder / "notes.txt").write_text("no volume", encoding="utf-8")
    return expect_refused(folder, "format", "a.gipl", "a.tif", "a.vtk", "notes.txt")


@fault("a shear is left out, or a right file refused, without a word")
def sform_with_a_shear(folder: Path) -> str:
    """An sform sheared by 0.0002, no qform: read, with a note and their number. By 0.01: ``sheared``."""
    image, _ = write_scan(folder)
    patched(image, "<h", CODES, 0)
    patched(image, "<f", SROW_Y + 8, 2e-4 * SPACING_MM[2])
    ran = check(folder, "a.nii.gz")
    noted = "off a right angle by 0.0002" in ran.said and "1 of 1 cases pass, 1 note" in ran.said
    expect(ran.status == 0 and noted, f"status {ran.status}: {ran.said}")
    patched(image, "<f", SROW_Y + 8, 1e-2 * SPACING_MM[2])
    return expect_refused(folder, "sheared", "a.nii.gz")


@fault("a right file is refused")
def every_axis_order_of_many_slices(folder: Path) -> str:
    """All 48 axis orders of 600 slices, as SimpleITK writes them: none contradicts itself."""
    from nnunet_ext.volumes.nifti_header import read_header  # noqa: PLC0415
    from nnunet_ext.volumes.nifti_place import check_place  # noqa: PLC0415

    path = folder / "a.nii"
    for order, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        grid = sitk.Image([2, 2, 600], sitk.sitkUInt8)
        grid.SetDirection((np.eye(3)[list(order)] * signs).ravel().tolist())
        grid.SetSpacing((0.7, 0.7, 0.5))
        grid.SetOrigin((-211.3, 97.1, -1203.7))
        sitk.WriteImage(grid, str(path))
        header = read_header(path)
        if header is None:
            return expect(False, f"no header for {order} {signs}")
        check_place(header, "image")
    return "48 axis orders"


@fault("a special file in place of a volume is waited for")
def special_files(folder: Path) -> str:
    """A FIFO and a device in place of image and mask: ``unreadable`` at once."""
    write_scan(folder)
    os.mkfifo(folder / "fifo.nii.gz")
    (folder / "device.nii.gz").symlink_to("/dev/zero")
    said = expect_refused(folder, "unreadable", "fifo.nii.gz", "device.nii.gz")
    return f"{said}; {expect_refused(folder, 'unreadable', 'fifo.nii.gz', 'device.nii.gz', mask=True)}"


@fault("a name that the system rejects ends the batch")
def names_that_no_file_can_have(folder: Path) -> str:
    """Names too long, below a file, in a circle of links, behind a broken one: ``image-missing``, and the next case passes."""
    write_scan(folder)
    (folder / "circle.nii.gz").symlink_to("circle.nii.gz")
    (folder / "broken.nii.gz").symlink_to("gone.nii.gz")
    names = ["z" * 300 + ".nii.gz", "a.nii.gz/b.nii.gz", "circle.nii.gz", "broken.nii.gz"]
    rows = "".join(f"c{number},p{number},north,{name},\n" for number, name in enumerate(names))
    card = write_card(folder, rows + "a,p,north,a.nii.gz,a_mask.nii.gz\n")
    ran = ccrcc("check", card, "--out", folder / "refused.csv")
    n_missing = (folder / "refused.csv").read_text(encoding="utf-8").count("image-missing")
    return expect(ran.status == QUARANTINED and n_missing == 4 and "1 of 5 cases pass" in ran.said, f"{n_missing} of 4")


@fault("the hash of a header stands for its voxels")
def voxels_of_a_pair_exchanged(folder: Path) -> str:
    """A detached file of voxels is replaced: the volume has another hash."""
    from nnunet_ext.volumes.volume_file import volume_sha256  # noqa: PLC0415

    hashes = set()
    for shift in (0, 50):
        sitk.WriteImage(as_image(small_scan()[0] + np.int16(shift)), str(folder / "a.mhd"))
        hashes.add(volume_sha256(folder / "a.mhd", "image"))
    return expect(len(hashes) == 2, f"{len(hashes)} hashes")


@fault("an offset that points out of the file is followed")
def voxels_out_of_the_file(folder: Path) -> str:
    """Voxels that begin behind the end of the file, or inside its header: ``unreadable``."""
    image, _ = write_scan(folder)
    for name, offset in (("behind", 1e8), ("inside", 4.0), ("nowhere", np.nan)):
        shutil.copy(image, folder / f"{name}.nii.gz")
        patched(folder / f"{name}.nii.gz", "<f", VOX_OFFSET, offset)
    return expect_refused(folder, "unreadable", "behind.nii.gz", "inside.nii.gz", "nowhere.nii.gz")
