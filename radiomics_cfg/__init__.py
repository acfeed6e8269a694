"""From masks to a feature table: regions of interest, presets, extraction.

A name is imported from its module when it is first asked for, because numba and pandas take a second to start.
"""

from typing import TYPE_CHECKING

from nnunet_ext.ground.lazy_names import attribute_of, names_of

if TYPE_CHECKING:
    from radiomics_cfg.backends.extractor import Extractor
    from radiomics_cfg.contour_stability import stability
    from radiomics_cfg.extraction import extract
    from radiomics_cfg.feature_name import FeatureName
    from radiomics_cfg.preset import load_preset
    from radiomics_cfg.runs.compaction import compact
    from radiomics_cfg.table import FeatureTable

__all__ = ["Extractor", "FeatureName", "FeatureTable", "compact", "extract", "load_preset", "stability"]

_HOMES = {
    "Extractor": "backends.extractor",
    "FeatureName": "feature_name",
    "FeatureTable": "table",
    "compact": "runs.compaction",
    "extract": "extraction",
    "load_preset": "preset",
    "stability": "contour_stability",
}
"""Module of each public name."""


def __getattr__(name: str) -> object:
    return attribute_of(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return names_of(__name__, _HOMES)
