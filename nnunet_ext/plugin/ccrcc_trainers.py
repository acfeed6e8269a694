"""What nnU-Net's trainer search finds. Only names from here: a class defined in this folder would not pickle."""

from nnunet_ext.trainer import nnUNetTrainerCCRCC, nnUNetTrainerCCRCCShort, nnUNetTrainerCCRCCSmallTumours

__all__ = ["nnUNetTrainerCCRCC", "nnUNetTrainerCCRCCShort", "nnUNetTrainerCCRCCSmallTumours"]
