"""What is asked for in one breath and cannot all be meant, or is asked of the wrong files."""

from pathlib import Path

import SimpleITK as sitk

from ccrcc_model.faults.fault import ccrcc, expect, fault
from ccrcc_model.faults.scans import as_image, small_scan, write_card, write_scan
from nnunet_ext.ground.labels import Label


@fault("the last of two values wins without a word")
def option_given_twice(folder: Path) -> str:
    """``--slice-mm 8 --slice-mm=10``: refused by the option's name."""
    ran = ccrcc("thicken", write_card(folder), "--slice-mm", "8", "--out", folder / "o", "--slice-mm=10")
    return expect(ran.status == 2 and "--slice-mm is given 2 times" in ran.said, ran.said.strip())


@fault("a variable that is not set makes the result's folder the current one")
def empty_word(folder: Path) -> str:
    """``--out "$RESULTS"`` without such a variable: refused, with the option's name."""
    write_scan(folder)
    ran = ccrcc("thicken", write_card(folder), "--slice-mm", "10", "--out", "")
    return expect(ran.status == 2 and "after '--out'" in ran.said, ran.said.strip())


@fault("an option that another makes void is ignored without a word")
def void_options(folder: Path) -> str:
    """Counts of a known and an unknown number of patients, a data root for a single scan, and a cut of no target: refused."""
    image, _ = write_scan(folder)
    ran = [
        ccrcc("counts", "--sensitivity", "0.9", "--specificity", "0.8", "--n", "50", "--max-n", "90"),
        ccrcc("segment", image, "--model", folder, "--out", folder / "o", "--data-root", folder),
        ccrcc("fit", "t.parquet", "--outcomes", "o.csv", "--target", "grade", "--ki67-cut", "30", "--out", folder / "m"),
    ]
    names = ("--max-n", "--data-root", "--ki67-cut")
    held = all(one.status == 2 and name in one.said for one, name in zip(ran, names, strict=True))
    return expect(held, "; ".join(one.said.strip()[-90:] for one in ran))


def _predicted(folder: Path, *, patient: str = "p", image: str = "../a.nii.gz") -> Path:
    """Write the same mask with other values, as another tool's, and its card."""
    _, mask = small_scan()
    other = mask.copy()
    other[mask == Label.KIDNEY], other[mask == Label.TUMOUR] = Label.TUMOUR, Label.KIDNEY
    (folder / "predicted").mkdir()
    sitk.WriteImage(as_image(other), str(folder / "predicted" / "m.nii.gz"))
    text = "name: predicted\nrole: external\nlabels: {kidney: 2, tumour: 1}\ncases: cases.csv\n"
    return write_card(folder / "predicted", f"a,{patient},north,{image},m.nii.gz\n", text=text)


@fault("a predicted mask is read with the labels of the reference")
def prediction_with_other_labels(folder: Path) -> str:
    """The reference itself as a prediction whose kidney is 2 and tumour 1, and no scan to compare it on: every Dice is 1."""
    image, _ = write_scan(folder)
    image.unlink()
    out = folder / "overlap.csv"
    ran = ccrcc("overlap", write_card(folder), "--predicted", _predicted(folder), "--out", out)
    dice = [line.split(",")[4] for line in out.read_text(encoding="utf-8").splitlines()[1:]] if out.exists() else []
    found = sorted({float(value) for value in dice if value})
    return expect(ran.status == 0 and found == [1.0], f"status {ran.status}, Dice {found}")


@fault("the masks of another study are scored")
def prediction_of_another_study(folder: Path) -> str:
    """A predicted card with the same case under another patient, and one with another scan: refused in one line."""
    write_scan(folder)
    reference = write_card(folder)
    hu, _ = small_scan()
    said = []
    for name, options in (("one", {"patient": "q"}), ("two", {"image": "other.nii.gz"})):
        (folder / name).mkdir()
        card = _predicted(folder / name, **({"image": "../../a.nii.gz"} | options))
        sitk.WriteImage(as_image(hu[::-1]), str(card.parent / "other.nii.gz"))
        ran = ccrcc("overlap", reference, "--predicted", card, "--out", folder / "overlap.csv")
        said.append(ran.said.strip().splitlines()[-1] if ran.status == 2 else f"status {ran.status}")
    return expect("another patient's" in said[0] and "of other scans" in said[1], "; ".join(said))


@fault("a sample that is too small is found out after all of it was measured")
def stability_of_few_cases(folder: Path) -> str:
    """Stability of one case whose scan is missing: that ten are needed is said first."""
    write_scan(folder)[0].unlink()
    ran = ccrcc("stability", write_card(folder), "--preset", "quick", "--out", folder / "s.parquet")
    return expect(ran.said.startswith("note: cohort small has 1 cases, and stability is judged from 10 on"), ran.said[:120])
