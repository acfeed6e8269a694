"""The extraction engine: resampling, filters, matrices and one file for each feature class, in numba and numpy."""
