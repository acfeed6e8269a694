"""The synthetic study of the demo: its cohorts, its targets, how long each stage takes."""

from nnunet_ext.ground.case import Role
from nnunet_ext.phantom import CohortPlan

EXPECTED_S = {
    "Synthetic scans": 30.0,
    "Gate": 5.0,
    "nnU-Net training": 180.0,
    "Segmentation": 45.0,
    "Features": 60.0,
    "Models": 135.0,
    "Patients": 30.0,
    "Benchmark and report": 16.0,
}
"""Seconds of each stage on two cores."""

DEVELOPMENT_PATIENTS = 64
EXTERNAL_PATIENTS = 24
"""In each of the two external cohorts."""


def study_plan(*, development: int, external: int) -> tuple[CohortPlan, ...]:
    """Return one development cohort of four centres, and two external cohorts of one centre each.

    Args:
        development: Patients of the development cohort.
        external: Patients of each external cohort.
    """
    return (
        CohortPlan("development", Role.DEVELOPMENT, ("centre-1", "centre-2", "centre-3", "centre-4"), development),
        CohortPlan("external-1", Role.EXTERNAL, ("centre-6",), external),
        CohortPlan("external-2", Role.EXTERNAL, ("centre-7",), external),
    )
