"""Quiet streams of batches for `drift_quality.py`, as counts per cell, and what is planted into them.

Of ten columns 7 are numbers without missing values, 1 is a number with 5 % missing, and 2 are categories of 5 levels.
Rows are simulated where that is done in time; where it is not, their counts are drawn from the same law:

- `independent`, `ar05`, `ar09`: each column is a normal AR(1) over the rows; levels and missing values are thresholds
  of one. Segments of 1,000 rows are simulated row by row; a batch of 20k rows is 20 of them, drawn anew (the 19 joints
  change the variance of a mean by less than 1 %); one of 1M rows is drawn from the normal law with their mean and
  covariance, which the sum of 1,000 segments has by the central limit theorem.
- `weekly`: a batch is a day; means move by the day of the week, up to 0.3 sd. Counts are multinomial: exact.
- `level05`, `level09`: a batch is a week; the mean of each column wanders from batch to batch as an AR(1) of 0.1 sd.
  Multinomial: exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr, ndtri

from tasks.drift.profile import Block, CategoryCells, Covariance, Grid, NumericCells, Profile, Summary

SEED = 7
SEGMENT = 1_000
SEGMENTS = 100_000  # of each kind of column; `--quick` makes fewer
FINE = 512  # cells that the others' rules see; 16 of them are one of ours
CELLS = 32
SHARES = np.array([0.35, 0.25, 0.2, 0.12, 0.08])
MISSING = 0.05
DAY = 86_400.0
MONDAY = 4 * DAY
LASTING = {"weekly": DAY, "level05": 7 * DAY, "level09": 7 * DAY}
ROW_KINDS = {"independent": 0.0, "ar05": 0.5, "ar09": 0.9}
LEVEL_KINDS = {"level05": 0.5, "level09": 0.9}
KINDS = (*ROW_KINDS, "weekly", *LEVEL_KINDS)

EDGES = np.round(ndtri(np.arange(1, CELLS) / CELLS) * 256) / 256
FINE_EDGES = np.sort(
    np.concatenate(
        [np.linspace(low, high, FINE // CELLS + 1)[1:] for low, high in zip([-4.0, *EDGES], [*EDGES, 4.0], strict=True)]
    )
)[:-1]
COARSE = np.searchsorted(FINE_EDGES, EDGES) + 1  # first fine cell of each of ours but the first


@dataclass(frozen=True)
class Planted:
    """What happens to one column: a shift in sd, points of mix from the first level to the last, points of missing."""

    shift: float = 0.0
    mix: float = 0.0
    missing: float = 0.0

    @property
    def column(self) -> str:
        """Kind of column that it happens to."""
        return "category" if self.mix else "gappy" if self.missing else "number"


def column_kinds(columns: int) -> list[str]:
    """Kind of each column."""
    return [("number",) * 7 + ("gappy",) + ("category",) * 2][0] * (columns // 10)


def cuts(kind: str, planted: Planted) -> np.ndarray:
    """Edges of a latent normal column: fine cells of a number, levels of a category."""
    if kind != "category":
        return FINE_EDGES - planted.shift
    shares = SHARES + planted.mix * np.array([-1.0, 0, 0, 0, 1.0])
    return ndtri(np.cumsum(shares)[:-1])


def ar_rows(random: np.random.Generator, segments: int, rho: float) -> np.ndarray:
    """Stationary normal AR(1), one segment a row; shape (segments, SEGMENT)."""
    noise = random.standard_normal((segments, SEGMENT), dtype=np.float32)
    if not rho:
        return noise
    first = noise[:, :1].copy()
    noise *= (1 - rho**2) ** 0.5
    noise[:, :1] = first
    return lfilter([1.0], [1.0, -rho], noise, axis=1).astype(np.float32)


@cache
def segments(rho: float, kind: str, planted: Planted, count: int) -> np.ndarray:
    """Counts of segments: cells, and missing values behind them; shape (count, cells + 1)."""
    random = np.random.default_rng([SEED, int(rho * 100), len(kind), hash_of(planted)])
    edges = cuts(kind, planted).astype(np.float32)
    found = np.empty((count, len(edges) + 2), dtype=np.int16)
    step = 1_000
    for first in range(0, count, step):
        some = min(step, count - first)
        cell = np.searchsorted(edges, ar_rows(random, some, rho), side="right")
        if kind == "gappy":
            gone = ar_rows(random, some, rho) < ndtri(MISSING + planted.missing)
            cell[gone] = len(edges) + 1
        cell += np.arange(some)[:, None] * (len(edges) + 2)
        counts = np.bincount(cell.ravel(), minlength=some * (len(edges) + 2))
        found[first : first + some] = counts.reshape(some, -1)
    return found


def hash_of(planted: Planted) -> int:
    """A seed for what is planted."""
    return (
        round(1000 * planted.shift) + 10_000 * round(1000 * planted.mix) + 100_000_000 * round(1000 * planted.missing)
    )


@cache
def pool(rho: float, kind: str, planted: Planted, rows: int, count: int) -> np.ndarray:
    """Counts of batches of some rows, fine cells; shape (count, cells + 1). See the module."""
    single = segments(rho, kind, planted, count)
    each, random = rows // SEGMENT, np.random.default_rng([SEED, rows])
    if each == 1:
        return single.astype(np.int64)
    if each <= 100:
        return sum(single[random.permutation(count)].astype(np.int64) for _ in range(each))
    mean, spread = single.mean(axis=0), np.cov(single.T.astype(np.float64))
    values, vectors = np.linalg.eigh(spread)
    root = vectors * np.sqrt(np.maximum(values, 0.0) * each)
    found = mean * each + random.standard_normal((count, len(mean))) @ root.T
    return np.maximum(np.rint(found), 0).astype(np.int64)


@dataclass(frozen=True)
class Stream:
    """A kind of stream, its columns, rows of a batch, and size of the pools."""

    kind: str
    columns: int
    rows: int
    count: int = SEGMENTS

    def batches(self, number: int, many: int, planted: Planted | None = None, quiet: int = 0) -> Batches:
        """Reference `number`: so many consecutive batches; what is planted begins after `quiet` of them."""
        random = np.random.default_rng([SEED, number, self.rows])
        kinds, days = column_kinds(self.columns), np.arange(many)
        if self.kind == "weekly":  # what follows the reference are days of one weekday, so that one history judges them
            days[quiet:] = quiet + random.integers(7) + 7 * np.arange(many - quiet)
        means = self.means(random, days)
        target = kinds.index(planted.column) if planted else -1
        counts = []
        for place, kind in enumerate(kinds):
            found = self.column(random, kind, Planted(), means[:, place])
            if place == target and planted is not None:
                found[quiet:] = self.column(random, kind, planted, means[quiet:, place])
            counts.append(found)
        return Batches(tuple(kinds), tuple(counts), days, self.rows, LASTING.get(self.kind))

    def means(self, random: np.random.Generator, days: np.ndarray) -> np.ndarray:
        """Mean of each column and batch, in sd; shape (batches, columns)."""
        many = len(days)
        if self.kind == "weekly":
            size, phase = random.uniform(0, 0.3, self.columns), random.integers(0, 7, self.columns)
            return size * np.sin(2 * np.pi * (days[:, None] + phase) / 7)
        if self.kind in LEVEL_KINDS:
            rho = LEVEL_KINDS[self.kind]
            noise = random.normal(size=(many, self.columns))
            noise[1:] *= (1 - rho**2) ** 0.5
            return 0.1 * lfilter([1.0], [1.0, -rho], noise, axis=0)
        return np.zeros((many, self.columns))

    def column(self, random: np.random.Generator, kind: str, planted: Planted, means: np.ndarray) -> np.ndarray:
        """Counts of one column's batches, fine cells and missing; shape (many, cells + 1)."""
        many = len(means)
        if self.kind in ROW_KINDS:
            few = planted != Planted()
            count = min(self.count, 5_000) if few else self.count
            made = pool(ROW_KINDS[self.kind], kind, planted, self.rows, count)
            return made[random.integers(0, len(made), many)]
        edges = cuts(kind, planted) if kind == "category" else EDGES - planted.shift
        below = ndtr(edges[None, :] - means[:, None])
        shares = np.diff(below, axis=1, prepend=0.0, append=1.0)
        gone = MISSING + planted.missing if kind == "gappy" else 0.0
        return random.multinomial(self.rows, np.column_stack((shares * (1 - gone), np.full(many, gone))))


@dataclass(frozen=True)
class Batches:
    """Consecutive batches: counts per column, shape (batches, cells + 1), of which the last are missing values.

    Each begins at one of `days`, counted in its own length, and lasts so many seconds, or None, if nobody knows when it
    is from. Numbers are counted in the fine cells, or else by `values`, one array per column, None of a category.
    """

    kinds: tuple[str, ...]
    counts: tuple[np.ndarray, ...]
    days: np.ndarray
    rows: int
    lasting: float | None
    values: tuple[np.ndarray | None, ...] | None = None

    def part(self, which: slice) -> Batches:
        """Some of them."""
        return replace(self, counts=tuple(counts[which] for counts in self.counts), days=self.days[which])

    def names(self) -> list[str]:
        """Names of the columns."""
        return [f"{kind}_{place:03}" for place, kind in enumerate(self.kinds)]

    def summaries(self) -> list[Summary]:
        """What `observe` would find."""
        columns = [self.cells(counts, kind) for counts, kind in zip(self.counts, self.kinds, strict=True)]
        names = self.names()
        return [
            Summary(
                self.rows,
                {name: column[batch] for name, column in zip(names, columns, strict=True)},
                start=MONDAY + self.lasting * int(day) if self.lasting else None,
                end=MONDAY + self.lasting * int(day) + self.lasting - 60 if self.lasting else None,
            )
            for batch, day in enumerate(self.days)
        ]

    def cells(self, counts: np.ndarray, kind: str) -> np.ndarray:
        """Counts in the profile's cells."""
        many, zeros = len(counts), np.zeros((len(counts), 1), dtype=np.int64)
        if kind == "category":
            return np.column_stack((counts[:, :-1], zeros, zeros, counts[:, -1]))
        finite = counts[:, :-1]
        if finite.shape[1] > CELLS:
            finite = np.add.reduceat(finite, np.concatenate(([0], COARSE)), axis=1)
        return np.column_stack((finite, counts[:, -1], zeros[:many]))

    def profile(self) -> Profile:
        """The profile of all of them; a batch is a block."""
        names = self.names()
        grid = Grid(
            {
                name: CategoryCells(tuple("abcde")) if kind == "category" else NumericCells(EDGES, -8)
                for name, kind in zip(names, self.kinds, strict=True)
            },
            dict.fromkeys(names, "feature"),
        )
        blocks = tuple(Block(f"{day:06}", summary) for day, summary in zip(self.days, self.summaries(), strict=True))
        total = blocks[0].summary
        total = Summary(
            self.rows * len(blocks),
            {name: np.sum([block.summary.counts[name] for block in blocks], axis=0) for name in names},
        )
        nothing = Covariance((), np.empty(0), np.empty((0, 0), dtype=np.int64), np.empty((0, 0)))
        return Profile("simulated", grid, blocks, total, nothing)


Rule = Callable[[Batches, Batches], np.ndarray]
