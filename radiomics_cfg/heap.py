"""What happens to memory that is freed."""

import ctypes
from functools import cache

_MMAP_MAX, _TRIM_THRESHOLD = -4, -1
"""Numbers of glibc's ``mallopt``."""


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
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
