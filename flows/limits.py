"""One flow at a time per pipeline, whichever: monitor, retrain and score share a global concurrency limit of Prefect.

Where no server keeps limits, as in a run by hand without one, git's locks and compare-and-swap are what holds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound

from flows.abandoned import HOLDS, marked_run, may_hold, report_dead_runs

LOOK_AGAIN_SECONDS = 60.0


def limit_of(pipeline: str) -> str:
    """The limit's name."""
    return f"holdfast-{pipeline}"


@contextlib.contextmanager
def one_at_a_time(pipeline: str) -> Iterator[None]:
    """Wait until no other flow of the pipeline runs, and let none begin during the block.

    The slot is a lease that a living flow renews: one that was killed gives it back within five minutes. A server that
    was killed forgets its leases, and with them whose slots they were: so who waits frees one that nobody holds.
    """
    report_dead_runs()
    with contextlib.ExitStack() as held:
        mark = held.enter_context(marked_run(pipeline))
        while True:
            free_what_nobody_holds(pipeline)
            slot = concurrency(limit_of(pipeline), occupy=1, strict=False, timeout_seconds=LOOK_AGAIN_SECONDS)
            with contextlib.suppress(TimeoutError):
                held.enter_context(slot)
                break
        mark(HOLDS)
        yield


def free_what_nobody_holds(pipeline: str) -> None:
    """Free the pipeline's slot where it is taken, but no run that could hold it lives."""
    name = limit_of(pipeline)
    with get_client(sync_client=True) as client:
        try:
            limit = client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            return
        if not limit.active_slots:
            return
        report_dead_runs()
        if not may_hold(pipeline):
            client.update_global_concurrency_limit(name, GlobalConcurrencyLimitUpdate(active_slots=0))
