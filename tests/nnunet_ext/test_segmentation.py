# Also of: nnunet_ext.ground.progress, nnunet_ext.inference.checkpoint, nnunet_ext.inference.devices,
# nnunet_ext.inference.structures, nnunet_ext.inference.trained_model, nnunet_ext.volumes.written_mask.

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from nnunet_ext import segmentation as module
from nnunet_ext.anatomy import rules as anatomy_rules
from nnunet_ext.ground.case import Case, Cohort, Role
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.shard import Shard
from nnunet_ext.inference import kidney_search
from nnunet_ext.inference.seal import SEAL
from nnunet_ext.inference.trained_model import LoadedModel, TrainedModel, load_model
from nnunet_ext.segmentation import segment, single_scan

torch = pytest.importorskip("torch")
pytest.importorskip("nnunetv2")


@pytest.fixture
def two_scans(two_ball_cohort: Cohort) -> Cohort:
    """An external cohort of two scans without masks."""
    cases = [replace(case, mask=None) for case in two_ball_cohort.cases[:2]]
    return replace(two_ball_cohort.with_cases(cases), role=Role.EXTERNAL)


class Threshold(torch.nn.Module):
    """In place of a network: kidney above one value, tumour between two."""

    def __init__(self, tumour: float, kidney: float) -> None:
        super().__init__()
        self.tumour, self.kidney, self.windows = tumour, kidney, 0

    def forward(self, window: "torch.Tensor") -> "torch.Tensor":
        self.windows += 1
        value = window[:, 0]
        is_kidney, is_tumour = value > self.kidney, (value > self.tumour) & (value <= self.kidney)
        return torch.stack((~is_kidney & ~is_tumour, is_kidney, is_tumour), dim=1).float()


@pytest.fixture
def threshold_network(monkeypatch: pytest.MonkeyPatch) -> list[Threshold]:
    """In place of the network: kidney above 130 HU, tumour from 50 HU, or what nnU-Net does not clip, to 130 HU.

    Its windows and the margin around kidneys are small, so that a scan holds many. Returns the networks as they are made.
    """
    made: list[Threshold] = []
    monkeypatch.setattr(kidney_search, "MARGIN_MM", 8.0)

    def load(model: TrainedModel) -> LoadedModel:
        loaded = load_model(model)
        intensities = loaded.plans.foreground_intensity_properties_per_channel["0"]
        lowest = max(50, intensities["percentile_00_5"] + 1e-3)
        seen = [(hu - intensities["mean"]) / intensities["std"] for hu in (lowest, 130)]
        made.append(Threshold(*seen))
        return replace(loaded, networks=(made[-1],), patch=(8, 8, 8))

    monkeypatch.setattr(module, "load_model", load)
    return made


@pytest.fixture
def model_copy(tiny_training: Any, tmp_path: Path) -> Path:
    """A model folder that a test may damage."""
    return Path(shutil.copytree(tiny_training.model, tmp_path / "model", ignore=shutil.ignore_patterns(SEAL)))


def read(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_masks_lie_on_the_scans_own_grid_with_canonical_values(
    two_scans: Cohort, tiny_training: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple[int, int]] = []
    masked, refusals = segment(
        two_scans, tiny_training.model, tmp_path, on_progress=lambda done, total: told.append((done, total))
    )
    assert refusals == ()
    assert masked.labels == {"kidney": 1, "tumour": 2}
    assert (masked.name, masked.role) == (two_scans.name, Role.EXTERNAL)
    assert told == [(0, 2), (1, 2), (2, 2)]
    for case in masked.cases:
        assert case.mask == tmp_path / f"{case.id}.nii.gz"
        image, mask = sitk.ReadImage(str(case.image)), sitk.ReadImage(str(case.mask))
        assert mask.GetPixelID() == sitk.sitkUInt8
        assert mask.GetSize() == image.GetSize()
        assert (mask.GetOrigin(), mask.GetSpacing(), mask.GetDirection()) == (
            image.GetOrigin(),
            image.GetSpacing(),
            image.GetDirection(),
        )
    assert capfd.readouterr().out == ""


def test_a_turned_scan_gets_the_same_mask_turned(
    two_scans: Cohort, tiny_training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "plausible_anatomy", lambda mask, *, spacing_mm: mask)  # noqa: ARG005
    upright = two_scans.cases[0]
    turned = tmp_path / "turned.nrrd"
    sitk.WriteImage(sitk.DICOMOrient(sitk.ReadImage(str(upright.image)), "SAR"), str(turned))
    cohort = two_scans.with_cases([upright, replace(upright, id="turned", image=turned)])
    masked, _ = segment(cohort, tiny_training.model, tmp_path / "out")
    first, second = (sitk.ReadImage(str(case.mask)) for case in masked.cases)
    assert second.GetSize() != first.GetSize()
    back = sitk.DICOMOrient(second, "LPS")
    assert len(np.unique(sitk.GetArrayViewFromImage(first))) > 1, "a uniform mask shows nothing"
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(first))
    assert np.allclose(back.GetOrigin(), first.GetOrigin())


@pytest.mark.usefixtures("threshold_network")
def test_what_the_network_says_arrives_at_the_right_voxels(two_scans: Cohort, tiny_training: Any, tmp_path: Path) -> None:
    masked, _ = segment(two_scans, tiny_training.model, tmp_path)
    hu, mask = read(masked.cases[0].image), read(tmp_path / "case0.nii.gz")
    assert ((hu > 130) == (mask == 1)).mean() > 0.999
    assert hu[mask == 2].min() > 50
    assert hu[mask == 2].max() <= 130
    assert (mask == 2).sum() > 20


class _Code:
    """What a checkpoint runs when it is unpickled: it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.file,))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_checkpoint_with_code_is_refused_and_its_code_not_run(
    jobs: int, two_scans: Cohort, model_copy: Path, tmp_path: Path
) -> None:
    change_checkpoint(model_copy, extra=_Code(tmp_path / "ran"))
    with pytest.raises(InputError, match="holds more than weights.*--trust-checkpoint"):
        segment(two_scans, model_copy, tmp_path / "out", jobs=jobs)
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("threshold_network")
def test_a_trusted_checkpoint_with_code_is_loaded(two_scans: Cohort, model_copy: Path, tmp_path: Path) -> None:
    change_checkpoint(model_copy, extra=_Code(tmp_path / "ran"))
    masked, _ = segment(two_scans, model_copy, tmp_path / "out", trusted=True)
    assert len(masked.cases) == 2
    assert (tmp_path / "ran").exists(), "the file shows that this checkpoint holds code"


@pytest.mark.usefixtures("threshold_network")
def test_masks_say_about_themselves_what_was_removed(two_scans: Cohort, tiny_training: Any, tmp_path: Path) -> None:
    masked, _ = segment(two_scans, tiny_training.model, tmp_path)
    rows = pd.read_csv(tmp_path / "self_check.csv").set_index("case_id")
    assert list(rows.index) == ["case0", "case1"]
    image, mask = sitk.ReadImage(str(masked.cases[0].image)), read(tmp_path / "case0.nii.gz")
    voxel_ml = float(np.prod(image.GetSpacing())) / 1000
    kidney_hu = sitk.GetArrayFromImage(image) > 130
    assert rows.loc["case0", "kidney_ml"] == pytest.approx((mask == 1).sum() * voxel_ml, abs=1e-3)
    assert rows.loc["case0", "removed_kidney_ml"] == pytest.approx((kidney_hu & (mask != 1)).sum() * voxel_ml, abs=1e-3)
    before = (tmp_path / "self_check.csv").read_bytes()
    segment(two_scans, tiny_training.model, tmp_path)
    assert (tmp_path / "self_check.csv").read_bytes() == before, "a run that goes on keeps the rows of what it had done"


@pytest.mark.usefixtures("threshold_network")
def test_a_finished_case_is_kept_and_a_replaced_scan_is_refused(
    two_scans: Cohort, tiny_training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tmp_path / "scan.nii.gz"
    shutil.copy(two_scans.cases[1].image, image)
    cohort = two_scans.with_cases([two_scans.cases[0], replace(two_scans.cases[1], image=image)])
    out = tmp_path / "out"
    first = segment(cohort, tiny_training.model, out)
    predicted: list[str] = []
    predict: Callable[..., Any] = module._predict_case
    monkeypatch.setattr(module, "_predict_case", lambda case, *rest: (predicted.append(case.id), predict(case, *rest))[1])
    assert segment(cohort, tiny_training.model, out) == first
    assert predicted == []
    (out / "case0.nii.gz").unlink()
    assert segment(cohort, tiny_training.model, out) == first
    assert predicted == ["case0"]
    shutil.copy(two_scans.cases[0].image, image)
    with pytest.raises(InputError, match=r"case1\.nii\.gz was made from another image than scan\.nii\.gz is now"):
        segment(cohort, tiny_training.model, out)
    assert read(out / "case1.nii.gz").any(), "a mask is never replaced by one of another scan"
    (out / "case1.nii.gz").unlink()
    segment(cohort, tiny_training.model, out)
    assert predicted == ["case0", "case1"]


@pytest.mark.usefixtures("threshold_network")
def test_masks_of_another_model_or_setting_are_not_taken_for_this_ones(
    two_scans: Cohort, tiny_training: Any, model_copy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    segment(two_scans, tiny_training.model, out)
    segment(two_scans, model_copy, out)
    with pytest.raises(InputError, match="holds masks of another model or setting"):
        segment(two_scans, model_copy, out, step=1.0)
    plans = model_copy / "plans.json"
    plans.write_text(plans.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds masks of another model or setting"):
        segment(two_scans, model_copy, out)
    (out / "segmentation.json").unlink()
    with pytest.raises(InputError, match=r"masks that no segmentation\.json accounts for"):
        segment(two_scans, model_copy, out)


@pytest.mark.usefixtures("threshold_network")
def test_a_run_killed_at_any_moment_goes_on(two_scans: Cohort, tiny_training: Any, tmp_path: Path) -> None:
    whole = segment(two_scans, tiny_training.model, tmp_path / "whole")
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / ".writing-abc.nii.gz").write_bytes(b"half a mask")
    masked, _ = segment(two_scans.with_cases(two_scans.cases[:1]), tiny_training.model, cut)
    (cut / "case1.nii.gz").write_bytes(b"renamed, yet not recorded")
    masked, refusals = segment(two_scans, tiny_training.model, cut)
    assert (len(masked.cases), refusals) == (2, ())
    for case, again in zip(whole[0].cases, masked.cases, strict=True):
        assert np.array_equal(read(case.mask), read(again.mask))


@pytest.mark.usefixtures("threshold_network")
def test_one_bad_scan_is_quarantined_and_the_rest_is_done(two_scans: Cohort, tiny_training: Any, tmp_path: Path) -> None:
    torn = tmp_path / "torn.nii.gz"
    torn.write_bytes(two_scans.cases[0].image.read_bytes()[:2000])
    cohort = two_scans.with_cases([replace(two_scans.cases[0], id="torn", image=torn), two_scans.cases[1]])
    masked, refusals = segment(cohort, tiny_training.model, tmp_path / "out")
    assert [case.id for case in masked.cases] == ["case1"]
    assert [(one.case_id, one.stage) for one in refusals] == [("torn", "segment")]
    assert not (tmp_path / "out" / "torn.nii.gz").exists()


@pytest.mark.usefixtures("threshold_network")
def test_a_scan_in_which_nothing_was_found_still_gets_its_mask(two_scans: Cohort, tiny_training: Any, tmp_path: Path) -> None:
    air = tmp_path / "fat.nii.gz"
    image = sitk.ReadImage(str(two_scans.cases[0].image))
    sitk.WriteImage(sitk.Clamp(image, image.GetPixelID(), -1024, 20), str(air))
    masked, refusals = segment(
        two_scans.with_cases([replace(two_scans.cases[0], image=air)]), tiny_training.model, tmp_path / "out"
    )
    assert refusals == ()
    assert masked.cases[0].flags == "no-kidney no-tumour"
    assert not read(tmp_path / "out" / "case0.nii.gz").any()


def test_a_close_look_around_the_kidneys_says_what_one_everywhere_says(
    two_scans: Cohort, tiny_training: Any, tmp_path: Path, threshold_network: list[Threshold]
) -> None:
    near, _ = segment(two_scans, tiny_training.model, tmp_path / "kidneys")
    windows_near = sum(one.windows for one in threshold_network)
    threshold_network.clear()
    everywhere, _ = segment(two_scans, tiny_training.model, tmp_path / "scan", whole_scan=True)
    for case, other in zip(near.cases, everywhere.cases, strict=True):
        assert np.array_equal(read(case.mask), read(other.mask))
    searched = [pd.read_csv(tmp_path / run / "self_check.csv")["searched"].unique().tolist() for run in ("kidneys", "scan")]
    assert searched == [["kidneys"], ["scan"]]
    assert sum(one.windows for one in threshold_network) == 2 * 7 * 9 * 11, "windows of 8 voxels, 4 apart, in 32 x 40 x 48"
    assert windows_near < 2 * 7 * 9 * 11


def test_a_scan_of_few_windows_is_looked_at_everywhere_at_once(
    two_scans: Cohort, tiny_training: Any, tmp_path: Path, threshold_network: list[Threshold], monkeypatch: pytest.MonkeyPatch
) -> None:
    few: Callable[[TrainedModel], LoadedModel] = module.load_model
    monkeypatch.setattr(module, "load_model", lambda model: replace(few(model), patch=(16, 16, 16)))
    segment(two_scans.with_cases(two_scans.cases[:1]), tiny_training.model, tmp_path)
    assert pd.read_csv(tmp_path / "self_check.csv")["searched"].tolist() == ["scan"]
    assert sum(one.windows for one in threshold_network) == 3 * 4 * 5, "and 2 x 3 x 3 for a search, more than a quarter"


@pytest.mark.usefixtures("threshold_network")
def test_where_the_search_is_unsure_all_of_the_body_is_looked_at(
    two_scans: Cohort, tiny_training: Any, tmp_path: Path
) -> None:
    image = sitk.ReadImage(str(two_scans.cases[0].image))
    hu = sitk.GetArrayFromImage(image)
    hu[:, :, 24:] = np.minimum(hu[:, :, 24:], 20)  # the left kidney is gone
    single = sitk.GetImageFromArray(hu)
    single.CopyInformation(image)
    sitk.WriteImage(single, str(tmp_path / "single.nii.gz"))
    cohort = two_scans.with_cases([replace(two_scans.cases[0], image=tmp_path / "single.nii.gz"), two_scans.cases[1]])
    masked, _ = segment(cohort, tiny_training.model, tmp_path / "out")
    rows = pd.read_csv(tmp_path / "out" / "self_check.csv", keep_default_na=False).set_index("case_id")
    assert rows["searched"].to_dict() == {"case0": "body", "case1": "kidneys"}
    assert rows.loc["case0", "flags"] == "single-kidney"
    assert [case.flags for case in masked.cases] == ["single-kidney", ""]


@pytest.mark.usefixtures("threshold_network")
def test_a_speck_at_the_face_of_a_box_that_the_rules_remove_does_not_widen_the_look(
    two_scans: Cohort, tiny_training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anatomy_rules, "MIN_KIDNEY_ML", 0.1)  # these kidneys are small, and certain
    case = two_scans.cases[0]
    image = sitk.ReadImage(str(case.image))
    z, y, x = image.GetSpacing()[::-1]
    boxes = kidney_search.boxes_of_kidneys(read(mask_of(two_scans, tiny_training, tmp_path)), (z, y, x), (8, 8, 8))
    assert boxes is not None
    values = sitk.GetArrayFromImage(image)
    values[tuple(slice(n, n + 2) for n in boxes[0].start)] = 90  # a tumour in the corner, 14 mm from the kidney
    changed = sitk.GetImageFromArray(values)
    changed.CopyInformation(image)
    sitk.WriteImage(changed, str(tmp_path / "changed.nii.gz"))
    segment(two_scans.with_cases([replace(case, image=tmp_path / "changed.nii.gz")]), tiny_training.model, tmp_path / "out")
    row = pd.read_csv(tmp_path / "out" / "self_check.csv").iloc[0]
    assert row["searched"] == "kidneys"
    assert row["n_removed"] == 1, "it was there"


def mask_of(scans: Cohort, training: Any, folder: Path) -> Path:
    """Return the mask of the first scan, looked at everywhere."""
    masked, _ = segment(scans.with_cases(scans.cases[:1]), training.model, folder / "whole", whole_scan=True)
    assert masked.cases[0].mask is not None
    return masked.cases[0].mask


@pytest.mark.usefixtures("threshold_network")
def test_shards_fill_one_folder_and_a_last_run_finds_all_done(
    two_scans: Cohort, tiny_training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in (1, 0):
        part, refusals = segment(Shard(index, 2).of(two_scans), tiny_training.model, tmp_path)
        assert ([case.id for case in part.cases], refusals) == ([f"case{index}"], ())
    monkeypatch.setattr(module, "_predict_all", lambda cases, *_: pytest.fail("all is done") if cases else iter(()))
    masked, _ = segment(two_scans, tiny_training.model, tmp_path)
    assert [case.mask for case in masked.cases] == [tmp_path / "case0.nii.gz", tmp_path / "case1.nii.gz"]
    assert list(pd.read_csv(tmp_path / "self_check.csv")["case_id"]) == ["case0", "case1"]


def test_a_network_that_runs_out_of_memory_costs_that_case_only(
    two_scans: Cohort, tiny_training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fails(torch.nn.Module):
        def forward(self, _: "torch.Tensor") -> "torch.Tensor":
            msg = "not enough memory\nyou tried to allocate 9 GB"
            raise RuntimeError(msg)

    monkeypatch.setattr(module, "load_model", lambda model: replace(load_model(model), networks=(Fails(),)))
    masked, refusals = segment(two_scans, tiny_training.model, tmp_path)
    assert masked.cases == ()
    assert {one.code for one in refusals} == {"prediction-failed"}
    assert refusals[0].reason.endswith("you tried to allocate 9 GB")


def change_checkpoint(model: Path, **changes: Any) -> None:
    file = model / "fold_0" / "checkpoint_best.pth"
    torch.save(torch.load(file, weights_only=False) | changes, file)


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (shutil.rmtree, "No model folder at"),
        (lambda model: shutil.rmtree(model / "fold_0"), r"lacks fold_0/checkpoint_best\.pth; it holds no fold"),
        (lambda model: (model / "plans.json").unlink(), r"lacks plans\.json; it holds fold_0"),
        (lambda model: (model / "dataset.json").write_text("{", encoding="utf-8"), r"dataset\.json in .* is damaged"),
        (
            lambda model: (model / "dataset.json").write_text(
                '{"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}}', encoding="utf-8"
            ),
            "segments 1 = liver; 'liver' is no name of a structure. Declare",
        ),
        (lambda model: (model / "fold_0" / "checkpoint_best.pth").write_bytes(b"torn"), "cannot be loaded"),
        (lambda model: change_checkpoint(model, network_weights={}), "cannot be loaded"),
    ],
)
def test_a_model_folder_that_cannot_be_used_gives_one_line(
    damage: Callable[[Path], Any], line: str, two_scans: Cohort, model_copy: Path, tmp_path: Path
) -> None:
    damage(model_copy)
    with pytest.raises(InputError, match=line) as failure:
        segment(two_scans, model_copy, tmp_path / "out")
    assert "\n" not in str(failure.value)
    assert not (tmp_path / "out").exists()


def test_a_missing_fold_names_those_that_are_there(two_scans: Cohort, tiny_training: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lacks fold_3/checkpoint_best\.pth; it holds fold_0"):
        segment(two_scans, tiny_training.model, tmp_path, folds=(0, 3))


@pytest.mark.parametrize(("step", "refused"), [(1.0, False), (1.01, True), (0.0, True)])
@pytest.mark.usefixtures("threshold_network")
def test_the_window_step_lies_above_0_and_up_to_1(
    step: float, refused: bool, two_scans: Cohort, tiny_training: Any, tmp_path: Path
) -> None:
    if not refused:
        assert segment(two_scans, tiny_training.model, tmp_path, step=step)[1] == ()
        return
    with pytest.raises(InputError, match=r"inside \(0, 1\]"):
        segment(two_scans, tiny_training.model, tmp_path, step=step)


@pytest.mark.parametrize(
    ("name", "case_id"), [("CT 1.nii.gz", "CT_1"), ("series", "series"), ("x.nrrd", "x"), ("..nii", "scan")]
)
def test_a_single_scan_is_a_cohort_of_one(name: str, case_id: str) -> None:
    cohort = single_scan(Path("folder") / name)
    assert cohort.cases == (Case(case_id, case_id, "unknown", Path("folder") / name),)
    assert cohort.role is Role.EXTERNAL


@pytest.mark.slow
def test_two_processes_write_the_masks_of_one(two_scans: Cohort, tiny_training: Any, tmp_path: Path) -> None:
    for jobs in (1, 2):
        segment(two_scans, tiny_training.model, tmp_path / str(jobs), jobs=jobs)
    for case in two_scans.cases:
        assert np.array_equal(*(read(tmp_path / jobs / f"{case.id}.nii.gz") for jobs in "12"))
    records = [(tmp_path / jobs / "segmentation.json").read_text(encoding="utf-8") for jobs in "12"]
    assert records[0] == records[1]
