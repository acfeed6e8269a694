"""From a cohort on disk to masks: cohort cards, the gate, phantoms, nnU-Net training and segmentation.

Importing this package runs nothing, because nnU-Net's plugin hook imports it at every interpreter start: a name is imported
from its module when it is first asked for.
"""

from nnunet_ext.ground.lazy_names import attribute_of, names_of

TYPE_CHECKING = False  # that of typing, without its import
if TYPE_CHECKING:
    from nnunet_ext.cohort.cards import load_cohort, save_cohort
    from nnunet_ext.ground.case import Case, Cohort, Role
    from nnunet_ext.mask_overlap import overlap
    from nnunet_ext.scans.geometry import check_cohort
    from nnunet_ext.segmentation import segment
    from nnunet_ext.thick_slices import thicken

__all__ = ["Case", "Cohort", "Role", "check_cohort", "load_cohort", "overlap", "save_cohort", "segment", "thicken"]

_HOMES = {
    "Case": "ground.case",
    "Cohort": "ground.case",
    "Role": "ground.case",
    "check_cohort": "scans.geometry",
    "load_cohort": "cohort.cards",
    "overlap": "mask_overlap",
    "save_cohort": "cohort.cards",
    "segment": "segmentation",
    "thicken": "thick_slices",
}
"""Module of each public name."""


def __getattr__(name: str) -> object:
    return attribute_of(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return names_of(__name__, _HOMES)
