"""Every public name of the package: where it comes from, what its example shows, what importing costs."""

# Also of: nnunet_ext.ground.case, nnunet_ext.ground.lazy_names, nnunet_ext.ground.notebook.

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from front_door import LARGEST_REPR, heavy_imports, modules_of, run_examples

import nnunet_ext
from nnunet_ext import Cohort, Role, load_cohort, save_cohort
from nnunet_ext.ground.case import Case


@pytest.fixture
def study(two_ball_cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the cohorts ``dev``, with masks, and ``ext``, without, as a user has them on disk."""
    cases = two_ball_cohort.cases[:2]
    save_cohort(Cohort("dev", Role.DEVELOPMENT, cases), tmp_path / "dev")
    save_cohort(Cohort("ext", Role.EXTERNAL, tuple(replace(case, mask=None) for case in cases)), tmp_path / "ext")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("name", sorted(set(nnunet_ext.__all__) - {"segment"}))
def test_the_example_of_each_public_name_runs(name: str) -> None:
    assert run_examples(nnunet_ext, name) >= 1


def test_the_example_of_segment_runs(tiny_training: Any, study: Path) -> None:
    pytest.importorskip("torch")
    shutil.copytree(tiny_training.model, study / "network")
    assert run_examples(nnunet_ext, "segment") >= 1


def test_no_module_has_the_name_of_a_public_function() -> None:
    assert not modules_of(nnunet_ext) & set(nnunet_ext.__all__)
    assert set(nnunet_ext.__all__) <= set(dir(nnunet_ext))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'nnunet_ext' has no attribute 'segmnt'"):
        nnunet_ext.segmnt  # noqa: B018


def test_importing_loads_no_heavy_library() -> None:
    assert heavy_imports("nnunet_ext") == []


def test_a_cohort_says_in_three_lines_what_it_is(study: Path) -> None:
    dev = load_cohort(str(study / "dev" / "card.yaml"))
    assert repr(dev).splitlines() == [
        "Cohort dev, development",
        "2 cases of 2 patients from 2 centres, 2 with a mask",
        "labels: kidney, tumour, cyst; tables: none",
    ]
    assert dev._repr_html_() == f"<pre>{dev!r}</pre>"


def test_the_repr_of_a_large_cohort_names_no_case() -> None:
    cases = tuple(Case(f"case{i}", f"patient{i}", "north", Path("x.nii.gz")) for i in range(500))
    cohort = Cohort("many", Role.EXTERNAL, cases)
    assert len(repr(cohort)) < LARGEST_REPR
    assert "patient1" not in repr(cohort)
