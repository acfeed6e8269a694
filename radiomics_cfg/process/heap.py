"""What happens to memory that is freed."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from mmap import PAGESIZE
from pathlib import Path
from typing import Any

_MMAP_THRESHOLD, _TRIM_THRESHOLD, _ARENA_MAX = -3, -1, -8
"""Numbers of glibc's ``mallopt``."""

LARGEST_KEPT = 32 * 2**20
"""Bytes. With larger blocks kept an extraction would take up to a tenth less time and a fifth more memory at its peak, since
smaller blocks scatter over the holes that they leave."""

MOST_KEPT = 768 * 2**20
"""Bytes of the process above which what a case has freed goes back to the system before the next: the holes that one large
case leaves would add to the peak of the following ones. Below, clearing the memory anew costs more than it saves."""


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Let the process keep what it frees while a case is measured, where the C library is glibc.

    The volumes of an extraction are each freed before the next is made. Handing their memory back to the system, which has to
    clear it again every time, takes a third of the time.
    """
    library = _glibc()
    yield
    if library is not None and _resident() > MOST_KEPT:
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    """Return the C library, set to keep memory, or None if it is another."""
    try:
        library = ctypes.CDLL(None)
        mallopt, _ = library.mallopt, library.malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    mallopt(_MMAP_THRESHOLD, LARGEST_KEPT)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_ARENA_MAX, 1)  # the arenas of other threads keep nothing of this size
    return library


def _resident() -> int:
    """Return the bytes of memory that the process holds, 0 where Linux does not report them."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGESIZE
    except (OSError, IndexError, ValueError):
        return 0
