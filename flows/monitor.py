"""The monitor flow: new batches land, each is held against the champion once, and a retrain is asked for if it pays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from prefect import flow, get_run_logger, tags, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from configs.load import check_pipeline
from flows.limits import one_at_a_time
from flows.notice import tell
from flows.retrain import bring_pinned, land, sync
from flows.runs import runs_of
from tasks import monitoring, registry
from tasks.land import require_source
from tasks.monitoring.batches import LandedBatch
from tasks.monitoring.signal import Signal
from tasks.retrain import worktree
from tasks.retrain.worktree import Worktree

DRIFT = "holdfast.drift.detected"


@task(name="judge", task_run_name="judge {batch.shown}", cache_policy=NO_CACHE)
def judge(tree: Worktree, batch: LandedBatch) -> Signal:
    """One batch: typed, validated, held against the champion, written down."""
    return monitoring.judge(tree, batch, monitoring.judge_batch)


@task(name="decide", cache_policy=NO_CACHE)
def decide(pipeline: str, now: datetime) -> dict[str, Any] | None:
    """Whether to retrain, as a record."""
    return monitoring.decide_on_retrain(check_pipeline(pipeline), now)


@task(name="publish", cache_policy=NO_CACHE)
def publish_signals(pipeline: str, signals: list[Signal]) -> None:
    """Put the verdicts where Prefect shows them."""
    columns = ("batch", "cause", "drifted", "material", "performance", "sentence")
    rows = [{name: str(getattr(signal, name)) for name in columns} for signal in signals]
    create_table_artifact(rows, key=f"{pipeline}-drift", description=f"New batches of {pipeline}")


@flow(name="monitor", flow_run_name="monitor {pipeline}", persist_result=False)
def monitor_pipeline(pipeline: str) -> dict[str, Any] | None:
    """Land what is new, judge it, decide on a retrain, announce it; the decision, None where nothing was judged."""
    with one_at_a_time(pipeline):
        sync(pipeline)
        signals = judge_new(pipeline)
        decision = decide(pipeline, datetime.now(UTC))
    if signals:
        publish_signals(pipeline, signals)
    announce(pipeline, decision)
    tell(pipeline, [signal.batch for signal in signals])
    require_source(check_pipeline(pipeline))  # last: what others landed is judged all the same
    return decision


def judge_new(pipeline: str) -> list[Signal]:
    """Land new batches and judge those that nobody has judged."""
    with worktree.worktree(pipeline) as tree:
        bring_pinned(tree)
        land(tree, ())
        found = monitoring.batches_to_judge(tree, datetime.now(UTC))
        tell_waiting(pipeline, [batch.shown for batch in found if not batch.is_over])
        return [judge(tree, batch) for batch in found if batch.is_over]


def tell_waiting(pipeline: str, periods: list[str]) -> None:
    """Say which periods have rows and are not over, so that nobody takes their silence for calm."""
    if periods:
        get_run_logger().info("%s: %s not over yet; judged when it is", pipeline, ", ".join(periods))


def announce(pipeline: str, decision: Mapping[str, Any] | None) -> None:
    """Emit the event that starts a retrain, for as long as the retrain has not been made and is not on its way.

    Its id follows from the decision's commit and the run that was started last, so that one emitted again is the same
    event to the server, but starts another run where the last one has failed or was killed.
    """
    if decision is None or decision["outcome"] != "retrain":
        return
    runs = runs_of("retrain", pipeline)
    if not all(run.state.is_final() for run in runs):
        return
    call = monitoring.standing_call(pipeline)
    last = runs[0].id if runs else "none"
    resource = {
        "prefect.resource.id": resource_of(pipeline),
        "prefect.resource.name": pipeline,
        "holdfast.decision": "retrain",
    }
    verdicts = [event["signal"] for event in registry.events(pipeline) if event["kind"] == "verdict"]
    payload = {"verdict": verdicts[-1], "decision": call["decision"], "commit": call["commit"]}
    emit_event(DRIFT, resource, payload=payload, id=uuid5(NAMESPACE_URL, f"{call['commit']} {last}"))


def resource_of(pipeline: str) -> str:
    """The id of a pipeline as Prefect's events have it."""
    return f"holdfast.pipeline.{pipeline}"


def run(pipeline: str) -> dict[str, Any] | None:
    """Run the flow now, tagged with its pipeline."""
    with tags("holdfast", pipeline):
        decision: Any = monitor_pipeline(pipeline)
    return decision  # type: ignore[no-any-return]
