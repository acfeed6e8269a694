"""Every public name of the package: where it comes from, what its example shows, what importing costs."""

from pathlib import Path

import pytest
from front_door import LARGEST_REPR, heavy_imports, modules_of, run_examples

import radiomics_cfg
from nnunet_ext.cohort.cards import save_cohort
from nnunet_ext.ground.case import Cohort, Role
from radiomics_cfg import extract
from radiomics_cfg.preset import Preset


@pytest.fixture
def study(cohort: Cohort, small_preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the cohort ``dev`` and the preset ``small``, as a user has them on disk."""
    assert small_preset.name == "small"
    save_cohort(Cohort("dev", Role.DEVELOPMENT, cohort.cases), tmp_path / "dev")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("study", "default_backend")
@pytest.mark.parametrize("name", radiomics_cfg.__all__)
def test_the_example_of_each_public_name_runs(name: str) -> None:
    assert run_examples(radiomics_cfg, name) >= 1


def test_no_module_has_the_name_of_a_public_function() -> None:
    assert not modules_of(radiomics_cfg) & set(radiomics_cfg.__all__)
    assert set(radiomics_cfg.__all__) <= set(dir(radiomics_cfg))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'radiomics_cfg' has no attribute 'extrakt'"):
        radiomics_cfg.extrakt  # noqa: B018


def test_importing_loads_no_heavy_library() -> None:
    assert heavy_imports("radiomics_cfg") == []


@pytest.mark.usefixtures("default_backend")
def test_extraction_needs_no_folder_of_its_own(cohort: Cohort, small_preset: Preset, study: Path) -> None:
    before = {path.name for path in study.iterdir()}
    table, refused = extract(cohort, study / "small")
    kept, _ = extract(cohort, small_preset, cache_dir=str(study / "kept"))
    assert table.rows.equals(kept.rows)
    assert refused == ()
    assert {path.name for path in study.iterdir()} == {*before, "kept"}
    assert len(repr(table)) < LARGEST_REPR
