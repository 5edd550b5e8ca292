"""Train and retrain on a real Prefect server: a task per stale stage, artifacts, tags; a person has the last word."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.server import prefect_server
from tasks import registry
from tests.conftest import run_python
from tests.registered import declare, state_of_user

pytestmark = pytest.mark.xdist_group("prefect")
PATIENCE_SECONDS = 240


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server that lives as long as this module's tests."""
    with prefect_server():
        from prefect.settings import PREFECT_API_URL

        yield PREFECT_API_URL.value()


def lives(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def stale_evaluate(project: Path) -> None:
    path = project / "configs/diabetes.yaml"
    path.write_text(path.read_text().replace("slice_rows: 20", "slice_rows: 25"))


def newest_run() -> Any:
    """The flow run that the server took last."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        return client.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=1, offset=0)[0]


def tasks_of(run: Any) -> list[str]:
    """Names of a run's tasks."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.client.schemas.sorting import TaskRunSort

    only_this = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(flow_run_filter=only_this, sort=TaskRunSort.END_TIME_DESC, limit=200, offset=0)
    return [found.name for found in tasks]


def artifacts(server: str) -> list[tuple[str, str]]:
    """Flow run and key of each artifact; asked for plainly: Prefect's own client sends what its server refuses."""
    import httpx

    found = httpx.post(f"{server}/artifacts/filter", json={"limit": 200, "offset": 0, "sort": "UPDATED_DESC"}).json()
    return [(artifact["flow_run_id"], artifact["key"]) for artifact in found]


def test_flow_runs_one_task_per_stale_stage_and_publishes(project: Path, server: str) -> None:
    from flows.train import run

    stale_evaluate(project)
    outcomes = {outcome.stage: outcome.outcome for outcome in run("diabetes")}
    newest = newest_run()
    assert {name for name in tasks_of(newest) if not name.startswith("publish")} == {
        stage for stage, outcome in outcomes.items() if outcome != "unchanged"
    }
    assert outcomes["train"] == "unchanged"
    assert (str(newest.id), "diabetes-scores") in artifacts(server)
    assert set(newest.tags) == {"holdfast", "diabetes"}
    assert newest.state.is_completed()


def test_failing_stage_fails_the_flow(project: Path, server: str) -> None:
    from configs.errors import DataError
    from flows.train import run

    Path("data/raw/diabetes.dvc").unlink()
    with pytest.raises(DataError, match="nothing has landed"):
        run("diabetes")
    assert newest_run().state.is_failed()


def test_temporary_server_ends_with_the_run(tmp_path: Path) -> None:
    code = (
        "from flows.server import started_server; import tempfile\n"
        "with tempfile.TemporaryFile('w+') as log, started_server(log) as (server, url): print(server.pid)"
    )
    pid = int(run_python(Path(__file__).parents[1], "-c", code).stdout)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_temporary_server_ends_with_a_run_that_is_killed() -> None:
    code = (
        "from flows.server import started_server; import tempfile, time\n"
        "with tempfile.TemporaryFile('w+') as log, started_server(log) as (server, url):\n"
        "    print(server.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        server = int(run.stdout.readline())
        run.kill()
    end = time.monotonic() + PATIENCE_SECONDS
    while lives(server) and time.monotonic() < end:
        time.sleep(0.1)
    assert not lives(server)


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


# ---- retrain


def paused_run() -> Any:
    """The flow run that waits for an answer, when it does."""
    from prefect.exceptions import ObjectNotFound

    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            found = newest_run()
        except (IndexError, ObjectNotFound):
            found = None
        if found is not None and found.state.is_paused():
            return found
        time.sleep(0.3)
    raise TimeoutError


def test_flow_waits_for_a_person_and_does_as_they_say(registered: Path, server: str) -> None:
    from prefect.flow_runs import resume_flow_run

    declare("gate: {promote: better}", "gate: {margin: 100, approval: manual}")
    before = state_of_user()
    words = ["-m", "flows.cli", "retrain", "diabetes", "--reason", "other rules", "--wait", "--json"]
    environment = {**os.environ, "PREFECT_API_URL": server}
    with subprocess.Popen([sys.executable, *words], env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            waiting = paused_run()
        except TimeoutError:
            process.kill()  # it would wait for an answer for days
            raise
        resume_flow_run(waiting.id, run_input={"approve": True, "reason": "looked at it"})
        printed, _ = process.communicate(timeout=PATIENCE_SECONDS)
    decision = json.loads(printed)
    assert (process.returncode, decision["version"], decision["outcome"]) == (0, "v1.2.0", "promoted")
    last = registry.promotions("diabetes")[-1]
    assert (str(last.version.number), last.reason) == ("v1.2.0", "looked at it")
    names = {name.partition("-")[0] for name in tasks_of(waiting)}
    assert {"sync", "bring", "land", "judge", "register", "decide", "publish"} <= names
    assert state_of_user() == before
