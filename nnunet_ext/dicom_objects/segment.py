"""A segment: a structure, or one of several of its kind, among the values of a label map."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnunet_ext.ground.errors import CaseRefused
from nnunet_ext.ground.labels import STRUCTURES

Labels = npt.NDArray[np.unsignedinteger[Any]]
"""Shape (z, y, x)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A structure, or one of several of its kind, in a label map.

    Args:
        value: Of its voxels.
        structure: ``kidney``, ``tumour``, ``cyst`` or ``mass``.
        name: That a viewer shows, such as ``Tumour 2``; no two have the same.
    """

    value: int
    structure: str
    name: str


ONE_EACH = tuple(Segment(int(label), structure, structure.capitalize()) for structure, label in STRUCTURES.items())
"""A segment for each structure, of a mask that holds ``Label`` values."""


def held_segments(labels: Labels, segments: Sequence[Segment]) -> list[Segment]:
    """Return the segments that a label map holds, in the order of their values.

    Raises:
        CaseRefused: ``unknown-label`` if no segment has a value of the map, ``mask-empty`` if it holds none.
    """
    held = [value for value in range(1, int(labels.max()) + 1) if (labels == value).any()]
    known = {one.value: one for one in segments}
    if foreign := [value for value in held if value not in known]:
        reason = f"the mask holds the value {foreign[0]}; segments are known for {', '.join(map(str, known))}"
        raise CaseRefused("unknown-label", reason)
    if not held:
        raise CaseRefused("mask-empty", "the mask labels no voxel, so there is nothing to write")
    return [known[value] for value in held]
