"""The retrain flow: a challenger from all data there are, held against the champion, let in or kept out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from prefect import flow, pause_flow_run, tags, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.input import RunInput
from prefect.tasks import exponential_backoff

from flows.limits import one_at_a_time
from flows.secret_texts import read_secret
from flows.train import run_stage
from tasks import registry, retrain
from tasks.monitoring import standing_call
from tasks.registry import Version
from tasks.retrain import Call, decisions, landings, worktree
from tasks.retrain.decisions import Decision, require_reason
from tasks.retrain.worktree import Worktree
from tasks.worker import stage_workers

APPROVAL_SECONDS = 7 * 24 * 3600  # how long a flow waits for a person


class Approval(RunInput):
    """What a person answers who is asked to let a challenger in."""

    approve: bool
    reason: str


@task(name="sync", cache_policy=NO_CACHE, retries=3, retry_delay_seconds=exponential_backoff(2))
def sync(pipeline: str) -> None:
    """Take over what the git remote has."""
    registry.sync(pipeline)


@task(name="bring", cache_policy=NO_CACHE, retries=3, retry_delay_seconds=exponential_backoff(2))
def bring_pinned(tree: Worktree) -> None:
    """Landed batches and outputs that the ledger pins, from DVC's cache or remote."""
    worktree.bring_pinned(tree)


@task(name="land", cache_policy=NO_CACHE)
def land(tree: Worktree, replace: Sequence[str]) -> list[str]:
    """New batches, immutably."""
    return landings.land_new(tree, replace, read_secret)


@task(name="judge", cache_policy=NO_CACHE)
def judge(tree: Worktree, call: Call) -> dict[str, Any]:
    """Champion and challenger on the same rows."""
    return retrain.judge_challenger(tree, call)


@task(name="register", cache_policy=NO_CACHE)
def register(tree: Worktree, verdict: dict[str, Any], reason: str, trigger: str) -> Version:
    """A number for this content."""
    return retrain.register_version(tree, verdict, reason, trigger)


@task(name="decide", cache_policy=NO_CACHE)
def decide(tree: Worktree, version: Version, verdict: dict[str, Any], reason: str, call: Call) -> Decision:
    """The decision, written down and carried out."""
    return retrain.decide(tree, version, verdict, reason, call)


@task(name="publish", cache_policy=NO_CACHE)
def publish_verdict(decision: Decision) -> None:
    """Put the gate's table where Prefect shows it."""
    rows = [{name: str(value) for name, value in check.items()} for check in decision.verdict["checks"]]
    key = f"{decision.version.pipeline}-verdict"
    create_table_artifact(rows, key=key, description=f"{decision.version.name}: {decision.reason}")


@flow(name="retrain", flow_run_name="retrain {pipeline}: {trigger}", persist_result=False)
def retrain_pipeline(
    pipeline: str, reason: str, trigger: str = "manual", replace: Sequence[str] = (), wait: bool = False
) -> Decision:
    """Take new data in, make a challenger, hold it against the champion, let it in if it earned that."""
    with one_at_a_time(pipeline):
        sync(pipeline)
        why = reason_of(pipeline, reason, trigger)
        with challenger(pipeline) as (tree, call_stage, call):
            bring_pinned(tree)
            land(tree, replace)
            retrain.reproduce(tree, around=run_stage, call=call_stage)
            decision = retrain.decided_before(tree)
            if decision is None:
                verdict = judge(tree, call)
                version = register(tree, verdict, why, trigger)
                decision = decide(tree, version, verdict, why, call)
    publish_verdict(decision)
    return approved(decision) if wait else decision


def reason_of(pipeline: str, reason: str, trigger: str) -> str:
    """Why there is a retrain: of one on drift the ledger's decision says it, whatever an event brought along."""
    if trigger == "drift":
        return str(standing_call(pipeline)["reason"])
    require_reason(reason)
    return reason


@contextlib.contextmanager
def challenger(pipeline: str) -> Iterator[tuple[Worktree, Call, Call]]:
    """A worktree for the pipeline, and processes that run its code: for stages, and for other functions."""
    with worktree.worktree(pipeline) as tree, worktree.code_of(tree.folder), stage_workers(()) as workers:
        yield tree, workers.run, workers.call


def approved(decision: Decision) -> Decision:
    """Ask a person in Prefect, where one is to have the last word, and do as they say."""
    if decision.verdict["outcome"] != "awaits approval":
        return decision
    question = f"{decision.version.name}: {decision.reason}. Let it be the champion?"
    answer = pause_flow_run(wait_for_input=Approval.with_initial_data(description=question), timeout=APPROVAL_SECONDS)
    return decisions.answered(decision, answer.approve, answer.reason)


def run(pipeline: str, reason: str, **options: Any) -> Decision:
    """Run the flow now, tagged with its pipeline."""
    with tags("holdfast", pipeline):
        decision: Any = retrain_pipeline(pipeline, reason, **options)
    return decision  # type: ignore[no-any-return]
