"""Real kidneys and tumours, on the grids of their whole scans, where the data folder lies beside the checkout."""

from pathlib import Path

import pandas as pd
import SimpleITK as sitk

DATA = Path(__file__).parents[2] / "shared" / "data" / "kits23"


def real_mask(case: str) -> sitk.Image:
    """Return a mask of KiTS23 on the grid of its whole scan."""
    part = sitk.ReadImage(DATA / "masks" / f"{case}.nii.gz", sitk.sitkUInt8)
    row = pd.read_csv(DATA / "clinical.csv").set_index("case_id").loc[case]
    size, start = ([int(n) for n in str(row[key]).split("x")] for key in ("full_shape", "crop_start"))
    whole = sitk.Image(size, sitk.sitkUInt8)
    whole.SetSpacing(part.GetSpacing())
    whole.SetDirection(part.GetDirection())
    whole.SetOrigin(part.TransformIndexToPhysicalPoint([-n for n in start]))
    return sitk.Paste(whole, part, part.GetSize(), [0, 0, 0], start)
