"""The loop on a real Prefect server: deployed, a drifted batch is dropped, and the retrain starts by its event."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.server import prefect_server, send_what_is_queued
from tasks import monitoring, registry
from tests.conftest import holdfast
from tests.prefect_runs import (
    INCOMING,
    PATIENCE_SECONDS,
    P,
    all_runs,
    drop_drifted,
    ended,
    logs,
    newest,
    own_server,
    run_by_hand,
)
from tests.registered import declare

pytestmark = pytest.mark.xdist_group("prefect")
SCORES = Path("data/scores.csv")


@dataclass(frozen=True)
class Story:
    """What was seen: outputs of the commands, flow runs, two that queued, states of those that came late, messages."""

    project: Path
    deployed: list[str]
    runs: list[Any]
    queued: list[Any]
    late: Counter[str]
    tips: tuple[str | None, str | None]  # of the ledger, before and after those that came late
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


def begin_and_end(name: str, states: Sequence[Any]) -> list[Any]:
    """Start a deployment once per state, all at once, and wait for the ends; None is as the UI's button does."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(name)
        made = [client.create_flow_run_from_deployment(deployment.id, state=state) for state in states]
        return [ended(lambda run=run: client.read_flow_run(run.id)) for run in made]


def missed_ticks() -> list[Any]:
    """States of three runs whose time was an hour ago."""
    from prefect.states import Scheduled

    late = datetime.now(UTC) - timedelta(hours=1)
    return [Scheduled(scheduled_time=late + timedelta(minutes=step)) for step in range(3)]


@pytest.fixture(scope="module")
def story(versioned_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Deploy twice, serve, drop a drifted batch, monitor by hand, wait for what that starts; score; monitor late."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock
    from prefect.settings import PREFECT_API_URL

    project = tmp_path_factory.mktemp("watched") / "project"
    shutil.copytree(versioned_project, project, symlinks=True)
    with pytest.MonkeyPatch.context() as patch, own_server(project.parent), inbox() as (address, messages):
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
                queued = begin_and_end(f"score/{P}", [None, None])
                runs, tip = all_runs(), registry.tip(P)
                late = begin_and_end(f"monitor/{P}-scheduled", missed_ticks())
                states = Counter(run.state.type.value for run in late)
                tips = (tip, registry.tip(P))
                yield Story(project, [each.stdout for each in deployed], runs, queued, states, tips, messages)
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
    assert len(story.runs) >= 4  # one of monitor, one of retrain, two of score


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


RETRAIN = {"holdfast.decision": "retrain"}
UNHEARD = {
    "without a decision": (f"holdfast.pipeline.{P}", {}, {}),
    "an unknown decision": (f"holdfast.pipeline.{P}", {"holdfast.decision": "perhaps"}, {"verdict": {"cause": "?"}}),
    "another pipeline": ("holdfast.pipeline.flights", RETRAIN, {}),
    "a name that begins alike": (f"holdfast.pipeline.{P}-2", RETRAIN, {}),
    "no pipeline": (f"pipeline.{P}", RETRAIN, {}),
}
RUBBISH = {"verdict": 17, "decision": ["retrain"], "commit": {"../../etc": None}, "pipeline": "flights", "reason": "x"}


def emit(resource: str, labels: dict[str, str], payload: dict[str, Any]) -> None:
    """Send an event of the kind that starts a retrain."""
    from prefect.events import emit_event

    from flows.monitor import DRIFT

    assert emit_event(DRIFT, {"prefect.resource.id": resource, **labels}, payload=payload) is not None


def test_rubbish_events_start_nothing_that_trains(story: Story) -> None:
    tip, before = registry.tip(P), {run.id for run in all_runs()}
    for event in UNHEARD.values():
        emit(*event)
    emit(f"holdfast.pipeline.{P}", RETRAIN, RUBBISH)
    started = ended(lambda: next((run for run in all_runs() if run.id not in before), None))
    assert (started.name, started.state.type.value) == (f"retrain {P}: drift", "FAILED")
    assert "the ledger has no decision that calls for one, or it was made already" in started.state.message
    assert f"`holdfast monitor {P}` decides" in started.state.message
    assert (registry.tip(P), {run.id for run in all_runs()} - before) == (tip, {started.id})


def test_event_without_its_fields_is_refused_by_the_server(story: Story) -> None:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    rubbish = [{"event": 17, "resource": {"prefect.resource.id": None}}]
    with get_client(sync_client=True) as client, pytest.raises(PrefectHTTPStatusError, match="422"):
        client._client.post("/events", json=rubbish)


def test_message_that_is_not_sent_fails_without_its_token(story: Story) -> None:
    from prefect import flow
    from prefect.blocks.notifications import CustomWebhookNotificationBlock
    from prefect.settings import PREFECT_API_URL

    from flows.notice import NotSentError, notify

    token, word = "t0ken-of-the-owner", "{{token}}"
    address = f"{PREFECT_API_URL.value()}/nobody/{word}"
    CustomWebhookNotificationBlock(name="gone", url=address, secrets={"token": token}).save("gone")
    send = flow(name="telling")(lambda: notify.with_options(retries=0)("custom-webhook/gone", "a", "b"))
    failed = r"'custom-webhook/gone' could not send its message \(HTTPStatusError, status 404\)"
    with pytest.raises(NotSentError, match=failed) as told:
        send()
    send_what_is_queued()
    shown = "".join(traceback.format_exception(told.value)) + logs()
    assert "Task run failed with exception: NotSentError" in shown
    assert token not in shown


def test_block_that_is_not_there_is_named(story: Story) -> None:
    from flows.notice import NoBlockError, loaded

    with pytest.raises(NoBlockError, match="Prefect has no notification block 'slack-webhook/nobody'"):
        loaded("slack-webhook/nobody")


def test_secret_block_is_read_by_name_and_one_without_a_text_is_refused(story: Story) -> None:
    from prefect.blocks.system import Secret

    from flows.secret_texts import NoSecretError, read_secret

    Secret(value="sqlite:///x.db").save("text")
    Secret(value={"password": "hunter2"}).save("no-text")
    assert read_secret("text") == "sqlite:///x.db"
    for name in ("no-text", "nobody"):
        with pytest.raises(NoSecretError, match=f"no Secret block '{name}' with a text in it") as told:
            read_secret(name)
        assert "hunter2" not in "".join(traceback.format_exception(told.value))


def test_deployment_that_no_yaml_declares_is_pruned(story: Story) -> None:
    from prefect.settings import PREFECT_API_URL

    from flows.deployments import Deployment, as_prefects

    as_prefects(Deployment("monitor", "old", "old", {"pipeline": "old"}, on_drift=True)).apply()
    server = {"PREFECT_API_URL": PREFECT_API_URL.value()}
    printed = [holdfast(story.project, "deploy", *words, **server).stdout for words in ((), ("--prune",), ())]
    assert ["monitor/old" in text for text in printed] == [True, True, False]
    assert "--prune deletes them" in printed[0]


def test_second_server_is_not_started_beside_the_first(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.server.started_server", None)
    with prefect_server() as is_temporary:
        assert not is_temporary


def test_runs_by_hand_queue(story: Story) -> None:
    assert [run.state.type.value for run in story.queued] == ["COMPLETED", "COMPLETED"]
    first, second = sorted(story.queued, key=lambda run: run.start_time)
    assert first.end_time <= second.start_time


def test_runs_that_came_late_collapse(story: Story) -> None:
    assert set(story.late) == {"CANCELLED", "COMPLETED"}  # one works, what is due meanwhile is cancelled


def test_monitoring_again_writes_nothing(story: Story) -> None:
    before, after = story.tips
    assert before == after


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
