"""Which CT objects are originals, which are derived from one, and which do not hold HU."""

import re
from collections.abc import Sequence

from nnunet_ext.dicom.headers import Header

MULTI_FRAME = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
"""Enhanced CT Image Storage, and Legacy Converted Enhanced CT Image Storage."""

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""Secondary Capture Image Storage, and with a further number its multi-frame kinds."""

HU_UNITS = ("", "HU", "US")
"""Rescale types of a CT in HU: Hounsfield units, which is also meant where none is stated; and "unspecified", which some
exports write. Any other names another quantity: PS3.3 C.11.1.1.2."""

GREY = ("", "MONOCHROME1", "MONOCHROME2")

_NOT_HU = {
    "a material or iodine map": r"iodine|jod|iod|mat (specific|fractional|value based|removed|modified)|md|material density|"
    r"fat map|calcium map|uric acid",
    "a virtual unenhanced image": r"vnc|vnca|vue|virtual non ?contrast|virtual unenhanced|virtuell nativ",
    "a map of atomic numbers or electron density": r"z ?eff|eff atomic num|effective z|rho z?|electron density",
    "a projection": r"mip\w*|minip|maxip|projection|projection image",
    "a rendering": r"vrt|volren|volume rendering|rendered|ssd",
    "a perfusion map": r"perfusion|cbf|cbv|mtt|ttp|tmax|permeability|blood flow|blood volume",
    "a screen or a report": r"screen ?(save|shot|capture)?|dose ?(report|info|record|page)?|protocol",
    "a fusion, a difference or a label": r"fusion|fused|subtract(ion|ed)|overlay|segmentation|label ?map|colou?r",
}
"""Words of an image type, which a derived image states, by what they stand for."""

_NOT_HU_WORDS = {
    "a material or iodine map": r"(iodine|jod|iode|iodio|yodo) ?(map|density|conc\w*|overlay|no water|water|image|karte|bild)|"
    r"iodkarte|jodkarte|material density",
    "a virtual unenhanced image": r"vnc|vnca|virtual (non ?contrast|unenhanced|native?)|virtuell nativ",
    "a map of atomic numbers or electron density": r"z ?eff|effective z|rho ?/? ?z|electron density",
    "a projection": r"mip\w*|minip|maxip",
    "a rendering": r"vrt|volume rendering|volren",
    "a perfusion map": r"perfusion map|cbf|cbv|mtt",
    "a screen or a report": r"screen ?(save|shot|capture)|dose (report|info|record|page)|patient protocol|dosisbericht",
    "a fusion, a difference or a label": r"fused|subtraction|colou?r map",
}
"""Words of a description that no original has, whatever its image type says."""

_DERIVED_ONLY = r"iodine|jod|iod|perfusion|fusion|overlay|3d|colou?r"
"""Words of a description that an original may have too, such as one after iodine."""


def refused_kind(headers: Sequence[Header]) -> str | None:
    """Return what the slices of a CT series are that is not HU, as a phrase; none if they can be HU."""
    pixels = [header.pixels for header in headers]
    if any(one.samples != 1 or one.photometric not in GREY for one in pixels):
        return "in colour"
    if foreign := sorted({one.units for one in pixels} - set(HU_UNITS)):
        return f"in units of {_plain(foreign[0])}, not in HU"
    types = _words(" ".join(word for words in sorted({header.image_type[2:] for header in headers}) for word in words))
    description = _words(headers[0].description)
    found = _first(_NOT_HU, types) or _first(_NOT_HU_WORDS, description)
    if found is None and is_derived(headers) and re.search(rf"\b({_DERIVED_ONLY})\b", description):
        return "a map or an overlay, according to its description"
    return found


def is_derived(headers: Sequence[Header]) -> bool:
    """Return whether a slice states that it was computed from others, or captured, instead of reconstructed from a scan."""
    return any(
        header.image_type[:1] == ("DERIVED",)
        or header.image_type[1:2] == ("SECONDARY",)
        or header.storage.startswith(SECONDARY_CAPTURE)
        or _is_monoenergetic(header)
        for header in headers
    )


def _is_monoenergetic(header: Header) -> bool:
    words = _words(" ".join((*header.image_type[2:], header.description)))
    return re.search(r"\b(vmi|mono|monoenergetic|monochromatic|mono ?e|\d+ ?kev)\b", words) is not None


def _first(kinds: dict[str, str], words: str) -> str | None:
    return next((kind for kind, pattern in kinds.items() if re.search(rf"\b({pattern})\b", words)), None)


def _words(text: str) -> str:
    """Return text in small letters, every sign between words a blank."""
    return " ".join(re.sub(r"[^0-9a-zà-ÿ]+", " ", text.lower()).split())


def _plain(unit: str) -> str:
    """Return a unit if it is one of DICOM's defined terms, which are short capitals; it is free text."""
    return unit if re.fullmatch(r"[A-Z_0-9]{1,8}", unit) else "another quantity"
