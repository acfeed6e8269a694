import numpy as np
import pytest

from ccrcc_model.fitting.wide import WideDesign, WidePart
from ccrcc_model.outcomes.cases import LabelledCases, label
from ccrcc_model.outcomes.target import GRADE


@pytest.fixture(scope="module")
def cases(planted) -> LabelledCases:
    return label(*planted(60, features=20), GRADE)


def test_standardised_features_have_mean_0_and_deviation_1(cases: LabelledCases) -> None:
    design = WideDesign.of(cases)
    np.testing.assert_allclose(design.values.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(design.values.std(axis=0), 1)
    np.testing.assert_allclose(design.standardised(cases), design.values)


def test_the_order_of_patients_is_kept_and_tails_are_drawn_in(cases: LabelledCases) -> None:
    design = WideDesign.of(cases)
    raw = cases.columns(design.names)
    np.testing.assert_array_equal(np.argsort(raw, axis=0), np.argsort(design.values, axis=0))
    far = cases.take(np.array([0]))
    far.features[:] = design_far = np.median(cases.features, axis=0) + 1e6 * cases.features.std(axis=0)
    assert np.isfinite(design_far).all()
    assert design.standardised(far).max() < 50


def test_a_missing_value_counts_as_the_median_and_a_constant_is_left_out(cases: LabelledCases) -> None:
    features = cases.features.copy()
    features[3, 2] = np.nan
    features[:, 5] = 1.0
    design = WideDesign.of(LabelledCases(cases.names, features, cases.patient_id, cases.centre, cases.y))
    assert cases.names[5] not in design.names
    column = design.names.index(cases.names[2])
    assert design.values[3, column] == pytest.approx(-design.mean[column] / design.scale[column])


def test_inner_products_are_those_of_the_design(cases: LabelledCases) -> None:
    train, test = cases.take(np.arange(40)), cases.take(np.arange(40, 60))
    part = WidePart.of(train, test, keep_design=True)
    assert part.design is not None
    np.testing.assert_allclose(part.gram, part.design.values @ part.design.values.T)
    np.testing.assert_allclose(part.cross, part.design.standardised(test) @ part.design.values.T)
    assert WidePart.of(train, test).design is None
