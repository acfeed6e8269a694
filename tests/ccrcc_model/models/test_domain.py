import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fitted import fit
from typer.testing import CliRunner

from ccrcc_model.cli import app
from ccrcc_model.models.domain import ApplicabilityDomain
from ccrcc_model.models.model import Model
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable

Planted = Callable[..., tuple[FeatureTable, pd.DataFrame]]

FAST = {"folds": 3, "repeats": 1, "trials": 1}
SCAN = {"slice_spacing_mm": 1.0, "phase": "nephrographic"}


def scanned(table: FeatureTable, **changes: object) -> FeatureTable:
    """The table with an acquisition of each case, with ``changes`` in that of the first."""
    cases = {case: {"acquisition": dict(SCAN)} for case in table.rows["case_id"]}
    cases[table.rows["case_id"].iloc[0]]["acquisition"] |= changes
    return replace(table, provenance={**table.provenance, "cases": cases})


def domain_of(table: FeatureTable, n_features: int = 12) -> ApplicabilityDomain:
    patients = table.rows["patient_id"].to_numpy(dtype=np.str_)
    return ApplicabilityDomain.fit(table, table.feature_names[:n_features], patients)


@pytest.fixture(scope="module")
def development(planted: Planted) -> FeatureTable:
    return scanned(planted(99)[0])


def test_like_patients_are_predicted_and_few_are_declined(planted: Planted) -> None:
    shares = []
    for seed in range(10):
        domain = domain_of(planted(99, seed=seed)[0])
        new, _ = planted(200, seed=100 + seed, role="external", cohort="north")
        shares.append(domain.judge(new)["unlike"].mean())
    assert 0.01 < np.mean(shares) < 0.055


def test_the_last_distance_accepted_lies_beside_the_first_declined(development: FeatureTable) -> None:
    domain = domain_of(development)
    distance = domain.judge(development)["distance"]
    assert replace(domain, limit=distance.max()).judge(development)["unlike"].sum() == 0
    below = replace(domain, limit=np.nextafter(distance.max(), 0)).judge(development)
    assert below["unlike"].sum() == 1
    assert below["unlike_reason"][distance.idxmax()].startswith("features ")


def test_a_patient_far_off_is_declined_and_the_feature_named(development: FeatureTable) -> None:
    rows = development.rows.iloc[:3].copy()
    name = development.feature_names[5]
    rows.loc[1, name] = 40.0
    judged = domain_of(development).judge(replace(development, rows=rows))
    assert judged["unlike"].tolist() == [False, True, False]
    assert f"most in {name}" in judged["unlike_reason"].iloc[1]
    assert judged["unlike_reason"].iloc[0] == ""


def test_more_missing_features_than_ever_in_development_are_unlike(development: FeatureTable) -> None:
    rows = development.rows.copy()
    names = development.feature_names[:12]
    rows.loc[0, names[2:4]] = np.nan
    domain = domain_of(replace(development, rows=rows))
    assert domain.most_missing == 2
    few, many = development.rows.iloc[[5]].copy(), development.rows.iloc[[6]].copy()
    few[names[6:8]] = np.nan
    many[names[6:9]] = np.nan
    judged = domain.judge(replace(development, rows=pd.concat([few, many])))
    assert judged["unlike"].tolist() == [False, True]
    assert judged["unlike_reason"].iloc[1] == "3 of 12 features missing, seen at most 2"


def test_a_scan_acquired_in_a_new_way_makes_its_patient_unlike(planted: Planted, development: FeatureTable) -> None:
    new, _ = planted(10, seed=3, role="external", cohort="north", cases_each=2)
    domain = replace(domain_of(development), limit=1e9)
    assert not domain.judge(scanned(new))["unlike"].any()
    judged = domain.judge(scanned(new, slice_spacing_mm=7.5, phase="excretory"))
    assert judged["unlike"].tolist() == [True] + [False] * 9
    assert judged["unlike_reason"].iloc[0] == "slice spacing 7.5 mm, seen 1 to 1; phase excretory, seen nephrographic"


def test_features_that_do_not_vary_or_are_rarely_known_are_not_compared(development: FeatureTable) -> None:
    rows = development.rows.copy()
    constant, rare, known = development.feature_names[:3]
    rows[constant] = 1.0
    rows.loc[rows.index[:50], rare] = np.nan
    domain = domain_of(replace(development, rows=rows))
    assert constant not in domain.distance.names
    assert rare not in domain.distance.names
    assert known in domain.distance.names


def test_what_was_written_is_read_back(development: FeatureTable) -> None:
    domain = domain_of(development)
    back = ApplicabilityDomain.from_json(domain.to_json())
    assert (back.limit, back.declined, back.most_missing) == (domain.limit, domain.declined, domain.most_missing)
    assert back.acquisition == domain.acquisition
    np.testing.assert_allclose(back.judge(development)["distance"], domain.judge(development)["distance"], rtol=1e-6)


def test_the_file_holds_no_row_of_a_patient_however_many_there_are(planted: Planted, development: FeatureTable) -> None:
    few, many = (json.loads(domain_of(table).to_json()) for table in (planted(40)[0], development))
    assert [np.shape(few[key]) for key in ("median", "spread", "mean")] == [(12,)] * 3
    for key in ("features", "median", "spread", "mean", "covariance_lower"):
        assert len(np.hstack(few[key])) == len(np.hstack(many[key])), key
    values = development.features.to_numpy()[:, :12]
    written = np.hstack([np.hstack(many[key]) for key in ("mean", "spread", "covariance_lower")])
    assert not np.isin(values, written).any()


def test_a_model_carries_its_domain_and_predicts_with_it(planted: Planted, development: FeatureTable, tmp_path: Path) -> None:
    outcomes = planted(99)[1]
    model = fit(development, outcomes, GRADE, out_dir=tmp_path / "model", **FAST)
    new, truth = planted(40, seed=4, role="external", cohort="north")
    table = scanned(new, phase="excretory")
    table.rows.loc[1, model.columns[0]] *= 1e6
    frame = model.predict_patients(table)
    assert frame.columns[-2:].tolist() == ["unlike", "unlike_reason"]
    assert frame["unlike"].iloc[:2].tolist() == [True, True]
    assert frame["unlike"].mean() < 0.2
    assert (frame["unlike"] == (frame["unlike_reason"] != "")).all()
    truth = truth.assign(isup_grade=truth["isup_grade"].where(truth["patient_id"] != "north-001"))
    for predictions in (model.predict(Study(None, table, truth)), model.predict_baseline(Study(None, table, truth))):
        known = frame[frame["patient_id"] != "north-001"]
        np.testing.assert_array_equal(predictions.patient_id, known["patient_id"])
        np.testing.assert_array_equal(predictions.abstained, known["unlike"])
    assert len(model.predict(Study(None, table, truth)).answered) == 40 - 1 - int(frame["unlike"].drop(index=1).sum())


def test_a_fit_on_scans_acquired_otherwise_is_another_model(planted: Planted, tmp_path: Path) -> None:
    table, outcomes = planted(40)
    first = fit(scanned(table), outcomes, GRADE, out_dir=tmp_path / "model", **FAST)
    assert fit(scanned(table), outcomes, GRADE, out_dir=tmp_path / "model", **FAST).id == first.id
    with pytest.raises(InputError, match="holds another locked model"):
        fit(scanned(table, slice_spacing_mm=3.0), outcomes, GRADE, out_dir=tmp_path / "model", **FAST)
    assert Model.load(tmp_path / "model").domain.acquisition.ranges == {"slice_spacing_mm": (1.0, 1.0)}


def test_the_command_reports_whom_it_declines_in_each_cohort(planted: Planted, model_folder: Path, tmp_path: Path) -> None:
    arguments = ["benchmark", str(model_folder), "--out", str(tmp_path / "out")]
    for name, seed, shift in (("like", 5, 0.0), ("shifted", 6, 6.0)):
        table, outcomes = planted(60, seed=seed, role="external", cohort=name)
        table.rows[table.feature_names[8:]] += shift
        table.write(tmp_path / f"{name}.parquet")
        outcomes.to_csv(tmp_path / f"{name}.csv", index=False)
        (tmp_path / f"{name}_cases.csv").write_text(
            f"case_id,patient_id,centre,image\n{name}-000-0,{name}-000,east,none.nii.gz\n", encoding="utf-8"
        )
        card = tmp_path / f"{name}.yaml"
        card.write_text(f"name: {name}\nrole: external\ncases: {name}_cases.csv\noutcomes: {name}.csv\n", encoding="utf-8")
        arguments += ["--cohort", str(card), "--table", str(tmp_path / f"{name}.parquet")]
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == 0, run.output
    frame = pd.read_csv(tmp_path / "out" / "uncertainty.csv", keep_default_na=False)
    declined = frame[(frame["scope"] == "external") & (frame["metric"] == "declined")].set_index("group")
    assert declined["denominator"].tolist() == ["60", "60"]
    assert declined["value"].astype(float)["like"] < 0.15
    assert declined["value"].astype(float)["shifted"] > 0.9
    covered = frame[(frame["group"] == "like") & (frame["metric"] == "covered") & (frame["patients"] == "all")]
    assert covered["class"].tolist() == ["negative", "positive"]
    assert (covered["high"].astype(float) >= 0.9).all()
