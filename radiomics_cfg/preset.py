"""Extraction presets: a folder with ``regions.yaml`` and one plain PyRadiomics parameter file per scale."""

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from nnunet_ext.documents.yaml_file import read_yaml
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import AnyPath

PRESETS = Path(__file__).parent / "presets"
"""The presets that come with the package, a folder each."""

_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
"""Names of scales and regions. Two underscores in a row part the name of a feature column."""


def _is_number(value: object) -> object:
    """Refuse what would be turned into a number: ``true`` into 1, and a text, which is what YAML reads ``1e3`` as."""
    if isinstance(value, bool | str):
        msg = f"a number, such as 25 or 0.5, without quotes; found {value!r}"
        raise ValueError(msg)  # noqa: TRY004 - what pydantic expects of a validator
    return value


Number = Annotated[float, BeforeValidator(_is_number)]
Whole = Annotated[int, BeforeValidator(_is_number)]
Positive = Annotated[Number, Field(gt=0)]
FeatureClass = Literal["firstorder", "shape", "glcm", "glrlm", "glszm", "gldm", "ngtdm"]
Side = Literal["whole", "kidney", "fat"]
Structure = Literal["tumour", "kidney", "kidney_ipsilateral", "kidney_contralateral", "cyst", "mass"]
LesionRule = Literal["merged", "index", "each"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Ring(_Strict):
    """A peritumoral ring by distance from the lesion: beyond ``inner_mm``, up to and with ``outer_mm``.

    Its regions are named ``shell_...``, as the columns of every table since the first.
    """

    inner_mm: Annotated[Number, Field(ge=0)]
    outer_mm: Positive
    sides: Annotated[tuple[Side, ...], Field(min_length=1)]
    """``whole``: all soft tissue and fat. ``kidney``: what the mask labels kidney. ``fat``: fat outside the kidney."""

    @model_validator(mode="after")
    def _has_width(self) -> Self:
        if self.outer_mm <= self.inner_mm:
            msg = f"outer_mm must exceed inner_mm; found {self.inner_mm:g} to {self.outer_mm:g} mm"
            raise ValueError(msg)
        return self

    def region_name(self, side: Side) -> str:
        """Name of one side of this ring, such as ``shell_0_3mm_fat``."""
        whole = f"shell_{self.inner_mm:g}_{self.outer_mm:g}mm".replace(".", "p")
        return whole if side == "whole" else f"{whole}_{side}"


class RegionRules(_Strict):
    """The content of ``regions.yaml``."""

    lesions: LesionRule = "merged"
    """What has a row of its own, is the region ``tumour`` there, and has the rings around it. ``merged``: all tumours of a
    case together. ``index``: the largest. ``each``: every one."""
    structures: tuple[Structure, ...] = ("tumour", "kidney")
    """Regions that are a structure of the mask. A kidney is its parenchyma, without tumours and cysts: of both sides, of the
    lesion's own, of the other one. A preset names the tumour: in a cohort of masses that region is called ``mass``."""
    rings: tuple[Ring, ...] = Field((), validation_alias=AliasChoices("rings", "shells"), serialization_alias="shells")
    """``shells`` is the older spelling, which hashes of results are made with."""
    tissue_hu: tuple[Number, Number] = (-190, 300)
    """Voxels of a ring that are kept. Air lies below; bone above, which is sought outside the kidney label only, because an
    enhanced kidney reaches the same values."""
    fat_hu: tuple[Number, Number] = (-190, -30)
    minimum_voxels: Annotated[Whole, Field(ge=2)] = 30
    """A region with fewer at some scale has missing values there."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.tissue_hu[0] >= self.tissue_hu[1] or self.fat_hu[0] >= self.fat_hu[1]:
            msg = f"tissue_hu and fat_hu go from low to high; found {self.tissue_hu} and {self.fat_hu}"
            raise ValueError(msg)
        if "tumour" in self.structures and "mass" in self.structures:
            msg = "the regions tumour and mass are the same lesion, of masks that distinguish tumours from cysts or do not"
            raise ValueError(msg)
        names = self.names
        if not names or len(set(names)) < len(names):
            msg = f"at least one region, each once; found {', '.join(names) or 'none'}"
            raise ValueError(msg)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all regions, in the order of the table's columns."""
        sides = (ring.region_name(side) for ring in self.rings for side in ring.sides)
        return (*self.structures, *sides)

    @property
    def reach_mm(self) -> float:
        """Distance from the lesion at which the outermost ring ends, 0 without rings."""
        return max((ring.outer_mm for ring in self.rings), default=0.0)


class Setting(_Strict):
    """The settings of a PyRadiomics parameter file that the canonical mode honours, under PyRadiomics' names."""

    bin_width: Positive | None = Field(None, alias="binWidth")
    bin_count: Annotated[Whole, Field(ge=1)] | None = Field(None, alias="binCount")
    spacing_mm: tuple[Number, Number, Number] | None = Field(None, alias="resampledPixelSpacing")
    interpolator: Literal["sitkBSpline", "sitkLinear", "sitkNearestNeighbor"] = "sitkBSpline"
    distances: tuple[Annotated[Whole, Field(ge=1)], ...] | None = None
    weighting_norm: Literal["manhattan", "euclidean", "infinity"] | None = Field(None, alias="weightingNorm")
    symmetrical_glcm: bool | None = Field(None, alias="symmetricalGLCM")
    gldm_a: Annotated[Whole, Field(ge=0)] | None = None
    voxel_array_shift: Number | None = Field(None, alias="voxelArrayShift")
    label: Annotated[Literal[1], BeforeValidator(_is_number)] = 1
    pad_distance: Whole | None = Field(None, alias="padDistance")
    """Read by PyRadiomics itself only: the canonical mode takes the margin that each filter needs."""

    @field_validator("spacing_mm")
    @classmethod
    def _spacing_is_positive(cls, spacing_mm: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
        if spacing_mm is not None and min(spacing_mm) <= 0:
            msg = f"each of the three spacings must exceed 0 mm; found {spacing_mm}"
            raise ValueError(msg)
        return spacing_mm


class ImageType(_Strict):
    """What a parameter file may say about one image type, over and above the settings."""

    sigma: tuple[Annotated[int | float, BeforeValidator(_is_number), Field(gt=0)], ...] | None = None
    """Of LoG, in mm. PyRadiomics writes 1 and 1.0 differently in a feature's name, so neither is turned into the other."""
    wavelet: str | None = None
    level: Annotated[Whole, Field(ge=1)] | None = None
    start_level: Annotated[Whole, Field(ge=0)] | None = None
    bin_width: Positive | None = Field(None, alias="binWidth")
    bin_count: Annotated[Whole, Field(ge=1)] | None = Field(None, alias="binCount")


_ONLY_OF = {"sigma": "LoG", "wavelet": "Wavelet", "level": "Wavelet", "start_level": "Wavelet"}
"""Settings of one image type alone."""


class Parameters(_Strict):
    """A PyRadiomics parameter file.

    Image types are those whose values do not depend on the crop; Square and its like divide by the maximum of the volume.
    """

    setting: Setting = Field(default_factory=lambda: Setting.model_validate({}))
    image_types: dict[Literal["Original", "Wavelet", "LoG"], ImageType] = Field(alias="imageType", min_length=1)
    feature_classes: dict[FeatureClass, tuple[str, ...] | None] = Field(alias="featureClass", min_length=1)

    def as_pyradiomics(self) -> dict[str, Any]:
        """Return the content of the parameter file, as PyRadiomics reads it."""
        content = self.model_dump(by_alias=True, exclude_none=True, mode="json")
        content["featureClass"] = {name: list(asked or ()) for name, asked in self.feature_classes.items()}
        return content

    @field_validator("image_types")
    @classmethod
    def _settings_belong_to_their_filter(cls, image_types: dict[str, ImageType]) -> dict[str, ImageType]:
        for kind, own in image_types.items():
            for name in sorted(own.model_fields_set & _ONLY_OF.keys()):
                if _ONLY_OF[name] != kind:
                    msg = f"{name} is a setting of {_ONLY_OF[name]}, not of {kind}"
                    raise ValueError(msg)
        if "LoG" in image_types:
            sigma = image_types["LoG"].sigma or ()
            if not sigma or len(set(sigma)) < len(sigma):
                msg = f"LoG needs at least one sigma in mm, and each once; found {', '.join(map(str, sigma)) or 'none'}"
                raise ValueError(msg)
        return image_types


@dataclass(frozen=True)
class Scale:
    """One resampling scale: its name, which is that of its file, and how features are computed on it."""

    name: str
    parameters: Parameters


@dataclass(frozen=True)
class Preset:
    """What is measured, and on which scales.

    Args:
        name: Name of the preset's folder.
        regions: Where features are computed.
        scales: Finest first.
        sha256: Of the names and contents of the preset's files.
    """

    name: str
    regions: RegionRules
    scales: tuple[Scale, ...]
    sha256: str

    def of_lesions(self, lesions: str) -> Self:
        """Return what this preset measures in masks whose lesions are ``tumour`` or ``mass``: the region is named so.

        A feature of a mass, which may be a cyst, thus never stands in the column of a tumour.
        """
        named = ("tumour", "mass")
        structures = tuple(lesions if name in named else name for name in self.regions.structures)
        return replace(self, regions=self.regions.model_copy(update={"structures": structures}))


def load_preset(name_or_folder: AnyPath) -> Preset:
    """Load a preset that comes with the package, or one of the user's own.

    Args:
        name_or_folder: ``multiscale``, ``quick``, or a folder with ``regions.yaml`` and a parameter file per scale.

    Raises:
        InputError: If there is no such preset, it has no scale, or one of its files has an unknown key or a bad value.

    Example:
        >>> [scale.name for scale in load_preset("quick").scales]
        ['3mm', '5mm']
    """
    folder = _find(name_or_folder)
    rules_file = folder / "regions.yaml"
    files = sorted(path for path in folder.iterdir() if path.suffix == ".yaml")
    if rules_file not in files or len(files) < 2:
        msg = f"A preset is a folder with regions.yaml and at least one parameter file such as 1mm.yaml; {folder} is not"
        raise InputError(msg)
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    scales = [_scale(path) for path in files if path != rules_file]
    scales.sort(key=lambda scale: (scale.parameters.setting.spacing_mm or (0.0, 0.0, 0.0), scale.name))
    return Preset(folder.resolve().name, _read(rules_file, RegionRules), tuple(scales), digest.hexdigest())


def as_preset(preset: Preset | AnyPath) -> Preset:
    """Return a preset, or load the one of this name or in this folder."""
    return preset if isinstance(preset, Preset) else load_preset(preset)


def _find(name_or_folder: AnyPath) -> Path:
    known = sorted(path.name for path in PRESETS.iterdir() if (path / "regions.yaml").is_file())
    if str(name_or_folder) in known:
        return PRESETS / name_or_folder
    if Path(name_or_folder).is_dir():
        return Path(name_or_folder)
    msg = f"No preset {str(name_or_folder)!r}; known ones are {', '.join(known)}, or give a folder of your own"
    raise InputError(msg)


def _scale(path: Path) -> Scale:
    if not _NAME.fullmatch(path.stem):
        msg = f"{path}: a scale's name becomes part of column names, so it may hold a-z, 0-9 and single '_' only"
        raise InputError(msg)
    return Scale(path.stem, _read(path, Parameters))


_Content = TypeVar("_Content", bound=BaseModel)


def _read(path: Path, content: type[_Content]) -> _Content:
    value = read_yaml(path, "file of the preset", if_missing="a preset is a folder of YAML files")
    if isinstance(value, dict) and isinstance(value.get("imageType"), dict):
        # PyRadiomics' own examples write an image type without settings as an empty key.
        value["imageType"] = {name: settings or {} for name, settings in value["imageType"].items()}
    try:
        return content.model_validate(value)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"] if part != "[key]") or "the file"
        if fault["type"] == "extra_forbidden":
            msg = f"{path}: unknown key {where!r}, or one that the canonical mode does not honour"
        else:
            msg = f"{path}: {where}: {fault['msg'].removeprefix('Value error, ')}"
        raise InputError(msg) from error
