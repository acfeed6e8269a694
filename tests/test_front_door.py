"""The README's notebook, line by line as it stands there, on phantoms of two balls for kidneys."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import SimpleITK as sitk
from threshold_network import write_threshold_network

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")

NOTEBOOK = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
"""The README's block of Python."""

SPACING_MM = 4.0


def _scan(rng: np.random.Generator, grade: int) -> tuple[sitk.Image, sitk.Image]:
    """Two kidneys of 28 mm radius in a ball of fat; one has a tumour, whose tissue is the coarser the higher its grade."""
    z, y, x = np.meshgrid(*(np.arange(n) * SPACING_MM for n in (32, 40, 48)), indexing="ij")

    def ball(centre: tuple[float, float, float], radius: float) -> np.ndarray:
        return (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2

    hu = np.where(ball((64, 80, 96), 120), -100.0, -1000.0) + rng.normal(0, 4, (32, 40, 48))
    mask = np.zeros(hu.shape, np.uint8)
    for value, where, mean in ((1, ball((64, 90, 50), 28), 200), (1, ball((60, 90, 142), 28), 200)):
        mask[where], hu[where] = value, mean + rng.normal(0, 8, where.sum())
    tumour = ball((64, 66, 50), 12 + 4 * rng.random())
    mask[tumour], hu[tumour] = 2, 85 + rng.normal(0, 3 + 3 * grade, tumour.sum())
    image, stored = sitk.GetImageFromArray(np.round(hu).astype(np.int16)), sitk.GetImageFromArray(mask)
    for volume in (image, stored):
        volume.SetSpacing((SPACING_MM,) * 3)
    return image, stored


def _cohort(folder: Path, role: str, patients: int, seed: int, *, masks: bool) -> None:
    folder.mkdir()
    rng = np.random.default_rng(seed)
    grades = np.resize([1, 3, 2, 4], patients)
    rows, outcomes = ["case_id,patient_id,centre,image" + ",mask" * masks], ["patient_id,isup_grade,ki67_percent"]
    for number, grade in enumerate(grades):
        name = f"{folder.name}{number:02d}"
        for volume, suffix in zip(_scan(rng, int(grade)), ("", "_mask"), strict=True):
            sitk.WriteImage(volume, str(folder / f"{name}{suffix}.nii.gz"))
        rows.append(f"{name},{name},{folder.name},{name}.nii.gz" + f",{name}_mask.nii.gz" * masks)
        outcomes.append(f"{name},{grade},{5 * grade}")
    for file, lines in (("cases.csv", rows), ("outcomes.csv", outcomes)):
        (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    card = f"name: {folder.name}\nrole: {role}\ncases: cases.csv\noutcomes: outcomes.csv\n"
    card += "labels: {kidney: 1, tumour: 2}\n" * masks
    (folder / "card.yaml").write_text(card, encoding="utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a development cohort, an external one without masks, and a network."""
    folder = tmp_path_factory.mktemp("notebook")
    _cohort(folder / "dev", "development", 12, 1, masks=True)  # six of each class, the fewest that can be fitted on
    _cohort(folder / "ext", "external", 4, 2, masks=False)
    write_threshold_network(folder / "network")
    return folder


def test_a_notebook_runs_as_it_stands(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    shown = {}
    names = {"network": "network"}
    for line in filter(None, NOTEBOOK.splitlines()):
        is_value = line.startswith(("cc.", "result.")) or line == "model"
        shown[line] = eval(line, names) if is_value else exec(line, names)  # noqa: S307, S102 - the lines above
    assert len(repr(shown["model"]).splitlines()) == 3
    assert len(repr(names["result"]).splitlines()) == 3
    area, benefit = shown["cc.auc(p), cc.net_benefit(p, threshold=0.2)"]
    truth, probability = names["p"].y_true, names["p"].y_prob
    pairs = probability[truth == 1][:, None] - probability[truth == 0]
    assert area.value == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)))
    called = probability >= 0.2
    assert benefit.value == pytest.approx(np.mean(called & (truth == 1)) - 0.25 * np.mean(called & (truth == 0)))
    assert not shown["result.table_s2()"].empty
    assert isinstance(shown['result.plot("roc")'], plt.Axes)
    page = shown['cc.write_report([model], [result], "report")']
    assert page == Path("report") / "report.html"
    assert page.stat().st_size > 10_000
    plt.close("all")
