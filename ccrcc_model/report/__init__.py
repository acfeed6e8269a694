"""The report: one self-contained page that opens offline, and its figures and tables as files."""

from ccrcc_model.report.page import report_run, write_report
from ccrcc_model.report.run_folder import Run, read_run

__all__ = ["Run", "read_run", "report_run", "write_report"]
