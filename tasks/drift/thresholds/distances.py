"""How far the counts of a batch are from those of its reference, one number per column and test.

Each test maps counts to a vector, and its statistic is the squared distance between the batch's vector and the
reference's; 0 where both have the same shares.

- `distribution`, of numbers: shares below each edge, weighted as Anderson and Darling do. It sees shifts better than
  Kolmogorov and Smirnov's largest difference, and tails better than Cramer and von Mises' even weights.
  T. W. Anderson and D. A. Darling (1954), doi:10.1080/01621459.1954.10501232.
- `mix`, of levels: Pearson's chi-square of the shares, with weights that rare levels do not outgrow.
- `missing`, and `range` or `new_levels`: a share, its variance stabilised. M. F. Freeman and J. W. Tukey (1950),
  doi:10.1214/aoms/1177729756.

Counts are stacked: all columns of one test are worked on at once. What is padded has no rows and no weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from tasks.drift.profile import CategoryCells, Grid, NumericCells, Summary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

TestName = Literal["distribution", "mix", "missing", "range", "new_levels"]
RARE = 0.005  # levels below this share weigh as one that has it


class Distance(Protocol):
    """One test of several columns.

    `counts` has shape (columns, summaries, cells); all methods take and give stacks of that order.
    """

    @property
    def names(self) -> tuple[TestName, ...]:
        """The test of each column."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""

    def stack(self, summaries: list[Summary]) -> Counts:
        """What the test counts, shape (columns, summaries, cells)."""

    def vectors(self, counts: Counts, rows: Floats) -> Floats:
        """Points whose squared distances are the statistic, shape (columns, summaries, k); nan without a row.

        `rows` are those that a vector is to be compared with; they stabilise the variance of small shares.
        """

    def usable(self, counts: Counts) -> Counts:
        """Rows that the test looks at, shape (columns, summaries)."""

    def moved(self, counts: Counts, reference: Counts) -> Floats:
        """Share of rows that would have to change to be as the reference, shape (columns, summaries)."""

    def shape_by_chance(self) -> Floats:
        """Covariance of the vectors of independent rows, up to a factor; shape (columns, k, k)."""

    def effect(self, moved: Floats, distance: Floats) -> Floats:
        """Size of the change: sd of the reference, or share of rows."""


@dataclass(frozen=True, eq=False)
class NumberDistance:
    """`distribution`. `below` are the reference's shares below each edge and `weights` the edges', (columns, k)."""

    columns: tuple[str, ...]
    names: tuple[TestName, ...]
    sizes: tuple[int, ...]
    below: Floats
    weights: Floats

    @classmethod
    def of(cls, grid: Grid, total: Summary) -> NumberDistance | None:
        """Lay the weights by the reference's total; None without a column that has edges."""
        cells = {name: found for name, found in grid.columns.items() if isinstance(found, NumericCells)}
        columns = tuple(name for name, found in cells.items() if len(found.edges) and found.kind == "number")
        if not columns:
            return None
        sizes = tuple(len(cells[name].edges) for name in columns)
        below, weights = np.ones((len(columns), max(sizes))), np.zeros((len(columns), max(sizes)))
        for place, name in enumerate(columns):
            found = total.counts[name][cells[name].finite]
            share = np.cumsum(found) / max(1, found.sum())
            mass = np.diff(np.concatenate(([0.0], (share[:-1] + share[1:]) / 2)))
            mass[0] = (share[1] + share[0]) / 2 if len(share) > 1 else 1.0
            below[place, : len(mass)] = share[:-1]
            inside = share[:-1] * (1 - share[:-1])
            weights[place, : len(mass)] = np.where(inside > 0, mass / np.where(inside > 0, inside, 1.0), 4 * mass)
        return cls(columns, named("distribution", len(columns)), sizes, below, weights)

    def stack(self, summaries: list[Summary]) -> Counts:
        """Finite values per cell."""
        found = np.zeros((len(self.columns), len(summaries), self.below.shape[1] + 1), dtype=np.int64)
        for place, (name, size) in enumerate(zip(self.columns, self.sizes, strict=True)):
            found[place, :, : size + 1] = [summary.counts[name][: size + 1] for summary in summaries]
        return found

    def usable(self, counts: Counts) -> Counts:
        """Finite values."""
        return np.asarray(counts.sum(axis=-1))

    def shares(self, counts: Counts) -> Floats:
        """Shares below each edge; nan without a value."""
        below = np.cumsum(counts, axis=-1)
        with np.errstate(invalid="ignore"):
            return below[..., :-1] / below[..., -1:]

    def vectors(self, counts: Counts, rows: Floats) -> Floats:
        """Weighted shares below each edge."""
        del rows
        return self.shares(counts) * np.sqrt(self.weights)[:, None, :]

    def moved(self, counts: Counts, reference: Counts) -> Floats:
        """Largest difference of the shares below an edge."""
        found: Floats = np.abs(self.shares(counts) - self.shares(reference)).max(axis=-1)
        return found

    def shape_by_chance(self) -> Floats:
        """A Brownian bridge at the edges, weighted."""
        low = np.minimum(self.below[:, :, None], self.below[:, None, :])
        weights = np.sqrt(self.weights)
        bridge = low - self.below[:, :, None] * self.below[:, None, :]
        return np.asarray(bridge * weights[:, :, None] * weights[:, None, :])

    def effect(self, moved: Floats, distance: Floats) -> Floats:
        """Shift, in sd, of a normal column that would be as far away."""
        from scipy.special import ndtri

        del moved
        density = np.exp(-0.5 * ndtri(np.clip(self.below, 1e-12, 1 - 1e-12)) ** 2) / np.sqrt(2 * np.pi)
        per_sd = (self.weights * density**2).sum(axis=-1)
        return np.sqrt(np.maximum(distance, 0.0) / np.where(per_sd > 0, per_sd, 1.0)[:, None])


@dataclass(frozen=True, eq=False)
class LevelDistance:
    """`mix`. `shares` are the reference's, shape (columns, k); a column's last one is that of rare and new levels."""

    columns: tuple[str, ...]
    names: tuple[TestName, ...]
    sizes: tuple[int, ...]
    shares: Floats

    @classmethod
    def of(cls, grid: Grid, total: Summary) -> LevelDistance | None:
        """Lay the weights by the reference's total; None without a category."""
        cells = {name: found for name, found in grid.columns.items() if isinstance(found, CategoryCells)}
        if not cells:
            return None
        sizes = tuple(len(found.levels) + 1 for found in cells.values())
        empty = cls(tuple(cells), named("mix", len(cells)), sizes, np.zeros((len(cells), max(sizes))))
        counts = empty.stack([total])[:, 0]
        return cls(empty.columns, empty.names, sizes, counts / np.maximum(1, counts.sum(axis=-1, keepdims=True)))

    def stack(self, summaries: list[Summary]) -> Counts:
        """Rows per level; rare and new ones together."""
        found = np.zeros((len(self.columns), len(summaries), self.shares.shape[1]), dtype=np.int64)
        for place, (name, size) in enumerate(zip(self.columns, self.sizes, strict=True)):
            counts = np.array([summary.counts[name] for summary in summaries])
            found[place, :, :size] = counts[:, :size]
            found[place, :, size - 1] += counts[:, size]
        return found

    def usable(self, counts: Counts) -> Counts:
        """Rows that have a level."""
        return np.asarray(counts.sum(axis=-1))

    def vectors(self, counts: Counts, rows: Floats) -> Floats:
        """Shares over the square root of the reference's."""
        del rows
        with np.errstate(invalid="ignore"):
            shares = counts / counts.sum(axis=-1, keepdims=True)
        return np.asarray(shares / np.sqrt(np.maximum(self.shares, RARE))[:, None, :])

    def moved(self, counts: Counts, reference: Counts) -> Floats:
        """Half the sum of the shares' differences: total variation."""
        with np.errstate(invalid="ignore"):
            apart = counts / counts.sum(axis=-1, keepdims=True) - reference / reference.sum(axis=-1, keepdims=True)
        found: Floats = 0.5 * np.abs(apart).sum(axis=-1)
        return found

    def shape_by_chance(self) -> Floats:
        """A multinomial's covariance, weighted."""
        weights = 1 / np.sqrt(np.maximum(self.shares, RARE))
        spread = np.eye(self.shares.shape[1]) * self.shares[:, :, None]
        spread = spread - self.shares[:, :, None] * self.shares[:, None, :]
        return np.asarray(spread * weights[:, :, None] * weights[:, None, :])

    def effect(self, moved: Floats, distance: Floats) -> Floats:
        """Share of rows that changed their level."""
        del distance
        return moved


@dataclass(frozen=True, eq=False)
class ShareDistance:
    """`missing`, or what is outside the reference: `range` and `new_levels`.

    `last` is how many cells, counted from the last one, hold missing values: nulls, and of numbers nan and infinity.
    """

    columns: tuple[str, ...]
    names: tuple[TestName, ...]
    last: tuple[int, ...]

    @classmethod
    def of_missing(cls, grid: Grid) -> ShareDistance:
        """Nulls, nan and infinite values of features; a label that is not there yet is late, and has not drifted."""
        cells = {name: found for name, found in grid.columns.items() if grid.roles[name] == "feature"}
        last = tuple(2 if isinstance(found, NumericCells) else 1 for found in cells.values())
        return cls(tuple(cells), named("missing", len(last)), last)

    @classmethod
    def of_outside(cls, grid: Grid) -> ShareDistance:
        """Values out of range, and new levels; time goes on, so of moments there is no range to be out of."""
        cells = {name: found for name, found in grid.columns.items() if outside_test(found) is not None}
        return cls(
            tuple(cells), tuple(name for found in cells.values() if (name := outside_test(found))), (0,) * len(cells)
        )

    def stack(self, summaries: list[Summary]) -> Counts:
        """Rows that have the property, and rows that do not."""
        found = np.empty((len(self.columns), len(summaries), 2), dtype=np.int64)
        for place, (name, last) in enumerate(zip(self.columns, self.last, strict=True)):
            if last:
                found[place, :, 0] = np.array([summary.counts[name][-last:] for summary in summaries]).sum(axis=1)
            else:
                found[place, :, 0] = [summary.outside.get(name, 0) for summary in summaries]
        found[..., 1] = np.array([summary.rows for summary in summaries]) - found[..., 0]
        return found

    def usable(self, counts: Counts) -> Counts:
        """All rows."""
        return np.asarray(counts.sum(axis=-1))

    def shares(self, counts: Counts) -> Floats:
        """Share of rows that have the property."""
        with np.errstate(invalid="ignore"):
            return np.asarray(counts[..., 0] / counts.sum(axis=-1))

    def vectors(self, counts: Counts, rows: Floats) -> Floats:
        """Twice the square root of a share, of which a chance difference is as large whatever the share is."""
        shares = self.shares(counts)
        few = np.minimum(shares, 1 - shares) + 0.375 / np.maximum(rows, 1)
        root = 2 * np.sqrt(few)
        return np.asarray(np.where(shares <= 0.5, root, 4 * np.sqrt(0.5) - root))[..., None]

    def moved(self, counts: Counts, reference: Counts) -> Floats:
        """Difference of the shares; what is outside less often than before has not moved."""
        apart = self.shares(counts) - self.shares(reference)
        one_sided = np.array([name != "missing" for name in self.names])[:, None]
        return np.asarray(np.where(one_sided, np.maximum(apart, 0.0), np.abs(apart)))

    def shape_by_chance(self) -> Floats:
        """One number."""
        return np.ones((len(self.columns), 1, 1))

    def effect(self, moved: Floats, distance: Floats) -> Floats:
        """Share of rows."""
        del distance
        return moved


def named(test: TestName, columns: int) -> tuple[TestName, ...]:
    """One test of several columns."""
    return (test,) * columns


def outside_test(cells: NumericCells | CategoryCells) -> TestName | None:
    """What it is called that a value is outside the reference."""
    if isinstance(cells, CategoryCells):
        return "new_levels"
    return "range" if cells.kind == "number" else None


def distances(grid: Grid, total: Summary) -> list[Distance]:
    """All tests of a profile."""
    found: list[Distance | None] = [
        NumberDistance.of(grid, total),
        LevelDistance.of(grid, total),
        ShareDistance.of_missing(grid),
        ShareDistance.of_outside(grid),
    ]
    return [each for each in found if each is not None and each.columns]
