"""Requirements of a model on the feature table that it scores."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ccrcc_model.models.made_by import preset_of, refuse_other_origin
from ccrcc_model.outcomes.seen import patient_hashes
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.table import FeatureTable


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
        preset: Preset of the features that the model was fitted on.
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
