import re
from typing import Any

import pytest

from nnunet_ext.ground.errors import InputError
from radiomics_cfg.engine.feature import FeatureClass
from radiomics_cfg.engine.region import CLASSES, wanted_features

EVERY_FEATURE = [(name, feature) for name, known in CLASSES.items() for feature in known.features.values()]


@pytest.fixture
def numbers() -> FeatureClass[list[float]]:
    """A class with two features, one of them optional."""
    known: FeatureClass[list[float]] = FeatureClass("numbers", withdrawn=("Median",))

    @known.add("Sum", "AB12")
    def _sum(x: list[float]) -> float:
        """Sum."""
        return sum(x)

    @known.add("Half", optional=True)
    def _half(x: list[float]) -> float:
        """Half of the sum."""
        return sum(x) / 2

    return known


def test_all_but_the_optional_features_are_computed_where_none_is_named(numbers: FeatureClass[list[float]]) -> None:
    assert numbers.names() == numbers.names([]) == ("Sum",)
    assert numbers.compute([1.0, 2.0], numbers.names()) == {"Sum": 3.0}


def test_named_features_are_computed_in_the_order_named_each_once(numbers: FeatureClass[list[float]]) -> None:
    assert numbers.names(["Half", "Sum", "Half"]) == ("Half", "Sum")


def test_a_withdrawn_feature_gives_nothing(numbers: FeatureClass[list[float]]) -> None:
    assert numbers.names(["Median", "Sum"]) == ("Sum",)


def test_an_unknown_feature_lists_the_known_ones(numbers: FeatureClass[list[float]]) -> None:
    with pytest.raises(InputError, match="numbers has no feature 'Mode'; known ones are Half, Sum"):
        numbers.names(["Sum", "Mode"])


@pytest.mark.parametrize("name", CLASSES)
def test_the_features_are_pyradiomics(oracle: Any, name: str) -> None:
    theirs = oracle.module.getFeatureClasses()[name].getFeatureNames()
    known = CLASSES[name]
    assert list(known.names()) == [feature for feature, deprecated in theirs.items() if not deprecated]
    optional = {feature.name for feature in known.features.values() if feature.optional}
    assert optional | set(known.withdrawn) == {feature for feature, deprecated in theirs.items() if deprecated}


@pytest.mark.parametrize("name", CLASSES)
def test_no_two_features_of_a_class_share_an_ibsi_identifier(name: str) -> None:
    identifiers = [feature.ibsi for feature in CLASSES[name].features.values() if feature.ibsi is not None]
    assert identifiers
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize(("name", "feature"), EVERY_FEATURE, ids=lambda value: getattr(value, "name", value))
def test_a_feature_says_its_formula_and_its_identifier_if_the_ibsi_has_one(name: str, feature: Any) -> None:
    del name
    assert (feature.formula.__doc__ or "").strip().endswith(".")
    assert feature.ibsi is None or re.fullmatch("[0-9A-Z]{4}", feature.ibsi)


def test_the_features_that_the_ibsi_does_not_define_are_few() -> None:
    without = {f"{name}_{feature.name}" for name, feature in EVERY_FEATURE if feature.ibsi is None}
    assert without == {
        "firstorder_StandardDeviation",
        "firstorder_TotalEnergy",
        "glcm_MCC",
        "shape_Maximum2DDiameterSlice",
        "shape_Maximum2DDiameterColumn",
        "shape_Maximum2DDiameterRow",
    }


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"glcm": ["Kontrast"]}, "glcm has no feature 'Kontrast'; known ones are Autocorrelation, .*SumSquares"),
        ({"shape2D": None}, "No feature class 'shape2D'; known ones are firstorder, glcm, gldm, glrlm, glszm, ngtdm, shape"),
    ],
)
def test_what_is_unknown_lists_what_is_known(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        wanted_features(asked)
