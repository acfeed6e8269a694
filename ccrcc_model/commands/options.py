"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Card = Annotated[Path, typer.Argument(help="Cohort card (YAML).", show_default=False)]
DataRoot = Annotated[
    Path | None, typer.Option(help="Folder that the card's paths are relative to; the card's own by default.")
]
OutFolder = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the result.")]
OutFile = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="File for the result.", show_default=False)]
OutTable = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help=".parquet, or .csv.", show_default=False)]

LockedModel = Annotated[Path, typer.Argument(help="Folder that `ccrcc fit` wrote.")]
Network = Annotated[Path, typer.Option(help="Trained nnU-Net folder, or the zip file of an export.")]
Checkpoint = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Checkpoint of each fold: best, final, or a file name; best, else final, by default."),
]
Configuration = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Training to use, such as 3d_fullres, where the network's folder holds several."),
]
ZipHash = Annotated[str | None, typer.Option("--sha256", metavar="HEX", help="SHA-256 that a zipped network must have.")]
MaskLabels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        "--labels",
        metavar="STRUCTURE=VALUE",
        help="Value of kidney, tumour, cyst, or mass where tumour and cyst are not distinguished: kidney=1,mass=2 or "
        "kidney=2,3. kidney=1,tumour=2,cyst=3 by default.",
    ),
]
ClassLabels = Annotated[
    list[str] | None,
    typer.Option(
        "--labels",
        metavar="STRUCTURE=VALUE",
        help="Class of the network for kidney, tumour, cyst, or mass where tumour and cyst are not distinguished: "
        "kidney=1,mass=2. By the network's own names by default.",
    ),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")]
TrustCheckpoint = Annotated[
    bool, typer.Option(help="Load checkpoints that contain pickled objects. This executes code from the file.")
]

PresetName = Annotated[str, typer.Option(help="Name of a preset (multiscale, quick), or a folder of your own.")]
BackendName = Annotated[str | None, typer.Option(help="Backend that computes the features; the usual one by default.")]
ModeName = Annotated[
    Literal["canonical", "pyradiomics"],
    typer.Option(help="Filter a scan once for all regions, or crop to each as PyRadiomics."),
]
CasesFolder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder of the result files; FILE's name with .cases by default.")
]

KeepIdentity = Annotated[
    bool,
    typer.Option("--keep-identity", help="State patient, study and dates of the source in DICOM objects, not pseudonyms."),
]
IdentityKey = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Key of the pseudonyms, outside the result; made if absent. Each run has its own else."),
]

Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Worker processes, one core each.")]
ShardOption = Annotated[
    str | None, typer.Option(metavar="i/N", help="Only every N-th case from the i-th on, i from 0: one job of an array.")
]
PatientColumn = Annotated[
    str | None,
    typer.Option("--patient", metavar="COLUMN", help="Column of patients in a table of your own, one row per patient."),
]
VolumeColumn = Annotated[
    str | None,
    typer.Option("--volume", metavar="COLUMN", help="Its column of tumour volume, mm³; original_shape_MeshVolume by default."),
]
CentreColumn = Annotated[
    str | None, typer.Option("--centre", metavar="COLUMN", help="Its column of hospitals; all patients are of one by default.")
]
SchedulerAddress = Annotated[
    str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Dask cluster that does the work instead.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
