"""Faults that real files, disks and users bring, each made small and synthetic: ``ccrcc doctor --faults`` meets them all.

One module per kind of input; ``corpus()`` gathers them.
"""

from ccrcc_model.faults.fault import Fault, NotHeld, Verdict, corpus

__all__ = ["Fault", "NotHeld", "Verdict", "corpus"]
