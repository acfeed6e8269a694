import numpy as np

from radiomics_cfg.engine.compiled import compiled


@compiled
def _product_and_sum(a, b, c):  # type: ignore[no-untyped-def]
    return a * b + c


@compiled
def _sum_of(x):  # type: ignore[no-untyped-def]
    total = 0.0
    for value in x:
        total += value
    return total


@compiled
def _ratio(a, b):  # type: ignore[no-untyped-def]
    return a / b


def test_a_product_is_rounded_before_it_is_added_to() -> None:
    a = 1 + 2.0**-27  # its square needs 55 bits
    assert _product_and_sum(a, a, -(1 + 2.0**-26)) == 0.0  # 2**-54 in one fused step


def test_sums_run_in_the_order_written() -> None:
    x = np.array([1e16, *[1.0] * 64, -1e16])
    assert _sum_of(x) == 0.0  # 64 if the ones were summed side by side
    assert _sum_of(x[[0, -1, *range(1, 65)]]) == 64.0


def test_a_division_by_0_gives_infinity() -> None:
    assert _ratio(1.0, 0.0) == np.inf
    assert np.isnan(_ratio(0.0, 0.0))
