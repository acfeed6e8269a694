"""Predictions that say nothing, and simulated ones with figures of reference implementations."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from predicted import predictions

from ccrcc_model.statistics.predictions import Predictions


@pytest.fixture
def coin_toss() -> Predictions:
    rng = np.random.default_rng(0)
    return predictions(np.repeat([1, 0], 50), rng.random(100))


@pytest.fixture(scope="session")
def simulated() -> dict[str, Any]:
    """Truth and probability of 200 patients, and what R and Python say of them."""
    reference = Path(__file__).parents[2] / "reference" / "simulated_200.json"
    found: dict[str, Any] = json.loads(reference.read_text(encoding="utf-8"))
    return found
