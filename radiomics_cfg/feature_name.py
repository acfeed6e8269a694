"""The name of a feature column in its parts: region, scale, image filter, family and feature."""

from dataclasses import dataclass
from typing import Self

OTHER = "other"
"""Stands for each part of a name that has none."""


@dataclass(frozen=True, slots=True)
class FeatureName:
    """A feature's name in its parts: ``<region>__<scale>__<image filter>_<family>_<feature>``.

    Args:
        region: Such as ``"tumour"`` or ``"shell_0_3mm_fat"``; ``"other"`` where a name has no such parts.
        scale: Such as ``"1mm"``.
        image: Filter of the image, such as ``"original"`` or ``"wavelet-LLH"``.
        family: Class of the feature, such as ``"glcm"``.
        name: Of the feature itself, such as ``"Contrast"``; all of it where a name has no such parts.

    Example:
        >>> name = FeatureName.of("tumour__1mm__wavelet-LLH_glcm_Contrast")
        >>> name.region, name.image, name.family, name.name
        ('tumour', 'wavelet-LLH', 'glcm', 'Contrast')
        >>> str(name)
        'tumour__1mm__wavelet-LLH_glcm_Contrast'
    """

    region: str
    scale: str
    image: str
    family: str
    name: str

    @classmethod
    def of(cls, name: str) -> Self:
        """Return the parts of a name."""
        region, _, rest = name.partition("__")
        scale, _, feature = rest.partition("__")
        image, _, rest = feature.partition("_")
        family, _, own = rest.partition("_")
        return cls(region, scale, image, family, own) if family else cls(OTHER, OTHER, OTHER, OTHER, name)

    def __str__(self) -> str:
        if (self.region, self.family) == (OTHER, OTHER):
            return self.name
        return f"{self.region}__{self.scale}__{self.pyradiomics}"

    @property
    def pyradiomics(self) -> str:
        """The name without region and scale, as PyRadiomics has it."""
        return f"{self.image}_{self.family}" + (f"_{self.name}" if self.name else "")

    @property
    def is_tumour_volume(self) -> bool:
        """Whether it is the volume of the tumour in mm³, or of the mass, of the mesh or of the voxels."""
        return self.region in ("tumour", "mass") and self.pyradiomics in VOLUMES


VOLUMES = ("original_shape_MeshVolume", "original_shape_VoxelVolume")
"""PyRadiomics' names of a region's volume in mm³, the preferred one first."""
