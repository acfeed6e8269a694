"""Faults that real files, disks and users bring, each made small and synthetic: ``ccrcc doctor --faults`` meets them all.

One module per kind of input; ``corpus()`` gathers them, ``meet_faults`` meets them by a command that it is handed.
"""

from ccrcc_model.faults.doctor import meet_faults
from ccrcc_model.faults.fault import Command, Fault, NotHeld, Verdict, corpus, in_this_process

__all__ = ["Command", "Fault", "NotHeld", "Verdict", "corpus", "in_this_process", "meet_faults"]
