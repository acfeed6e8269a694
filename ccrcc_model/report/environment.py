"""How the templates of the report are rendered."""

import jinja2


def environment() -> jinja2.Environment:
    """Return the environment of the templates; a name that a template lacks is an error, never an empty place.

    What users wrote becomes text in HTML by itself. Markdown escapes by a filter of its own.
    """
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ccrcc_model.report", "templates"),
        autoescape=jinja2.select_autoescape(("html.jinja",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
