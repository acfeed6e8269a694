from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_ext.ground.errors import CaseRefused, InputError
from radiomics_cfg.engine.preparation import GEOMETRY_TOLERANCE, integer_mask, label_box, prepare, resegmented

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
FLIPPED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
PERMUTED = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0)
TURNED = tuple(np.array([[np.cos(0.2), -np.sin(0.2), 0], [np.sin(0.2), np.cos(0.2), 0], [0, 0, 1]]).ravel().tolist())


@pytest.fixture
def lesion(volume: Any) -> Any:
    """A noisy volume and a ball in it, label 1; near it one voxel of label 2."""

    def make(
        *,
        size: tuple[int, int, int] = (14, 30, 33),
        spacing: tuple[float, float, float] = (0.8, 0.7, 2.5),
        direction: tuple[float, ...] = IDENTITY,
        kind: str = "i2",
        slices: slice = slice(None),
    ) -> tuple[sitk.Image, sitk.Image]:
        values = (150 * np.random.default_rng(0).normal(size=size) + 40).astype(kind)
        z, y, x = np.meshgrid(*[np.linspace(-1.4, 1.4, n) for n in size], indexing="ij")
        labels = (z**2 + y**2 + x**2 <= 1).astype(np.uint8)
        kept = np.zeros(size[0], bool)
        kept[slices] = True
        labels[~kept] = 0
        labels[0, 0, 0] = 2
        return volume(values, spacing, direction), volume(labels, spacing, direction)

    return make


def is_same(ours: sitk.Image, theirs: sitk.Image) -> bool:
    places = [(v.GetSize(), v.GetOrigin(), v.GetSpacing(), v.GetDirection()) for v in (ours, theirs)]
    return places[0] == places[1] and np.array_equal(*map(sitk.GetArrayViewFromImage, (ours, theirs)))


@pytest.mark.parametrize("kind", ["i2", "f4", "f8"])
@pytest.mark.parametrize("direction", [IDENTITY, FLIPPED, PERMUTED, TURNED], ids=["identity", "flipped", "permuted", "turned"])
@pytest.mark.parametrize(
    "settings",
    [
        {"resampledPixelSpacing": [1, 1, 1]},
        {"resampledPixelSpacing": [2, 2, 2], "padDistance": 0},
        {"resampledPixelSpacing": [1.6, 1.4, 5.0], "padDistance": 10},  # twice the scan's own: ties
        {"resampledPixelSpacing": [0, 0, 1.0]},
        {"resampledPixelSpacing": [0.8, 0.7, 2.5], "padDistance": 5},  # the scan's own: cropped, not resampled
        {"resampledPixelSpacing": [1, 1, 3], "interpolator": "sitkLinear"},
        {"resampledPixelSpacing": [1, 1, 3], "interpolator": "sitkNearestNeighbor", "padDistance": 1},
    ],
    ids=lambda settings: "-".join(str(value) for value in settings.values()),
)
def test_resampling_equals_pyradiomics_to_the_last_bit(
    oracle: Any, lesion: Any, settings: dict[str, Any], direction: tuple[float, ...], kind: str
) -> None:
    image, mask = lesion(direction=direction, kind=kind)
    theirs = oracle.module.imageoperations.resampleImage(image, sitk.Cast(mask, sitk.sitkUInt32), **settings)
    ours = prepare(image, mask, {"interpolator": "sitkBSpline", **settings})
    assert is_same(ours.image, theirs[0])
    assert is_same(ours.mask, theirs[1])
    assert [name for name, *_ in ours.steps] == ["interpolated"]


def test_a_region_of_one_slice_is_not_resampled_across_it(oracle: Any, lesion: Any) -> None:
    image, mask = lesion(slices=slice(6, 7))
    settings = {"resampledPixelSpacing": [1, 1, 1], "interpolator": "sitkBSpline"}
    ours = prepare(image, mask, settings)
    assert ours.image.GetSpacing() == (1, 1, 2.5)
    theirs = oracle.module.imageoperations.resampleImage(image, sitk.Cast(mask, sitk.sitkUInt32), **settings)
    assert is_same(ours.image, theirs[0])
    assert is_same(ours.mask, theirs[1])


def test_a_region_at_the_scans_corner_is_padded_as_far_as_the_scan_goes(oracle: Any, volume: Any) -> None:
    values = (150 * np.random.default_rng(0).normal(size=(20, 20, 20))).astype(np.int16)
    labels = np.zeros(values.shape, np.uint8)
    labels[:5, 15:, :4] = 1
    image, mask = volume(values, (0.9, 0.9, 1.5)), volume(labels, (0.9, 0.9, 1.5))
    settings = {"resampledPixelSpacing": [1, 1, 1], "interpolator": "sitkBSpline", "padDistance": 6}
    theirs = oracle.module.imageoperations.resampleImage(image, sitk.Cast(mask, sitk.sitkUInt32), **settings)
    ours = prepare(image, mask, settings)
    assert is_same(ours.image, theirs[0])
    assert is_same(ours.mask, theirs[1])


def test_a_crop_of_a_long_scan_equals_the_whole_scans_resampling(oracle: Any, volume: Any) -> None:
    values = (150 * np.random.default_rng(0).normal(size=(190, 12, 14))).astype(np.int16)
    labels = np.zeros(values.shape, np.uint8)
    labels[90:97, 3:9, 4:10] = 1  # farther from both ends than the spline's margin of 40
    image, mask = volume(values, (0.9, 0.9, 1.5)), volume(labels, (0.9, 0.9, 1.5))
    settings = {"resampledPixelSpacing": [1, 1, 1], "interpolator": "sitkBSpline"}
    theirs = oracle.module.imageoperations.resampleImage(image, sitk.Cast(mask, sitk.sitkUInt32), **settings)
    assert is_same(prepare(image, mask, settings).image, theirs[0])


@pytest.mark.parametrize("pad", [0, 3, 100])
def test_a_crop_before_all_else_equals_pyradiomics(oracle: Any, lesion: Any, pad: int) -> None:
    image, mask = lesion()
    ours = prepare(image, mask, {"preCrop": True, "padDistance": pad})
    operations = oracle.module.imageoperations
    box, _ = operations.checkMask(image, sitk.Cast(mask, sitk.sitkUInt32))
    theirs = operations.cropToTumorMask(image, sitk.Cast(mask, sitk.sitkUInt32), box, padDistance=pad)
    assert is_same(ours.image, theirs[0])
    assert is_same(ours.mask, theirs[1])
    assert ours.steps == ()


@pytest.mark.parametrize("settings", [{}, {"normalizeScale": 100}, {"normalizeScale": 100, "removeOutliers": 1.5}])
@pytest.mark.parametrize("kind", ["i2", "f4", "f8"])
def test_a_normalised_image_equals_pyradiomics(oracle: Any, lesion: Any, settings: dict[str, Any], kind: str) -> None:
    image, mask = lesion(kind=kind)
    ours = prepare(image, mask, {"normalize": True, **settings}).image
    assert is_same(ours, oracle.module.imageoperations.normalizeImage(image, **settings))
    if "removeOutliers" in settings:
        assert np.abs(sitk.GetArrayViewFromImage(ours)).max() == 150


@pytest.mark.parametrize(
    ("settings", "lowest", "highest"),
    [
        ({"resegmentRange": [100, -50]}, -50, 100),  # in either order, both ends included
        ({"resegmentRange": [0]}, 0, np.inf),
        ({"resegmentRange": [0.25, 1], "resegmentMode": "relative"}, "max / 4", np.inf),
        ({"resegmentRange": [-1, 2], "resegmentMode": "sigma"}, "mean - sd", "mean + 2 sd"),
    ],
)
def test_resegmentation_keeps_the_voxels_in_range(
    oracle: Any, lesion: Any, settings: dict[str, Any], lowest: Any, highest: Any
) -> None:
    image, mask = lesion()
    values, inside = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(mask) == 1
    x = values[inside]
    limits = {"max / 4": x.max() / 4, "mean - sd": x.mean() - x.std(), "mean + 2 sd": x.mean() + 2 * x.std()}
    kept = inside & (values >= limits.get(lowest, lowest)) & (values <= limits.get(highest, highest))
    ours = resegmented(image, mask, 1, settings)
    assert np.array_equal(sitk.GetArrayFromImage(ours) == 1, kept)
    assert is_same(ours, oracle.module.imageoperations.resegmentMask(image, mask, **settings))


@pytest.mark.parametrize(("highest", "left"), [(1, 2), (0, None)])
def test_a_resegmented_region_keeps_at_least_two_voxels(volume: Any, highest: int, left: int | None) -> None:
    image, mask = volume(np.array([[[0, 1, 5, 5]]], np.int16)), volume(np.ones((1, 1, 4), np.uint8))
    settings = {"resegmentRange": [-10, highest], "minimumROIDimensions": 1}
    if left is not None:
        assert label_box(resegmented(image, mask, 1, settings), 1).voxels == left
    else:
        with pytest.raises(CaseRefused, match=r"1 of 4 voxels lie in \[-10, 0\]") as refused:
            resegmented(image, mask, 1, settings)
        assert refused.value.code == "resegmented"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resegmentRange": [1, 2, 3]}, "resegmentRange is one limit or two; found 3"),
        ({"resegmentRange": []}, "resegmentRange is one limit or two; found 0"),
        ({"resegmentRange": [0, 1], "resegmentMode": "robust"}, "No resegmentMode 'robust'; known ones are absolute, .*sigma"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(lesion: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        resegmented(*lesion(), 1, settings)


def test_a_relative_range_below_0_of_an_unsigned_image_keeps_all(volume: Any) -> None:
    image, mask = volume(np.array([[[3, 1, 5, 5]]], np.uint8)), volume(np.ones((1, 1, 4), np.uint8))
    settings = {"resegmentRange": [-1, 1], "resegmentMode": "relative", "minimumROIDimensions": 1}
    kept = resegmented(image, mask, 1, settings)
    assert label_box(kept, 1).voxels == 4


def test_a_label_is_found_in_its_box() -> None:
    labels = np.zeros((4, 5, 6), np.int16)
    labels[1, 2, 3] = labels[3, 2, 1] = 7
    box = label_box(sitk.GetImageFromArray(labels), 7)
    assert (box.lower.tolist(), box.size.tolist(), box.voxels) == ([1, 2, 1], [3, 1, 3], 2)


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0, 0, 0], "no voxel of label 5; it holds background only"), ([0, 2, 9], "no voxel of label 5; it holds 2, 9")],
)
def test_an_absent_label_lists_those_that_are_there(labels: list[int], message: str) -> None:
    with pytest.raises(CaseRefused, match=message) as refused:
        label_box(sitk.GetImageFromArray(np.array([[labels]], np.uint8)), 5)
    assert refused.value.code == "label-absent"


def test_masks_become_whole_numbers(volume: Any) -> None:
    rounded = integer_mask(volume(np.array([[[0.0, 1.0, 2.9991]]])), {})
    assert sitk.GetArrayFromImage(rounded).tolist() == [[[0, 1, 3]]]
    assert rounded.GetPixelID() == sitk.sitkUInt32
    with pytest.raises(CaseRefused, match=r"^mask-fraction: .* 2\.9;"):  # which PyRadiomics cuts to 2
        integer_mask(volume(np.array([[[0.0, 1.0, 2.9]]])), {})


@pytest.mark.parametrize(("channel", "known"), [(0, True), (1, True), (2, False)])
def test_a_channel_of_a_mask_is_taken_by_its_number(volume: Any, channel: int, known: bool) -> None:
    first, second = (volume(np.full((2, 2, 2), value, np.uint8)) for value in (3, 4))
    both = sitk.Compose(first, second)
    if known:
        assert sitk.GetArrayFromImage(integer_mask(both, {"label_channel": channel})).max() == 3 + channel
    else:
        with pytest.raises(CaseRefused, match="2 channels, from 0; channel 2 was asked for") as refused:
            integer_mask(both, {"label_channel": channel})
        assert refused.value.code == "label-channel"


@pytest.mark.parametrize(("settings", "widest"), [({}, GEOMETRY_TOLERANCE), ({"geometryTolerance": 0.01}, 0.01)])
@pytest.mark.parametrize("what", ["origin", "spacing", "direction"])
@pytest.mark.parametrize(("share", "known"), [(0.9, True), (1.1, False)])
def test_a_mask_may_lie_off_by_the_tolerance(
    lesion: Any, settings: dict[str, Any], widest: float, what: str, share: float, known: bool
) -> None:
    image, mask = lesion(spacing=(2.0, 0.7, 0.7))
    off = share * widest * (2.0 if what != "direction" else 1.0)  # of the voxel's size along x
    if what == "origin":
        mask.SetOrigin([a + d for a, d in zip(mask.GetOrigin(), (0, off, 0), strict=True)])
    elif what == "spacing":
        mask.SetSpacing((2.0, 0.7 + off, 0.7))
    else:
        mask.SetDirection((1, off, 0, -off, 1, 0, 0, 0, 1))
    if known:
        assert prepare(image, mask, settings).mask is mask
        return
    with pytest.raises(CaseRefused, match=r"the mask lies on another grid .*correctMask=True resamples it") as refused:
        prepare(image, mask, settings)
    assert refused.value.code == "mask-geometry"


def test_a_mask_of_another_size_is_of_another_grid(lesion: Any) -> None:
    image, mask = lesion()
    with pytest.raises(CaseRefused, match=r"32 x 30 x 14 voxels \(xyz\) against 33 x 30 x 14") as refused:
        prepare(image, mask[:32], {})
    assert refused.value.code == "mask-geometry"


def test_a_mask_is_moved_onto_the_image_where_that_is_asked_for(oracle: Any, lesion: Any) -> None:
    image, mask = lesion()
    part = mask[3:31, 2:28, 1:13]
    ours = prepare(image, part, {"correctMask": True})
    _, theirs = oracle.module.imageoperations.checkMask(image, sitk.Cast(part, sitk.sitkUInt32), correctMask=True)
    assert is_same(ours.mask, theirs)
    assert [name for name, *_ in ours.steps] == ["corrected"]
    assert label_box(ours.mask, 1).voxels == label_box(mask, 1).voxels


@pytest.mark.parametrize(
    "settings", [{"correctMask": True}, {"resampledPixelSpacing": [1, 1, 1], "interpolator": "sitkBSpline"}]
)
@pytest.mark.parametrize(("beyond", "known"), [(0.0009, True), (0.0011, False)])
def test_a_region_must_lie_in_the_image(volume: Any, settings: dict[str, Any], beyond: float, known: bool) -> None:
    image = volume(np.random.default_rng(0).normal(size=(6, 6, 6)), (2.0, 2.0, 2.0))
    mask = volume(np.ones((6, 6, 6), np.uint8), (2.0, 2.0, 2.0))
    mask.SetOrigin([a + 2 * beyond for a in mask.GetOrigin()])
    if known:
        assert label_box(prepare(image, mask, settings).mask, 1).voxels > 1
        return
    with pytest.raises(CaseRefused, match="the region reaches from") as refused:
        prepare(image, mask, settings)
    assert refused.value.code == "mask-outside"


@pytest.mark.parametrize(
    ("size", "settings", "code"),
    [
        ((1, 1, 1), {"minimumROIDimensions": 0}, "roi-dimensions"),  # a single voxel whatever is asked for
        ((1, 1, 2), {"minimumROIDimensions": 1}, None),
        ((1, 1, 2), {}, "roi-dimensions"),
        ((1, 2, 2), {}, None),
        ((1, 2, 2), {"minimumROIDimensions": 3}, "roi-dimensions"),
        ((2, 2, 2), {"minimumROIDimensions": 3}, None),
        ((2, 2, 2), {"minimumROISize": 7}, None),
        ((2, 2, 2), {"minimumROISize": 8}, "roi-size"),  # more than the minimum are needed
    ],
)
def test_a_region_needs_its_dimensions_and_voxels(
    oracle: Any, volume: Any, size: tuple[int, int, int], settings: dict[str, Any], code: str | None
) -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[tuple(slice(1, 1 + n) for n in size)] = 1
    image, mask = volume(np.zeros(labels.shape)), volume(labels)
    if code is None:
        prepare(image, mask, settings)
        oracle.module.imageoperations.checkMask(image, mask, **settings)
        return
    with pytest.raises(CaseRefused) as refused:
        prepare(image, mask, settings)
    assert refused.value.code == code
    with pytest.raises(ValueError, match="voxel|dimensions|too small"):
        oracle.module.imageoperations.checkMask(image, mask, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resampledPixelSpacing": [1, 1]}, "resampledPixelSpacing needs three spacings in mm, x, y, z; found"),
        (
            {"resampledPixelSpacing": [1, 1, 1], "interpolator": "sitkBspline"},
            "No interpolator 'sitkBspline'; SimpleITK's are",
        ),
        ({"resampledPixelSpacing": [1, 1, 1], "interpolator": "GetArrayFromImage"}, "No interpolator 'GetArrayFromImage'"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(lesion: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare(*lesion(), {"interpolator": "sitkBSpline", **settings})


def test_an_interpolator_may_be_given_by_its_number(lesion: Any) -> None:
    by_name, by_number = (
        prepare(*lesion(), {"resampledPixelSpacing": [1, 1, 1], "interpolator": known}).image
        for known in ("sitkLinear", sitk.sitkLinear)
    )
    assert is_same(by_name, by_number)
