"""Runs whose process was killed are told to the server, and what they held is free; what lives is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from flows.abandoned import HOLDS, living_marks, marks, report_dead_runs, report_dead_served
from flows.limits import free_what_nobody_holds, limit_of
from flows.server import prefect_server
from tasks.retrain.worktree import held_lock, opened_locked
from tests.ledgers import P, new_repository

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    """A server for this module's tests."""
    with prefect_server():
        yield


@pytest.fixture
def begun(server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A run of monitor that the server takes to be running, in a clone without any other; it has ended afterwards."""
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.states import Completed, Running

    monkeypatch.chdir(new_repository(tmp_path / "project"))

    @flow(name="monitor")
    def monitor(pipeline: str) -> None:
        pass

    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(limit_of(P), 1)
        run = client.create_flow_run(monitor, parameters={"pipeline": P}, state=Running())
        yield run
        client.set_flow_run_state(run.id, Completed(), force=True)


def state_of(run: Any) -> str:
    """The type of a run's state, as the server has it."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return str(client.read_flow_run(run.id).state.type.value)  # type: ignore[union-attr]


def slots_after_freeing() -> int:
    """How many slots of the limit are taken, after one was and who waits has looked whether anybody holds it."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

    with get_client(sync_client=True) as client:
        client.update_global_concurrency_limit(limit_of(P), GlobalConcurrencyLimitUpdate(active_slots=1))
        free_what_nobody_holds(P)
        return client.read_global_concurrency_limit_by_name(limit_of(P)).active_slots


def mark_of(run: UUID) -> Path:
    """The file by which a run says that it lives."""
    return marks() / f"{run}.lock"


def test_dead_run_is_a_crashed_one_and_its_slot_is_free(begun: Any) -> None:
    mark_of(begun.id).write_text(f"{HOLDS} {P}\n")
    assert slots_after_freeing() == 0
    assert (state_of(begun), mark_of(begun.id).exists()) == ("CRASHED", False)


def test_living_run_keeps_its_slot(begun: Any) -> None:
    with opened_locked(mark_of(begun.id)) as file:
        file.write(f"{HOLDS} {P}\n")
        file.flush()
        assert slots_after_freeing() == 1
        assert living_marks() == {begun.id: f"{HOLDS} {P}"}
    assert state_of(begun) == "RUNNING"


def test_run_of_another_machine_keeps_its_slot(begun: Any) -> None:
    assert slots_after_freeing() == 1
    assert state_of(begun) == "RUNNING"


def test_run_that_is_about_to_mark_itself_is_left_alone(begun: Any) -> None:
    with held_lock(mark_of(begun.id)):
        report_dead_runs()
    assert state_of(begun) == "RUNNING"


def test_served_run_without_a_process_is_dead_at_the_second_look(begun: Any) -> None:
    from prefect.client.orchestration import get_client
    from prefect.states import Running

    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(flow_id=begun.flow_id, name=P)
        run = client.create_flow_run_from_deployment(deployment, state=Running())
    suspects = report_dead_served([deployment], set())
    assert (suspects, state_of(run)) == ({run.id}, "RUNNING")
    report_dead_served([deployment], suspects)
    assert (state_of(run), state_of(begun)) == ("CRASHED", "RUNNING")
