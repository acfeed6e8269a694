"""The files of the guideline sheets: a page, and a table of each."""

from ccrcc_model.report.environment import environment
from ccrcc_model.report.run_parts import RunParts
from ccrcc_model.report.sheets.evidence import Evidence
from ccrcc_model.report.sheets.guideline import load_guidelines
from ccrcc_model.report.sheets.score import score
from ccrcc_model.report.sheets.sheet import Sheet, Status, fill
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.files import write_text

PAGE = "sheets.html"
FOLDER = "sheets"


def write_sheets(parts: RunParts, *, title: str, synthetic: bool) -> tuple[Sheet, ...]:
    """Write ``sheets/<guideline>.csv`` and ``sheets.html``, and return the sheets.

    Args:
        parts: Parts of the run, with the report's figures and tables written.
        title: Title of the run.
        synthetic: Whether its patients are phantoms.

    Raises:
        InputError: If a file of the run folder is not what its name indicates.
    """
    evidence = Evidence(parts)
    sheets = tuple(fill(guideline, evidence) for guideline in load_guidelines())
    for sheet in sheets:
        write_csv(parts.report / FOLDER / f"{sheet.guideline.name}.csv", sheet.table())
    template = environment().get_template("sheets.html.jinja")
    page = template.render(title=title, synthetic=synthetic, sheets=sheets, Status=Status, score_of=score)
    write_text(parts.report / PAGE, page)
    return sheets
