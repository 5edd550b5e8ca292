"""How far quiet batches are: what one column's history says is steadied by what all columns have in common.

A mean squared distance of n batches is uncertain by its own sampling, and the threshold pays for that. Over what
independent rows would give it is the design effect of a column (L. Kish (1965), "Survey Sampling"): how much farther
batches are than their number of rows says. Where columns have it in common - that of independent rows is 1 for all -
each is drawn towards the mean of its kind of test; where they differ by more than sampling, it is left to each. The
logarithms are normal around a normal prior (empirical Bayes: B. Efron and C. Morris (1973),
doi:10.1080/01621459.1973.10481350) whose variance is that of moments (R. DerSimonian and N. Laird (1986),
doi:10.1016/0197-2456(86)90046-2); what is left of uncertainty has that of the mean in it, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_DIFFERENCE = 1e-3  # variance of the logarithms that is granted to columns: no two are quite alike


class Steadied(NamedTuple):
    """What becomes of expected distances: arrays of shape (tests, m).

    `factor` is what each is multiplied by, `more` how many times as many batches it is worth then.
    """

    factor: Floats
    more: Floats


def steadied(expected: Floats, by_chance: Floats, variance: Floats, kinds: NDArray[np.intp]) -> Steadied:
    """Draw expected distances towards what tests of one kind have in common.

    Parameters
    ----------
    expected : array of float, shape (tests, m)
        Mean squared distances, m times anew: each without one of the batches, or one for all.
    by_chance : array of float, shape (tests,)
        What they would be of independent rows, up to a factor that all of a kind have in common; 0 where that is not
        known.
    variance : array of float, shape (tests, m)
        Of the logarithm of each expected distance, by sampling.
    kinds : array of int, shape (tests,)
        Rows that depend on each other move shares, levels and numbers by more than chance in ways of their own.

    Examples
    --------
    >>> chance, kinds = np.array([1.0, 1.0, 1.0, 0.0]), np.zeros(4, dtype=int)
    >>> found = steadied(np.array([[1.0], [1.2], [0.9], [5.0]]), chance, np.full((4, 1), 0.1), kinds)
    >>> (np.array([1.0, 1.2, 0.9, 5.0]) * found.factor[:, 0]).round(2).tolist()
    [1.03, 1.03, 1.02, 5.0]
    """
    known = (by_chance > 0) & (expected > 0).all(axis=1)
    factor, more = np.ones_like(expected), np.ones_like(expected)
    if known.any():
        logs, own = np.log(expected[known] / by_chance[known, None]), variance[known]
        of_kind = (kinds[known] == np.unique(kinds[known])[:, None]).astype(np.float64)
        prior = np.maximum(difference(logs, own, of_kind), LEAST_DIFFERENCE)
        known_to = of_kind @ (1 / (own + prior))
        mean = (of_kind @ (logs / (own + prior))) / known_to
        drawn = own / (own + prior)
        factor[known] = np.exp(drawn * (of_kind.T @ mean - logs))
        more[known] = 1 / (1 - drawn + np.square(drawn) * (of_kind.T @ (1 / known_to)) / own)
    return Steadied(factor, np.maximum(more, 1.0))


def difference(logs: Floats, variance: Floats, of_kind: Floats) -> Floats:
    """Variance of true values around the mean of their kind, by moments; shapes (tests, m) twice, and (m,)."""
    weights = 1 / variance
    whole = of_kind @ weights
    mean = of_kind.T @ ((of_kind @ (weights * logs)) / whole)
    free = float(of_kind.sum() - len(of_kind))
    spread = (weights * np.square(logs - mean)).sum(axis=0) - free
    scale = (whole - (of_kind @ np.square(weights)) / whole).sum(axis=0)
    return np.asarray(np.maximum(spread, 0.0) / scale if free else np.zeros(logs.shape[1]))
