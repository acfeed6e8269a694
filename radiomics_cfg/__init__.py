"""From masks to a feature table: regions of interest, presets, extraction."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radiomics_cfg.backends.extractor import Extractor

__all__ = ["Extractor"]


def __getattr__(name: str) -> Any:
    """Import ``Extractor`` when it is asked for: numba takes a second to start."""
    if name == "Extractor":
        from radiomics_cfg.backends.extractor import Extractor  # noqa: PLC0415

        return Extractor
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
