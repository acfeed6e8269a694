"""The applicability domain of a model: which patients are enough like the development patients to be predicted.

A patient is unlike if its features lie farther from the development cases than all but a few development patients lie from
the others, if more of its features are missing than of any development case, or if a scan was acquired in a way that was not
seen in development. Only summaries of the development cases are kept: medians, spreads, a covariance, ranges.

References:
    Sahigara et al. 2012, doi:10.3390/molecules17054791 (applicability domains); and those of ``ccrcc_model.models.distance``.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from ccrcc_model.models.acquisition import MOST, AcquisitionRange
from ccrcc_model.models.distance import FeatureDistance, Values, distance_limit, farthest, left_out_distances
from ccrcc_model.models.weighted import weighted_mean
from ccrcc_model.outcomes.cases import feature_matrix
from radiomics_cfg.table import KEYS, FeatureTable

DECLINED = 0.04
"""Share of patients from the development population that lie beyond the distance; what acquisition and missing features add
keeps it near 5% in all."""

DECIMALS = 9
"""Of the covariance of standardised features in the file, whose eigenvalues are shrunken away from 0."""


@dataclass(frozen=True, eq=False)
class ApplicabilityDomain:
    """What the development patients were like.

    Args:
        distance: In the space of the model's features.
        limit: Distance beyond which a patient is unlike.
        declined: Share of patients from the same population that lie beyond it.
        most_missing: Largest number of missing features of a development case.
        acquisition: How their scans were acquired.
    """

    distance: FeatureDistance
    limit: float
    declined: float
    most_missing: int
    acquisition: AcquisitionRange

    @classmethod
    def fit(cls, table: FeatureTable, columns: Sequence[str], patients: npt.NDArray[np.str_]) -> Self:
        """Fit on the development patients.

        Args:
            table: Features of development cohorts.
            columns: The model's features; of these, the ones that vary and are known for most patients are compared.
            patients: The patients that the model was fitted on.
        """
        rows = _sorted_rows(table, columns)
        rows = rows[rows["patient_id"].isin(patients)]
        weight = 1.0 / rows.groupby("patient_id")["case_id"].transform("size").to_numpy(dtype=np.float64)
        share = weighted_mean(rows[list(columns)].notna().to_numpy(dtype=np.float64), weight)
        known = dict(zip(columns, share.tolist(), strict=True))
        names = [name for name in columns if rows[name].nunique() > 1 and known[name] > MOST]
        values = feature_matrix(rows, names)
        with threadpool_limits(1):  # sums then have one order, whatever the number of cores
            distances = left_out_distances(values, rows["patient_id"].to_numpy(dtype=np.str_), names)
            distance = FeatureDistance.fit(values, names, weight=weight)
        limit, declined = distance_limit(distances, declined=DECLINED)
        most_missing = int(np.isnan(values).sum(axis=1).max())
        return cls(distance, limit, declined, most_missing, AcquisitionRange.of(_scans(table, rows)))

    def judge(self, table: FeatureTable) -> pd.DataFrame:
        """Tell of each patient whether it is unlike, and why.

        Args:
            table: Holds the features of ``distance``. Of several cases of a patient, any that is unlike makes the patient so.

        Returns:
            ``distance``, ``unlike`` and ``unlike_reason`` (empty if alike), indexed by ``patient_id`` in its order.
        """
        rows = _sorted_rows(table, self.distance.names)
        values = feature_matrix(rows, self.distance.names)
        patients, place = np.unique(rows["patient_id"].to_numpy(dtype=np.str_), return_inverse=True)
        contributions = self.distance.contributions(values)
        distances = self.distance.distances(values)
        reasons: list[list[str]] = [[] for _ in patients]
        for row, scan in enumerate(_scans(table, rows)):
            found = [*self._of_features(values[row], contributions[row], distances[row]), *self.acquisition.reasons(scan)]
            reasons[place[row]] += [reason for reason in found if reason not in reasons[place[row]]]
        return pd.DataFrame(
            {
                "distance": farthest(distances, place, len(patients)),
                "unlike": [bool(found) for found in reasons],
                "unlike_reason": pd.Series(["; ".join(found) for found in reasons], index=patients, dtype="str"),
            },
            index=pd.Index(patients, name="patient_id"),
        )

    def _of_features(self, values: Values, contributions: Values, distance: float) -> list[str]:
        found = []
        if distance > self.limit:
            first = self.distance.names[int(contributions.argmax())]
            found.append(
                f"features unlike those of development: distance {distance:.3g}, limit {self.limit:.3g}, most in {first}"
            )
        if (missing := int(np.isnan(values).sum())) > self.most_missing:
            found.append(f"{missing} of {len(values)} features missing, seen at most {self.most_missing}")
        return found

    def to_json(self) -> str:
        """Return the text of the model folder's file."""
        distance = self.distance
        lower = [np.round(row[: place + 1], DECIMALS).tolist() for place, row in enumerate(distance.covariance)]
        content = {
            "limit": self.limit,
            "declined": self.declined,
            "most_missing": self.most_missing,
            "acquisition": {"ranges": dict(self.acquisition.ranges), "phases": self.acquisition.phases},
            "features": distance.names,
            "median": distance.median.tolist(),
            "spread": distance.spread.tolist(),
            "mean": distance.mean.tolist(),
            "covariance_lower": lower,
        }
        return json.dumps(content, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the domain that ``to_json`` wrote."""
        content: dict[str, Any] = json.loads(text)
        names = tuple(content["features"])
        covariance = np.zeros((len(names), len(names)))
        covariance[np.tril_indices(len(names))] = np.concatenate(content["covariance_lower"])
        covariance = covariance + np.tril(covariance, -1).T
        median, spread, mean = (np.array(content[key], dtype=np.float64) for key in ("median", "spread", "mean"))
        acquisition = content["acquisition"]
        ranges = {name: (low, high) for name, (low, high) in acquisition["ranges"].items()}
        return cls(
            FeatureDistance(names, median, spread, mean, covariance),
            content["limit"],
            content["declined"],
            content["most_missing"],
            AcquisitionRange(ranges, tuple(acquisition["phases"])),
        )


def acquisition_range(table: FeatureTable, patients: npt.NDArray[np.str_]) -> AcquisitionRange:
    """Return how the scans of some of a table's patients were acquired."""
    rows = _sorted_rows(table)
    return AcquisitionRange.of(_scans(table, rows[rows["patient_id"].isin(patients)]))


def _sorted_rows(table: FeatureTable, names: Sequence[str] = ()) -> pd.DataFrame:
    """Return some features of the index lesions by patient and case, so that the order of a table's rows does not matter."""
    rows = table.index_lesions().rows[[*KEYS, *names]]
    return rows.assign(patient_id=rows["patient_id"].astype("str")).sort_values(["patient_id", "case_id"])


def _scans(table: FeatureTable, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the acquisition of the scan of each row, as the table's provenance states it."""
    known = table.provenance.get("cases", {})
    return [known.get(str(case), {}).get("acquisition", {}) for case in rows["case_id"]]
