import sys

import numpy as np
import pytest

from radiomics_cfg.process import heap
from radiomics_cfg.process.heap import freed_memory_kept


@pytest.mark.skipif(sys.platform != "linux", reason="the size of the process is read as Linux tells it")
@pytest.mark.parametrize(("most_kept", "given_back"), [(0, True), (2**50, False)])
def test_what_a_large_case_freed_goes_back_to_the_system(
    most_kept: int, given_back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if heap._glibc() is None:
        pytest.skip("the C library is not glibc")
    monkeypatch.setattr(heap, "MOST_KEPT", most_kept)
    before = heap._resident()
    with freed_memory_kept():
        pieces = [np.ones(2**20) for _ in range(24)]  # 8 MiB each, below what is kept
        at_peak = heap._resident()
        del pieces
        assert heap._resident() > before + 0.5 * (at_peak - before), "kept for the next volume"
    assert (heap._resident() < before + 0.2 * (at_peak - before)) is given_back
