"""Stock nnU-Net's trainer with the length of its run set by ``CCRCC_EPOCHS`` and ``CCRCC_ITERATIONS``."""

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunet_ext.trainer import nnUNetTrainerCCRCC


class nnUNetTrainerStock(nnUNetTrainerCCRCC):
    """The paper's trainer differs from stock nnU-Net by its augmentation alone: here stock nnU-Net's is put back."""

    get_training_transforms = staticmethod(nnUNetTrainer.get_training_transforms)
