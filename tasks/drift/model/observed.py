"""What a model says of a batch, and what came true of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.cells.columns import InputError, only_column, read_columns
from tasks.drift.model.labels import Labels, known_labels
from tasks.drift.pseudo_columns import pseudo_columns

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.model.estimator import TabularModel

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ObservedModel:
    """A batch as the model sees it.

    Attributes
    ----------
    columns : pa.Table
        `tasks.drift.pseudo_columns`, in the order of the batch's rows.
    scores : array of float, shape (n,) or (n, C)
        Calibrated.
    labels : Labels
    unreadable : mapping of str to str
        Columns that the model reads and that the batch does not hold as declared, and why: scored as missing.
    """

    columns: pa.Table
    scores: Floats
    labels: Labels
    unreadable: Mapping[str, str]


def observed_model(
    frame: pd.DataFrame, model: TabularModel, pipeline: Pipeline, *, as_of: datetime | None = None
) -> ObservedModel:
    """Score a batch and read its labels, as far as they are known.

    Parameters
    ----------
    frame : DataFrame, shape (n, d)
        Typed rows in their order. No row, missing columns and columns of another type are allowed.
    model : TabularModel
        The champion.
    pipeline : Pipeline
    as_of : datetime with a time zone, optional
        Labels that are not due by then are not used; see `known_labels`.

    Returns
    -------
    ObservedModel
        A column that is not there or not as declared is scored as missing: that is what the model would get, and what
        it does to the predictions is to be seen, not hidden by an error.
    """
    unreadable: dict[str, str] = {}
    try:
        scores = scores_of(model, frame)
    except InputError:
        readable, unreadable = scorable(frame, model)
        scores = scores_of(model, readable)
    labels = known_labels(frame, model, pipeline, as_of)
    return ObservedModel(pseudo_columns(scores, labels.target, model, pipeline), scores, labels, unreadable)


def scores_of(model: TabularModel, frame: pd.DataFrame) -> Floats:
    """Calibrated scores of rows that may be none; shape (n,) or (n, C)."""
    if len(frame):
        return model.scores(frame)
    classes = model[-1].class_count_
    return np.empty((0, classes) if model.task == "multiclass" else 0)


def columns_read(model: TabularModel) -> tuple[str, ...]:
    """The declared columns that a model reads, in order of declaration."""
    features, own = model["features"], model.custom
    read = {*features.feature_columns, *features.parts, *features.sql_columns(), *(own.columns if own else ())}
    return tuple(name for name in features.columns if name in read)


def scorable(frame: pd.DataFrame, model: TabularModel) -> tuple[pd.DataFrame, dict[str, str]]:
    """The columns that a model reads, each as declared or wholly missing, and why it is missing.

    Infinite numbers become missing ones; the rest of such a column stays.
    """
    import pandas as pd

    read: dict[str, pd.Series[Any]] = {}
    why: dict[str, str] = {}
    for name in columns_read(model):
        try:
            read[name] = as_declared(frame, name, model)
        except InputError as error:
            read[name] = nothing_of(model["features"].columns[name], frame.index)
            why[name] = str(error)
    return pd.DataFrame(read, index=frame.index), why


def as_declared(frame: pd.DataFrame, name: str, model: TabularModel) -> pd.Series[Any]:
    """One column as its declared type.

    Raises
    ------
    InputError
        If it is not there, is there twice, or holds a value that is no such thing.
    """
    values = only_column(frame, name)
    if values.dtype.kind == "f":
        values = values.replace([np.inf, -np.inf], np.nan)
    features = model["features"]
    read = read_columns(values.to_frame(), {name: features.column(name)}, features.timezone)[name]
    return values if features.columns[name] == "date" else read  # a date that was read would have to be read anew


EMPTY_TYPES = {
    "integer": "Int64",
    "float": "float64",
    "decimal": "float64",
    "boolean": "boolean",
    "timestamp": "datetime64[us, UTC]",
}


def nothing_of(kind: str, index: pd.Index[Any]) -> pd.Series[Any]:
    """A column of missing values of a declared type."""
    import pandas as pd

    return pd.Series([None] * len(index), index=index, dtype=EMPTY_TYPES.get(kind, "object"))
