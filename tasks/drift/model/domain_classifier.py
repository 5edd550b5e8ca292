"""Adversarial validation: whether a classifier can tell a batch's rows from the reference's, in any way at all.

It sees what no column shows alone: columns that are exchanged, a correlation that is gone. Its figure is the area under
ROC of trees that were not trained on the rows they judge. 0.55 is no proof of drift: neighbours in
time are alike, and trees tell one quiet stretch from another. So the label "batch" is given, in turn, to stretches of
the reference of the batch's length, as a permutation test does with whole blocks, and the batch must stand out
among them. A permutation of single rows would take autocorrelation for drift.

S. Bickel, M. Brückner, T. Scheffer (2009), "Discriminative Learning Under Covariate Shift", JMLR 10; D. Lopez-Paz,
M. Oquab (2017), "Revisiting Classifier Two-Sample Tests", arXiv:1610.06545. Permutation of blocks: P. Good (2005),
"Permutation, Parametric and Bootstrap Tests of Hypotheses".
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.model.classifier_rows import (
    ComparedRows,
    compared_rows,
    in_order,
    names_the_time,
    ordered_sample,
    stretch_numbers,
)
from tasks.drift.model.history import LEAST_STRETCHES, Null
from tasks.metrics import roc_auc
from tasks.model.device import thread_count

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.drift.profile.profile import Profile

    Matrix = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

LEAST_ROWS = 30  # of a stretch in the sample: fewer tell nothing
MOST_ROWS = 1000  # of a stretch: more tell little more, and cost
MOST_STRETCHES = 60  # that the label is given to
OTHERS = 2000  # rows that a stretch is told apart from
FOLDS = 3
LEAST_EFFECT = 0.02  # of the area under ROC, above what stretches usually have
ROUNDS = 25
TREES = {
    "objective": "binary:logistic",
    "max_depth": 3,
    "learning_rate": 0.25,
    "max_bin": 32,
    "tree_method": "hist",
    "nthread": 1,  # stretches run side by side
    "verbosity": 0,
}


@dataclass(frozen=True)
class Multivariate:
    """How well a batch can be told from the reference, and how well quiet stretches can.

    Attributes
    ----------
    statistic : float or None
        Area under ROC, 0.5 where the batch cannot be told from the reference.
    interval : (float, float) or None
        Where quiet stretches of the reference lie, but for a share `alpha` beyond each end.
    p_value : float or None
        How often a quiet batch would be told apart as well.
    alarmed : bool
    told_by : tuple of str
        The columns that tell most, the first most; the trees' gain.
    left_out : tuple of str
        Columns that name the time by themselves, such as a month.
    rows : int
        Of the batch and of each stretch.
    stretches : int
        Of the reference, that the label was given to.
    widened : str or None
        How the interval was widened where the history is too short for `alpha`.
    off : str or None
        Why the test was not made.
    """

    statistic: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    alarmed: bool = False
    told_by: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    rows: int = 0
    stretches: int = 0
    widened: str | None = None
    off: str | None = None

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        if self.off is not None or self.interval is None:
            return f"The multivariate test is off: {self.off}."
        low, high = self.interval
        by = f"; most by {', '.join(self.told_by)}" if self.alarmed and self.told_by else ""
        return (
            f"A classifier tells the batch from the reference with an area under ROC of {self.statistic:.3f}{by}; "
            f"quiet stretches of the reference give {low:.3f} to {high:.3f} ({self.stretches} of {self.rows} rows)."
        )


def domain_classifier(batch: pa.Table, profile: Profile, *, alpha: float, seed: int = 7) -> Multivariate:
    """Tell a batch from the profile's sample, and hold that against what quiet stretches of the sample give.

    Parameters
    ----------
    batch : pa.Table
        Typed rows, in order of time unless a column says it.
    profile : Profile
        Its sample is put in order by `_batch` and `_line`, or by the time column.
    alpha : float, 0 to 1
        This test's share of the false alarms per batch.
    seed : int
        Of the trees.

    Returns
    -------
    Multivariate
        The batch is thinned to as many rows as a stretch of its length has in the sample: with more it could be told
        apart better than any of them, and quiet batches would alarm.

    Notes
    -----
    Where batches are shorter than a week, stretches are of all weekdays, and a batch is held against all of them: the
    rate of false alarms is kept over a week, not on each day of it.
    """
    if profile.sample is None or not profile.sample.num_rows:
        return Multivariate(off="the profile has no sample of rows (`profile: {rows: 0}`)")
    sample = ordered_sample(profile)
    if sample is None:
        return Multivariate(off="the sample's rows have no order: neither `_batch` nor a column of time")
    rows, history = batch.num_rows, max(profile.total.rows, sample.num_rows)
    length = min(rows, round(rows * sample.num_rows / history))
    features = [name for name, role in profile.grid.roles.items() if role == "feature"]
    compared = compared_rows(in_order(batch, profile.grid.time), sample, features)
    off = why_off(length, rows, sample.num_rows, len(compared.names))
    return Multivariate(off=off) if off else told_apart(compared, length, alpha, seed)


def why_off(length: int, batch: int, sample: int, columns: int) -> str | None:
    """Why the test cannot be made, if it cannot."""
    if not columns:
        return "batch and sample share no column that could be compared"
    if batch < LEAST_ROWS:
        return f"the batch has {batch} rows; {LEAST_ROWS} are needed"
    if length < LEAST_ROWS:
        return (
            f"the sample has {length} rows of a stretch of {batch}; {LEAST_ROWS} are needed (a longer batch has more)"
        )
    if sample // length < LEAST_STRETCHES + 1:
        return f"the reference is {sample / length:.1f} times as long as the batch; {LEAST_STRETCHES + 1} are needed"
    return None


def told_apart(compared: ComparedRows, length: int, alpha: float, seed: int) -> Multivariate:
    """Make the test; see `domain_classifier`."""
    stretch = stretch_numbers(len(compared.reference), length)
    naming = names_the_time(compared.reference, stretch)
    left_out = tuple(name for name, names in zip(compared.names, naming, strict=True) if names)
    if naming.all():
        return Multivariate(off="every column names the time by itself", left_out=left_out)
    rows, kept = compared.only(~naming), min(length, MOST_ROWS)
    batch = rows.batch[spread_positions(len(rows.batch), kept)]
    found, gains = area_of(rows.reference, stretch, batch, seed)
    null = Null(quiet_areas(rows.reference, stretch, kept, seed))
    high = max(null.threshold(alpha), float(np.median(null.values)) + LEAST_EFFECT)
    told_by = tuple(rows.names[index] for index in np.argsort(-gains, kind="stable")[:3] if gains[index] > 0)
    return Multivariate(
        statistic=found,
        interval=(-Null(-null.values).threshold(alpha), high),
        p_value=null.p_value(found),
        alarmed=found > high,
        told_by=told_by,
        left_out=left_out,
        rows=kept,
        stretches=len(null.values),
        widened=null.widened(alpha),
    )


def quiet_areas(reference: Matrix, stretch: Integers, kept: int, seed: int) -> Floats:
    """The area under ROC of stretches of the reference, each told from the rest of it; shape (k,)."""
    count = int(stretch.max()) + 1
    chosen = spread_positions(count, min(count, MOST_STRETCHES))

    def area(number: int) -> float:
        inside = np.flatnonzero(stretch == number)
        inside = inside[spread_positions(len(inside), kept)]
        outside = stretch != number
        return area_of(reference[outside], stretch[outside], reference[inside], seed)[0]

    with ThreadPoolExecutor(max(1, min(thread_count(), len(chosen)))) as pool:
        return np.array(list(pool.map(area, chosen.tolist())))


def area_of(reference: Matrix, stretch: Integers, inside: Matrix, seed: int) -> tuple[float, Floats]:
    """Tell rows from the reference, each by trees that learned from other stretches of both.

    Parameters
    ----------
    reference : array, shape (r, d)
    stretch : array of int, shape (r,)
        Rows of one stretch are in one fold.
    inside : array, shape (n, d)
        In order of time: its folds are thirds of it.
    seed : int

    Returns
    -------
    float, and array of float, shape (d,)
        The mean area under ROC of the folds, and what each column gained the trees.
    """
    kept = spread_positions(len(reference), min(len(reference), OTHERS))
    fold = np.concatenate([stretch[kept] % FOLDS, np.arange(len(inside)) * FOLDS // len(inside)])
    rows = np.concatenate([reference[kept], inside])
    label = np.repeat([0.0, 1.0], [len(kept), len(inside)])
    found = [fold_area(rows, label, fold == number, seed) for number in range(FOLDS)]
    return float(np.mean([area for area, _ in found])), np.sum([gain for _, gain in found], axis=0)


def fold_area(rows: Matrix, label: Floats, judged: NDArray[np.bool_], seed: int) -> tuple[float, Floats]:
    """Learn from the other folds, judge by one; 0.5 where one holds no row of either kind."""
    import xgboost

    learnt = label[~judged]
    ones = learnt.sum()
    nothing = np.zeros(rows.shape[1])
    if not 0 < ones < len(learnt) or not 0 < label[judged].sum() < judged.sum():
        return 0.5, nothing
    settings = {**TREES, "seed": seed, "scale_pos_weight": float((len(learnt) - ones) / ones)}
    booster = xgboost.train(settings, xgboost.DMatrix(rows[~judged], learnt), ROUNDS)
    scores = booster.inplace_predict(rows[judged]).astype(np.float64)
    for name, gain in booster.get_score(importance_type="total_gain").items():
        nothing[int(name[1:])] = gain
    return roc_auc(label[judged], scores), nothing


def spread_positions(rows: int, wanted: int) -> Integers:
    """Positions of some of the rows, evenly spread from the first to the last.

    >>> spread_positions(10, 3).tolist()
    [1, 5, 8]
    """
    return np.asarray((np.arange(wanted) + 0.5) * rows / wanted, dtype=np.int64)
