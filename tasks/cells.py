"""How the text of a cell becomes a value of its declared type, and why it may not.

One DuckDB query types the distinct texts of a column (`tasks.cell_queries`); where all texts of a number have the
plainest notation, Arrow's casts give the same values sooner. Nothing is guessed. Time zones are those inside the pinned
DuckDB, not the machine's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from configs.errors import ConfigError
from configs.schema import EPOCHS, Column
from tasks.bounds import numeric_bounds, refuse_outside
from tasks.calm_times import calm_instants, wall_times
from tasks.cell_details import PRIVATE, detail
from tasks.cell_queries import column_query, decimal_digits, quoted

if TYPE_CHECKING:
    import pyarrow as pa

OnChange = Literal["stop", "quarantine", "accept"]
NUMERIC = ("integer", "float", "decimal")
SHOWN_LEVELS = 10  # of those that are new
FEW = 100  # distinct times that are not worth a look at their days


class FormatError(ConfigError):
    """A declared `format` that DuckDB's strptime does not know, or a bound that its column's type does not."""


class Change(NamedTuple):
    """How the cells of one column differ from the contract.

    `cells` of the `given` ones that are not missing differ; `row` is the first of them, `texts` are some of what they
    say.
    """

    kind: Literal["schema_new_level", "schema_integer_became_float"]
    cells: int
    given: int
    row: int
    texts: tuple[str, ...]


@dataclass(frozen=True)
class TypedCells:
    """A batch, or a chunk of one, after typing: one row per record, in order.

    Attributes
    ----------
    values : Table
        Declared columns; a cell that could not be typed is null.
    refused : dict of int to (column, reason, detail)
        Row number, and the first column, in order of declaration, whose cell could not be typed.
    ambiguous, shifted, zero_filled : int
        Cells of the other rows: whose local time happened twice, whose local time was skipped and read as `forward`
        says, and that were missing and mean zero.
    changes : dict of str to Change
        For each integer, and each category with declared levels, how many cells differ from the contract: perhaps 0.
    """

    values: pa.Table
    refused: dict[int, tuple[str, str, str]]
    ambiguous: int
    shifted: int = 0
    zero_filled: int = 0
    changes: dict[str, Change] = field(default_factory=dict)


class TypedColumn(NamedTuple):
    """One column after typing.

    `texts` and `reasons` are those of the distinct texts, and `refused` the rows and which text each of them has; all
    empty where no cell was refused. `told` holds the rows of each note.
    """

    values: pa.Array
    texts: list[str | None]
    reasons: list[str | None]
    refused: Any
    told: dict[str, Any]


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


def refuse_unknown_formats(columns: Mapping[str, Column], timezone: str = "UTC") -> None:
    """Try each declared `format` and bound before any batch is read.

    Raises
    ------
    FormatError
        Names the column and DuckDB's objection, or the bound that is no value of the column.
    """
    for name, column in columns.items():
        if column.type in ("date", "timestamp"):
            moment_bounds(name, column, timezone)
        if column.format is None or column.format in EPOCHS:
            continue
        import duckdb

        try:
            engine().execute(f"SELECT try_strptime('', {quoted(column.format)})").fetchall()
        except duckdb.Error as error:
            raise FormatError(
                f"column {name!r}: format {column.format!r} is none that DuckDB's strptime knows ({error})"
            ) from error


def type_cells(
    cells: pa.Table, columns: Mapping[str, Column], timezone: str, on_change: OnChange = "stop"
) -> TypedCells:
    """Type the texts of a batch, or of a chunk of one, as declared.

    Each distinct text of a column is typed once.

    Parameters
    ----------
    cells : Table of string, shape (n, len(columns))
        In order of `columns`, whose names it need not carry. A text that is one of the column's null tokens is missing.
    columns : mapping of str to Column
    timezone : str
        Zone of timestamps without an offset, where the column has none of its own.
    on_change : {"stop", "quarantine", "accept"}
        What becomes of integers that are written as floats, and of levels that are not declared. `stop` leaves it to
        the caller, who finds them in `changes`.
    """
    import pyarrow as pa

    values: list[pa.Array] = []
    refused: dict[int, tuple[str, str, str]] = {}
    told: list[tuple[str, Any]] = []
    changes: dict[str, Change] = {}
    for number, (name, column) in enumerate(columns.items()):
        texts = without_nulls(cells.column(number), column.nulls).combine_chunks()
        typed = type_column(texts, name, column, timezone, on_change)
        values.append(typed.values)
        told += typed.told.items()
        if column.type == "integer" or column.levels is not None:
            changes[name] = change_of(typed, texts, column)
        why: dict[str | None, tuple[str, str, str]] = {}
        for row, code in zip(*typed.refused, strict=True):
            text, reason = typed.texts[code], typed.reasons[code]
            if text not in why:
                why[text] = (name, str(reason), detail(str(reason), str(text), column, timezone))
            refused.setdefault(row, why[text])
    table = pa.table(values, names=list(columns)).cast(typed_schema(columns))
    counts = count_told(told, refused)
    return TypedCells(table, refused, counts["ambiguous"], counts["shifted"], counts["zero_filled"], changes)


def count_told(told: list[tuple[str, Any]], refused: Mapping[int, object]) -> Counter[str]:
    """Cells of rows that were not refused, by note."""
    import numpy as np

    out = np.fromiter(refused, np.int64, len(refused))
    counts: Counter[str] = Counter()
    for note, rows in told:
        counts[note] += int((~np.isin(rows, out)).sum()) if len(out) else len(rows)
    return counts


def type_column(texts: pa.StringArray, name: str, column: Column, timezone: str, on_change: OnChange) -> TypedColumn:
    """Type one column's cells, of which the missing ones are null."""
    import numpy as np
    import pyarrow.compute as pc

    none = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    if column.type in ("category", "text") and column.levels is None:
        return TypedColumn(texts, [], [], none, {})
    quick = quick_values(texts, column)
    if quick is not None:
        return with_zeros(TypedColumn(quick, [], [], none, {}), texts, column)
    encoded = texts.dictionary_encode()
    typed = type_texts(encoded.dictionary, name, column, timezone, on_change)
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    notes, reasons = typed.column("note"), typed.column("reason")
    told = {
        note: rows_where(codes, pc.fill_null(pc.equal(notes, note), False))
        for note in sorted(notes.drop_null().unique().to_pylist())
    }
    rows = rows_where(codes, pc.is_valid(reasons))
    column_of_values = typed.column("value").combine_chunks().take(encoded.indices)
    found = TypedColumn(column_of_values, [], [], (rows.tolist(), codes[rows].tolist()), told)
    if len(rows):
        found = found._replace(texts=encoded.dictionary.to_pylist(), reasons=reasons.to_pylist())
    return with_zeros(found, texts, column)


def rows_where(codes: Any, flags: pa.ChunkedArray) -> Any:
    """Rows whose text has a flag, as an array; `codes` says which text each row has, -1 where it is missing."""
    import numpy as np

    return np.flatnonzero(np.append(flags.to_numpy(), False)[codes]) if len(flags) else np.zeros(0, np.int64)


def with_zeros(typed: TypedColumn, texts: pa.StringArray, column: Column) -> TypedColumn:
    """Put 0 where a cell is missing and that means zero."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.missing != "zero" or not texts.null_count:
        return typed
    missing = pc.is_null(texts)
    zero = pa.scalar(0, pa.int64()).cast(typed.values.type)
    rows = np.flatnonzero(missing.to_numpy(zero_copy_only=False))
    return typed._replace(values=pc.if_else(missing, zero, typed.values), told={**typed.told, "zero_filled": rows})


def quick_values(texts: pa.StringArray, column: Column) -> pa.Array | None:
    """Values of a number whose texts Arrow's casts read as the queries do; None where one of them may not be so.

    Arrow knows no sign '+' and also reads '0x1F' as an integer, 'inf' and 'nan' as floats: these go to the query, and
    so does every column with bounds, separators of its own, or a text that Arrow refuses.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    is_plain = column.decimal == "." and column.thousands is None and column.min is None and column.max is None
    if column.type not in ("integer", "float") or not is_plain:
        return None
    try:
        values = texts.cast(typed_schema({"a": column}).field(0).type)
    except pa.ArrowInvalid:
        return None
    if column.type == "float":
        return values if pc.all(pc.is_finite(values)).as_py() is not False else None
    return None if pc.any(pc.match_substring_regex(texts, "[xX]")).as_py() else values


def change_of(typed: TypedColumn, texts: pa.StringArray, column: Column) -> Change:
    """How a column's cells differ from the contract."""
    kind: Literal["schema_new_level", "schema_integer_became_float"] = (
        "schema_integer_became_float" if column.type == "integer" else "schema_new_level"
    )
    rows = typed.told.get("whole_float" if column.type == "integer" else "new_level", ())
    given = len(texts) - texts.null_count
    if not len(rows):
        return Change(kind, 0, given, -1, ())
    found = [PRIVATE] if column.private else sorted(texts.take(rows).unique().to_pylist())
    return Change(kind, len(rows), given, int(rows[0]), tuple(found[:SHOWN_LEVELS]))


def type_texts(texts: pa.Array, name: str, column: Column, timezone: str, on_change: OnChange) -> pa.Table:
    """Type distinct texts: a table of value, reason (null where there is a value) and note, in the same order."""
    if column.type == "category":
        return type_levels(texts, column.levels or (), on_change)
    typed = type_calm_times(texts, column, timezone) if column.type == "timestamp" else None
    if typed is None:
        typed = run_query(texts, column_query(column, timezone, on_change))
    if column.min is None and column.max is None:
        return typed
    if column.type in NUMERIC:
        return refuse_outside(typed, *numeric_bounds(column, typed.schema.field("value").type))
    return refuse_outside(typed, *moment_bounds(name, column, timezone))


def type_calm_times(texts: pa.Array, column: Column, timezone: str) -> pa.Table | None:
    """Type times of which most are far from a change of the clock; None where the query must type all of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    walls = wall_times(texts) if column.format is None and len(texts) >= FEW else None
    if walls is None:
        return None
    instants, calm = calm_instants(walls, column.timezone or timezone, engine())
    values, nothing = pa.array(instants).cast(pa.timestamp("us")), pa.nulls(len(texts), pa.string())
    restless = pa.array(~calm)
    rest = run_query(texts.filter(restless), column_query(column, timezone, "stop")).combine_chunks()
    columns = {"value": values, "reason": nothing, "note": nothing}
    return pa.table(
        {
            name: pc.replace_with_mask(array, restless, rest.column(name).combine_chunks())
            for name, array in columns.items()
        }
    )


def run_query(texts: pa.Array, query: str) -> pa.Table:
    """Run a query of `tasks.cell_queries` over texts."""
    import numpy as np
    import pyarrow as pa

    engine().register("cells", pa.table({"i": np.arange(len(texts)), "c": texts}))
    try:
        return engine().sql(query).to_arrow_table()
    finally:
        engine().unregister("cells")


def type_levels(texts: pa.Array, levels: tuple[str, ...], on_change: OnChange) -> pa.Table:
    """Judge the levels of a category by the declared ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_new = pc.invert(pc.is_in(texts, value_set=pa.array(levels, pa.string())))
    nothing = pa.scalar(None, pa.string())
    reason = pa.scalar("schema_new_level" if on_change == "quarantine" else None, pa.string())
    return pa.table(
        {
            "value": texts,
            "reason": pc.if_else(is_new, reason, nothing),
            "note": pc.if_else(is_new, pa.scalar("new_level"), nothing),
        }
    )


def moment_bounds(name: str, column: Column, timezone: str) -> tuple[Any, Any]:
    """Bounds of a date or timestamp as scalars, read in ISO 8601 as the column's cells are.

    Raises
    ------
    FormatError
        If a bound is no such date or time; names the column.
    """
    import pyarrow as pa

    plain = column.model_copy(update={"format": None, "min": None, "max": None, "ambiguous": "earlier"})
    bounds: list[Any] = []
    for key, bound in (("min", column.min), ("max", column.max)):
        if bound is None:
            bounds.append(None)
            continue
        typed = run_query(pa.array([str(bound)], pa.string()), column_query(plain, timezone, "stop"))
        if (reason := typed.column("reason")[0].as_py()) is not None:
            raise FormatError(f"column {name!r}: {key} {detail(reason, str(bound), plain, timezone)}")
        bounds.append(typed.column("value")[0])
    return bounds[0], bounds[1]


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
    decimals = {name: pa.decimal128(*decimal_digits(each)) for name, each in columns.items() if each.type == "decimal"}
    return pa.schema([pa.field(name, decimals.get(name) or types[each.type]) for name, each in columns.items()])
