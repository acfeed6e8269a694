"""A locked model of a graded outcome: what ``fit_graded`` made, kept in a folder without pickle."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from ccrcc_model.fitting.graded_nested import Scorer, say_graded
from ccrcc_model.models.folder import GRADED_KINDS, read_model_folder
from ccrcc_model.models.likelihood import Calibrated
from ccrcc_model.models.model import OUT_OF_FOLD, PIPELINE, SCANS, load_member, one_cohort, refuse_table
from ccrcc_model.models.scan_prints import ScanPrints
from ccrcc_model.models.soundness import check_graded_model
from ccrcc_model.models.volume import VolumeModel
from ccrcc_model.outcomes.graded import GRADED, GradedTarget, label_graded
from ccrcc_model.outcomes.target import Cases, feature_matrix
from ccrcc_model.statistics.estimate import Comparison, format_difference
from ccrcc_model.statistics.graded_predictions import GradedPredictions
from nnunet_ext.documents.csv_table import inferred, parse_csv
from radiomics_cfg.table import KEYS, FeatureTable


@dataclass(frozen=True, eq=False)
class GradedModel:
    """A locked model of a graded outcome with its baseline.

    Args:
        id: SHA-256 of the manifest; names this model and no other.
        manifest: Target, settings, versions, provenance, figures of the development, and the hashes of all files.
        target: What is predicted.
        model: The members and the calibration of their mean score.
        baseline: Tumour volume alone, fitted on the same inner folds.
        out_of_fold: Predictions of the development patients by models that never saw them, named by their hashes.
        baseline_out_of_fold: The same of tumour volume, through the same folds.
        patients: Hashes of the development patients.
        scans: Prints of their scans, by which these are recognised under another name.
    """

    id: str
    manifest: Mapping[str, Any]
    target: GradedTarget
    model: Scorer
    baseline: Scorer
    out_of_fold: GradedPredictions
    baseline_out_of_fold: GradedPredictions
    patients: frozenset[str]
    scans: ScanPrints

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder, refusing it if a single byte of it is not what was locked.

        Raises:
            InputError: If a file is missing, changed or extra, the model is binary, another version wrote it, or what is
                sealed is not sound.
        """
        model_id, manifest, files = read_model_folder(folder, kinds=GRADED_KINDS)
        known = {name: asdict(target) | {"levels": list(target.levels)} for name, target in GRADED.items()}
        return check_graded_model(folder, manifest, files, lambda: cls._of(model_id, manifest, files), known=known)

    @classmethod
    def _of(cls, model_id: str, manifest: Mapping[str, Any], files: Mapping[str, str]) -> Self:
        target = GRADED[manifest["target"]["name"]]
        pipeline = json.loads(files[PIPELINE])
        members = tuple(load_member(member, files) for member in pipeline["members"])
        starts = tuple(VolumeModel(**volume, seen=frozenset()) for volume in pipeline["baseline"])
        frame = inferred(parse_csv(files[OUT_OF_FOLD], OUT_OF_FOLD), text=("patient", "centre"))
        cohort = " + ".join(manifest["cohorts"])
        return cls(
            id=model_id,
            manifest=manifest,
            target=target,
            model=Scorer(members, Calibrated.from_json(pipeline["calibration"])),
            baseline=Scorer(starts, Calibrated.from_json(pipeline["baseline_calibration"])),
            out_of_fold=_out_of_fold(frame, cohort, target, ""),
            baseline_out_of_fold=_out_of_fold(frame, cohort, target, "baseline_"),
            patients=frozenset(manifest["patients"]),
            scans=ScanPrints.from_json(files[SCANS]),
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Every feature that predicting needs."""
        of_members = (column for member in self.model.members for column in _columns(member))
        return tuple(dict.fromkeys((*of_members, *(column for start in self.baseline.members for column in _columns(start)))))

    @property
    def development(self) -> dict[str, Comparison]:
        """Out-of-fold figures beside those of tumour volume alone."""
        return {name: Comparison.from_json(figure) for name, figure in self.manifest["development"]["figures"].items()}

    @property
    def headline(self) -> str:
        """One sentence: does it order patients better than tumour volume alone?"""
        verdict = verdict_of(self.development["concordance"])
        return f"Model {self.id[:12]} of {self.target.name} ({self.target.sentence}) {verdict}, out-of-fold"

    def predict(self, table: FeatureTable) -> pd.DataFrame:
        """Predict patients whose outcome need not be known, each by the index lesion of their cases.

        Returns:
            One row a patient: ``patient_id, centre``, then for grades the probability of each, ``grade_1`` to ``grade_4``,
            and ``expected_grade``, for a percentage ``percent``; last the same of tumour volume alone, as ``baseline_...``.

        Raises:
            InputError: If a patient is one of the development's, the preset is another, or columns are missing.
        """
        refuse_table(table, preset=self.manifest["preset"], columns=self.columns, patients=self.patients)
        rows = table.index_lesions().rows
        cases = Cases(
            self.columns,
            feature_matrix(rows, self.columns),
            rows["patient_id"].to_numpy(dtype=np.str_),
            rows["centre"].to_numpy(dtype=np.str_),
        )
        frame = pd.DataFrame({"patient_id": cases.patients, "centre": cases.patient_centre})
        for prefix, scorer in (("", self.model), ("baseline_", self.baseline)):
            said = said_columns(self.target, say_graded(scorer, cases, self.target.levels), prefix)
            del said[f"{prefix}score"]
            frame = frame.assign(**said)
        return frame

    def score(
        self, table: FeatureTable, outcomes: pd.DataFrame, *, cohort: str | None = None
    ) -> tuple[GradedPredictions, GradedPredictions]:
        """Predict the patients of a cohort that the model never saw; those without a value of the target are left out.

        Args:
            table: Features of the same preset.
            outcomes: As ``read_outcomes`` gives them.
            cohort: Which of the table's cohorts; may be left out if it holds one.

        Returns:
            Predictions of the model and of tumour volume alone, in the same order.

        Raises:
            InputError: As ``predict``, or if a patient has no row in the outcomes.
        """
        table, name = one_cohort(table, cohort)
        refuse_table(table, preset=self.manifest["preset"], columns=self.columns, patients=self.patients)
        narrow = FeatureTable(table.rows[[*KEYS, *self.columns]], table.provenance)
        cases = label_graded(narrow, outcomes, self.target, allow_one_value=True)
        model, baseline = (say_graded(scorer, cases, self.target.levels) for scorer in (self.model, self.baseline))
        of_model = GradedPredictions(
            name,
            self.target,
            cases.patients,
            cases.patient_centre,
            cases.patient_outcome,
            score=model[:, 0],
            expected=model[:, 1],
            probability=model[:, 2:],
        )
        return of_model, replace(of_model, score=baseline[:, 0], expected=baseline[:, 1], probability=baseline[:, 2:])


def verdict_of(concordance: Comparison) -> str:
    """Return whether a model beats tumour volume alone, with the figures that say so."""
    verdict = "beats tumour volume alone" if concordance.better else "does not beat tumour volume alone"
    apart = format_difference(concordance.difference)
    return f"{verdict}: concordance {concordance.model} against {concordance.baseline}, difference {apart}"


def said_columns(target: GradedTarget, said: np.typing.NDArray[np.float64], prefix: str) -> dict[str, Any]:
    """Return what ``say_graded`` said as named columns: score, each grade's probability, and mean grade or percent."""
    expected = f"{prefix}expected_grade" if target.levels else f"{prefix}percent"
    grades = {f"{prefix}grade_{level:g}": said[:, 2 + place] for place, level in enumerate(target.levels)}
    return {f"{prefix}score": said[:, 0], **grades, expected: said[:, 1]}


def _columns(member: Any) -> tuple[str, ...]:
    return (member.column,) if isinstance(member, VolumeModel) else member.columns


def _out_of_fold(frame: pd.DataFrame, cohort: str, target: GradedTarget, prefix: str) -> GradedPredictions:
    expected = f"{prefix}expected_grade" if target.levels else f"{prefix}percent"
    return GradedPredictions(
        cohort=cohort,
        target=target,
        patient_id=frame["patient"].to_numpy(dtype=np.str_),
        centre=frame["centre"].to_numpy(dtype=np.str_),
        outcome=frame["outcome"].to_numpy(dtype=np.float64),
        score=frame[f"{prefix}score"].to_numpy(dtype=np.float64),
        expected=frame[expected].to_numpy(dtype=np.float64),
        probability=frame[[f"{prefix}grade_{level:g}" for level in target.levels]].to_numpy(dtype=np.float64),
    )
