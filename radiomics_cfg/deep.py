"""Deep features of a cohort, joined to its feature table. Experimental."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nnunet_ext.ground.case import Case, Cohort, Refusal
from nnunet_ext.ground.errors import InputError
from nnunet_ext.ground.files import AnyPath
from nnunet_ext.ground.progress import OnProgress, silent
from nnunet_ext.inference.trained_model import TrainedModel
from radiomics_cfg.cases.deep import DeepRecipe
from radiomics_cfg.cases.features import CaseContent, read_case_file
from radiomics_cfg.cases.result_file import Outcome
from radiomics_cfg.preset import Preset
from radiomics_cfg.runs.batch import CaseBatch
from radiomics_cfg.table import FeatureTable


def add_deep_features(
    table: FeatureTable,
    cohort: Cohort,
    preset: Preset,
    network: TrainedModel,
    *,
    cache_dir: AnyPath,
    jobs: int = 1,
    scheduler: str | None = None,
    on_progress: OnProgress = silent,
) -> tuple[FeatureTable, tuple[Refusal, ...]]:
    """Pool a network's encoder in the tumour and a ring around it, and join the columns to a feature table. Experimental.

    A case that has no deep features keeps its row, in which they are missing. What came of each case is kept in ``cache_dir``
    under a hash of its files, the network's and the regions, so a run that was cut off goes on where it stopped.

    Args:
        table: Features of one cohort.
        cohort: The same, with masks.
        preset: What the table was extracted with; the ring reaches as far as its rings.
        network: One fold of a trained model.
        cache_dir: Folder for one result file per case.
        jobs: Number of processes, each with one thread; a script that asks for several needs
            ``if __name__ == "__main__"``.
        scheduler: Address of a Dask cluster that does the work instead, on the same file system.
        on_progress: Called at once with the number of cases that were kept, then after each case.

    Returns:
        The joined table, whose provenance has the keys ``deep`` and ``deep_sha256``; and the refusals.

    Raises:
        InputError: If the table is another preset's or another cohort's or has deep features, ``jobs`` is below 1, the
            network or the cluster cannot be used, or no case could be.
    """
    batch = deep_batch(table, cohort, preset, network, Path(cache_dir))
    found = batch.measure(batch.find(), jobs=jobs, scheduler=scheduler, on_progress=on_progress)
    contents = {case.id: _content(case, found[case.id], table) for case in batch.cohort.cases}
    refusals = tuple(one for one in contents.values() if isinstance(one, Refusal))
    usable = {case_id: one for case_id, one in contents.items() if isinstance(one, CaseContent)}
    if not usable:
        first = refusals[0]
        msg = f"No case of cohort {cohort.name} could be used; the first was refused as {first.code}: {first.reason}"
        raise InputError(msg)
    return _join(table, usable, batch.recipe), refusals


def deep_batch(
    table: FeatureTable, cohort: Cohort, preset: Preset, network: TrainedModel, folder: Path
) -> CaseBatch[DeepRecipe]:
    """Return the batch that measures the cases of a table.

    Raises:
        InputError: If the table is another preset's or another cohort's or has deep features, or the network cannot be used.
    """
    _check(table, cohort, preset)
    recipe = DeepRecipe.of(cohort, preset, network)
    recipe.columns()  # loads the network before threads ask for it
    listed = set(table.rows["case_id"])
    return CaseBatch(cohort.with_cases(case for case in cohort.cases if case.id in listed), recipe, folder)


def _check(table: FeatureTable, cohort: Cohort, preset: Preset) -> None:
    made_by = table.provenance.get("preset_sha256")
    if made_by != preset.sha256:
        name = table.provenance.get("preset")
        msg = f"The table was extracted with preset {name} ({str(made_by)[:8]}), not with {preset.name} ({preset.sha256[:8]})"
        raise InputError(msg)
    if "deep_sha256" in table.provenance:
        msg = "The table has deep features already; give the one that `ccrcc extract` wrote"
        raise InputError(msg)
    names = sorted(set(table.rows["cohort"].astype("str")))
    if names != [cohort.name]:
        msg = f"The card is of cohort {cohort.name}, the table holds {', '.join(names) or 'no row'}"
        raise InputError(msg)
    unknown = sorted(set(table.rows["case_id"].astype("str")) - {case.id for case in cohort.cases})
    if unknown:
        msg = f"The table holds {len(unknown)} cases that the card of cohort {cohort.name} does not, the first is {unknown[0]}"
        raise InputError(msg)


def _content(case: Case, outcome: Outcome, table: FeatureTable) -> CaseContent | Refusal:
    """Return what is kept of a case, or why there is nothing that may stand beside its row."""
    if isinstance(outcome, Refusal):
        return outcome
    content = read_case_file(outcome.file)
    if content is None:
        msg = f"The result file {outcome.file} was changed meanwhile; run `ccrcc deep` again"
        raise InputError(msg)
    measured = table.provenance.get("cases", {}).get(case.id, {})
    for kind, now in (("image", content.image_sha256), ("mask", content.mask_sha256)):
        if measured.get(f"{kind}_sha256", now) != now:
            return Refusal(case.id, DeepRecipe.stage, "changed", f"its {kind} is not the one that the table's features are of")
    return content


def _join(table: FeatureTable, contents: Mapping[str, CaseContent], recipe: DeepRecipe) -> FeatureTable:
    """Put the deep features beside the rows of the same case and lesion; where there are none they are missing."""
    place = {
        (case_id, key["lesion"]): content.rows.values[row]
        for case_id, content in contents.items()
        for row, key in enumerate(content.rows.keys)
    }
    columns = recipe.columns()
    values = np.full((len(table.rows), len(columns)), np.nan)
    for row, key in enumerate(zip(table.rows["case_id"], table.rows["lesion"], strict=True)):
        if key in place:
            values[row] = place[key]
    deep = pd.DataFrame(values, columns=columns, index=table.rows.index)
    cases = dict(table.provenance.get("cases", {}))
    for case_id, content in contents.items():
        if case_id in cases:
            cases[case_id] = {**cases[case_id], "missing": _reasons(cases[case_id].get("missing", []), content)}
    about = {key: value for key, value in recipe.about().items() if key != "labels"}
    provenance = {**table.provenance, "cases": cases, "deep": about, "deep_sha256": recipe.sha256}
    return FeatureTable(pd.concat([table.rows, deep], axis=1), provenance)


def _reasons(missing: Sequence[Mapping[str, str]], content: CaseContent) -> list[dict[str, Any]]:
    """Return why values of each row are missing, those of the deep features beside the others."""
    return [{**one, **more} for one, more in zip(missing, content.rows.missing, strict=False)]
