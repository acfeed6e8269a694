"""A figure is one decorated function, and the families know what each is."""

import re
from dataclasses import fields

import pytest

from ccrcc_model.statistics.bootstrap import Bootstrap
from ccrcc_model.statistics.calibration import CALIBRATION, Calibration
from ccrcc_model.statistics.calls import CALLS, SHARES
from ccrcc_model.statistics.discrimination import DISCRIMINATION, auc
from ccrcc_model.statistics.figure import Figures
from ccrcc_model.statistics.graded import GRADING
from ccrcc_model.statistics.net_benefit import BENEFIT

EVERY = (*CALLS, *BENEFIT, *DISCRIMINATION, *CALIBRATION, *GRADING)


def test_each_figure_has_a_name_of_its_own_a_title_and_a_source_that_can_be_found() -> None:
    assert len({figure.name for figure in EVERY}) == len(EVERY)
    assert all(figure.title for figure in EVERY)
    assert all(re.search(r"doi:10\.\d{4,}/|van Rijsbergen 1979", figure.source) for figure in EVERY)


def test_the_families_are_in_the_order_of_the_tables() -> None:
    assert SHARES == ("sensitivity", "specificity", "accuracy", "ppv", "npv")
    assert CALLS.names() == (*SHARES, "balanced_accuracy", "f1")
    assert CALIBRATION.names() == tuple(field.name for field in fields(Calibration))
    assert [figure.name for figure in GRADING.of("ordinal")] == ["concordance", "weighted_kappa", "absolute_error"]
    assert [figure.name for figure in GRADING.of("percentage")] == ["concordance", "spearman", "absolute_error", "r2_log"]
    assert GRADING.of("binary") == ()


def test_every_binary_figure_that_is_resampled_stands_in_the_bootstrap() -> None:
    resampled = {figure.name for figure in EVERY if figure.redrawn and "binary" in figure.kinds}
    assert resampled == {field.name for field in fields(Bootstrap)} - {"replicates", "seed"}
    assert all(figure.redrawn for figure in EVERY if figure.interval == "bootstrap")


def test_the_decorated_function_stays_what_it_was_and_is_found_by_its_name() -> None:
    assert DISCRIMINATION["auc"].compute is auc
    with pytest.raises(KeyError, match="No figure 'gini' of discrimination; known ones are auc, auprc"):
        DISCRIMINATION["gini"]


def test_a_name_is_given_once_and_a_bootstrap_states_whom_it_draws_from() -> None:
    family: Figures = Figures("trial")
    family.add("n", title="N", source="doi:10.0000/x")(len)
    with pytest.raises(ValueError, match="has a figure 'n' already"):
        family.add("n", title="N", source="doi:10.0000/x")
    with pytest.raises(ValueError, match="state whom it draws from"):
        family.add("m", title="M", source="doi:10.0000/x", interval="bootstrap")
