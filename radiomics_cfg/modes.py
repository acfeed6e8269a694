"""How features can be computed, and in which orientation; light, as every table knows it."""

from typing import Literal, get_args

from nnunet_ext.scans.orientation import CANONICAL

Mode = Literal["canonical", "pyradiomics"]
"""How a table's values were computed; tables of two modes are never mixed.

``canonical``: an image is filtered once for all regions, with as much of the scan around them as the filter needs to converge.
``pyradiomics``: each region has a crop of its own, as PyRadiomics cuts it, and LoG depends on how far that is padded.
"""

MODES: tuple[Mode, ...] = get_args(Mode)

AS_STORED = "as stored"
ORIENTATIONS: dict[Mode, str] = {"canonical": CANONICAL, "pyradiomics": AS_STORED}
"""Where a scan's axes run to when it is measured. PyRadiomics takes them as they are stored, and its values follow that."""
