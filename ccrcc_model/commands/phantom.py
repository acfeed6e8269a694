"""``ccrcc phantom``."""

from typing import Annotated, Literal

import typer

from ccrcc_model.commands.options import Jobs, OutFolder, Seed


def phantom(
    out: OutFolder,
    seed: Seed = 1,
    patients: Annotated[int, typer.Option(min=1, help="Patients in each cohort.")] = 20,
    grid: Annotated[Literal["demo", "full"], typer.Option(help="3 mm voxels, or 512 x 512 and 1 mm slices.")] = "demo",
    jobs: Jobs = 1,
) -> None:
    """Write a synthetic multicentre study with known truth.

    One development cohort of four centres, two external cohorts of one centre each.
    """
    from ccrcc_model.commands.console import progress_bar, say
    from ccrcc_model.commands.output_kinds import PHANTOM
    from ccrcc_model.demo import study_plan
    from nnunet_ext.phantom import DEMO_GRID, FULL_GRID, write_study

    PHANTOM.claim(out)
    plan = study_plan(development=patients, external=patients)
    with progress_bar("Writing phantoms") as on_progress:
        cards = write_study(
            out, plan, FULL_GRID if grid == "full" else DEMO_GRID, seed=seed, jobs=jobs, on_progress=on_progress
        )
    PHANTOM.mark(out)
    say(f"Cohort cards: {', '.join(str(card) for card in cards)}")
