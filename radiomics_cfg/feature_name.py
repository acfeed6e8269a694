"""What a feature's name tells: its region, scale, image filter and family."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FeatureName:
    """A feature's name in its parts: ``<region>__<scale>__<image type>_<family>_<name>``.

    Args:
        region: Such as ``"tumour"`` or ``"shell_0_3mm_fat"``; ``"other"`` where a name has no such parts.
        scale: Such as ``"1mm"``.
        image: Filter of the image, such as ``"original"`` or ``"wavelet-LLH"``.
        family: Class of the feature, such as ``"glcm"``.
    """

    region: str
    scale: str
    image: str
    family: str

    @classmethod
    def of(cls, name: str) -> "FeatureName":
        """Return the parts of a name."""
        region, _, rest = name.partition("__")
        scale, _, feature = rest.partition("__")
        image, _, rest = feature.partition("_")
        family = rest.partition("_")[0]
        return cls(region, scale, image, family) if family else cls("other", "other", "other", "other")
