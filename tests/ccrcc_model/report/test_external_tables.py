"""What the page states of patients without an answer."""

from types import SimpleNamespace

from ccrcc_model.report.external_tables import intention_to_diagnose
from ccrcc_model.statistics.calls import Counts
from ccrcc_model.statistics.intention_to_diagnose import ThreeByTwo
from ccrcc_model.validation.unanswered import IntentionToDiagnose


def test_worst_answered_and_best_are_one_figure_where_everyone_was_answered() -> None:
    answered = Counts(true_positive=3, false_negative=1, true_negative=4, false_positive=1)
    tables = (
        IntentionToDiagnose("north", "not scored", ThreeByTwo(answered, 0, 0), is_complete=True),
        IntentionToDiagnose("south", "not scored", ThreeByTwo(answered, 1, 0), is_complete=False),
    )
    shown = intention_to_diagnose(SimpleNamespace(intention_to_diagnose=tables, print_rule="round", target="grade"))
    north, south = shown.rows
    assert north == ["north", "not scored", "3 / 1 / 0", "1 / 4 / 0", "0.75(0.19-0.99)", "0.80(0.28-0.99)", "0.78(0.40-0.97)"]
    assert south[:4] == ["south ‡", "not scored", "3 / 1 / 1", "1 / 4 / 0"]
    # 3 of 5, 3 of 4 and 4 of 5; exact intervals of any table.
    assert south[4:6] == ["0.60(0.15-0.95)\n0.75(0.19-0.99)\n0.80(0.28-0.99)", "0.80(0.28-0.99)"]
