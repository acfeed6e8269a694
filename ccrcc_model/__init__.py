"""From features to an answer, and how far to trust it: models, benchmark, report, command line.

A name is imported from its module when it is first asked for, so that importing the package waits for no library of trees.
"""

from typing import TYPE_CHECKING

from nnunet_ext.ground.lazy_names import attribute_of, names_of

if TYPE_CHECKING:
    from ccrcc_model.fitting.estimator import RadiomicsClassifier
    from ccrcc_model.fitting.fit import fit
    from ccrcc_model.fitting.leak_audit import LeakAudit
    from ccrcc_model.fitting.settings import Settings
    from ccrcc_model.models.model import Model, load_model
    from ccrcc_model.multicentre.pool import pool
    from ccrcc_model.multicentre.result_file import SiteResult
    from ccrcc_model.outcomes.study import Study
    from ccrcc_model.outcomes.table import read_outcomes
    from ccrcc_model.outcomes.target import GRADE, ISUP, KI67_PERCENT, Target, ki67
    from ccrcc_model.patient.predict import predict
    from ccrcc_model.report.page import write_report
    from ccrcc_model.statistics.calibration import calibrate
    from ccrcc_model.statistics.discrimination import auc
    from ccrcc_model.statistics.estimate import Estimate
    from ccrcc_model.statistics.net_benefit import net_benefit
    from ccrcc_model.statistics.predictions import Predictions
    from ccrcc_model.validation.benchmark import benchmark
    from ccrcc_model.validation.mask_spread import spread
    from ccrcc_model.validation.result import BenchmarkResult

_HOMES = {
    "BenchmarkResult": "validation.result",
    "Estimate": "statistics.estimate",
    "GRADE": "outcomes.target",
    "ISUP": "outcomes.target",
    "KI67_PERCENT": "outcomes.target",
    "LeakAudit": "fitting.leak_audit",
    "Model": "models.model",
    "Predictions": "statistics.predictions",
    "RadiomicsClassifier": "fitting.estimator",
    "Settings": "fitting.settings",
    "SiteResult": "multicentre.result_file",
    "Study": "outcomes.study",
    "Target": "outcomes.target",
    "auc": "statistics.discrimination",
    "benchmark": "validation.benchmark",
    "calibrate": "statistics.calibration",
    "fit": "fitting.fit",
    "ki67": "outcomes.target",
    "load_model": "models.model",
    "net_benefit": "statistics.net_benefit",
    "pool": "multicentre.pool",
    "predict": "patient.predict",
    "read_outcomes": "outcomes.table",
    "spread": "validation.mask_spread",
    "write_report": "report.page",
}
"""Module of each public name."""

__all__ = [
    "GRADE",
    "ISUP",
    "KI67_PERCENT",
    "BenchmarkResult",
    "Estimate",
    "LeakAudit",
    "Model",
    "Predictions",
    "RadiomicsClassifier",
    "Settings",
    "SiteResult",
    "Study",
    "Target",
    "auc",
    "benchmark",
    "calibrate",
    "fit",
    "ki67",
    "load_model",
    "net_benefit",
    "pool",
    "predict",
    "read_outcomes",
    "spread",
    "write_report",
]


def __getattr__(name: str) -> object:
    return attribute_of(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return names_of(__name__, _HOMES)
