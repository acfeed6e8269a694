"""A locked model: what ``fit`` made, kept without pickle, ready to predict patients that it never saw."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccrcc_model.models.domain import ApplicabilityDomain
from ccrcc_model.models.explanation import Explanation, Importance, contributions
from ccrcc_model.models.folder import read_model_folder, seal, write_model_folder
from ccrcc_model.models.headline import headline_of
from ccrcc_model.models.member import Member
from ccrcc_model.models.member_inputs import with_components
from ccrcc_model.models.pipeline import DOMAIN, EXPLANATION, IMPORTANCE, OUT_OF_FOLD, SCANS, read_pipeline
from ccrcc_model.models.scan_prints import ScanPrints
from ccrcc_model.models.scored_table import one_cohort, refuse_features, refuse_table
from ccrcc_model.models.scorer import AnyPredictions, Scorer, predictions_of, truth_column, value_columns
from ccrcc_model.models.soundness import check_model
from ccrcc_model.models.threshold import Decision
from ccrcc_model.models.volume import VolumeModel
from ccrcc_model.outcomes.cases import Cases, feature_matrix, label
from ccrcc_model.outcomes.study import Study
from ccrcc_model.outcomes.target import Target
from nnunet_ext.documents.csv_table import parse_csv
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import AnyPath
from nnunet_ext.ground.notebook import as_html, counted, listed
from radiomics_cfg.table import KEYS, FeatureTable


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A locked model of one target, of any kind, with its baseline.

    Args:
        id: SHA-256 of the manifest; names this model and no other.
        manifest: Target, settings, versions, provenance, figures of the development, and the hashes of all files.
        files: Text of every other file of the model's folder, by name.
        target: What is predicted.
        ensemble: The members, whose mean score is calibrated.
        baseline: Tumour volume alone, calibrated.
        importance: The features that matter most, in that order.
        out_of_fold: Predictions of the development patients by models that never saw them, named by their hashes.
        baseline_out_of_fold: The same of the baseline, through the same folds.
        patients: Hashes of the development patients.
        explanation: What groups of features move the model, and whether the outer folds agree; None in folders of graded
            models that were written before it was kept.
        domain: What the development patients were like; None in the same folders.
        scans: Prints of their scans, by which these are recognised under another name.

    Example:
        >>> import ccrcc_model as cc, radiomics_cfg as rad
        >>> model = cc.Model.load("models/grade")
        >>> model.predict(cc.Study(None, rad.FeatureTable.read("ext.parquet"), cc.read_outcomes("ext.csv")))
        Predictions of grade in north
        150 patients of 2 centres, ... positive; abstained from ...
        Probability: median 0..., from 0... to 0...
    """

    id: str
    manifest: Mapping[str, Any]
    files: Mapping[str, str]
    target: Target
    ensemble: Scorer
    baseline: Scorer
    importance: tuple[Importance, ...]
    out_of_fold: AnyPredictions
    baseline_out_of_fold: AnyPredictions
    patients: frozenset[str]
    explanation: Explanation | None
    domain: ApplicabilityDomain | None
    scans: ScanPrints

    @classmethod
    def load(cls, folder: AnyPath) -> Self:
        """Read a model folder of any kind, refusing it if a single byte of it is not what was locked.

        Raises:
            InputError: If a file is missing, changed or extra, if another version wrote it, or if what is sealed is not sound.
        """
        model_id, manifest, files = read_model_folder(Path(folder))
        return check_model(f"in {folder}", manifest, files, lambda: cls._of(model_id, manifest, files))

    @classmethod
    def lock(cls, files: Mapping[str, str], manifest: Mapping[str, Any]) -> Self:
        """Seal what a fit made, as its folder would hold it: the model in memory has the id of the one on disk."""
        model_id, sealed, _ = seal(files, manifest)
        return check_model("that was just fitted", sealed, files, lambda: cls._of(model_id, sealed, files))

    def save(self, folder: AnyPath) -> None:
        """Write the model's folder, which must not exist or be empty; it appears whole or not at all."""
        write_model_folder(Path(folder), self.files, self.manifest)

    @classmethod
    def _of(cls, model_id: str, manifest: Mapping[str, Any], files: Mapping[str, str]) -> Self:
        target, seen = Target.from_json(manifest["target"]), frozenset(manifest["patients"])
        ensemble, baseline = read_pipeline(files, target, seen)
        cohort = " + ".join(manifest["cohorts"])
        frame = parse_csv(files[OUT_OF_FOLD], OUT_OF_FOLD)
        return cls(
            id=model_id,
            manifest=manifest,
            files=files,
            target=target,
            ensemble=ensemble,
            baseline=baseline,
            importance=tuple(Importance(**entry) for entry in json.loads(files[IMPORTANCE])),
            out_of_fold=_out_of_fold(frame, cohort, target, ""),
            baseline_out_of_fold=_out_of_fold(frame, cohort, target, "baseline_"),
            patients=seen,
            explanation=Explanation.from_json(json.loads(files[EXPLANATION])) if EXPLANATION in files else None,
            domain=ApplicabilityDomain.from_json(files[DOMAIN]) if DOMAIN in files else None,
            scans=ScanPrints.from_json(files[SCANS]),
        )

    @property
    def headline(self) -> str:
        """One sentence: does it order patients better than tumour volume alone, out-of-fold?"""
        return headline_of(self.id, self.target, self.manifest["development"])

    def __repr__(self) -> str:
        seen = self.manifest
        positive = f" ({seen['n_positive']} positive)" if "n_positive" in seen else ""
        patients, features = counted(seen["n_patients"], "patient"), counted(seen["n_features"], "feature")
        counts = f"{patients}{positive}, {features}, {counted(len(self.members), 'member')}"
        preset = seen["preset"]["preset"] or "not stated"
        return f"{self.headline}\n{counts}\ndevelopment: {listed(seen['cohorts'])}; preset {preset}"

    def _repr_html_(self) -> str:
        return as_html(repr(self))

    @property
    def members(self) -> tuple[Member, ...]:
        """The members of the ensemble."""
        return tuple(member for member in self.ensemble.members if isinstance(member, Member))

    @property
    def decision(self) -> Decision:
        """Calibration and threshold of the score.

        Raises:
            InputError: If the target is no yes or no: its models have no threshold.
        """
        return self._decision(self.ensemble)

    @property
    def baseline_decision(self) -> Decision:
        """Calibration and threshold of the baseline.

        Raises:
            InputError: As ``decision``.
        """
        return self._decision(self.baseline)

    def _decision(self, scorer: Scorer) -> Decision:
        if not isinstance(scorer.calibration, Decision):
            msg = f"A model of {self.target.rule} has no threshold; only models of yes or no have one"
            raise InputError(msg)
        return scorer.calibration

    @property
    def columns(self) -> tuple[str, ...]:
        """Every feature that predicting needs."""
        return tuple(dict.fromkeys((*self.ensemble.columns, *self.baseline.columns)))

    def predict(self, study: Study, *, cohort: str | None = None) -> AnyPredictions:
        """Predict the patients of a cohort that the model never saw; those without a value of the target are left out.

        Only the index lesion of each case is scored, as only it was fitted on: see ``label``.

        Args:
            study: Features of the same preset, and outcomes.
            cohort: Which of the table's cohorts; may be left out if it holds one.

        Returns:
            ``Predictions`` of a yes or no, ``GradedPredictions`` of grades or percentages.

        Raises:
            InputError: If a patient is one of the development's, the preset is another, columns are missing, or a patient
                has no row in the outcomes.
        """
        return self._predict(study, cohort, self.ensemble)

    def predict_baseline(self, study: Study, *, cohort: str | None = None) -> AnyPredictions:
        """Predict the same patients, in the same order, by tumour volume alone.

        They are ordered by the logarithm of volume itself, larger is worse, whatever slope was fitted to the development:
        that is the ``score`` of what is returned.

        Raises:
            InputError: As ``predict``.
        """
        found = self._predict(study, cohort, self.baseline)
        everyone = self._cases(one_cohort(study.table, cohort)[0])
        volume = next(member for member in self.baseline.members if isinstance(member, VolumeModel))
        score = everyone.per_patient(volume.standard(everyone))[np.searchsorted(everyone.patients, found.patient_id)]
        return replace(found, score=score)

    def predict_patients(self, table: FeatureTable) -> pd.DataFrame:
        """Predict patients whose outcome is not known, each by the index lesion of their cases.

        Returns:
            One row per patient: ``patient_id``, ``centre``, the values of the target's kind (``probability`` and
            ``positive``; ``grade_1`` to ``grade_4`` and ``expected_grade``; or ``percent``), and the same of tumour volume
            alone as ``baseline_...``; then ``unlike``, whether the patient is so unlike the development patients that the
            values should not be believed, and ``unlike_reason``, empty if it is not.

        Raises:
            InputError: If a patient is one of the development's, the preset is another, or columns are missing.
        """
        cases = self._cases(table)
        frame = pd.DataFrame({"patient_id": cases.patients, "centre": cases.patient_centre})
        for prefix, scorer in (("", self.ensemble), ("baseline_", self.baseline)):
            values = scorer.predicted(cases, self.target.levels)[:, 1:]
            for name, column in zip(value_columns(self.target), values.T, strict=True):
                frame[f"{prefix}{name}"] = column
            if isinstance(scorer.calibration, Decision):
                frame[f"{prefix}positive"] = values[:, 0] >= scorer.calibration.threshold
        judged = self._judge(table)
        return frame if judged is None else frame.join(judged[["unlike", "unlike_reason"]], on="patient_id")

    def refuse_features(self, preset: Mapping[str, Any], columns: Iterable[str]) -> None:
        """Refuse features that the model cannot use: see the function of this name."""
        refuse_features(preset, columns, own=self.manifest["preset"], needed=self.columns)

    def explain(self, table: FeatureTable) -> pd.DataFrame:
        """Return what each feature adds to the uncalibrated score of each patient; see ``ccrcc_model.models.explanation``.

        Returns:
            One row per patient, one column per feature; ``explanation.grouped`` adds up what belongs together.

        Raises:
            InputError: As ``predict_patients``.
        """
        return contributions(self._cases(table), self.ensemble)

    def _cases(self, table: FeatureTable) -> Cases:
        refuse_table(table, preset=self.manifest["preset"], columns=self.columns, patients=self.patients)
        rows = table.index_lesions().rows
        patients, centres = (rows[key].to_numpy(dtype=np.str_) for key in ("patient_id", "centre"))
        return Cases(self.columns, feature_matrix(rows, self.columns), patients, centres)

    def _predict(self, study: Study, cohort: str | None, scorer: Scorer) -> AnyPredictions:
        table, name = one_cohort(study.table, cohort)
        everyone = self._cases(table)  # also whose outcome is missing: a transductive harmonisation learns from all
        narrow = FeatureTable(table.rows[[*KEYS, *self.columns]], table.provenance)
        cases = label(narrow, study.outcomes, self.target, allow_one_class=True)
        judged = self._judge(narrow)
        return predictions_of(
            self.target,
            name,
            patients=cases.patients,
            centre=cases.patient_centre,
            truth=cases.patient_y,
            predicted=scorer.predicted(everyone, self.target.levels)[np.searchsorted(everyone.patients, cases.patients)],
            abstained=None if judged is None else judged["unlike"].reindex(cases.patients).to_numpy(dtype=np.bool_),
        )

    def _judge(self, table: FeatureTable) -> pd.DataFrame | None:
        """Whether each patient is unlike those of the development, in what the members see of the table."""
        return None if self.domain is None else self.domain.judge(with_components(table, self.members))


def load_model(folder: AnyPath) -> Model:
    """Read a model folder of any kind.

    Raises:
        InputError: As ``Model.load``.

    Example:
        >>> import ccrcc_model as cc
        >>> cc.load_model("models/grade").target.rule
        'isup_grade >= 3'
    """
    return Model.load(folder)


def _out_of_fold(frame: pd.DataFrame, cohort: str, target: Target, prefix: str) -> AnyPredictions:
    numbers: list[npt.NDArray[np.float64]] = [
        np.array(frame[f"{prefix}{name}"].tolist(), dtype=np.float64) for name in ("score", *value_columns(target))
    ]
    truth = np.array(frame[truth_column(target)].tolist(), dtype=np.float64)
    return predictions_of(
        target,
        cohort,
        patients=frame["patient"].to_numpy(dtype=np.str_),
        centre=frame["centre"].to_numpy(dtype=np.str_),
        truth=truth.astype(np.int_) if target.kind == "binary" else truth,
        predicted=np.column_stack(numbers),
    )
