"""What the members of a model see of a feature table: its features, and components in place of its deep features.

Each member has a projection of its own, so that component 1 of one member is another feature than component 1 of the next;
here a component is named after its member too. Without deep features a table stays as it is.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ccrcc_model.models.member import Member
from ccrcc_model.outcomes.cases import Cases, feature_matrix
from radiomics_cfg.table import FeatureTable


def input_names(members: Sequence[Member]) -> tuple[str, ...]:
    """Return the features that members chose, such as ``<component>__member_00``; no deep feature is among them.

    A ridge chooses nothing: it has every feature, and is left out.
    """
    found = []
    for place, member in enumerate(members):
        if member.family == "ridge":
            continue
        components = {name for one in member.projections for name in one.names}
        found += [_of_member(name, place) if name in components else name for name in member.inputs]
    return tuple(dict.fromkeys(found))


def with_components(table: FeatureTable, members: Sequence[Member]) -> FeatureTable:
    """Return a table that also holds the components that the members see, of its index lesions.

    Args:
        table: Holds the deep features of the members' projections.
        members: Members of a model.

    Raises:
        InputError: If a deep feature is infinite.
    """
    projections = [(place, one) for place, member in enumerate(members) for one in member.projections]
    if not projections:
        return table
    rows = table.index_lesions().rows
    sources = tuple(dict.fromkeys(column for _, one in projections for column in one.sources))
    patients, centres = (rows[key].to_numpy(dtype=np.str_) for key in ("patient_id", "centre"))
    cases = Cases(sources, feature_matrix(rows, sources), patients, centres)
    columns = {
        _of_member(name, place): values
        for place, one in projections
        for name, values in zip(one.names, one.components(cases).T, strict=True)
    }
    return replace(table, rows=pd.concat([rows, pd.DataFrame(columns, index=rows.index)], axis=1))


def _of_member(component: str, place: int) -> str:
    return f"{component}__member_{place:02d}"
