"""Rows that were loaded twice: within the batch, or in an earlier one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.habits import SKETCH, TIMELESS, row_hashes, sketch_of, timeless_sketch
from tasks.drift.cause.segments import marked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.cause.cause import Cause
    from tasks.drift.cause.view import View

FEWEST = 20  # rows
COPIES = 0.04  # share of the rows that are copies, beyond the reference's
TIMES = 3.0  # times the greatest share that habits or the sample give
OVERLAP = 0.25  # share of a batch's rows that an earlier batch has, beyond what two earlier ones share
FEWEST_EARLIER = 3  # batches that tell how often rows come again at another time


def duplicate_loads(view: View) -> Iterator[Cause]:
    """Copies within the batch, and the earlier batch that has the same rows."""
    if view.rows < 2:
        return
    hashes = row_hashes(view.table)
    yield from within(view, hashes)
    again = [*before(view, hashes)]
    yield from again or dated_anew(view)


def within(view: View, hashes: NDArray[np.uint64]) -> Iterator[Cause]:
    """Rows that are there more than once, more often than the reference's."""
    _, codes, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    copies = 1 - len(counts) / len(hashes)
    usual = usual_copies(view)
    if usual is None or len(hashes) - len(counts) < FEWEST or copies < max(usual + COPIES, TIMES * usual):
        return
    twice = counts[codes] > 1
    evidence = (
        f"{copies:.1%} of the rows are copies of another ({len(hashes) - len(counts)} of {len(hashes)}), where at most "
        f"{usual:.2%} are to be expected"
    )
    segment = marked(twice, np.ones(view.rows, dtype=np.bool_), view.groups)
    yield view.cause("duplicate_load", (), segment, evidence, 0.97 if copies > 0.15 else 0.9)


def usual_copies(view: View) -> float | None:
    """The greatest share of copies that an earlier batch has, or that the sample lets expect; None if neither tells."""
    if view.context.habits:
        return max(habits.copies for habits in view.context.habits)
    if not view.sample_rows:
        return None
    crowding = max(1, len(view.spans)) if view.times is not None else 1  # a batch's rows are nearer to each other
    return min(1.0, view.sample_copies * view.rows * crowding)


def before(view: View, hashes: NDArray[np.uint64]) -> Iterator[Cause]:
    """The earlier batch that has most of these rows."""
    sketch = sketch_of(hashes, SKETCH)
    earlier = view.context.habits
    shared = [overlap(sketch, habits.sketch) for habits in earlier]
    if not shared or view.rows < FEWEST:
        return
    usual = most_shared([habits.sketch for habits in earlier])
    most = int(np.argmax(shared))
    if shared[most] < OVERLAP + min(usual, 0.7):
        return
    same = "all rows are those of" if earlier[most].rows == view.rows and shared[most] == 1 else "rows are in"
    evidence = (
        f"{same} the earlier batch {earlier[most].name!r}: {shared[most]:.1%} of a sketch of {len(sketch)} rows "
        f"(two earlier batches share {usual:.1%} at the most)"
    )
    yield view.cause("duplicate_load", (), None, evidence, 0.98 if shared[most] > 0.9 else 0.94)


def dated_anew(view: View) -> Iterator[Cause]:
    """The earlier batch that has most of these rows, but for their moments: a file that was sent again as a new one."""
    sketch = timeless_sketch(view.table, view.context.time)
    earlier = [habits for habits in view.context.habits if habits.timeless]
    if len(earlier) < FEWEST_EARLIER or view.rows < FEWEST:
        return
    shared = [overlap(sketch, habits.timeless, TIMELESS) for habits in earlier]
    usual, most = most_shared([habits.timeless for habits in earlier], TIMELESS), int(np.argmax(shared))
    if shared[most] < OVERLAP + usual:
        return
    evidence = (
        f"rows are in the earlier batch {earlier[most].name!r} at other times: {shared[most]:.1%} of a sketch of "
        f"{len(sketch)} rows without their moment (two earlier batches share {usual:.1%} at the most)"
    )
    yield view.cause("duplicate_load", (), None, evidence, 0.93)


def most_shared(sketches: list[tuple[int, ...]], size: int = SKETCH) -> float:
    """The greatest overlap of two of some sketches."""
    pairs = ((one, other) for place, one in enumerate(sketches) for other in sketches[:place])
    return max((overlap(one, other, size) for one, other in pairs), default=0.0)


def overlap(sketch: tuple[int, ...], other: tuple[int, ...], size: int = SKETCH) -> float:
    """Share of the first sketch's rows that the other one's batch has, as far as both reach; of so many at the most."""
    if not sketch or not other:
        return 0.0
    reach = min(sketch[-1] if len(sketch) == size else 2**64, other[-1] if len(other) == size else 2**64)
    inside = [each for each in sketch if each <= reach]
    return len({*inside} & {*other}) / len(inside) if inside else 0.0
