"""The contrast phase named in the description of a series, in the languages of several countries."""

import re
import unicodedata

PHASES = ("nephrographic", "corticomedullary", "excretory", "unenhanced")
"""The phases, the wanted one first."""

_WITHOUT = r"(?:without|w ?o|sans|senza|sin|sem|ohne|zonder)"
_WITH = r"(?:with|w|avec|con|com|mit|met)"
_AND = r"(?:and|then|et|e|y|und|en|plus)"
_CONTRAST = (
    r"(?:contrast\w*|contraste?|contrasto|kontrast\w*|km|kmgabe|mdc|pdc|injection|iniezione|inyeccion|injecte\w*|produit|civ|iv|"
    r"enhancement|c)"
)

_BOTH = "|".join(
    (
        rf"{_WITHOUT}(?: {_CONTRAST})* {_AND} {_WITH}",
        rf"{_WITH}(?: {_CONTRAST})* {_AND} {_WITHOUT}",
        r"w ?w ?o",
        r"(?:pre|prae|avant|vor|prima) (?:and |et |und |e )?(?:post|apres|nach|dopo)",
    )
)
"""An examination before and after contrast, which says nothing of the series."""

_UNENHANCED = "|".join(
    (
        r"non? ?(?:contrast\w*|con|enhanced|ce|iv ?c?)|noncon\w*|nonenhanced|unenhanced|unenh|non ?injecte\w*",
        r"pre ?(?:contrast\w*|con|kontrast\w*|kontrastmittel|injection)|avant injection",
        r"natif|native?|nativ\w*|plain|nc|ncct|nect|basale?|direct[ao]|blanco|blanc|vuoto",
        rf"{_WITHOUT}(?: (?:i v|any|de|l|la|le|il|mezzo|di|medio|moyen))*(?: {_CONTRAST})*",
        r"平扫|平掃|单纯|単純|非造影|non造影",
    )
)

_PHASES = {
    "nephrographic": "|".join(
        (
            r"nephro\w*|nefro\w*|parenchym\w*|parenquim\w*|np",
            r"ven\w{0,4}os\w*|veineu\w*|veneu\w*|venoes\w*|venou\w*|ven",
            r"port\w{0,4}ven\w*|porto|portal\w*|portaal|pv|pvp",
            r"实质期|实質期|肾实质期|腎実質相|門脈相|门脉期|門脈期|门静脉期|静脉期|静脈相",
        )
    ),
    "corticomedullary": "|".join(
        (
            r"corti\w*|korti\w*|cmp",
            r"(?:spaet|frueh)?arteri\w*|art|hap",
            r"动脉期|動脈相|動脈期|皮质期|皮质髓质期|皮髓质期|皮髄相|皮髄質相",
        )
    ),
    "excretory": "|".join(
        (
            r"excre\w*|escre\w*|exkre\w*|ausscheid\w*|uitscheid\w*|ep",
            r"urogr\w*|uro ?ct|ct ?uro|pyelogr\w*|pielogr\w*",
            r"delay\w*|late|tardi\w*|spaet(?:e|phase|aufnahme)?|laat",
            r"延迟期|延遲期|排泄期|排泄相|分泌期",
        )
    ),
}
"""Words of enhanced phases. Umlauts are written out and other accents dropped before they are looked for."""

_ARTERIAL_AP = r"ap (?:phase|art\w*)|(?:phase|late|early) ap"
"""``AP`` alone is abdomen and pelvis, or a projection; with the word phase it is the arterial one."""

_QUALIFIERS = r"(?:late|early|fruehe?|spaete?|tardi[aofv]e?|precoce) (arteri\w*|ven\w*|port\w*|corti\w*|neph?\w*)"
"""A late arterial phase is an arterial one."""

_FIXED = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "&": " and ", "+": " and ", "'": " ", "’": " "}


def phase_of(description: str) -> str | None:
    """Return the phase that a description names; none if it names none, or several.

    Args:
        description: Of a series, and of its protocol.
    """
    words = re.sub(rf"\b{_QUALIFIERS}", r"\1", _plain(description))
    named, words = set(), re.sub(_edged(_BOTH), " both ", words)
    for phase, pattern in {"unenhanced": _UNENHANCED, **_PHASES, "corticomedullary ": _ARTERIAL_AP}.items():
        rest = re.sub(_edged(pattern), " ", words)
        named |= {phase.strip()} if rest != words else set()
        words = " ".join(rest.split())
    return named.pop() if len(named) == 1 else None


def _edged(pattern: str) -> str:
    """Return a pattern that matches whole words. Chinese and Japanese have no gaps between theirs."""
    return rf"(?<![a-z])(?:{pattern})(?![a-z])"


def _plain(text: str) -> str:
    """Return words in small letters without accents, parted by single blanks."""
    written_out = "".join(_FIXED.get(sign, sign) for sign in unicodedata.normalize("NFC", text).lower())
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", written_out) if not unicodedata.combining(sign))
    return " ".join(re.sub(r"[\W_]+", " ", bare).split())
