"""Many cases: a batch, its worker processes, a Dask cluster, and one table at the end."""
