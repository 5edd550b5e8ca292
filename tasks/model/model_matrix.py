"""What trees learn from, as XGBoost reads it: a matrix of 32-bit floats, the columns' names, and a weight per row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from configs.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32] | pd.DataFrame

CHECKED_ROWS = 65_536  # at a time, so that a check needs no copy of the matrix


class InfiniteFeatureError(DataError):
    """A feature is infinite, or beyond what a 32-bit float holds."""


class NoFeatureError(DataError):
    """There is no column that a model could learn from."""


class WeightError(DataError):
    """A row's weight is missing, infinite, zero or below."""

    def __init__(self, text: str) -> None:
        super().__init__(text, key=("train", "weight"))


def model_matrix(X: Matrix, names: Sequence[str] | None = None) -> NDArray[np.float32]:
    """The features as XGBoost reads them: 32-bit floats, NaN where missing. What is so already is not copied.

    Parameters
    ----------
    X : DataFrame or array of float, shape (n, d)
    names : sequence of str, optional
        Of an array's columns, for the error.

    Raises
    ------
    InfiniteFeatureError
        Names each column that has infinite values, and how many.
    """
    columns = list(X.columns) if isinstance(X, pd.DataFrame) else names or range(X.shape[1])
    with np.errstate(over="ignore"):  # a number that becomes infinite here is refused below
        if isinstance(X, pd.DataFrame):
            X = X.to_numpy(dtype=np.float32, na_value=np.nan)
        matrix = np.asarray(X, dtype=np.float32)
    parts = (matrix[start : start + CHECKED_ROWS] for start in range(0, len(matrix), CHECKED_ROWS))
    infinite = sum((np.isinf(part).sum(axis=0) for part in parts), np.zeros(matrix.shape[1], dtype=np.intp))
    if infinite.any():
        found = ", ".join(f"{name!r} ({rows})" for name, rows in zip(columns, infinite, strict=True) if rows)
        raise InfiniteFeatureError(
            f"infinite values, or numbers beyond 3.4e38, in features (rows): {found}; finite or missing ones were "
            "expected. Quarantine them with expect_column_values_to_be_between, or mend the expression."
        )
    return matrix


def row_weights(weight: Any, rows: int) -> NDArray[np.float64] | None:
    """One finite weight above 0 per row, or None where all rows count alike.

    Raises
    ------
    WeightError
        Says how many are not.
    """
    if weight is None:
        return None
    weights = np.asarray(weight, dtype=np.float64)
    with np.errstate(over="ignore", under="ignore"):
        read = weights.astype(np.float32)  # as XGBoost does
    if weights.shape != (rows,):
        raise WeightError(f"a weight for each of {rows} rows was expected, not weights of the shape {weights.shape}.")
    if bad := int(np.count_nonzero(~(np.isfinite(read) & (read > 0)))):
        raise WeightError(
            f"{bad} of {rows} rows have a weight that is missing, infinite, zero or below; a number above 0 was "
            "expected. Quarantine them with expect_column_values_to_be_between, or drop `weight` from `train`."
        )
    return weights


def column_names(X: Matrix, names: Sequence[str] | None) -> NDArray[np.object_]:
    """Names of the features: a frame's own, or those that are given for an array."""
    if isinstance(X, pd.DataFrame):
        return np.asarray(X.columns, dtype=object)
    found = [f"f{place}" for place in range(X.shape[1])] if names is None else list(names)
    if len(found) != X.shape[1]:
        raise ValueError(f"{len(found)} names were given for {X.shape[1]} columns")
    return np.asarray(found, dtype=object)
