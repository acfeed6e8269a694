"""What was measured: the parameters of the extraction and the features that the models use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ccrcc_model.models.model import Model
from ccrcc_model.report.summary import title
from ccrcc_model.report.tables import Table
from nnunet_ext.documents.csv_table import write_csv
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import write_json
from radiomics_cfg.preset import Preset, load_preset


def write_presets(models: Mapping[str, Model], folder: Path) -> tuple[Preset, ...]:
    """Write ``preset_<name>.json`` with every parameter of the presets with which the models' features were made.

    A model names its preset and holds the hash of its files. Only a preset with that hash is written, so that the file states
    what was done and not what a preset of that name does today; a record of an earlier run is removed.
    """
    for stale in folder.glob("preset_*.json"):
        stale.unlink()
    found = {}
    for model in models.values():
        made_by = model.manifest["preset"]
        try:
            preset = load_preset(str(made_by["preset"]))
        except InputError:  # one of the user's own, which is not here
            continue
        if preset.sha256 == made_by["preset_sha256"]:
            found[preset.name] = preset
    for name, preset in found.items():
        write_json(folder / f"preset_{name}.json", _content(preset))
    return tuple(found.values())


def _content(preset: Preset) -> dict[str, Any]:
    return {
        "preset": preset.name,
        "sha256": preset.sha256,
        "regions": preset.regions.model_dump(mode="json"),
        "scales": {scale.name: scale.parameters.as_pyradiomics() for scale in preset.scales},
    }


def extraction(preset: Preset) -> Table:
    """Parameters of each scale of a preset."""
    rows = []
    for scale in preset.scales:
        asked, setting = scale.parameters, scale.parameters.setting
        voxel = "as scanned" if setting.spacing_mm is None else " × ".join(f"{length:g}" for length in setting.spacing_mm)
        bins = f"{setting.bin_width:g} HU wide" if setting.bin_width else f"{setting.bin_count or 'default'} bins"
        images = [
            f"LoG, σ {', '.join(f'{sigma:g}' for sigma in own.sigma or ())} mm"
            if kind == "LoG"
            else f"{kind} {own.wavelet or ''}".strip()
            for kind, own in asked.image_types.items()
        ]
        rows.append(
            [
                scale.name,
                voxel,
                setting.interpolator.removeprefix("sitk"),
                bins,
                "; ".join(images),
                ", ".join(asked.feature_classes),
            ]
        )
    columns = ["Scale", "Voxel (mm)", "Interpolation", "Grey levels", "Images", "Classes"]
    rules = preset.regions
    low, high = (f"{bound:g}".replace("-", "−") for bound in rules.tissue_hu)
    rings = f" Peritumoral rings keep {low} to {high} HU." if rules.rings else ""
    note = (
        f"Regions: {', '.join(rules.names)}; none below {rules.minimum_voxels} voxels.{rings} "
        f"All parameters: tables/preset_{preset.name}.json."
    )
    caption = f"Extraction by the preset {preset.name}"
    return Table(f"table-preset-{preset.name}", caption, columns, rows, (2, 3, 4, 5), note)


def used(models: Mapping[str, Model]) -> pd.DataFrame:
    """Return the number of features of each region and scale that each model uses: region, scale, one column per target."""
    parts = [
        {"region": column.split("__")[0], "scale": column.split("__")[1], "target": target}
        for target, model in models.items()
        for column in model.columns
        if column.count("__") >= 2
    ]
    if not parts:
        return pd.DataFrame(columns=["region", "scale", *models])
    counted = pd.DataFrame(parts).groupby(["region", "scale", "target"], sort=True).size().unstack(fill_value=0)
    return counted.reindex(columns=list(models), fill_value=0).reset_index()


def write_used(models: Mapping[str, Model], folder: Path) -> Table | None:
    """Write ``features_used.csv`` and return it as a table of the page; None without models."""
    if not models:
        return None
    frame = used(models)
    write_csv(folder / "features_used.csv", frame)
    rows = [[str(value) for value in row] for row in frame.itertuples(index=False)]
    columns = ["Region", "Scale", *(title(target) for target in models)]
    offered = "; ".join(f"{title(target)} {model.manifest['n_features']:,}" for target, model in models.items())
    note = f"Offered: {offered}. A feature counts once, however many members of the ensemble use it."
    return Table("table-features-used", "Features that the models use", columns, rows, (1,), note)
