"""How the text of a cell becomes a value of its declared type, and why it may not.

One DuckDB query types the distinct texts of a column. Nothing is guessed: DuckDB's casts round '1.5' to 2 as an
integer and read '1e400' as infinity, so each cast stands behind the syntax that is accepted. Time zones are those
inside the pinned DuckDB, not the machine's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from configs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from configs.schema import Column

INTEGER = r"[+-]?[0-9]+"
FLOAT = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
NOT_FINITE = r"(?i)[+-]?(inf|infinity|nan)"
DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?"
OFFSET = r"(Z|[+-](0[0-9]|1[0-8])(:?[0-5][0-9])?)"
TIMESTAMP = f"{DATE}([T ]{CLOCK}{OFFSET}?)?"
TOO_FINE = r".*\.[0-9]{6}0*[1-9].*"
TRUE = ("true", "t", "yes", "y", "1")
FALSE = ("false", "f", "no", "n", "0")

DETAILS = {
    "not_an_integer": "{text} is no whole number; digits with an optional sign are expected",
    "integer_out_of_range": "{text} does not fit into 64 bits",
    "not_a_number": "{text} is no number; decimal or exponent notation with a point is expected",
    "not_finite": "{text} is no finite number; declare it as a null token if it means a missing value",
    "number_out_of_range": "{text} is beyond the largest double",
    "not_a_boolean": f"{{text}} is none of {', '.join(TRUE + FALSE)}, in any case",
    "not_a_date": "{text} is no date as {format}",
    "not_a_timestamp": "{text} is no timestamp as {format}",
    "finer_than_microseconds": "{text} is finer than a microsecond, which is what is stored",
    "nonexistent_local_time": "{text} does not exist in {zone}: the clock was put forward over it",
}


class FormatError(ConfigError):
    """A declared `format` that DuckDB's strptime does not know."""


@dataclass(frozen=True)
class TypedCells:
    """A batch after typing, one row per record, in order.

    Attributes
    ----------
    values : Table
        Declared columns; a cell that could not be typed is null.
    refused : dict of int to (column, reason, detail)
        Row number, and the first column, in order of declaration, whose cell could not be typed.
    ambiguous : int
        Cells of the other rows whose local time happened twice; the first of the two was taken.
    """

    values: pa.Table
    refused: dict[int, tuple[str, str, str]]
    ambiguous: int


def quoted(text: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def matches(pattern: str) -> str:
    """SQL that says whether the whole cell has the pattern."""
    return f"regexp_full_match(c, {quoted(pattern)})"


def value_query(value: str, reasons: str) -> str:
    """Query over the table `cells` (i, c) for types without a time zone; `reasons` is asked where there is no value."""
    return f"""
        WITH valued AS MATERIALIZED (SELECT i, c, {value} AS value FROM cells)
        SELECT value, CASE WHEN value IS NULL THEN {reasons} END AS reason, false AS ambiguous
        FROM valued ORDER BY i"""  # noqa: S608 - what is put in was quoted


def integer_query() -> str:
    """Read 64-bit integers; never through a float, so 2**53 + 1 stays what it is."""
    syntax = matches(INTEGER)
    reasons = f"CASE WHEN {syntax} THEN 'integer_out_of_range' ELSE 'not_an_integer' END"
    return value_query(f"CASE WHEN {syntax} THEN TRY_CAST(c AS BIGINT) END", reasons)


def float_query() -> str:
    """Read finite doubles."""
    syntax = matches(FLOAT)
    reasons = (
        f"CASE WHEN {matches(NOT_FINITE)} THEN 'not_finite' "
        f"WHEN {syntax} THEN 'number_out_of_range' ELSE 'not_a_number' END"
    )
    return value_query(
        f"CASE WHEN {syntax} AND isfinite(TRY_CAST(c AS DOUBLE)) THEN TRY_CAST(c AS DOUBLE) END", reasons
    )


def boolean_query() -> str:
    """Read booleans, by the words of `TRUE` and `FALSE`."""
    true, false = (", ".join(map(quoted, words)) for words in (TRUE, FALSE))
    return value_query(
        f"CASE WHEN lower(c) IN ({true}) THEN true WHEN lower(c) IN ({false}) THEN false END", "'not_a_boolean'"
    )


def date_query(form: str | None) -> str:
    """Read dates of the years 1 to 9999; with a declared format whose text holds a time of day, midnight only."""
    if form is None:
        syntax = f"{matches(DATE)} AND left(c, 4) <> '0000'"
        return value_query(f"CASE WHEN {syntax} THEN TRY_CAST(c AS DATE) END", "'not_a_date'")
    moment = f"CAST(try_strptime(c, {quoted(form)}) AS TIMESTAMP)"
    return value_query(
        f"CASE WHEN {moment} = date_trunc('day', {moment}) THEN CAST({moment} AS DATE) END", "'not_a_date'"
    )


def timestamp_query(form: str | None, zone: str) -> str:
    """Read UTC instants to the microsecond; a text without an offset is local time in `zone`.

    Where the zone's clock never showed a local time there is no value; where it did twice, the first is taken and
    `ambiguous` says so. Clocks change at most once within two days, so the instant is the wall time at the offset of
    the day before, or of the day after; it is right when the zone's clock then shows that time again. No length of the
    change is assumed (Lord Howe moves by 30 minutes).
    """
    wall, minutes = wall_and_offset(form)
    too_fine = matches(TOO_FINE) if form is None else "false"
    name = quoted(zone)
    return f"""
        WITH parsed AS MATERIALIZED (SELECT i, c, {wall} AS wall, {minutes} AS minutes FROM cells),
        local AS MATERIALIZED (SELECT *, CASE WHEN minutes IS NULL THEN wall END AS clock FROM parsed),
        moments AS MATERIALIZED (SELECT *,
            timezone('UTC', timezone({name}, clock - INTERVAL 1 DAY)) + INTERVAL 1 DAY AS early,
            timezone('UTC', timezone({name}, clock + INTERVAL 1 DAY)) - INTERVAL 1 DAY AS late FROM local),
        checked AS MATERIALIZED (SELECT *,
            CASE WHEN timezone({name}, timezone('UTC', early)) = clock THEN early END AS one,
            CASE WHEN timezone({name}, timezone('UTC', late)) = clock THEN late END AS other FROM moments),
        valued AS MATERIALIZED (SELECT *,
            CASE WHEN minutes IS NULL THEN least(one, other) ELSE wall - to_minutes(minutes) END AS value FROM checked)
        SELECT value, coalesce(one <> other, false) AS ambiguous,
            CASE WHEN value IS NOT NULL THEN NULL WHEN {too_fine} THEN 'finer_than_microseconds'
                WHEN wall IS NULL THEN 'not_a_timestamp' ELSE 'nonexistent_local_time' END AS reason
        FROM valued ORDER BY i"""  # noqa: S608 - what is put in was quoted


def wall_and_offset(form: str | None) -> tuple[str, str]:
    """SQL of the wall clock's time, and of the offset in minutes, null where the text has none."""
    if form is not None:
        # with an offset DuckDB yields an instant; the engine's clock is UTC
        has_offset = re.search(r"%[zZ]", form.replace("%%", "")) is not None
        return f"CAST(try_strptime(c, {quoted(form)}) AS TIMESTAMP)", f"CAST({'0' if has_offset else 'NULL'} AS BIGINT)"
    sound = f"{matches(TIMESTAMP)} AND NOT {matches(TOO_FINE)} AND left(c, 4) <> '0000'"
    clock = f"regexp_extract(c, {quoted(f'^{DATE}([T ]{CLOCK})?')})"
    offset = f"regexp_extract(c, {quoted(f':[0-9.:]*{OFFSET}$')}, 1)"
    digits = f"regexp_replace({offset}, '[^0-9]', '', 'g')"
    size = f"CAST('0' || left({digits}, 2) AS BIGINT) * 60 + CAST('0' || substr({digits}, 3) AS BIGINT)"
    minutes = f"CASE WHEN {offset} <> '' THEN ({size}) * CASE WHEN left({offset}, 1) = '-' THEN -1 ELSE 1 END END"
    return f"CASE WHEN {sound} THEN TRY_CAST({clock} AS TIMESTAMP) END", minutes


def column_query(column: Column, timezone: str) -> str:
    """Query that types a column's texts; `timezone` is for timestamps where the column has none of its own."""
    if column.type == "timestamp":
        return timestamp_query(column.format, column.timezone or timezone)
    if column.type == "date":
        return date_query(column.format)
    return {"integer": integer_query, "float": float_query, "boolean": boolean_query}[column.type]()


@cache
def engine() -> Any:
    """Open, once per process, a DuckDB in memory that loads no extension and touches no file."""
    import duckdb

    opened = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "enable_external_access": "false",
        },
    )
    opened.execute("SET TimeZone = 'UTC'")
    return opened


def refuse_unknown_formats(columns: Mapping[str, Column]) -> None:
    """Try each declared `format` before any batch is read.

    Raises
    ------
    FormatError
        Names the column and DuckDB's objection.
    """
    for name, column in columns.items():
        if column.format is None:
            continue
        import duckdb

        try:
            engine().execute(f"SELECT try_strptime('', {quoted(column.format)})").fetchall()
        except duckdb.Error as error:
            raise FormatError(
                f"column {name!r}: format {column.format!r} is none that DuckDB's strptime knows ({error})"
            ) from error


def type_cells(cells: pa.Table, columns: Mapping[str, Column], timezone: str) -> TypedCells:
    """Type the texts of a batch as declared.

    Each distinct text of a column is typed once.

    Parameters
    ----------
    cells : Table of string, shape (n, len(columns))
        In order of `columns`, whose names it need not carry. A text that is one of the column's null tokens is missing.
    columns : mapping of str to Column
    timezone : str
        Zone of timestamps without an offset, where the column has none of its own.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    values: list[pa.Array] = []
    refused: dict[int, tuple[str, str, str]] = {}
    ambiguous_rows: list[int] = []
    for number, (name, column) in enumerate(columns.items()):
        texts = without_nulls(cells.column(number), column.nulls)
        if column.type in ("category", "text"):
            values.append(texts)
            continue
        encoded = texts.combine_chunks().dictionary_encode()
        typed = type_texts(encoded.dictionary, column, timezone)
        values.append(typed.column("value").combine_chunks().take(encoded.indices))
        ambiguous_rows += rows_where(encoded, typed.column("ambiguous"))
        for row in rows_where(encoded, pc.is_valid(typed.column("reason"))):
            reason = typed.column("reason")[encoded.indices[row].as_py()].as_py()
            refused.setdefault(row, (name, reason, detail(reason, texts[row].as_py(), column, timezone)))
    table = pa.table(values, names=list(columns)).cast(typed_schema(columns))
    return TypedCells(table, refused, sum(row not in refused for row in ambiguous_rows))


def type_texts(texts: pa.Array, column: Column, timezone: str) -> pa.Table:
    """Type distinct texts: a table of value, reason (null where there is a value) and ambiguous, in the same order."""
    import pyarrow as pa

    numbered = pa.table({"i": pa.array(range(len(texts)), pa.int64()), "c": texts})
    engine().register("cells", numbered)
    try:
        return engine().sql(column_query(column, timezone)).to_arrow_table()
    finally:
        engine().unregister("cells")


def rows_where(encoded: pa.DictionaryArray, flags: pa.ChunkedArray) -> list[int]:
    """Rows whose text has a flag."""
    import pyarrow.compute as pc

    if not pc.any(flags).as_py():
        return []
    rows: list[int] = pc.indices_nonzero(pc.fill_null(flags.combine_chunks().take(encoded.indices), False)).to_pylist()
    return rows


def detail(reason: str, text: str, column: Column, timezone: str) -> str:
    """Say what was found and expected for one cell; a very long text is cut."""
    found = repr(text) if len(text) <= 100 else f"{text[:100]!r}... ({len(text)} characters)"
    found = "a private value" if column.private else found
    form = f"declared ({column.format})" if column.format else "ISO 8601"
    return DETAILS[reason].format(text=found, format=form, zone=column.timezone or timezone)


def without_nulls(texts: pa.ChunkedArray, tokens: tuple[str, ...]) -> pa.ChunkedArray:
    """Put nulls where a text is a null token."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not tokens:
        return texts
    missing = pc.is_in(texts, value_set=pa.array(tokens, pa.string()))
    return pc.if_else(missing, pa.scalar(None, pa.string()), texts)


def typed_schema(columns: Mapping[str, Column]) -> pa.Schema:
    """Arrow types of the declared columns."""
    import pyarrow as pa

    types = {
        "integer": pa.int64(),
        "float": pa.float64(),
        "boolean": pa.bool_(),
        "category": pa.string(),
        "text": pa.string(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([pa.field(name, types[column.type]) for name, column in columns.items()])
