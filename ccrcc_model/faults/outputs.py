"""Places that take no result, and places that hold somebody else's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ccrcc_model.faults.fault import Ran, ccrcc, expect, fault
from ccrcc_model.faults.scans import write_card, write_scan
from nnunet_ext.ground import files
from nnunet_ext.ground.record import write_record


def _refused(ran: Ran, *words: str) -> bool:
    """Whether a command ended with one line that holds these words."""
    lines = [line for line in ran.said.splitlines() if line.startswith("ccrcc: ")]
    return ran.status == 2 and len(lines) == 1 and all(word in lines[0] for word in words)


@fault("a result is asked for where none can be, and a traceback says so after the work")
def result_below_a_file(folder: Path) -> str:
    """``--out`` below the case list, for commands that write a folder, a table and a list: refused before they read a scan."""
    write_scan(folder)
    card, below = write_card(folder), folder / "cases.csv" / "deeper" / "result"
    ran = [
        ccrcc("thicken", card, "--slice-mm", "10", "--out", below),
        ccrcc("overlap", card, "--predicted", card, "--out", below.with_suffix(".csv")),
        ccrcc("import", "table", folder / "cases.csv", "--out", below),
        ccrcc("pool", folder / "a.json", "--out", below),
    ]
    held = all(_refused(one, "cases.csv is a file, not a folder") for one in ran)
    return expect(held, "; ".join(one.said.strip()[-120:] for one in ran))


@fault("a device, a pipe or a link to nowhere is replaced by a result")
def result_over_a_special_file(folder: Path) -> str:
    """``--out`` names a pipe, and a link whose target is gone: refused, and both are as they were."""
    pipe, link = folder / "pipe.csv", folder / "link.csv"
    if hasattr(os, "mkfifo"):
        os.mkfifo(pipe)
    link.symlink_to(folder / "unmounted" / "refused.csv")
    write_scan(folder)
    card = write_card(folder)
    ran = [ccrcc("check", card, "--out", path) for path in (pipe, link) if path.is_symlink() or path.exists()]
    held = all(_refused(one, "Nothing can be written to --out") for one in ran) and link.is_symlink() and not pipe.is_file()
    return expect(held, ran[-1].said.strip()[-160:])


@contextmanager
def _no_file_above(n_bytes: int) -> Iterator[None]:
    """Let the system take no file that is longer: what a full disk looks like to a program."""
    import resource  # noqa: PLC0415 - not on every system

    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@fault("a volume that the disk did not take whole is a result", needs=("resource",))
def disk_fills_while_a_scan_is_written(folder: Path) -> str:
    """The disk takes no volume of a thickened scan: one line, no unfinished file, no record, and the same command goes on."""
    write_scan(folder)
    card, out = write_card(folder), folder / "thick"
    with _no_file_above(9000):
        ran = ccrcc("thicken", card, "--slice-mm", "10", "--out", out)
    left = [path.name for path in out.rglob("*") if path.is_file()]
    again = ccrcc("thicken", card, "--slice-mm", "10", "--out", out)
    return expect(_refused(ran, ".nii.gz") and not left and again.status == 0, f"{ran.said.strip()[-160:]}; left {left}")


@fault("a room of the disk that is not there is found out at the end of a fit", needs=("resource",))
def disk_takes_no_model(folder: Path) -> str:
    """The disk takes small files only: a fit reports this before it reads its table."""
    from ccrcc_model.fitting.checks import prepare_parent  # noqa: PLC0415
    from ccrcc_model.models.folder import MODEL_BYTES  # noqa: PLC0415
    from nnunet_ext.ground.errors import InputError  # noqa: PLC0415
    from nnunet_ext.ground.outputs import reserve  # noqa: PLC0415

    prepare_parent(folder / "models" / "grade")
    with _no_file_above(MODEL_BYTES - 1):
        try:
            with reserve(folder / "models", MODEL_BYTES):
                pass
        except InputError as error:
            return expect("cannot be held" in str(error), str(error))
    return expect(False, "room for a model was taken for granted")


@fault("the result of one command is replaced by another's of the same name")
def result_of_another_command(folder: Path) -> str:
    """A list of overlaps is where ``check`` and ``counts`` are to write, and its ``run.json`` is a pool's: all is kept."""
    write_scan(folder)
    card, mine = write_card(folder), folder / "result.csv"
    ran = [ccrcc("overlap", card, "--predicted", card, "--out", mine)]
    before = mine.read_bytes()
    ran += [
        ccrcc("check", card, "--out", mine),
        ccrcc("counts", "--sensitivity", "0.80", "--specificity", "0.90", "--n", "100", "--out", mine),
    ]
    again = ccrcc("overlap", card, "--predicted", card, "--out", mine)
    write_record(folder / "other.run.json", "ccrcc pool", {})
    record = ccrcc("extract", card, "--preset", "quick", "--out", folder / "other.csv")
    held = all(_refused(one, "is there already") for one in ran[1:]) and mine.read_bytes() == before
    held &= ran[0].status == again.status == 0 and _refused(record, "`ccrcc pool`")
    return expect(held, "; ".join(one.said.strip()[-100:] for one in (*ran[1:], record)))


@fault("a list of the user's is replaced by what was made of it")
def input_that_is_also_the_output(folder: Path) -> str:
    """``import table`` into the folder of its own list, and a list of refusals by way of a link to the card: both are kept."""
    write_scan(folder)
    card = write_card(folder)
    before = {path: path.read_bytes() for path in (card, folder / "cases.csv")}
    (folder / "q.csv").symlink_to(card)
    ran = [ccrcc("import", "table", folder / "cases.csv", "--out", folder), ccrcc("check", card, "--out", folder / "q.csv")]
    held = all(_refused(one, "is an input of this command") for one in ran)
    held &= all(path.read_bytes() == content for path, content in before.items())
    return expect(held, "; ".join(one.said.strip()[-120:] for one in ran))


@fault("what a killed run left unfinished is read")
def unfinished_file_in_a_series(folder: Path) -> str:
    """A half file of a killed run in a folder of slices: the hash of the series is that of its slices."""
    series = folder / "series"
    series.mkdir()
    (series / "000.dcm").write_bytes(b"slice")
    before = files.sha256(series)
    (series / f"{files.TEMPORARY}k3x9.dcm").write_bytes(b"half a slice")
    return expect(files.sha256(series) == before, "the hash is of the slices alone")
