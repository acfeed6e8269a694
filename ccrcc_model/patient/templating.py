"""How pages are put together: one file each, whose own script is the only one that may run."""

import base64
import hashlib
from collections.abc import Sequence

import jinja2
from markupsafe import Markup

from ccrcc_model.report.environment import environment

ROOM = "ccrcc_model.patient"


def templates() -> jinja2.Environment:
    """Return the environment of this room's templates, which know the report's style too."""
    return environment(ROOM)


def source(env: jinja2.Environment, names: Sequence[str]) -> Markup:
    """Return the text of stylesheets or scripts, one after another, as it is.

    Args:
        env: Of the templates.
        names: Files of the room, or of the report.
    """
    texts = (env.get_template(name).render() for name in names)
    return Markup("\n".join(texts))  # noqa: S704 - our own files, in which nothing is filled


def policy(style: str, *scripts: str) -> str:
    """Return a content policy that allows one stylesheet and some scripts by their hashes, and no request to anywhere.

    Args:
        style: Content of the ``style`` element.
        scripts: Contents of the ``script`` elements.
    """
    allowed = " ".join(map(_hash, scripts))
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
