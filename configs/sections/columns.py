"""Sections `time`, `target` and `columns`: what the raw columns are and which of them is predicted."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from configs.sections.values import ColumnName, Duration, Finite, Section, Timezone, Tuple, matching


class Time(Section):
    """When a row happened; what a split by time sorts by."""

    column: ColumnName | None = Field(None, description="a column declared as date or timestamp")
    timezone: Timezone = Field("UTC", description="zone of timestamps without an offset, and of date parts")


class Target(Section):
    """What the model predicts."""

    name: ColumnName = Field(description="the target's name; a declared column unless `from` is given")
    from_: ColumnName | None = Field(None, alias="from", description="a numeric column that the target is made from")
    above: Finite | None = Field(None, description="the target is 1 where `from` is greater, in its unit, else 0")
    known_after: Duration = Field(timedelta(0), description="how long after the row's time its target is known")


ColumnType = Literal["integer", "float", "decimal", "boolean", "category", "text", "date", "timestamp"]
FEATURE_TYPES = ("integer", "float", "decimal", "boolean", "category")
WIDEST_DECIMAL = 38  # digits
EPOCHS = ("epoch_s", "epoch_ms")  # formats of a timestamp that is a number: time since 1970 in UTC
Bound = int | Finite | str
NumberMark = Annotated[str, matching(r"[^0-9+.,\r\n-]{1,10}", "signs or letters, without digits, signs and separators")]


class Column(Section):
    """One column of the data: its type, and how its text is read."""

    type: ColumnType = Field(description="category: text with few or many levels; text: kept, but no feature")
    nulls: Tuple[str] = Field(("",), description="texts that mean a missing value")
    missing: Literal["unknown", "zero", "event"] = Field(
        "unknown",
        description="what a missing value means: not known; the number 0; or something that happened, which the model "
        "is told by a feature `<column>_is_missing`",
    )
    decimal: Literal[".", ","] = Field(".", description="the decimal separator of a float or decimal")
    thousands: Literal[",", ".", " ", "'"] | None = Field(
        None, description="what stands between groups of three digits of a number, where it is written at all"
    )
    marks: Tuple[NumberMark] = Field(
        (), description="what may stand before or behind a number and is no part of it: `$`, `%`, `kg`, or a space"
    )
    scale: int | None = Field(None, ge=0, le=WIDEST_DECIMAL, description="digits behind the point of a decimal")
    precision: int | None = Field(
        None, ge=1, le=WIDEST_DECIMAL, description="digits of a decimal in all; 38 when absent"
    )
    min: Bound | None = Field(None, description="least value of a number, date or timestamp; rows below are refused")
    max: Bound | None = Field(None, description="greatest value of a number, date or timestamp; rows above are refused")
    levels: Tuple[str] | None = Field(
        None, description="the levels that a category may have; another one is a change of the contract"
    )
    format: str | None = Field(
        None,
        description="strptime format of a date or timestamp, `%q` in it the number of a quarter and `%o` an ordinal's "
        "ending, or `epoch_s`, `epoch_ms` (time since 1970); ISO 8601 when absent",
    )
    timezone: Timezone | None = Field(None, description="zone of this timestamp where it differs from `time`'s")
    ambiguous: Literal["earlier", "later", "refuse"] = Field(
        "earlier", description="which of two instants a local time is that the clock showed twice"
    )
    nonexistent: Literal["refuse", "forward"] = Field(
        "refuse",
        description="what becomes of a local time that the clock was put over: refused, or read as if the clock had "
        "not been put forward yet",
    )
    private: bool = Field(
        False, description="its values reach no report, log or error, and no model as they are (docs/privacy.md)"
    )
    unit: str | None = Field(None, description="unit of measurement, for reports")
    description: str | None = Field(None, description="what the column means, for reports")
