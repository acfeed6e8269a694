from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("nnunetv2")

from nnunet_ext.ground.case import Case, Cohort, Refusal
from nnunet_ext.ground.errors import InputError
from nnunet_ext.inference.trained_model import TrainedModel, load_model
from nnunet_ext.scans.geometry import Scan
from radiomics_cfg.cases.deep import measure_deep, tumour_and_ring
from radiomics_cfg.deep import add_deep_features
from radiomics_cfg.extraction import extract
from radiomics_cfg.preset import Preset, load_preset
from radiomics_cfg.table import FeatureTable

Join = Callable[..., tuple[FeatureTable, tuple[Refusal, ...]]]

pytestmark = pytest.mark.usefixtures("default_backend")


@pytest.fixture
def table(cohort: Cohort, small_preset: Preset, tmp_path: Path) -> FeatureTable:
    return extract(cohort, small_preset, cache_dir=tmp_path / "extract.cases")[0]


@pytest.fixture
def join(table: FeatureTable, cohort: Cohort, small_preset: Preset, untrained_network: Path, tmp_path: Path) -> Join:
    """Join deep features, but for what is given as it should be."""

    def make(**other: object) -> tuple[FeatureTable, tuple[Refusal, ...]]:
        asked = {"table": table, "cohort": cohort, "preset": small_preset, "network": TrainedModel(untrained_network)}
        return add_deep_features(*(asked | other).values(), cache_dir=tmp_path / "deep.cases")  # type: ignore[arg-type]

    return make


def test_deep_features_stand_beside_the_others_of_their_case(
    join: Join, table: FeatureTable, two_balls: Callable[..., Scan], small_preset: Preset, untrained_network: Path
) -> None:
    joined, refusals = join()
    assert refusals == ()
    assert joined.rows[table.rows.columns].equals(table.rows)
    assert len(joined.feature_names) == len(table.feature_names) + 72
    model = load_model(TrainedModel(untrained_network))
    for row in range(3):
        scan = two_balls(seed=row, tumour_mm=9 + 2 * row)
        alone = measure_deep(scan, tumour_and_ring(small_preset.regions), model).values[0]
        np.testing.assert_allclose(joined.features.to_numpy()[row, -72:], alone, atol=1e-6)


def test_the_table_tells_the_network_and_survives_a_file(join: Join, table: FeatureTable, tmp_path: Path) -> None:
    joined, _ = join()
    assert set(joined.provenance["deep"]["network"]) == {"plans.json", "dataset.json", "fold_0/checkpoint_best.pth"}
    assert "deep_sha256" not in table.provenance
    joined.write(tmp_path / "joined.parquet")
    assert FeatureTable.read(tmp_path / "joined.parquet").provenance == joined.provenance


def test_rows_in_another_order_get_their_own_values(join: Join, table: FeatureTable) -> None:
    joined, _ = join()
    shuffled, _ = join(table=replace(table, rows=table.rows.iloc[[2, 0, 1]]))
    assert shuffled.rows.sort_values("case_id").equals(joined.rows)


def test_a_case_that_cannot_be_read_keeps_its_row_and_is_refused(join: Join, cohort: Cohort, table: FeatureTable) -> None:
    cohort.cases[1].image.write_bytes(b"torn")
    joined, refusals = join()
    assert [(one.case_id, one.stage, one.code) for one in refusals] == [("case1", "deep", "unreadable")]
    missing = joined.features.isna().to_numpy()[:, -72:]
    assert missing.all(axis=1).tolist() == missing.any(axis=1).tolist() == [False, True, False]
    assert joined.rows[table.rows.columns].equals(table.rows)


def test_a_scan_that_is_not_the_one_of_the_table_is_refused(
    join: Join, cohort: Cohort, two_balls: Callable[..., Scan], write_case: Callable[[str, Scan], Case]
) -> None:
    assert write_case("case2", two_balls(seed=9)).image == cohort.cases[2].image
    _, refusals = join()
    assert [(one.case_id, one.code) for one in refusals] == [("case2", "changed")]
    assert refusals[0].reason == "its image is not the one that the table's features are of"


def test_reasons_of_missing_deep_features_stand_beside_the_others(
    join: Join, small_preset: Preset, table: FeatureTable
) -> None:
    strict = replace(small_preset, regions=small_preset.regions.model_copy(update={"minimum_voxels": 10_000}))
    before = table.provenance["cases"]["case0"]["missing"][0]
    after = join(preset=strict)[0].provenance["cases"]["case0"]["missing"][0]
    assert "shell_0_6mm_kidney__6mm" in before
    assert before.items() < after.items()
    assert after.keys() - before.keys() == {"tumour__net4mm", "shell_0_6mm__net4mm"}
    assert after["tumour__net4mm"].endswith(" voxels; at least 10000 are needed")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("preset", r"extracted with preset small \([0-9a-f]{8}\), not with quick"),
        ("cohort", "The card is of cohort elsewhere, the table holds phantoms"),
        ("cases", "holds 1 cases that the card of cohort phantoms does not, the first is case2"),
        ("table", "has deep features already"),
    ],
)
def test_what_does_not_belong_together_is_refused(other: str, message: str, join: Join, cohort: Cohort) -> None:
    wrong = {
        "preset": lambda: {"preset": load_preset("quick")},
        "cohort": lambda: {"cohort": replace(cohort, name="elsewhere")},
        "cases": lambda: {"cohort": cohort.with_cases(cohort.cases[:2])},
        "table": lambda: {"table": join()[0]},
    }
    with pytest.raises(InputError, match=message):
        join(**wrong[other]())
