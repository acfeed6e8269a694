"""The measurement of a case: the one interface of extraction, stability and deep features to the cache and to every scale."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nnunet_ext.ground.case import Case, Labels

CodeAndReason = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Made:
    """What came of measuring one case.

    Args:
        values: Shape ``(n_rows, n_columns)``, NaN where missing; no row if the case was refused.
        said: Further statements of the result file, apart from how they were made; JSON.
        refusal: Why there are none.
    """

    values: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    said: Mapping[str, Any] = field(default_factory=dict)
    refusal: CodeAndReason | None = None


class Recipe(Protocol):
    """All that what is kept of a case depends on besides its image and mask, and how it is made.

    It travels to worker processes and to other machines, so it has to be picklable.
    """

    @property
    def stage(self) -> str:
        """Name of this in refusals."""

    @property
    def labels(self) -> Labels:
        """Value in the mask files for each structure."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions that the values depend on, of the process that made the recipe."""

    @property
    def nothing(self) -> Made:
        """Content that is kept for a refused case in addition to the reason."""

    def versions_here(self) -> Mapping[str, str]:
        """Return the same versions of the present process."""

    def columns(self) -> list[str]:
        """Return the names of the columns of values; an ``InputError`` states what cannot be computed."""

    def file(self, folder: Path, image_sha256: str, mask_sha256: str) -> Path:
        """Return where the result of an image and a mask belongs: its name is a hash of all that it depends on."""

    def about(self) -> dict[str, Any]:
        """Return what a result file states about how it was made."""

    def get_ready(self) -> None:
        """Load what the first case would wait for."""

    def measure(self, case: Case) -> Made:
        """Measure a case; whatever is raised refuses this case alone, but for an ``InputError``."""

    def is_sound(self, values: npt.NDArray[np.float64], about: Mapping[str, Any]) -> bool:
        """Whether values, and what is said of them, are a whole result of this recipe."""
