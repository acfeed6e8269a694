"""Scans: the gate that each passes or is refused at, and one orientation for all."""
