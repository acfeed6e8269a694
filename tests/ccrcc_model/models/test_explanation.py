import numpy as np
import pandas as pd
import pytest

from ccrcc_model.models.explanation import explain, family_movement, grouped, mean_movement, top_stability
from ccrcc_model.models.model import Model
from ccrcc_model.models.scorer import Scorer
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.feature_name import FeatureName


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("tumour__1mm__original_glcm_Contrast", ("tumour", "1mm", "original", "glcm")),
        ("shell_0_3mm_fat__5mm__wavelet-LLH_firstorder_Mean", ("shell_0_3mm_fat", "5mm", "wavelet-LLH", "firstorder")),
        ("kidney__1mm__log-sigma-2-0-mm-3D_gldm_X_Y", ("kidney", "1mm", "log-sigma-2-0-mm-3D", "gldm")),
        ("age", ("other", "other", "other", "other")),
    ],
)
def test_a_name_is_taken_apart(name, parts):
    found = FeatureName.of(name)
    assert (found.region, found.scale, found.image, found.family) == parts


def ten(*changed: str) -> dict[str, float]:
    """Movements of ten features, of which the last ones are others."""
    names = [*(f"tumour__1mm__original_glcm_F{place}" for place in range(10 - len(changed))), *changed]
    return dict.fromkeys(names, 1.0)


def test_stability_of_the_leading_features_is_one_if_they_are_the_same_and_chance_is_zero():
    assert top_stability([ten(), ten(), ten()], n_features=100) == pytest.approx(1)
    assert top_stability([ten()], n_features=100) is None
    rng = np.random.default_rng(0)
    drawn = [dict.fromkeys(rng.choice(200, 10, replace=False).astype(str), 1.0) for _ in range(200)]
    assert top_stability(drawn, n_features=200) == pytest.approx(0, abs=0.02)


def test_stability_of_two_models_that_share_nine_of_ten_is_nogueiras():
    # Two features in one of two models, nine in both: variance 2 * (1/2 * 1/2) * 2 / 50, by chance 10/50 * 40/50.
    assert top_stability([ten("a"), ten("b")], n_features=50) == pytest.approx(1 - 2 * 2 * 0.25 / 50 / (0.2 * 0.8))


def test_shares_of_groups_add_up_and_span_the_folds():
    final = {"tumour__1mm__original_glcm_A": 3.0, "kidney__1mm__original_shape_B": 1.0}
    folds = [
        {"tumour__1mm__original_glcm_A": 1.0},
        {"tumour__1mm__original_glcm_A": 1.0, "kidney__1mm__original_shape_B": 1.0},
    ]
    explanation = explain(final, folds, n_features=50)
    by_region = [one for one in explanation.groups if one.by == "region"]
    assert [(one.group, one.share, one.lowest, one.highest) for one in by_region] == [
        ("tumour", 0.75, 0.5, 1.0),
        ("kidney", 0.25, 0.0, 0.5),
    ]
    assert {one.by for one in explanation.groups} == {"region", "scale", "image", "family"}
    for by in ("region", "family"):
        assert sum(one.share for one in explanation.groups if one.by == by) == pytest.approx(1)


def test_a_disagreement_of_folds_is_said():
    assert "do not agree" in explain(ten(), [ten(*"abcdefgh"), ten(*"ijklmnop")], n_features=100).verdict
    assert "outer folds agree" in explain(ten(), [ten(), ten()], n_features=100).verdict


def test_the_locked_model_explains_a_patient(model_folder, planted):
    model = Model.load(model_folder)
    north, _ = planted(12, seed=3, cohort="north", role="external")
    found = model.explain(north)
    assert found.shape == (12, len(model.columns))
    cases = model._cases(north)
    for member in model.members:
        assert set(member.columns) <= set(found.columns)
    pairs = model.ensemble.weighted_members
    expected = np.sum([weight * member.contributions(cases).sum(axis=1) for member, weight in pairs], axis=0)
    np.testing.assert_allclose(found.sum(axis=1), expected, atol=1e-9)
    by_group = grouped(found)
    of_regions = by_group[[name for name in by_group if name.startswith("region: ")]]
    np.testing.assert_allclose(of_regions.sum(axis=1), expected, atol=1e-9)
    assert model.explanation.n_folds == 3
    assert isinstance(found, pd.DataFrame)


def test_a_development_patient_is_not_explained_as_if_new(model_folder, planted):
    with pytest.raises(InputError, match="were used to fit the model"):
        Model.load(model_folder).explain(planted(60)[0])


def test_movement_is_the_mean_absolute_contribution(model_folder, planted):
    model = Model.load(model_folder)
    cases = model._cases(planted(12, seed=3, cohort="north", role="external")[0])
    member = model.members[0]
    found = mean_movement(cases, Scorer((member, member), weights=(0.5, 1.0)))
    np.testing.assert_allclose([found[n] for n in member.columns], 1.5 * np.abs(member.contributions(cases)).mean(axis=0))


def test_movement_of_families_is_the_mean_absolute_deviation_of_their_scores(model_folder, planted):
    model = Model.load(model_folder)
    cases = model._cases(planted(12, seed=3, cohort="north", role="external")[0])
    found = family_movement(cases, model.ensemble)
    assert set(found) == {member.family for member in model.members}
    volume = next(member for member in model.members if member.family == "volume").log_odds(cases)
    assert found["volume"] == pytest.approx(np.abs(volume - volume.mean()).mean())
