"""Predictions of a few patients of one centre."""

import numpy as np

from ccrcc_model.statistics.predictions import Predictions


def predictions(y_true, y_prob, *, cohort="A") -> Predictions:
    n = len(y_true)
    ids = np.array([f"p{i}" for i in range(n)], dtype=np.str_)
    centre = np.full(n, "one", dtype=np.str_)
    return Predictions(cohort, "grade", ids, centre, np.asarray(y_true, dtype=int), np.asarray(y_prob, dtype=float))
