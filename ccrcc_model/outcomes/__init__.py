"""Targets, the outcomes file, cases with their labels, and the patients that each step saw."""
