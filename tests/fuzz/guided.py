"""Coverage-guided fuzzing of one kind of file: ``python tests/fuzz/guided.py card -max_total_time=60``; needs ``atheris``."""

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

with atheris.instrument_imports(include=["nnunet_ext", "radiomics_cfg", "ccrcc_model"]):
    from fuzz_targets import TARGETS

    from nnunet_ext.ground.errors import InputError


def main() -> None:
    """Fuzz the target that the first argument names; the others are libFuzzer's."""
    name, *options = sys.argv[1:]
    target = next(target for target in TARGETS if target.name == name)
    folder = Path(tempfile.mkdtemp(prefix="ccrcc-fuzz-"))
    (corpus := folder.with_name(f"{folder.name}-corpus")).mkdir()
    (corpus / "whole").write_bytes(target.make(folder))

    def meet(content: bytes) -> None:
        target.put(folder, content)
        with contextlib.suppress(InputError):
            target.read(folder)

    atheris.Setup([sys.argv[0], *options, str(corpus)], meet)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
