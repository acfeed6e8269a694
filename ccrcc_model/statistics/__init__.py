"""Figures of predictions, and nothing else."""
