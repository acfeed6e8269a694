from pathlib import Path

from radiomics_cfg.measurements.definitions import page

ROOT = Path(__file__).parents[3]


def test_the_page_of_measurements_is_the_definitions_printed() -> None:
    stored = (ROOT / "docs" / "reference" / "measurements.md").read_text(encoding="utf-8")
    assert stored == page(), "python -m radiomics_cfg.measurements.definitions > docs/reference/measurements.md"
