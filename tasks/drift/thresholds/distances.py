"""How far the counts of a batch are from those of its reference, one number per column and test.

Each test maps counts to a vector from the reference, and its statistic is the vector's squared length; 0 where both
have the same shares.

- `distribution`, of numbers: shares below each edge, weighted as Anderson and Darling do. It sees shifts better than
  Kolmogorov and Smirnov's largest difference, and tails better than Cramer and von Mises' even weights. What it gives
  its first two directions, 1/2 and 1/6, is given once more to the means of normal scores and of their squares, which
  see best that a normal column shifts, or spreads: B. L. van der Waerden (1952), J. Klotz (1962),
  doi:10.1214/aoms/1177704576. What is left, a change in form alone, is seen a little less.
  T. W. Anderson and D. A. Darling (1954), doi:10.1080/01621459.1954.10501232.
- `mix`, of levels: Pearson's chi-square of the shares, with weights that rare levels do not outgrow.
- `missing`, `co_missing`, and `range` or `new_levels`: a share, its variance stabilised.

Counts are stacked: all columns of one test are worked on at once. What is padded has no row and no weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from tasks.drift.profile import CategoryCells, Grid, NumericCells, Summary
from tasks.drift.profile.cells import null_cell

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

TestName = Literal["distribution", "mix", "missing", "co_missing", "range", "new_levels"]
RARE = 0.005  # levels below this share weigh as one that has it
SHIFT, SPREAD = 1 / 2, 1 / 6  # weights of the scores; Anderson and Darling's j-th direction has 1 / (j (j + 1))
OUTERMOST = 1 / 64  # share below the middle of an outermost cell of 32 even ones; no row scores as if farther out


class Distance(Protocol):
    """One test of several columns.

    Counts have shape (columns, summaries, cells); those of the reference may have one summary for all.
    """

    @property
    def names(self) -> tuple[TestName, ...]:
        """The test of each column."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""

    def stack(self, summaries: list[Summary]) -> Counts:
        """What the test counts, shape (columns, summaries, cells)."""

    def apart(self, counts: Counts, reference: Counts) -> Floats:
        """Vectors whose squared lengths are the statistic, shape (columns, summaries, k); nan where no row is."""

    def moved(self, counts: Counts, reference: Counts) -> Floats:
        """Share of rows that would have to change to be as the reference, shape (columns, summaries)."""

    def shape_by_chance(self, reference: Counts) -> Floats:
        """Covariance of the vectors of independent rows, up to a factor; shape (columns, k, k)."""

    def effect(self, moved: Floats, squared: Floats, reference: Counts) -> Floats:
        """Size of the change: sd of the reference, or share of rows; shape (columns, summaries)."""


@dataclass(frozen=True, eq=False)
class NumberDistance:
    """`distribution`; `sizes` are the columns' numbers of edges."""

    columns: tuple[str, ...]
    names: tuple[TestName, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, grid: Grid) -> NumberDistance:
        """All numbers that have edges; moments of time move on, and are no matter of distribution."""
        sizes = {
            name: len(cells.edges)
            for name, cells in grid.columns.items()
            if isinstance(cells, NumericCells) and len(cells.edges) and cells.kind == "number"
        }
        return cls(tuple(sizes), named("distribution", len(sizes)), tuple(sizes.values()))

    def stack(self, summaries: list[Summary]) -> Counts:
        """Finite values per cell."""
        found = np.zeros((len(self.columns), len(summaries), max(self.sizes) + 1), dtype=np.int64)
        for place, (name, size) in enumerate(zip(self.columns, self.sizes, strict=True)):
            found[place, :, : size + 1] = [summary.counts[name][: size + 1] for summary in summaries]
        return found

    def shares(self, counts: Counts) -> Floats:
        """Shares below each edge; nan without a value."""
        below = np.cumsum(counts, axis=-1)
        with np.errstate(invalid="ignore"):
            return np.asarray(below[..., :-1] / below[..., -1:])

    def weights(self, below: Floats) -> Floats:
        """Of each edge: the reference's mass around it over F(1 - F), which is what makes chance alike everywhere.

        At an edge with all of the reference on one side it is as if half were on each.
        """
        bounds = np.concatenate((np.zeros_like(below[..., :1]), below, np.ones_like(below[..., :1])), axis=-1)
        mass = (bounds[..., 2:] - bounds[..., :-2]) / 2
        inside = below * (1 - below)
        return np.asarray(np.where(inside > 0, mass / np.where(inside > 0, inside, 1.0), 4 * mass))

    def apart(self, counts: Counts, reference: Counts) -> Floats:
        """Differences of the shares below each edge, weighted, and those of the scores behind them."""
        below = self.shares(reference)
        apart = self.shares(counts) - below
        scored = np.stack([(apart * each).sum(axis=-1) for each in score_weights(np.nan_to_num(below))], axis=-1)
        return np.concatenate((apart * np.sqrt(self.weights(below)), scored), axis=-1)

    def moved(self, counts: Counts, reference: Counts) -> Floats:
        """Largest difference of the shares below an edge."""
        found: Floats = np.abs(self.shares(counts) - self.shares(reference)).max(axis=-1)
        return found

    def shape_by_chance(self, reference: Counts) -> Floats:
        """A Brownian bridge at the edges, weighted and scored."""
        below = np.nan_to_num(self.shares(reference))[:, 0]
        bridge = np.minimum(below[:, :, None], below[:, None, :]) - below[:, :, None] * below[:, None, :]
        edges = np.eye(below.shape[1]) * np.sqrt(self.weights(below))[:, None, :]
        to_vectors = np.concatenate((edges, np.stack(score_weights(below), axis=1)), axis=1)
        return np.asarray(to_vectors @ bridge @ to_vectors.swapaxes(1, 2))

    def effect(self, moved: Floats, squared: Floats, reference: Counts) -> Floats:
        """Shift, in sd, of a normal column that would be as far away."""
        from scipy.special import ndtri

        del moved
        below = np.nan_to_num(self.shares(reference))
        density = np.exp(-0.5 * ndtri(np.clip(below, 1e-12, 1 - 1e-12)) ** 2) / np.sqrt(2 * np.pi)
        per_sd = (self.weights(below) * density**2).sum(axis=-1)
        per_sd += sum(np.square((each * density).sum(axis=-1)) for each in score_weights(below))
        return np.asarray(np.sqrt(squared / np.where(per_sd > 0, per_sd, 1.0)))


@dataclass(frozen=True, eq=False)
class LevelDistance:
    """`mix`; `sizes` are the columns' numbers of cells, of which the last is that of rare and new levels."""

    columns: tuple[str, ...]
    names: tuple[TestName, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, grid: Grid) -> LevelDistance:
        """All categories."""
        sizes = {
            name: len(cells.levels) + 1 for name, cells in grid.columns.items() if isinstance(cells, CategoryCells)
        }
        return cls(tuple(sizes), named("mix", len(sizes)), tuple(sizes.values()))

    def stack(self, summaries: list[Summary]) -> Counts:
        """Rows per level; rare and new ones together."""
        found = np.zeros((len(self.columns), len(summaries), max(self.sizes)), dtype=np.int64)
        for place, (name, size) in enumerate(zip(self.columns, self.sizes, strict=True)):
            counts = np.array([summary.counts[name] for summary in summaries])
            found[place, :, :size] = counts[:, :size]
            found[place, :, size - 1] += counts[:, size]
        return found

    def shares(self, counts: Counts) -> Floats:
        """Shares of the levels; nan without one."""
        with np.errstate(invalid="ignore"):
            return np.asarray(counts / counts.sum(axis=-1, keepdims=True))

    def apart(self, counts: Counts, reference: Counts) -> Floats:
        """Differences of the shares over the square root of the reference's."""
        shares = self.shares(reference)
        return np.asarray((self.shares(counts) - shares) / np.sqrt(np.maximum(shares, RARE)))

    def moved(self, counts: Counts, reference: Counts) -> Floats:
        """Half the sum of the shares' differences: total variation."""
        found: Floats = 0.5 * np.abs(self.shares(counts) - self.shares(reference)).sum(axis=-1)
        return found

    def shape_by_chance(self, reference: Counts) -> Floats:
        """A multinomial's covariance, weighted."""
        shares = np.nan_to_num(self.shares(reference))[:, 0]
        spread = np.eye(shares.shape[1]) * shares[:, :, None] - shares[:, :, None] * shares[:, None, :]
        return weighted(spread, 1 / np.sqrt(np.maximum(shares, RARE)))

    def effect(self, moved: Floats, squared: Floats, reference: Counts) -> Floats:
        """Share of rows that changed their level."""
        del squared, reference
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
        """Rows that have the property, and rows that do not, in the last axis."""
        found = np.empty((len(self.columns), len(summaries), 2), dtype=np.int64)
        for place, (name, last) in enumerate(zip(self.columns, self.last, strict=True)):
            if last:
                found[place, :, 0] = np.array([summary.counts[name][-last:] for summary in summaries]).sum(axis=1)
            else:
                found[place, :, 0] = [summary.outside.get(name, 0) for summary in summaries]
        found[..., 1] = np.array([summary.rows for summary in summaries]) - found[..., 0]
        return found

    def shares(self, counts: Counts) -> Floats:
        """Share of rows that have the property."""
        with np.errstate(invalid="ignore"):
            return np.asarray(counts[..., 0] / counts.sum(axis=-1))

    def apart(self, counts: Counts, reference: Counts) -> Floats:
        """Differences of the shares' arcsines, whose chance is as large whatever the share is."""
        rows = counts.sum(axis=-1)
        return np.asarray(arcsine(self.shares(counts), rows) - arcsine(self.shares(reference), rows))[..., None]

    def moved(self, counts: Counts, reference: Counts) -> Floats:
        """Difference of the shares; what is outside less often than before has not moved."""
        apart = self.shares(counts) - self.shares(reference)
        one_sided = np.array([name in {"range", "new_levels"} for name in self.names])[:, None]
        return np.asarray(np.where(one_sided, np.maximum(apart, 0.0), np.abs(apart)))

    def shape_by_chance(self, reference: Counts) -> Floats:
        """One number."""
        return np.ones((len(reference), 1, 1))

    def effect(self, moved: Floats, squared: Floats, reference: Counts) -> Floats:
        """Share of rows."""
        del squared, reference
        return moved


@dataclass(frozen=True, eq=False)
class PairDistance(ShareDistance):
    """`co_missing`: rows in which a column has a value and its partner none, or the other way round.

    The reference has most of their missing values in common, as columns of one source do. Where these come apart, each
    may still be missing as often as ever.
    """

    partners: tuple[str, ...] = ()
    null_cells: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, grid: Grid) -> PairDistance:
        """Each pair of the grid, by the name of its later column."""
        partners, columns = tuple(one for one, _ in grid.together), tuple(other for _, other in grid.together)
        nulls = tuple((null_cell(grid.columns[one]), null_cell(grid.columns[other])) for one, other in grid.together)
        return cls(columns, named("co_missing", len(columns)), (0,) * len(columns), partners, nulls)

    def stack(self, summaries: list[Summary]) -> Counts:
        """Rows in which exactly one of a pair is null, and the others."""
        found = np.empty((len(self.columns), len(summaries), 2), dtype=np.int64)
        for place, (pair, cells) in enumerate(
            zip(zip(self.partners, self.columns, strict=True), self.null_cells, strict=True)
        ):
            found[place, :, 0] = [
                sum(summary.counts[name][cell] for name, cell in zip(pair, cells, strict=True))
                - 2 * summary.co_missing.get(pair, 0)
                for summary in summaries
            ]
        found[..., 1] = np.array([summary.rows for summary in summaries]) - found[..., 0]
        return found


def score_weights(below: Floats) -> tuple[Floats, Floats]:
    """Weights of the differences below edges that make them those of two mean scores: a shift, and a spread.

    A cell's score is the normal quantile of its middle rank, and that one's square. Both have no mean in the reference,
    the variance SHIFT or SPREAD in one row of it, and no correlation; a reference of one or two values has none.

    Parameters
    ----------
    below : array of float, shape (..., k)
        The reference's share of rows below each edge.
    """
    from scipy.special import ndtri

    bounds = np.concatenate((np.zeros_like(below[..., :1]), below, np.ones_like(below[..., :1])), axis=-1)
    mass, middle = np.diff(bounds, axis=-1), (bounds[..., 1:] + bounds[..., :-1]) / 2
    quantiles = ndtri(np.clip(middle, OUTERMOST, 1 - OUTERMOST))
    shift = standardised(quantiles, mass)
    spread = quantiles**2
    spread = standardised(spread - shift * (spread * shift * mass).sum(axis=-1, keepdims=True), mass)
    return -np.sqrt(SHIFT) * np.diff(shift, axis=-1), -np.sqrt(SPREAD) * np.diff(spread, axis=-1)


def standardised(scores: Floats, mass: Floats) -> Floats:
    """Scores of cells with mean 0 and variance 1 over the cells' mass; 0 where they do not vary."""
    centred = scores - (scores * mass).sum(axis=-1, keepdims=True)
    variance = (centred**2 * mass).sum(axis=-1, keepdims=True)
    return np.asarray(np.where(variance > 1e-9, centred / np.sqrt(np.where(variance > 1e-9, variance, 1.0)), 0.0))


def arcsine(shares: Floats, rows: Counts) -> Floats:
    """Twice the arcsine of a share's root, as if of so many rows; Anscombe (1948), doi:10.1093/biomet/35.3-4.246."""
    return np.asarray(2 * np.arcsin(np.sqrt((shares * rows + 0.375) / (rows + 0.75))))


def weighted(spread: Floats, weights: Floats) -> Floats:
    """Covariances of weighted components; shapes (columns, k, k) and (columns, k)."""
    return np.asarray(spread * weights[:, :, None] * weights[:, None, :])


def named(test: TestName, columns: int) -> tuple[TestName, ...]:
    """One test of several columns."""
    return (test,) * columns


def outside_test(cells: NumericCells | CategoryCells) -> TestName | None:
    """What it is called that a value is outside the reference."""
    if isinstance(cells, CategoryCells):
        return "new_levels"
    return "range" if cells.kind == "number" else None


def distances(grid: Grid) -> list[Distance]:
    """All tests of a grid."""
    found: list[Distance] = [
        NumberDistance.of(grid),
        LevelDistance.of(grid),
        ShareDistance.of_missing(grid),
        ShareDistance.of_outside(grid),
        PairDistance.of(grid),
    ]
    return [each for each in found if each.columns]
