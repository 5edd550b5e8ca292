"""Runs whose process is gone while the Prefect server still takes them to be running, as after a kill.

Each run of a pipeline's flows marks itself by a file under `.git/holdfast/runs/` that it holds a lock on; the kernel
frees the lock when the process dies, however it did. A run that `holdfast serve` has started is known by Prefect's
environment variable too, from before it has come to its mark.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from tasks.registry.git import common_folder
from tasks.retrain.worktree import is_free, opened_locked

FLOWS = ["monitor", "retrain", "score"]
WAITS, HOLDS = "waits", "holds"  # for its pipeline's turn, or has it
BEGUN = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
LOOK_SECONDS = 30.0
MOST = 200  # runs that the server tells of at once
GONE = "its process is gone: killed, or its machine was switched off; the next run goes on where it stopped"


def marks() -> Path:
    """Where runs of this clone mark themselves."""
    folder = common_folder() / "holdfast" / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def marked_run(pipeline: str) -> Iterator[Callable[[str], None]]:
    """Mark the current flow run as living during the block; yields what notes whether it waits or has its turn."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        yield lambda _state: None
        return
    path = marks() / f"{context.flow_run.id}.lock"
    with opened_locked(path) as file:

        def note(state: str) -> None:
            file.seek(0)
            file.write(f"{state} {pipeline}\n")
            file.flush()

        note(WAITS)
        try:
            yield note
        finally:
            path.unlink(missing_ok=True)


def report_dead_runs() -> None:
    """Tell the server of runs of this clone that are dead; what they held is free again."""
    for path in marks().glob("*.lock"):
        with contextlib.suppress(FileNotFoundError), path.open("r+") as file:
            if is_free(file):
                report_dead(UUID(path.stem)) if file.read() else None  # an empty one is about to be locked
                path.unlink(missing_ok=True)


def report_dead(run: UUID) -> None:
    """Let a run that has not ended be a crashed one; another server's run is not there."""
    with get_client(sync_client=True) as client, contextlib.suppress(ObjectNotFound):
        state = client.read_flow_run(run).state
        if state is not None and not state.is_final():
            client.set_flow_run_state(run, Crashed(message=GONE), force=True)


def may_hold(pipeline: str) -> bool:
    """Whether a run lives that could have the pipeline's turn.

    That is one of this clone that has it, or one elsewhere, of which no more is known than that it has begun.
    """
    states = living_marks()
    if f"{HOLDS} {pipeline}" in states.values():
        return True
    own = FlowRunContext.get()
    ours = {*states, own.flow_run.id if own and own.flow_run else None}
    return any(run.parameters.get("pipeline") == pipeline and run.id not in ours for run in begun_runs())


def living_marks() -> dict[UUID, str]:
    """What the living runs of this clone have noted, by run."""
    found = {}
    for path in marks().glob("*.lock"):
        with contextlib.suppress(FileNotFoundError), path.open("r+") as file:
            if not is_free(file):
                found[UUID(path.stem)] = file.read().strip()
    return found


def begun_runs(deployments: Sequence[UUID] | None = None) -> list[Any]:
    """Runs of our flows that the server takes to be under way; of these deployments alone where they are given."""
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=BEGUN))
    only = DeploymentFilter(id=DeploymentFilterId(any_=[*deployments])) if deployments is not None else None
    asked: dict[str, Any] = {
        "flow_filter": FlowFilter(name=FlowFilterName(any_=FLOWS)),
        "flow_run_filter": FlowRunFilter(state=state),
        "deployment_filter": only,
        "sort": FlowRunSort.EXPECTED_START_TIME_DESC,  # the server refuses to be asked without
    }
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(**asked, limit=MOST)


# ---- runs that `holdfast serve` gives a process


@contextlib.contextmanager
def kept_clear(deployments: Sequence[UUID]) -> Iterator[None]:
    """Look for dead runs of deployments that only this machine runs, every while during the block."""
    ended = threading.Event()

    def look() -> None:
        suspects: set[UUID] = set()
        while not ended.is_set():
            with contextlib.suppress(httpx.HTTPError):  # the server is away: look again
                suspects = report_dead_served(deployments, suspects)
            ended.wait(LOOK_SECONDS)

    threading.Thread(target=look, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def report_dead_served(deployments: Sequence[UUID], suspects: Collection[UUID]) -> set[UUID]:
    """Tell the server of dead runs of deployments that only this machine runs, wherever they had come to.

    Parameters
    ----------
    deployments : sequence of UUID
    suspects : collection of UUID
        Runs that had no process at the last look; a run has none yet for a moment after it was given out.

    Returns
    -------
    set of UUID
        Runs that have no process now.
    """
    report_dead_runs()
    begun = [run.id for run in begun_runs(deployments)]
    living = {*runs_with_process()} if begun else set()
    missing = {run for run in begun if str(run) not in living}
    for run in missing & {*suspects}:
        report_dead(run)
    return missing


def runs_with_process() -> Iterator[str]:
    """Ids of the runs that a process of this machine was started for."""
    name = b"PREFECT__FLOW_RUN_ID="
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            variables = path.read_bytes().split(b"\0")
            yield from (each.removeprefix(name).decode() for each in variables if each.startswith(name))
