"""``answer.json``: all that is stated of one patient, documented in ``docs/reference/answer.md``."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from nnunet_ext.documents.foreign_json import read_json_object
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import write_json

ANSWER = "answer.json"
"""Its name in the folder of a patient."""

FORMAT, VERSION = "ccrcc-answer", 1
"""The version rises with every change of what a key means; a key more does not raise it."""

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Severity = Literal["note", "caution", "refusal"]


class Part(BaseModel):
    """A part of an answer: no number that JSON lacks. A later version may have written further keys, which are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Source(Part):
    """The scan as the user named it, and the volume that was measured."""

    kind: Literal["dicom", "nifti", "nrrd", "metaimage"]
    sha256: Hash
    image_sha256: Hash
    shape_xyz: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    phase: str | None


class Mask(Part):
    """The mask that was measured; ``sha256`` is of ``mask.nii.gz`` beside the answer."""

    origin: Literal["network", "given"]
    sha256: Hash
    source_sha256: Hash | None
    labels: dict[str, int]


class Network(Part):
    """The network that made the mask; ``sha256`` is of its files and of how it was applied.

    ``labels`` is what its classes were declared to be, such as ``kidney=1,mass=2``; none where its own names said so.
    """

    name: str
    sha256: Hash
    labels: str | None = None


class PresetOf(Part):
    """The preset of all features."""

    preset: str
    preset_sha256: str
    mode: str


class Flag(Part):
    """A remark that is read before any result."""

    code: str
    severity: Severity
    text: str


class Measured(Part):
    """One measurement, defined in ``docs/reference/measurements.md``."""

    name: str
    value: float | str | None
    unit: str
    points: int | None
    reason: str | None


class LesionAnswer(Part):
    """One lesion."""

    lesion: int
    side: str
    label: Literal["tumour", "cyst", "mass"]
    centroid_voxel_xyz: tuple[float, float, float]
    volume_ml: float
    diameters_mm: tuple[float, float, float]
    axial_diameter_mm: float
    measurements: tuple[Measured, ...]


class KidneyAnswer(Part):
    """One kidney."""

    side: str
    volume_ml: float
    measurements: tuple[Measured, ...]


class Conformal(Part):
    """Classes that the patient could well belong to; both are no answer."""

    alpha: Share
    set: tuple[int, ...]


class Development(Part):
    """Out-of-fold probabilities of the development patients, sorted, by their class."""

    probabilities_positive: tuple[float, ...] = ()
    probabilities_negative: tuple[float, ...] = ()


class GroupContribution(Part):
    """What a group of features added to the log odds."""

    group: str
    log_odds: float


class FeatureContribution(Part):
    """What a feature added to the log odds."""

    feature: str
    log_odds: float
    region: str


class Contributions(Part):
    """What moved the score, the largest first."""

    region: tuple[GroupContribution, ...] = ()
    scale: tuple[GroupContribution, ...] = ()
    image: tuple[GroupContribution, ...] = ()
    family: tuple[GroupContribution, ...] = ()
    features: tuple[FeatureContribution, ...] = ()


class Prediction(Part):
    """The answer of one model; where it abstains, no number is given."""

    target: str
    rule: str
    model_id: str
    model_sha256: Hash
    kind: Literal["binary", "ordinal", "percentage"]
    probability: Share | None
    values: dict[str, float]
    baseline_probability: Share | None
    threshold: float | None
    positive: bool | None
    conformal: Conformal | None
    abstained: bool
    abstained_reason: str | None
    development: Development
    contributions: Contributions


class Answer(Part):
    """All that is stated of one patient."""

    format: Literal["ccrcc-answer"] = "ccrcc-answer"
    version: Literal[1] = 1
    patient: str
    created: str
    request_sha256: Hash
    source: Source
    mask: Mask
    network: Network | None
    preset: PresetOf
    flags: tuple[Flag, ...]
    lesions: tuple[LesionAnswer, ...]
    kidneys: tuple[KidneyAnswer, ...]
    predictions: tuple[Prediction, ...]
    software: dict[str, str]

    @property
    def refusals(self) -> tuple[Flag, ...]:
        """Why there is no prediction at all."""
        return tuple(flag for flag in self.flags if flag.severity == "refusal")

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``answer.json``."""
        return self.model_dump(mode="json")

    def write(self, folder: Path) -> Path:
        """Write ``answer.json`` into a patient's folder, and return the file."""
        write_json(folder / ANSWER, self.to_json())
        return folder / ANSWER

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read ``answer.json`` of a patient's folder.

        Raises:
            InputError: If it is missing, damaged, or of another version.
        """
        content = read_json_object(folder / ANSWER)
        found = content.get("format"), content.get("version")
        if found != (FORMAT, VERSION):
            what = f"{str(found[0])[:40]!r} version {str(found[1])[:10]}"
            msg = f"{ANSWER} in {folder} is of {what}; this version reads {FORMAT!r} version {VERSION}: predict the scan again"
            raise InputError(msg)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(str(part) for part in fault["loc"])
            msg = f"{ANSWER} in {folder} is damaged: {where}: {fault['msg']}; predict the scan again"
            raise InputError(msg) from error
