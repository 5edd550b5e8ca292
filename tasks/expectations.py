"""The one place that runs Great Expectations: declared expectations in, checks of a batch out.

GX is imported inside functions, since that takes longer than validating a year of flights. What GX leaves open is
closed here: an expectation that raised, that looked at nothing, or whose failing rows cannot be named does not pass.
Whether an expectation gives rows, and which arguments it takes, stands in `configs/expectations.json`, written by
`python -m tasks.expectations` from the installed GX.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from configs.errors import ConfigError, DataError
from configs.expectations import CATALOGUE, known_expectations
from configs.schema import Column, Expectation
from tasks.atomic import write_json

if TYPE_CHECKING:
    from types import ModuleType

    import pandas as pd
    import pyarrow as pa

ABOUT_MISSING = {
    "expect_column_proportion_of_non_null_values_to_be_between",
    "expect_column_to_exist",
    "expect_column_values_to_be_null",
    "expect_column_values_to_not_be_null",
}
"""Expectations that have something to say about a column without a value."""
TYPES = {"expect_column_type_to_be", "expect_column_values_to_be_in_type_list", "expect_column_values_to_be_of_type"}
"""Not offered: they ask for pandas' types, and a column's type is declared under `columns`."""
VALUE_ARGUMENTS = ("max_value", "min_value", "value_set")
COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list", "column_set")
EXACT_IN_FLOAT = 2**53


class ExpectationError(ConfigError):
    """An expectation is declared that Great Expectations cannot run as declared."""


class ExpectationRaisedError(DataError):
    """Great Expectations could not evaluate an expectation on a batch, or not say which rows fail."""


@dataclass(frozen=True)
class Check:
    """What one expectation found in one batch."""

    expectation: Expectation
    success: bool
    element_count: int | None
    """Rows looked at, missing values included; None for an expectation about the whole table."""
    missing_count: int | None
    unexpected_count: int | None
    unexpected_percent: float | None
    """Of the rows with a value, as GX counts it."""
    rows: tuple[int, ...]
    """Positions, from 0, of the rows that fail; empty for an expectation about the whole table."""
    observed: Any
    """What an expectation about the whole table found instead; plain JSON."""
    vacuous: bool
    """True where no value was there to look at: then `success` is False, whatever GX says."""
    result: Any
    """GX's own result, for the Data Docs, without its lists of all rows."""
    hidden: frozenset[str] = frozenset()
    """Columns whose values are not told (`tasks.private`)."""

    @cached_property
    def declared(self) -> str:
        """The expectation as it is declared, on one line."""
        return f"{self.expectation.name}({describe(self.expectation.arguments)})"


@cache
def great_expectations() -> ModuleType:
    """Import GX without analytics, and undo that it sends all warnings of the process to logging.

    It makes so many classes that a pause of the garbage collector saves a tenth of the time.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    os.environ["DO_NOT_TRACK"] = "1"
    captured = logging._warnings_showwarning is not None  # type: ignore[attr-defined]
    collects = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # GX imports the deprecated sre_constants
            import great_expectations as gx

            logging.captureWarnings(captured)
    finally:
        if collects:
            gc.enable()
    logging.getLogger("great_expectations").setLevel(logging.ERROR)  # its warnings repeat what the results say
    return gx


def row_level(expectation: Expectation) -> bool:
    """Whether an expectation says of each row whether it holds, so that rows can be quarantined.

    Raises
    ------
    ExpectationError
        If it is none that Holdfast runs.
    """
    known = known_expectations().get(expectation.name)
    if known is None:
        raise ExpectationError(f"expectations: {expectation.name!r} is none of those in configs/expectations.json.")
    return known.kind == "row"


def named_columns(expectation: Expectation) -> tuple[str, ...]:
    """Columns that an expectation is about, in the order in which its arguments name them; none for a whole table."""
    values = [expectation.arguments[key] for key in COLUMN_ARGUMENTS if key in expectation.arguments]
    return tuple(name for value in values for name in ([value] if isinstance(value, str) else value))


class Suite:
    """The declared expectations, built once, run on each batch in an ephemeral context.

    Parameters
    ----------
    expectations : sequence of Expectation
        At least one; each with `otherwise: quarantine` must be row-level.
    columns : mapping of str to Column
        The declared columns; texts in arguments about a date or timestamp column are read as such.
    timezone : str
        Zone of such texts without an offset, where the column declares none.

    Raises
    ------
    ExpectationError
        If GX refuses an expectation or would read an argument as another value than the declared one.
    """

    def __init__(self, expectations: Sequence[Expectation], columns: Mapping[str, Column], timezone: str) -> None:
        self.expectations = tuple(expectations)
        gx = great_expectations()
        from great_expectations.data_context.types.base import ProgressBarsConfig

        built = [build_expectation(each, columns, timezone, place) for place, each in enumerate(self.expectations)]
        self._suite = gx.ExpectationSuite(name="declared", expectations=built)
        if len(self._suite.expectations) != len(built):
            raise ExpectationError(
                "expectations: Great Expectations dropped one of those declared. Is one there twice?"
            )
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("typed").add_dataframe_asset("rows")
        self._definition = asset.add_batch_definition_whole_dataframe("batch")

    def check(self, rows: pa.Table) -> list[Check]:
        """Run all expectations on one batch.

        Parameters
        ----------
        rows : Table, at least one row
            The declared columns and no other.

        Returns
        -------
        list of Check
            In order of declaration.

        Raises
        ------
        ExpectationRaisedError
            If an expectation raised inside GX, or counted rows that it does not name.
        """
        frame = frame_for_checks(rows, self.expectations)
        batch = self._definition.get_batch(batch_parameters={"dataframe": frame})
        results = batch.validate(
            self._suite, result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False}
        ).results
        by_place = {result.expectation_config.meta["place"]: result for result in results}
        empty = {name for name in rows.column_names if rows[name].null_count == rows.num_rows}
        return [
            read_check(expectation, by_place.get(place), empty) for place, expectation in enumerate(self.expectations)
        ]


def build_expectation(expectation: Expectation, columns: Mapping[str, Column], timezone: str, place: int) -> Any:
    """GX's own object for a declared expectation; `place` is how its result is found again."""
    from great_expectations.expectations.registry import get_expectation_impl

    names_rows = row_level(expectation)
    if expectation.otherwise == "quarantine" and not names_rows:
        raise ExpectationError(
            f"expectations: {expectation.name} is about the whole table and names no rows, so there is nothing to "
            "quarantine. Declare `otherwise: stop` or `otherwise: warn`."
        )
    arguments = typed_arguments(expectation, columns, timezone)
    try:
        built = get_expectation_impl(expectation.name)(**arguments, meta={"place": place})
    except ValueError as error:  # pydantic's ValidationError is one
        raise ExpectationError(f"expectations: {expectation.name}({describe(arguments)}): {error}") from error
    read = built.configuration.kwargs
    for name, declared in arguments.items():
        if name not in read or read[name] != declared:
            raise ExpectationError(
                f"expectations: {expectation.name}: Great Expectations would read {name}: {declared!r} as "
                f"{read.get(name)!r}. Declare a value that it takes as it is."
            )
    return built


def typed_arguments(expectation: Expectation, columns: Mapping[str, Column], timezone: str) -> dict[str, Any]:
    """Read texts in arguments about a date or timestamp column as dates, or as times with a zone."""
    column = columns.get(str(expectation.arguments.get("column")))
    if column is None or column.type not in ("date", "timestamp"):
        return expectation.arguments
    zone = ZoneInfo(column.timezone or timezone)
    return {
        name: parse_times(value, column.type, zone, f"{expectation.name}: {name}") if name in VALUE_ARGUMENTS else value
        for name, value in expectation.arguments.items()
    }


def parse_times(value: Any, kind: str, zone: ZoneInfo, where: str) -> Any:
    """Read ISO 8601 texts, also inside a list, as dates or as times with a zone."""
    if isinstance(value, list | tuple):
        return [parse_times(each, kind, zone, where) for each in value]
    if not isinstance(value, str):
        return value
    try:
        if kind == "date":
            return date.fromisoformat(value)
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise ExpectationError(f"expectations: {where}: {value!r} is no {kind} such as '2013-01-31'.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def frame_for_checks(rows: pa.Table, expectations: Sequence[Expectation]) -> pd.DataFrame:
    """Make the frame that GX handles best: only what it asks for, pandas' nullable types only where there are nulls.

    GX hashes each column that it is given, compares native integers as arrays and everything else row by row, and
    raises on pandas' NA where several columns are compared: there a column with nulls becomes float (if that is exact)
    or object.
    """
    import pyarrow as pa

    from tasks.table import to_frame

    compared = {name for each in expectations if "column" not in each.arguments for name in named_columns(each)}
    frame = to_frame(rows.select(columns_asked_for(rows.column_names, expectations)))
    for name in frame.columns:
        is_integer = pa.types.is_integer(rows[name].type)
        if not is_integer and not pa.types.is_boolean(rows[name].type):
            continue
        if not rows[name].null_count:
            frame[name] = frame[name].astype("int64" if is_integer else "bool")
        elif name in compared and is_integer and exact_as_float(rows[name]):
            frame[name] = frame[name].astype("float64")
        elif name in compared:
            frame[name] = frame[name].astype("object").where(frame[name].notna(), None)
    return frame


def columns_asked_for(columns: Sequence[str], expectations: Sequence[Expectation]) -> list[str]:
    """Columns that a suite needs: those it names, at least one; all where it is about the table's columns."""
    if any(each.name.startswith("expect_table_column") or "column_index" in each.arguments for each in expectations):
        return list(columns)
    named = {name for each in expectations for name in named_columns(each)}
    return [name for name in columns if name in named] or list(columns[:1])


def exact_as_float(values: pa.ChunkedArray) -> bool:
    """Whether integers stay what they are as floats."""
    import pyarrow.compute as pc

    return all(abs(end or 0) <= EXACT_IN_FLOAT for end in pc.min_max(values).as_py().values())


def read_check(expectation: Expectation, result: Any, empty: set[str]) -> Check:
    """One result of GX as a check; see `Suite.check` for what raises."""
    where = f"{expectation.name}({describe(expectation.arguments)})"
    raised = raised_text(result.exception_info) if result is not None else "it gave no result"
    if raised is not None:
        raise ExpectationRaisedError(f"{where} could not be evaluated by Great Expectations: {raised}")
    found = result.result
    rows = tuple(sorted(int(row) for row in found.get("unexpected_index_list") or ()))
    is_row_level = row_level(expectation)
    if is_row_level and len(rows) != found["unexpected_count"]:
        raise ExpectationRaisedError(
            f"{where}: Great Expectations counted {found['unexpected_count']} failing rows and named {len(rows)}."
        )
    missing = found.get("missing_count") or 0
    vacuous = expectation.name not in ABOUT_MISSING and (
        bool(found["element_count"] and found["element_count"] == missing)
        if is_row_level
        else expectation.arguments.get("column") in empty
    )
    return Check(
        expectation=expectation,
        success=bool(result.success) and not vacuous,
        element_count=found["element_count"] if is_row_level else None,
        missing_count=missing if is_row_level else None,
        unexpected_count=found["unexpected_count"] if is_row_level else None,
        unexpected_percent=plain(found.get("unexpected_percent")) if is_row_level else None,
        rows=rows,
        observed=None if is_row_level else plain(observed_value(found)),
        vacuous=vacuous,
        result=without_lists(result),
    )


def raised_text(exception_info: Mapping[str, Any] | None) -> str | None:
    """Text of what an expectation raised inside GX, whose info is one entry, or one for each metric that raised."""
    entries = (
        [exception_info] if exception_info and "raised_exception" in exception_info else (exception_info or {}).values()
    )
    texts = sorted({str(entry["exception_message"]) for entry in entries if entry["raised_exception"]})
    return "; ".join(texts) if texts else None


def observed_value(found: Mapping[str, Any]) -> Any:
    """Value that GX saw, or the details that some expectations give in its place."""
    details = found.get("details")
    observed = found.get("observed_value")
    if observed is None and details:
        return details
    return observed


def without_lists(result: Any) -> Any:
    """GX's result with plain values (its renderer raises on NumPy's) and without the lists that grow with the batch."""
    long = ("unexpected_list", "unexpected_index_list", "unexpected_index_query", "partial_unexpected_index_list")
    result.result = plain({name: value for name, value in result.result.items() if name not in long})
    return result


def plain(value: Any) -> Any:
    """Any value that GX returns, as JSON has it: no NumPy types, no NaN; times as ISO 8601."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in (sorted(value, key=repr) if isinstance(value, set | frozenset) else value)]
    if getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def describe(arguments: Mapping[str, Any]) -> str:
    """Arguments as they are declared, on one line, long lists cut.

    >>> describe({"column": "age", "min_value": 0})
    "column: 'age', min_value: 0"
    """
    texts = {name: repr(plain(value)) for name, value in arguments.items()}
    return ", ".join(f"{name}: {text if len(text) <= 80 else text[:77] + '...'}" for name, text in texts.items())


def catalogue() -> dict[str, dict[str, Any]]:
    """List what the installed GX offers on pandas: name -> its kind (`row` or `table`), arguments, the required ones.

    Left out are arguments that GX would evaluate as code (`row_condition`) or that Holdfast sets itself.
    """
    great_expectations()
    from great_expectations.expectations import expectation as gx
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    of_rows = (gx.ColumnMapExpectation, gx.ColumnPairMapExpectation, gx.MulticolumnMapExpectation)
    general = {*gx.BatchExpectation.__fields__, "condition_parser", "library_metadata", "row_condition"}
    entries: dict[str, dict[str, Any]] = {}
    for name in sorted(list_registered_expectation_implementations()):
        implementation = get_expectation_impl(name)
        if not runs_on_pandas(implementation) or name in TYPES:
            continue
        fields = {key: field for key, field in implementation.__fields__.items() if key not in general}
        entries[name] = {
            "kind": "row" if issubclass(implementation, of_rows) else "table",
            "arguments": sorted(fields),
            "required": sorted(key for key, field in fields.items() if field.required),
        }
    return entries


def runs_on_pandas(implementation: Any) -> bool:
    """Whether GX says so; the few that say nothing about data sources do."""
    metadata = implementation.schema()["properties"]["metadata"]["properties"]
    sources = metadata.get("supported_data_sources", {}).get("const")
    return sources is None or "Pandas" in sources


if __name__ == "__main__":
    write_json(CATALOGUE, catalogue())
