"""The ladder on the folds: constant, linear, shallow trees and the declared model, out of fold, on the same rows.

A rung reads in each fold what the model reads there - the same features, encoded from the same rows - so nothing that a
validated row's target says reaches it. The score is the mean of the folds' scores, as cross-validation reports it, and
its interval comes from resamples that all rungs share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.evaluation.baselines import RUNGS, baseline_predictions, describe
from tasks.evaluation.intervals import Bootstrap, Scorer, interval, prepare
from tasks.evaluation.judge import Blocks, compared, task_of
from tasks.metrics import greater_is_better

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from configs.sections.evaluate import Evaluate
    from tasks.model.estimator import TabularModel
    from tasks.training.matrices import Prepared

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Positions = NDArray[np.intp]

MOST_BLOCKS = 200  # that are drawn; more are dealt into so many, at random: as good for a variance, and faster


@dataclass(frozen=True)
class Validated:
    """The training rows that the folds validate.

    Attributes
    ----------
    folds : sequence of arrays of int
        Positions of each fold's validated rows.
    target : array of float, shape (n,)
        Of all training rows.
    blocks : Blocks
        Of all training rows: what is drawn together in a resample.
    """

    folds: Sequence[Positions]
    target: Floats
    blocks: Blocks


def rungs_out_of_fold(prepared: Prepared, model: TabularModel) -> dict[str, list[Floats]]:
    """Fit the rungs below the model in each fold, and predict the rows that it validates.

    Parameters
    ----------
    prepared : Prepared
        What all fits share.
    model : TabularModel
        As declared; it says what a fold's matrix is made of.

    Returns
    -------
    dict of rung to list of arrays of float, shape (m,) or (m, C)
        One array per fold, in the order of its validated rows.
    """
    from tasks.training.matrices import fit_matrices

    rows = prepared.rows
    found: dict[str, list[Floats]] = {name: [] for name in RUNGS}
    for fit in rows.plan.folds:
        matrices, weight = fit_matrices(prepared, fit, model), rows.weights(fit.learnt)
        predicted = baseline_predictions(
            rows.pipeline.task,
            matrices.learnt,
            rows.target[fit.learnt],
            matrices.valid,
            seed=rows.pipeline.train.seed,
            weight=weight,
            classes=len(rows.classes or ()),
        )
        for name, values in predicted.items():
            found[name].append(values)
    return found


def dealt(blocks: Blocks, seed: int, most: int = MOST_BLOCKS) -> Blocks:
    """Deal many blocks at random into fewer that are drawn instead.

    A block of blocks is independent of the others as its members are, so it serves as well; the resample of a hundred
    thousand single rows costs a second each, that of two hundred deals of them a thousandth.

    Parameters
    ----------
    blocks : Blocks
    seed : int
    most : int
        Fewer are left as they are.

    References
    ----------
    The delete-a-group jackknife rests on the same: P. S. Kott (2001), Journal of Official Statistics 17.
    """
    if blocks.count <= most:
        return blocks
    deal = np.random.Generator(np.random.PCG64(seed)).permutation(np.arange(blocks.count) % most)
    return Blocks(deal[blocks.code].astype(np.int64), most, blocks.unit)


def judge_ladder(
    validated: Validated, predictions: Mapping[str, Sequence[Floats]], metric: str, settings: Evaluate, seed: int
) -> dict[str, Any]:
    """Score the model and the rungs below it on the folds, and tell how far they are apart.

    Parameters
    ----------
    validated : Validated
    predictions : mapping of name to one array per fold, shapes (m,) or (m, C)
        `model` and the rungs, from the simplest on.
    metric : str
    settings : Evaluate
    seed : int
        Of the resamples.

    Returns
    -------
    dict
        `model` (value and interval), `rungs` (the same of each, with `description`; `gain`, `gain_low`, `gain_high`:
        how much better the model is; `step`, `step_low`, `step_high`: how much better the rung is than the one below),
        `best_rung`, `folds`, `rows`, `unit`, `blocks`.
    """
    drawn = dealt(validated.blocks, seed)
    parts = [(validated.target[valid], drawn.code[valid]) for valid in validated.folds]
    scorers = {name: (mean_of_folds(metric, parts, made), drawn.count) for name, made in predictions.items()}
    scores = Bootstrap(drawn.count, settings.resamples, seed).scores(scorers)
    table, best = compared(scores, metric, settings.confidence)
    task, sign, below = task_of(metric, predictions["model"][0]), 1 if greater_is_better(metric) else -1, None
    for name, rung in table.items():
        rung["description"] = describe(name, task)
        if below is not None:
            step = interval(scores[name].gain_over(scores[below], sign), settings.confidence)
            rung |= {"step": step.value, "step_low": step.low, "step_high": step.high}
        below = name
    return {
        "model": asdict(interval(scores["model"], settings.confidence)),
        "rungs": table,
        "best_rung": best,
        "folds": len(parts),
        "rows": sum(len(target) for target, _ in parts),
        "unit": drawn.unit,
        "blocks": validated.blocks.count,
    }


def mean_of_folds(metric: str, parts: Sequence[tuple[Floats, Integers]], predictions: Sequence[Floats]) -> Scorer:
    """The mean over the folds of a metric, as a function of how often each block counts.

    Parameters
    ----------
    metric : str
    parts : sequence of (array of float, array of int), shapes (m,)
        Target and block of each fold's validated rows.
    predictions : sequence of arrays of float, shapes (m,) or (m, C)
    """
    scorers: list[tuple[Integers, Scorer]] = []
    for (target, code), prediction in zip(parts, predictions, strict=True):
        present, own = np.unique(code, return_inverse=True)
        scorers.append((present, prepare(metric, target, prediction, own.astype(np.int64), len(present))))
    return lambda counts: sum((scorer(counts[present]) for present, scorer in scorers), 0.0) / len(scorers)


def has_earned(*gains: Mapping[str, Any]) -> bool | None:
    """Whether a model has earned its complexity, by how much better it is than the best rung: first on the folds.

    Parameters
    ----------
    *gains : mappings
        `gain_low` and `gain_high` on the folds, then on the holdout; None where there is no interval.

    Returns
    -------
    bool or None
        True where it is surely better on the first that has an interval, and surely worse nowhere; None where none has.

    Examples
    --------
    >>> surely, perhaps = {"gain_low": 0.01, "gain_high": 0.03}, {"gain_low": -0.01, "gain_high": 0.02}
    >>> has_earned(surely, perhaps), has_earned(perhaps, surely)
    (True, False)
    """
    known = [(gain["gain_low"], gain["gain_high"]) for gain in gains if gain["gain_low"] is not None]
    if not known:
        return None
    return bool(known[0][0] > 0 and all(high >= 0 for _, high in known))
