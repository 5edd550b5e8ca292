"""What a quiet batch does: the distances of the reference's own pseudo-batches, each from all others.

The p-value of a distance T is that of a weighted sum of chi-squares - what a squared distance of means is, whatever
depends on what within a batch - with the first three cumulants of the history (P. Hall (1983),
doi:10.1093/biomet/70.1.105 of a chi-square plus a constant; R. J. Buckley and G. K. Eagleson (1988),
doi:10.1111/j.1467-842X.1988.tb00471.x), and an F distribution in the place of the chi-square, since their mean is
itself an estimate. These p-values only put all tests on one scale; how small the least of them may become is learned
from the history, in `family.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.drift.thresholds.wandering import lag_correlations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.profile import Summary
    from tasks.drift.thresholds.company import Company
    from tasks.drift.thresholds.distances import Distance

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

BY_CHANCE = 10  # pseudo-batches that the shape of independent rows weighs as
LEAST_P = 1e-300


@dataclass(frozen=True, eq=False)
class Shape:
    """Of the distribution of T / mean(T): b + (1 - b) F(dof, mean_dof * n), arrays of shape (columns, 1)."""

    shift: Floats
    dof: Floats
    mean_dof: Floats

    @classmethod
    def of(cls, spread: Spread) -> Shape:
        """Match three cumulants of a squared length."""
        second, third = spread.second, spread.third
        dof = second**3 / third**2
        return cls(np.clip(1 - dof * third / second, 0.0, 0.999), dof, 1 / second)

    def p_value(self, ratio: Floats, batches: Floats | float) -> Floats:
        """How often T / mean(T) is larger, where the mean is of so many independent batches; shape (columns, n)."""
        from scipy.special import fdtrc

        scaled = np.maximum(ratio - self.shift, 0.0) / (1 - self.shift)
        return np.asarray(np.maximum(fdtrc(self.dof, np.maximum(self.mean_dof * batches, 1.0), scaled), LEAST_P))

    def ratio_of(self, p_value: Floats, batches: Floats | float) -> Floats:
        """The T / mean(T) that has a p-value; shape (columns, 1)."""
        from scipy.special import fdtri

        found = fdtri(self.dof, np.maximum(self.mean_dof * batches, 1.0), 1 - p_value)
        return np.asarray(self.shift + (1 - self.shift) * found)


class Spread(NamedTuple):
    """tr(C^2) / tr(C)^2 and tr(C^3) / tr(C)^3 of vectors' covariance C: shape (columns, 1) or (columns, n)."""

    second: Floats
    third: Floats

    @classmethod
    def of(cls, apart: Floats, by_chance: Floats) -> Spread:
        """Of all vectors.

        Parameters
        ----------
        apart : array of float, shape (columns, n, k)
            Vectors from the centre.
        by_chance : array of float, shape (columns, k, k)
            Their covariance if rows were independent, up to a factor: it steadies what few vectors say.
        """
        sums, chance = of_trace_one(np.einsum("cnk,cnl->ckl", apart, apart)), of_trace_one(by_chance)
        share = apart.shape[1] / (apart.shape[1] + BY_CHANCE)
        both = share * sums + (1 - share) * chance
        squared = both @ both
        return cls(np.einsum("ckk->c", squared)[:, None], np.einsum("ckl,clk->c", squared, both)[:, None])

    @classmethod
    def without_each(cls, apart: Floats, by_chance: Floats, factor: Floats) -> Spread:
        """The same, each time without one vector, whose square weighs `factor`: it has moved the centre of the others.

        All n of them from products with each vector, since (S - f dd') has the traces of S but for terms in d.
        """
        n = apart.shape[1]
        sums, chance = np.einsum("cnk,cnl->ckl", apart, apart), of_trace_one(by_chance)
        own, f = np.einsum("cnk,cnk->cn", apart, apart), factor
        by_sums, by_chances = apart @ sums, apart @ chance
        s1 = np.einsum("ckk->c", sums)[:, None] - f * own
        s2 = trace(sums, sums) - 2 * f * dots(by_sums, apart) + (f * own) ** 2
        s3 = trace(sums @ sums, sums) - 3 * f * dots(by_sums, by_sums) + 3 * f**2 * own * dots(by_sums, apart)
        s3 = s3 - (f * own) ** 3
        sb = trace(sums, chance) - f * dots(by_chances, apart)
        ssb = trace(sums @ sums, chance) - 2 * f * dots(by_sums, by_chances) + f**2 * own * dots(by_chances, apart)
        sbb = trace(sums, chance @ chance) - f * dots(by_chances, by_chances)
        share = (n - 1) / (n - 1 + BY_CHANCE)
        whole = s1 > 1e-9 * np.maximum(own, 1e-200)
        a, b = share / np.where(whole, s1, 1.0), 1 - share
        b2, b3 = trace(chance, chance), trace(chance @ chance, chance)
        second = a**2 * s2 + 2 * a * b * sb + b**2 * b2
        third = a**3 * s3 + 3 * a**2 * b * ssb + 3 * a * b**2 * sbb + b**3 * b3
        return cls(np.where(whole, second, b2), np.where(whole, third, b3))


def trace(one: Floats, other: Floats) -> Floats:
    """Trace of the products of symmetric matrices; shape (columns, 1)."""
    return np.asarray(np.einsum("ckl,ckl->c", one, other)[:, None])


def dots(one: Floats, other: Floats) -> Floats:
    """Dot products of vectors; shape (columns, n)."""
    return np.asarray(np.einsum("cnk,cnk->cn", one, other))


def of_trace_one(spread: Floats) -> Floats:
    """Matrices over their trace; where all is zero, as if one direction alone were there."""
    whole = np.einsum("ckk->c", spread)[:, None, None]
    one = np.zeros_like(spread)
    one[:, 0, 0] = 1.0
    return np.asarray(np.where(whole > 1e-200, spread / np.where(whole > 1e-200, whole, 1.0), one))


@dataclass(frozen=True, eq=False)
class Null:
    """The history of one kind of distance.

    Attributes
    ----------
    distance : Distance
    centre : array of int64, shape (columns, 1, cells)
        Counts that the batch is compared with.
    squared : array of float, shape (columns, n)
        Distance of each pseudo-batch from the others.
    rows : array of float, shape (n,)
        Rows of each.
    shape : Shape
    surprise : array of float, shape (columns, n)
        -log of the p-value of each.
    batches : array of float, shape (columns, 1)
        How many independent batches say as much of the mean distance as the history does.
    growth : array of float, shape (columns, 1)
        How much farther a batch to come is from the centre than the history's own, where levels wander.
    correlations : array of float, shape (columns, LAGS)
        Of vectors that are so many pseudo-batches apart.
    """

    distance: Distance
    centre: Counts
    squared: Floats
    rows: Floats
    shape: Shape
    surprise: Floats
    batches: Floats
    growth: Floats
    correlations: Floats

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
        n, rows = company.n, company.rows
        sums = np.einsum("mn,cns->cms", company.peers.astype(np.int64), own)
        centre, rest = total if company.peers[-1].all() else sums[:, -1:], sums[:, :-1] - own
        apart = between(distance, own, rest)
        moved = np.nan_to_num(distance.moved(own, rest))
        squared = np.nan_to_num(np.einsum("cnk,cnk->cn", apart, apart))  # what has fallen tells of the spread, too
        by_chance = distance.shape_by_chance(centre)
        batches, growth = company.reckoned(distance.columns, distance.names)
        left_out = Shape.of(Spread.without_each(apart, by_chance, company.factor))
        ratio = ratio_to(np.where(moved > 0, squared, 0.0), expected_each(squared, company))
        p_values = left_out.p_value(ratio, batches * company.far.sum(axis=1) / n)
        p_values = at_least_by_chance(p_values, moved * rows, rows, rows_in(rest))
        return cls(
            distance,
            centre,
            squared,
            rows,
            Shape.of(Spread.of(apart, by_chance)),
            -np.log(p_values),
            batches,
            growth,
            lag_correlations(apart),
        )

    def expected(self, rows: int) -> Floats:
        """Mean distance of a quiet batch of so many rows; shape (columns, 1)."""
        scaled = self.squared * np.maximum(self.rows / rows, 1.0)
        return np.asarray(scaled.mean(axis=1, keepdims=True) * self.growth)

    def measure(self, batches: list[Summary]) -> Measured:
        """Hold batches of about the history's rows against the centre."""
        counts, rows = self.distance.stack(batches), np.array([float(batch.rows) for batch in batches])
        apart = between(self.distance, counts, self.centre)
        moved = np.nan_to_num(self.distance.moved(counts, self.centre))
        squared = np.where(moved > 0, np.einsum("cnk,cnk->cn", apart, apart), 0.0)
        expected = np.concatenate([self.expected(batch.rows) for batch in batches], axis=1)
        ratio = ratio_to(squared, expected)
        p_values = self.shape.p_value(ratio, self.batches)
        return Measured(
            ratio,
            self.distance.effect(moved, np.maximum(squared - expected, 0.0), self.centre),
            at_least_by_chance(p_values, moved * rows, rows, rows_in(self.centre)),
        )

    def ratio_of(self, surprise: float) -> Floats:
        """The ratio to the expected distance that is so surprising; shape (columns, 1)."""
        return self.shape.ratio_of(np.exp(-surprise * self.habit), self.batches)

    @cached_property
    def habit(self) -> Floats:
        """How many times as surprising as chance a test's own history surely is; 1 for most; shape (columns, 1)."""
        return habit_of(self.surprise.mean(axis=1, keepdims=True), self.surprise.shape[1])

    @cached_property
    def beyond_habit(self) -> Floats:
        """Surprise of each pseudo-batch over what the others are used to; shape (columns, n).

        A column that has levels of its own in each batch, such as new customers, is beyond all chance each time. Its
        surprises would be the family's largest and hide all others; measured by its own history it is one test of many.
        """
        n = self.surprise.shape[1]
        others = (self.surprise.sum(axis=1, keepdims=True) - self.surprise) / max(n - 1, 1)
        return self.surprise / habit_of(others, n - 1)


def habit_of(mean: Floats, n: int) -> Floats:
    """The factor of a mean -log(p) of n values: what is beyond three standard errors of 1, its mean by chance.

    >>> habit_of(np.array([1.2, 39.0]), 100).round(6).tolist()
    [1.0, 30.0]
    """
    return np.asarray(np.maximum(mean / (1 + 3 / max(n, 1) ** 0.5), 1.0))


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
    scale = np.maximum(company.rows[None, :] / company.rows[:, None], 1.0) * company.far
    others, far = company.others, np.maximum(company.far.sum(axis=1), 1)  # of a single batch there is no other
    once_more = 1 / np.square(np.maximum(others, 2.0)) * np.minimum(others / far, 1.0)
    again = (1 - once_more) ** -2.0
    total = squared @ scale.T - (company.factor - 1) * squared
    return np.asarray(np.maximum(total, 0.0) * again / far)


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
