"""Levels that wander from batch to batch: how strongly neighbours are alike, and what follows for a batch to come.

Where neighbouring batches are alike, each is close to a mean that they have made together, and the next one is not. So
each pseudo-batch is compared with those alone that are far enough in time, and what is left of likeness is reckoned in.
Leaving out neighbours: P. Burman, E. Chow and D. Nolan (1994), "A cross-validatory method for dependent data",
doi:10.1093/biomet/81.2.351.

The model is a level that is an AR(1) from batch to batch, and chance on top: of lag k the correlation is share * rho^k.
It is fitted to the correlations around the estimated mean, with the bias that this mean gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LAGS = 5
FEW = 5  # tests from which on they are looked at together
SURE = 3.1  # standard errors from which on a test's neighbours are taken to be alike; one chance in a thousand
RHOS = np.concatenate((np.arange(0.1, 0.9, 0.05), np.arange(0.9, 0.99, 0.01)))
UNSURE = 13.0
FORGOTTEN = 0.1  # correlation from which on batches are compared


@dataclass(frozen=True)
class Wandering:
    """Correlation of batches that are k apart: share * rho^k."""

    share: float
    rho: float

    def horizon(self, n: int) -> int:
        """How many neighbours on each side are left out of n; not so many that less than half were left."""
        if self.share * self.rho <= FORGOTTEN:
            return 0
        wanted = np.log(FORGOTTEN / self.share) / np.log(self.rho)
        return min(int(np.ceil(wanted)), n // 4)

    def correlations(self, n: int) -> Floats:
        """Of n batches, shape (n, n)."""
        found: Floats = self.share * level_correlations(n, self.rho) + (1 - self.share) * np.eye(n)
        return found

    def growth(self, peers: NDArray[np.bool_]) -> float:
        """Squared distance of a batch of another time over that of the history's own, each from its peers' mean.

        The less often levels came and went in the history, the less is known of how they do: that widens it, by a rule
        that was tried on streams (docs/drift-method.md).

        Parameters
        ----------
        peers : array of bool, shape (n + 1, n)
            Whom each, and the batch in the last row, is compared with, beside itself.
        """
        n = peers.shape[1]
        others = peers & ~np.eye(n + 1, n, dtype=bool)
        own, shares = self.correlations(n), others / np.maximum(others.sum(axis=1, keepdims=True), 1)
        of_mean = np.einsum("mi,ij,mj->m", shares, own, shares)
        inside = 1 + of_mean[:-1] - 2 * np.einsum("mi,mi->m", shares[:-1], own)
        unsure = 1 + UNSURE * (self.time / n) ** 2.5
        return float(unsure * max((1 + of_mean[-1]) / max(inside.mean(), 0.05), 1.0))

    @property
    def time(self) -> float:
        """How many batches say as much of a mean as one independent batch."""
        return 1 + 2 * self.share * self.rho / (1 - self.rho)

    def batches(self, n: int) -> float:
        """How many independent batches say as much of the mean distance as n do; at least 1.

        Neighbours' squared distances are alike too, and the mean that they are measured from was theirs to begin with.
        """
        of_squares = 1 + 2 * (self.share * self.rho) ** 2 / (1 - self.rho**2)
        return max((n - self.time) / of_squares, 1.0)


def lag_correlations(apart: Floats) -> Floats:
    """Correlation of vectors that are 1 to LAGS batches apart; shape (columns, LAGS). 0 where nothing moves."""
    own = np.einsum("cnk,cnk->c", apart, apart)
    n = apart.shape[1]
    found = np.stack(
        [np.einsum("cnk,cnk->c", apart[:, lag:], apart[:, : max(n - lag, 0)]) for lag in range(1, LAGS + 1)], axis=1
    )
    return np.asarray(np.where(own[:, None] > 0, found / np.where(own > 0, own, 1.0)[:, None], -1 / n))


def surely_alike(correlations: Floats, n: int) -> NDArray[np.bool_]:
    """Of which tests neighbours are alike beyond chance, by themselves or all together; shape (columns,).

    `correlations` have shape (columns, LAGS).
    """
    first = correlations[:, 0] + 1 / n
    moving = np.abs(first) > 1e-9  # it is 0 where nothing moves
    alone = first > SURE / n**0.5
    if moving.sum() < FEW:
        return np.asarray(alone)
    error = float(first[moving].std()) / float(moving.sum()) ** 0.5
    together = float(first[moving].mean()) > max(SURE * error, FORGOTTEN)
    return np.asarray(alone | (moving & together))


def fitted(correlations: Floats, n: int) -> Wandering:
    """Fit the model to correlations at lags from 1 on, shape (LAGS,), of n batches."""
    known = correlations[: min(LAGS, n - 2)]
    still = around_mean(np.eye(n))
    found = []
    for rho in RHOS:
        level = around_mean(level_correlations(n, float(rho)))
        # known[0] = (a level[1] + (1 - a) still[1]) / (a level[0] + (1 - a) still[0])
        over = (level[1] - still[1]) - known[0] * (level[0] - still[0])
        share = float(np.clip((known[0] * still[0] - still[1]) / over, 0.0, 1.0)) if over > 0 else 1.0
        mixed = share * level + (1 - share) * still
        missed = np.square(mixed[1 : len(known) + 1] / mixed[0] - known).sum()
        found.append((float(missed), Wandering(share, float(rho))))
    return min(found, key=lambda each: each[0])[1]


def level_correlations(n: int, rho: float) -> Floats:
    """Of an AR(1), shape (n, n)."""
    places = np.arange(n)
    return np.asarray(rho ** np.abs(places[:, None] - places[None, :]))


def around_mean(correlations: Floats) -> Floats:
    """Sums of products around the estimated mean at lags from 0 to LAGS, as they are on average; shape (LAGS + 1,)."""
    centred = correlations - correlations.mean(axis=0) - correlations.mean(axis=1, keepdims=True) + correlations.mean()
    return np.array([np.trace(centred, offset=lag) for lag in range(LAGS + 1)])
