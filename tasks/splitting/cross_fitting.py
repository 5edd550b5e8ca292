"""One plan of all fits: which rows each learns from, watches and predicts, and whose targets make which encoding.

Every training row belongs to a cell. A fit says by a boolean matrix which cells' sums make the encodings of which rows,
so that leak safety is a property of that matrix, whatever the kind of split:

- `stratified`, `group`: cells are outer fold x inner fold x watched or not; a row is encoded by the other inner folds.
- `time`: forward chaining. Cells are block of time x the first block that begins once the row's target is known; a row
  is encoded by what was known when its block began.
- `time` with groups: cells are parted by group too; a row is encoded by what was known then of other groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from configs.sections.train import Task
from tasks.splitting.folds import (
    MICROSECOND,
    Kind,
    TooFewRowsError,
    group_codes,
    lack,
    microseconds,
    order_keys,
)
from tasks.splitting.forward_chaining import chained
from tasks.splitting.units import dealt, group_units, row_units, spread_share

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.splitting.folds import Integers, Mask

    Positions = NDArray[np.intp]


@dataclass(frozen=True)
class Fit:
    """One fold's fit, or the final one.

    Attributes
    ----------
    learnt, watched, valid : arrays of int
        Positions among the training rows: the model learns from the first, early stopping watches the second, the third
        are predicted out of fold. The final fit has `learnt` only.
    context : array of int, shape (cells,)
        For a learnt row of this cell, the row of `sees` that makes its encoding; -1 where no row of the cell is learnt.
    sees : array of bool, shape (contexts + 1, cells)
        Which cells' sums make the encodings of a context. The last row is what `transform` knows, the cells of all
        learnt rows: it encodes watched, validated and new rows. A context that sees no cell has no history.
    """

    learnt: Positions
    watched: Positions
    valid: Positions
    context: NDArray[np.intp]
    sees: Mask


@dataclass(frozen=True)
class CrossFitting:
    """The plan: the cell of each training row, and the fits of all folds and of the final model."""

    cell: NDArray[np.intp]
    cells: int
    folds: tuple[Fit, ...]
    final: Fit


@dataclass(frozen=True)
class Draw:
    """What training rows are drawn by: one entry per row, in any order, which changes nothing.

    Attributes
    ----------
    target : array of float64, shape (n,)
    task, kind : str
        `pipeline.task` and `pipeline.split_kind`.
    fold : array of int, shape (n,)
        The outer fold that validates the row, -1 for none.
    times : array of int64, shape (n,), or None
        Microseconds since 1970, UTC; needed for kind `time`.
    groups : array of object, shape (n,), or None
        Needed for kind `group`; with kind `time` it keeps groups apart too.
    keys : array of uint64, shape (n,)
        `tasks.splitting.folds.order_keys` of the rows.
    embargo : timedelta
        For kind `time`: `target.known_after` + `split.gap`.
    every_class : bool
        Whether early stopping needs a row of every class to watch.
    classes : tuple of str, or None
        What the numbers of a target of classes are called.
    """

    target: NDArray[np.float64]
    task: Task
    kind: Kind
    fold: NDArray[np.integer]
    times: Integers | None
    groups: NDArray[np.object_] | None
    keys: NDArray[np.uint64]
    embargo: timedelta = timedelta(0)
    every_class: bool = True
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Visibility:
    """Who may see whom, whatever is learnt from: `visible[label[cell]]` are the cells that a row of `cell` may see."""

    cell: NDArray[np.intp]
    label: NDArray[np.intp]
    visible: Mask

    def fit(self, learnt: Mask, watched: Mask, valid: Mask) -> Fit:
        """A fit that learns from the rows of some cells, `learnt`, and watches and validates some rows."""
        labels, row = np.unique(self.label[learnt], return_inverse=True)
        context = np.full(len(learnt), -1, dtype=np.intp)
        context[learnt] = row
        sees = np.vstack([self.visible[labels] & learnt, learnt])
        return Fit(np.flatnonzero(learnt[self.cell]), np.flatnonzero(watched), np.flatnonzero(valid), context, sees)


def cross_fitting(draw: Draw, *, inner: int, share: float, seed: int) -> CrossFitting:
    """Plan the fits of all folds and of the final model.

    Parameters
    ----------
    draw : Draw
    inner : int, >= 2
        `encode.folds`: inner folds, or the least number of blocks of time in each fold's training part; fewer where
        there are fewer groups or instants.
    share : float, 0 < share < 1
        `train.early_stopping_share`: of a fit's training rows, those that early stopping watches.
    seed : int
        `train.seed`.

    Raises
    ------
    TooFewRowsError
        If a fit has nothing to learn from or to watch, lacks a class there, or nothing to encode its rows by.

    References
    ----------
    Cross-fitting: D. Micci-Barreca (2001), doi:10.1145/507533.507538, as in scikit-learn's TargetEncoder. Forward
    chaining: L. J. Tashman (2000), "Out-of-sample tests of forecasting accuracy", doi:10.1016/S0169-2070(00)00065-0.

    Examples
    --------
    >>> keys = np.arange(8, dtype=np.uint64)
    >>> draw = Draw(np.arange(8.0), "regression", "time", np.repeat([-1, 0], 4), np.arange(8), None, keys)
    >>> plan = cross_fitting(draw, inner=3, share=0.25, seed=7)
    >>> plan.cell.tolist(), plan.folds[0].learnt.tolist(), plan.folds[0].watched.tolist()
    ([0, 1, 2, 3, 4, 4, 5, 5], [0, 1, 2], [3])
    """
    refuse_empty_folds(draw.fold)
    plan = forward(draw, inner, share, seed) if draw.kind == "time" else shuffled(draw, inner, share, seed)
    for number, fit in enumerate(plan.folds):
        refuse_fit(draw, fit, f"fold {number} of {len(plan.folds)}")
    return plan


def cross_fitting_of(  # noqa: PLR0913, PLR0917  # one entry per training row in each
    pipeline: Pipeline,
    names: pd.DataFrame,
    target: NDArray[np.float64],
    times: pd.Series | None,
    groups: NDArray[np.object_] | None,
    fold: NDArray[np.integer],
    classes: tuple[str, ...] | None = None,
) -> CrossFitting:
    """The plan that a pipeline declares, over the training rows in their order in the split table.

    Parameters
    ----------
    names : DataFrame, shape (n, 2)
        `_batch` and `_line`.
    target : array of float64, shape (n,)
    times : Series of datetime64[us, UTC], shape (n,), or None
    groups : array of object, shape (n,), or None
    fold : array of int, shape (n,)
        The split table's `fold`.
    classes : tuple of str, or None
        What the numbers of `target` are called where they are classes.
    """
    from tasks.splitting.holdout import embargo, needs_every_class
    from tasks.table import BATCH, LINE

    train, kind = pipeline.train, pipeline.split_kind
    draw = Draw(
        target=target,
        task=pipeline.task,
        kind=kind,
        fold=fold,
        times=None if times is None or kind != "time" else microseconds(times),
        groups=None if kind == "stratified" else groups,
        keys=order_keys(names[BATCH], names[LINE], train.seed),
        embargo=embargo(pipeline),
        every_class=needs_every_class(pipeline),
        classes=classes,
    )
    return cross_fitting(draw, inner=pipeline.inner_folds, share=train.early_stopping_share, seed=train.seed)


def shuffled(draw: Draw, inner: int, share: float, seed: int) -> CrossFitting:
    """The plan of kinds `stratified` and `group`: rows or whole groups are drawn within each outer fold."""
    fold = np.where(draw.fold < 0, draw.fold.max() + 1, draw.fold).astype(np.int64)
    if draw.kind == "group" and draw.groups is not None:
        units = group_units(draw.target, draw.task, fold, draw.keys, groups=draw.groups, seed=seed)
    else:
        units = row_units(draw.target, draw.task, fold, draw.keys)
    watched = spread_share(units, share)
    inner_fold, parts = dealt(units, watched, inner)
    shape = (int(fold.max()) + 1, parts, 2)
    code = np.ravel_multi_index((fold, inner_fold[units.of_row], watched[units.of_row].astype(np.int64)), shape)
    found, cell = np.unique(code, return_inverse=True)
    outer_of, inner_of, is_watched = np.unravel_index(found, shape)
    visibility = Visibility(cell, inner_of, inner_of != np.arange(parts)[:, None])
    folds = tuple(
        visibility.fit(
            (outer_of != number) & (is_watched == 0),
            (draw.fold != number) & watched[units.of_row],
            draw.fold == number,
        )
        for number in range(int(draw.fold.max()) + 1)
    )
    return CrossFitting(cell, len(found), folds, final_fit(visibility))


def forward(draw: Draw, inner: int, share: float, seed: int) -> CrossFitting:
    """The plan of kind `time`, with or without groups."""
    assert draw.times is not None  # noqa: S101  # kind `time` has times
    codes = None if draw.groups is None else group_codes(draw.groups)
    chain = chained(
        draw.times, draw.embargo // MICROSECOND, draw.fold, codes=codes, inner=inner, share=share, seed=seed
    )
    blocks, parts = chain.blocks, chain.parts
    shape = (blocks, blocks + 1, parts)
    known = np.minimum(chain.known, blocks)  # `blocks`: too late for any
    found, cell = np.unique(np.ravel_multi_index((chain.block, known, chain.part), shape), return_inverse=True)
    block_of, known_of, part_of = np.unravel_index(found, shape)
    block, part = np.divmod(np.arange(blocks * parts), parts)
    other = (part_of != part[:, None]) if codes is not None else True
    visibility = Visibility(cell, block_of * parts + part_of, (known_of <= block[:, None]) & other)
    folds = tuple(
        visibility.fit((known_of <= fit.block) & ~fit.apart[part_of], fit.watched, draw.fold == number)
        for number, fit in enumerate(chain.fits)
    )
    return CrossFitting(cell, len(found), folds, final_fit(visibility))


def final_fit(visibility: Visibility) -> Fit:
    """The fit of the model that is kept: it learns from all rows, and nothing is watched or validated."""
    none = np.zeros(len(visibility.cell), dtype=np.bool_)
    return visibility.fit(np.ones(len(visibility.label), dtype=np.bool_), none, none)


def refuse_empty_folds(fold: NDArray[np.integer]) -> None:
    """Raise when there is a fold that validates no row."""
    valid = np.bincount(fold[fold >= 0], minlength=1)
    if not valid.all():
        raise TooFewRowsError(
            f"split.folds: fold {int(np.argmin(valid))} of {len(valid)} validates no row; each needs at least one. "
            "Lower split.folds, or widen split.window.",
            key=("split", "folds"),
        )


def refuse_fit(draw: Draw, fit: Fit, name: str) -> None:
    """Raise when a fit has too little to learn from, to watch, or to encode its rows by."""
    numbers = range(int(draw.target.max()) + 1) if draw.task == "multiclass" else ()
    classes = draw.classes if draw.classes and numbers else tuple(map(str, numbers))
    wanted = {"to learn from": True, "for early stopping to watch": draw.every_class}
    for (what, every), side in zip(wanted.items(), (fit.learnt, fit.watched), strict=True):
        lacking = lack(draw.target[side], draw.task, classes if every else ())
        if lacking:
            raise TooFewRowsError(
                f"train.early_stopping_share: {name}: {lacking} {what}. Give it another value, lower split.folds or "
                "split.gap, or train on more rows (split.window).",
                key=("train", "early_stopping_share"),
            )
    if draw.kind != "time" and len(fit.sees) < 3:
        raise TooFewRowsError(
            f"encode.folds: {name}: the {len(fit.learnt)} rows to learn from are of one inner fold; two are needed, so "
            "that a row is encoded by others. Lower split.folds, or train on more rows or groups (split.window).",
            key=("encode", "folds"),
        )
