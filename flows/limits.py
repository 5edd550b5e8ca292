"""One flow at a time per pipeline, whichever: monitor, retrain and score share a global concurrency limit of Prefect.

Where no server keeps limits, as in a run by hand without one, git's locks and compare-and-swap are what holds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from prefect.concurrency.sync import concurrency


def limit_of(pipeline: str) -> str:
    """The limit's name."""
    return f"holdfast-{pipeline}"


@contextlib.contextmanager
def one_at_a_time(pipeline: str) -> Iterator[None]:
    """Wait until no other flow of the pipeline runs, and let none begin during the block.

    The slot is a lease that a living flow renews: one that was killed gives it back within five minutes.
    """
    with concurrency(limit_of(pipeline), occupy=1, strict=False):
        yield
