"""A raw column, as a user's frame holds it, read as its declared type: what ingest makes of the same text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from configs.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

INTEGER = re.compile(r"[+-]?[0-9]+")
FLOAT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
BOOLEANS = {"true": True, "t": True, "1": True, "yes": True, "y": True} | {
    "false": False,
    "f": False,
    "0": False,
    "no": False,
    "n": False,
}
DTYPES = {
    "integer": "Int64",
    "float": "float64",
    "boolean": "boolean",
    "category": "object",
    "text": "object",
    "date": "datetime64[s]",
    "timestamp": "datetime64[us, UTC]",
}
EXPECTED = {
    "integer": "a whole number between -2**63 and 2**63 - 1",
    "float": "a number",
    "boolean": "true or false, yes or no, 1 or 0",
    "category": "text or a whole number",
    "text": "text or a whole number",
    "date": "a date such as 2013-01-31",
    "timestamp": "a timestamp such as 2013-01-31 17:00:00 or 2013-01-31T22:00:00Z",
}


class InputError(DataError):
    """A frame given to a model is not what its pipeline declares."""


class MissingColumnError(InputError):
    """A declared column is not in the frame, or is there twice."""


class UnreadableValueError(InputError):
    """A value cannot be read as its column's declared type."""


class InfiniteValueError(InputError):
    """A number is infinite."""


@dataclass(frozen=True)
class Reading:
    """How one column is read: its name and declared type, its null tokens, its format and zone."""

    name: str
    type: str
    null: tuple[str, ...] = ("",)
    format: str | None = None
    zone: str = "UTC"


def read_column(frame: pd.DataFrame, reading: Reading) -> pd.Series:
    """One column of a frame as its declared type, with the frame's index.

    Parameters
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        Typed rows, or rows as `pd.read_csv` gives them. NaN, None, NaT and the declared null tokens are missing.
    reading : Reading

    Returns
    -------
    Series of shape (n_rows,)
        integer `Int64`, float `float64`, boolean `boolean`, category and text `object` (str or None), date
        `datetime64[s]`, timestamp `datetime64[us, UTC]`. A timestamp without an offset is on the clock of
        `reading.zone`: of two instants the earlier, and one that the clock skipped is later by what was skipped.

    Raises
    ------
    MissingColumnError
        If the frame has not exactly one such column; names the nearest.
    UnreadableValueError, InfiniteValueError
        For the first value that does not fit.

    Examples
    --------
    >>> import pandas as pd
    >>> read_column(pd.DataFrame({"n": ["7", "", None]}), Reading("n", "integer")).tolist()
    [7, <NA>, <NA>]
    """
    import pandas as pd

    values = only_column(frame, reading.name)
    if is_typed(values, reading.type):
        read = values.astype(DTYPES[reading.type])
    else:
        codes, levels = distinct(values)
        read = pd.Series(parse_levels(levels, reading), dtype=DTYPES[reading.type]).take(codes).set_axis(values.index)
    if reading.type in ("category", "text"):
        read = read.where(read.notna(), None)
    elif reading.type == "float":
        refuse_infinite(read, reading.name)
    return read.rename(reading.name)


def only_column(frame: pd.DataFrame, name: str) -> pd.Series:
    """The one column of that name."""
    import difflib

    import pandas as pd

    if name not in frame.columns:
        close = difflib.get_close_matches(name, [str(column) for column in frame.columns], n=1)
        hint = f" The nearest is {close[0]!r}." if close else ""
        raise MissingColumnError(
            f"column {name!r} is missing; the model reads it. There are: {', '.join(map(str, frame.columns))}.{hint}"
        )
    values = frame[name]
    if isinstance(values, pd.DataFrame):
        raise MissingColumnError(f"column {name!r} is there {values.shape[1]} times; it was expected once.")
    return values


def is_typed(values: pd.Series, type_: str) -> bool:
    """Whether a column has its type already, so that no value needs to be looked at."""
    import pandas as pd

    kinds: dict[str, Callable[[Any], bool]] = {
        "integer": pd.api.types.is_signed_integer_dtype,
        "float": lambda dtype: pd.api.types.is_float_dtype(dtype) or pd.api.types.is_integer_dtype(dtype),
        "boolean": lambda dtype: pd.api.types.is_bool_dtype(dtype) and not isinstance(dtype, pd.CategoricalDtype),
        "timestamp": lambda dtype: isinstance(dtype, pd.DatetimeTZDtype),
    }
    return type_ in kinds and kinds[type_](values.dtype)


def distinct(values: pd.Series) -> tuple[Any, list[Any]]:
    """Where each row's value is in a list of values to parse; texts are listed once, other things row by row."""
    import numpy as np
    import pandas as pd

    plain = values.astype(values.cat.categories.dtype) if isinstance(values.dtype, pd.CategoricalDtype) else values
    if len(plain) > 1 and (plain.dtype != object or pd.api.types.infer_dtype(plain, skipna=True) == "string"):
        codes, levels = pd.factorize(plain, use_na_sentinel=False)
        return codes, list(levels)
    return np.arange(len(plain)), plain.tolist()


def parse_levels(levels: list[Any], reading: Reading) -> list[Any]:
    """Parse each value; None where it is missing."""
    import pandas as pd

    parse = PARSERS[reading.type]
    parsed: list[Any] = []
    for value in levels:
        missing = value in reading.null if isinstance(value, str) else pd.isna(value)
        try:
            parsed.append(None if missing else parse(value, reading))
        except (ValueError, OverflowError) as error:
            raise UnreadableValueError(
                f"column {reading.name!r} has {value!r}, no {reading.type}; expected is {EXPECTED[reading.type]}"
                f"{f' written as {reading.format}' if reading.format else ''}, or a null token "
                f"({', '.join(map(repr, reading.null))})."
            ) from error
    return parsed


def parse_integer(value: Any, _reading: Reading) -> int:
    """Read a whole number that fits 64 bits."""
    if isinstance(value, str) and INTEGER.fullmatch(value) is None:
        raise ValueError
    if not isinstance(value, str) and (not isinstance(value, Real) or isinstance(value, bool) or value % 1 != 0):
        raise ValueError
    number = int(value)  # type: ignore[arg-type]  # Real declares no __int__; numbers have it
    if not -(2**63) <= number < 2**63:
        raise ValueError
    return number


def parse_float(value: Any, _reading: Reading) -> float:
    """Read a number; whether it is finite is seen later."""
    if isinstance(value, str) and FLOAT.fullmatch(value) is None:
        raise ValueError
    if not isinstance(value, str) and (not isinstance(value, Real) or isinstance(value, bool)):
        raise ValueError
    return float(value)


def parse_boolean(value: Any, _reading: Reading) -> bool:
    """Read a truth value."""
    known = BOOLEANS.get(value.lower()) if isinstance(value, str) else {0: False, 1: True}.get(value)
    if known is None:
        raise ValueError
    return known


def parse_text(value: Any, _reading: Reading) -> str:
    """Take text as it is; a number that pandas made of it is written back, so leading zeros are lost: read it as str.

    A truth value is refused: whether the text was 'true', 'True' or 'TRUE' is lost.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(float(value))
    raise ValueError  # noqa: TRY004  # the caller names value and column


def parse_date(value: Any, reading: Reading) -> date:
    """Read a date, or a timestamp at midnight that stands for one."""
    if isinstance(value, str):
        return datetime.strptime(value, reading.format).date() if reading.format else date.fromisoformat(value)
    if not isinstance(value, date):
        raise ValueError  # noqa: TRY004  # the caller names value and column
    if isinstance(value, datetime) and (value.tzinfo is not None or value.time() != datetime.min.time()):
        raise ValueError
    return date(value.year, value.month, value.day)


def parse_timestamp(value: Any, reading: Reading) -> datetime:
    """Read an instant; one without an offset is on the clock of the declared zone."""
    if isinstance(value, str):
        value = datetime.strptime(value, reading.format) if reading.format else datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        raise ValueError  # noqa: TRY004  # the caller names value and column
    if value.tzinfo is None:
        value = value.replace(tzinfo=ZoneInfo(reading.zone), fold=0)
    instant: datetime = value.astimezone(UTC)
    return instant


PARSERS: dict[str, Callable[[Any, Reading], Any]] = {
    "integer": parse_integer,
    "float": parse_float,
    "boolean": parse_boolean,
    "category": parse_text,
    "text": parse_text,
    "date": parse_date,
    "timestamp": parse_timestamp,
}


def refuse_infinite(values: pd.Series, name: str) -> None:
    """Raise for an infinite number: no tree, no mean and no test knows what it means."""
    import numpy as np

    infinite = int(np.isinf(values.to_numpy(dtype="float64", na_value=np.nan)).sum())
    if infinite:
        raise InfiniteValueError(
            f"column {name!r} has {infinite} infinite values; a finite number or a missing value was expected. "
            "Quarantine them with expect_column_values_to_be_between, or make their text a null token."
        )
