import pytest

from ccrcc_model.models.acquisition import AcquisitionRange

SEEN = [
    {"slice_spacing_mm": 1.0, "slice_thickness_mm": "2", "tube_voltage_kv": "100", "phase": "Nephrographic"},
    {"slice_spacing_mm": 5.0, "slice_thickness_mm": "5", "tube_voltage_kv": "120", "phase": "corticomedullary "},
]


@pytest.mark.parametrize(
    ("parameter", "accepted", "declined"),
    [
        ("slice_spacing_mm", (0.9, 3, 5.5), (0.89, 5.51)),
        ("slice_thickness_mm", ("1.8", "5.5"), ("1.79", "5.51")),
        ("tube_voltage_kv", ("90", "110", "132"), ("80", "140")),
        ("phase", ("nephrographic", " CORTICOMEDULLARY"), ("excretory",)),
    ],
)
def test_what_was_seen_is_accepted_with_a_tenth_to_spare(parameter: str, accepted: tuple, declined: tuple) -> None:
    seen = AcquisitionRange.of(SEEN)
    assert [seen.reasons({parameter: value}) for value in accepted] == [[]] * len(accepted)
    assert all(len(seen.reasons({parameter: value})) == 1 for value in declined)


def test_reasons_say_what_was_found_and_what_was_seen() -> None:
    found = AcquisitionRange.of(SEEN).reasons({"tube_voltage_kv": "80", "phase": "excretory", "slice_spacing_mm": 2.0})
    assert found == ["tube voltage 80 kV, seen 100 to 120", "phase excretory, seen corticomedullary, nephrographic"]


def test_what_is_not_stated_is_not_held_against_a_scan() -> None:
    seen = AcquisitionRange.of(SEEN)
    assert seen.reasons({}) == []
    assert seen.reasons({"slice_thickness_mm": "", "tube_voltage_kv": "high", "phase": None, "kernel": "B70f"}) == []
    assert AcquisitionRange.of([{}, {}]).reasons(SEEN[0]) == []


@pytest.mark.parametrize(("stated", "compared"), [(5, False), (6, True)])
def test_a_parameter_is_compared_if_most_development_cases_state_it(stated: int, compared: bool) -> None:
    seen = AcquisitionRange.of([{"tube_voltage_kv": "120", "phase": "nephrographic"}] * stated + [{}] * (10 - stated))
    assert bool(seen.reasons({"tube_voltage_kv": "80"})) is compared
    assert bool(seen.reasons({"phase": "excretory"})) is compared
