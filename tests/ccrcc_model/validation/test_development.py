import pytest

from ccrcc_model.models.model import Model
from ccrcc_model.statistics.evaluation import Scope
from ccrcc_model.validation.development import NO_INTERVAL, graded_internal_group, internal_group


def test_the_internal_group_states_what_the_manifest_states(model_folder) -> None:
    model = Model.load(model_folder)
    group, development = internal_group(model), model.manifest["development"]
    assert (group.scope, group.name, group.model.n) == (Scope.INTERNAL, "home", 60)
    assert (group.model.auc.low, group.model.auc.high) == (development["auc"]["low"], development["auc"]["high"])
    assert group.baseline.auc.value == development["baseline_auc"]["value"]
    assert group.difference.estimate.low == development["auc_difference"]["low"]
    assert (group.difference.p_value < 0.05) == (group.difference.estimate.low > 0 or group.difference.estimate.high < 0)
    nested = development["nested"]["model"]
    assert group.model.counts.sensitivity.value == pytest.approx(nested["sensitivity"]["value"])
    assert group.model.counts.specificity.low <= nested["specificity"]["low"] + 1e-12
    assert group.model.calibration.slope.high == nested["slope"]["high"]
    assert (group.model.calibration.ici.low, group.model.calibration.ici.reason) == (None, NO_INTERVAL)
    assert group.model.bootstrap is None
    assert group.calls.sensitivity.patients == nested["sensitivity"]["denominator"]


def test_that_of_a_graded_model_too(graded_folders) -> None:
    model = Model.load(graded_folders / "isup")
    group = graded_internal_group(model)
    assert group.figures["concordance"].model.low == model.manifest["development"]["figures"]["concordance"]["model"]["low"]
    assert group.n == len(model.out_of_fold.outcome)
