"""A locked model: what ``fit`` made, kept in a folder without pickle, ready to predict patients that it never saw."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from ccrcc_model.models.combat import ComBat
from ccrcc_model.models.components import projections_from_json
from ccrcc_model.models.domain import ApplicabilityDomain
from ccrcc_model.models.explanation import Explanation, GroupShare, contributions
from ccrcc_model.models.folder import read_model_folder
from ccrcc_model.models.made_by import made_by, refuse_other_origin
from ccrcc_model.models.member import Member
from ccrcc_model.models.member_inputs import with_components
from ccrcc_model.models.scan_prints import ScanPrints
from ccrcc_model.models.soundness import check_model
from ccrcc_model.models.start import LinearStart
from ccrcc_model.models.threshold import Decision
from ccrcc_model.models.volume import VolumeModel
from ccrcc_model.outcomes.seen import patient_hashes
from ccrcc_model.outcomes.target import Cases, Target, feature_matrix, label
from ccrcc_model.statistics.estimate import Estimate, format_difference
from ccrcc_model.statistics.predictions import Predictions
from nnunet_ext.documents.csv_table import parse_csv
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import KEYS, FeatureTable

PIPELINE, DECISIONS, OUT_OF_FOLD, IMPORTANCE, EXPLANATION, STEPS, DOMAIN, SCANS = (
    "pipeline.json",
    "decisions.json",
    "out_of_fold.csv",
    "importance.json",
    "explanation.json",
    "steps.json",
    "applicability.json",
    "scans.json",
)
"""The files of a model folder besides the manifest and, of each member, the trees and the projections of deep features."""

_FEATURE = ("name", "typical", "centre", "spread", "weight")
"""What the pipeline's file holds of each feature of a member."""


@dataclass(frozen=True, slots=True)
class Importance:
    """How much a feature moves the model.

    Args:
        feature: Its name in the feature table.
        log_odds: Mean absolute contribution to the log odds over the development patients and the members.
        share: The same as a share of all features'.
        members: Members whose filter kept the feature, of all.
    """

    feature: str
    log_odds: float
    share: float
    members: int


@dataclass(frozen=True, eq=False)
class Model:
    """A locked model of one target with its baseline.

    Args:
        id: SHA-256 of the manifest; names this model and no other.
        manifest: Target, settings, versions, provenance, figures of the development, and the hashes of all files.
        target: What is predicted.
        members: Their mean log odds are the model's score.
        decision: Calibration and threshold of the score.
        baseline: Tumour volume alone, fitted on all development patients.
        baseline_decision: Calibration and threshold of the baseline.
        importance: The features that matter most, in that order.
        out_of_fold: Predictions of the development patients by models that never saw them, named by their hashes.
        baseline_out_of_fold: The same of the baseline, through the same folds.
        patients: Hashes of the development patients.
        explanation: What groups of features move the model, and whether the outer folds agree.
        domain: What these patients were like.
        scans: Prints of their scans, by which these are recognised under another name.
    """

    id: str
    manifest: Mapping[str, Any]
    target: Target
    members: tuple[Member, ...]
    decision: Decision
    baseline: VolumeModel
    baseline_decision: Decision
    importance: tuple[Importance, ...]
    out_of_fold: Predictions
    baseline_out_of_fold: Predictions
    patients: frozenset[str]
    explanation: Explanation
    domain: ApplicabilityDomain
    scans: ScanPrints

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder, refusing it if a single byte of it is not what was locked.

        Raises:
            InputError: If a file is missing, changed or extra, if a newer version wrote it, or if what is sealed is not sound.
        """
        model_id, manifest, files = read_model_folder(folder)
        return check_model(folder, manifest, files, lambda: cls._of(model_id, manifest, files))

    @classmethod
    def _of(cls, model_id: str, manifest: Mapping[str, Any], files: Mapping[str, str]) -> Self:
        pipeline, decisions = json.loads(files[PIPELINE]), json.loads(files[DECISIONS])
        seen = frozenset(manifest["patients"])
        target = Target(**manifest["target"])
        frame = parse_csv(files[OUT_OF_FOLD], OUT_OF_FOLD)
        cohort = " + ".join(manifest["cohorts"])
        return cls(
            id=model_id,
            manifest=manifest,
            target=target,
            members=tuple(load_member(member, files) for member in pipeline["members"]),
            decision=Decision(**decisions["model"]),
            baseline=VolumeModel(**pipeline["baseline"], seen=seen),
            baseline_decision=Decision(**decisions["baseline"]),
            importance=tuple(Importance(**entry) for entry in json.loads(files[IMPORTANCE])),
            out_of_fold=_out_of_fold(frame, cohort, target, "probability"),
            baseline_out_of_fold=_out_of_fold(frame, cohort, target, "baseline_probability"),
            patients=seen,
            explanation=_explanation(json.loads(files[EXPLANATION])),
            domain=ApplicabilityDomain.from_json(files[DOMAIN]),
            scans=ScanPrints.from_json(files[SCANS]),
        )

    @property
    def headline(self) -> str:
        """One sentence: does it tell the classes apart better than tumour volume alone, out-of-fold?"""
        figures = {name: Estimate(**self.manifest["development"][name]) for name in ("auc", "baseline_auc", "auc_difference")}
        apart = figures["auc_difference"]
        verdict = "beats" if apart.low is not None and apart.low > 0 else "does not beat"
        return (
            f"Model {self.id[:12]} of {self.target.rule} {verdict} tumour volume alone: AUC {figures['auc']} against "
            f"{figures['baseline_auc']}, difference {format_difference(apart)}, out-of-fold"
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Every feature that predicting needs."""
        return columns_of(self.members)

    def predict(self, table: FeatureTable, outcomes: pd.DataFrame, *, cohort: str | None = None) -> Predictions:
        """Predict the patients of a cohort that the model never saw; those without a value of the target are left out.

        Only the index lesion of each case is scored, as only it was fitted on: see ``label``.

        Args:
            table: Features of the same preset.
            outcomes: As ``read_outcomes`` gives them.
            cohort: Which of the table's cohorts; may be left out if it holds one.

        Raises:
            InputError: If a patient is one of the development's, the preset is another, columns are missing, or a patient
                has no row in the outcomes.
        """
        return self._predict(table, outcomes, cohort, baseline=False)

    def predict_baseline(self, table: FeatureTable, outcomes: pd.DataFrame, *, cohort: str | None = None) -> Predictions:
        """Predict the same patients, in the same order, by tumour volume alone.

        Raises:
            InputError: As ``predict``.
        """
        return self._predict(table, outcomes, cohort, baseline=True)

    def predict_proba(self, table: FeatureTable) -> pd.DataFrame:
        """Predict patients whose outcome is not known, each by the index lesion of their cases.

        Returns:
            One row a patient: ``patient_id, centre, probability, positive, baseline_probability, baseline_positive``;
            ``unlike``, whether the patient is so unlike the development patients that the probability should not be
            believed, and ``unlike_reason``, empty if it is not.

        Raises:
            InputError: If a patient is one of the development's, the preset is another, or columns are missing.
        """
        cases = self._cases(table)
        frame = pd.DataFrame({"patient_id": cases.patients, "centre": cases.patient_centre})
        for prefix, baseline in (("", False), ("baseline_", True)):
            decision = self.baseline_decision if baseline else self.decision
            probability = self._probability(cases, baseline=baseline)
            frame[f"{prefix}probability"] = probability
            frame[f"{prefix}positive"] = probability >= decision.threshold
        return frame.join(self._judge(table)[["unlike", "unlike_reason"]], on="patient_id")

    def refuse_features(self, preset: Mapping[str, Any], columns: Iterable[str]) -> None:
        """Refuse features that the model cannot use: see the function of this name."""
        refuse_features(preset, columns, own=self.manifest["preset"], needed=self.columns)

    def explain(self, table: FeatureTable) -> pd.DataFrame:
        """Return what each feature adds to the uncalibrated log odds of each patient; see ``ccrcc_model.models.explanation``.

        Returns:
            One row a patient, one column a feature; ``explanation.grouped`` adds up what belongs together.

        Raises:
            InputError: As ``predict_proba``.
        """
        return contributions(self._cases(table), self.members)

    def _cases(self, table: FeatureTable) -> Cases:
        self._refuse(table)
        rows = table.index_lesions().rows
        return Cases(
            self.columns,
            feature_matrix(rows, self.columns),
            rows["patient_id"].to_numpy(dtype=np.str_),
            rows["centre"].to_numpy(dtype=np.str_),
        )

    def _predict(self, table: FeatureTable, outcomes: pd.DataFrame, cohort: str | None, *, baseline: bool) -> Predictions:
        table, name = one_cohort(table, cohort)
        everyone = self._cases(table)  # also whose outcome is missing: a transductive harmonisation learns from all
        narrow = FeatureTable(table.rows[[*KEYS, *self.columns]], table.provenance)
        cases = label(narrow, outcomes, self.target, allow_one_class=True)
        return Predictions(
            cohort=name,
            target=self.target.name,
            patient_id=cases.patients,
            centre=cases.patient_centre,
            y_true=cases.patient_y,
            y_prob=self._probability(everyone, baseline=baseline)[np.searchsorted(everyone.patients, cases.patients)],
            abstained=self._judge(narrow)["unlike"].reindex(cases.patients).to_numpy(dtype=np.bool_),
        )

    def _probability(self, cases: Cases, *, baseline: bool) -> npt.NDArray[np.float64]:
        """Calibrated probability of each patient."""
        if baseline:
            return self.baseline_decision.probability(patient_score([self.baseline], cases))
        return self.decision.probability(patient_score(self.members, cases))

    def _judge(self, table: FeatureTable) -> pd.DataFrame:
        """Whether each patient is unlike those of the development, in what the members see of the table."""
        return self.domain.judge(with_components(table, self.members))

    def _refuse(self, table: FeatureTable) -> None:
        refuse_table(table, preset=self.manifest["preset"], columns=self.columns, patients=self.patients)


def refuse_features(
    preset: Mapping[str, Any], columns: Iterable[str], *, own: Mapping[str, Any], needed: Sequence[str]
) -> None:
    """Refuse features that a model cannot use.

    Args:
        preset: What they were made by, as ``preset_of`` gives it.
        columns: Their names.
        own: Preset of the features that the model was fitted on.
        needed: Features that the model needs.

    Raises:
        InputError: As ``refuse_other_origin``, or if columns are missing.
    """
    refuse_other_origin(own, preset)
    present = set(columns)
    if missing := [column for column in needed if column not in present]:
        msg = f"The table lacks {len(missing)} of the {len(needed)} features that the model needs, first {missing[0]}"
        raise InputError(msg)


def refuse_table(table: FeatureTable, *, preset: Mapping[str, Any], columns: Sequence[str], patients: frozenset[str]) -> None:
    """Refuse a table that a model cannot score.

    Args:
        table: Features.
        preset: Of the features that the model was fitted on.
        columns: Features that the model needs.
        patients: Hashes of the patients that it was fitted on.

    Raises:
        InputError: As ``refuse_features``, or if a patient is one that the model was fitted on.
    """
    refuse_features(preset_of(table), table.rows.columns, own=preset, needed=columns)
    overlap = patient_hashes(table.rows["patient_id"].astype("str")) & patients
    if overlap:
        msg = (
            f"{len(overlap)} patients of the table were used to fit the model, so it cannot be scored on them; "
            "if they are other people with the same ids, make the ids unique"
        )
        raise InputError(msg)


def columns_of(members: Sequence[Member]) -> tuple[str, ...]:
    """Return every feature that any of the members needs."""
    return tuple(dict.fromkeys(column for member in members for column in member.columns))


def patient_score(models: Sequence[Member | VolumeModel], cases: Cases) -> npt.NDArray[np.float64]:
    """Return the uncalibrated log odds of each of ``cases.patients``, shape ``(n_patients,)``.

    The models' log odds are averaged for each case, the probabilities then over the cases of a patient.
    """
    log_odds = np.mean([model.log_odds(cases) for model in models], axis=0)
    probability = cases.per_patient(np.asarray(expit(log_odds), dtype=np.float64))
    return np.asarray(logit(np.clip(probability, 1e-12, 1 - 1e-12)), dtype=np.float64)


def preset_of(table: FeatureTable) -> dict[str, Any]:
    """Return what a table's features were made by: two tables mix only if it is the same.

    Raises:
        InputError: If the table does not say.
    """
    if "preset_sha256" not in table.provenance:
        msg = "The feature table does not say which preset made it; make one with `ccrcc extract`"
        raise InputError(msg)
    return made_by(table.provenance)


def member_to_json(member: Member, trees: str) -> dict[str, Any]:
    """Return a member as JSON; its trees stand in the file ``trees``, its projections in one named after it."""
    start = member.start
    typical = [None if np.isnan(value) else value for value in member.typical.tolist()]
    columns = (start.names, typical, start.centre.tolist(), start.spread.tolist(), start.weights.tolist())
    features = [dict(zip(_FEATURE, row, strict=True)) for row in zip(*columns, strict=True)]
    harmoniser = member.harmoniser.to_json() if member.harmoniser is not None else None
    content = {"trees": trees, "volume": volume_to_json(start.volume), "features": features, "harmoniser": harmoniser}
    if member.projections:
        content["projections"] = f"projections_{Path(trees).stem.removeprefix('member_')}.json"
    return content


def volume_to_json(volume: VolumeModel) -> dict[str, Any]:
    """Return a volume model as JSON, without whom it saw."""
    return {name: value for name, value in asdict(volume).items() if name != "seen"}


def load_member(content: Mapping[str, Any], files: Mapping[str, str]) -> Member:
    """Return the member that ``member_to_json`` wrote, with its trees and projections from the folder's files."""
    projections = projections_from_json(files[content["projections"]]) if "projections" in content else ()
    names, *numbers = ([feature[key] for feature in content["features"]] for key in _FEATURE)
    typical, centre, spread, weights = (np.array(one, dtype=np.float64) for one in numbers)  # None becomes NaN
    volume = VolumeModel(**content["volume"], seen=frozenset())
    start = LinearStart(volume, tuple(names), centre, spread, weights)
    harmoniser = ComBat.from_json(content["harmoniser"]) if content["harmoniser"] is not None else None
    return Member(start, typical, lgb.Booster(model_str=files[content["trees"]]), frozenset(), harmoniser, projections)


def _explanation(content: Mapping[str, Any]) -> Explanation:
    groups = tuple(GroupShare(**one) for one in content["groups"])
    return Explanation(groups, content["stability"], content["n_folds"])


def _out_of_fold(frame: pd.DataFrame, cohort: str, target: Target, column: str) -> Predictions:
    return Predictions(
        cohort=cohort,
        target=target.name,
        patient_id=frame["patient"].to_numpy(dtype=np.str_),
        centre=frame["centre"].to_numpy(dtype=np.str_),
        y_true=np.array(frame["y_true"].tolist(), dtype=np.int_),
        y_prob=np.array(frame[column].tolist(), dtype=np.float64),
    )


def one_cohort(table: FeatureTable, cohort: str | None) -> tuple[FeatureTable, str]:
    """Return the rows of a cohort and its name, which may be left out if the table holds one.

    Raises:
        InputError: If the table has no such cohort, or several and none was named.
    """
    names = list(dict.fromkeys(table.rows["cohort"].astype("str")))
    if cohort is None and len(names) != 1:
        msg = f"The table holds {len(names)} cohorts ({', '.join(names)}); name the one to predict"
        raise InputError(msg)
    name = names[0] if cohort is None else cohort
    if name not in names:
        msg = f"No cohort {name!r} in the table; it holds {', '.join(names)}"
        raise InputError(msg)
    return FeatureTable(table.rows[table.rows["cohort"].astype("str") == name], table.provenance), name
