"""DICOM images that are no single volume of HU, or hide that they are."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import generate_uid

from ccrcc_model.faults.dicom_files import Change, Imported, write_ct
from ccrcc_model.faults.fault import ccrcc, expect, fault
from ccrcc_model.faults.scans import CORNER_MM, SPACING_MM, small_scan, write_card
from nnunet_ext.documents.csv_table import read_csv

HU = small_scan()[0]

HU_BELIEVED = "stored values are taken for HU"
STACK_BELIEVED = "slices are stacked that are no stack"
OBJECT_BELIEVED = "an image that is no scan is taken for one"
SILENT = "data are left out without a word"


def _met(folder: Path, code: str) -> str:
    """Refuse ``scan`` under the same code by an import and as a folder in a card."""
    found = Imported(folder / "scan")
    verdicts = sorted(set(found.series["verdict"])) if len(found.series) else [found.ran.said]
    card = write_card(folder, "a,p,north,scan,\n")
    ccrcc("check", card, "--out", folder / "quarantine.csv")
    gate = read_csv(folder / "quarantine.csv")["code"].tolist()
    return expect(verdicts == [code] and gate == [code], f"import: {', '.join(verdicts)}; folder: {gate or 'accepted'}")


def _refused(folder: Path, code: str, change: Change | None = None, **attributes: Any) -> str:
    write_ct(folder / "scan", change=change, **attributes)
    return _met(folder, code)


def read_right(found: Imported, truth: npt.NDArray[Any]) -> str:
    """Hold an import to the HU that its only volume must have, shape (z, y, x)."""
    volume = found.volume("images")
    if volume is None or volume.shape != truth.shape:
        return expect(False, f"status {found.ran.status}, shape {None if volume is None else volume.shape}")
    error = float(np.abs(volume - truth).max())
    return expect(error < 1e-3, f"largest error {error:.3g} HU, voxels are {volume.dtype}")


@fault(HU_BELIEVED)
def slice_without_intercept(folder: Path) -> str:
    """The last slice states a slope, but no intercept: ``no-rescale``."""

    def change(number: int, file: FileDataset) -> None:
        if number == len(HU) - 1:
            del file.RescaleIntercept

    return _refused(folder, "no-rescale", change)


@fault(HU_BELIEVED)
def stored_values_that_look_like_hu(folder: Path) -> str:
    """Signed values that are HU, and no slice that states this by slope and intercept: ``no-rescale``."""

    def change(number: int, file: FileDataset) -> None:
        del file.RescaleSlope, file.RescaleIntercept
        file.PixelRepresentation, file.PixelData = 1, HU[number].tobytes()

    return _refused(folder, "no-rescale", change)


@fault(HU_BELIEVED)
def slope_of_zero(folder: Path) -> str:
    """A slope of 0 in one slice, which readers take for 1: ``no-rescale``."""

    def change(number: int, file: FileDataset) -> None:
        file.RescaleSlope = 0 if number == 3 else 1

    return _refused(folder, "no-rescale", change)


@fault(HU_BELIEVED)
def slope_of_each_slice(folder: Path) -> str:
    """Whole slopes in the lower slices, fractions in the upper ones, signed and unsigned: read right, as floats."""
    slopes = [1.0 if number < 5 else 0.25 + 0.05 * number for number in range(len(HU))]
    stored = [np.round((HU[number] + 1024.0) / slope) for number, slope in enumerate(slopes)]

    def change(number: int, file: FileDataset) -> None:
        file.RescaleSlope, file.PixelRepresentation = f"{slopes[number]:.6g}", number % 2
        file.PixelData = stored[number].astype(np.uint16).tobytes()

    write_ct(folder / "scan", change=change)
    truth = np.stack([values * slope - 1024 for values, slope in zip(stored, slopes, strict=True)])
    return read_right(Imported(folder / "scan"), truth)


@fault(HU_BELIEVED)
def eight_bits_in_one_slice(folder: Path) -> str:
    """An empty slice of 8 bits, intercept -1000, at the bottom: read right."""

    def change(number: int, file: FileDataset) -> None:
        if number == 0:
            file.BitsAllocated, file.BitsStored, file.HighBit, file.RescaleIntercept = 8, 8, 7, -1000
            file.PixelData = np.zeros(HU[0].shape, np.uint8).tobytes()

    write_ct(folder / "scan", change=change)
    truth = HU.copy()
    truth[0] = -1000
    return read_right(Imported(folder / "scan"), truth)


@fault(HU_BELIEVED)
def smallest_value_is_white(folder: Path) -> str:
    """MONOCHROME1, which readers turn round before they apply the intercept: ``monochrome1``."""
    return _refused(folder, "monochrome1", PhotometricInterpretation="MONOCHROME1")


@fault(HU_BELIEVED)
def electron_density(folder: Path) -> str:
    """A rescale type of relative electron density, image type original: ``derived``."""
    return _refused(folder, "derived", RescaleType="ED")


@fault("what a file holds too little of is filled up from memory")
def pixel_data_too_short(folder: Path) -> str:
    """A last slice whose pixel data are too short, and say so, which ITK fills up: ``unreadable``."""

    def change(number: int, file: FileDataset) -> None:
        if number == len(HU) - 1:
            file.PixelData = file.PixelData[:-512]

    return _refused(folder, "unreadable", change)


@fault(SILENT)
def second_best_series(folder: Path) -> str:
    """The best series is cut short in one slice: the next one is imported, and the first one's verdict says why."""
    write_ct(folder / "scan", np.repeat(HU, 2, axis=0))
    path = sorted((folder / "scan").iterdir())[7]
    path.write_bytes(path.read_bytes()[:-777])
    write_ct(folder / "scan", SeriesDescription="arterial")
    found = Imported(folder / "scan")
    verdicts = dict(zip(found.series["files"], found.series["verdict"], strict=True))
    volume = found.volume("images")
    right = volume is not None and volume.shape == HU.shape
    return expect(right and verdicts == {"28": "unreadable", "14": "chosen"}, f"{verdicts}")


@fault(SILENT)
def two_slices_of_one_instance(folder: Path) -> str:
    """The lowest slice bears the identifier of the highest, so that one would be dropped: ``instance-twice``."""
    slices = write_ct(folder / "scan")

    path = Path(str(slices[0].filename))
    slices[0].SOPInstanceUID = slices[0].file_meta.MediaStorageSOPInstanceUID = slices[-1].SOPInstanceUID
    slices[0].save_as(path)
    return _met(folder, "instance-twice")


@fault(SILENT)
def slice_without_an_identifier(folder: Path) -> str:
    """A slice at the end names no series: the series goes without it by name, or is refused; never shorter without a word."""

    def change(number: int, file: FileDataset) -> None:
        if number == 0:
            del file.SeriesInstanceUID

    write_ct(folder / "scan", change=change)
    found = Imported(folder / "scan")
    return expect("no-identifier" in set(found.series["verdict"]), f"verdicts {sorted(found.series['verdict'])}")


@fault(SILENT)
def end_slice_with_a_damaged_header(folder: Path) -> str:
    """The header of the lowest slice holds an element of no known kind: ``unreadable``, not a volume of the others."""
    write_ct(folder / "scan")
    path = sorted((folder / "scan").iterdir())[0]
    path.write_bytes(path.read_bytes().replace(b"\x20\x00\x32\x00DS", b"\x20\x00\x32\x00QQ", 1))
    return _met(folder, "unreadable")


@fault("one damaged file ends the import of all")
def header_that_ends_early(folder: Path) -> str:
    """A file that ends in its file meta, among two studies: they are imported, and the last line counts it."""
    write_ct(folder / "scan")
    write_ct(folder / "scan", StudyInstanceUID="1.2.4", PatientID="2")
    path = sorted((folder / "scan").iterdir())[0]
    (folder / "scan" / "torn.dcm").write_bytes(path.read_bytes()[:200])
    found = Imported(folder / "scan")
    said = "1 files could not be read" in found.ran.said and "unreadable" in set(found.series["verdict"])
    return expect(found.ran.status == 0 and said, f"status {found.ran.status}")


@fault("what DICOM allows is not read")
def no_preamble(folder: Path) -> str:
    """Slices without preamble and file meta, implicit value representations: read right."""
    for number, slice_ in enumerate(write_ct(folder / "whole")):
        stream = io.BytesIO()
        dcmwrite(stream, Dataset(slice_), implicit_vr=True, little_endian=True)
        (folder / "scan").mkdir(exist_ok=True)
        (folder / "scan" / f"{number}").write_bytes(stream.getvalue())
    return read_right(Imported(folder / "scan"), HU)


def _interleaved(folder: Path, apart_mm: float, *, numbers: bool) -> Imported:
    """Import two acquisitions in one series, the second one higher by ``apart_mm``."""
    series = generate_uid()
    for acquisition in (1, 2):

        def change(number: int, file: FileDataset, acquisition: int = acquisition) -> None:
            file.ImagePositionPatient = [*CORNER_MM[:2], number * SPACING_MM[2] + (acquisition - 1) * apart_mm]
            if numbers:
                file.AcquisitionNumber = acquisition

        write_ct(folder / "scan" / str(acquisition), change=change, SeriesInstanceUID=series)
    return Imported(folder / "scan")


@fault(STACK_BELIEVED)
def two_acquisitions_in_turn(folder: Path) -> str:
    """Two acquisitions of alternating, evenly spaced slices, distinguished by AcquisitionNumber: two volumes, one chosen."""
    found = _interleaved(folder, SPACING_MM[2] / 2, numbers=True)
    named = found.series["why"].str.contains("AcquisitionNumber").all()
    return expect(bool(named) and found.series["slices"].tolist() == ["14", "14"], f"{found.series['slices'].tolist()} slices")


@fault(STACK_BELIEVED)
def two_acquisitions_at_one_place(folder: Path) -> str:
    """Two slices at each place and no number that parts them: ``slice-duplicate``."""
    found = _interleaved(folder, 0.0, numbers=False)
    return expect(found.series["verdict"].tolist() == ["slice-duplicate"], f"{found.series['verdict'].tolist()}")


@fault(STACK_BELIEVED)
def fields_of_view_beside_each_other(folder: Path) -> str:
    """The upper half lies 3 mm to the left: ``slice-shift``, not a tilt."""

    def change(number: int, file: FileDataset) -> None:
        if number >= len(HU) // 2:
            file.ImagePositionPatient = [CORNER_MM[0] + 3, CORNER_MM[1], number * SPACING_MM[2]]

    return _refused(folder, "slice-shift", change)


@fault(STACK_BELIEVED)
def one_mirrored_slice(folder: Path) -> str:
    """The columns of one slice run the other way: ``mixed-series``."""

    def change(number: int, file: FileDataset) -> None:
        if number == 9:
            file.ImageOrientationPatient = [1, 0, 0, 0, -1, 0]

    return _refused(folder, "mixed-series", change)


@fault(STACK_BELIEVED)
def tilted_gantry(folder: Path) -> str:
    """Slices turned by 8 degrees about x, stacked straight upwards: ``gantry-tilt``."""
    cosine, sine = (float(turn(np.radians(8))) for turn in (np.cos, np.sin))
    return _refused(folder, "gantry-tilt", ImageOrientationPatient=[1, 0, 0, 0, round(cosine, 6), round(sine, 6)])


@fault(STACK_BELIEVED)
def distances_that_drift(folder: Path) -> str:
    """Steps of 4.7 mm below and of 5.1 mm above, each within a tenth of the median: ``slice-gap``, for they add up."""
    steps = np.where(np.arange(len(HU)) < len(HU) // 2, 4.7, 5.1)

    def change(number: int, file: FileDataset) -> None:
        file.ImagePositionPatient = [*CORNER_MM[:2], round(float(steps[:number].sum()), 3)]

    return _refused(folder, "slice-gap", change)


@fault(STACK_BELIEVED)
def negative_pixel_spacing(folder: Path) -> str:
    """Columns at a distance of -4 mm: ``no-geometry``."""
    return _refused(folder, "no-geometry", PixelSpacing=[4, -4])


@fault(STACK_BELIEVED)
def rows_and_columns_askew(folder: Path) -> str:
    """Rows and columns at 87 degrees: ``not-orthogonal``."""
    return _refused(folder, "not-orthogonal", ImageOrientationPatient=[1, 0, 0, 0.052, 0.9986, 0])


@fault("rounding is taken for a tilt")
def cosines_of_two_digits(folder: Path) -> str:
    """A patient turned by 10 degrees, cosines of two digits: read, with unit vectors."""
    write_ct(folder / "scan", ImageOrientationPatient=[0.98, 0.17, 0, -0.17, 0.98, 0])
    return read_right(Imported(folder / "scan"), HU)


@fault("names decide where slices lie")
def file_names_in_no_order(folder: Path) -> str:
    """File names and instance numbers run against the positions: the positions decide."""
    for number, file in enumerate(write_ct(folder / "whole")):
        file.InstanceNumber = len(HU) - number
        (folder / "scan").mkdir(exist_ok=True)
        file.save_as(folder / "scan" / f"{(number * 5) % len(HU):02d}.dcm")
    return read_right(Imported(folder / "scan"), HU)


def _beside_the_original(folder: Path, image_type: list[str], description: str) -> str:
    """A derived series, longer and thinner than the original, that is not to be chosen; alone it is refused as ``derived``."""
    write_ct(folder / "scan", np.repeat(HU, 3, axis=0), ImageType=image_type, SeriesDescription=description)
    alone = Imported(folder / "scan").series["verdict"].tolist()
    write_ct(folder / "scan", SeriesDescription="arterial")
    found = Imported(folder / "scan")
    verdicts = dict(zip(found.series["files"], found.series["verdict"], strict=True))
    held = alone == ["derived"] and verdicts == {"42": "derived", "14": "chosen"}
    return expect(held, f"alone {alone}, beside the original {verdicts}")


@fault(OBJECT_BELIEVED)
def maximum_projection(folder: Path) -> str:
    """A maximum intensity projection, named in the image type alone."""
    return _beside_the_original(folder, ["DERIVED", "SECONDARY", "OTHER", "CSA MIP"], "venous thick")


@fault(OBJECT_BELIEVED)
def virtual_unenhanced(folder: Path) -> str:
    """A virtual non-contrast image, named in the description alone."""
    return _beside_the_original(folder, ["DERIVED", "PRIMARY", "AXIAL"], "venous VNC 1.0")


@fault(OBJECT_BELIEVED)
def iodine_of_two_energies(folder: Path) -> str:
    """A map of iodine by the terms of the standard's image type."""
    return _beside_the_original(folder, ["DERIVED", "PRIMARY", "AXIAL", "MAT_SPECIFIC"], "venous")


@fault(OBJECT_BELIEVED)
def reformat_beside_its_original(folder: Path) -> str:
    """A thin axial reformat in HU: not chosen if the original is there, and otherwise chosen with a remark."""
    kind = ["DERIVED", "SECONDARY", "AXIAL"]
    write_ct(folder / "scan", np.repeat(HU, 3, axis=0), ImageType=kind)
    alone = Imported(folder / "scan").series
    write_ct(folder / "scan", SeriesDescription="")
    found = Imported(folder / "scan").series
    verdicts = dict(zip(found["files"], found["verdict"], strict=True))
    held = alone["verdict"].tolist() == ["chosen"] and "derived" in alone["why"][0]
    return expect(held and verdicts == {"42": "not chosen", "14": "chosen"}, f"{verdicts}")


@fault(OBJECT_BELIEVED, needs=("highdicom",))
def enhanced_ct_by_every_route(folder: Path) -> str:
    """An enhanced multi-frame CT, imported, as a folder, and as a file: ``multi-frame``."""
    import highdicom  # noqa: PLC0415 - an optional extra

    made = highdicom.legacy.LegacyConvertedEnhancedCTImage(write_ct(folder / "whole"), generate_uid(), 1, generate_uid(), 1)
    (folder / "scan").mkdir()
    made.save_as(folder / "scan" / "all.dcm")
    met = _met(folder, "multi-frame")
    ccrcc("check", write_card(folder, "a,p,north,scan/all.dcm,\n"), "--out", folder / "file.csv")
    return expect("multi-frame" in (folder / "file.csv").read_text(encoding="utf-8"), met)


@fault(OBJECT_BELIEVED)
def one_slice_as_an_image(folder: Path) -> str:
    """One slice named as the image of a card: ``few-slices``, not a volume of slices of 1 mm."""
    write_ct(folder / "scan", HU[:1])
    (path,) = (folder / "scan").iterdir()
    ccrcc("check", write_card(folder, f"a,p,north,scan/{path.name},\n"), "--out", folder / "file.csv")
    return expect("few-slices" in (folder / "file.csv").read_text(encoding="utf-8"), "few-slices")


@fault(SILENT)
def copies_are_counted(folder: Path) -> str:
    """Every slice is there twice, byte by byte: one volume, and ``series.csv`` counts the copies."""
    write_ct(folder / "scan")
    for path in sorted((folder / "scan").iterdir()):
        (folder / "scan" / f"copy-{path.name}").write_bytes(path.read_bytes())
    found = Imported(folder / "scan")
    return expect("14 files are copies" in found.series["why"][0], read_right(found, HU))


@fault(STACK_BELIEVED)
def a_second_series_of_the_same_name(folder: Path) -> str:
    """A folder in a card with two series: ``several-series``; an import takes one and names the other."""
    write_ct(folder / "scan")
    write_ct(folder / "scan", SeriesDescription="arterial")
    found = Imported(folder / "scan")
    ccrcc("check", write_card(folder, "a,p,north,scan,\n"), "--out", folder / "file.csv")
    gate = "several-series" in (folder / "file.csv").read_text(encoding="utf-8")
    return expect(gate and sorted(found.series["verdict"]) == ["chosen", "not chosen"], f"{sorted(found.series['verdict'])}")


@fault("damage in one element hides the rest")
def kvp_that_is_no_number(folder: Path) -> str:
    """A tube voltage of letters, which no voxel needs: read right, and the acquisition file leaves it out."""
    write_ct(folder / "scan")
    for path in (folder / "scan").iterdir():
        path.write_bytes(path.read_bytes().replace(b"\x18\x00\x60\x00DS\x04\x00120 ", b"\x18\x00\x60\x00DS\x04\x00high", 1))
        if b"high" not in path.read_bytes() or dcmread(path, specific_tags=["Modality"]).Modality != "CT":
            return expect(False, "the fault could not be made")
    return read_right(Imported(folder / "scan"), HU)
