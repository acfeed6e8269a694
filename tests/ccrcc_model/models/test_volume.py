from dataclasses import replace

import numpy as np
import pytest

from ccrcc_model.models.scorer import LIKELIHOODS
from ccrcc_model.models.volume import LEAST_SLOPE, fit_volume, volume_column
from ccrcc_model.outcomes.cases import LabelledCases
from ccrcc_model.outcomes.seen import Step, leaking_steps, patient_hash, patient_hashes
from nnunet_ext.ground.errors import InputError

MESH, VOXEL = "tumour__1mm__original_shape_MeshVolume", "tumour__1mm__original_shape_VoxelVolume"


def cases(volume: list[float], y: list[int]) -> LabelledCases:
    ids = np.array([f"p{i}" for i in range(len(y))])
    return LabelledCases((MESH,), np.array(volume)[:, None], ids, ids, np.array(y))


def test_volume_is_the_tumours_first_mesh_volume_or_else_voxel_volume():
    second = MESH.replace("1mm", "2mm")
    assert volume_column(["kidney__1mm__original_shape_MeshVolume", VOXEL, MESH, second]) == MESH
    assert volume_column(["x", VOXEL]) == VOXEL
    with pytest.raises(InputError, match="FC009: none of the 2 features is the tumour's volume"):
        volume_column(["kidney__1mm__original_shape_MeshVolume", "tumour__1mm__wavelet_shape_MeshVolume"])


def test_log_odds_are_linear_in_the_logarithm_of_volume():
    fitted = fit_volume(cases([1, 2, 4, 8, 16, 32], [0, 0, 1, 0, 1, 1]))
    steps = np.diff(fitted.log_odds(cases([10, 20, 40], [0, 0, 1])))
    assert steps[0] == pytest.approx(steps[1])
    assert steps[0] > 0
    assert fitted.contribution(cases([np.exp(fitted.mean_log)], [0])) == pytest.approx(0)


@pytest.mark.parametrize("kind", ["binary", "ordinal", "percentage"])
def test_small_tumours_that_are_positive_do_not_turn_volume_around(kind):
    turned = cases([1, 2, 4, 8, 16, 32], [1, 1, 1, 0, 0, 0])
    fitted = fit_volume(turned, LIKELIHOODS[kind])
    assert fitted.slope == pytest.approx(LEAST_SLOPE)
    assert (np.diff(fitted.log_odds(turned)) > 0).all()


def test_a_missing_or_empty_volume_counts_as_a_mean_one():
    fitted = fit_volume(cases([1, 2, np.nan, 8, 16, 0], [0, 0, 1, 0, 1, 1]))
    assert fitted.mean_log == pytest.approx(np.log([1, 2, 8, 16]).mean())
    assert fitted.log_odds(cases([np.nan, 0], [0, 1])).tolist() == [fitted.intercept] * 2


@pytest.mark.parametrize("volume", [[5.0] * 4, [np.nan] * 4])
def test_volumes_that_tell_nothing_leave_the_prevalence_and_the_order(volume):
    fitted = fit_volume(cases(volume, [0, 1, 0, 1]))
    small, large = fitted.log_odds(cases([5.0, 50.0], [0, 1]))
    assert (small, large) == pytest.approx((0, 0), abs=0.04)
    assert large - small == pytest.approx(LEAST_SLOPE * np.log(10))


def test_volumes_that_separate_the_classes_stay_finite():
    assert 0 < fit_volume(cases([1, 2, 30, 40], [0, 0, 1, 1])).slope < 10


def test_a_patient_with_many_cases_counts_once():
    once = cases([1, 2, 4, 8, 16], [0, 1, 0, 1, 1])
    many = once.take(np.array([0, 0, 0, 1, 2, 3, 4]))
    moments = {"mean_log": 0.0, "sd_log": 1.0, "slope": 0.0, "intercept": 0.0}
    assert replace(fit_volume(many), **moments) == replace(fit_volume(once), **moments)
    balanced = cases([1, 1, 1, 1], [0, 1, 0, 1])
    uneven = balanced.take(np.array([0, 1, 1, 1, 1, 2, 3]))
    assert fit_volume(uneven).intercept == pytest.approx(fit_volume(balanced).intercept, abs=1e-6)


def test_an_audit_names_the_steps_that_scored_whom_they_saw():
    a, b = patient_hashes(["a"]), patient_hashes(["b", "b"])
    assert len(b) == 1
    steps = [Step("honest", a, b), Step("leaky", a | b, b), Step("final", a | b)]
    assert leaking_steps(steps) == ["leaky"]


def test_a_patients_hash_is_that_of_the_pseudonym():
    import hashlib

    assert patient_hash("p1") == hashlib.sha256(b"ccrcc-patient:p1").hexdigest()
