"""Volumes on disk: what a file holds, by its content, or why it is not taken."""
