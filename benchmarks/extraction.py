"""Extraction speed compared with PyRadiomics.

    uv run python benchmarks/extraction.py [--repeats 3] [--out FILE]

Three cases, a small, a middle-sized and a large tumour: real masks of KiTS23 where the data folder lies beside the checkout
(`../shared/data/kits23`), else synthetic ones; the intensities are synthetic. Five regions (tumour, kidney, rings 0-3,
3-5, 5-10 mm) at 1 mm, original image, eight coif1 wavelets, LoG 1 to 5 mm. PyRadiomics runs as its documentation's batch
example does: image and mask by path, one call a region. Ours runs the same way in the mode `pyradiomics`, and as `extract`
does it in the mode `canonical`: scan read once through the gate, one grid and one set of filtered images for all regions, in a
process that keeps the memory it frees.

Each method has a process of its own, with one thread, that has measured something before the clock starts: PyRadiomics a cube,
ours the first case. They take turns, case by case; what counts is their CPU time. The regions of one file cannot overlap, so
where a ring lies in the kidney the first two methods measure less kidney than the last.
"""

import argparse
import gc
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
import SimpleITK as sitk
import yaml
from real_masks import DATA, real_mask
from scipy import ndimage

from nnunet_ext.ground.case import Case
from nnunet_ext.ground.labels import STRUCTURES, Label
from nnunet_ext.scans.geometry import Scan, read_scan
from radiomics_cfg import Extractor
from radiomics_cfg.backends.backend import load_backend
from radiomics_cfg.cases.measure import feature_columns, measure_case
from radiomics_cfg.preset import RegionRules, Ring, load_preset
from radiomics_cfg.process.heap import freed_memory_kept
from radiomics_cfg.regions.grid import Grid, bounds
from radiomics_cfg.regions.lesions import find_anatomy
from radiomics_cfg.regions.regions_of_interest import find_regions

CASES = {"small": "case_00072", "middle": "case_00041", "large": "case_00070"}
RADIUS_MM = {"small": 8.0, "middle": 20.0, "large": 47.0}
REGIONS = ("tumour", "kidney", "shell_0_3mm", "shell_3_5mm", "shell_5_10mm")
PARAMETERS = {
    "setting": {"resampledPixelSpacing": [1, 1, 1], "interpolator": "sitkBSpline", "binWidth": 25, "padDistance": 10},
    "imageType": {"Original": {}, "Wavelet": {"wavelet": "coif1"}, "LoG": {"sigma": [1.0, 2.0, 3.0, 4.0, 5.0]}},
    "featureClass": dict.fromkeys(("shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")),
}
CANONICAL = {**PARAMETERS, "setting": {**PARAMETERS["setting"], "padDistance": 50}}
RINGS = tuple(Ring(inner_mm=a, outer_mm=b, sides=("whole",)) for a, b in ((0, 3), (3, 5), (5, 10)))


@dataclass(frozen=True)
class Bench:
    """Files of one case: the scan, its structures, and the five regions as one label map."""

    name: str
    image: Path
    mask: Path
    regions: Path
    tumour_ml: float


def main() -> None:
    """Run what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--out", type=Path, default=None, help="Markdown file for the table")
    parser.add_argument("--serve", choices=list(METHODS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    if options.serve:
        serve(options.serve)
        return
    with tempfile.TemporaryDirectory() as folder:
        benches = [write_bench(Path(folder) / name, name) for name in options.cases]
        text = compare(benches, repeats=options.repeats)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def serve(method: str) -> None:
    """Measure the case of each folder that comes in on a line; answer with CPU seconds, peak memory and values."""
    if method == "PyRadiomics":
        warm_pyradiomics()
    for line in sys.stdin:
        gc.collect()
        before = time.process_time()
        values = METHODS[method](read_bench(Path(line.strip())))
        taken = time.process_time() - before
        status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        peak_kib = next(int(one.split()[1]) for one in status if one.startswith("VmHWM"))
        print(json.dumps({"seconds": taken, "peak_mib": peak_kib / 1024, "values": values}), flush=True)


class Server:
    """The process of one method."""

    def __init__(self, method: str) -> None:
        command = [sys.executable, __file__, "--serve", method]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def measure(self, bench: Bench) -> dict[str, Any]:
        """Return what `serve` answers."""
        self._process.stdin.write(f"{bench.image.parent}\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def compare(benches: list[Bench], *, repeats: int) -> str:
    """Time every method on every case in turn; return the tables as Markdown."""
    servers = {method: Server(method) for method in METHODS}
    first = {method: server.measure(benches[0])["seconds"] for method, server in servers.items() if method != "PyRadiomics"}
    seconds: dict[tuple[str, str], list[float]] = {(bench.name, method): [] for bench in benches for method in METHODS}
    peak_mib: dict[str, float] = {}
    differences: dict[str, float] = {}
    for turn in range(repeats):
        for bench in benches:
            found = {}
            for method, server in servers.items():
                found[method] = server.measure(bench)
                seconds[bench.name, method].append(found[method]["seconds"])
                peak_mib[method] = found[method]["peak_mib"]
                print(f"turn {turn + 1}: {bench.name:6} {method:18} {found[method]['seconds']:7.2f} CPU-s", file=sys.stderr)
            theirs, ours = found["PyRadiomics"]["values"], found["ours, pyradiomics"]["values"]
            for name, worst in largest_differences(theirs, ours).items():
                differences[name] = max(worst, differences.get(name, 0.0))
    for server in servers.values():
        server.close()
    return report(benches, seconds, peak_mib, differences, first)


def report(
    benches: list[Bench],
    seconds: dict[tuple[str, str], list[float]],
    peak_mib: dict[str, float],
    differences: dict[str, float],
    first: dict[str, float],
) -> str:
    """Return medians, ratios, memory and differences as Markdown."""
    lines = [
        "| case | tumour, ml | method | CPU-s, median (lowest to highest) | PyRadiomics / method |",
        "| --- | --- | --- | --- | --- |",
    ]
    ratios: dict[str, list[float]] = {method: [] for method in METHODS}
    for bench in benches:
        reference = statistics.median(seconds[bench.name, "PyRadiomics"])
        for method in METHODS:
            times = seconds[bench.name, method]
            median = statistics.median(times)
            ratios[method].append(reference / median)
            spread = f"{median:.2f} ({min(times):.2f} to {max(times):.2f})"
            lines.append(f"| {bench.name} | {bench.tumour_ml:.1f} | {method} | {spread} | {reference / median:.1f} |")
    lines += [
        "",
        "| method | geometric mean, times PyRadiomics | peak memory, MiB | first case, CPU-s |",
        "| --- | --- | --- | --- |",
    ]
    for method in METHODS:
        mean = f"{statistics.geometric_mean(ratios[method]):.1f}"
        lines.append(f"| {method} | {mean} | {peak_mib[method]:.0f} | {f'{first[method]:.1f}' if method in first else ''} |")
    lines += ["", "| class | largest relative difference from PyRadiomics |", "| --- | --- |"]
    lines += [f"| {name} | {worst:.1e} |" for name, worst in sorted(differences.items())]
    return "\n".join(lines) + "\n"


def largest_differences(theirs: dict[str, float], ours: dict[str, float]) -> dict[str, float]:
    """Return the largest relative difference of each class; values below 1e-6 are compared to that."""
    worst: dict[str, float] = {}
    for name, value in theirs.items():
        family = "glcm MCC" if name.endswith("MCC") else name.split("_")[-2]
        difference = 0.0 if np.isnan(value) and np.isnan(ours[name]) else abs(ours[name] - value) / max(abs(value), 1e-6)
        worst[family] = max(worst.get(family, 0.0), difference)
    return worst


def run_pyradiomics(bench: Bench) -> dict[str, float]:
    """PyRadiomics, as its batch example runs it."""
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    return by_region(RadiomicsFeatureExtractor(PARAMETERS), bench)


def warm_pyradiomics() -> None:
    """Measure a cube, so that every library is loaded, and silence the logger."""
    import radiomics
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    radiomics.setVerbosity(logging.CRITICAL)
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(0, 50, (24, 24, 24)).round().astype(np.int16))
    inside = np.zeros((24, 24, 24), np.uint8)
    inside[8:16, 8:16, 8:16] = 1
    RadiomicsFeatureExtractor(PARAMETERS).execute(image, sitk.GetImageFromArray(inside))


def run_ours(bench: Bench) -> dict[str, float]:
    """Ours, called as PyRadiomics is."""
    return by_region(Extractor(PARAMETERS), bench)


def by_region(extractor: Extractor, bench: Bench) -> dict[str, float]:
    """Call an extractor once a region."""
    found = {}
    for label, region in enumerate(REGIONS, start=1):
        values = extractor.execute(str(bench.image), str(bench.regions), label=label)
        found |= {f"{region}_{k}": float(v) for k, v in values.items() if not k.startswith("diagnostics")}
    return found


def run_canonical(bench: Bench) -> dict[str, float]:
    """Ours, as ``extract`` runs it."""
    case = Case("case", "patient", "centre", bench.image, bench.mask)
    preset, engine = load_preset(bench.image.parent / "preset"), load_backend("numba")
    with freed_memory_kept():
        rows = measure_case(read_scan(case, STRUCTURES, mask_required=True), preset, engine)
    return dict(zip(feature_columns(preset, engine), rows.values[0].tolist(), strict=True))


METHODS: dict[str, Callable[[Bench], dict[str, float]]] = {
    "PyRadiomics": run_pyradiomics,
    "ours, pyradiomics": run_ours,
    "ours, canonical": run_canonical,
}


def write_bench(folder: Path, name: str) -> Bench:
    """Write the files of a case: a full-size scan over a real mask, or over a ball where there is none."""
    folder.mkdir()
    mask = real_mask(CASES[name]) if DATA.is_dir() else ball_mask(RADIUS_MM[name])
    labels = sitk.GetArrayFromImage(mask).astype(np.uint8)
    rng = np.random.default_rng(0)
    texture = [ndimage.gaussian_filter(rng.standard_normal(labels.shape, np.float32), width) for width in (0.0, 1.5)]
    noise = sum(part / part.std() for part in texture)
    hu = np.choose(labels, [-100, 160, 90, 10]) + noise * np.choose(labels, [12, 20, 35, 8])
    image = sitk.GetImageFromArray(hu.round().astype(np.int16))
    image.CopyInformation(mask)
    grid = Grid.of(image, None)
    rules = RegionRules(rings=RINGS)
    box = grid.box_of(bounds(labels > 0), rules.reach_mm)
    inside = box.within(grid.size)
    where = tuple(slice(a, b) for a, b in zip(inside.lower[::-1], inside.upper[::-1], strict=True))
    found = find_regions(rules, find_anatomy(Scan(image, mask)), hu[where], grid=grid, box=box)
    regions = np.zeros(labels.shape, np.uint8)
    for label, region in enumerate(REGIONS, start=1):
        regions[where][found[region if region == "kidney" else f"0/{region}"].mask] = label
    files = {"image": image, "mask": sitk.Cast(mask, sitk.sitkUInt8), "regions": sitk.GetImageFromArray(regions)}
    files["regions"].CopyInformation(mask)
    for stem, volume in files.items():
        sitk.WriteImage(volume, folder / f"{stem}.nii.gz")
    preset = folder / "preset"
    preset.mkdir()
    (preset / "1mm.yaml").write_text(yaml.safe_dump(CANONICAL, sort_keys=False), encoding="utf-8")
    (preset / "regions.yaml").write_text(yaml.safe_dump(rules.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    tumour_ml = float(np.count_nonzero(labels == Label.TUMOUR) * np.prod(mask.GetSpacing()) / 1000)
    (folder / "bench.json").write_text(json.dumps({"name": name, "tumour_ml": tumour_ml}), encoding="utf-8")
    return read_bench(folder)


def read_bench(folder: Path) -> Bench:
    """Find the files of a case again."""
    known = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    return Bench(known["name"], *(folder / f"{stem}.nii.gz" for stem in ("image", "mask", "regions")), known["tumour_ml"])


def ball_mask(radius_mm: float) -> sitk.Image:
    """Return two kidneys as balls of 50 mm across, on one a tumour, in a scan of 512 x 512 x 100."""
    spacing = (0.78, 0.78, 3.0)
    z, y, x = np.meshgrid(*((np.arange(n) * s for n, s in zip((100, 512, 512), spacing[::-1], strict=True))), indexing="ij")
    labels = np.zeros(x.shape, np.uint8)
    for middle in (130.0, 270.0):
        labels[(x - middle) ** 2 + (y - 200) ** 2 + ((z - 150) / 2) ** 2 <= 25**2] = Label.KIDNEY
    labels[(x - 130 + 15) ** 2 + (y - 200) ** 2 + (z - 150) ** 2 <= radius_mm**2] = Label.TUMOUR
    mask = sitk.GetImageFromArray(labels)
    mask.SetSpacing(spacing)
    return mask


if __name__ == "__main__":
    main()
