"""Masks in DICOM files (SEG, RTSTRUCT): interpretation of their regions, assignment to a scan, and position on it."""
