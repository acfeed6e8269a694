from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.labels import Label
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.backends.backend import Backend, PlacedMask, load_backend
from radiomics_cfg.cases.measure import KEPT_FRACTION, CaseRows, feature_columns, measure_case
from radiomics_cfg.modes import MODES, Mode
from radiomics_cfg.preset import Parameters, Preset, RegionRules, Ring, Scale
from radiomics_cfg.process.crew import ALONE, Crew
from radiomics_cfg.regions.grid import Box

TwoBalls = Callable[..., Scan]

VOLUME, MEAN = "original_shape_VoxelVolume", "original_firstorder_Mean"
LEFT_HU, RIGHT_HU, TUMOUR_HU, FAT_HU = 150, 200, 90, -100


class MeanAndVolume:
    """A backend of two features that remembers which masks it was given, scale by scale."""

    versions: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def feature_names(self, parameters: Parameters) -> tuple[str, ...]:
        del parameters
        return (VOLUME, MEAN)

    def margin(self, parameters: Parameters, spacing_mm: tuple[float, float, float]) -> np.ndarray:
        del parameters, spacing_mm
        return np.full(3, 2)

    def features(
        self,
        image: sitk.Image,
        masks: Mapping[str, PlacedMask],
        parameters: Parameters,
        *,
        parts: Sequence[Box] = (),
        crew: Crew = ALONE,
    ) -> dict[str, dict[str, float]]:
        del parameters, parts, crew
        self.asked.append(sorted(masks))
        found = {}
        for name, mask in masks.items():
            inside = sitk.GetArrayViewFromImage(image)[tuple(map(slice, mask.corner, mask.end))][mask.inside]
            found[name] = {VOLUME: float(len(inside) * np.prod(image.GetSpacing())), MEAN: float(inside.mean())}
        return found


@pytest.fixture
def two_tumours() -> Scan:
    """Two kidneys in fat, of unlike HU, each with a tumour, the left one's larger; voxels of 3 mm, x to the patient's left."""
    z, y, x = np.meshgrid(*(np.arange(n) * 3.0 for n in (26, 26, 60)), indexing="ij")
    labels = np.zeros(x.shape, np.uint8)
    hu = np.full(x.shape, FAT_HU, np.int16)
    for at, label, radius, value in (
        (45, Label.KIDNEY, 24, RIGHT_HU),
        (130, Label.KIDNEY, 24, LEFT_HU),
        (45, Label.TUMOUR, 9, TUMOUR_HU),
        (130, Label.TUMOUR, 15, TUMOUR_HU),
    ):
        inside = (x - at) ** 2 + (y - 37) ** 2 + (z - (37 if label == Label.KIDNEY else 55)) ** 2 <= radius**2
        labels[inside], hu[inside] = label, value
    image, mask = sitk.GetImageFromArray(hu), sitk.GetImageFromArray(labels)
    image.SetSpacing((3.0, 3.0, 3.0))
    mask.CopyInformation(image)
    return Scan(image, mask)


def preset(rule: str, *structures: str) -> Preset:
    regions = RegionRules(
        lesions=rule,  # type: ignore[arg-type]
        structures=structures or ("tumour", "kidney", "kidney_ipsilateral", "kidney_contralateral"),  # type: ignore[arg-type]
        rings=(Ring(inner_mm=0, outer_mm=6, sides=("whole", "fat")),),
    )

    def scale(mm: float) -> Scale:
        content = {
            "setting": {"resampledPixelSpacing": [mm] * 3},
            "imageType": {"Original": {}},
            "featureClass": {"shape": None},
        }
        return Scale(f"{mm:g}mm", Parameters.model_validate(content))

    return Preset("test", regions, (scale(3), scale(6)), "")


def rows_of(found: CaseRows, rule: Preset) -> list[dict[str, float]]:
    columns = feature_columns(rule, MeanAndVolume())
    return [dict(zip(columns, values, strict=True)) for values in found.values.tolist()]


def test_each_lesion_has_a_row_and_the_first_is_the_index_lesions(two_tumours: Scan) -> None:
    each, index = (measure_case(two_tumours, preset(rule), MeanAndVolume()) for rule in ("each", "index"))
    assert each.keys == ({"lesion": 1, "side": "left"}, {"lesion": 2, "side": "right"})
    assert index.keys == each.keys[:1]
    assert each.values.shape == (2, 2 * (4 * 2 + 2 * 3))
    np.testing.assert_array_equal(index.values, each.values[:1])
    first, second = rows_of(each, preset("each"))
    assert first[f"tumour__3mm__{VOLUME}"] == pytest.approx(4 / 3 * np.pi * 15**3, rel=0.1)
    assert second[f"tumour__3mm__{VOLUME}"] == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.1)
    assert first[f"shell_0_6mm_fat__3mm__{MEAN}"] == second[f"shell_0_6mm_fat__3mm__{MEAN}"] == FAT_HU
    assert 0.3 < first[f"shell_0_6mm_fat__3mm__{KEPT_FRACTION}"] < first[f"shell_0_6mm__3mm__{KEPT_FRACTION}"] == 1


def test_all_tumours_together_have_one_row(two_tumours: Scan) -> None:
    merged, each = (measure_case(two_tumours, preset(rule), MeanAndVolume()) for rule in ("merged", "each"))
    assert merged.keys == ({"lesion": 0, "side": "both"},)
    (row,) = rows_of(merged, preset("merged"))
    parts = rows_of(each, preset("each"))
    assert row[f"tumour__3mm__{VOLUME}"] == sum(part[f"tumour__3mm__{VOLUME}"] for part in parts)
    assert merged.missing[0]["kidney_contralateral__6mm"] == "both kidneys hold a tumour, so neither is the other one"


def test_each_lesion_knows_its_own_kidney_and_the_other_one(two_tumours: Scan) -> None:
    left, right = rows_of(measure_case(two_tumours, preset("each"), MeanAndVolume()), preset("each"))
    own, other = f"kidney_ipsilateral__3mm__{MEAN}", f"kidney_contralateral__3mm__{MEAN}"
    assert (left[own], left[other]) == (LEFT_HU, RIGHT_HU)
    assert (right[own], right[other]) == (RIGHT_HU, LEFT_HU)
    parenchyma = np.count_nonzero(sitk.GetArrayViewFromImage(two_tumours.mask) == Label.KIDNEY)
    assert left[f"kidney__3mm__{VOLUME}"] == right[f"kidney__3mm__{VOLUME}"] == parenchyma * 27


def test_a_mask_that_lesions_share_is_measured_once(two_tumours: Scan) -> None:
    engine = MeanAndVolume()
    measure_case(two_tumours, preset("each"), engine)
    own = [f"{number}/{region}" for number in (1, 2) for region in ("shell_0_6mm", "shell_0_6mm_fat", "tumour")]
    assert engine.asked[0] == [*own, "kidney", "left/kidney", "right/kidney"]
    assert len(engine.asked) == 2  # one call a scale


def test_a_region_does_not_notice_which_others_there_are(two_tumours: Scan) -> None:
    few, many = preset("index", "tumour"), preset("each", "cyst", "kidney", "tumour")
    (alone,) = rows_of(measure_case(two_tumours, few, MeanAndVolume()), few)
    among, _ = rows_of(measure_case(two_tumours, many, MeanAndVolume()), many)
    assert alone == {name: among[name] for name in alone}


def test_a_patient_with_one_kidney_has_no_other_one(two_tumours: Scan) -> None:
    labels = sitk.GetArrayFromImage(two_tumours.mask)
    labels[:, :, :30] = 0
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(two_tumours.mask)
    single = replace(two_tumours, mask=mask)
    found = measure_case(single, preset("index"), MeanAndVolume())
    (row,) = rows_of(found, preset("index"))
    assert found.keys == ({"lesion": 1, "side": "left"},)
    reason = "no right kidney: 0.00 ml of parenchyma there; a kidney has at least 5 ml"
    assert found.missing == ({f"kidney_contralateral__{scale}": reason for scale in ("3mm", "6mm")},)
    assert np.isnan([row[f"kidney_contralateral__3mm__{name}"] for name in (VOLUME, MEAN)]).all()
    assert row[f"kidney_ipsilateral__3mm__{MEAN}"] == LEFT_HU


def test_each_row_says_what_it_lacks(two_tumours: Scan) -> None:
    found = measure_case(two_tumours, preset("each"), MeanAndVolume())
    assert found.missing[0] == {}
    few = "{} voxels; at least 30 are needed"
    assert found.missing[1] == {"tumour__6mm": few.format(16), "shell_0_6mm_fat__6mm": few.format(12)}
    _, second = rows_of(found, preset("each"))
    assert np.isnan([second[f"{place}__{name}"] for place in found.missing[1] for name in (VOLUME, MEAN)]).all()


@pytest.mark.parametrize(("mode", "tolerance"), [("canonical", 1e-4), ("pyradiomics", 1e-9)])
def test_our_engine_measures_what_pyradiomics_does(
    mode: Mode, tolerance: float, two_balls: TwoBalls, small_preset: Preset, pyradiomics: Backend
) -> None:
    # In the canonical mode LoG is filtered in another order than ITK's, which float32 rounds in another way.
    scan = two_balls(spacing=(1.5, 1.5, 3.0))
    ours, theirs = (measure_case(scan, small_preset, engine, mode=mode) for engine in (load_backend("numba"), pyradiomics))
    assert ours.values == pytest.approx(theirs.values, rel=tolerance, abs=1e-6, nan_ok=True)
    assert ours.missing == theirs.missing
    assert np.isfinite(ours.values).sum() > 50


def test_the_two_modes_are_told_apart_by_their_values(two_balls: TwoBalls, small_preset: Preset) -> None:
    scan = two_balls(spacing=(1.5, 1.5, 3.0))
    one, other = (measure_case(scan, small_preset, load_backend("numba"), mode=mode).values for mode in MODES)
    assert np.isfinite(one).sum() == np.isfinite(other).sum()
    assert np.nanmax(np.abs(one - other)) > 1e-3
