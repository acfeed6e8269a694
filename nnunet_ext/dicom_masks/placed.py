"""The regions of one mask file on the grid of a scan."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nnunet_ext.dicom_masks.regions import Region

Mask = npt.NDArray[np.bool_]


@dataclass
class Placed:
    """The content of a mask file. As one volume per region would not fit into memory, regions of a structure share one.

    Args:
        shape: Of the scan, along z, y, x.
        said: Of the file, such as its type.
        volumes: By structure.
        voxels: By the region's number.
        notes: By the region's number, what is to be said of it.
    """

    shape: tuple[int, int, int]
    said: str = ""
    volumes: dict[str, Mask] = field(default_factory=dict)
    voxels: dict[int, int] = field(default_factory=dict)
    notes: dict[int, list[str]] = field(default_factory=dict)

    def volume(self, structure: str) -> Mask:
        """Return the volume of a structure, to draw in."""
        if structure not in self.volumes:
            self.volumes[structure] = np.zeros(self.shape, bool)
        return self.volumes[structure]

    def count(self, structure: str) -> int:
        """Return the voxels of a structure."""
        return int(self.volumes[structure].sum()) if structure in self.volumes else 0


def ours(regions: tuple[Region, ...]) -> Mapping[int, str]:
    """Return the structures of the regions that are taken as one, by the region's number."""
    return {region.number: region.structure for region in regions if region.structure is not None}
