"""What is locked: a model, its parts, and the folder that keeps it."""
