"""The replay flow: what each policy of retraining would have come to, with what was known at the time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import flow, tags, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from tasks.replay import result, setting
from tasks.replay.history import Replayed
from tasks.replay.policies import Policy, policies_of
from tasks.replay.setting import Setting


@task(name="set out", cache_policy=NO_CACHE, persist_result=False)
def set_out(pipeline: str, first: str | None, last: str | None) -> Setting:
    """Which batches are there at the beginning, and which arrive."""
    return setting.set_out(pipeline, first, last)


@task(name="live", task_run_name="live: {policy.name}", cache_policy=NO_CACHE, persist_result=False)
def live_through(place: Setting, policy: Policy) -> Replayed:
    """One policy, batch by batch."""
    return setting.live_through(place, policy)


@task(name="write", cache_policy=NO_CACHE, persist_result=False)
def write(place: Setting, names: Sequence[str], found: Sequence[Replayed]) -> None:
    """Table, plot and all steps."""
    result.write(place.pipeline, found, place.folder, place.key(names))


@task(name="publish", cache_policy=NO_CACHE)
def publish(pipeline: str, found: Sequence[Replayed]) -> None:
    """Put the table where Prefect shows it."""
    rows = [dict(zip(result.HEADER, row, strict=True)) for row in result.table(found)]
    create_table_artifact(rows, key=f"{pipeline}-replay", description=f"Policies of {pipeline}")


@flow(name="replay", flow_run_name="replay {pipeline}", persist_result=False)
def replay_pipeline(
    pipeline: str, policies: Sequence[str], first: str | None = None, last: str | None = None
) -> list[Replayed]:
    """Let each policy live through history, and compare them."""
    place = set_out(pipeline, first, last)
    found = [live_through(place, policy) for policy in policies_of(policies, place.pipeline)]
    write(place, policies, found)
    publish(pipeline, found)
    return found


def run(pipeline: str, policies: Sequence[str], **options: Any) -> list[Replayed]:
    """Run the flow now, tagged with its pipeline."""
    with tags("holdfast", pipeline):
        found: Any = replay_pipeline(pipeline, policies, **options)
    return found  # type: ignore[no-any-return]
