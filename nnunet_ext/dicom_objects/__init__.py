"""Masks as viewers and archives take them: DICOM SEG, and segmentations of 3D Slicer.

``identity`` decides which identifiers leave, ``source`` holds what an object may state of its CT series, ``coding`` the codes
of our structures, ``segment`` what a value of a mask means; ``segmentation_object`` and ``slicer_segmentation`` write.
"""
