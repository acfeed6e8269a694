"""``ccrcc doctor --faults``: one line per fault, and how many were held."""

from collections.abc import Sequence

from ccrcc_model.commands.console import progress_bar, say
from ccrcc_model.faults.fault import corpus
from nnunet_ext.ground.errors import InputError

NOT_HELD = 1
"""Exit status if a fault was believed: this installation is not to be trusted with such files."""

_MARKS = {True: "held", False: "FAULT", None: "not tried"}


def check_faults(only: Sequence[str] = ()) -> int:
    """Meet the faults of the corpus, say what became of each, and return the exit status.

    Args:
        only: Names of those that are wanted; all by default.

    Raises:
        InputError: If there is no fault of a name.
    """
    known = {fault.name: fault for fault in corpus()}
    if unknown := next((name for name in only if name not in known), None):
        msg = f"No fault is called {unknown}; `ccrcc doctor --faults` names them all"
        raise InputError(msg)
    faults = [known[name] for name in only or known]
    verdicts = []
    with progress_bar("Meeting faults") as on_progress:
        for done, fault in enumerate(faults):
            on_progress(done, len(faults))
            verdicts.append(fault.meet())
        on_progress(len(faults), len(faults))
    for fault, verdict in zip(faults, verdicts, strict=True):
        say(f"{_MARKS[verdict.held]:9}  {fault.name}: {verdict.said}")
    n_held, n_believed = (sum(verdict.held is wanted for verdict in verdicts) for wanted in (True, False))
    say(f"{n_held} of {len(faults)} faults held, {n_believed} not, {len(faults) - n_held - n_believed} not tried")
    return NOT_HELD if n_believed else 0
