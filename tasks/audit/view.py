"""What the probes look at: the training rows as arrays, with the declared folds; thinned where that loses nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import clone

from configs.sections.train import Task
from tasks.splitting.folds import microseconds, order_keys
from tasks.table import BATCH, LINE

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tasks.audit.beside import Beside
    from tasks.model.estimator import TabularModel
    from tasks.training.matrices import Prepared

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Positions = NDArray[np.intp]
    Mask = NDArray[np.bool_]

MOST_ROWS = 60_000  # that probes of single columns look at
OWN_ROWS = 6000  # that a user's own transformer is fitted on, and as many that it makes features of


@dataclass(frozen=True)
class Levels:
    """A column as levels: `codes` from 0 to `count` - 1, one of which may stand for a missing value."""

    codes: Positions
    count: int


@dataclass(frozen=True)
class View:
    """The rows and columns that are probed; n rows.

    Attributes
    ----------
    task : str
    classes : int
        Of the target; 1 for a regression.
    target : array of float, shape (n,)
    raw_target : array of float, shape (n,), or None
        The number that a binary target is made from.
    target_name, raw_name : str
        How the YAML calls them.
    numbers : dict of column to array of float, shape (n,)
        Features that are numbers, NaN where missing.
    levels : dict of column to Levels
        Features that are categories.
    beside : dict of column to Levels
        Declared columns that are no features.
    folds : tuple of (array of int, array of int)
        Positions of each outer fold's training and validation rows.
    times : array of int, shape (n,), or None
        Microseconds.
    groups : array of int, shape (n,), or None
        Of the declared group.
    order : array of int, shape (n,)
        Place in the files, by batch and line.
    keys : array of uint64, shape (n,)
        A seeded order of the rows.
    kind : str
        How the rows are split.
    """

    task: Task
    classes: int
    target: Floats
    raw_target: Floats | None
    target_name: str
    raw_name: str
    numbers: Mapping[str, Floats]
    levels: Mapping[str, Levels]
    beside: Mapping[str, Levels]
    folds: tuple[tuple[Positions, Positions], ...]
    times: Integers | None
    groups: Positions | None
    order: Positions
    keys: NDArray[np.uint64]
    kind: Literal["time", "stratified", "group"]

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.target)

    @property
    def features(self) -> tuple[str, ...]:
        """All columns that the model reads."""
        return (*self.numbers, *self.levels)

    def drawn(self, among: Positions, count: int) -> Positions:
        """The first of some rows in the seeded order, in the order of the rows."""
        if len(among) <= count:
            return among
        return np.sort(among[np.argpartition(self.keys[among], count)[:count]])


def view_of(prepared: Prepared, beside: Beside) -> View:
    """Look at the rows of a training."""
    rows, pipeline = prepared.rows, prepared.rows.pipeline
    wide = prepared.table.columns
    return View(
        task=pipeline.task,
        classes={"binary": 2, "multiclass": len(rows.classes or ()), "regression": 1}[pipeline.task],
        target=rows.target,
        raw_target=beside.raw_target,
        target_name=pipeline.target.name,
        raw_name=pipeline.target.from_ or pipeline.target.name,
        numbers={str(name): as_numbers(values) for name, values in prepared.features.items() if name not in wide},
        levels={
            name: Levels(prepared.table.codes[name].astype(np.intp), column.sums.levels)
            for name, column in wide.items()
        },
        beside={name: levels_of(values) for name, values in beside.columns.items()},
        folds=tuple(rows.splitter.split()),
        times=None if rows.times is None else microseconds(rows.times),
        groups=None if rows.groups is None else levels_of(rows.groups).codes,
        order=file_order(rows.names),
        keys=order_keys(rows.names[BATCH], rows.names[LINE], pipeline.train.seed + 2),
        kind=pipeline.split_kind,
    )


def thinned(view: View, count: int) -> View:
    """Some of the rows, in a seeded order; folds that have none left are left out."""
    if view.rows <= count:
        return view
    chosen = view.drawn(np.arange(view.rows), count)
    place = np.full(view.rows, -1, dtype=np.intp)
    place[chosen] = np.arange(count)
    sides = [tuple(place[side][place[side] >= 0] for side in fold) for fold in view.folds]
    return replace(
        view,
        target=view.target[chosen],
        raw_target=None if view.raw_target is None else view.raw_target[chosen],
        numbers={name: values[chosen] for name, values in view.numbers.items()},
        levels={name: Levels(levels.codes[chosen], levels.count) for name, levels in view.levels.items()},
        beside={name: Levels(levels.codes[chosen], levels.count) for name, levels in view.beside.items()},
        folds=tuple((learnt, valid) for learnt, valid in sides if len(learnt) and len(valid)),
        times=None if view.times is None else view.times[chosen],
        groups=None if view.groups is None else view.groups[chosen],
        order=view.order[chosen],
        keys=view.keys[chosen],
    )


def file_order(names: pd.DataFrame) -> Positions:
    """Each row's place by batch and line."""
    place = np.empty(len(names), dtype=np.intp)
    place[np.lexsort((names[LINE].to_numpy(), levels_of(names[BATCH], in_order=True).codes))] = np.arange(len(names))
    return place


def levels_of(values: Any, *, in_order: bool = False) -> Levels:
    """Number the values of a column, if need be in their order; a missing one is the last."""
    import pandas as pd

    codes, found = pd.factorize(values, sort=in_order, use_na_sentinel=True)
    return Levels(np.where(codes < 0, len(found), codes).astype(np.intp), len(found) + 1)


def own_view(prepared: Prepared, model: TabularModel, view: View) -> View | None:
    """Look at the columns of the user's own transformer, fitted on one fold's learnt rows; None where there is none.

    The other numbers stand beside them: something must be there to hold a column against.
    """
    if model.custom is None:
        return None
    rows, fit = prepared.rows, max(prepared.rows.plan.folds, key=lambda each: len(each.learnt))
    keys = order_keys(rows.names[BATCH], rows.names[LINE], rows.pipeline.train.seed + 2)
    learnt, valid = (
        np.sort(side[np.argsort(keys[side], kind="stable")[:OWN_ROWS]]) for side in (fit.learnt, fit.valid)
    )
    custom = clone(model.custom)
    made = [custom.fit_transform(rows.raw.iloc[learnt], rows.target[learnt]), custom.transform(rows.raw.iloc[valid])]
    chosen, cut = np.concatenate([learnt, valid]), len(learnt)
    own = {name: np.concatenate([as_numbers(frame[name]) for frame in made]) for name in map(str, made[0])}
    others = {name: as_numbers(prepared.features[name])[chosen] for name in view.numbers}
    return replace(
        view,
        target=rows.target[chosen],
        raw_target=None,
        numbers=own | others,
        levels={},
        beside={},
        folds=((np.arange(cut), np.arange(cut, len(chosen))),),
        times=None if rows.times is None else microseconds(rows.times)[chosen],
        groups=None,
        order=file_order(rows.names.iloc[chosen]),
        keys=keys[chosen],
    )


def as_numbers(values: pd.Series) -> Floats:
    """A column as floats, NaN where missing."""
    numbers: Floats = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers
