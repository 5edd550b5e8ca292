"""The rows to train on: read once, in one order, with the plan that says which of them each fit may see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import DataError
from tasks.allocation import give_memory_back
from tasks.split import (
    TRAIN,
    embargo,
    group_values,
    load_split,
    needed_columns,
    split_path,
    time_values,
)
from tasks.splitting.cross_fitting import cross_fitting_of
from tasks.splitting.folds import microseconds
from tasks.splitting.splitter import DeclaredSplit
from tasks.table import BATCH, LINE, read_batches, to_frame
from tasks.target import class_names, target_column, target_values

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.splitting.cross_fitting import CrossFitting

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

SEEDS = 2**31


class MisalignedRowsError(DataError):
    """The split was not made from the valid rows that are there."""


@dataclass(frozen=True)
class TrainingRows:
    """The rows to train on, in one order: what the model is given, what it learns, and who may see whom.

    Attributes
    ----------
    pipeline : Pipeline
        Its sections `train`, `encode`, `split` and `target` say how.
    raw : DataFrame, shape (n, d)
        Typed columns that the model reads.
    names : DataFrame, shape (n, 2)
        `_batch` and `_line`.
    target : array of float, shape (n,)
        0 or 1, the number of the class, or a number.
    classes : tuple of str, or None
        What the numbers of a target of classes stand for, in their order; None for a number.
    times : Series of datetime64[us, UTC], shape (n,), or None
    groups : array of object, shape (n,), or None
    weight : array of float, shape (n,), or None
        The column that `train.weight` declares; above 0.
    splitter : DeclaredSplit
    plan : CrossFitting
        Each row's cell, and which cells' targets each fit's encodings are made of.
    """

    pipeline: Pipeline
    raw: pd.DataFrame
    names: pd.DataFrame
    target: Floats
    classes: tuple[str, ...] | None
    times: pd.Series | None
    groups: NDArray[np.object_] | None
    weight: Floats | None
    splitter: DeclaredSplit
    plan: CrossFitting

    def reseeded(self, seed: int) -> TrainingRows:
        """The same rows, in the parts and folds that they are in, for a training with another seed.

        What the seed draws is drawn anew: rows that early stopping watches, and the inner folds of the encoding.
        """
        train = self.pipeline.train.model_copy(update={"seed": seed % SEEDS})
        pipeline = self.pipeline.model_copy(update={"train": train})
        fold = self.splitter.fold
        plan = cross_fitting_of(pipeline, self.names, self.target, self.times, self.groups, fold, self.classes)
        return replace(self, pipeline=pipeline, plan=plan)

    def weights(self, chosen: Positions) -> Floats | None:
        """How much each of a fit's rows counts in that fit: its declared weight, times what balances the classes.

        Parameters
        ----------
        chosen : array of int, shape (m,)
            The rows that the fit learns from; shares of the classes are counted among them alone.

        Returns
        -------
        array of float, shape (m,), or None
            None where all rows count alike. Rows that early stopping watches count likewise; those that are judged
            count once each.

        References
        ----------
        n / (C n_class), scikit-learn's `class_weight="balanced"`, after G. King and L. Zeng (2001), "Logistic
        regression in rare events data", doi:10.1093/oxfordjournals.pan.a004868.
        """
        declared = None if self.weight is None else self.weight[chosen]
        if not self.pipeline.train.balance or self.pipeline.task == "regression":
            return declared
        balanced = balancing_weights(self.target[chosen])
        return balanced if declared is None else declared * balanced


def balancing_weights(target: Floats) -> Floats:
    """The weight of each row with which all classes weigh alike and the mean weight is 1.

    >>> balancing_weights(np.array([0.0, 0.0, 0.0, 1.0])).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    codes = target.astype(np.intp)
    rows = np.bincount(codes)
    return np.asarray(len(codes) / (np.count_nonzero(rows) * rows[codes]), dtype=np.float64)


def load_rows(pipeline: Pipeline) -> TrainingRows:
    """Read the rows of the split's training part, and plan who may see whom.

    Raises
    ------
    MisalignedRowsError
        If the split does not name the valid rows in their order.
    """
    split, folder = load_split(pipeline), Path(f"data/valid/{pipeline.name}")
    table = read_batches(folder, list(dict.fromkeys([*needed_columns(pipeline), *pipeline.input_columns])))
    names = to_frame(table.select([BATCH, LINE]))
    if len(names) != len(split) or not all(np.array_equal(names[key], split[key]) for key in (BATCH, LINE)):
        raise MisalignedRowsError(
            f"{split_path(pipeline)} names {len(split)} rows, {folder} has {len(names)}, and they are not the same in "
            f"one order. Run `dvc repro split@{pipeline.name}`."
        )
    train = (split["part"] == TRAIN).to_numpy()
    labels = to_frame(table.select([target_column(pipeline.target)]))  # of all rows: they say which classes there are
    target = np.asarray(target_values(labels, pipeline.target, pipeline.task), dtype=np.float64)[train]
    classes = class_names(labels, pipeline.target, pipeline.task)
    frame, fold = to_frame(table.filter(train)), split["fold"].to_numpy()[train]
    del table, names, labels
    give_memory_back()
    times, groups = time_values(frame, pipeline), group_values(frame, pipeline)
    drawn: dict[str, Any] = {"names": frame[[BATCH, LINE]], "target": target, "times": times, "groups": groups}
    instants = microseconds(times) if times is not None and pipeline.split_kind == "time" else None
    return TrainingRows(
        pipeline=pipeline,
        raw=frame[list(pipeline.input_columns)],
        classes=classes,
        weight=declared_weight(frame, pipeline),
        splitter=DeclaredSplit(fold, instants, embargo(pipeline), groups),
        plan=cross_fitting_of(pipeline, fold=fold, classes=classes, **drawn),
        **drawn,
    )


def declared_weight(frame: pd.DataFrame, pipeline: Pipeline) -> Floats | None:
    """The column that `train.weight` names, None where none is; the split has refused weights that are not above 0."""
    if pipeline.train.weight is None:
        return None
    return frame[pipeline.train.weight].to_numpy(dtype=np.float64, na_value=np.nan)
