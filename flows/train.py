"""The train flow: bring one pipeline's model up to date."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import flow, tags, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from tasks import ledger
from tasks.scores import score_table
from tasks.stage import STAGES
from tasks.worker import stage_workers


@task(name="stage", task_run_name="{stage}", cache_policy=NO_CACHE, persist_result=False)
def run_stage(stage: str, work: Callable[[], None]) -> None:
    """One stale stage: DVC decided that it runs, so Prefect caches nothing; no network, so no retries."""
    work()


@task(name="fetch", cache_policy=NO_CACHE, retries=3, retry_delay_seconds=exponential_backoff(2))
def fetch_raw_data(pipeline: str) -> None:
    """The one step that touches the network: landed batches that only the DVC remote still has."""
    ledger.fetch_raw_data(pipeline)


@task(name="publish", cache_policy=NO_CACHE)
def publish_scores(pipeline: str) -> None:
    """Put the scores where Prefect shows them."""
    create_table_artifact(score_table(pipeline), key=f"{pipeline}-scores", description=f"Scores of {pipeline}")


@flow(name="train", flow_run_name="train {pipeline}", persist_result=False)
def train(pipeline: str) -> list[ledger.StageOutcome]:
    """Reproduce what is stale, in the DAG's order; publish the scores."""
    if ledger.raw_data_is_missing(pipeline):
        fetch_raw_data(pipeline)
    with stage_workers(STAGES) as workers:
        outcomes = ledger.reproduce(pipeline, around=run_stage, call=workers.run)
    publish_scores(pipeline)
    return outcomes


def run(pipeline: str) -> list[ledger.StageOutcome]:
    """Run the flow now, tagged with its pipeline."""
    with tags("holdfast", pipeline):
        outcomes: Any = train(pipeline)
    return outcomes  # type: ignore[no-any-return]
