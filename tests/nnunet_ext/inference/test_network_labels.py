from pathlib import Path
from typing import Any

import pytest

from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.labels import Label
from nnunet_ext.inference.network_labels import LabelMap, NetworkLabels, read_labels

FOLDER = Path("network")


def read(labels: dict[str, Any], order: Any = None, stated: dict[str, Any] | None = None) -> NetworkLabels:
    content = {"labels": {"background": 0, **labels}, "regions_class_order": order}
    return read_labels(content, FOLDER, None if stated is None else LabelMap.of(stated))


def the_line(*labels: Any, **stated: Any) -> str:
    with pytest.raises(InputError) as failure:
        read(*labels, **stated)
    line = str(failure.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("labels", "order", "values"),
    [
        ({"kidney": 1, "tumour": 2}, None, {"kidney": (1,), "tumour": (2,)}),
        ({"tumour": 1, "kidney": 2}, None, {"tumour": (1,), "kidney": (2,)}),
        ({"kidney": 1, "tumour": 2}, [2, 1], {"kidney": (1,), "tumour": (2,)}),  # nnU-Net orders regions alone
        ({"kidney_and_masses": [1, 2], "tumour": [2]}, [1, 2], {"kidney": (1,), "tumour": (2,)}),
        ({"kidney_and_masses": [1]}, [1], {"kidney": (1,)}),  # no region holds another, so nnU-Net takes it for a label
        ({"Kidney": 1, "TUMOR": 2, "Cyst": 3}, None, {"kidney": (1,), "tumour": (2,), "cyst": (3,)}),
        ({"kidney": 1, "renal_tumor": 2}, None, {"kidney": (1,), "tumour": (2,)}),
        ({"kidney": 1, "renal mass": 2}, None, {"kidney": (1,), "mass": (2,)}),
        ({"kidney": 1, "lesion": 2}, None, {"kidney": (1,), "mass": (2,)}),  # a cyst is a lesion too
        ({"kidney_right": 1, "kidney_left": 2, "kidney_cyst_left": 3}, None, {"kidney": (1, 2), "cyst": (3,)}),
        ({"kidney": 1, "tumor": 2, "ignore": 3}, None, {"kidney": (1,), "tumour": (2,)}),
        ({"kidney": [1], "masses": [2]}, None, {"kidney": (1,), "mass": (2,)}),
        ({"kidney_and_masses": [1, 2], "masses": [2]}, [1, 2], {"kidney": (1,), "mass": (2,)}),
    ],
)
def test_names_of_structures_are_read_by_whole_words(
    labels: dict[str, Any], order: list[int] | None, values: dict[str, tuple[int, ...]]
) -> None:
    assert read(labels, order).values == values


@pytest.mark.parametrize("kidney", ["kidney", "Kidney", "kidney_and_masses", "kidney_and_tumor_and_cyst"])
def test_the_regions_of_kits23_leave_kidney_cyst_and_tumour(kidney: str) -> None:
    found = read({kidney: [1, 2, 3], "masses": [2, 3], "tumor": 2}, [1, 3, 2])
    assert found.values == {"kidney": (1,), "cyst": (3,), "tumour": (2,)}


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        ({"kidney": "1", "tumour": 2}, None),
        ({"kidney": 1.0, "tumour": 2}, None),
        ({"kidney": True, "tumour": 2}, None),
        ({"kidney": 1, "tumour": 1}, None),
        ({"kidney": 1, "tumour": 3}, None),  # nnU-Net's second output would be read as class 2
        ({"kidney": 0, "tumour": 1}, None),
        ({"kidney": 1, "tumour": []}, None),
        ({}, None),
        ({"kidney_and_masses": [1, 2], "tumour": [2]}, None),
        ({"kidney_and_masses": [1, 2], "tumour": [2]}, [1]),
        ({"kidney_and_masses": [1, 2], "tumour": [2]}, [2, 2]),
        ({"kidney_and_masses": [1, 2], "tumour": [2]}, [2, 1]),  # a region cannot write a class that it does not hold
        ({"kidney_and_masses": [1, "2"], "tumour": [2]}, [1, 2]),
        ({"kidney_and_masses": [1, 256], "tumour": [256]}, [1, 256]),
    ],
)
def test_labels_that_nnunet_does_not_train_on_are_refused(labels: dict[str, Any], order: list[int] | None) -> None:
    assert "wanted are labels numbered from 1, or regions with their order" in the_line(labels, order)
    assert "wanted are labels numbered from 1" in the_line(labels, order, stated={"kidney": 1})


@pytest.mark.parametrize(
    "labels",
    [
        {"kidney": 1, "liver": 2},
        {"kidney": 1, "kidney tumor_x7": 2},
        {"class1": 1, "class2": 2},
        {"kidney": 1, "renal mass": 2, "cyst": 3},  # is the mass then a tumour? the user knows
        {"kidney": 1, "tumor": 2, "lesion": 3},
    ],
)
def test_a_name_that_states_no_structure_asks_for_a_declaration(labels: dict[str, Any]) -> None:
    assert "--labels kidney=1,mass=2" in the_line(labels)
    stated = {"kidney": 1, "tumour": 2}
    assert read(labels, stated=stated).values == {"kidney": (1,), "tumour": (2,)}


def test_a_declaration_joins_classes_and_leaves_the_others_to_the_background() -> None:
    found = read({"right": 1, "left": 2, "liver": 3, "mass": 4}, stated={"kidney": [1, 2], "mass": 4})
    assert found.left_out == {3: "liver"}
    assert found.canonical()[:5].tolist() == [0, Label.KIDNEY, Label.KIDNEY, 0, Label.MASS]


def test_a_mass_that_is_declared_a_tumour_is_told_of() -> None:
    assert read({"kidney": 1, "renal mass": 2}, stated={"kidney": 1, "tumour": 2}).renamed == {"tumour": "renal mass"}
    assert read({"kidney": 1, "x": 2}, stated={"kidney": 1, "tumour": 2}).renamed == {}


def test_a_class_that_the_network_lacks_names_those_that_it_has() -> None:
    line = the_line({"kidney": 1, "tumor": 2}, stated={"kidney": 1, "tumour": 3})
    assert "has no class 3, declared to be tumour; it has 1 = kidney, 2 = tumor" in line


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ({"kidney": 1, "tumour": 1}, "two structures share a value"),
        ({"kidney": [2, 2]}, "given twice"),
        ({"kidney": 1, "mass": 2, "tumour": 3}, "a mass is a tumour or a cyst"),
        ({"kidney": 1, "mass": 2, "cyst": 3}, "a mass is a tumour or a cyst"),
        ({"kidney": 0}, "1 to 255"),
        ({"liver": 1}, "unknown structure 'liver'"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(stated: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        LabelMap.of(stated)


def test_a_label_map_reads_as_it_is_typed() -> None:
    assert str(LabelMap.of({"mass": 4, "kidney": (3, 2)})) == "kidney=2,3,mass=4"
