import numpy as np
import pytest

from radiomics_cfg.measurements.attenuation import against_cortex, mean_hu


@pytest.mark.parametrize(
    ("lesion", "word"), [(120, "below cortex"), (120.1, "as cortex"), (159.9, "as cortex"), (160, "above cortex")]
)
def test_a_lesion_differs_from_the_cortex_by_20_hu_or_is_as_the_cortex(lesion: float, word: str) -> None:
    assert against_cortex(lesion, 140, "corticomedullary")["attenuation_class"].value == word


@pytest.mark.parametrize(
    ("phase", "reason"), [(None, "not stated"), ("venous-ish", "not stated"), ("unenhanced", "unenhanced")]
)
def test_a_phase_that_says_nothing_of_enhancement_gives_no_class(phase: str | None, reason: str) -> None:
    found = against_cortex(90, 140, phase)
    assert found["attenuation_class"].value is None
    assert reason in str(found["attenuation_class"].reason)
    assert found["cortex_difference_hu"].value == -50


def test_the_mean_of_small_integers_does_not_overflow() -> None:
    hu = np.full((40, 40, 40), 3000, np.int16)
    assert mean_hu(hu, np.ones(hu.shape, bool)) == 3000
    assert mean_hu(hu, np.zeros(hu.shape, bool)) is None
