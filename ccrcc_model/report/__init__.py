"""The report: one self-contained page that opens offline, and its figures and tables as files."""

from ccrcc_model.report.page import write_report

__all__ = ["write_report"]
