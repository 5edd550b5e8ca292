"""How sure a score is: bootstrap intervals from one pass over seeded resamples.

A resample is a count per block of rows, not a copy of rows. A score is prepared once - sorted, or summed per block -
and then takes nothing but counts, so a thousand ROC AUCs of 28,000 rows cost a second, and all scores see the same
resamples: differences between models are paired.

Rows of one day (or of one group) are late together, so they are drawn together: the resample's unit is the block.
C. A. Field and A. H. Welsh (2007), "Bootstrapping clustered data", doi:10.1111/j.1467-9868.2007.00593.x.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

K = TypeVar("K")
Scorer = Callable[["Integers"], float]  # counts per block -> score, nan where it is not defined

PAIRED_BLOCKS = 4  # blocks squared per row up to which counting pairs of blocks is faster than ranking rows (measured)
UNDEFINED_SHARE = 0.05  # more undefined resamples than this, and an interval over the rest would mislead


@dataclass(frozen=True)
class Interval:
    """A score with its interval; `reason` says why a figure is missing."""

    value: float | None
    low: float | None
    high: float | None
    reason: str | None = None


def resample_counts(blocks: int, resamples: int, seed: int) -> Iterator[Integers]:
    """How often each block is drawn, one resample at a time; each draws `blocks` blocks with replacement.

    >>> [int(counts.sum()) for counts in resample_counts(blocks=5, resamples=3, seed=7)]
    [5, 5, 5]
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    for _ in range(resamples):
        yield np.bincount(generator.integers(0, blocks, blocks), minlength=blocks).astype(np.int64)


def prepare(metric: str, target: Floats, prediction: Floats, block: Integers, blocks: int) -> Scorer:
    """Turn a metric of fixed rows into a function of how often each block of rows counts.

    Parameters
    ----------
    metric : str
        roc_auc, average_precision, log_loss, brier (target 0 or 1, prediction its probability); rmse, mae, r2; of
        several classes roc_auc (macro, one against the rest), log_loss, brier, accuracy.
    target : array of float, shape (n,)
    prediction : array of float, shape (n,) or (n, C)
        A matrix holds the probability of each class 0..C-1, which the target numbers.
    block : array of int, shape (n,), in 0..blocks-1
        The block that each row belongs to.
    blocks : int
        Blocks in all; some may have no row here (a slice).

    Returns
    -------
    callable
        Takes counts of shape (blocks,); gives the metric's value, nan where it is not defined: no row, one class
        (roc_auc, average_precision), a class without a row (roc_auc of several), a constant target (r2).

    Examples
    --------
    >>> rows = np.arange(4)
    >>> score = prepare("roc_auc", np.array([0.0, 1, 0, 1]), np.array([0.1, 0.9, 0.8, 0.4]), rows, 4)
    >>> score(np.array([1, 1, 1, 1])), score(np.array([1, 2, 0, 1]))
    (0.75, 1.0)
    """
    if prediction.ndim == 2:
        return _of_classes(metric, target, prediction, block, blocks)
    if metric == "roc_auc" and blocks**2 <= PAIRED_BLOCKS * len(target):
        return _paired_blocks(target, prediction, block, blocks)
    if metric == "roc_auc":
        return _ranked(target, prediction, block, _area_under_roc)
    if metric == "average_precision":
        return _ranked(target, prediction, block, _average_precision)
    if metric == "r2":
        return _r2(target, prediction, block, blocks)
    loss, finish = _LOSSES[metric]
    return _mean_loss(loss(target, prediction), block, blocks, finish)


def _of_classes(metric: str, target: Floats, prediction: Floats, block: Integers, blocks: int) -> Scorer:
    """Metrics of several classes: a loss per row, or the mean of each class's area under ROC against the rest."""
    if metric != "roc_auc":
        return _mean_loss(_CLASS_LOSSES[metric](target, prediction), block, blocks, float)
    each = [
        prepare(metric, (target == number).astype(np.float64), np.ascontiguousarray(column), block, blocks)
        for number, column in enumerate(prediction.T)
    ]
    return lambda counts: sum((scorer(counts) for scorer in each), 0.0) / len(each)


def _own(target: Floats, prediction: Floats) -> Floats:
    """Probability of each row's actual class; shape (n,)."""
    own: Floats = prediction[np.arange(len(target)), target.astype(np.intp)]
    return own


def _class_log_loss(target: Floats, prediction: Floats) -> Floats:
    told = _own(target, prediction) / prediction.sum(axis=1)
    loss: Floats = -np.log(np.clip(told, np.finfo(np.float64).eps, 1.0))
    return loss


def _class_brier(target: Floats, prediction: Floats) -> Floats:
    loss: Floats = np.square(prediction).sum(axis=1) - 2 * _own(target, prediction) + 1
    return loss


def _is_right(target: Floats, prediction: Floats) -> Floats:
    right: Floats = (prediction.argmax(axis=1) == target).astype(np.float64)
    return right


_CLASS_LOSSES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "log_loss": _class_log_loss,
    "brier": _class_brier,
    "accuracy": _is_right,
}


def _ranked(
    target: Floats, prediction: Floats, block: Integers, score: Callable[[Integers, Integers], float]
) -> Scorer:
    """Positives and negatives per distinct prediction, best first, counted in integers: exact in any order."""
    order = np.argsort(-prediction, kind="stable")
    ranked = prediction[order]
    starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1]))) if len(ranked) else order
    positive, sorted_block = target[order].astype(np.int64), block[order]
    tied = len(starts) < len(order)

    def scorer(counts: Integers) -> float:
        weight = counts[sorted_block]
        positives = weight * positive
        if tied:
            positives, weight = np.add.reduceat(positives, starts), np.add.reduceat(weight, starts)
        return score(positives, weight)

    return scorer if len(order) else lambda counts: float("nan")


def _area_under_roc(positives: Integers, rows: Integers) -> float:
    """Share of (positive, negative) pairs in the right order; a tie is half. Mann and Whitney (1947)."""
    negatives = rows - positives
    above = np.cumsum(positives) - positives
    pairs = int(positives.sum()) * int(negatives.sum())
    return int((negatives * (2 * above + positives)).sum()) / (2 * pairs) if pairs else float("nan")


def _average_precision(positives: Integers, rows: Integers) -> float:
    """Mean precision over the positives, as scikit-learn defines it: no interpolation."""
    found, seen = np.cumsum(positives), np.cumsum(rows)
    if found[-1] in (0, seen[-1]):
        return float("nan")
    precision = found / np.maximum(seen, 1)
    return float((precision * positives).sum() / found[-1])


def _paired_blocks(target: Floats, prediction: Floats, block: Integers, blocks: int) -> Scorer:
    """Area under ROC for few blocks: pairs in order, counted once per pair of blocks, weigh as the blocks' counts do.

    Integers all through, so it is equal to the ranked way to the last bit, at `blocks` squared per resample.
    """
    order = np.argsort(prediction, kind="stable")
    ranked, home, positive = prediction[order], block[order], target[order] > 0
    first = np.searchsorted(ranked, ranked[positive], side="left")
    last = np.searchsorted(ranked, ranked[positive], side="right")
    pairs = np.empty((blocks, blocks), dtype=np.int64)  # twice the ordered pairs: positives' block, negatives' block
    for column in range(blocks):
        negatives = np.concatenate(([0], np.cumsum(~positive & (home == column))))
        pairs[:, column] = np.bincount(home[positive], negatives[first] + negatives[last], minlength=blocks)
    positives = np.bincount(home[positive], minlength=blocks)
    others = np.bincount(home[~positive], minlength=blocks)

    def scorer(counts: Integers) -> float:  # dot products of integers: no BLAS, and exact
        total = 2 * int(counts.dot(positives)) * int(counts.dot(others))
        return int(counts.dot(pairs).dot(counts)) / total if total else float("nan")

    return scorer


def _mean_loss(loss: Floats, block: Integers, blocks: int, finish: Callable[[float], float]) -> Scorer:
    """Sum a loss per block, to give its mean. No dot product: BLAS adds in an order that depends on its threads."""
    rows, total = np.bincount(block, minlength=blocks), np.bincount(block, loss, minlength=blocks)

    def scorer(counts: Integers) -> float:
        drawn = int((counts * rows).sum())
        return finish(float((counts * total).sum()) / drawn) if drawn else float("nan")

    return scorer


def _r2(target: Floats, prediction: Floats, block: Integers, blocks: int) -> Scorer:
    """1 - residual / total sum of squares, the mean being the resample's own."""
    centred = target - target.mean() if len(target) else target
    sums = [
        np.bincount(block, values, minlength=blocks) for values in (centred, centred**2, (target - prediction) ** 2)
    ]
    rows = np.bincount(block, minlength=blocks)

    def scorer(counts: Integers) -> float:
        drawn = int((counts * rows).sum())
        first, second, residual = (float((counts * values).sum()) for values in sums)
        total = second - first**2 / drawn if drawn else 0.0
        return 1 - residual / total if total > 1e-12 * second else float("nan")

    return scorer


def _log_loss(target: Floats, prediction: Floats) -> Floats:
    epsilon = np.finfo(np.float64).eps  # scikit-learn's: a certain and wrong prediction costs 36, not infinity
    sure = np.clip(prediction, epsilon, 1 - epsilon)
    loss: Floats = -np.where(target > 0, np.log(sure), np.log1p(-sure))
    return loss


_LOSSES: dict[str, tuple[Callable[[Floats, Floats], Floats], Callable[[float], float]]] = {
    "log_loss": (_log_loss, float),
    "brier": (lambda target, prediction: (target - prediction) ** 2, float),
    "mae": (lambda target, prediction: np.abs(target - prediction), float),
    "rmse": (lambda target, prediction: (target - prediction) ** 2, lambda mean: mean**0.5),
}


@dataclass(frozen=True)
class Question:
    """A metric of some predictions; `block` is the block of each row, one of the `Bootstrap`'s."""

    metric: str
    target: Floats
    prediction: Floats
    block: Integers

    def part(self, mask: NDArray[np.bool_]) -> Question:
        """Ask the same of some of the rows."""
        return Question(self.metric, self.target[mask], self.prediction[mask], self.block[mask])


@dataclass(frozen=True)
class Score:
    """A metric on the rows as they are and on each resample, nan where it is not defined; `blocks` that have rows."""

    value: float
    resampled: Floats
    blocks: int

    def gain_over(self, other: Score, sign: int) -> Score:
        """How much better this is than another on the same resamples; `sign` is -1 where less is better."""
        gain, resampled = sign * (self.value - other.value), sign * (self.resampled - other.resampled)
        return Score(gain, resampled, min(self.blocks, other.blocks))


@dataclass(frozen=True)
class Bootstrap:
    """Seeded resamples of `blocks` blocks of rows."""

    blocks: int
    resamples: int
    seed: int

    def answer(self, questions: Mapping[K, Question]) -> dict[K, Score]:
        """Score all questions in one pass over the same resamples."""
        return self.scores(
            {
                name: (
                    prepare(question.metric, question.target, question.prediction, question.block, self.blocks),
                    len(np.unique(question.block)),
                )
                for name, question in questions.items()
            }
        )

    def scores(self, scorers: Mapping[K, tuple[Scorer, int]]) -> dict[K, Score]:
        """Resample what is prepared already: each scorer with the number of blocks that have rows of it."""
        drawn = {name: np.empty(self.resamples) for name in scorers}
        for index, counts in enumerate(resample_counts(self.blocks, self.resamples, self.seed)):
            for name, (scorer, _) in scorers.items():
                drawn[name][index] = scorer(counts)
        once = np.ones(self.blocks, dtype=np.int64)
        return {name: Score(scorer(once), drawn[name], blocks) for name, (scorer, blocks) in scorers.items()}


def expanded_tail(confidence: float, blocks: int) -> float:
    """Share of resamples to leave out at each end so that few blocks do not make a too narrow interval.

    The percentile interval is too narrow by the sqrt((n-1)/n) of a plug-in variance and by normal instead of t
    quantiles; this widens it by both: the expanded percentile interval of T. Hesterberg (2015),
    doi:10.1080/00031305.2015.1089789.

    >>> round(expanded_tail(0.95, 10), 4), round(expanded_tail(0.95, 100_000), 4)
    (0.0086, 0.025)
    """
    from scipy.special import ndtr, stdtrit

    tail = (1 - confidence) / 2
    return float(ndtr(stdtrit(blocks - 1, tail) * (blocks / (blocks - 1)) ** 0.5))


def interval(score: Score, confidence: float) -> Interval:
    """Put an expanded percentile interval around a score; what is not defined is None, with a reason."""
    value, blocks = float(score.value), score.blocks
    if np.isnan(value):
        return Interval(
            None, None, None, "not defined: the target takes one value only on these rows, or lacks a class"
        )
    if blocks < 2:
        return Interval(value, None, None, "no interval: all rows belong to one block")
    defined = score.resampled[~np.isnan(score.resampled)]
    missing = len(score.resampled) - len(defined)
    if missing > UNDEFINED_SHARE * len(score.resampled):
        return Interval(value, None, None, f"no interval: not defined in {missing} of {len(score.resampled)} resamples")
    tail = expanded_tail(confidence, blocks)
    low, high = (float(bound) for bound in np.quantile(defined, [tail, 1 - tail]))
    return Interval(value, low, high)
