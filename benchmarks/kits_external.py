"""A locked model on real patients that it never saw: fitted on KiTS cases below 200, validated on those from 200 on.

    uv run python benchmarks/kits_external.py [--trials 50] [--out DIR]

Clear cell tumours of KiTS23 with a WHO/ISUP grade; features are the shape of tumour and kidney, measured from the reference
masks, and age, sex and body mass index. Needs the data folder beside the checkout (`../shared/data/kits23`). `--out` keeps the
model's folder, the tables, the figures and the report. Both parts come from one challenge and its centres, so this is
validation on later cases, not in another hospital.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import pandas as pd
from modelling import DATA, kits23

from ccrcc_model.fitting.comparators import comparator_line
from ccrcc_model.fitting.fit import fit
from ccrcc_model.fitting.settings import Settings
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import GRADE
from ccrcc_model.report import read_run, report_run
from ccrcc_model.validation.benchmark import benchmark
from ccrcc_model.validation.tables import discrimination
from nnunet_ext.ground.case import Role
from nnunet_ext.ground.record import write_record
from radiomics_cfg.table import FeatureTable

FIRST_EXTERNAL = 200


def main() -> None:
    """Fit, lock, validate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--out", type=Path, help="folder that does not exist yet")
    options = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"No data at {DATA}")
    out = options.out or Path(tempfile.mkdtemp()) / "kits"
    development, external, outcomes = cohorts()
    model = fit(
        Study(None, development, outcomes),
        GRADE,
        settings=Settings(trials=options.trials, repeats=5),
        out=out / "models" / "grade",
        clinical=("age", "sex"),
        controls=True,
        jobs=os.cpu_count() or 1,
    )
    print(model.headline)
    for one in model.manifest["comparators"]:
        print(comparator_line(one))
    result = benchmark(model, Study(None, external, outcomes))
    result.save(out / "benchmark" / "grade")
    print(result.table_s2().to_string(index=False))
    print(discrimination(result).to_string(index=False))
    settings = {"trials": options.trials, "first external case": FIRST_EXTERNAL}
    title = "Grade from shape and clinical covariates: KiTS cases below 200, validated on those from 200 on"
    write_record(out / "run.json", "uv run python benchmarks/kits_external.py", settings, title=title, synthetic=False, seed=0)
    print(f"Report: {report_run(read_run(out))}")


def cohorts() -> tuple[FeatureTable, FeatureTable, pd.DataFrame]:
    """Return the features of both parts, and everyone's outcomes and covariates."""
    cases = kits23()
    external = [int(patient.removeprefix("case_")) >= FIRST_EXTERNAL for patient in cases.patient_id]
    keys = pd.DataFrame(
        {
            "cohort": ["kits-from-200" if late else "kits-below-200" for late in external],
            "case_id": cases.patient_id,
            "patient_id": cases.patient_id,
            "centre": cases.centre,
            "lesion": 1,
            "side": "unknown",
        }
    )
    rows = pd.concat([keys, pd.DataFrame(cases.features, columns=list(cases.names))], axis=1)
    made_by = {"preset": "kits-shape-clinical", "preset_sha256": "0" * 64, "mode": "pyradiomics"}
    tables = [
        FeatureTable(rows[rows["cohort"] == name].reset_index(drop=True), {"cohorts": {name: role}, **made_by})
        for name, role in (("kits-below-200", Role.DEVELOPMENT), ("kits-from-200", Role.EXTERNAL))
    ]
    outcomes = pd.read_csv(DATA / "kits23" / "clinical.csv", dtype=str, keep_default_na=False)
    grade = pd.to_numeric(outcomes["isup_grade"], errors="coerce")
    return tables[0], tables[1], outcomes.rename(columns={"case_id": "patient_id"}).assign(isup_grade=grade)


if __name__ == "__main__":
    main()
