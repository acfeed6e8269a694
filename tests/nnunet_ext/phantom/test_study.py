import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nnunet_ext.cohort.cards import load_cohort
from nnunet_ext.ground.case import Role
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import sha256
from nnunet_ext.ground.labels import Label
from nnunet_ext.phantom import CENTRES, DEMO_GRID, CohortPlan, Grid, best_possible_auc, write_study
from nnunet_ext.phantom.anatomy import draw_anatomy
from nnunet_ext.phantom.biology import Biology, Target, draw_biology
from nnunet_ext.phantom.render import render
from nnunet_ext.phantom.scanner import draw_protocol
from nnunet_ext.scans.geometry import check_cohort

COARSE = Grid(columns=56, rows=40, spacing_mm=6, z_extent_mm=192, minimum_slice_spacing_mm=6)
PLANS = (
    CohortPlan("dev", Role.DEVELOPMENT, ("centre-1", "centre-2"), 4),
    CohortPlan("ext", Role.EXTERNAL, ("centre-6",), 3),
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study")
    write_study(out, PLANS, COARSE, seed=5)
    return out


def hashes(study: Path) -> dict[str, str]:
    """Of every voxel and table, by name; gzip's header holds no time in SimpleITK's files."""
    return {str(path.relative_to(study)): sha256(path) for path in sorted(study.rglob("*")) if path.is_file()}


def test_each_cohort_loads_and_passes_the_gate(study: Path) -> None:
    for plan in PLANS:
        cohort = load_cohort(study / plan.name / "card.yaml")
        assert (cohort.name, cohort.role) == (plan.name, plan.role)
        assert {case.centre for case in cohort.cases} == set(plan.centres)
        passed, refusals = check_cohort(cohort)
        assert refusals == ()
        assert passed.cases == cohort.cases


def test_one_development_patient_in_seven_is_scanned_in_both_phases(study: Path) -> None:
    cases = pd.read_csv(study / "dev" / "cases.csv")
    assert cases["patient_id"].tolist() == ["dev-001", "dev-002", "dev-003", "dev-003", "dev-004"]
    assert set(cases["phase"][cases["patient_id"] == "dev-003"]) == {"corticomedullary", "nephrographic"}
    assert pd.read_csv(study / "ext" / "cases.csv")["patient_id"].is_unique
    volumes = [
        (sitk.GetArrayFromImage(mask) == Label.KIDNEY).sum() * np.prod(mask.GetSpacing())
        for mask in (sitk.ReadImage(str(study / "dev" / path)) for path in cases["mask"][1:4])
    ]
    assert volumes[1] == pytest.approx(volumes[2], rel=0.03)
    assert volumes[0] != pytest.approx(volumes[1], rel=0.03)


def test_tables_say_what_was_scanned(study: Path) -> None:
    acquisition = pd.read_csv(study / "dev" / "acquisition.csv")
    cases = pd.read_csv(study / "dev" / "cases.csv")
    assert list(acquisition) == [
        "case_id", "tube_voltage_kv", "tube_current_ma", "rows", "columns", "slice_thickness_mm", "pitch", "kernel",
    ]  # fmt: skip
    unreported = cases["centre"] == "centre-1"
    assert acquisition.loc[unreported, ["tube_voltage_kv", "tube_current_ma", "pitch", "kernel"]].isna().all(axis=None)
    assert (acquisition.loc[~unreported, "tube_current_ma"] == 220).all()
    for case_id, thickness in zip(acquisition["case_id"], acquisition["slice_thickness_mm"], strict=True):
        image = sitk.ReadImage(str(study / "dev" / "images" / f"{case_id}.nii.gz"))
        assert image.GetSpacing() == (6, 6, thickness)


def test_outcomes_are_those_of_the_truth(study: Path) -> None:
    truth = json.loads((study / "truth.json").read_text(encoding="utf-8"))
    assert truth["best_possible_auc"]["ki67"] == pytest.approx(best_possible_auc("ki67"), abs=1e-4)
    outcomes = pd.concat([pd.read_csv(study / plan.name / "outcomes.csv") for plan in PLANS])
    assert list(outcomes) == ["patient_id", "isup_grade", "ki67_percent", "age", "sex"]
    assert set(outcomes["patient_id"]) == set(truth["patients"])
    for row in outcomes.to_dict("records"):
        known = truth["patients"][row["patient_id"]]
        assert (row["isup_grade"], row["ki67_percent"]) == (known["isup_grade"], known["ki67_percent"])
    assert truth["cohorts"][1] == {"name": "ext", "role": "external", "centres": ["centre-6"], "n_patients": 3}


def test_no_patient_is_in_two_cohorts(study: Path) -> None:
    patients = json.loads((study / "truth.json").read_text(encoding="utf-8"))["patients"]
    assert len({tuple(latent.values()) for latent in patients.values()}) == len(patients) == 7


def test_the_tumour_in_the_mask_has_the_size_of_the_truth(study: Path) -> None:
    truth = json.loads((study / "truth.json").read_text(encoding="utf-8"))["patients"]
    largest = max((name for name in truth if name.startswith("ext")), key=lambda name: truth[name]["diameter_mm"])
    mask = sitk.ReadImage(str(study / "ext" / "masks" / f"{largest}-a.nii.gz"))
    pieces, _ = ndimage.label(sitk.GetArrayFromImage(mask) == Label.TUMOUR)
    volume = np.bincount(pieces.ravel())[1:].max() * np.prod(mask.GetSpacing())
    assert volume == pytest.approx(np.pi / 6 * truth[largest]["diameter_mm"] ** 3, rel=0.35)


def test_jobs_do_not_change_a_byte(study: Path, tmp_path: Path) -> None:
    write_study(tmp_path / "two", PLANS, COARSE, seed=5, jobs=2)
    assert hashes(tmp_path / "two") == hashes(study)


def test_a_cut_off_study_goes_on_and_keeps_what_is_whole(study: Path, tmp_path: Path) -> None:
    write_study(tmp_path, PLANS, COARSE, seed=5)
    whole = hashes(tmp_path)
    kept, lost = (tmp_path / "ext" / "images" / f"ext-00{n}-a.nii.gz" for n in (1, 2))
    before = kept.stat().st_mtime_ns
    lost.unlink()
    (tmp_path / "ext" / "card.yaml").unlink()
    seen: list[tuple[int, int]] = []
    write_study(tmp_path, PLANS, COARSE, seed=5, on_progress=lambda done, total: seen.append((done, total)))
    assert hashes(tmp_path) == whole == hashes(study)
    assert kept.stat().st_mtime_ns == before
    assert seen == [(done, 8) for done in range(9)]


@pytest.mark.parametrize(
    ("plans", "grid", "seed"),
    [(PLANS[:1], COARSE, 5), (PLANS, COARSE, 6), (PLANS, Grid(56, 40, 6, 180, 6), 5)],
    ids=["cohorts", "seed", "grid"],
)
def test_another_study_in_the_same_folder_is_refused(
    study: Path, plans: tuple[CohortPlan, ...], grid: Grid, seed: int
) -> None:
    before = hashes(study)
    with pytest.raises(InputError, match="already holds another synthetic study"):
        write_study(study, plans, grid, seed=seed)
    assert hashes(study) == before


def test_a_cohort_does_not_depend_on_the_sizes_of_the_others(study: Path, tmp_path: Path) -> None:
    one_each = tuple(CohortPlan(plan.name, plan.role, plan.centres, 1) for plan in PLANS)
    write_study(tmp_path, one_each, COARSE, seed=5)
    ours, theirs = hashes(tmp_path), hashes(study)
    images = [name for name in ours if name.endswith(".nii.gz")]
    assert len(images) == 4
    assert all(ours[name] == theirs[name] for name in images)


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (("a", Role.EXTERNAL, ("centre-1",), 0), "0 patients; plan at least 1"),
        (("a", Role.EXTERNAL, ("centre-8",), 1), "known centres are centre-1, "),
        (("a", Role.EXTERNAL, (), 1), "no centre"),
        (("../a", Role.EXTERNAL, ("centre-1",), 1), "letters, digits"),
    ],
)
def test_an_impossible_plan_is_refused(plan: tuple[str, Role, tuple[str, ...], int], says: str) -> None:
    with pytest.raises(InputError, match=says):
        CohortPlan(*plan)


def test_an_impossible_study_is_refused(tmp_path: Path) -> None:
    for cohorts, seed, jobs in (((), 0, 1), (PLANS[:1] * 2, 0, 1), (PLANS, -1, 1), (PLANS, 0, 0)):
        with pytest.raises(InputError):
            write_study(tmp_path, cohorts, COARSE, seed=seed, jobs=jobs)
    assert list(tmp_path.iterdir()) == []


def simple_features(hu: np.ndarray, mask: np.ndarray, spacing: tuple[float, ...]) -> list[float]:
    """Thirteen numbers of the tumour under its true mask; the first is the logarithm of its volume."""
    tumour = mask == Label.TUMOUR
    box = tuple(slice(max(where.min() - 3, 0), where.max() + 4) for where in np.nonzero(tumour))
    hu, tumour, kidney = hu[box].astype(float), tumour[box], mask[box] == Label.KIDNEY
    depth = ndimage.distance_transform_edt(tumour, sampling=spacing)
    values = hu[tumour]
    shell, inner = hu[tumour & (depth < 5)], hu[(depth > 0.4 * depth.max()) & (hu > 35)]
    viable = (depth > min(4.0, depth.max() / 2)) & (hu > 35)
    residual = np.where(viable, hu - hu[viable].mean(), 0.0) if viable.any() else np.zeros_like(hu)
    lags = [float((residual[:, :, lag:] * residual[:, :, :-lag]).sum() / (residual**2).sum().clip(1)) for lag in (1, 2)]
    logs = [ndimage.gaussian_laplace(hu, [scale / step for step in spacing])[tumour].std() * scale**2 for scale in (3, 6)]
    surface = sum(np.abs(np.diff(tumour.astype(int), axis=axis)).sum() for axis in range(3))
    return [
        float(np.log(values.size * np.prod(spacing))),
        *np.percentile(values, [10, 50, 90]).tolist(),
        float((values < 35).mean()),
        float(values.std()),
        float(residual[viable].std()) if viable.any() else 0.0,
        float(shell.mean() - (inner.mean() if inner.size else values.mean())),
        float(np.percentile(values, 90) - (np.percentile(hu[kidney], 75) if kidney.any() else 180.0)),
        *lags,
        *np.log1p(logs).tolist(),
        float(np.log(surface) - 2 / 3 * np.log(values.size)),
    ]


def scanned_features(centres: tuple[int, ...], count: int, seed: int) -> tuple[np.ndarray, list[Biology]]:
    rows, patients = [], []
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        biology, centre = draw_biology(rng), CENTRES[centres[index % len(centres)] - 1]
        anatomy = draw_anatomy(biology, rng)
        scan = render(anatomy, centre, draw_protocol(centre, DEMO_GRID, rng), DEMO_GRID, seed=index)
        assert scan.mask is not None
        spacing = scan.image.GetSpacing()[::-1]
        rows.append(simple_features(sitk.GetArrayFromImage(scan.image), sitk.GetArrayFromImage(scan.mask), spacing))
        patients.append(biology)
    return np.array(rows), patients


@pytest.mark.slow
def test_the_signal_survives_the_scanner_and_goes_beyond_volume() -> None:
    seen, development = scanned_features((1, 2, 4, 5), 140, 21)
    unseen, external = scanned_features((3, 6, 7), 180, 22)
    outcomes: dict[Target, tuple[list[bool], list[bool]]] = {
        "grade": ([one.isup_grade >= 3 for one in development], [one.isup_grade >= 3 for one in external]),
        "ki67": ([one.ki67_percent >= 15 for one in development], [one.ki67_percent >= 15 for one in external]),
    }
    for target, (known, truth) in outcomes.items():
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(seen, known)
        reached = roc_auc_score(truth, model.predict_patients(unseen)[:, 1])
        volume = roc_auc_score(truth, unseen[:, 0])
        assert 0.80 < reached < best_possible_auc(target) + 0.03, target
        assert volume < 0.72, target
        assert reached > volume + 0.12, target
