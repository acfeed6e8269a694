"""The whole pipeline on a synthetic study: ``ccrcc demo``."""

from ccrcc_model.demo.plan import EXPECTED_S, study_plan
from ccrcc_model.demo.synthetic_study import run_demo

__all__ = ["EXPECTED_S", "run_demo", "study_plan"]
