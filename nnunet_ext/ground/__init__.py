"""The ground that all three packages stand on: cases, labels, errors, whole files."""
