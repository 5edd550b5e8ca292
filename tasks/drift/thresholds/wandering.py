"""Levels that wander from batch to batch: how strongly neighbours are alike, and what follows for a batch to come.

The model of a column is a level that is an AR(1) from batch to batch, and chance on top: of lag k the correlation is
share * rho^k. A history of few batches does not tell which share and rho it has, so none is chosen. All of a grid are
kept, weighted by how well they explain the history, and what a quiet batch does is averaged over them: the predictive
distribution of Bayes, whose scale is that of generalised least squares, so that it is Student's for each model.

- **Likelihood**: Whittle's, of the cosine transform (DCT-II) of the vectors, with its exactly expected power in the
  place of the spectral density; so there is no bias of a short history, and the estimated mean is the frequency that
  is left out. A. M. Sykulski, S. C. Olhede, A. P. Guillaumin, J. M. Lilly and J. J. Early (2019), "The debiased Whittle
  likelihood", doi:10.1093/biomet/asy071. The transform all but decorrelates an AR(1): N. Ahmed, T. Natarajan and
  K. R. Rao (1974), "Discrete Cosine Transform", doi:10.1109/T-C.1974.223784.
- **Prior**: what the columns have in common, by expectation and maximisation (empirical Bayes: H. Robbins (1956)), and
  as much as LONE columns of the flat one below. Columns that are alike are estimated together, others by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.thresholds.company import Company

    Floats = NDArray[np.float64]

FEW = 5  # tests from which on they are looked at together
SURE = 3.1  # standard errors from which on a test's neighbours are taken to be alike; one chance in a thousand
SURE_TOGETHER = 2.5  # the same of all together, whose mean has to be above this, too
ALIKE = 0.1
RHOS = np.array([0.15, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98])
SHARES = np.array([0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0])
LONE = 0.2
BORROWED = 1.5  # squared lengths that the columns' common prior says as much as of a single one's level, or chance
STEPS = 60  # of expectation and maximisation
# Models are merged where their quiet batches are about as far: at these cumulative weights.
MERGED_AT = np.array([0.005, 0.02, 0.08, 0.3, 0.7, 0.92, 0.98, 0.995])

AT_RHO = np.concatenate(([0], np.repeat(np.arange(len(RHOS)), len(SHARES))))
SHARE = np.concatenate(([0.0], np.tile(SHARES, len(RHOS))))  # of each model; the first one has chance alone
PRIOR = np.concatenate(([0.05], 0.95 * np.outer(np.full(len(RHOS), 1 / len(RHOS)), np.full(7, 1 / 7)).ravel()))


@dataclass(frozen=True, eq=False)
class Wandering:
    """How tests' levels wander.

    Attributes
    ----------
    weights : array of float, shape (tests, models)
        How probable each model is, by the history.
    scales : array of float, shape (tests, models)
        Mean squared distance of a batch from the mean of all times, by each.
    far : array of float, shape (models,)
        Mean squared distance from the reference, over the scale, of a batch to judge that nothing brings near.
    batches : array of float, shape (models,)
        How many independent squared lengths say as much of that distance.
    """

    weights: Floats
    scales: Floats
    far: Floats
    batches: Floats

    @classmethod
    def of(cls, power: Floats, dimensions: Floats, company: Company) -> Wandering:
        """Fit all models.

        Parameters
        ----------
        power : array of float, shape (tests, n - 1)
            Squared lengths of the transformed vectors, without the mean.
        dimensions : array of float, shape (tests,)
            How many numbers that vary alike say as much as a vector.
        company : Company
        """
        expected = expected_power(company.n)
        scales = power @ (1 / expected).T / company.free
        moves, weights = scales.min(axis=1) > 0, np.broadcast_to(PRIOR, scales.shape).copy()
        logs = np.log(expected).mean(axis=1) + np.log(scales[moves])
        weights[moves] = posterior(-0.5 * dimensions[moves, None] * company.free * logs)
        far = growth_of_batches(company, company.rows.max(keepdims=True), np.array([np.inf]))[:, 0]
        return cls(weights, scales, far, satterthwaite(expected, far, company))

    def part(self, which: slice) -> Wandering:
        """Some of the tests."""
        return Wandering(self.weights[which], self.scales[which], self.far, self.batches)

    def merged(self, growth: Floats) -> Quiet:
        """Models that are about as wide as one.

        Parameters
        ----------
        growth : array of float, shape (models, batches)
            Mean squared distances of batches from their reference, over the scale.
        """
        order = np.argsort(self.scales * self.far, axis=1)
        ordered = np.take_along_axis(self.weights, order, axis=1)
        middle, places = np.cumsum(ordered, axis=1) - ordered / 2, np.empty_like(order)
        np.put_along_axis(places, order, np.searchsorted(MERGED_AT, middle), axis=1)
        own = (places[:, None] == np.arange(len(MERGED_AT) + 1)[:, None]) * self.weights[:, None]
        weights = own.sum(axis=2)
        whole = np.where(weights > 0, weights, 1.0)
        means = (own * self.scales[:, None]) @ growth / whole[:, :, None]
        batches = whole / np.maximum((own / self.batches).sum(axis=2), 1e-9)
        return Quiet(means.swapaxes(1, 2), weights[:, None], batches[:, None])


class Quiet(NamedTuple):
    """How far quiet batches are, by some models.

    Attributes
    ----------
    means : array of float, shape (tests, batches, some)
        Mean squared distances.
    weights, batches : array of float, shape (tests, 1, some)
        How probable each model is, and how many independent squared lengths its mean is of.
    """

    means: Floats
    weights: Floats
    batches: Floats


def satterthwaite(expected: Floats, far: Floats, company: Company) -> Floats:
    """How many independent squared lengths say as much of a distance that is made of level and chance; shape (models,).

    Slow waves tell of the level, quick ones of chance; what is known of the one says little of the other.
    F. E. Satterthwaite (1946), doi:10.2307/3002019, with Fisher's information of each.
    """
    of_chance = (1 - SHARE)[:, None] / expected
    known = np.stack([np.square(part).mean(axis=1) * company.free for part in (1 - of_chance, of_chance)]) + BORROWED
    chance = (1 - SHARE) * (1 + np.square(company.shares[-1]).sum()) / far
    parts = np.square(np.stack([1 - chance, chance]))
    return np.asarray(1 / (parts / known).sum(axis=0))


def posterior(logs: Floats) -> Floats:
    """Probabilities of the models for each test, from log-likelihoods, shape (tests, models)."""
    likelihoods = np.exp(logs - logs.max(axis=1, keepdims=True))
    common = PRIOR
    for _ in range(STEPS):
        found = likelihoods * common
        found /= found.sum(axis=1, keepdims=True)
        common = (LONE * PRIOR + found.sum(axis=0)) / (LONE + len(found))
    return np.asarray(found)


def waves(vectors: Floats) -> Floats:
    """Cosine transform over batches, without the mean; shapes (columns, n, k) and (columns, n - 1, k)."""
    from scipy.fft import dct

    return np.asarray(dct(vectors, axis=1, norm="ortho")[:, 1:])


def expected_power(n: int) -> Floats:
    """Expected power of n batches of variance 1, by each model; shape (models, n - 1)."""
    lags, turns = np.arange(n), np.pi * np.arange(1, n) / n
    # sum over i of the cosine vector's products at a lag, which telescopes
    own = ((n - lags) * np.cos(np.outer(turns, lags)) - np.sin(np.outer(turns, lags)) / np.sin(turns)[:, None]) / n
    own[:, 1:] *= 2
    return of_models((own @ (RHOS[None] ** lags[:, None])).T, np.ones(n - 1))


def of_models(level: Floats, chance: Floats) -> Floats:
    """Level and chance in their shares; shapes (rhos, m), (m,) and (models, m)."""
    return np.asarray(SHARE[:, None] * level[AT_RHO] + (1 - SHARE)[:, None] * chance)


def growth_of_history(company: Company) -> Floats:
    """Mean squared distance of the history's batches from their peers' mean, shape (models, n)."""
    apart = np.eye(company.n) - company.shares[:-1]
    chance = company.smallness(company.rows) + np.square(company.shares[:-1]).sum(axis=1)
    return of_models(np.stack([variances(apart, rho) for rho in RHOS]), chance)


def growth_of_batches(company: Company, rows: Floats, ahead: Floats) -> Floats:
    """Mean squared distance of batches to judge from their peers' mean, shape (models, batches).

    Parameters
    ----------
    company : Company
    rows : array of float, shape (batches,)
    ahead : array of float, shape (batches,)
        How many batches after the newest of the history they come; infinite where nobody knows.
    """
    shares, back = company.shares[-1], np.arange(company.n)[::-1]
    of_mean = np.array([variances(shares[None], rho)[0] for rho in RHOS])
    with_mean = np.stack([(rho ** (ahead[:, None] + back)) @ shares for rho in RHOS])
    chance = company.smallness(rows) + np.square(shares).sum()
    return of_models(1 + of_mean[:, None] - 2 * with_mean, chance)


def variances(weights: Floats, rho: float) -> Floats:
    """Variance of weighted sums of an AR(1) of variance 1; shapes (m, n) and (m,)."""
    from scipy.signal import lfilter

    before = lfilter([1.0], [1.0, -rho], weights, axis=1)
    return np.asarray(2 * np.einsum("mn,mn->m", weights, before) - np.einsum("mn,mn->m", weights, weights))


def likeness(apart: Floats) -> Floats:
    """Correlation of neighbours, shape (columns,), of vectors of shape (columns, n, k); by chance it is -1 / n."""
    own = np.einsum("cnk,cnk->c", apart, apart)
    found = np.einsum("cnk,cnk->c", apart[:, 1:], apart[:, :-1])
    return np.asarray(np.where(own > 0, found / np.where(own > 0, own, 1.0), -1 / apart.shape[1]))


def surely_alike(correlations: Floats, n: int) -> NDArray[np.bool_]:
    """Of which tests neighbours are alike beyond chance, by themselves or all together; both shapes (tests,)."""
    first = correlations + 1 / n
    moving = np.abs(first) > 1e-9  # it is 0 where nothing moves
    alone = first > SURE / n**0.5
    if moving.sum() < FEW:
        return np.asarray(alone)
    error = float(first[moving].std()) / float(moving.sum()) ** 0.5
    together = float(first[moving].mean()) > max(SURE_TOGETHER * error, ALIKE)
    return np.asarray(alone | (moving & together))
