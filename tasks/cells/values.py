"""How the text of a cell becomes a value of its declared type, and why it may not.

One DuckDB query types the distinct texts of a column (`tasks.cells.queries`); where all texts of a number have the
plainest notation, Arrow's casts give the same values sooner. Nothing is guessed. Time zones are those inside the pinned
DuckDB, not the machine's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from configs.errors import ConfigError
from configs.sections.columns import EPOCHS, Column
from tasks.arrow_arrays import flag_array, flags_of, number_array, text_array
from tasks.cells.bounds import numeric_bounds, refuse_outside
from tasks.cells.calm_times import calm_instants, utc_times, wall_times
from tasks.cells.details import PRIVATE, detail
from tasks.cells.queries import column_query, decimal_digits, plain_forms, quoted
from tasks.cells.swapped_dates import Swapped, other_way

if TYPE_CHECKING:
    import pyarrow as pa

OnChange = Literal["stop", "quarantine", "accept"]
NUMERIC = ("integer", "float", "decimal")
SHOWN_LEVELS = 10  # of those that are new
SPACES = " \u00a0\u202f"  # beside a number with marks
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
        Declared columns; a cell that could not be typed is null. A category is a dictionary of strings where its cells
        were given as one.
    refused : dict of int to (column, reason, detail)
        Row number, and the first column, in order of declaration, whose cell could not be typed.
    ambiguous, shifted, zero_filled : int
        Cells of the other rows: whose local time happened twice, whose local time was skipped and read as `forward`
        says, and that were missing and mean zero.
    changes : dict of str to Change
        For each integer, and each category with declared levels, how many cells differ from the contract: perhaps 0.
    swapped : dict of str to Swapped
        For each column of dates some of which are none, whether they are with day and month the other way round.
    """

    values: pa.Table
    refused: dict[int, tuple[str, str, str]]
    ambiguous: int
    shifted: int = 0
    zero_filled: int = 0
    changes: dict[str, Change] = field(default_factory=dict)
    swapped: dict[str, Swapped] = field(default_factory=dict)


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
            engine().execute(f"SELECT try_strptime('', {quoted(next(plain_forms(column.format))[0])})").fetchall()
        except duckdb.Error as error:
            raise FormatError(
                f"column {name!r}: format {column.format!r} is none that DuckDB's strptime knows ({error})"
            ) from error


def type_cells(
    cells: pa.Table,
    columns: Mapping[str, Column],
    timezone: str,
    on_change: OnChange = "stop",
    reread: Callable[[str], pa.ChunkedArray] | None = None,
) -> TypedCells:
    """Type the texts of a batch, or of a chunk of one, as declared.

    Each distinct text of a column is typed once.

    Parameters
    ----------
    cells : Table of string, shape (n, len(columns))
        In order of `columns`, whose names it need not carry. A text that is one of the column's null tokens is missing.
        Columns may be dictionaries of strings too, and columns of numbers what `read_as` says, null where missing.
    columns : mapping of str to Column
    timezone : str
        Zone of timestamps without an offset, where the column has none of its own.
    on_change : {"stop", "quarantine", "accept"}
        What becomes of integers that are written as floats, and of levels that are not declared. `stop` leaves it to
        the caller, who finds them in `changes`.
    reread : callable, optional
        From the name of a column that is given as numbers to its texts.
    """
    import pyarrow as pa

    values: list[pa.Array] = []
    refused: dict[int, tuple[str, str, str]] = {}
    told: list[tuple[str, Any]] = []
    changes: dict[str, Change] = {}
    swapped: dict[str, Swapped] = {}
    for number, (name, column) in enumerate(columns.items()):
        given = cells.column(number)
        if is_number(given.type) and not is_inside(given, column):
            given = texts_again(name, reread)
        texts = in_one(given) if is_number(given.type) else without_nulls(given, column.nulls)
        typed = type_column(texts, name, column, timezone, on_change)
        values.append(typed.values)
        told += typed.told.items()
        if column.type == "integer" or column.levels is not None:
            changes[name] = change_of(typed, texts, column)
        if column.type in ("date", "timestamp") and (found := swapped_dates(typed, name, column, timezone)) is not None:
            swapped[name] = found
        why: dict[str | None, tuple[str, str, str]] = {}
        for row, code in zip(*typed.refused, strict=True):
            text, reason = typed.texts[code], typed.reasons[code]
            if text not in why:
                why[text] = (name, str(reason), detail(str(reason), str(text), column, timezone))
            refused.setdefault(row, why[text])
    table = pa.table(values, names=list(columns)).cast(schema_of(values, columns))
    counts = count_told(told, refused)
    return TypedCells(table, refused, counts["ambiguous"], counts["shifted"], counts["zero_filled"], changes, swapped)


def swapped_dates(typed: TypedColumn, name: str, column: Column, timezone: str) -> Swapped | None:
    """Whether a column's texts are all dates with day and month the other way round; None where no date is refused."""
    refused = [code for code in typed.refused[1] if typed.reasons[code] in ("not_a_date", "not_a_timestamp")]
    turned = other_way(text_array(typed.texts), column) if refused else None
    if turned is None:
        return None
    again = type_texts(turned.texts, name, turned.column, timezone, "stop").column("reason")
    text = PRIVATE if column.private else str(typed.texts[refused[0]])
    return Swapped(len(refused), again.null_count == len(again), text)


def texts_again(name: str, reread: Callable[[str], pa.ChunkedArray] | None) -> pa.ChunkedArray:
    """Texts of a column that was given as numbers, some of which are refused.

    Raises
    ------
    TypeError
        If nobody can read them.
    """
    if reread is None:
        raise TypeError(f"column {name!r} was given as numbers, some of which are refused; texts were expected")
    return reread(name)


def count_told(told: list[tuple[str, Any]], refused: Mapping[int, object]) -> Counter[str]:
    """Cells of rows that were not refused, by note."""
    import numpy as np

    out = np.fromiter(refused, np.int64, len(refused))
    counts: Counter[str] = Counter()
    for note, rows in told:
        counts[note] += int((~np.isin(rows, out)).sum()) if len(out) else len(rows)
    return counts


def type_column(texts: pa.Array, name: str, column: Column, timezone: str, on_change: OnChange) -> TypedColumn:
    """Type one column's cells, of which the missing ones are null; numbers as `read_as` says are typed already."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    none = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    if column.type in ("category", "text") and column.levels is None:
        return TypedColumn(texts, [], [], none, {})
    quick = texts if is_number(texts.type) else quick_values(texts, column)
    if quick is not None:
        return with_zeros(TypedColumn(quick, [], [], none, {}), texts, column)
    encoded = texts if isinstance(texts, pa.DictionaryArray) else texts.dictionary_encode()
    typed = type_texts(encoded.dictionary, name, column, timezone, on_change)
    codes = np.from_dlpack(pc.fill_null(encoded.indices, number_array(np.array([-1], np.int32))[0]))
    notes, reasons = typed.column("note"), typed.column("reason")
    told = {
        note: rows_where(codes, pc.fill_null(pc.equal(notes, note), False))
        for note in sorted(notes.drop_null().unique().to_pylist())
    }
    rows = rows_where(codes, pc.is_valid(reasons))
    is_level = column.type == "category"  # which is its own value
    values = texts if is_level else typed.column("value").combine_chunks().take(encoded.indices)
    found = TypedColumn(values, [], [], (rows.tolist(), codes[rows].tolist()), told)
    if len(rows):
        found = found._replace(texts=encoded.dictionary.to_pylist(), reasons=reasons.to_pylist())
    return with_zeros(found, texts, column)


def rows_where(codes: Any, flags: pa.ChunkedArray) -> Any:
    """Rows whose text has a flag, as an array; `codes` says which text each row has, -1 where it is missing."""
    import numpy as np

    found = flags_of(flags.combine_chunks())
    return np.flatnonzero(np.append(found, False)[codes]) if found.any() else np.zeros(0, np.int64)


def with_zeros(typed: TypedColumn, texts: pa.StringArray, column: Column) -> TypedColumn:
    """Put 0 where a cell is missing and that means zero."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.missing != "zero" or not texts.null_count:
        return typed
    missing = pc.is_null(texts)
    zero = pa.scalar(0, pa.int64()).cast(typed.values.type)
    rows = np.flatnonzero(flags_of(missing))
    return typed._replace(values=pc.if_else(missing, zero, typed.values), told={**typed.told, "zero_filled": rows})


def read_as(column: Column) -> pa.DataType:
    """Arrow type that a column's cells are best read as, where a reader can: see `tasks.raw_files.AskedColumns`."""
    import pyarrow as pa

    if is_plain_number(column):
        return typed_schema({"a": column}).field(0).type
    return pa.string() if column.type == "text" else pa.dictionary(pa.int32(), pa.string())


def is_plain_number(column: Column) -> bool:
    """Whether Arrow's casts read a column's texts, where they read all of them, as the queries do."""
    is_plain = column.decimal == "." and column.thousands is None and not column.marks
    return column.type in ("integer", "float") and is_plain


def is_number(type_: pa.DataType) -> bool:
    """Whether cells are numbers already."""
    import pyarrow as pa

    return bool(pa.types.is_int64(type_) or pa.types.is_float64(type_))


def is_inside(values: pa.ChunkedArray | pa.Array, column: Column) -> bool:
    """Whether all numbers are finite and within the declared bounds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(values.type) and pc.all(pc.is_finite(values)).as_py() is False:
        return False
    if column.min is None and column.max is None:
        return True
    low, high = numeric_bounds(column, values.type)
    found = pc.min_max(values)
    is_beyond = (low is not None and pc.less(found["min"], low), high is not None and pc.greater(found["max"], high))
    return not any(beyond is not False and beyond.as_py() for beyond in is_beyond)


def quick_values(texts: pa.Array, column: Column) -> pa.Array | None:
    """Values of a number whose texts Arrow's casts read as the queries do; None where one of them may not be so.

    Arrow knows no sign '+' and also reads '0x1F' as an integer, 'inf' and 'nan' as floats: these go to the query, and
    so does every column with separators of its own, a text that Arrow refuses, or a number out of bounds.
    """
    import pyarrow as pa

    if not is_plain_number(column) or not pa.types.is_string(texts.type):
        return None
    try:
        values = texts.cast(read_as(column))
    except pa.ArrowInvalid:
        return None
    if column.type == "integer" and has_letter_x(texts):
        return None
    return values if is_inside(values, column) else None


def has_letter_x(texts: pa.StringArray) -> bool:
    """Whether an `x` or `X` may stand in any text: all that the array's buffer holds is looked at."""
    import numpy as np

    content = texts.buffers()[2]
    if content is None or not content.size:
        return False
    return bool(((np.frombuffer(content, np.uint8) | 0x20) == ord("x")).any())


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
        typed = run_query(without_marks(texts, column.marks), column_query(column, timezone, on_change))
    if column.min is None and column.max is None:
        return typed
    if column.type in NUMERIC:
        return refuse_outside(typed, *numeric_bounds(column, typed.schema.field("value").type))
    return refuse_outside(typed, *moment_bounds(name, column, timezone))


def without_marks(texts: pa.Array, marks: tuple[str, ...]) -> pa.Array:
    """Texts of numbers without what is declared to stand beside them, and without spaces there; a sign stays.

    Spaces alone part no sign from its number: `- 5` is none, with marks or without.

    >>> import pyarrow as pa
    >>> without_marks(pa.array(["-$ 5", "12 %", "7", "- 5"]), ("$", "%")).to_pylist()
    ['-5', '12', '7', '- 5']
    """
    import pyarrow.compute as pc

    if not marks:
        return texts
    named = "|".join(re.escape(mark.strip()) for mark in marks if mark.strip())
    beside, behind_sign = f"[{SPACES}]", ""
    if named:
        beside, behind_sign = f"[{SPACES}]|{named}", f"(?:[{SPACES}]*(?:{named})[{SPACES}]*)*"
    led = pc.replace_substring_regex(texts, rf"^(?:{beside})*([+-]?){behind_sign}", r"\1")
    return pc.replace_substring_regex(led, f"(?:{beside})+$", "")


def type_calm_times(texts: pa.Array, column: Column, timezone: str) -> pa.Table | None:
    """Type times of which most are far from a change of the clock; None where the query must type all of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.format is not None or len(texts) < FEW:
        return None
    nothing = pa.nulls(len(texts), pa.string())
    if (instants := utc_times(texts)) is not None:
        return pa.table({"value": number_array(instants).cast(pa.timestamp("us")), "reason": nothing, "note": nothing})
    walls = wall_times(texts)
    if walls is None:
        return None
    instants, calm = calm_instants(walls, column.timezone or timezone, engine())
    values = number_array(instants).cast(pa.timestamp("us"))
    if calm.all():
        return pa.table({"value": values, "reason": nothing, "note": nothing})
    restless = flag_array(~calm)
    rest = run_query(texts.filter(restless), column_query(column, timezone, "stop")).combine_chunks()
    columns = {"value": values, "reason": nothing, "note": nothing}
    return pa.table(
        {
            name: pc.replace_with_mask(array, restless, rest.column(name).combine_chunks())
            for name, array in columns.items()
        }
    )


def run_query(texts: pa.Array, query: str) -> pa.Table:
    """Run a query of `tasks.cells.queries` over texts."""
    import numpy as np
    import pyarrow as pa

    engine().register("cells", pa.table({"i": number_array(np.arange(len(texts))), "c": texts}))
    try:
        return engine().sql(query).to_arrow_table()
    finally:
        engine().unregister("cells")


def type_levels(texts: pa.Array, levels: tuple[str, ...], on_change: OnChange) -> pa.Table:
    """Judge the levels of a category by the declared ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_new = pc.invert(pc.is_in(texts, value_set=text_array(levels)))
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


def in_one(cells: pa.ChunkedArray) -> pa.Array:
    """A column as one array; one that is one already is not copied."""
    return cells.chunk(0) if cells.num_chunks == 1 else cells.combine_chunks()


def without_nulls(texts: pa.ChunkedArray, tokens: tuple[str, ...]) -> pa.Array:
    """Put nulls where a text is a null token."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = in_one(texts)
    if not tokens:
        return array
    if isinstance(array, pa.DictionaryArray):
        return without_null_levels(array, tokens)
    missing = pc.is_in(array, value_set=text_array(tokens))
    return pc.if_else(missing, pa.scalar(None, pa.string()), array)


def without_null_levels(texts: pa.DictionaryArray, tokens: tuple[str, ...]) -> pa.DictionaryArray:
    """Put nulls where a text is a null token, and keep the other levels alone, in their order."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    is_token = flags_of(pc.is_in(texts.dictionary, value_set=text_array(tokens)))
    if not is_token.any():
        return texts
    places = number_array((np.cumsum(~is_token) - 1).astype(np.int32), missing=is_token)
    return pa.DictionaryArray.from_arrays(places.take(texts.indices), texts.dictionary.filter(flag_array(~is_token)))


def schema_of(values: list[pa.Array], columns: Mapping[str, Column]) -> pa.Schema:
    """Arrow types of typed columns: the declared ones, but for categories that are dictionaries."""
    import pyarrow as pa

    declared = typed_schema(columns)
    fields = zip(values, declared, strict=True)
    return pa.schema(
        [field.with_type(each.type) if pa.types.is_dictionary(each.type) else field for each, field in fields]
    )


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
