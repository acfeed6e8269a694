"""How the features of a table were made: tables are combined, and a model scores a table, only if this is the same."""

from collections.abc import Mapping
from typing import Any

from nnunet_ext.ground.errors import InputError
from radiomics_cfg.foreign_table import FOREIGN
from radiomics_cfg.modes import AS_STORED
from radiomics_cfg.table import FeatureTable

OUR_OWN = ("engine", "extraction")
"""Versions of this package's values, which count up."""

VALUE_VERSIONS = (*OUR_OWN, "pyradiomics")
"""Versions in a table's provenance that rise when values change; those of libraries rise without that."""

TUMOURS = "tumour"
"""What lesions are where nothing else is stated; ``mass`` of masks that do not distinguish tumours from cysts."""

MadeBy = Mapping[str, Any]
"""``preset``, ``preset_sha256``, ``mode``; where known ``deep_sha256``, ``lesions``, ``orientation`` and ``versions``."""


def made_by(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a provenance states about how values were made.

    The orientation is left out where scans were measured as they are stored, as all were before extraction 4.
    """
    found = {key: provenance.get(key) for key in ("preset", "preset_sha256", "mode")}
    found |= {"deep_sha256": provenance["deep_sha256"]} if "deep_sha256" in provenance else {}
    found |= {"lesions": provenance["lesions"]} if provenance.get("lesions", TUMOURS) != TUMOURS else {}
    if (orientation := provenance.get("orientation", AS_STORED)) != AS_STORED:
        found["orientation"] = orientation
    known = provenance.get("versions", {})
    versions = {name: known[name] for name in VALUE_VERSIONS if name in known}
    return found | ({"versions": versions} if versions else {})


def preset_of(table: FeatureTable) -> dict[str, Any]:
    """Return what a table's features were made by: two tables mix only if it is the same.

    Raises:
        InputError: If the table does not state it.
    """
    if "preset_sha256" not in table.provenance:
        msg = "The feature table does not state which preset made it; make one with `ccrcc extract`"
        raise InputError(msg)
    return made_by(table.provenance)


def other_versions(own: MadeBy, found: MadeBy) -> list[str]:
    """Return which versions differ; what one of the two does not know is not compared."""
    one, other = own.get("versions", {}), found.get("versions", {})
    return [name for name in VALUE_VERSIONS if name in one and name in other and one[name] != other[name]]


def refuse_other_origin(own: MadeBy, found: MadeBy) -> None:
    """Refuse features that were made otherwise than those that a model was fitted on.

    Raises:
        InputError: If preset, mode, orientation, network or the version of the values is another.
    """
    refuse_other_lesions(own, found)
    ours, theirs = ({key: value for key, value in one.items() if key != "versions"} for one in (own, found))
    if ours == theirs and not other_versions(own, found):
        return
    remedy = "extract it again"
    if _is_of_before(own, found):
        remedy = "extract the development cohort again and fit the model to that"
    msg = f"The model was fitted on features of preset {_name(own)}, the table holds {_name(found)}; {remedy}"
    raise InputError(msg)


def refuse_other_lesions(own: MadeBy, found: MadeBy) -> None:
    """Refuse masses for a model of tumours, and tumours for a model of masses.

    Raises:
        InputError: If so.
    """
    ours, theirs = (one.get("lesions", TUMOURS) for one in (own, found))
    if ours == theirs:
        return
    if theirs == "mass":
        msg = (
            "The model was fitted on tumours, and these lesions are masses, in which tumours and cysts are not distinguished; "
            "use masks that distinguish them, or declare the masses to be tumours in the labels (tumour=…)"
        )
    else:
        msg = "The model was fitted on masses, in which tumours and cysts are not distinguished, and these lesions are tumours"
    raise InputError(msg)


def _is_of_before(own: MadeBy, found: MadeBy) -> bool:
    """Tell whether a model is older than features that are else what it was fitted on."""
    if any(own.get(key) != found.get(key) for key in ("preset", "preset_sha256", "mode", "deep_sha256")):
        return False
    newer = [
        int(found["versions"][name]) > int(own["versions"][name]) for name in other_versions(own, found) if name in OUR_OWN
    ]
    return any(newer) or "orientation" not in own


def _name(one: MadeBy) -> str:
    if one["preset"] == FOREIGN:
        return f"{FOREIGN} (a table made elsewhere, whose preset is not known)"
    known = [str(one["preset_sha256"])[:8], str(one["mode"])]
    known += ["of masses"] if one.get("lesions", TUMOURS) != TUMOURS else []
    known += [f"deep features {one['deep_sha256'][:8]}"] if "deep_sha256" in one else []
    known += [f"turned to {one['orientation']}"] if "orientation" in one else []
    known += [f"{name} {version}" for name, version in one.get("versions", {}).items()]
    return f"{one['preset']} ({', '.join(known)})"
