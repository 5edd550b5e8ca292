"""The one threshold of all columns and tests.

A batch's statistic is the largest surprise, -log(p), over all of them. The same was computed for each pseudo-batch of
the history, from the others; so the k-th largest of n is passed by a new batch with probability k / (n + 1) when the
batches are exchangeable, whatever depends on what among columns and tests, and whether the p-values are right or not.
V. Vovk, A. Gammerman and G. Shafer (2005), "Algorithmic Learning in a Random World", doi:10.1007/b106715.

A mix may change in as many directions as there are levels, so more must change until it is as improbable. It weighs
twice as much as other tests, whose p-values count as P / w with w = 1/2: C. R. Genovese, K. Roeder and L. Wasserman
(2006), doi:10.1093/biomet/93.3.509.

Where the budget is smaller than 1 / (n + 1), or neighbouring batches are alike, the largest surprises are continued by
an exponential tail (that of -log(p) where p-values are right) with the uncertainty of its scale: the exact predictive
distribution of an exponential whose scale is estimated from j values is Pareto's. It is wider, and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WEIGHTS = {"mix": 1.0}
OTHERS_WEIGH = 0.5
TAIL_SHARE = 4  # one in so many pseudo-batches, the most surprising ones, tells of the tail
FEWEST_IN_TAIL = 3
MISFIT = 0.001  # probability of as many alarms in the history, below which the p-values are not believed
SURE = 2.33  # standard errors, one chance in a hundred, from which on neighbouring batches are taken to be alike


@dataclass(frozen=True)
class Threshold:
    """What a quiet batch's largest surprise passes as often as the budget says.

    Attributes
    ----------
    value : float
        In -log(p); infinite where there is no history.
    widened : str or None
        Why it is wider than a long history would make it, and how much.
    """

    value: float
    widened: str | None = None


def weight_of(test: str) -> float:
    """What a test's p-value is divided by."""
    return WEIGHTS.get(test, OTHERS_WEIGH)


def family_threshold(surprises: Floats, alpha: float, wandering_tests: float = 0.0) -> Threshold:
    """Find the threshold for a rate of false alarms.

    Parameters
    ----------
    surprises : array of float, shape (n,)
        The largest surprise of each pseudo-batch, in order of time.
    alpha : float
        False alarms per batch.
    wandering_tests : float
        How much the tests weigh together, if levels wander from batch to batch; else 0. Few batches are independent
        then, so that their largest surprises tell little, while each p-value reckons with it.

    Examples
    --------
    >>> family_threshold(np.arange(99.0) % 7, 0.5).value > 2
    True
    """
    n = len(surprises)
    if n < FEWEST_IN_TAIL + 1:
        return Threshold(float("inf"), f"the history has {n} batches of that size; with fewer than 4 nothing is judged")
    ordered = np.sort(surprises)[::-1]
    if wandering_tests:
        return of_wandering(surprises, ordered, alpha, wandering_tests)
    time, rank = clustering(surprises, SURE), alpha * (n + 1)
    if time == 1.0 and rank >= 1:
        return Threshold(at_rank(ordered, rank))
    return continued(ordered, alpha, time)


def of_wandering(surprises: Floats, ordered: Floats, alpha: float, tests: float) -> Threshold:
    """Sidak's, unless the history surely passed it oftener than the budget says: then what the history shows."""
    from scipy.special import pdtrc

    n, sidak = len(surprises), -float(np.log(-np.expm1(np.log1p(-alpha) / tests)))
    passed = int((surprises > sidak).sum())
    if passed and pdtrc(passed - 1, n * alpha) < MISFIT:
        return continued(ordered, alpha, clustering(surprises, 0.0))
    return Threshold(sidak, f"levels wander from batch to batch, so {n} batches show less of it")


def continued(ordered: Floats, alpha: float, time: float) -> Threshold:
    """Continue the largest surprises, which come first, by an exponential tail."""
    n, rank = len(ordered), alpha * (len(ordered) + 1)
    tail = min(max(FEWEST_IN_TAIL, n // TAIL_SHARE, int(np.ceil(2 * rank))), n - 1)
    bound, effective = float(ordered[tail]), tail / time
    scale = max(float(ordered[:tail].mean()) - bound, 1.0)
    beyond = effective * scale * ((tail / rank) ** (1 / effective) - 1)
    sure = scale * np.log(tail / rank)
    reasons = [f"{n} batches of history do not show what happens once in {1 / alpha:.0f}"] if rank < 1 else []
    reasons += [f"neighbouring batches are alike, so {n} say as much as {n / time:.0f}"] if time > 1 else []
    return Threshold(bound + beyond, f"{'; '.join(reasons)}: {(bound + beyond) / (bound + sure):.2f} times as wide")


def at_rank(ordered: Floats, rank: float) -> float:
    """The surprise that is passed by `rank` of n + 1, between two of the history on a logarithmic scale."""
    place = min(int(rank), len(ordered))
    upper = float(ordered[place - 1])
    if place >= len(ordered):
        return upper
    step = np.log(rank / place) / np.log((place + 1) / place)
    return upper + (float(ordered[place]) - upper) * float(step)


def clustering(surprises: Floats, sure: float) -> float:
    """How many pseudo-batches say as much as one independent one; 1 unless neighbours are `sure`ly alike."""
    n = len(surprises)
    apart = surprises - surprises.mean()
    own = float(np.einsum("i,i->", apart, apart))
    if own <= 0:
        return 1.0
    raw = float(np.einsum("i,i->", apart[1:], apart[:-1])) / own
    if (raw + 1 / n) * n**0.5 <= sure:
        return 1.0
    alike = min((raw + 1 / n) / max(1 - 3 / n, 0.25), 0.98)
    return min((1 + alike) / (1 - alike), n / 3)
