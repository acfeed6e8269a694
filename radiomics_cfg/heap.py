"""What happens to memory that is freed."""

import ctypes
from functools import cache

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
"""Numbers of glibc's ``mallopt``."""

LARGEST_KEPT = 32 * 2**20
"""Bytes. With larger blocks kept an extraction would take up to a tenth less time and a fifth more memory at its peak, since
smaller blocks scatter over the holes that they leave."""


@cache
def keep_freed_memory() -> None:
    """Let this process keep what it frees, where the C library is glibc.

    The volumes of an extraction are each freed before the next is made. Handing their memory back to the system, which has to
    clear it again every time, takes a third of the time.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    mallopt(_MMAP_THRESHOLD, LARGEST_KEPT)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
