"""Backends that compute features: our engine, PyRadiomics as the reference, and the drop-in for its extractor."""
