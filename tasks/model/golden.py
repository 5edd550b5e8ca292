"""Golden rows without private values: what a bundle keeps of the training rows, to try the model on any machine.

A golden row need not be a real row; it must only be the same everywhere. A private column's values are replaced by
means of groups of at least five rows of similar value, handed out without regard to the row, so that none can be told
from them, while they lie in the range that the model was trained on.

References
----------
Microaggregation: D. Defays, P. Nanopoulos (1993), "Panels of enterprises and confidentiality: the small aggregates
method"; J. Domingo-Ferrer, J. M. Mateo-Sanz (2002), doi:10.1109/69.979982.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.model.bundle import GOLDEN_ROWS, spread_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST_GROUP = 5


def golden_rows(raw: pd.DataFrame, private: Iterable[str]) -> pd.DataFrame:
    """The rows that a bundle keeps, with group means in place of private values.

    Parameters
    ----------
    raw : DataFrame, shape (n, d)
        Typed training rows, the columns that the model reads.
    private : iterable of str
        Those among the columns are replaced; others are not looked at.

    Returns
    -------
    DataFrame, shape (min(n, GOLDEN_ROWS), d)
        Of the same columns and types.

    Examples
    --------
    >>> rows = pd.DataFrame({"age": [10.0, 20, 30, 40, 50], "city": list("ababa")})
    >>> golden_rows(rows, ["age"])["age"].tolist()
    [30.0, 30.0, 30.0, 30.0, 30.0]
    """
    golden = spread_rows(raw, GOLDEN_ROWS)
    replaced = {name: aggregated(raw[name], len(golden)) for name in private if name in raw.columns}
    return golden.assign(**{name: values.set_axis(golden.index) for name, values in replaced.items()})


def aggregated(values: pd.Series, count: int) -> pd.Series:
    """As many group means of a column as are asked for, in its type; missing where the column has too few values."""
    numbers = np.sort(as_numbers(values))
    groups = min(count, len(numbers) // SMALLEST_GROUP)
    if not groups:
        return pd.Series([None] * count, dtype=values.dtype)
    means = np.array([part.mean() for part in np.array_split(numbers, groups)])
    return from_numbers(means[np.arange(count) * 7 % groups], values)


def as_numbers(values: pd.Series) -> NDArray[np.float64]:
    """The values that are there, as numbers: days of a date, microseconds of a timestamp."""
    there = values.dropna()
    if there.dtype == object:
        there = pd.to_datetime(there).astype("datetime64[s]").astype("int64") // 86_400
    elif isinstance(there.dtype, pd.DatetimeTZDtype):
        there = there.dt.as_unit("us").astype("int64")
    return there.to_numpy(dtype=np.float64)


def from_numbers(numbers: NDArray[np.float64], like: pd.Series) -> pd.Series:
    """Numbers as values of a column's type; what holds whole ones only is rounded."""
    whole: NDArray[np.int64] = numbers.round().astype(np.int64)
    dtype: Any = like.dtype
    if pd.api.types.is_object_dtype(dtype):
        return pd.Series([moment.date() for moment in pd.to_datetime(whole, unit="D")], dtype=object)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pd.Series(pd.to_datetime(whole, unit="us", utc=True)).astype(dtype)
    if pd.api.types.is_bool_dtype(dtype):
        return pd.Series(numbers >= 0.5).astype(dtype)
    return pd.Series(whole if pd.api.types.is_integer_dtype(dtype) else numbers).astype(dtype)
