from command_line import ccrcc_here, mistake_here


def test_the_criteria_of_a_validation_and_of_a_development_are_stated() -> None:
    ran = ccrcc_here("size", "--prevalence", 0.3, "--auc", 0.75, "--candidates", 30)
    assert ran.status == 0
    assert "overfitting                        1534 patients,     460 positive: shrinkage of 0.9 or more" in ran.said
    assert "AUC                                 433 patients,     130 positive: 95% CI 0.1 wide" in ran.said
    assert ran.said.splitlines()[-1] == "  needed: 2853 patients, 856 of them positive"


def test_a_shrinkage_without_candidates_is_refused() -> None:
    assert "--shrinkage is of a model to be developed" in mistake_here(
        "size", "--prevalence", 0.3, "--auc", 0.75, "--shrinkage", 0.8
    )


def test_an_auc_that_none_can_plan_with_is_refused() -> None:
    assert "must lie inside (0.5, 1), not 0.45" in mistake_here("size", "--prevalence", 0.3, "--auc", 0.45)
