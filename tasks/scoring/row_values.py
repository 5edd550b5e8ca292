"""One value of one column as its declared type, without a frame where its notation is plain.

What is not plain is read by `tasks.cells.columns`, as a frame of one row, and remembered. So the two ways can differ
in what is plain alone, and that is little: Python's own numbers and truth values, decimal notation, ISO 8601.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tasks.cells.columns import cell_text, read_columns

if TYPE_CHECKING:
    from configs.sections.columns import Column

Reader = Callable[[Any], Any]

REMEMBERED = 10_000  # values of a column that were not plain, and days
PLAIN_INTEGER = re.compile(r"-?[0-9]{1,18}")
PLAIN_FLOAT = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?([eE][-+]?[0-9]{1,2})?")
PLAIN_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
PLAIN_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?")
READING = threading.RLock()  # DuckDB's connection of `tasks.cells.values` is the process's
TEXT, NUMBER, MOMENT = ("category", "text"), ("float", "decimal"), ("date", "timestamp")


def value_reader(name: str, column: Column, timezone: str) -> Reader:
    """What reads the values of a column: int, float, bool, str or datetime, None where missing.

    A date or timestamp is the clock on the wall of its zone, without the zone, as features and SQL see it.

    Parameters
    ----------
    name : str
    column : Column
    timezone : str
        Zone of timestamps without an offset, where the column has none of its own.

    Returns
    -------
    function
        Raises `tasks.cells.columns.InputError` where a value cannot be read.

    Examples
    --------
    >>> from configs.schema import Column
    >>> read = value_reader("rooms", Column(type="integer", nulls=("", "-1")), "UTC")
    >>> read("7"), read(7), read("-1"), read(None), read(float("nan")), read(7.0)
    (7, 7, None, None, None, 7)
    """
    zone = column.timezone or timezone
    slow = remembered(name, column, timezone)
    kinds: dict[str, Callable[[], Reader]] = {
        "integer": lambda: integer_reader(column, slow),
        "boolean": lambda: boolean_reader(slow),
        "date": lambda: date_reader(column, slow),
        "timestamp": lambda: time_reader(column, zone, slow),
    }
    if column.type in TEXT:
        return text_reader(name, column)
    read = kinds[column.type]() if column.type in kinds else float_reader(column, slow)
    return with_zero(read) if column.missing == "zero" else read


def with_zero(read: Reader) -> Reader:
    """A reader that reads 0 where a value is missing."""

    def reader(value: Any) -> Any:
        found = read(value)
        return 0 if found is None else found

    return reader


def remembered(name: str, column: Column, timezone: str) -> Reader:
    """A reader by a frame of one row; the values that it has read last are remembered."""

    def read(value: Any) -> Any:
        with READING:
            values = read_columns(pd.DataFrame({name: [value]}), {name: column}, timezone)[name]
        if column.type == "timestamp":
            values = values.dt.tz_convert(column.timezone or timezone).dt.tz_localize(None)
        found = values.iloc[0]
        if pd.isna(found):
            return None
        return found.to_pydatetime() if column.type in MOMENT else found.item()

    @lru_cache(REMEMBERED)
    def read_typed(_kind: str, value: Any) -> Any:  # 1, 1.0 and True are one key, but not one value
        return read(value)

    def reader(value: Any) -> Any:
        try:
            return read_typed(type(value).__name__, value)
        except TypeError:  # not hashable, so no value of a cell
            return read(value)

    return reader


def text_reader(name: str, column: Column) -> Reader:
    """Of a category or text: the very text that ingest would have read."""
    nulls = frozenset(column.nulls)

    def reader(value: Any) -> str | None:
        text = value if type(value) is str else cell_text(value, column, name)
        return None if text in nulls else text

    return reader


def is_missing(value: Any) -> bool:
    """Whether this is None or Python's NaN; the other ways of saying so are left to the frame."""
    return value is None or (type(value) is float and math.isnan(value))


def integer_reader(column: Column, slow: Reader) -> Reader:
    """Of whole numbers of 64 bits."""
    nulls, plain = frozenset(column.nulls), column.thousands is None

    def reader(value: Any) -> Any:
        if type(value) is int and -(2**63) <= value < 2**63:
            return value
        if is_missing(value) or (type(value) is str and value in nulls):
            return None
        if plain and type(value) is str and PLAIN_INTEGER.fullmatch(value):
            return int(value)
        return slow(value)

    return reader


def float_reader(column: Column, slow: Reader) -> Reader:
    """Of a float or a decimal, whose texts are exact and so are left to the frame."""
    nulls, plain = (
        frozenset(column.nulls),
        column.type == "float" and column.decimal == "." and column.thousands is None,
    )

    def reader(value: Any) -> Any:
        if type(value) is float and math.isfinite(value):
            return value
        if type(value) is int and -(2**63) <= value < 2**63:
            return float(value)
        if is_missing(value) or (type(value) is str and value in nulls):
            return None
        if plain and type(value) is str and PLAIN_FLOAT.fullmatch(value):
            return float(value)
        return slow(value)

    return reader


def boolean_reader(slow: Reader) -> Reader:
    """Of truth values."""

    def reader(value: Any) -> Any:
        if type(value) is bool:
            return value
        return None if is_missing(value) else slow(value)

    return reader


def date_reader(column: Column, slow: Reader) -> Reader:
    """Of dates, as the midnight that they begin with."""
    nulls, plain = frozenset(column.nulls), column.format is None

    def reader(value: Any) -> Any:
        if type(value) is date:
            return datetime(value.year, value.month, value.day)
        if is_missing(value) or (type(value) is str and value in nulls):
            return None
        if plain and type(value) is str and PLAIN_DATE.fullmatch(value):
            return iso_moment(value) or slow(value)
        return slow(value)

    return reader


def time_reader(column: Column, zone: str, slow: Reader) -> Reader:
    """Of timestamps, as the clock on the wall of a zone; on days around a change of the clock the frame decides."""
    nulls, plain, tz = frozenset(column.nulls), column.format is None, ZoneInfo(zone)

    def reader(value: Any) -> Any:
        wall = None
        if type(value) is datetime:
            wall = value if value.tzinfo is None else value.astimezone(tz).replace(tzinfo=None, fold=0)
        elif is_missing(value) or (type(value) is str and value in nulls):
            return None
        elif plain and type(value) is str and PLAIN_TIME.fullmatch(value):
            wall = iso_moment(value)
        return wall if wall is not None and is_calm(wall.date(), zone) else slow(value)

    return reader


def iso_moment(text: str) -> datetime | None:
    """A time in ISO 8601, None where there is no such day or hour."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


@lru_cache(REMEMBERED)
def is_calm(day: date, zone: str) -> bool:
    """Whether no clock of a zone changes near a day, as DuckDB and pandas agree: its wall's clock is then what is read.

    >>> is_calm(date(2013, 3, 10), "America/New_York"), is_calm(date(2013, 6, 10), "America/New_York")
    (False, True)
    """
    from tasks.cells.calm_times import calm_instants
    from tasks.cells.values import engine

    if not 1 < day.year < 9999:
        return False
    walls = pd.DatetimeIndex([pd.Timestamp(day), pd.Timestamp(day) + pd.Timedelta("23:59:59")]).as_unit("us")
    with READING:
        instants, calm = calm_instants(walls.asi8, zone, engine())
    told = pd.DatetimeIndex(np.asarray(instants).astype("datetime64[us]"), tz="UTC").tz_convert(zone).tz_localize(None)
    return bool(calm.all() and (told == walls).all())
