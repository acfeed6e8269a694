"""Scans and patients under a second name, and patients who are left out."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ccrcc_model.faults.fault import Ran, ccrcc, expect, fault
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.case import Role
from radiomics_cfg.table import FeatureTable

N_PATIENTS = 48

Labelled = tuple[FeatureTable, pd.DataFrame]
"""Features of a cohort, and its outcomes."""


def cohort(name: str, role: Role, *, seed: int, images: bool = True) -> Labelled:
    """Return features and grades of patients whose grade shows in their texture.

    Args:
        name: Name of the cohort; patients are named after it.
        role: Of the cohort.
        seed: Another seed gives other patients.
        images: Whether the table knows the hashes of the images.
    """
    rng = np.random.default_rng(seed)
    high = np.arange(N_PATIENTS) % 3 == 0
    ids = [f"{name}-{place:02d}" for place in range(N_PATIENTS)]
    keys = {"cohort": name, "case_id": ids, "patient_id": ids, "centre": ["a", "b"] * (N_PATIENTS // 2)}
    rows = pd.DataFrame({**keys, "lesion": 1, "side": "left"})
    rows["tumour__1mm__original_shape_MeshVolume"] = np.exp(9 + rng.normal(size=N_PATIENTS))
    for place in range(12):
        rows[f"tumour__1mm__original_glcm_Feature{place}"] = rng.normal(size=N_PATIENTS) + 1.2 * high * (place < 3)
    about: dict[str, Any] = {"preset": "small", "preset_sha256": "0" * 64, "mode": "canonical", "cohorts": {name: role.value}}
    if images:
        about["cases"] = {case: {"image_sha256": f"{seed:032x}{place:032x}"} for place, case in enumerate(ids)}
    return FeatureTable(rows, about), pd.DataFrame({"patient_id": ids, "isup_grade": np.where(high, 3, 2)})


def two_cohorts(*, images: bool = True) -> tuple[Labelled, Labelled]:
    """Return a development and an external cohort of different patients."""
    return (
        cohort("development", Role.DEVELOPMENT, seed=1, images=images),
        cohort("external", Role.EXTERNAL, seed=2, images=images),
    )


def with_images(table: FeatureTable, images: dict[str, Any]) -> FeatureTable:
    """Return a table that knows other hashes of some images."""
    return FeatureTable(table.rows, table.provenance | {"cases": table.provenance["cases"] | images})


def benchmark(folder: Path, development: Labelled, external: Labelled) -> Ran:
    """Fit on one cohort and score the other, whose card lists all 48 cases; return how the benchmark ended."""
    for name, (table, outcomes) in (("development", development), ("external", external)):
        table.write(folder / f"{name}.parquet")
        write_csv(folder / f"{name}.csv", outcomes)
    listed = cohort("external", Role.EXTERNAL, seed=2)[0].rows[["case_id", "patient_id", "centre"]]
    write_csv(folder / "cases.csv", listed.assign(image="none.nii.gz"))
    (folder / "card.yaml").write_text(
        "name: external\nrole: external\ncases: cases.csv\noutcomes: external.csv\n", encoding="utf-8"
    )
    given = ("--outcomes", folder / "development.csv", "--target", "grade", "--out", folder / "model")
    ccrcc("fit", folder / "development.parquet", *given, "--trials", 1, "--folds", 3, "--repeats", 1)
    what = ("--cohort", folder / "card.yaml", "--table", folder / "external.parquet")
    return ccrcc("benchmark", folder / "model", *what, "--out", folder / "benchmark", "--replicates", 100)


@fault("a leak is looked for by the names of patients only")
def development_scans_under_other_names(folder: Path) -> str:
    """Four external images have the hashes of development images: the leak audit fails and states how many."""
    development, (table, outcomes) = two_cohorts()
    images = development[0].provenance["cases"]
    same = {f"external-{place:02d}": images[f"development-{place + 9:02d}"] for place in range(4)}
    ran = benchmark(folder, development, (with_images(table, same), outcomes))
    return expect("BA002 failed" in ran.said and "4 have the same image" in ran.said, ran.said.splitlines()[0])


@fault("a leak is looked for by the hashes of files only")
def development_features_under_other_names(folder: Path) -> str:
    """No table has image hashes, and five external rows are development rows but for rounding: the leak audit fails."""
    development, (table, outcomes) = two_cohorts(images=False)
    rows = table.rows.copy()
    rows.loc[:4, table.feature_names] = development[0].features.loc[20:24].to_numpy() * (1 + 1e-7)
    ran = benchmark(folder, development, (FeatureTable(rows, table.provenance), outcomes))
    return expect("BA002 failed" in ran.said and "5 others nearly the same features" in ran.said, ran.said.splitlines()[0])


@fault("one scan under two patients is fitted on in one fold and scored in another")
def one_scan_under_two_development_patients(folder: Path) -> str:
    """Two development patients have the same image: refused before the fit."""
    table, outcomes = two_cohorts()[0]
    with_images(table, {"development-03": table.provenance["cases"]["development-30"]}).write(folder / "table.parquet")
    write_csv(folder / "grades.csv", outcomes)
    given = ("--outcomes", folder / "grades.csv", "--target", "grade", "--out", folder / "model")
    ran = ccrcc("fit", folder / "table.parquet", *given)
    return expect(ran.status == 2 and "2 patients share a scan" in ran.said, ran.said)


@fault("patients without features drop out of a benchmark unseen")
def table_lacks_cases_of_its_card(folder: Path) -> str:
    """The external table lacks six of the card's 48 cases: the benchmark counts them."""
    development, (table, outcomes) = two_cohorts()
    ran = benchmark(folder, development, (FeatureTable(table.rows[6:], table.provenance), outcomes))
    said = next((line for line in ran.said.splitlines() if "have no features" in line), "not a word")
    return expect("6 of the card's 48 cases" in said and "2 of them positive" in said, said)
