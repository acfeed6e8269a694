"""A cohort to be measured, and the folder that keeps what came of its cases."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, Self, TypeVar

from nnunet_ext.cohort.acquisition import stated_acquisition
from nnunet_ext.ground.case import Case, Cohort, Refusal
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import AnyPath
from nnunet_ext.ground.progress import OnProgress, silent
from nnunet_ext.ground.shard import Shard
from radiomics_cfg.cases.features import FeatureRecipe
from radiomics_cfg.cases.recipe import Recipe
from radiomics_cfg.cases.result_file import CaseWork, KeptRows, Outcome, find_outcome, is_open, measure_and_keep
from radiomics_cfg.modes import Mode
from radiomics_cfg.preset import Preset
from radiomics_cfg.process.crew import Crew
from radiomics_cfg.runs.workers import measure_in_processes

DEFAULT_BACKEND = "numba"
"""Backend that computes the features by default."""


@contextmanager
def cache_folder(given: AnyPath | None, *, scheduler: str | None = None) -> Iterator[Path]:
    """Yield the folder that was given, or a temporary one where there is none.

    Raises:
        InputError: If there is none and a cluster does the work, which has to see it.
    """
    if given is not None:
        yield Path(given)
        return
    if scheduler is not None:
        msg = f"The workers of the Dask cluster {scheduler} have to see the results; name a folder that all see (cache_dir)"
        raise InputError(msg)
    with tempfile.TemporaryDirectory(prefix="ccrcc-cases-") as temporary:
        yield Path(temporary)


_READERS = 4
"""Threads that hash scans. Hashing leaves Python's lock, and several files at a time hide the delay of a network disk."""


@dataclass(frozen=True)
class Plan:
    """What a run would find done, and what it would do.

    Args:
        n_kept: Cases whose rows are kept.
        n_refused: Cases that are refused already.
        n_todo: Cases to be measured.
        case_file_bytes: Size of all result files to be written, if each case has one lesion.
        table_bytes: Size of the table's numbers.
    """

    n_kept: int
    n_refused: int
    n_todo: int
    case_file_bytes: int
    table_bytes: int


_Recipe = TypeVar("_Recipe", bound=Recipe)


@dataclass(frozen=True)
class CaseBatch(Generic[_Recipe]):
    """A cohort to be measured by a recipe, and the folder that keeps one result file per case.

    Several processes on one or many machines may work on the same folder: a result file is whole or absent, and two that
    measure the same case write the same bytes.

    Args:
        cohort: Cases with masks.
        recipe: How each is measured.
        folder: Keeps the results.
    """

    cohort: Cohort
    recipe: _Recipe
    folder: Path

    def part(self, shard: Shard) -> Self:
        """Return the part of this batch that is one shard's."""
        return replace(self, cohort=shard.of(self.cohort))

    def find(
        self, on_progress: OnProgress = silent, *, on_spoilt: Callable[[Path], None] = lambda _: None
    ) -> dict[str, Outcome]:
        """Hash every case's files, and return by case what is kept, in the order of the cohort; cases to be measured lack.

        Args:
            on_progress: Called after each case.
            on_spoilt: Called with each result file that is there and cannot be used, as it is damaged or of something else.
        """
        cases = self.cohort.cases
        found: dict[str, Outcome] = {}
        pool = ThreadPoolExecutor(_READERS)
        on_progress(0, len(cases))
        try:
            outcomes = pool.map(lambda case: find_outcome(case, self.recipe, self.folder, on_spoilt=on_spoilt), cases)
            for done, (case, outcome) in enumerate(zip(cases, outcomes, strict=True), start=1):
                if outcome is not None:
                    found[case.id] = outcome
                on_progress(done, len(cases))
        finally:
            pool.shutdown(cancel_futures=True)
        return found

    def plan(self, found: Mapping[str, Outcome]) -> Plan:
        """Tell how much there is to do."""
        n_columns = len(self.recipe.columns())
        settled = [outcome for outcome in found.values() if not is_open(outcome)]
        n_todo = len(self.cohort.cases) - len(settled)
        n_rows = sum(outcome.n_rows for outcome in settled if isinstance(outcome, KeptRows))
        return Plan(
            n_kept=sum(isinstance(outcome, KeptRows) for outcome in settled),
            n_refused=sum(isinstance(outcome, Refusal) for outcome in settled),
            n_todo=n_todo,
            case_file_bytes=n_todo * (8 * n_columns + 2000),
            table_bytes=(n_rows + n_todo) * 8 * n_columns,
        )

    def measure(
        self,
        found: Mapping[str, Outcome],
        *,
        jobs: int = 1,
        scheduler: str | None = None,
        on_progress: OnProgress = silent,
    ) -> dict[str, Outcome]:
        """Measure the cases that ``find`` did not find, and those that were stopped by what may have passed.

        Args:
            found: By case what is kept.
            jobs: Number of processes, each with one thread; with 1 it is this process. A single case's features are measured
                here, by so many threads.
            scheduler: Address of a Dask cluster that does the work instead.
            on_progress: Called at once with the number of cases that were done before, then after each case.

        Returns:
            By case what came of it, in the order of the cohort.

        Raises:
            InputError: If ``jobs`` is below 1, or above 1 together with a ``scheduler``; if a result cannot be written, or the
                workers cannot be used.
        """
        if jobs < 1:
            msg = f"jobs must be at least 1; found {jobs}"
            raise InputError(msg)
        if jobs > 1 and scheduler is not None:
            msg = f"A Dask cluster has its own number of workers; found jobs {jobs} together with the scheduler {scheduler}"
            raise InputError(msg)
        cases = self.cohort.cases
        todo = [case for case in cases if is_open(found.get(case.id))]
        outcomes = {case.id: found[case.id] for case in cases if not is_open(found.get(case.id))}
        on_progress(len(outcomes), len(cases))
        for case, outcome in self._measure_all(todo, jobs, scheduler):
            outcomes[case.id] = outcome
            on_progress(len(outcomes), len(cases))
        return {case.id: outcomes[case.id] for case in cases}

    def parted(self, outcomes: Mapping[str, Outcome]) -> tuple[list[Case], list[Path], tuple[Refusal, ...]]:
        """Return the cases that have rows, their result files, and the refusals of the others, in the order of the cohort.

        Raises:
            InputError: If no case has rows.
        """
        ordered = [(case, outcomes[case.id]) for case in self.cohort.cases]
        refusals = tuple(outcome for _, outcome in ordered if isinstance(outcome, Refusal))
        kept = [(case, outcome.file) for case, outcome in ordered if isinstance(outcome, KeptRows)]
        if not kept:
            first = f"; the first was refused as {refusals[0].code}: {refusals[0].reason}" if refusals else ""
            msg = f"No case of cohort {self.cohort.name} could be used{first}"
            raise InputError(msg)
        return [case for case, _ in kept], [file for _, file in kept], refusals

    def _measure_all(self, todo: Sequence[Case], jobs: int, scheduler: str | None) -> Iterator[tuple[Case, Outcome]]:
        if not todo:
            return
        if scheduler is not None:
            from radiomics_cfg.runs.dask_cluster import measure_on_cluster  # noqa: PLC0415 - an optional extra

            yield from measure_on_cluster(todo, self.recipe, self.folder, scheduler=scheduler)
        elif jobs == 1:
            yield from ((case, measure_and_keep(case, self.recipe, self.folder)) for case in todo)
        else:
            yield from measure_in_processes(todo, CaseWork(self.recipe, self.folder), jobs=jobs)


@dataclass(frozen=True)
class Batch(CaseBatch[FeatureRecipe]):
    """A cohort whose features are to be measured.

    Args:
        acquisition: What is stated of each case's scan, as ``stated_acquisition`` gives it.
    """

    acquisition: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        cohort: Cohort,
        preset: Preset,
        folder: Path,
        *,
        backend: str = DEFAULT_BACKEND,
        mode: Mode = "canonical",
    ) -> Self:
        """Return the batch that measures the features of ``cohort`` as ``preset`` states.

        Raises:
            InputError: If the mode is unknown, the backend is unknown or not installed, the preset asks it for what it
                cannot compute, or the acquisition file is faulty.
        """
        recipe = FeatureRecipe.of(cohort, preset, backend=backend, mode=mode)
        recipe.columns()
        return cls(cohort, recipe, folder, stated_acquisition(cohort))

    def _measure_all(self, todo: Sequence[Case], jobs: int, scheduler: str | None) -> Iterator[tuple[Case, Outcome]]:
        if len(todo) == 1 and jobs > 1:
            yield todo[0], measure_and_keep(todo[0], replace(self.recipe, crew=Crew(jobs)), self.folder)
        else:
            yield from super()._measure_all(todo, jobs, scheduler)
