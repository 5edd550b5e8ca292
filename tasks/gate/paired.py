"""Champion and challenger on the same rows and the same resamples: how much better one is, and how sure that is.

What is scored is anything that follows from counts per block of rows (`tasks.evaluation.intervals.Scorer`): a metric,
a cost per row, a calibration error, a distance of groups. Both models are scored on each resample, so that what makes a
day hard for both cancels out.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tasks.evaluation.intervals import Interval, Score, Scorer, interval, prepare, resample_counts

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tasks.evaluation.judge import Blocks
    from tasks.model.decision import Decision

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]

K = TypeVar("K", bound=Hashable)
CHALLENGER, CHAMPION = "challenger", "champion"


@dataclass(frozen=True)
class Asked:
    """Something to score, and the number of blocks that have rows of it."""

    scorer: Scorer
    blocks: int


@dataclass(frozen=True)
class Window:
    """Held-out rows that neither model was trained on, and what both predict of them, in one order.

    Attributes
    ----------
    frame : DataFrame, shape (n, d)
        Typed columns: inputs, slices and protected columns.
    target : array of float, shape (n,)
    blocks : Blocks
        What is drawn together in a resample.
    predictions : mapping of side to array of float, shape (n,) or (n, C)
        `challenger`, and `champion` where there is one.
    decisions : mapping of side to Decision
        How each side has learned to decide; a side that has not is not there.
    classes : tuple of str
        Names of several classes, in the order of their numbers.
    """

    frame: pd.DataFrame
    target: Floats
    blocks: Blocks
    predictions: Mapping[str, Floats]
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    classes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.target)

    def metric(self, metric: str, prediction: Floats, mask: Mask | None = None) -> Asked:
        """Ask for a metric of predictions, on some of the rows."""
        chosen = np.ones(self.rows, dtype=np.bool_) if mask is None else mask
        code = self.blocks.code[chosen]
        scorer = prepare(metric, self.target[chosen], prediction[chosen], code, self.blocks.count)
        return Asked(scorer, len(np.unique(code)))

    def mean(self, values: Floats) -> Asked:
        """Ask for the mean of a value per row."""
        one_level = np.zeros(self.rows, dtype=np.int64)
        sums, rows = (self.sums(one_level, 1, each)[:, 0] for each in (values, np.ones(self.rows)))
        return self.asked(lambda counts: float((counts * sums).sum() / (counts * rows).sum()))

    def asked(self, scorer: Scorer) -> Asked:
        """Ask for something of all rows."""
        return Asked(scorer, self.blocks.count)

    def sums(self, code: Integers, levels: int, values: Floats) -> Floats:
        """Sum a value per row over the rows of each block and level (0..levels-1); shape (blocks, levels)."""
        cell, cells = self.blocks.code * levels + code, self.blocks.count * levels
        total = np.bincount(cell, weights=values, minlength=cells).astype(np.float64)
        return total.reshape(self.blocks.count, levels)


@dataclass(frozen=True)
class Contest:
    """What a verdict is made from.

    Attributes
    ----------
    newest : Window
        The challenger's holdout, without rows that the champion was trained on; it may have no row.
    anchor : Window or None
        Rows older than those that the challenger was trained on, which neither was trained on.
    champion : str or None
        The champion's version; None when there is none yet, and then no window has its predictions.
    rows : mapping
        Rows of each window, and those left out.
    why_no_anchor : str
        Said where `anchor` is None.
    incomparable : str
        Why the champion cannot be asked about these rows; '' where it can.
    seed_alone : bool
        Whether it is known that both were trained from the same code, rows, parameters and libraries.
    explanation : float or None
        Total variation distance of both models' shares of the explanation, 0 to 1.
    leak_audit : mapping or None
        What training wrote: `outcome` and `reason`.
    sizes : mapping of side to bytes
    seconds : mapping of side to seconds
        One row's prediction.
    inputs : tuple of str
        Columns that the challenger reads.
    twins : callable
        Predictions of the newest rows by as many models like the challenger, with other seeds. Costs trainings.
    other_libraries : sequence of str
        Libraries that shape results and that the champion was made with in other versions, in words.
    golden_ulps : int
        By how many 32-bit floats the predictions of its golden batch differ here at the most; 0 where nothing does.
    told_only : bool
        Whether that is measured too which no declared budget limits: the calibration error, which is dear to resample.
    """

    newest: Window
    anchor: Window | None
    champion: str | None
    rows: Mapping[str, int]
    why_no_anchor: str
    incomparable: str
    seed_alone: bool
    explanation: float | None
    leak_audit: Mapping[str, Any] | None
    sizes: Mapping[str, int]
    seconds: Mapping[str, float]
    inputs: tuple[str, ...]
    twins: Callable[[int], Sequence[Floats]]
    other_libraries: Sequence[str] = ()
    golden_ulps: int = 0
    told_only: bool = True


def adder(sums: Floats) -> Callable[[Integers], Floats]:
    """What adds up sums per block as often as each block is drawn.

    In the order of the blocks, so no BLAS, which adds in an order that depends on its threads; where blocks are single
    rows nearly all sums are zero, and left out.

    Parameters
    ----------
    sums : array of float, shape (blocks, levels)

    Returns
    -------
    callable
        Takes counts of shape (blocks,), gives totals of shape (levels,).

    Examples
    --------
    >>> adder(np.array([[1.0, 0.0], [0.5, 2.0]]))(np.array([1, 2])).tolist()
    [2.0, 4.0]
    """
    block, level = np.nonzero(sums)
    values, levels = sums[block, level], sums.shape[1]

    def total(counts: Integers) -> Floats:
        return np.asarray(np.bincount(level, weights=counts[block] * values, minlength=levels), dtype=np.float64)

    return total


@dataclass(frozen=True)
class Resampling:
    """How often, from which seed and with which confidence scores are resampled."""

    resamples: int
    confidence: float
    seed: int

    def scores(self, asked: Mapping[K, Asked], blocks: int) -> dict[K, Score]:
        """Score everything in one pass over the same resamples."""
        found = {name: np.empty(self.resamples) for name in asked}
        for index, counts in enumerate(resample_counts(blocks, self.resamples, self.seed)):
            for name, each in asked.items():
                found[name][index] = each.scorer(counts)
        once = np.ones(blocks, dtype=np.int64)
        return {name: Score(each.scorer(once), found[name], each.blocks) for name, each in asked.items()}

    def interval(self, score: Score) -> Interval:
        """Put an interval around one score."""
        return interval(score, self.confidence)

    def gain(self, challenger: Score, champion: Score, sign: int) -> Interval:
        """Put an interval around how much better the challenger is; `sign` is -1 where less is better."""
        return self.interval(challenger.gain_over(champion, sign))

    def luck(self, scores: Sequence[float]) -> float:
        """How far two models of one recipe may be apart by their seeds alone, at this confidence.

        Parameters
        ----------
        scores : sequence of float, at least 2
            Scores of models that differ by their seed, on the same rows.

        Returns
        -------
        float, >= 0
            Student's half-width for the difference of two such scores, in units of the score.

        Examples
        --------
        >>> round(Resampling(100, 0.95, 7).luck([0.70, 0.71, 0.72]), 4)
        0.0608
        """
        from scipy.special import stdtrit

        quantile = float(stdtrit(len(scores) - 1, (1 + self.confidence) / 2))
        return quantile * float(np.std(scores, ddof=1)) * 2**0.5


def independent(score: Score) -> Score:
    """The same score on resamples that have nothing to do with those of other rows: each is taken one place later.

    Resamples of two windows with equally many blocks are the same draws.
    """
    return replace(score, resampled=np.roll(score.resampled, 1))


def widened(found: Interval, half_width: float) -> Interval:
    """Widen an interval by a source of doubt that is independent of the rows: half-widths add up as squares do."""
    if found.value is None or found.low is None or found.high is None:
        return found
    if not np.isfinite(half_width):
        return Interval(found.value, None, None, "no interval: the doubt that it is widened by is not defined")
    low, high = (float(np.hypot(found.value - bound, half_width)) for bound in (found.low, found.high))
    return Interval(found.value, found.value - low, found.value + high, found.reason)
