"""Guideline sheets: drafts of CLEAR, METRICS, TRIPOD+AI and CLAIM that cite the evidence in the run folder.

A sheet never states that a guideline was followed. Each row cites what the run recorded, or leaves the item to the author;
items on ethics and eligibility are always left to the author.
"""

from ccrcc_model.report.sheets.evidence import Evidence, Pointer
from ccrcc_model.report.sheets.files import write_sheets
from ccrcc_model.report.sheets.guideline import Guideline, Item, load_guidelines
from ccrcc_model.report.sheets.score import Score
from ccrcc_model.report.sheets.sheet import Row, Sheet, Status, fill

__all__ = [
    "Evidence",
    "Guideline",
    "Item",
    "Pointer",
    "Row",
    "Score",
    "Sheet",
    "Status",
    "fill",
    "load_guidelines",
    "write_sheets",
]
