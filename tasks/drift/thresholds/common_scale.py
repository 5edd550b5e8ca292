"""How far quiet batches are: what one column's history says is steadied by what all columns have in common.

A mean squared distance of n batches is uncertain by its own sampling, and the threshold pays for that. Over what
independent rows would give it is the design effect of a column (L. Kish (1965), "Survey Sampling"): how much farther
batches are than their number of rows says. Where columns have it in common - that of independent rows is 1 for all -
each is drawn towards their mean; where they differ by more than sampling, it is left to each. The logarithms are normal
around a normal prior (empirical Bayes: B. Efron and C. Morris (1973), doi:10.1080/01621459.1973.10481350) whose
variance is that of moments (R. DerSimonian and N. Laird (1986), doi:10.1016/0197-2456(86)90046-2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEW = 3  # tests, from which on they have something in common
LEAST_DIFFERENCE = 1e-3  # variance of the logarithms that is granted to columns: no two are quite alike


class Steadied(NamedTuple):
    """What becomes of expected distances: arrays of shape (tests, m).

    `factor` is what each is multiplied by, `more` how many times as many batches it is worth then.
    """

    factor: Floats
    more: Floats


def steadied(expected: Floats, by_chance: Floats, variance: Floats) -> Steadied:
    """Draw expected distances towards what tests have in common.

    Parameters
    ----------
    expected : array of float, shape (tests, m)
        Mean squared distances, m times anew: each without one of the batches, or one for all.
    by_chance : array of float, shape (tests,)
        What they would be of independent rows, up to a factor that all have in common; 0 where that is not known.
    variance : array of float, shape (tests,)
        Of the logarithm of an expected distance, by sampling.

    Examples
    --------
    >>> found = steadied(np.array([[1.0], [1.2], [0.9], [5.0]]), np.array([1.0, 1.0, 1.0, 0.0]), np.full(4, 0.1))
    >>> (np.array([1.0, 1.2, 0.9, 5.0]) * found.factor[:, 0]).round(2).tolist()
    [1.03, 1.03, 1.02, 5.0]
    """
    known = (by_chance > 0) & (expected > 0).all(axis=1)
    factor, more = np.ones_like(expected), np.ones_like(expected)
    if known.sum() >= FEW:
        logs, own = np.log(expected[known] / by_chance[known, None]), variance[known, None]
        prior = np.maximum(difference(logs, own), LEAST_DIFFERENCE)
        mean = (logs / (own + prior)).sum(axis=0) / (1 / (own + prior)).sum(axis=0)
        factor[known] = np.exp((mean - logs) * own / (own + prior))
        more[known] = (own + prior) / prior
    return Steadied(factor, more)


def difference(logs: Floats, variance: Floats) -> Floats:
    """Variance of true values around their mean, by moments; shapes (tests, m), (tests, 1) and (m,)."""
    weights = 1 / variance
    mean = (weights * logs).sum(axis=0) / weights.sum()
    spread = (weights * np.square(logs - mean)).sum(axis=0) - (len(logs) - 1)
    return np.asarray(np.maximum(spread / (weights.sum() - np.square(weights).sum() / weights.sum()), 0.0))
