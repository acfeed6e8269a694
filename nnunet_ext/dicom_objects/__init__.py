"""DICOM objects that we write: the masks of a scan as SEG, and whose scan it was, if the user asks for that.

``identity`` decides which identifiers leave, ``source`` holds what an object may state of its CT series, ``coding`` the codes
of our structures, ``segmentation_object`` writes. All of it needs the extra ``dicom``.
"""
