"""Tells nnU-Net where our trainers are, with nothing for the user to export.

``ccrcc_plugin.pth``, installed beside the packages, imports this module at interpreter start. nnU-Net reads
``nnUNet_extTrainer`` only when it looks for a trainer, so appending here is early enough; a value of the user's own is kept.
"""

import os

_VARIABLE = "nnUNet_extTrainer"
_PLUGIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "plugin")

_folders = [folder for folder in os.environ.get(_VARIABLE, "").split(os.pathsep) if folder]
if _PLUGIN not in _folders:
    os.environ[_VARIABLE] = os.pathsep.join([*_folders, _PLUGIN])
