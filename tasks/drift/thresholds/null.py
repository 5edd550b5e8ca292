"""What a quiet batch does: the distances of the reference's own pseudo-batches, each from all others.

A distance becomes a p-value by the shape of its column's own history (`shape.py`) and by how far quiet batches are on
average: as far as the others of the history, steadied by what columns have in common (`common_scale.py`), or, where
levels wander from batch to batch, as each model of that says (`wandering.py`). These p-values put all tests on one
scale; how small the least of them may become is found in `family.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.drift.thresholds.family import weight_of
from tasks.drift.thresholds.shape import LEAST_P, Shape, Spread
from tasks.drift.thresholds.wandering import Quiet, Wandering, growth_of_batches, growth_of_history, likeness, waves

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.profile import Summary
    from tasks.drift.thresholds.common_scale import Steadied
    from tasks.drift.thresholds.company import Company
    from tasks.drift.thresholds.distances import Distance

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

HALVINGS = 30  # of twelve decades
FEWEST_ROWS = 5  # a share of fewer rows a batch varies less than its arcsine should


@dataclass(frozen=True, eq=False)
class Null:
    """The history of one kind of distance.

    Attributes
    ----------
    distance : Distance
    company : Company
        Whom each is compared with.
    centre : array of int64, shape (columns, 1, cells)
        Counts that the batch is compared with.
    squared : array of float, shape (columns, n)
        Distance of each pseudo-batch from the others.
    shape : Shape
    left_out : LeftOut
        What each pseudo-batch is judged by.
    likeness : array of float, shape (columns,)
        Correlation of neighbouring vectors.
    within : array of float, shape (columns, n, k)
        Vectors from the mean of each one's peers, itself among them.
    own, each : Steadied or None
        How what columns have in common steadies the mean distance, and those without each pseudo-batch.
    wandering : Wandering or None
        How the columns' levels wander.
    """

    distance: Distance
    company: Company
    centre: Counts
    squared: Floats
    shape: Shape
    left_out: LeftOut
    likeness: Floats
    within: Floats
    own: Steadied | None = None
    each: Steadied | None = None
    wandering: Wandering | None = None

    @classmethod
    def of(cls, distance: Distance, own: Counts, total: Counts, company: Company) -> Null:
        """Compare each pseudo-batch with the others.

        Parameters
        ----------
        distance : Distance
        own : array of int64, shape (columns, n, cells)
            Of the pseudo-batches.
        total : array of int64, shape (columns, 1, cells)
            Of the whole reference.
        company : Company
            Whom each is compared with.
        """
        rows = company.rows
        centre, rest = total, own.sum(axis=1, keepdims=True) - own
        if company.like is not None:
            sums = np.einsum("mn,cns->cms", company.like.astype(np.int64), own)
            centre, rest = sums[:, -1:], sums[:, :-1] - own
        apart = between(distance, own, rest)
        moved = np.nan_to_num(distance.moved(own, rest))
        squared = np.nan_to_num(np.einsum("cnk,cnk->cn", apart, apart))  # what has fallen tells of the spread, too
        by_chance = distance.shape_by_chance(centre)
        left_out = LeftOut(
            Shape.of(Spread.without_each(apart, by_chance, company.factor)),
            expected_each(squared, company),
            moved,
            rows_in(rest),
            np.einsum("ckk->c", by_chance) * comparable(own, rows),
        )
        shape, within = Shape.of(Spread.of(apart, by_chance)), apart / company.factor[:, None]
        return cls(distance, company, centre, squared, shape, left_out, likeness(apart), within)

    @cached_property
    def surprise(self) -> Floats:
        """-log of the p-value of each pseudo-batch, shape (columns, n)."""
        if self.wandering is not None:
            p_values = self.p_value(self.squared, self.wandering.merged(growth_of_history(self.company)))
            return np.asarray(np.minimum(-np.log(p_values), -np.log(LEAST_P)))
        known, rows = self.left_out, self.company.rows
        expected, batches = steadied_by(self.each, known.expected, self.company.n - 1.0)
        p_values = known.shape.p_value(ratio_to(np.where(known.moved > 0, self.squared, 0.0), expected), batches)
        return -np.log(at_least_by_chance(p_values, known.moved * rows, rows, known.rows))

    @cached_property
    def weight(self) -> Floats:
        """What each test weighs in the family, shape (columns, 1)."""
        return np.array([[weight_of(name)] for name in self.distance.names])

    @property
    def variance(self) -> Floats:
        """Of the logarithm of the mean distance, by sampling, if batches were normal; shape (columns, 1)."""
        return np.asarray(2 / (self.shape.mean_dof * self.company.n))

    @cached_property
    def waves(self) -> Floats:
        """The cosine transform of the vectors, without their mean; the slowest first; shape (columns, n - 1, k)."""
        return waves(self.within)

    def where_levels(self, wandering: Wandering) -> Null:
        """The same history, if levels wander so."""
        slow = self.waves[:, : (self.company.n + 1) // 2]
        return replace(self, wandering=wandering, shape=Shape.of(Spread.of(slow)))

    def quiet(self, rows: Floats, ahead: Floats) -> Quiet:
        """How far quiet batches are.

        Parameters
        ----------
        rows, ahead : array of float, shape (batches,)
            Rows of each, and how many batches after the history it comes.
        """
        if self.wandering is not None:
            return self.wandering.merged(growth_of_batches(self.company, rows, ahead))
        scaled = self.squared[:, None] * np.maximum(self.company.rows / rows[:, None], 1.0)
        means, batches = steadied_by(self.own, scaled.mean(axis=2), float(self.company.n))
        return Quiet(means[:, :, None], np.ones((len(scaled), 1, 1)), batches[:, :, None])

    def p_value(self, squared: Floats, quiet: Quiet) -> Floats:
        """How often a quiet batch is farther away; shape (columns, batches)."""
        found = self.shape.deeper.p_value(ratio_to(squared[:, :, None], quiet.means), quiet.batches)
        return np.asarray((found * quiet.weights).sum(axis=2))

    def measure(self, batches: list[Summary], ahead: Floats | None = None) -> Measured:
        """Hold batches of about the history's rows against the centre.

        Parameters
        ----------
        batches : list of Summary
        ahead : array of float, shape (batches,), optional
            How many batches after the newest of the history each comes; infinite where nobody knows.
        """
        counts, rows = self.distance.stack(batches), np.array([float(batch.rows) for batch in batches])
        apart = between(self.distance, counts, self.centre)
        moved = np.nan_to_num(self.distance.moved(counts, self.centre))
        squared = np.where(moved > 0, np.einsum("cnk,cnk->cn", apart, apart), 0.0)
        quiet = self.quiet(rows, np.full(len(rows), np.inf) if ahead is None else ahead)
        expected = (quiet.means * quiet.weights).sum(axis=2)
        p_values = self.p_value(squared, quiet)
        return Measured(
            ratio_to(squared, expected),
            self.distance.effect(moved, np.maximum(squared - expected, 0.0), self.centre),
            at_least_by_chance(p_values, moved * rows, rows, rows_in(self.centre)),
        )

    def ratio_of(self, surprise: float, rows: float, ahead: float) -> Floats:
        """The ratio to the expected distance that is so surprising; shape (columns, 1)."""
        quiet = self.quiet(np.array([rows]), np.array([ahead]))
        expected = (quiet.means * quiet.weights).sum(axis=2)[:, :, None]
        of_one = np.where(expected > 0, quiet.means / np.where(expected > 0, expected, 1.0), 1.0)
        wanted = np.exp((np.log(self.weight) - surprise) * self.habit)
        low, high = np.full_like(wanted, 1e-3), np.full_like(wanted, 1e9)
        for _ in range(HALVINGS):
            middle = np.sqrt(low * high)
            rarer = self.p_value(middle, quiet._replace(means=of_one)) < wanted
            low, high = np.where(rarer, low, middle), np.where(rarer, middle, high)
        return high

    @cached_property
    def habit(self) -> Floats:
        """How many times as surprising as chance a test's own history surely is; 1 for most; shape (columns, 1)."""
        return habit_of(self.surprise.mean(axis=1, keepdims=True), self.surprise.shape[1])

    @cached_property
    def beyond_habit(self) -> Floats:
        """Surprise of each pseudo-batch over what the others are used to, weighed; shape (columns, n).

        A column that has levels of its own in each batch, such as new customers, is beyond all chance each time. Its
        surprises would be the family's largest and hide all others; measured by its own history it is one test of many.
        """
        n = self.surprise.shape[1]
        others = (self.surprise.sum(axis=1, keepdims=True) - self.surprise) / max(n - 1, 1)
        return np.asarray(np.maximum(self.surprise / habit_of(others, n - 1) + np.log(self.weight), 0.0))

    def weighed(self, p_value: Floats) -> Floats:
        """Surprise at p-values, over what the history is used to, weighed; shapes (columns, batches)."""
        return np.asarray(np.log(self.weight) - np.log(p_value) / self.habit)


def habit_of(mean: Floats, n: int) -> Floats:
    """The factor of a mean -log(p) of n values: what is beyond three standard errors of 1, its mean by chance.

    >>> habit_of(np.array([1.2, 39.0]), 100).round(6).tolist()
    [1.0, 30.0]
    """
    return np.asarray(np.maximum(mean / (1 + 3 / max(n, 1) ** 0.5), 1.0))


class LeftOut(NamedTuple):
    """What each pseudo-batch is judged by: all others.

    Attributes
    ----------
    shape : Shape
    expected, moved, rows : array of float, shape (columns, n)
        Mean squared distance of the others, share of rows that moved, and rows of the others.
    by_chance : array of float, shape (columns,)
        Mean squared distance of independent rows, up to a factor; 0 where it can't be compared with other columns'.
    """

    shape: Shape
    expected: Floats
    moved: Floats
    rows: Floats
    by_chance: Floats

    @property
    def variance(self) -> Floats:
        """Of the logarithms of the mean distances of all but each, by sampling; shape (columns, n)."""
        return np.asarray(2 / (self.shape.mean_dof * max(self.expected.shape[1] - 1, 1)))


class Measured(NamedTuple):
    """What one kind of test finds of some batches: arrays of shape (columns, batches).

    `ratio` is the squared distance over what is expected of a quiet batch.
    """

    ratio: Floats
    effect: Floats
    p_value: Floats


def ratio_to(squared: Floats, expected: Floats) -> Floats:
    """How many times the expected distance; where none is expected, any is beyond all bounds."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(squared > 0, np.minimum(squared / expected, 1 / LEAST_P), 0.0))


def between(distance: Distance, counts: Counts, reference: Counts) -> Floats:
    """Vectors from the reference to some counts, zero where either has no row; shape (columns, summaries, k)."""
    return np.nan_to_num(distance.apart(counts, reference))


def expected_each(squared: Floats, company: Company) -> Floats:
    """Mean distance of the other pseudo-batches, as if they had each one's rows; shape (columns, n).

    What each has added to the others' distances, by moving their centre, is taken off, and what they would be from a
    centre of themselves alone is put on. A smaller one would have been farther away by chance; a larger one is left as
    it is, since what moves from batch to batch does not shrink with rows.
    """
    n, others = company.n, company.others
    scale = np.maximum(company.rows[None, :] / company.rows[:, None], 1.0) * ~np.eye(n, dtype=bool)
    once_more = 1 / np.square(np.maximum(others, 2.0)) * np.minimum(others / max(n - 1, 1), 1.0)
    again = (1 - once_more) ** -2.0
    total = squared @ scale.T - (company.factor - 1) * squared
    return np.asarray(np.maximum(total, 0.0) * again / max(n - 1, 1))


def comparable(own: Counts, rows: Floats) -> Floats:
    """What makes chance larger where values are missing; 0 of shares so rare that it is smaller; shape (columns,)."""
    valid = own.sum(axis=(1, 2))
    rare = (own.mean(axis=1).min(axis=1) < FEWEST_ROWS) if own.shape[2] == 2 else np.zeros(len(own), dtype=bool)
    return np.asarray(np.where((valid > 0) & ~rare, rows.sum() / np.maximum(valid, 1), 0.0))


def steadied_by(found: Steadied | None, expected: Floats, batches: float) -> tuple[Floats, Floats]:
    """Expected distances, and of how many batches each mean is worth; both shapes (columns, m), or (columns, 1)."""
    if found is None:
        return expected, np.full((len(expected), 1), batches)
    return expected * found.factor, batches * found.more


def rows_in(counts: Counts) -> Floats:
    """Rows behind some counts, as float."""
    return np.asarray(counts.sum(axis=-1), dtype=np.float64)


def at_least_by_chance(p_values: Floats, moved: Floats, rows: Floats, reference: Floats) -> Floats:
    """Keep a p-value from being smaller than so few rows can make it.

    That a row not seen in the reference's `reference` rows is one of `rows` new ones is a matter of their share; of m
    such rows, of that share to the power of m.
    """
    share = rows / np.maximum(reference + rows, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = np.exp(np.nan_to_num(moved) * np.log(np.maximum(share, LEAST_P)))
    return np.asarray(np.maximum(p_values, np.maximum(bound, LEAST_P)))
