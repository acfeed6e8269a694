"""Locked models, their parts, and their folders."""
