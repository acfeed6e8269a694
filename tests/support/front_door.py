"""What every front door of a package promises."""

import doctest
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

HEAVY = ("torch", "lightgbm", "matplotlib", "numba", "pandas", "SimpleITK")

LARGEST_REPR = 300


def run_examples(package: ModuleType, name: str) -> int:
    """Run the examples in the docstring of a public name, in the folder of this process; return how many there are."""
    value = getattr(package, name)
    module = importlib.import_module(value.__module__)
    finder = doctest.DocTestFinder(recurse=False)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report: list[str] = []
    for test in finder.find(value, name, module=module):
        runner.run(test, out=report.append)
    assert not runner.failures, "\n".join(report)
    return runner.tries


def modules_of(package: ModuleType) -> set[str]:
    """Return the names of the modules and folders of a package."""
    here = Path(str(package.__file__)).parent
    return {path.stem for path in here.iterdir() if path.suffix == ".py" or path.is_dir()}


def heavy_imports(package: str) -> list[str]:
    """Return the heavy libraries that importing a package loads, in a process of its own."""
    code = f"import sys, {package}; print(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    return run.stdout.split()
