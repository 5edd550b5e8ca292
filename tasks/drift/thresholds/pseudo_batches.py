"""The reference's own history, cut into pseudo-batches as large as the batch to judge.

Whole batches where those are about as large; else consecutive blocks, in order of time, so that a pseudo-batch has the
dependence between rows, the rhythm and the wandering level that a batch has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.profile import Block, Profile, Summary

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

ALIKE = 1.5  # whole batches stand for a batch that is at most so many times larger or smaller than their median
FEWEST = 8  # pseudo-batches, where the blocks allow it
PEERS = 5  # batches of the same time of the week or day, to be compared with them alone
DAY, WEEK = 86_400.0, 604_800.0
FOUR_DAYS = 4 * DAY  # 1970 began on a Thursday; the phase of a week is counted from a Monday


@dataclass(frozen=True)
class PseudoBatches:
    """Runs of blocks.

    Attributes
    ----------
    starts : array of int, shape (n,)
        First block of each run.
    rows : array of int64, shape (n,)
    middle, length : arrays of float, shape (n,)
        Seconds since 1970 half way, and from first to last row; nan where no column says when a row is from.
    first : int
        Blocks before this one are left over.
    """

    starts: NDArray[np.intp]
    rows: Counts
    middle: Floats
    length: Floats

    def __len__(self) -> int:
        return len(self.starts)

    def sums(self, counts: Counts) -> Counts:
        """Add up counts of blocks, shape (..., blocks, cells), to those of pseudo-batches."""
        return np.add.reduceat(counts, self.starts, axis=-2)


def pseudo_batches(profile: Profile, rows: int) -> PseudoBatches:
    """Cut the history for a batch of some rows."""
    sizes = np.array([block.summary.rows for block in profile.blocks], dtype=np.int64)
    names = [block.name for block in profile.blocks]
    new_batch = np.array([True, *(one != other for one, other in zip(names[1:], names[:-1], strict=True))])
    whole = np.flatnonzero(new_batch)
    typical = float(np.median(np.add.reduceat(sizes, whole)))
    wanted = min(max(rows, 1), sizes.sum() / FEWEST)
    if typical / ALIKE <= wanted <= typical * ALIKE:
        return cut(profile.blocks, whole)
    if wanted > typical:
        return cut(profile.blocks, runs(sizes, whole, wanted))
    return cut(profile.blocks, runs(sizes, np.arange(len(sizes)), wanted))


def runs(sizes: Counts, units: NDArray[np.intp], wanted: float) -> NDArray[np.intp]:
    """First blocks of runs of units - blocks, or whole batches - that have about so many rows.

    The newest runs are whole; a rest at the start joins the first one.
    """
    rows = np.add.reduceat(sizes, units)
    each = max(1, round(wanted / float(np.median(rows))))
    starts = units[len(units) % each :: each]
    return np.concatenate(([0], starts[1:])) if len(starts) else np.array([0])


def cut(blocks: Sequence[Block], starts: NDArray[np.intp]) -> PseudoBatches:
    """Describe runs of blocks."""
    bounds = np.array([span(block.summary) for block in blocks], dtype=np.float64)
    start, end = np.fmin.reduceat(bounds[:, 0], starts), np.fmax.reduceat(bounds[:, 1], starts)
    rows = np.add.reduceat(np.array([block.summary.rows for block in blocks], dtype=np.int64), starts)
    return PseudoBatches(starts, rows, (start + end) / 2, end - start)


def span(summary: Summary) -> tuple[float, float]:
    """First and last moment, nan where they are not known."""
    if summary.start is None or summary.end is None:
        return np.nan, np.nan
    return summary.start, summary.end


def peers_of(batch: Summary, history: PseudoBatches) -> NDArray[np.bool_] | None:
    """Which pseudo-batches are of the same time of the week, or else of the day, as the batch and as each other.

    Returns
    -------
    array of bool, shape (n + 1, n), or None
        The last row is the batch's. None where it is to be compared with all: it is as long as the rhythm, nothing says
        when it is from, or there are too few of its kind.
    """
    start, end = span(batch)
    middles, lengths = np.append(history.middle, (start + end) / 2), np.append(history.length, end - start)
    if not np.isfinite(lengths).all():
        return None
    for period in (WEEK, DAY):
        if lengths.max() > 0.75 * period:
            continue
        phase = (middles - FOUR_DAYS) % period
        apart = np.abs(phase[:, None] - phase[None, :-1])
        near = np.minimum(apart, period - apart) <= max(float(np.median(lengths)) / 2, period / 168)
        if near[-1].sum() >= PEERS:
            return near
    return None
