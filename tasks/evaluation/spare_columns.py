"""Columns whose removal costs nothing: chosen by what they add to predictions of held-out rows, proven by one refit.

Choosing costs next to nothing: TreeSHAP has split each explained row's margin into what each column adds, so a margin
without some columns is a subtraction. Noise adds what makes the loss greater; a copy of another column adds what the
other one would. Neither is proof, since trees without a column grow otherwise. So one model is fitted anew, as the
final one was, without all of the chosen columns, and both predict the held-out rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.sections.train import Task
from tasks.evaluation.intervals import Bootstrap, Interval, Question, interval
from tasks.metrics import greater_is_better

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from configs.sections.evaluate import Evaluate
    from tasks.evaluation.judge import Blocks
    from tasks.model.boosting import BoostedTrees

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Matrix = NDArray[np.float32]

SHARE = 0.05  # of what the model gains over the constant: a loss that surely stays below it, and is not sure at all
DOUBT = 1.0  # standard errors by which a column may seem to help and is tried without all the same
NEGLIGIBLE = 0.01  # of the same: a loss that surely stays below it counts as nothing, even where it is sure


@dataclass(frozen=True)
class Columns:
    """What the trees read, by the columns of it that stand or fall together: one of several classes has C encodings."""

    names: tuple[str, ...]
    places: tuple[tuple[int, ...], ...]

    def mask(self, chosen: Sequence[str]) -> Mask:
        """Which of the trees' features belong to some columns; shape (d,)."""
        found = np.zeros(sum(map(len, self.places)), dtype=np.bool_)
        for name, places in zip(self.names, self.places, strict=True):
            found[list(places)] |= name in chosen
        return found


def columns_of(features: Sequence[str], encoded: Sequence[str], classes: Sequence[str] | None) -> Columns:
    """Take together the encodings of a column that has one per class.

    >>> columns_of(["size", "shop_a", "shop_b"], encoded=["shop"], classes=["a", "b"]).names
    ('size', 'shop')
    """
    parts = {f"{name}_{label}": name for name in encoded for label in classes or ()}
    places: dict[str, list[int]] = {}
    for place, feature in enumerate(features):
        places.setdefault(parts.get(feature, feature), []).append(place)
    return Columns(tuple(places), tuple(map(tuple, places.values())))


def row_losses(task: Task, target: Floats, margin: Floats) -> Floats:
    """What a margin costs each row: its negative log-likelihood, or its squared error; shape (n,)."""
    if task == "regression":
        return np.asarray(np.square(target - margin), dtype=np.float64)
    if task == "binary":
        return np.asarray(np.logaddexp(0.0, margin) - target * margin, dtype=np.float64)
    own = margin[np.arange(len(target)), target.astype(np.intp)]
    return np.asarray(np.logaddexp.reduce(margin, axis=1) - own, dtype=np.float64)


def candidates(task: Task, target: Floats, contributions: Floats, features: Matrix, columns: Columns) -> list[str]:
    """Choose columns that the explained rows are predicted as well without: copies, and the lighter half of the others.

    Trees without a column lean on others that were of no use beside it, so to leave out all that seem useless at once
    is often too much; and each try is a fit on all training rows.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
    target : array of float, shape (n,)
    contributions : array of float, shape (n, d + 1) or (n, C, d + 1)
        From `tasks.evaluation.explain.tree_contributions`.
    features : array of float32, shape (n, d)
    columns : Columns

    Returns
    -------
    list of str
        What to try, in the columns' order; never all columns, and empty where none seems useless.
    """
    added = np.stack([contributions[..., list(places)].sum(axis=-1) for places in columns.places])
    weight, margin = np.abs(added).reshape(len(added), -1).mean(axis=1), contributions.sum(axis=-1)
    doubles = copies(features, columns, weight)
    chosen = {*useless(task, target, margin, added), *doubles}
    if len(chosen) == len(columns.names):
        chosen.discard(int(weight.argmax()))
    lightest = sorted(chosen, key=lambda number: (number not in doubles, weight[number], number))
    tried = lightest[: max(len(chosen.intersection(doubles)), (len(chosen) + 1) // 2)]
    return [columns.names[number] for number in sorted(tried)]


def useless(task: Task, target: Floats, margin: Floats, added: Floats) -> list[int]:
    """Leave out columns, the most harmful first, as long as the mean loss gets no greater beyond `DOUBT`.

    Half of the columns of pure noise seem to help a little on any rows; a doubt lets more of them be tried.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
    target : array of float, shape (n,)
    margin : array of float, shape (n,) or (n, C)
    added : array of float, shape (k, n) or (k, n, C)
        What each column adds to it.

    Returns
    -------
    list of int
        Columns, in the order in which they were left out.
    """
    alone = [row_losses(task, target, margin - each).mean() for each in added]
    losses, chosen = row_losses(task, target, margin), []
    for column in np.argsort(alone, kind="stable").tolist():
        without = row_losses(task, target, margin - added[column])
        worse = without - losses
        if worse.mean() <= DOUBT * worse.std() / len(worse) ** 0.5:
            margin, losses = margin - added[column], without
            chosen.append(column)
    return chosen


def copies(features: Matrix, columns: Columns, weight: Floats) -> list[int]:
    """Columns that put the rows in the order, or in the reverse order, in which a weightier column puts them.

    Trees ask for nothing but the order, so one of such a family is enough: the weightiest is kept.
    """
    families: dict[bytes, list[int]] = {}
    for number, places in enumerate(columns.places):
        if len(places) == 1:
            families.setdefault(order_of(features[:, places[0]]), []).append(number)
    kept = {max(members, key=lambda number: (weight[number], -number)) for members in families.values()}
    return [number for members in families.values() for number in members if number not in kept]


def order_of(values: Matrix) -> bytes:
    """The same for two columns that put rows in one order or in its reverse, with the same gaps.

    >>> order_of(np.array([3, 1, np.nan], np.float32)) == order_of(np.array([-9, -1, np.nan], np.float32))
    True
    """
    levels, rank = np.unique(values, return_inverse=True)  # all gaps are one level, the last
    gaps = np.isnan(values)
    reverse = np.where(gaps, rank, len(levels) - 1 - int(gaps.any()) - rank)
    return min(rank.astype(np.int32).tobytes(), reverse.astype(np.int32).tobytes())


def refitted(trees: BoostedTrees, matrix: Matrix, target: Floats, weight: Floats | None, left_out: Mask) -> Any:
    """Fit the trees again on the same rows, without some features.

    Parameters
    ----------
    trees : BoostedTrees
        Fitted; as many rounds are grown again, from the same seed.
    matrix : array of float32, shape (n, d)
        All features, in the trees' order.
    target : array of float, shape (n,)
    weight : array of float, shape (n,), or None
    left_out : array of bool, shape (d,)

    Returns
    -------
    BoostedTrees
    """
    from sklearn.base import clone

    names = [str(name) for name in trees.feature_names_in_[~left_out]]
    directions = {name: way for name, way in (trees.monotone or {}).items() if name in names}
    again = clone(trees).set_params(rounds=int(trees.booster.num_boosted_rounds()), monotone=directions or None)
    return again.fit(matrix[:, ~left_out], target, weight=weight, names=names)


@dataclass(frozen=True)
class Trial:
    """Held-out rows, and what the model, the model fitted anew without some columns and the constant predict of them.

    All are the trees' own scores: what a calibration that was learned for one of them does to the other is left out.
    """

    target: Floats
    blocks: Blocks
    model: Floats
    without: Floats
    constant: Floats

    def part(self, mask: Mask) -> Trial:
        """Some of the rows."""
        from tasks.evaluation.judge import Blocks

        blocks = Blocks(self.blocks.code[mask], self.blocks.count, self.blocks.unit)
        return Trial(self.target[mask], blocks, self.model[mask], self.without[mask], self.constant[mask])


def judge_trial(trial: Trial, tried: Sequence[str], metric: str, settings: Evaluate, seed: int) -> dict[str, Any]:
    """Tell what removing some columns costs, and whether that counts as nothing.

    It does where no loss is sure and surely none is beyond `SHARE` of what the model gains over the constant, or where
    surely none is beyond `NEGLIGIBLE` of it.

    Parameters
    ----------
    trial : Trial
    tried : sequence of str
        The columns that were left out.
    metric : str
    settings : Evaluate
    seed : int
        Of the resamples.

    Returns
    -------
    dict
        `tried`, `columns` (proven: all that were tried, or none), `rows`, `value` with them and `value_without`,
        `gain`, `gain_low`, `gain_high` (how much better it is without them; negative is a loss), `allowed` (`SHARE` of
        the gain over the constant), `reason` where nothing could be told.
    """
    sign = 1 if greater_is_better(metric) else -1
    predictions = {"model": trial.model, "without": trial.without, "constant": trial.constant}
    scores = Bootstrap(trial.blocks.count, settings.resamples, seed).answer(
        {name: Question(metric, trial.target, made, trial.blocks.code) for name, made in predictions.items()}
    )
    gain = interval(scores["without"].gain_over(scores["model"], sign), settings.confidence)
    worth = interval(scores["model"].gain_over(scores["constant"], sign), settings.confidence)
    allowed = None if worth.value is None else SHARE * worth.value
    reason = why_not_told(gain, worth)
    proven = not reason and costs_nothing(gain, worth.value or 0.0)
    return {
        "tried": list(tried),
        "columns": list(tried) if proven else [],
        "rows": len(trial.target),
        "value": interval(scores["model"], settings.confidence).value,
        "value_without": interval(scores["without"], settings.confidence).value,
        "gain": gain.value,
        "gain_low": gain.low,
        "gain_high": gain.high,
        "allowed": allowed,
        "reason": reason,
    }


def why_not_told(gain: Interval, worth: Interval) -> str | None:
    """Why a removal cannot be judged; None where it can."""
    if gain.low is None or worth.low is None:
        return gain.reason or worth.reason
    return "the model is not surely better than the constant" if worth.low <= 0 else None


def costs_nothing(gain: Interval, worth: float) -> bool:
    """Whether a gain is a loss that counts as nothing beside what the model is worth.

    >>> costs_nothing(Interval(0.001, -0.002, 0.004), worth=0.1), costs_nothing(Interval(-0.002, -0.003, -0.001), 0.1)
    (True, False)
    """
    if gain.low is None or gain.high is None:
        return False
    return gain.low >= -NEGLIGIBLE * worth or (gain.low >= -SHARE * worth and gain.high >= 0)


def nothing_tried(columns: int) -> dict[str, Any]:
    """What is told where every column makes the explained rows' predictions better, or there is no other one."""
    told = dict.fromkeys(("value", "value_without", "gain", "gain_low", "gain_high", "allowed"))
    reason = "the model reads one column alone" if columns == 1 else None
    return {"tried": [], "columns": [], "rows": 0, **told, "reason": reason}
