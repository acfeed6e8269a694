"""What a feature table says of itself, checked: which preset made it, of which cohorts, from which files."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from nnunet_ext.ground.errors import InputError
from radiomics_cfg.modes import Mode

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]*$", max_length=64)]
"""Hexadecimal; empty for a file that there was none of."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class Source(_Strict):
    """Where the values of one case come from."""

    image_sha256: Hash = ""
    mask_sha256: Hash = ""
    missing: list[dict[str, str]] = []
    mask_flags: str = ""
    acquisition: dict[str, str | FiniteFloat | int] = {}


class Foreign(_Strict):
    """What is known of a table that was made elsewhere."""

    columns_left_out: int
    volume: str


class Provenance(_Strict):
    """What later steps rely on; a table may say more, and one that was made by hand less."""

    preset: str = ""
    preset_sha256: Hash = ""
    mode: Mode = "canonical"
    versions: dict[str, str] = {}
    cohorts: dict[str, Literal["development", "external"]] = {}
    cases: dict[str, Source] = {}
    deep_sha256: Hash = ""
    lesions: Literal["tumour", "mass"] = "tumour"
    foreign: Foreign | None = None


def check_provenance(provenance: Any, path: Path) -> None:
    """Check what a table says of itself.

    Args:
        provenance: As it was read.
        path: Of the table, for the message.

    Raises:
        InputError: If something is of another type than later steps take it for, such as a role that there is none of.
    """
    try:
        Provenance.model_validate(provenance)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        msg = f"{path} is no feature table of ours: its provenance is wrong in {where}: {first['msg']}; extract it again"
        raise InputError(msg) from error
