"""The distribution of a squared distance, from the first cumulants of a column's own history.

The p-value of a distance T is that of a weighted sum of chi-squares - what a squared distance of means is, whatever
depends on what within a batch - with the first three cumulants of the history (P. Hall (1983),
doi:10.1093/biomet/70.1.105 of a chi-square plus a constant; R. J. Buckley and G. K. Eagleson (1988),
doi:10.1111/j.1467-842X.1988.tb00471.x), and an F distribution in the place of the chi-square, since their mean is
itself an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

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

    @property
    def deeper(self) -> Shape:
        """With one more axis, for several means."""
        return Shape(self.shift[..., None], self.dof[..., None], self.mean_dof[..., None])


class Spread(NamedTuple):
    """tr(C^2) / tr(C)^2 and tr(C^3) / tr(C)^3 of vectors' covariance C: shape (columns, 1) or (columns, n)."""

    second: Floats
    third: Floats

    @classmethod
    def of(cls, apart: Floats, by_chance: Floats | None = None) -> Spread:
        """Of all vectors.

        Parameters
        ----------
        apart : array of float, shape (columns, n, k)
            Vectors from the centre.
        by_chance : array of float, shape (columns, k, k), optional
            Their covariance if rows were independent, up to a factor: it steadies what few vectors say.
        """
        both = of_trace_one(np.einsum("cnk,cnl->ckl", apart, apart))
        if by_chance is not None:
            share = apart.shape[1] / (apart.shape[1] + BY_CHANCE)
            both = share * both + (1 - share) * of_trace_one(by_chance)
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
