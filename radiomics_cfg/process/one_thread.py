"""One thread a process: sums then have one order, and as many processes as there are cores do not get in each other's way."""

from collections.abc import Iterator
from contextlib import contextmanager

import SimpleITK as sitk
from threadpoolctl import threadpool_limits

ENVIRONMENT = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    ),
    "1",
)
"""What a new process has to find before it imports a library, so that no pool of idle threads is made."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Run the block on one thread of ITK and of the linear algebra."""
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
