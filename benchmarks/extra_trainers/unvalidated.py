"""Our trainer for small tumours without the prediction of the fold's whole scans, which would take longer than a short run."""

from nnunet_ext.trainer import nnUNetTrainerCCRCCSmallTumours


class nnUNetTrainerUnvalidated(nnUNetTrainerCCRCCSmallTumours):
    """Ends with its last epoch."""

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:  # noqa: ARG002
        """Skip it."""
        self.print_to_log_file("Whole scans are not validated.")
