"""Regions of a mask file and their interpretation, by name, codes, and the user's definitions."""

from collections.abc import Mapping
from dataclasses import dataclass

from nnunet_ext.dicom_masks.codes import SILENT
from nnunet_ext.dicom_masks.structure_names import Reading, masked, normalised, read_name, tokens, version_of

LONGEST_DESCRIPTION = 5
"""Words; a longer one is prose, which may mention anything."""


@dataclass(frozen=True, slots=True)
class Region:
    """A segment of a SEG, or a region of interest of an RTSTRUCT.

    Args:
        number: Within its file.
        name: As far as it may be written; see ``masked``.
        structure: Its interpretation; None if it is ignored.
        why: Why, in words.
        user: The user's name of it in ``--structures``, if that decided.
        version: Words of its name that distinguish several drawings of the same structure.
    """

    number: int
    name: str
    structure: str | None
    why: str
    user: str | None = None
    version: tuple[str, ...] = ()


def region_of(
    number: int,
    name: str,
    structures: Mapping[str, str | None],
    *,
    kind: Reading = SILENT,
    place: Reading = SILENT,
    description: str = "",
) -> Region:
    """Decide what a region is.

    Args:
        number: Within its file.
        name: Label or name.
        structures: The user's structures by normalised name; they take precedence over everything else.
        kind: Meaning of its type.
        place: Meaning of its anatomic region.
        description: Further words.
    """
    plain = normalised(name)
    if plain in structures:
        return Region(number, masked(name), structures[plain], "as --structures says", plain)
    said = _with_description(read_name(name), description)
    structure, why = _agreed(said, kind, place)
    return Region(number, masked(name), structure, why, version=version_of(name))


def _with_description(said: Reading, description: str) -> Reading:
    """Read the description if the name is uninformative; a short one may contradict the name."""
    more = read_name(description)
    if said.certainty == "silent" or not description:
        return more if description else said
    short = len(tokens(description)) <= LONGEST_DESCRIPTION
    if short and said.structure is not None and more.certainty in {"sure", "other"} and more.structure != said.structure:
        return Reading(None, "other", f"its description: {more.why or f'a {more.structure}'}")
    return said


def _agreed(said: Reading, kind: Reading, place: Reading) -> tuple[str | None, str]:
    if said.certainty == "other":
        return None, said.why
    for codes, what in ((kind, "type"), (place, "anatomic region")):
        if codes.certainty == "other":
            return None, f"its {what}: {codes.why}"
    if kind.structure is None:
        return _by_name(said)
    if said.structure is None:
        return kind.structure, f"by its type, for {said.why}"
    if kind.structure == said.structure:
        return said.structure, "name and type agree"
    return _both(said, kind)


def _both(said: Reading, kind: Reading) -> tuple[str | None, str]:
    """Decide between a name and a type of two structures."""
    if said.certainty == "doubtful":
        return None, said.why
    if kind.structure == "kidney":
        return said.structure, "by its name; its type is the organ that it lies in"
    if {kind.structure, said.structure} == {"tumour", "cyst"} and (kind.lesion or said.lesion):
        return "cyst", "a lesion that is a cyst, by its name and its type"
    return None, f"named {said.structure}, typed {kind.structure}"


def _by_name(said: Reading) -> tuple[str | None, str]:
    if said.certainty == "sure":
        return said.structure, said.why or "by its name"
    return None, said.why
