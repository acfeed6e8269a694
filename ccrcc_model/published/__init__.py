"""Reconstruction of the counts behind a published row."""
