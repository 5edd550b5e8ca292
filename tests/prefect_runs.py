"""Flow runs on a real Prefect server, as a person sees them: started, awaited, listed; and batches to drop."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.server import prefect_server

PATIENCE_SECONDS = 420
P = "diabetes"
INCOMING = Path("data/incoming/diabetes")


@contextmanager
def own_server(folder: Path) -> Iterator[None]:
    """A server with a database of its own: what is deployed on it, schedules too, is no other module's business."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", f"sqlite+aiosqlite:///{folder}/prefect.db")
        with prefect_server():
            yield


def drifted_rows(seed: int) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a changed world: only heavier patients come, in no other units."""
    with (INCOMING / "diabetes-2.csv").open() as file:
        header, *rows = csv.reader(file)
    bmi, target = header.index("bmi"), header.index("progression")
    heavier = sorted(rows, key=lambda row: float(row[bmi]))[len(rows) // 2 :]
    for place, row in enumerate(heavier):
        jitter = (place * 7 + seed) % 13
        row[bmi] = f"{float(row[bmi]) * 0.6 + 18 + jitter / 10:.1f}"
        row[target] = f"{float(row[target]) + 60 + jitter:.1f}"
    return header, heavier


def drop_drifted(name: str, seed: int) -> None:
    """Put a batch of a changed world into the source's folder."""
    header, rows = drifted_rows(seed)
    with (INCOMING / name).open("w") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def run_by_hand(name: str) -> Any:
    """Start a deployment as the button in Prefect's UI does, and wait for its end."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(name)
        run = client.create_flow_run_from_deployment(deployment.id)
        return ended(lambda: client.read_flow_run(run.id))


def ended(read: Any) -> Any:
    """The run when it has ended."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        run = read()
        if run is not None and run.state is not None and run.state.is_final():
            return run
        time.sleep(0.5)
    raise TimeoutError


def newest(flow: str) -> Any:
    """The last run of a flow."""
    return next(iter([run for run in all_runs() if run.name.startswith(flow)]), None)


def all_runs() -> list[Any]:
    """Every run that the server has, but for those that a schedule has yet to start."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=50, offset=0)
    return [run for run in found if not (run.auto_scheduled and run.state is not None and run.state.is_scheduled())]


def logs() -> str:
    """Every line that flows and tasks have logged on the server."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        pages = [client.read_logs(limit=200, offset=offset) for offset in range(0, 4000, 200)]
    return "\n".join(line.message for page in pages for line in page)
