# Also of: ccrcc_model.plots.bars, ccrcc_model.plots.curves, ccrcc_model.plots.flow, ccrcc_model.plots.forest,
# ccrcc_model.plots.overlay, ccrcc_model.plots.single, ccrcc_model.plots.style.

import xml.etree.ElementTree as ET
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from front_door import heavy_imports
from PIL import Image
from scipy.special import expit

from ccrcc_model.models.explanation import Importance
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.plots import (
    Slice,
    draw_features,
    draw_forest,
    draw_panels,
    group_dice,
    new_figure,
    overlay_slice,
    plot_calibration,
    plot_decision_curve,
    plot_dice,
    plot_flow,
    plot_overlay,
    plot_roc,
    save_figure,
    save_overlay,
    styled,
)
from ccrcc_model.plots.bars import feature_label
from ccrcc_model.plots.flow import refusal_codes
from ccrcc_model.plots.overlay import zoom_box
from ccrcc_model.statistics.evaluation import Pair, Scope
from ccrcc_model.statistics.predictions import Predictions
from ccrcc_model.validation.groups import assemble
from nnunet_ext.ground.labels import Label


def cohort(name: str, n: int, *, seed: int, prevalence: float = 0.4) -> Pair:
    rng = np.random.default_rng(seed)
    y_true = (np.arange(n) < round(prevalence * n)).astype(int)
    ids = np.array([f"p{i}" for i in range(n)], dtype=np.str_)
    parts = [Predictions(name, "grade", ids, ids, y_true, expit(s * y_true + rng.normal(size=n))) for s in (1.5, 0.5)]
    return Pair(*(replace(part, centre=np.full(n, "one", dtype=np.str_)) for part in parts))


@pytest.fixture(scope="module")
def result():
    external = [cohort("north", 40, seed=2), cohort("one class", 12, seed=3, prevalence=0.0), cohort("five", 5, seed=4)]
    return assemble(cohort("home", 60, seed=1), external, target=GRADE, threshold=0.5, baseline_threshold=0.5)


@pytest.fixture
def ax():
    with styled():
        _, (only,) = new_figure(80, 60)
        yield only


def texts(ax) -> str:
    return "\n".join(text.get_text() for text in ax.texts)


def test_roc_draws_model_and_volume_through_their_operating_points(result, ax):
    group = result.groups[0]
    assert plot_roc(group, ax) is ax
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(lines["Model"].get_ydata(), group.model.roc.sensitivity)
    np.testing.assert_array_equal(lines["Tumour volume"].get_xdata(), group.baseline.roc.false_positive_rate)
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if line.get_marker() == "o"]
    cells = group.model.counts
    assert (1 - cells.specificity.value, cells.sensitivity.value) in dots
    assert f"AUC {group.model.auc.value:.2f}" in texts(ax)


@pytest.mark.parametrize("plot", [plot_roc, plot_calibration, plot_decision_curve])
def test_one_class_and_five_patients_are_drawn_without_fault(result, plot):
    with styled():
        figure = draw_panels(result.scope(Scope.EXTERNAL), plot)
    figure.draw_without_rendering()
    assert [ax.get_title(loc="left").strip() for ax in figure.axes[:3]] == ["north", "one class", "five"]


def test_roc_of_one_class_says_why_it_is_empty(result, ax):
    plot_roc(result.scope(Scope.EXTERNAL)[1], ax)
    assert "no positive patients" in texts(ax)


def test_calibration_histogram_holds_every_patient(result, ax):
    group = result.groups[0]
    plot_calibration(group, ax)
    heights = [bar.get_height() for bar in ax.child_axes[0].patches]
    assert sum(height for height in heights if height > 0) == group.model.events
    assert -sum(height for height in heights if height < 0) == group.model.n - group.model.events


def test_decision_curve_has_both_baselines_and_the_threshold(result, ax):
    group = result.groups[0]
    plot_decision_curve(group, ax)
    lines = {line.get_label(): line for line in ax.lines}
    assert set(lines) == {"Model", "Tumour volume", "Treat all", "Treat none", "Locked threshold"}
    assert lines["Locked threshold"].get_xdata()[0] == 0.5


@pytest.mark.parametrize(("groups", "shape"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2)), (5, (2, 3))])
def test_panels_fill_even_rows(result, groups, shape):
    with styled():
        figure = draw_panels([result.groups[0]] * groups, plot_roc)
    grid = figure.axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == shape


def test_forest_has_a_line_for_each_group_and_says_what_is_not_estimable(result):
    with styled():
        figure = draw_forest([(result.sentence, result.contrasts)])
    (ax,) = figure.axes
    shown = texts(ax)
    assert all(one.name in shown for one in result.contrasts)
    assert shown.count("not estimable") == 1
    low, high = ax.get_xlim()
    assert low == -high


def test_dice_bars_are_means_over_the_cases_that_have_one(ax):
    overlap = pd.DataFrame(
        {"cohort": ["n", "n", "n", "s"], "structure": ["kidney"] * 4, "dice": [0.9, 0.7, np.nan, 0.5], "case_id": list("abcd")}
    )
    north, south = group_dice(overlap)
    assert (north.mean, north.sd, len(north.dice)) == (pytest.approx(0.8), pytest.approx(0.02**0.5), 2)
    assert (str(north), str(south)) == ("0.80 ± 0.14", "0.50")
    plot_dice([north, south], ax)
    assert [bar.get_height() for bar in ax.patches if bar.get_height()] == pytest.approx([0.8, 0.5])
    assert "n = 2" in texts(ax)


def test_dice_without_cases_says_so(ax):
    assert "No case has a reference mask" in texts(plot_dice((), ax))


def test_flow_shows_every_count_and_every_loss(ax):
    flow = pd.DataFrame(
        [("home", "development", 1200, 1190, 1190, 1188, 1188)],
        columns=["cohort", "role", "listed", "passed", "segmented", "extracted", "modelled"],
    )
    shown = texts(plot_flow(flow, ax)).splitlines()
    assert {"1,200", "1,190", "1,188", "−10", "−2"} <= set(shown)
    assert sum(text.startswith("−") for text in shown) == 2


def test_flow_names_the_commonest_codes_where_cases_were_refused(ax):
    columns = ["cohort", "role", "listed", "passed", "segmented", "extracted", "modelled"]
    flow = pd.DataFrame([("home", "external", 20, 12, 11, 11, 11)], columns=columns)
    codes = ["nan"] * 3 + ["inf"] * 2 + ["unreadable", "mask-empty", "tumour-absent"]
    refused = [("home", "check", code) for code in codes]
    refused += [("home", "segment", "prediction-failed"), ("home", "overlap", "mask-shape"), ("away", "check", "nan")]
    refusals = pd.DataFrame(refused, columns=["cohort", "stage", "code"])
    found = refusal_codes(refusals)
    assert found["home", "passed"][:3] == (("nan", 3), ("inf", 2), ("mask-empty", 1))
    assert found["home", "segmented"] == (("prediction-failed", 1),)
    assert set(found) == {("home", "passed"), ("home", "segmented"), ("away", "passed")}
    shown = texts(plot_flow(flow, ax, refusals=refusals))
    assert "3 nan\n2 inf\n1 mask-empty, 2 other" in shown
    assert shown.count("nan") == 1


def test_features_are_drawn_in_order_up_to_the_top():
    features = [Importance(f"{name}__1mm__x_y", value, value, 1) for name, value in (("a", 0.3), ("b", 0.2), ("c", 0.1))]
    (ax,) = draw_features(features, top=2).axes
    assert [bar.get_width() for bar in ax.patches] == [0.3, 0.2]
    assert ax.get_xlabel() == "Mean |SHAP value| (log-odds)"
    (ax,) = draw_features(features, unit="standard deviations").axes
    assert ax.get_xlabel() == "Mean |SHAP value| (standard deviations)"


@pytest.mark.parametrize(
    ("name", "where", "what"),
    [
        ("tumour__1mm__original_shape_Sphericity", "tumour · 1 mm grid", "original, shape Sphericity"),
        ("shell_0_3mm_fat__2mm__wavelet-LLH_glcm_Contrast", "ring 0–3 mm, fat · 2 mm grid", "wavelet-LLH, glcm Contrast"),
        ("shell_2p5_5mm__1mm__log-sigma-3-0-mm-3D_gldm_X", "ring 2.5–5 mm · 1 mm grid", "LoG 3.0 mm, gldm X"),
        ("tumour_volume_ml", "", "tumour_volume_ml"),
    ],
)
def test_feature_labels_are_readable(name, where, what):
    assert feature_label(name) == (where, what)


def test_a_figure_is_saved_as_png_svg_and_csv_and_is_the_same_each_time(tmp_path):
    for folder in ("one", "two"):
        with styled():
            figure, (ax,) = new_figure(50.8, 25.4)
            ax.plot([0, 1], [1, 0])
        save_figure(figure, tmp_path / folder / "line", pd.DataFrame({"x": [0, 1]}))
    with Image.open(tmp_path / "one" / "line.png") as png:
        assert png.size == (320, 160)
    svg = (tmp_path / "one" / "line.svg").read_bytes()
    ET.fromstring(svg)  # noqa: S314 - our own file
    assert svg == (tmp_path / "two" / "line.svg").read_bytes()
    assert (tmp_path / "one" / "line.png").read_bytes() == (tmp_path / "two" / "line.png").read_bytes()
    assert (tmp_path / "one" / "line.csv").read_text(encoding="utf-8") == "x\n0\n1\n"


def test_style_ends_with_its_block():
    before = mpl.rcParams["font.size"]
    with styled():
        assert mpl.rcParams["font.size"] != before
    assert mpl.rcParams["font.size"] == before


# CT overlays


@pytest.fixture(scope="module")
def scan() -> tuple[sitk.Image, sitk.Image]:
    """A kidney on the patient's left with a tumour that is largest at z = 6; voxels 1 × 2 × 3 mm."""
    mask = np.zeros((10, 40, 50), dtype=np.uint8)
    mask[2:9, 15:30, 30:45] = Label.KIDNEY
    mask[5, 18:21, 33:36] = Label.TUMOUR
    mask[6, 18:26, 33:41] = Label.TUMOUR
    hu = np.where(mask > 0, 120, -90).astype(np.int16)
    images = [sitk.GetImageFromArray(array) for array in (hu, mask)]
    for image in images:
        image.SetSpacing((1.0, 2.0, 3.0))
    return images[0], images[1]


def test_overlay_takes_the_slice_with_the_largest_tumour(scan):
    image, mask = scan
    view = overlay_slice(image, mask, None)
    assert (view.reference == Label.TUMOUR).sum() == 64
    assert view.position_mm == pytest.approx(18.0)
    assert view.spacing_mm == (2.0, 1.0)
    assert view.predicted is None


def test_overlay_falls_back_to_kidney_and_to_the_middle(scan):
    image, mask = scan
    kidney = sitk.Cast(mask == int(Label.KIDNEY), sitk.sitkUInt8)
    assert (overlay_slice(image, None, kidney).predicted == Label.KIDNEY).any()
    assert overlay_slice(image, None, None).position_mm == pytest.approx(15.0)


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "PIR", "SLA"])
def test_overlay_looks_the_same_however_the_volume_is_stored(scan, orientation):
    image, mask = (sitk.DICOMOrient(volume, orientation) for volume in scan)
    view = overlay_slice(image, mask, None)
    rows, columns = np.nonzero(view.reference == Label.TUMOUR)
    assert (rows.mean(), columns.mean()) == (21.5, 36.5)  # the patient's left is on the right


def test_zoom_leaves_25_mm_round_the_tumour_and_stays_in_the_picture(scan):
    image, mask = scan
    top, bottom, left, right = zoom_box(overlay_slice(image, mask, None))
    assert (top, bottom, left, right) == (5, 38, 4, 49)  # 14 mm between first and last row: 32 mm each way


def test_zoom_without_a_mask_is_none(scan):
    assert zoom_box(overlay_slice(scan[0], None, None)) is None


def test_overlay_draws_one_contour_a_structure_and_mask(scan, ax):
    view = overlay_slice(scan[0], scan[1], scan[1])
    plot_overlay(view, ax)
    assert len(ax.collections) == 4
    empty = Slice(view.image_hu, None, np.zeros_like(view.predicted), view.spacing_mm, 0.0)
    ax.clear()
    assert not plot_overlay(empty, ax).collections


def test_overlay_is_saved_as_png_without_words_about_the_patient(scan, tmp_path):
    save_overlay(tmp_path / "case.png", scan[0], reference=scan[1], predicted=scan[1])
    with Image.open(tmp_path / "case.png") as png:
        assert png.width > 900
        assert not {key for key in png.info if key not in {"dpi"}}
        assert np.ptp(np.asarray(png.convert("L"))) > 200


def test_drawing_needs_no_library_of_trees_and_none_of_networks() -> None:
    assert not {"lightgbm", "torch"} & set(heavy_imports("ccrcc_model.plots"))
