"""Guideline sheets: drafts of CLEAR, METRICS, TRIPOD+AI and CLAIM that point at the evidence in the run folder.

A sheet never says that a guideline was followed. Each row points at what the run recorded, or leaves the item to the author;
ethics and eligibility are always the author's.
"""

from ccrcc_model.report.sheets.evidence import Evidence, Pointer
from ccrcc_model.report.sheets.guideline import Guideline, Item, load_guidelines
from ccrcc_model.report.sheets.sheet import Row, Sheet, Status, fill, write_sheets

__all__ = ["Evidence", "Guideline", "Item", "Pointer", "Row", "Sheet", "Status", "fill", "load_guidelines", "write_sheets"]
