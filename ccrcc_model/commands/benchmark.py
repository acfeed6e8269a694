"""``ccrcc benchmark``: from a locked model and external cohorts to tables, and result files to send."""

from dataclasses import dataclass
from pathlib import Path

from ccrcc_model.commands.console import say
from ccrcc_model.commands.output_kinds import BENCHMARK
from ccrcc_model.commands.outputs import refuse_sealed
from ccrcc_model.models.folder import GRADED_KINDS, model_kind
from ccrcc_model.models.graded_model import GradedModel
from ccrcc_model.models.model import Model
from ccrcc_model.multicentre.result_file import refuse_foreign_result, share_of_model
from ccrcc_model.multicentre.small_cells import SMALLEST_CELL
from ccrcc_model.outcomes.study import Study
from ccrcc_model.statistics.bootstrap import REPLICATES, SEED
from ccrcc_model.statistics.estimate import PrintRule
from ccrcc_model.statistics.evaluation import Pair
from ccrcc_model.statistics.prevalence import check_prevalence
from ccrcc_model.validation.benchmark import benchmark, check_studies, predict_studies
from nnunet_ext.cohort.cards import load_cohort
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.outputs import try_folder
from radiomics_cfg.table import FeatureTable


@dataclass(frozen=True, kw_only=True)
class BenchmarkOrder:
    """Which benchmark is wanted.

    Args:
        model: Folder of a locked model.
        cards: Of the cohorts.
        tables: Of features, one a card.
        out: Folder.
        print_rule: How Table S2 prints numbers.
        prevalence: At which PPV, NPV and net benefit are also given.
        replicates: Of the bootstrap.
        seed: Of the bootstrap.
        share: Folder of the result files to send.
        smallest_cell: Counts below it are withheld from them.
    """

    model: Path
    cards: tuple[Path, ...]
    tables: tuple[Path, ...]
    out: Path
    print_rule: PrintRule = "round"
    prevalence: float | None = None
    replicates: int = REPLICATES
    seed: int = SEED
    share: Path | None = None
    smallest_cell: int = SMALLEST_CELL

    def __post_init__(self) -> None:
        if self.smallest_cell != SMALLEST_CELL and self.share is None:
            msg = "--smallest-cell is of the result files that --share writes; give --share DIR, or leave it out"
            raise InputError(msg)
        if len(self.cards) != len(self.tables):
            msg = f"Give one --table for each --cohort; got {len(self.cards)} cohorts and {len(self.tables)} tables"
            raise InputError(msg)

    def claim(self) -> None:
        """Check, before anything is read, that the results can be written and that nothing else is lost by them.

        Raises:
            InputError: If not, or if the prevalence is no share.
        """
        BENCHMARK.claim(self.out, inputs=[*self.cards, *self.tables])
        if self.prevalence is not None:
            check_prevalence(self.prevalence)
        if self.share is not None:
            try_folder(self.share, option="--share")
            refuse_sealed(self.share)

    def refuse_for_graded(self) -> None:
        """Refuse what only models of yes or no have."""
        given = {
            "--share": self.share is not None,
            "--prevalence": self.prevalence is not None,
            "--replicates": self.replicates != REPLICATES,
            "--seed": self.seed != SEED,
            "--print-rule": self.print_rule != "round",
        }
        if ignored := next((option for option, is_given in given.items() if is_given), None):
            msg = f"{ignored} is for models of yes or no; a graded model's figures stand in graded_figures.csv"
            raise InputError(msg)


def run_benchmark(order: BenchmarkOrder) -> None:
    """Score a locked model of either kind, write its tables and say where they are."""
    order.claim()
    locked = GradedModel.load(order.model) if model_kind(order.model) in GRADED_KINDS else Model.load(order.model)
    cards = [load_cohort(card) for card in order.cards]
    studies = [Study(card, FeatureTable.read(path)) for card, path in zip(cards, order.tables, strict=True)]
    check_studies(studies)
    if isinstance(locked, GradedModel):
        order.refuse_for_graded()
    pairs = () if isinstance(locked, GradedModel) else predict_studies(locked, studies)
    result = benchmark(
        locked,
        studies,
        predicted=pairs,
        prevalence=order.prevalence,
        print_rule=order.print_rule,
        replicates=order.replicates,
        seed=order.seed,
    )
    result.save(order.out)
    shared = () if isinstance(locked, GradedModel) or order.share is None else _share(order, order.share, locked, pairs)
    for line in (*result.lines, *shared):
        say(line)
    say(f"Benchmark of {result.target} on {len(cards)} cohorts: {order.out}")


def _share(order: BenchmarkOrder, folder: Path, locked: Model, pairs: tuple[Pair, ...]) -> tuple[str, ...]:
    """Write a result file of each cohort; return what to say of them."""
    lines = []
    for pair in pairs:
        site = share_of_model(locked, pair.model, pair.baseline, smallest=order.smallest_cell)
        path = folder / f"{site.cohort}.{site.target}.json"
        refuse_foreign_result(path)
        site.write(path)
        lines.append(f"Result file to send: {path}, SHA-256 {site.sha256}")
    return tuple(lines)
