"""Where a network lies: its training's folder, a folder of several, or the zip file that nnU-Net exports."""

import re
import shutil
import stat
import tempfile
import zlib
from collections.abc import Sequence
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import sha256
from nnunet_ext.ground.progress import OnNote, quiet

MOST_BYTES = 50 << 30
"""Unpacked: five folds of four configurations of ResEnc XL, with both checkpoints of each."""

_WANTED = re.compile(r"(plans|dataset|dataset_fingerprint)\.json|fold_[0-9a-z]+/[^/]+\.pth")
"""Files of a training that prediction reads, within its folder."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


def find_network(
    source: Path, *, configuration: str | None = None, sha256: str | None = None, on_note: OnNote = quiet
) -> Path:
    """Return the folder of one training, ``<trainer>__<plans>__<configuration>``.

    Args:
        source: That folder, one that holds such folders (a data set of ``nnUNet_results``), or a zip file that
            ``nnUNetv2_export_model_to_zip`` wrote. A zip file is unpacked once, into a folder beside it.
        configuration: Which one, where there are several.
        sha256: What a zip file must hash to.
        on_note: Called with the hash of a zip file that is not pinned.

    Raises:
        InputError: If there is no network, or more than one, or the zip file is damaged, another, or unsafe.
    """
    if source.is_file():
        return _chosen(_unpacked(source, sha256, on_note), source, configuration)
    if sha256 is not None:
        msg = f"--sha256 is the hash of a zip file, and {source} is none; the files of a folder are sealed at their first use"
        raise InputError(msg)
    return _chosen(source, source, configuration)


def _chosen(folder: Path, source: Path, configuration: str | None) -> Path:
    found = [folder] if (folder / "plans.json").is_file() or not folder.is_dir() else _trainings(folder)
    fitting = [one for one in found if configuration is None or one.name.endswith(f"__{configuration}")]
    if len(fitting) == 1 or not found:
        return fitting[0] if fitting else folder
    names = ", ".join(one.name for one in found)
    if not fitting:
        msg = f"{source} holds no training of the configuration {configuration!r}; it holds {names}"
    else:
        msg = f"{source} holds {len(fitting)} trainings: {names}; name one folder, or its --configuration"
    raise InputError(msg)


def _trainings(folder: Path) -> list[Path]:
    """Return the folders of trainings in a folder, or in the data sets in it."""
    return sorted(file.parent for pattern in ("*/plans.json", "*/*/plans.json") for file in folder.glob(pattern))


def _unpacked(source: Path, pinned: str | None, on_note: OnNote) -> Path:
    """Unpack a zip file into a folder beside it, named by its hash, unless that was done before."""
    found = sha256(source)
    if pinned is None:
        on_note(f"{source.name} has the SHA-256 {found}; pin it with --sha256")
    elif not _SHA256.fullmatch(pinned.casefold()):
        msg = f"A SHA-256 is 64 hexadecimal digits; --sha256 has {pinned[:80]!r}"
        raise InputError(msg)
    elif pinned.casefold() != found:
        msg = f"{source} has the SHA-256 {found}, not {pinned.casefold()}: it is another file, or damaged; download it again"
        raise InputError(msg)
    folder = source.with_name(f"{source.stem}.{found[:12]}")
    if folder.is_dir():
        return folder
    try:
        with tempfile.TemporaryDirectory(prefix=".ccrcc-", dir=source.parent) as work, ZipFile(source) as archive:
            members = _members(archive.infolist(), source, shutil.disk_usage(source.parent).free)
            for name, member in members.items():
                _unpack(archive, member, Path(work) / "network" / name)
            (Path(work) / "network").replace(folder)
    except InputError:
        raise
    except (BadZipFile, EOFError, LZMAError, NotImplementedError, RuntimeError, ValueError, zlib.error) as error:
        msg = f"{source} is no model zip of nnU-Net, or damaged; download it again"
        raise InputError(msg) from error
    except OSError as error:
        msg = (
            f"{source} cannot be unpacked beside itself: {error.strerror or 'the disk failed'}; unpack it and name the folder"
        )
        raise InputError(msg) from error
    return folder


def _members(infos: Sequence[ZipInfo], source: Path, free: int) -> dict[str, ZipInfo]:
    """Return the members that prediction reads, by where they go; refuse an archive that reaches outside its folder."""
    wanted: dict[str, ZipInfo] = {}
    for member in infos:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or is_link:
            msg = f"{source} holds a member that reaches outside its folder ({member.filename[:80]!r}); do not use it"
            raise InputError(msg)
        inside = path.parts[-2:] if path.suffix == ".pth" else path.parts[-1:]
        if not member.is_dir() and _WANTED.fullmatch("/".join(inside)):
            wanted["/".join(path.parts[-len(inside) - 1 :])] = member
    if not any(name.endswith("plans.json") for name in wanted):
        msg = f"{source} is no model zip of nnU-Net: it holds no plans.json; nnUNetv2_export_model_to_zip writes one"
        raise InputError(msg)
    total = sum(one.file_size for one in wanted.values())
    if total > min(MOST_BYTES, free):
        msg = f"{source} unpacks to {total >> 20} MiB; there is room for {min(MOST_BYTES, free) >> 20} MiB"
        raise InputError(msg)
    return wanted


def _unpack(archive: ZipFile, member: ZipInfo, into: Path) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as packed, into.open("wb") as plain:
        shutil.copyfileobj(packed, plain, 1 << 20)
