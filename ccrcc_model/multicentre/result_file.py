"""What a hospital can send of the benchmark of a locked model: counts, histograms and figures of a cohort, no patient.

One small JSON file a cohort. It names the model by the SHA-256 of its manifest, under which threshold and calibration are
frozen, and ends with the SHA-256 of its own content. That notices damage and a changed figure, not forgery: who can write
the file can write its hash. So a site signs by hand: it sends the hash by another way than the file.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import TypeAdapter, ValidationError

from ccrcc_model.multicentre.older_formats import from_format_1
from ccrcc_model.multicentre.predictor_result import PredictorResult, predictor_result, rounded
from ccrcc_model.multicentre.result_faults import fault
from ccrcc_model.multicentre.small_cells import SMALLEST_CELL, WITHHELD
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import Target
from ccrcc_model.statistics.discrimination import auc_difference
from ccrcc_model.statistics.estimate import Estimate
from ccrcc_model.statistics.graded_predictions import yes_or_no
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.cohort.cards import file_name
from nnunet_ext.documents.foreign_json import parse_json
from nnunet_ext.documents.regular_file import refuse_irregular
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import AnyPath, write_text
from nnunet_ext.ground.record import versions

if TYPE_CHECKING:  # at run time it is the caller's: to read a result needs no LightGBM
    import pandas as pd

    from ccrcc_model.models.model import Model
    from radiomics_cfg.table import FeatureTable

KIND = "ccrcc result file"
FORMAT = 2
"""Version of the file's layout, and of how its figures are made: from 2 on intervals of AUCs are on the logit scale, and
tumour volume orders patients itself. A file of format 1 is read too; any other is refused."""

_ABOUT = (
    "Counts of patients, and figures of the whole cohort, by one locked model and by tumour volume alone (baseline).",
    "Holds no image, no patient, and no identifier or date of one.",
    "A count is of no patient, or of smallest_cell patients or more. Smaller ones are merged with their neighbours.",
    "Where a count at the threshold is too small, true_positives and false_positives are the least and the most that can be,",
    "and AUC, difference, Brier score, expected events, intercept and slope are withheld too, since the count could follow.",
    "Share one file of a cohort only: two that differ by a few patients, by the target or by its cut would tell of a few.",
)


@dataclass(frozen=True, slots=True)
class SiteResult:
    """A locked model and its baseline in one cohort, as a hospital can send it.

    Args:
        model_id: SHA-256 of the locked model's manifest.
        target: Name of the target.
        rule: When a patient is positive.
        cohort: Name of the cohort.
        n: Patients.
        events: Positive patients.
        smallest_cell: Fewest patients that a count is of, other than none.
        model: The locked model's result.
        baseline: That of tumour volume alone.
        difference: Difference of AUC (model − baseline), with DeLong's paired interval; withheld if a count of either is.
        versions: Of the software.
        read_as: SHA-256 with which the file of an older format ended that this was read from; None for one of this format.

    Example:
        >>> import ccrcc_model as cc
        >>> site = cc.SiteResult.read("north.json")
        >>> site.cohort, site.n, site.smallest_cell
        ('north', 150, 5)
    """

    model_id: str
    target: str
    rule: str
    cohort: str
    n: int
    events: int
    smallest_cell: int
    model: PredictorResult
    baseline: PredictorResult
    difference: Estimate
    versions: dict[str, str]
    read_as: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        file_name(self.cohort)
        if not re.fullmatch(r"[0-9a-f]{64}", self.model_id):
            msg = "model_id is not the SHA-256 of a manifest"
            raise InputError(msg)
        if self.smallest_cell < SMALLEST_CELL:
            msg = f"smallest_cell is {self.smallest_cell}, and must be {SMALLEST_CELL} or more"
            raise InputError(msg)
        if found := self._fault():
            raise InputError(found)

    def _fault(self) -> str | None:
        return fault(
            self.model, self.baseline, self.difference, n=self.n, events=self.events, smallest_cell=self.smallest_cell
        )

    @property
    def sha256(self) -> str:
        """SHA-256 of the content, with which its file ends."""
        return self.read_as or _digest(self._content())

    @classmethod
    def read(cls, path: AnyPath) -> Self:
        """Read a result file, refusing it if it is not what was written.

        Raises:
            InputError: If it is missing, not a result file, of another format, changed, or contradicts itself.
        """
        path = Path(path)
        content = _read_json(path)
        if content.get("kind") != KIND:
            msg = f"{path} is not a result file; a site makes one with `ccrcc benchmark --share`"
            raise InputError(msg)
        if (version := content.get("format")) not in {1, FORMAT}:
            remedy = (
                "update the software" if isinstance(version, int) and version > FORMAT else "ask the site to make it again"
            )
            msg = f"{path} is a result file of format {version}, this version reads 1 and {FORMAT}: {remedy}"
            raise InputError(msg)
        digest = content.pop("sha256", None)
        if digest != _digest(content):
            msg = f"{path} was changed: its content does not match its SHA-256; ask the site for the file again"
            raise InputError(msg)
        try:
            content = from_format_1(content) if version == 1 else content
            result = TypeAdapter(cls).validate_python(
                {k: v for k, v in content.items() if k not in {"kind", "format", "about"}}
            )
        except (TypeError, KeyError) as error:
            msg = f"{path} contradicts itself: a figure is missing; ask the site to make it again"
            raise InputError(msg) from error
        except ValueError as error:
            msg = f"{path} contradicts itself: {_first_fault(error)}; ask the site to make it again"
            raise InputError(msg) from error
        if result._content() != content:
            msg = f"{path} holds more than a result file does; ask the site to make it again"
            raise InputError(msg)
        return replace(result, read_as=digest) if version == 1 else result

    def write(self, path: AnyPath) -> None:
        """Write the file that `read` reads."""
        content = self._content()
        text = json.dumps({**content, "sha256": _digest(content)}, indent=1, ensure_ascii=False, allow_nan=False)
        write_text(Path(path), text + "\n")

    def _content(self) -> dict[str, Any]:
        """Return all that the file holds but its hash, as plain JSON values."""
        values = json.loads(TypeAdapter(type(self)).dump_json(self, exclude={"read_as"}))
        return {"kind": KIND, "format": FORMAT, "about": list(_ABOUT), **values}


def site_result(
    model: "Model", table: "FeatureTable", outcomes: "pd.DataFrame", *, smallest: int = SMALLEST_CELL
) -> SiteResult:
    """Score a locked model and its baseline on one external cohort, and keep what can be shared.

    Args:
        model: From ``Model.load``.
        table: Features of the cohort.
        outcomes: As ``read_outcomes`` gives them.
        smallest: Fewest patients that a count is of, other than none; 5 or more.

    Raises:
        InputError: If the cohort cannot be predicted (see ``Model.predict``), a class has fewer than ``smallest`` patients,
            or ``smallest`` is below 5.
    """
    study = Study(None, table, outcomes)
    pair = (yes_or_no(one) for one in (model.predict(study), model.predict_baseline(study)))
    return share_of_model(model, *pair, smallest=smallest)


def refuse_foreign_result(path: Path) -> None:
    """Refuse to write over a file that is no result file.

    Raises:
        InputError: If so.
    """
    if path.exists() and _read_json(path).get("kind") != KIND:
        msg = f"{path} is there already and is no result file; choose another folder for --share"
        raise InputError(msg)


def share_of_model(
    model: "Model", predictions: Predictions, baseline: Predictions, *, smallest: int = SMALLEST_CELL
) -> SiteResult:
    """Return what can be shared of a locked model's predictions of one external cohort, and its baseline's.

    Raises:
        InputError: As ``site_result``.
    """
    return share_predictions(
        predictions,
        baseline,
        target=model.target,
        model_id=model.id,
        threshold=model.decision.threshold,
        baseline_threshold=model.baseline_decision.threshold,
        smallest=smallest,
    )


def share_predictions(
    predictions: Predictions,
    baseline: Predictions,
    *,
    target: Target,
    model_id: str,
    threshold: float,
    baseline_threshold: float,
    smallest: int = SMALLEST_CELL,
) -> SiteResult:
    """Return what can be shared of two predictors' predictions of the same patients.

    Args:
        predictions: Of the model.
        baseline: Of the baseline, the same patients in the same order.
        target: What is predicted.
        model_id: SHA-256 of the model's manifest.
        threshold: The model's.
        baseline_threshold: The baseline's.
        smallest: Fewest patients that a count is of, other than none; 5 or more.

    Raises:
        InputError: As ``site_result``.
    """
    ours, theirs = (
        predictor_result(predictions, threshold, smallest=smallest),
        predictor_result(baseline, baseline_threshold, smallest=smallest),
    )
    withheld = ours.histogram.counts.withheld or theirs.histogram.counts.withheld
    return SiteResult(
        model_id=model_id,
        target=target.name,
        rule=target.rule,
        cohort=predictions.cohort,
        n=len(predictions),
        events=int(predictions.y_true.sum()),
        smallest_cell=smallest,
        model=ours,
        baseline=theirs,
        difference=WITHHELD if withheld else rounded(auc_difference(predictions, baseline).estimate),
        versions=versions(),
    )


def _read_json(path: Path) -> dict[str, Any]:
    refuse_irregular(path, "result file")
    if not path.is_file():
        msg = f"No result file at {path}; a site makes one with `ccrcc benchmark --share`"
        raise InputError(msg)
    try:
        content = parse_json(path.read_bytes())
    except (ValueError, OSError) as error:
        msg = f"{path} is not a result file: it is not readable JSON"
        raise InputError(msg) from error
    return content if isinstance(content, dict) else {}


def _digest(content: dict[str, Any]) -> str:
    """SHA-256 of the content without regard to white space and the order of keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _first_fault(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return ": ".join(part for part in (where, first["msg"].removeprefix("Value error, ")) if part)
