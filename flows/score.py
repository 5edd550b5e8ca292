"""The score flow: rows of files, scored by the champion, once for the same input, model and declaration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, tags, task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from configs.errors import HoldfastError
from configs.load import check_pipeline
from flows.limits import one_at_a_time
from tasks import registry
from tasks.scoring import batch, job


@task(name="sync", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=exponential_backoff(2))
def sync(pipeline: str) -> None:
    """Take over what the git remote has: another machine may have promoted."""
    registry.sync(pipeline)


@task(name="plan", cache_policy=NO_CACHE)
def plan(pipeline: str, version: str | None, source: str, out: str, reasons: int) -> job.Job:
    """Which rows, which model, which output."""
    return job.plan_job(check_pipeline(pipeline), version, Path(source), Path(out), reasons)


@task(name="write", cache_policy=NO_CACHE)
def write(planned: job.Job) -> dict[str, Any]:
    """The rows, scored, and what they were made of."""
    return batch.score_files(planned, check_pipeline(planned.chosen.pipeline))


@flow(name="score", flow_run_name="score {pipeline}", persist_result=False)
def score(  # noqa: PLR0913 - what a deployment may be asked for
    pipeline: str, source: str, out: str, *, version: str | None = None, reasons: int = 0, force: bool = False
) -> dict[str, Any]:
    """Score the rows of a file or folder, unless that was done; the manifest of the output."""
    with one_at_a_time(pipeline):
        know_the_champion(pipeline)
        planned = plan(pipeline, version, source, out, reasons)
        done = None if force else job.finished(planned)
        return done or write(planned)


def know_the_champion(pipeline: str) -> None:
    """Ask the git remote, and go on with the champion that this clone knows where it does not answer."""
    state = sync(pipeline, return_state=True)
    error = state.result(raise_on_failure=False) if state.is_failed() else None
    if isinstance(error, HoldfastError):
        get_run_logger().warning("%s Scoring goes on with the champion that this clone knows.", error)
    elif error is not None:
        raise error


def run(pipeline: str, source: Path, out: Path, **options: Any) -> dict[str, Any]:
    """Run the flow now, tagged with its pipeline."""
    with tags("holdfast", pipeline):
        manifest: Any = score(pipeline, str(source), str(out), **options)
    return manifest  # type: ignore[no-any-return]
