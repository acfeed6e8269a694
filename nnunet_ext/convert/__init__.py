"""Conversion of foreign layouts to cohorts, and of cohorts to nnU-Net's layout."""
