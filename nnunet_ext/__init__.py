"""From a cohort on disk to masks: cohort cards, the gate, phantoms, nnU-Net training and segmentation.

Import what you need from its module; importing this package runs nothing, because nnU-Net's plugin hook imports it at every
interpreter start.
"""
