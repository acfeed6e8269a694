import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ccrcc_model.statistics.mcnemar import McNemar, compare_calls, mcnemar
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.ground.errors import InputError

REFERENCE = Path(__file__).parents[2] / "reference" / "paired_and_prevalence.json"


def predictions(y_true, y_prob) -> Predictions:
    ids = np.arange(len(y_true)).astype(np.str_)
    return Predictions("A", "grade", ids, ids, np.asarray(y_true, dtype=int), np.asarray(y_prob, dtype=float))


def test_p_value_is_the_published_one():
    known = json.loads(REFERENCE.read_text(encoding="utf-8"))["mcnemar"]
    test = mcnemar(known["patients"], known["only_first"], known["only_second"])
    assert test.p_value == pytest.approx(known["p_value"], abs=5e-6)


@pytest.mark.parametrize(("only_first", "only_second", "p"), [(0, 1, 1.0), (0, 5, 2 / 2**5), (0, 6, 2 / 2**6), (4, 4, 1.0)])
def test_p_value_has_its_closed_form(only_first, only_second, p):
    assert mcnemar(20, only_first, only_second).p_value == pytest.approx(p)
    assert mcnemar(20, only_second, only_first).p_value == pytest.approx(p)


def test_predictors_that_call_all_alike_cannot_be_compared():
    assert mcnemar(20, 0, 0) == McNemar(20, 0, 0, None)


@pytest.mark.parametrize(("patients", "only_first", "only_second"), [(3, 2, 2), (3, -1, 1)])
def test_impossible_counts_are_refused(patients, only_first, only_second):
    assert mcnemar(4, 2, 2).p_value == 1
    with pytest.raises(ValueError, match="cannot be called rightly by one predictor only"):
        mcnemar(patients, only_first, only_second)


def test_each_kind_of_patient_has_its_own_counts():
    truth = [1, 1, 1, 0, 0, 0, 0]
    first = predictions(truth, [0.5, 0.9, 0.1, 0.1, 0.1, 0.9, 0.1])
    second = predictions(truth, [0.2, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1])
    found = compare_calls(first, second, first_threshold=0.5, second_threshold=0.6)
    assert found.sensitivity == mcnemar(3, 1, 1)
    assert found.specificity == mcnemar(4, 2, 1)
    assert found.accuracy == mcnemar(7, 3, 2)


def test_calls_of_other_patients_are_refused():
    first = predictions([0, 1], [0.2, 0.8])
    with pytest.raises(InputError, match="same patients in the same order"):
        compare_calls(first, replace(first, patient_id=first.patient_id[::-1]), first_threshold=0.5, second_threshold=0.5)
