"""The benchmark's three full-size scans: a small, a middle-sized and a large tumour, five regions each."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from radiomics_cfg.backends.extractor import Extractor

pytestmark = [pytest.mark.slow, pytest.mark.data]

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "extraction.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    if not SCRIPT.is_file():
        pytest.skip("benchmarks/extraction.py is not beside the tests")
    spec = importlib.util.spec_from_file_location("benchmark_of_extraction", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look there
    sys.path.insert(0, str(SCRIPT.parent))  # as when it is run
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return module


@pytest.mark.filterwarnings("ignore")  # PyRadiomics' own
@pytest.mark.parametrize("name", ["small", "middle", "large"])
def test_a_benchmark_case_is_pyradiomics(
    oracle: Any, disagreements: Any, benchmark: ModuleType, tmp_path: Path, name: str
) -> None:
    case = benchmark.write_bench(tmp_path / name, name)
    theirs = benchmark.by_region(oracle.module.featureextractor.RadiomicsFeatureExtractor(benchmark.PARAMETERS), case)
    ours = benchmark.by_region(Extractor(benchmark.PARAMETERS), case)
    assert len(ours) == len(benchmark.REGIONS) * (14 + 14 * 93)
    assert disagreements(ours, theirs) == {}
