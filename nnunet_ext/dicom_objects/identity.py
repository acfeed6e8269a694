"""Whose scan an object states that it is: the patient's own identifiers, or pseudonyms that only the holder of a key derives.

A pseudonym is a keyed hash (HMAC-SHA-256, RFC 2104), so that one key gives one study the same pseudonyms in every object, and
nobody without the key can find them by trying identifiers.
"""

import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from pydicom.config import IGNORE
from pydicom.uid import UID

from nnunet_ext.ground.errors import CaseRefused, InputError
from nnunet_ext.ground.files import atomic_path
from nnunet_ext.ground.record import DISTRIBUTION

KEY_BYTES = 32
"""Length of a key; as long as the hash (RFC 2104, section 3)."""

LONGEST_SHIFT_DAYS = 3650
"""Dates of a patient move back by 1 to so many days, all by the same number."""

_OWNER_ONLY = 0o600
_PUBLIC = b"identifiers are the source's own"


@dataclass(frozen=True)
class Identity:
    """How identifiers of a source become those of the objects made from it.

    Args:
        keep: Whether they stay as they are.
        key: Of the pseudonyms, and of the identifiers of new objects.
        name: By which a later run knows whether it would write the same identity: the same for all keys made for one run.

    Example:
        >>> identity = Identity.replaced(bytes(32))
        >>> identity.patient("4711"), identity.patient("4711") == Identity.replaced().patient("4711")
        ('P-9DCE7A7A82', False)
    """

    keep: bool
    key: bytes = field(repr=False)
    name: str = "pseudonyms"

    @classmethod
    def kept(cls) -> Self:
        """Return the identity that leaves the source's identifiers as they are."""
        return cls(keep=True, key=_PUBLIC, name="kept")

    @classmethod
    def replaced(cls, key: bytes | None = None) -> Self:
        """Return an identity of pseudonyms; without a key, one that nobody can make again."""
        if key is None:
            return cls(keep=False, key=secrets.token_bytes(KEY_BYTES))
        return cls(keep=False, key=key, name=f"pseudonyms of key {sha256(key).hexdigest()[:16]}")

    @classmethod
    def from_file(cls, path: Path, *, outside: Path) -> Self:
        """Return an identity of pseudonyms by the key in a file, which is made if it is not there.

        Args:
            path: Text file with the key, which only its owner can read.
            outside: Folder of the result, which may be passed on, and the key may not.

        Raises:
            InputError: If the file is in that folder, or holds no key.
        """
        if path.resolve().is_relative_to(outside.resolve()):
            msg = f"The key {path} leads back from pseudonyms to patients, so it has to be outside {outside}"
            raise InputError(msg)
        if not path.exists():
            with atomic_path(path, mode=_OWNER_ONLY) as temporary:
                temporary.write_text(f"{secrets.token_hex(KEY_BYTES)}\n", encoding="ascii")
        try:
            text = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            text = ""
        if not re.fullmatch(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", text):
            msg = f"{path} holds no key of {2 * KEY_BYTES} hexadecimal digits; name another file, and it is made"
            raise InputError(msg)
        return cls.replaced(bytes.fromhex(text))

    def uid(self, original: str) -> str:
        """Return what stands for an identifier of the source.

        Raises:
            CaseRefused: ``source-identifier`` if it is kept, and none that DICOM allows.
        """
        if not self.keep:
            return self.new_uid("of the source", original)
        if not UID(original, IGNORE).is_valid:
            reason = "the series has an identifier that DICOM does not allow, so no object can refer to it; replace identities"
            raise CaseRefused("source-identifier", reason)
        return original

    def new_uid(self, *of: str) -> str:
        """Return the identifier of something new that these words determine: UUID-derived, PS3.5 B.2."""
        number = bytearray(self._hash("\0".join(of))[:16])
        number[6], number[8] = number[6] & 0x0F | 0x80, number[8] & 0x3F | 0x80  # version 8, RFC 9562
        return f"2.25.{int.from_bytes(number, 'big')}"

    def patient(self, original: str) -> str:
        """Return what stands for a patient."""
        return original if self.keep else f"P-{self._hash(f'patient {original}').hex()[:10].upper()}"

    def date(self, original: str, patient: str) -> str:
        """Return what stands for a date ``YYYYMMDD`` of a patient; empty if it is none."""
        try:
            known = date(int(original[:4]), int(original[4:6]), int(original[6:8])) if len(original) == 8 else None
        except ValueError:
            known = None
        if known is None or self.keep:
            return original if known else ""
        days = 1 + int.from_bytes(self._hash(f"days {patient}")[:8], "big") % LONGEST_SHIFT_DAYS
        return (known - timedelta(days)).strftime("%Y%m%d")

    def mark(self, made: Any) -> None:
        """State in an object whether its identity was replaced."""
        made.PatientIdentityRemoved = "NO" if self.keep else "YES"
        if not self.keep:
            made.LongitudinalTemporalInformationModified = "MODIFIED"
            made.DeidentificationMethod = f"Keyed pseudonyms and shifted dates, {DISTRIBUTION}"

    def _hash(self, text: str) -> bytes:
        return hmac.new(self.key, text.encode(), sha256).digest()
