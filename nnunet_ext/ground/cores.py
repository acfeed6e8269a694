"""How many cores this process may use."""

import os


def n_cores() -> int:
    """Return the number of cores that the process may run on: of a cluster's job those that it was given."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
