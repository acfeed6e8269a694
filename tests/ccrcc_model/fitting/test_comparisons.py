from dataclasses import asdict

import pytest

from ccrcc_model.fitting.comparators import Comparator
from ccrcc_model.fitting.comparisons import VOLUME, comparison_lines, find_primary, planned_comparisons
from ccrcc_model.fitting.rivals import Rival
from ccrcc_model.statistics.estimate import Estimate
from nnunet_ext.ground.errors import InputError

RIVALS = [Rival(name, lambda *_: lambda _: None) for name in ("tumour diameter", "clinical: age, sex")]


def comparator(name: str, low: float | None) -> Comparator:
    apart = Estimate(0.1, low, None if low is None else 0.2 - low)
    return Comparator(name, "auc", Estimate(0.6), apart)


@pytest.mark.parametrize(
    ("named", "found"), [(VOLUME, VOLUME), ("clinical", "clinical: age, sex"), ("tumour d", "tumour diameter")]
)
def test_a_comparison_is_named_by_its_beginning(named: str, found: str) -> None:
    assert find_primary(named, RIVALS) == found


@pytest.mark.parametrize(("named", "hits"), [("tumour", 2), ("age", 0), ("", 0)])
def test_a_name_that_fits_none_or_several_is_refused_with_those_that_there_are(named: str, hits: int) -> None:
    with pytest.raises(InputError, match=rf"fits {hits} of: tumour volume; tumour diameter; clinical: age, sex"):
        find_primary(named, RIVALS)


def test_the_primary_comparison_keeps_its_p_value_and_the_others_share_holms_correction() -> None:
    others = [comparator("tumour diameter", 0.0), comparator("clinical: age, sex", 0.02), comparator("ablation", None)]
    found = {one.name: one for one in planned_comparisons(Estimate(0.1, 0.0, 0.2), others, primary=VOLUME)}
    assert found[VOLUME].adjusted == found[VOLUME].p_value == pytest.approx(0.05)
    assert found["tumour diameter"].p_value == pytest.approx(0.05)
    assert found["clinical: age, sex"].adjusted == pytest.approx(2 * found["clinical: age, sex"].p_value)
    assert found["tumour diameter"].adjusted == pytest.approx(0.05)
    assert found["ablation"].adjusted is None
    swapped = {one.name: one for one in planned_comparisons(Estimate(0.1, 0.0, 0.2), others[:1], primary="tumour diameter")}
    assert [name for name, one in swapped.items() if one.primary] == ["tumour diameter"]


def test_the_line_names_the_primary_comparison_and_the_correction() -> None:
    alone = planned_comparisons(Estimate(0.1, 0.0, 0.2), [], primary=VOLUME)
    assert comparison_lines([asdict(one) for one in alone]) == ["Primary comparison: tumour volume, P 0.050"]
    more = planned_comparisons(
        Estimate(0.1, 0.0, 0.2), [comparator("ablation", None), comparator("tumour diameter", 0.09)], primary=VOLUME
    )
    (line,) = comparison_lines([asdict(one) for one in more])
    assert line.startswith("Primary comparison: tumour volume, P 0.050; others, adjusted by Holm's method: ablation not ")
    assert line.endswith("estimable, tumour diameter < 0.001")
    assert comparison_lines([]) == []
