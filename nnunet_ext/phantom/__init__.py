"""Synthetic contrast CT of the abdomen with known truth: tumour biology, anatomy, scanner, study."""

from nnunet_ext.phantom.anatomy import Anatomy, draw_anatomy
from nnunet_ext.phantom.biology import Biology, best_possible_auc, draw_biology, volume_auc
from nnunet_ext.phantom.real_mask import render_on_mask
from nnunet_ext.phantom.render import render
from nnunet_ext.phantom.scanner import CENTRES, DEMO_GRID, FULL_GRID, Centre, Grid, Phase, Protocol, draw_protocol
from nnunet_ext.phantom.study import CohortPlan, write_study

__all__ = [
    "CENTRES",
    "DEMO_GRID",
    "FULL_GRID",
    "Anatomy",
    "Biology",
    "Centre",
    "CohortPlan",
    "Grid",
    "Phase",
    "Protocol",
    "best_possible_auc",
    "draw_anatomy",
    "draw_biology",
    "draw_protocol",
    "render",
    "render_on_mask",
    "volume_auc",
    "write_study",
]
