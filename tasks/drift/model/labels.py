"""Which labels of a batch are known, and what they are: a label that is not due yet is counted, never used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from configs.errors import DataError
from tasks.target import class_codes, finite_numbers, is_text, target_column, zeros_and_ones

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.model.estimator import TabularModel

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Labels:
    """The target of each row of a batch, as far as it is known.

    Attributes
    ----------
    target : array of float, shape (n,)
        0 and 1, the number of the class, or the number; NaN where it is not known.
    waiting : int
        Rows whose label is not due yet.
    missing : int
        Rows whose label is due and is not there, or is no class that the model knows.
    reason : str or None
        Why none is known, where that lies in the column itself.
    """

    target: Floats
    waiting: int
    missing: int
    reason: str | None = None

    @property
    def known(self) -> int:
        """Rows whose label is known."""
        return int(np.count_nonzero(~np.isnan(self.target)))


def known_labels(frame: pd.DataFrame, model: TabularModel, pipeline: Pipeline, as_of: datetime | None = None) -> Labels:
    """Read the labels of a batch that are known at a moment.

    Parameters
    ----------
    frame : DataFrame, shape (n, d)
        Typed rows. Without the target's column no label is known.
    model : TabularModel
        Says which class is which: a batch need not hold all of them.
    pipeline : Pipeline
        `target.known_after` says when a label is due, counted from the row's time.
    as_of : datetime with a time zone, optional
        The moment. Without it every label that is there is taken to be due.

    Returns
    -------
    Labels
        A row without a time is never due where a moment is given.

    Examples
    --------
    A label of Monday, known after a day, is not used on Monday even where the file holds it already.
    """
    column = target_column(pipeline.target)
    due = due_rows(frame, pipeline, as_of)
    waiting = int(np.count_nonzero(~due))
    nothing = np.full(len(frame), np.nan)
    if column not in frame.columns:
        return Labels(nothing, waiting, int(due.sum()), f"the batch has no column {column!r}, which the target is in")
    try:
        read = label_numbers(frame[column], model, pipeline)
    except DataError as error:
        return Labels(nothing, waiting, int(due.sum()), str(error))
    target = np.where(due, read, np.nan)
    return Labels(target, waiting, int(np.count_nonzero(due & np.isnan(target))))


def due_rows(frame: pd.DataFrame, pipeline: Pipeline, as_of: datetime | None) -> Mask:
    """Which rows' labels are due at a moment; all where no moment is given, or rows have no time."""
    from tasks.split import time_values

    column = pipeline.time.column
    if as_of is None or column is None:
        return np.ones(len(frame), dtype=np.bool_)
    if column not in frame.columns:
        return np.zeros(len(frame), dtype=np.bool_)
    times = time_values(frame, pipeline)
    return np.asarray(times + pipeline.target.known_after <= as_of, dtype=np.bool_)  # type: ignore[operator]


def label_numbers(values: pd.Series, model: TabularModel, pipeline: Pipeline) -> Floats:
    """A target's column as the model's numbers; NaN where it is missing or a class that the model does not know.

    Raises
    ------
    TargetError
        If the column holds what the task's target cannot be.
    """
    return np.asarray(label_series(values, model, pipeline), dtype=np.float64)


def label_series(values: pd.Series, model: TabularModel, pipeline: Pipeline) -> pd.Series[float]:
    """As `label_numbers`, with the index of the values."""
    classes, above = model[-1].classes, pipeline.target.above
    if values.isna().all():
        return values.isna().astype("float64") * np.nan
    if classes:
        return class_codes(values, classes)
    if model.task == "binary" and is_text(values):  # a bundle of format 1 does not name its classes
        levels = sorted(map(str, values.dropna().unique()))
        return class_codes(values, levels if len(levels) == 2 else ())
    if above is None:
        return zeros_and_ones(values) if model.task == "binary" else finite_numbers(values)
    numbers = finite_numbers(values)
    return numbers.gt(above).astype("float64").where(numbers.notna())
