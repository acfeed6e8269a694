"""Masks of DICOM files (SEG, RTSTRUCT): what their regions are, which scan they belong to, and where they lie on it."""
