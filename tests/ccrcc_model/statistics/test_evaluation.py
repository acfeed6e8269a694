"""A group holds the figures of its predictions, and of their difference."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from ccrcc_model.statistics.calls import counts
from ccrcc_model.statistics.conformal import ConformalSets
from ccrcc_model.statistics.discrimination import auc, auc_difference
from ccrcc_model.statistics.evaluation import Pair, Scope, evaluate, evaluate_group
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.ground.errors import InputError


@pytest.fixture
def pair() -> Pair:
    """A model that sees the truth through noise, and a baseline that sees it through more."""
    rng = np.random.default_rng(0)
    truth = (np.arange(60) < 20).astype(int)
    ids = np.arange(60).astype(np.str_)
    model, baseline = (expit(strength * truth - 1 + rng.normal(size=60)) for strength in (2.0, 0.5))
    return Pair(*(Predictions("north", "grade", ids, ids, truth, probability) for probability in (model, baseline)))


def test_each_predictor_is_called_at_its_own_threshold(pair: Pair) -> None:
    group = evaluate_group(pair, Scope.EXTERNAL, threshold=0.4, baseline_threshold=0.3, replicates=50)
    assert group.model.counts == counts(pair.model, 0.4)
    assert group.baseline.counts == counts(pair.baseline, 0.3)
    assert (group.name, group.model.n, group.model.events) == ("north", 60, 20)
    assert group.model.calibration.ici == group.model.bootstrap.ici


def test_the_contrast_is_of_both_aucs_and_their_paired_difference(pair: Pair) -> None:
    group = evaluate_group(pair, Scope.EXTERNAL, name="n", threshold=0.4, baseline_threshold=0.3, replicates=50)
    contrast = group.contrast
    assert (contrast.name, contrast.figure, contrast.events) == ("n", "AUC", 20)
    assert (contrast.found.model, contrast.found.baseline) == (auc(pair.model), auc(pair.baseline))
    assert contrast.found.difference == auc_difference(pair.model, pair.baseline).estimate


@pytest.mark.parametrize(("scope", "asked"), [(Scope.INTERNAL, False), (Scope.CENTRE, True)])
def test_sets_are_not_judged_on_the_patients_that_they_are_calibrated_on(pair: Pair, scope: Scope, asked: bool) -> None:
    sets = ConformalSets.of(pair.model)
    group = evaluate_group(pair, scope, threshold=0.4, baseline_threshold=0.3, sets=sets, replicates=50)
    assert (group.uncertainty is not None) == asked


def test_predictions_of_other_patients_are_refused(pair: Pair) -> None:
    others = replace(pair, baseline=replace(pair.baseline, patient_id=pair.baseline.patient_id[::-1]))
    with pytest.raises(InputError, match="same patients in the same order"):
        evaluate_group(others, Scope.EXTERNAL, threshold=0.4, baseline_threshold=0.3, replicates=50)


def test_nobody_is_evaluated_as_far_as_it_can_be(pair: Pair) -> None:
    nobody = evaluate(pair.model.take(np.zeros(60, dtype=bool)), 0.4, replicates=50)
    assert (nobody.n, nobody.auc.reason, nobody.roc, nobody.decision) == (0, "no patients", None, None)
