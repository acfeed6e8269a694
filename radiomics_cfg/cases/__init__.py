"""One case: what is measured of it, and the small file that keeps it."""
