"""How the templates of the report are rendered."""

import jinja2

ROOM = "ccrcc_model.report"


def environment(room: str = ROOM) -> jinja2.Environment:
    """Return the environment of a room's templates; a name that a template lacks is an error, never an empty place.

    What users wrote becomes text in HTML by itself. Markdown escapes by a filter of its own.

    Args:
        room: Whose templates are looked for first; those of the report, with the style of all pages, come after them.
    """
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name, "templates") for name in dict.fromkeys((room, ROOM))]),
        autoescape=jinja2.select_autoescape(("html.jinja",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
