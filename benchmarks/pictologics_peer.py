"""Pictologics on one case of ``benchmarks/extraction.py``, in a Python of its own; see ``benchmarks/beside_pictologics.py``.

    python benchmarks/pictologics_peer.py FOLDER REPEATS

Prints the CPU seconds of each repeat, one a line, after one that compiles.
"""

import sys
import time
from itertools import product
from pathlib import Path

from pictologics import RadiomicsPipeline

HU_BINS = {"method": "FBS", "bin_width": 25, "min_val": -1000.0}
FILTERED_BINS = {"method": "FBN", "n_bins": 32}
"""It starts bins of a fixed width at a value of the user's, which for filtered images would have to lie far below most."""

FAMILIES = ["intensity", "texture", "histogram"]


def main() -> None:
    """Run the pipeline and print its times."""
    folder, repeats = Path(sys.argv[1]), int(sys.argv[2])
    pipeline, names = configured()
    for turn in range(repeats + 1):
        before = time.process_time()
        found = pipeline.run_rois(str(folder / "image.nii.gz"), str(folder / "regions.nii.gz"), config_names=names)
        taken = time.process_time() - before
        values = [value for region in found.values() for series in region.values() for value in series]
        if turn:
            print(f"{taken:.3f} {len(values)}")


def configured() -> tuple[RadiomicsPipeline, list[str]]:
    """Return a pipeline with a configuration for each of the 14 images."""
    filters = {"original": None}
    filters |= {
        f"wavelet-{''.join(bands)}": {"type": "wavelet", "wavelet": "coif1", "level": 1, "decomposition": "".join(bands)}
        for bands in product("LH", repeat=3)
    }
    filters |= {f"log-{sigma}": {"type": "log", "sigma_mm": float(sigma)} for sigma in range(1, 6)}
    pipeline = RadiomicsPipeline()
    for name, filter_params in filters.items():
        families = FAMILIES if filter_params else [*FAMILIES, "morphology"]
        steps = [{"step": "resample", "params": {"new_spacing": (1.0, 1.0, 1.0), "interpolation": "cubic"}}]
        steps += [{"step": "filter", "params": filter_params}] if filter_params else []
        steps += [
            {"step": "discretise", "params": FILTERED_BINS if filter_params else HU_BINS},
            {
                "step": "extract_features",
                "params": {"families": families, "include_spatial_intensity": False, "include_local_intensity": False},
            },
        ]
        pipeline.add_config(name, steps)
    return pipeline, list(filters)


if __name__ == "__main__":
    main()
