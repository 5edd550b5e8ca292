"""The loop on a real Prefect server: deployed, a drifted batch is dropped, and the retrain starts by its event."""

from __future__ import annotations

import contextlib
import csv
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.server import prefect_server
from tasks import monitoring, registry
from tests.conftest import holdfast
from tests.registered import declare

pytestmark = pytest.mark.xdist_group("prefect")
PATIENCE_SECONDS = 420
P = "diabetes"
INCOMING = Path("data/incoming/diabetes")
SCORES = Path("data/scores.csv")


@dataclass(frozen=True)
class Story:
    """What was seen: outputs of the commands, the flow runs by flow and deployment, messages, and the project."""

    project: Path
    deployed: list[str]
    runs: list[Any]
    messages: list[str]

    def of(self, flow: str) -> list[Any]:
        """The runs of a flow."""
        return [run for run in self.runs if run.name.startswith(flow)]


@contextlib.contextmanager
def inbox() -> Iterator[tuple[str, list[str]]]:
    """A webhook on a free loopback port, and what it was sent."""
    messages: list[str] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", messages
        server.shutdown()


def drop_drifted(name: str, seed: int) -> None:
    """Put a batch into the source's folder from a changed world: only heavier patients come, in no other units."""
    with (INCOMING / "diabetes-2.csv").open() as file:
        header, *rows = csv.reader(file)
    bmi, target = header.index("bmi"), header.index("progression")
    heavier = sorted(rows, key=lambda row: float(row[bmi]))[len(rows) // 2 :]
    with (INCOMING / name).open("w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for place, row in enumerate(heavier):
            jitter = (place * 7 + seed) % 13
            row[bmi] = f"{float(row[bmi]) * 0.6 + 18 + jitter / 10:.1f}"
            row[target] = f"{float(row[target]) + 60 + jitter:.1f}"
            writer.writerow(row)


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


@pytest.fixture(scope="module")
def story(versioned_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Deploy twice, serve, drop a drifted batch, monitor by hand, and wait for what that starts; monitor once more."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock
    from prefect.settings import PREFECT_API_URL

    project = tmp_path_factory.mktemp("watched") / "project"
    shutil.copytree(versioned_project, project, symlinks=True)
    with pytest.MonkeyPatch.context() as patch, prefect_server(), inbox() as (address, messages):
        patch.chdir(project)
        flows = 'monitor: {schedule: "0 5 1 1 *"}\nnotify: {blocks: [custom-webhook/ops]}'
        flows += f"\nscore: {{input: {INCOMING}/diabetes-1.csv, output: {SCORES}}}"
        declare("retrain: {}", f"retrain: {{on: [drift]}}\n{flows}")
        declare("gate: {}", "gate: {margin: 100}")
        block = CustomWebhookNotificationBlock(
            name="ops", url=address, json_data={"text": "{{subject}}: {{body}}"}, allow_private_urls=True
        )
        block.save("ops")
        server = {"PREFECT_API_URL": PREFECT_API_URL.value()}
        deployed = [holdfast(project, "deploy", **server) for _ in range(2)]
        assert [each.returncode for each in deployed] == [0, 0], [each.stderr for each in deployed]
        environment = {**os.environ, **server, "PREFECT_RUNNER_POLL_FREQUENCY": "2"}
        log = project.with_name("serve.log")
        with log.open("w") as output:
            served = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", "serve"], env=environment, stdout=output, stderr=output
            )
            try:
                drop_drifted("diabetes-3.csv", 0)
                run_by_hand(f"monitor/{P}")
                ended(lambda: newest("retrain"))
                run_by_hand(f"monitor/{P}")
                run_by_hand(f"score/{P}")
                yield Story(project, [each.stdout for each in deployed], all_runs(), messages)
            finally:
                served.terminate()
                served.wait(timeout=60)


def test_schedule_has_runs_to_come(story: Story) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=50, offset=0)
    moments = {run.expected_start_time.strftime("%m-%d %H:%M") for run in found if run.auto_scheduled}
    assert moments == {"01-01 05:00"}  # as Prefect's scheduler wrote them; a schedule alone runs nothing


def test_second_deploy_has_nothing_to_change(story: Story) -> None:
    assert ["Nothing to change." in printed for printed in story.deployed] == [False, True]


def test_drifted_batch_starts_one_retrain_by_its_event(story: Story) -> None:
    (run,) = story.of("retrain")
    assert (run.name, run.state.type.value, run.parameters["trigger"]) == (
        "retrain diabetes: drift",
        "COMPLETED",
        "drift",
    )


def test_all_runs_ended_well(story: Story) -> None:
    assert {run.name: run.state.type.value for run in story.runs if run.state.type.value != "COMPLETED"} == {}
    assert len(story.runs) >= 4  # two of monitor, one of retrain, one of score


def test_retrain_on_drift_ends_promoted_with_the_decisions_reason(story: Story) -> None:
    champion = registry.champion(P)
    assert champion is not None
    assert str(champion.number) == "v1.0.1"
    made = [event for event in registry.events(P) if event["kind"] == "version"][-1]
    assert (made["trigger"], made["reason"].partition(" drifted")[0]) == ("drift", "retrain, diabetes-3.csv")


def test_next_scoring_is_by_the_new_version(story: Story) -> None:
    manifest = json.loads(SCORES.with_name("scores.csv.manifest.json").read_text())
    assert manifest["model"]["name"] == f"{P}@v1.0.1"


def test_monitoring_leaves_its_events_once(story: Story) -> None:
    kinds = [event["kind"] for event in registry.events(P)]
    assert kinds[-7:] == ["landing", "verdict", "retrain", "notice", "version", "decision", "promotion"]


def test_decision_recomputes_from_the_ledger(story: Story) -> None:
    (event,) = [event for event in registry.events(P) if event["kind"] == "retrain"]
    made = monitoring.recomputed(event["decision"])
    assert (made.outcome, made.rule, made.reason) == tuple(
        event["decision"][name] for name in ("outcome", "rule", "reason")
    )


def test_owner_is_told_once(story: Story) -> None:
    (message,) = story.messages
    assert "diabetes: drift that matters to the model, diabetes-3.csv" in message
    assert "Owner: clinic@example.org" in message


def test_rubbish_event_starts_no_retrain_that_trains(story: Story) -> None:
    from tasks.monitoring import NoCallError, standing_call

    with pytest.raises(NoCallError, match="the ledger has no decision that calls for one"):
        standing_call(P)


def test_runs_that_came_late_collapse(story: Story) -> None:
    from prefect.client.orchestration import get_client
    from prefect.states import Scheduled

    tip, late = registry.tip(P), datetime.now(UTC) - timedelta(hours=1)
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"monitor/{P}-scheduled")
        ticks = [Scheduled(scheduled_time=late + timedelta(minutes=step)) for step in range(3)]
        made = [client.create_flow_run_from_deployment(deployment.id, state=tick) for tick in ticks]
        states = Counter(ended(lambda run=run: client.read_flow_run(run.id)).state.type.value for run in made)
    assert set(states) == {"CANCELLED", "COMPLETED"}  # one works, what is due meanwhile is cancelled
    assert registry.tip(P) == tip


def test_flows_of_a_pipeline_wait_for_each_other(story: Story) -> None:
    from flows.limits import one_at_a_time

    inside, most = [0], [0]

    def work() -> None:
        with one_at_a_time(P):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.3)
            inside[0] -= 1

    threads = [threading.Thread(target=copy_context().run, args=(work,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE_SECONDS)
    assert (most, inside) == ([1], [0])


# ---- without a server


@pytest.fixture
def alone(versioned_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that retrains on drift, into which a drifted batch was dropped."""
    shutil.copytree(versioned_project, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    declare("retrain: {}", "retrain: {on: [drift]}")
    declare("gate: {}", "gate: {margin: 100}")
    drop_drifted("diabetes-3.csv", 0)
    return tmp_path / "project"


def test_without_a_server_monitor_retrains_in_its_own_process(alone: Path) -> None:
    done = holdfast(alone, "monitor", P, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout[done.stdout.index("{\n") :])
    assert told["decision"]["outcome"] == "retrain", [
        event["signal"] for event in registry.events(P) if event["kind"] == "verdict"
    ]
    assert told["retrain"]["outcome"] == "promoted"
    tip = registry.tip(P)
    assert holdfast(alone, "monitor", P).returncode == 0
    assert registry.tip(P) == tip  # a second run writes nothing


def test_deploying_without_a_server_is_refused(alone: Path) -> None:
    done = holdfast(alone, "deploy")
    assert done.returncode == 2
    assert "no Prefect server is configured" in done.stderr
