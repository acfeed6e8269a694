"""Cohorts on disk: cards, case lists, ids, and how the scans were acquired."""
