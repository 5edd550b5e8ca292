"""Columns of a frame as their declared types: typed rows as they are, a user's raw frame as ingest would read it.

What is text is typed by `tasks.cells.values`, the very code that ingest uses, so that scoring a raw row and training
on it cannot differ.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from configs.errors import DataError
from configs.sections.columns import Column
from tasks.cells.values import type_cells
from tasks.table import nearest_doubles

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEXT_TYPES = ("category", "text")


class InputError(DataError):
    """A frame given to a model is not what its pipeline declares."""


class MissingColumnError(InputError):
    """A declared column is not in the frame, or is there twice."""


class UnreadableValueError(InputError):
    """A value of `column` cannot be read as its declared type; `reason` is ingest's word for why."""

    def __init__(self, text: str, column: str, reason: str = "wrong_type") -> None:
        super().__init__(text)
        self.column, self.reason = column, reason


class InfiniteValueError(InputError):
    """A number is infinite."""


def read_columns(frame: pd.DataFrame, columns: Mapping[str, Column], timezone: str) -> dict[str, pd.Series]:
    """Columns of a frame as their declared types, with the frame's index.

    Parameters
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        Typed rows, or rows as `pd.read_csv` gives them, with any other columns, in any order. None, NaN, NaT and the
        declared null tokens are missing.
    columns : mapping of name to Column
        The columns to read.
    timezone : str
        Zone of timestamps without an offset whose column declares none.

    Returns
    -------
    dict of Series, each of shape (n_rows,)
        integer `Int64`, float and decimal `float64`, boolean `boolean`, category and text `object` (str or None), date
        `datetime64[s]`, timestamp `datetime64[us, UTC]`.

    Raises
    ------
    MissingColumnError
        If the frame has not exactly one such column; names the nearest.
    UnreadableValueError, InfiniteValueError
        For the first value that does not fit.

    Examples
    --------
    >>> read_columns(pd.DataFrame({"n": ["7", "", None]}), {"n": Column(type="integer")}, "UTC")["n"].tolist()
    [7, <NA>, <NA>]
    """
    given = {name: only_column(frame, name) for name in columns}
    read: dict[str, pd.Series] = {}
    raw: dict[str, pd.Series] = {}
    for name, column in columns.items():
        values = given[name]
        if column.type in TEXT_TYPES:
            read[name] = as_text(values, column)
        elif is_typed(values, column.type):
            read[name] = as_typed(values, column.type)
        else:
            raw[name] = values
    read |= read_raw(raw, {name: columns[name] for name in raw}, timezone)
    return {name: with_zeros(read[name], column) for name, column in columns.items()}


def with_zeros(values: pd.Series, column: Column) -> pd.Series:
    """Put 0 where a value is missing and that means zero, as ingest does."""
    return values.fillna(0) if column.missing == "zero" else values


def only_column(frame: pd.DataFrame, name: str) -> pd.Series:
    """Take the one column of that name."""
    if name not in frame.columns:
        known = [str(column) for column in frame.columns]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" The nearest is {close[0]!r}." if close else ""
        raise MissingColumnError(
            f"column {name!r} is missing; the model reads it. The rows have: {', '.join(known)}.{hint}"
        )
    values: pd.Series | pd.DataFrame = frame[name]
    if isinstance(values, pd.DataFrame):
        raise MissingColumnError(f"column {name!r} is there {values.shape[1]} times; it was expected once.")
    return values


def is_typed(values: pd.Series, type_: str) -> bool:
    """Whether a column has its type already, so that no value needs to be typed."""
    dtype, kind = values.dtype, getattr(values.dtype, "kind", "O")
    if type_ == "date":
        return kind == "O" and pd.api.types.infer_dtype(values, skipna=True) == "date"
    if type_ == "timestamp":
        return isinstance(dtype, pd.DatetimeTZDtype)
    if type_ == "decimal" and kind == "O":
        return pd.api.types.infer_dtype(values, skipna=True) == "decimal"
    kinds = {"integer": "i", "float": "fiu", "decimal": "fiu", "boolean": "b"}[type_]
    return kind in kinds


def as_typed(values: pd.Series, type_: str) -> pd.Series:
    """A column that has its type, in the one form of it that is used here."""
    if type_ == "date":
        days = np.array(values.where(values.notna(), None).tolist(), dtype="datetime64[s]")
        return pd.Series(days, index=values.index)
    if type_ == "timestamp":
        instants: pd.Series = values.dt.tz_convert("UTC").dt.as_unit("us")
        return instants
    if type_ in ("float", "decimal"):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        refuse_infinite(numbers, str(values.name))
        return pd.Series(numbers, index=values.index)
    return values.astype("Int64" if type_ == "integer" else "boolean")


def refuse_infinite(numbers: NDArray[np.float64], name: str) -> None:
    """Raise for an infinite number: no mean, no quantile and no linear model knows what it means."""
    infinite = int(np.isinf(numbers).sum())
    if infinite:
        raise InfiniteValueError(
            f"column {name!r} has {infinite} infinite values; a finite number or a missing value was expected. "
            "Quarantine them with expect_column_values_to_be_between, or make their text a null token."
        )


def distinct(values: pd.Series) -> tuple[NDArray[np.intp], list[Any]]:
    """Where each row's value is in a list of values; equal ones are listed once where they are of one type."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        if isinstance(values.cat.categories.dtype, pd.StringDtype):
            return coded(values)
        values = values.astype(values.cat.categories.dtype if values.notna().all() else object)
    if values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) != "string":
        return np.arange(len(values)), values.tolist()
    codes, levels = pd.factorize(values, use_na_sentinel=False)
    if isinstance(values.dtype, pd.StringDtype):
        return codes, np.asarray(levels, dtype=object).tolist()  # one by one, Arrow's texts take microseconds each
    return codes, list(levels)


def coded(values: pd.Series) -> tuple[NDArray[np.intp], list[Any]]:
    """See `distinct`, of a categorical of texts, which need not be told apart again; -1 is the last one: missing."""
    levels = np.asarray(values.cat.categories, dtype=object).tolist()
    return values.cat.codes.to_numpy().astype(np.intp), [*levels, None]


def as_text(values: pd.Series, column: Column) -> pd.Series:
    """A category or text: str, None where missing."""
    codes, levels = distinct(values)
    texts = [cell_text(level, column, str(values.name)) for level in levels]
    known = np.array([None if text in column.nulls else text for text in texts], dtype=object)
    return pd.Series(known[codes] if len(codes) else known, index=values.index, dtype=object)


def read_raw(raw: Mapping[str, pd.Series], columns: Mapping[str, Column], timezone: str) -> dict[str, pd.Series]:
    """Type the columns that are not typed yet, as ingest types text."""
    if not raw:
        return {}
    import pyarrow as pa

    listed = {name: distinct(values) for name, values in raw.items()}
    texts = {name: [cell_text(level, columns[name], name) for level in listed[name][1]] for name in raw}
    longest = max(map(len, texts.values()))
    cells = pa.table(
        {name: pa.array(text + [None] * (longest - len(text)), pa.string()) for name, text in texts.items()}
    )
    as_written = {
        name: column if any(isinstance(level, str) for level in listed[name][1]) else without_notation(column)
        for name, column in columns.items()
    }
    typed = type_cells(cells, {name: without_bounds(column) for name, column in as_written.items()}, timezone)
    if typed.refused:
        name, reason, detail = typed.refused[min(typed.refused)]
        told = f"column {name!r}: {detail} ({reason}). Mend it, or declare it as a null token."
        raise UnreadableValueError(told, name, reason)
    return {
        name: from_arrow(typed.values.column(name), columns[name].type).take(listed[name][0]).set_axis(values.index)
        for name, values in raw.items()
    }


def without_notation(column: Column) -> Column:
    """The declaration of a column that holds numbers or dates, not text in their declared notation."""
    return column.model_copy(update={"format": None, "decimal": ".", "thousands": None})


def without_bounds(column: Column) -> Column:
    """The declaration of a column whose rows are to be scored: what training would not have let in is scored too."""
    return column.model_copy(update={"min": None, "max": None})


def from_arrow(values: Any, type_: str) -> pd.Series:
    """A typed Arrow column in the one form of its type that is used here."""
    import pyarrow as pa

    if type_ in ("date", "timestamp"):
        return as_typed(values.to_pandas(), type_)
    if type_ == "decimal":
        values = nearest_doubles(values)
    dtypes = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    numbers: pd.Series = values.to_pandas(types_mapper=dtypes.get)
    return numbers


def cell_text(value: Any, column: Column, name: str) -> str | None:
    """What the cell of a CSV file would have said; None where it is missing.

    A truth value where text is declared is refused: whether it was written 'true', 'True' or 'TRUE' is lost.
    """
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return None
    if isinstance(value, (bool, np.bool_)):
        if column.type != "boolean":
            found = "a private truth value" if column.private else f"the truth value {value!r}"
            raise UnreadableValueError(
                f"column {name!r} has {found}; {column.type} was expected. Read it with dtype=str.", name
            )
        return str(bool(value)).lower()
    if isinstance(value, Integral | Real | Decimal):
        return number_text(value, column)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    found = "a private value" if column.private else repr(value)
    told = f"column {name!r} has {found} ({type(value).__name__}); {column.type} was expected."
    raise UnreadableValueError(told, name)


def number_text(value: Any, column: Column) -> str:
    """A number as its column writes it: exact, with its decimal separator; a decimal has no exponent."""
    if isinstance(value, Integral):
        return str(int(value))
    number = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    is_whole = number.is_finite() and number == number.to_integral_value()
    if is_whole and column.type not in ("float", "decimal"):
        return str(int(number))
    has_exponent = column.type != "decimal" and not isinstance(value, Decimal)
    text = repr(float(value)) if has_exponent else format(number, "f")
    return text.replace(".", column.decimal)
