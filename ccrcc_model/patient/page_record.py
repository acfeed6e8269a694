"""What a page was made of, and what the index shows of it: an unchanged page is kept, a damaged one is made again."""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from nnunet_ext.anatomy.self_check import SelfCheck
from nnunet_ext.documents.sealed_json import read_sealed, write_sealed
from nnunet_ext.ground.files import sha256


@dataclass(frozen=True)
class PageRecord:
    """A page that was written.

    Args:
        check: What the mask says of itself.
        thumbnail: JPEG.
        without: Code and reason of what could not be written beside the page; empty if nothing is missing.
    """

    check: SelfCheck
    thumbnail: bytes
    without: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path, *, made_of: Mapping[str, Any], files: Mapping[str, Path]) -> None:
        """Write the record.

        Args:
            path: Of the record.
            made_of: All that the files depend on.
            files: The page and what else was written with it, by name.
        """
        content = {
            "made_of": made_of,
            "files": {name: sha256(file) for name, file in files.items()},
            "check": asdict(self.check),
            "thumbnail": base64.b64encode(self.thumbnail).decode("ascii"),
            "without": dict(self.without),
        }
        write_sealed(path, content)

    @classmethod
    def kept(cls, path: Path, *, made_of: Mapping[str, Any], folder: Path) -> Self | None:
        """Return the record of an earlier run; None if it is of something else, or if a file is missing or was changed.

        Args:
            path: Of the record.
            made_of: All that the files depend on now.
            folder: Of the files, whose names are relative to it.
        """
        content = read_sealed(path)
        if content is None or content.get("made_of") != made_of:
            return None
        try:
            if any(sha256(folder / name) != known for name, known in content["files"].items()):
                return None
            return cls(SelfCheck(**content["check"]), base64.b64decode(content["thumbnail"]), content["without"])
        except (OSError, KeyError, TypeError, ValueError):
            return None
