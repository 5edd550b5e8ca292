"""The train flow on a real Prefect server: one task per stale stage, scores as an artifact, tags."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.server import prefect_server
from tests.conftest import run_python

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server that lives as long as this module's tests."""
    with prefect_server():
        from prefect.settings import PREFECT_API_URL

        yield PREFECT_API_URL.value()


def stale_evaluate(project: Path) -> None:
    path = project / "configs/diabetes.yaml"
    path.write_text(path.read_text().replace("slice_rows: 20", "slice_rows: 25"))


@pytest.fixture
def flow_run(project: Path, server: str) -> dict[str, Any]:
    """What the server recorded of one run in which evaluate was stale."""
    stale_evaluate(project)
    from prefect.client.orchestration import get_client

    from flows.train import run

    outcomes = {outcome.stage: outcome.outcome for outcome in run("diabetes")}
    with get_client(sync_client=True) as client:
        newest = max(client.read_flow_runs(), key=lambda found: found.expected_start_time)
        tasks = [found.name for found in client.read_task_runs() if found.flow_run_id == newest.id]
        artifacts = (
            [found.key for found in client.read_artifacts() if found.flow_run_id == newest.id]
            if hasattr(client, "read_artifacts")
            else []
        )
    return {"outcomes": outcomes, "run": newest, "tasks": tasks, "artifacts": artifacts}


def test_flow_runs_one_task_per_stale_stage_and_publishes(flow_run: dict[str, Any]) -> None:
    assert sorted(name for name in flow_run["tasks"] if not name.startswith("publish")) == sorted(
        stage for stage, outcome in flow_run["outcomes"].items() if outcome != "unchanged"
    )
    assert "evaluate" in flow_run["tasks"]
    assert flow_run["outcomes"]["train"] == "unchanged"
    assert set(flow_run["run"].tags) == {"holdfast", "diabetes"}
    assert flow_run["run"].state.is_completed()


def test_failing_stage_fails_the_flow(project: Path, server: str) -> None:
    from prefect.client.orchestration import get_client

    from configs.errors import DataError
    from flows.train import run

    Path("data/raw/diabetes.dvc").unlink()
    with pytest.raises(DataError, match="nothing has landed"):
        run("diabetes")
    with get_client(sync_client=True) as client:
        newest = max(client.read_flow_runs(), key=lambda found: found.expected_start_time)
    assert newest.state.is_failed()


def test_temporary_server_ends_with_the_run(tmp_path: Path) -> None:
    code = (
        "from flows.server import started_server; import tempfile\n"
        "with tempfile.TemporaryFile('w+') as log, started_server(log) as (server, url): print(server.pid)"
    )
    pid = int(run_python(Path(__file__).parents[1], "-c", code).stdout)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_configured_server_is_used_and_none_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setattr(subprocess, "Popen", lambda *_args, **_kwargs: pytest.fail("a server was started"))
    with prefect_server():
        pass


def test_sigterm_ends_the_run_with_143_and_leaves_no_lock(project: Path, server: str) -> None:
    stale_evaluate(project)
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", "diabetes"],
        env={**os.environ, "PREFECT_API_URL": server},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:  # Prefect's log says when the flow has begun
        if "Beginning flow run" in line:
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 143
    from tasks.ledger import plan_stages

    assert next(plan.stage for plan in plan_stages("diabetes") if plan.verdict == "runs") == "evaluate"
