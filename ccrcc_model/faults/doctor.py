"""The faults of the corpus, met one by one."""

from collections.abc import Sequence

from ccrcc_model.faults.fault import Command, Verdict, corpus
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.progress import OnProgress, silent


def meet_faults(command: Command, only: Sequence[str] = (), *, on_progress: OnProgress = silent) -> tuple[Verdict, ...]:
    """Meet the faults of the corpus, and return what became of each.

    Args:
        command: By which they are met.
        only: Names of those that are wanted; all by default.
        on_progress: Called after each fault.

    Raises:
        InputError: If there is no fault of a name.
    """
    known = {fault.name: fault for fault in corpus()}
    if unknown := next((name for name in only if name not in known), None):
        msg = f"No fault is called {unknown}; `ccrcc doctor --faults` names them all"
        raise InputError(msg)
    faults = [known[name] for name in only or known]
    verdicts = []
    on_progress(0, len(faults))
    for done, fault in enumerate(faults, start=1):
        verdicts.append(fault.meet(command))
        on_progress(done, len(faults))
    return tuple(verdicts)
