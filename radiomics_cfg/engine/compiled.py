"""How kernels are compiled."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

_Kernel = TypeVar("_Kernel", bound=Callable[..., object])


def compiled(kernel: _Kernel) -> _Kernel:
    """Compile a function of arrays and numbers on its first call, and keep the machine code on disk.

    Sums keep the order in which they are written and nothing is contracted, so that values equal those of ITK and PyWavelets
    to the last bit; a division by 0 gives infinity, as in numpy. Other threads run meanwhile, so kernels share no memory.
    """
    return cast("_Kernel", numba.njit(cache=True, error_model="numpy", nogil=True)(kernel))
