"""Cases as tasks of a Dask cluster, whose workers share a file system with this process."""

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from nnunet_ext.ground.case import Case
from nnunet_ext.ground.errors import InputError
from radiomics_cfg.cases.recipe import Recipe
from radiomics_cfg.cases.result_file import Outcome, keep_trouble, measure_and_keep

RETRIES = 2
"""Times that a task which raised is tried elsewhere. A task whose worker was lost is moved by Dask itself, three times."""

CONNECT_S = 10
"""Seconds that the scheduler may take to answer."""

FIRST_WORKER_S = 60
"""Seconds that a cluster may take to have a worker."""

_ONE_AT_A_TIME = threading.Lock()
"""A worker with several threads still measures one case at a time: ITK's threads are counted for the whole process."""


def measure_on_cluster(
    cases: Sequence[Case], recipe: Recipe, folder: Path, *, scheduler: str
) -> Iterator[tuple[Case, Outcome]]:
    """Measure cases on a Dask cluster, and yield each with what came of it as soon as it is done.

    Where a worker is killed, its present case starts anew on another one; a case that has taken several workers with it is
    refused as ``worker-lost``.

    Args:
        cases: To be measured, in any order.
        recipe: How.
        folder: Keeps the results; on a file system that all workers see under the same path, as the scans are.
        scheduler: Address, such as ``tcp://10.0.0.1:8786``.

    Raises:
        InputError: If Dask is not installed, there is no scheduler at that address or no worker, a worker has other versions
            than this process, or the scheduler is lost.
    """
    dask = _load_dask()
    # Workers run in another folder.
    sent = [replace(case, image=case.image.absolute(), mask=case.mask and case.mask.absolute()) for case in cases]
    with _connected(dask, scheduler) as client:
        futures = client.map(_task, sent, recipe=recipe, folder=folder.absolute(), pure=False, retries=RETRIES)
        case_of = {future.key: case for future, case in zip(futures, cases, strict=True)}
        for future in dask.as_completed(futures, loop=client.loop):
            case = case_of[future.key]
            try:
                outcome = future.result()
            except dask.KilledWorker:
                reason = "every worker that had this case died, most likely for lack of memory; give the workers more of it"
                outcome = keep_trouble(case, recipe, folder, code="worker-lost", reason=reason)
            except (CancelledError, dask.client.FutureCancelledError) as error:
                msg = (
                    f"The Dask scheduler at {scheduler} is gone; what was done is kept, so the same command goes on from there"
                )
                raise InputError(msg) from error
            yield case, outcome


def _load_dask() -> Any:
    try:
        return import_module("distributed")
    except ImportError as error:
        msg = (
            f"A Dask cluster needs the extra cluster, which is not installed ({error}): "
            "`uv sync --extra cluster`, or `uv pip install 'ccrcc-radiomics[cluster]'`"
        )
        raise InputError(msg) from error


@contextmanager
def _connected(dask: Any, scheduler: str) -> Iterator[Any]:
    """Yield a client of a cluster that has a worker."""
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # it logs tracebacks where we raise one line
    try:
        with ThreadPoolExecutor(1) as thread:  # in a notebook this one has a loop already
            thread.submit(asyncio.run, asyncio.wait_for(_say_hello(dask, scheduler), CONNECT_S)).result()
    except Exception as error:  # what is raised depends on who answers at that address, if anyone
        msg = f"No Dask scheduler answers at {scheduler!r} ({type(error).__name__}); an address looks like tcp://10.0.0.1:8786"
        raise InputError(msg) from error
    with dask.Client(scheduler, timeout=CONNECT_S, set_as_default=False) as client:
        try:
            client.wait_for_workers(1, timeout=FIRST_WORKER_S)
        except TimeoutError as error:
            msg = f"The Dask scheduler at {scheduler} has no worker after {FIRST_WORKER_S} s; start some with `dask worker`"
            raise InputError(msg) from error
        yield client


async def _say_hello(dask: Any, scheduler: str) -> None:
    """Connect once. A client that cannot connect goes on trying in the background, which holds up the end of the program."""
    keys = dask.Security().get_connection_args("client")  # of TLS, if Dask's configuration names any, as the client finds them
    connection = await dask.comm.connect(scheduler, timeout=CONNECT_S, **keys)
    await connection.close()


def _task(case: Case, *, recipe: Recipe, folder: Path) -> Outcome:
    """Measure one case in a Dask worker."""
    here = recipe.versions_here()
    other = [name for name in {**here, **recipe.versions} if here.get(name) != recipe.versions.get(name)]
    if other:
        name = other[0]
        msg = f"A Dask worker has {name} {here.get(name)}, this process {recipe.versions.get(name)}; install the same on all"
        raise InputError(msg)
    with _ONE_AT_A_TIME:
        return measure_and_keep(case, recipe, folder)
