"""Row-wise SQL expressions of `features.sql`: parsed, held against an allow-list, then run by DuckDB over one frame.

An expression may name declared columns, constants and the operators and functions below, so that it says something
about one row and says the same on every machine. What else DuckDB can parse - a subquery, an aggregate, a file, the
clock, chance - is refused by name before anything runs; the connection that runs the rest can reach no file.
"""

from __future__ import annotations

import difflib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from configs.errors import ConfigError, DataError

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from configs.schema import Pipeline


def names(text: str) -> frozenset[str]:
    """Take a list of words as a set."""
    return frozenset(text.split())


# How a declared column is presented to SQL. A timestamp is local, in its declared zone, so that `hour(time)` is the
# clock on the wall; an instant with a zone would depend on the session.
SQL_TYPES = {
    "integer": "BIGINT",
    "float": "DOUBLE",
    "decimal": "DOUBLE",
    "boolean": "BOOLEAN",
    "category": "VARCHAR",
    "text": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}
OPERATORS = names("+ - * / // % ** ^ || ~~ !~~ ~~* !~~* @ like_escape not_like_escape ilike_escape not_ilike_escape")
FUNCTIONS = names(  # numbers, choice, text, dates; not `age`, which reads the clock when it has one argument
    """
    abs acos asin atan atan2 cbrt ceil ceiling cos cot degrees even exp floor gcd greatest isfinite isinf isnan lcm
    least ln log log10 log2 mod pi pow power radians round round_even sign sin sqrt tan trunc
    if nullif
    ascii chr concat concat_ws contains ends_with instr jaccard jaro_similarity jaro_winkler_similarity lcase left
    length len levenshtein lower ltrim ord position prefix regexp_extract regexp_full_match regexp_matches
    regexp_replace replace reverse right rtrim split_part starts_with strip_accents strlen strpos substr substring
    suffix translate trim ucase unicode upper
    century date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname dayofmonth
    dayofweek dayofyear decade epoch epoch_ms hour isodow isoyear last_day make_date make_timestamp microsecond
    millisecond minute month monthname quarter second strftime strptime to_days to_hours to_minutes to_months
    to_quarters to_seconds to_weeks to_years try_strptime week weekday weekofyear year yearweek
    """
)
OPERATOR_KINDS = names(
    """
    OPERATOR_IS_NULL OPERATOR_IS_NOT_NULL OPERATOR_NOT OPERATOR_COALESCE OPERATOR_TRY COMPARE_IN COMPARE_NOT_IN
    """
)
PLAIN_CLASSES = names("COLUMN_REF CONSTANT COMPARISON CONJUNCTION BETWEEN CASE CAST OPERATOR")
NUMERIC_TYPES = names(
    "BOOLEAN TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT FLOAT DOUBLE DECIMAL"
)
CAST_TYPES = NUMERIC_TYPES | names("VARCHAR DATE TIME TIMESTAMP INTERVAL")
RESULT_TYPES = NUMERIC_TYPES | names("UHUGEINT BIGNUM")
ALLOWED_IN_WORDS = (
    "an expression says something about one row with columns, constants, arithmetic, comparisons, AND, OR, NOT, CASE, "
    "CAST, BETWEEN, IN, IS NULL, COALESCE and scalar functions"
)
CONSTRUCTS = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "STAR": "'*'",
    "PARAMETER": "a parameter",
    "LAMBDA": "a lambda",
    "COLLATE": "COLLATE",
    "DEFAULT": "DEFAULT",
    "POSITIONAL_REFERENCE": "a positional reference",
}
LONGEST_EXPRESSION = 10_000  # characters


class ExpressionError(ConfigError):
    """An SQL expression is not one that Holdfast runs."""


class ExpressionValueError(DataError):
    """An SQL expression cannot be computed for a row of the data."""


def check_expression(sql: str, columns: Mapping[str, str], *, key: str = "features.sql") -> set[str]:
    """Refuse an expression that is not row-wise, deterministic and a number or truth value.

    Parameters
    ----------
    sql : str
        One scalar expression in DuckDB's SQL.
    columns : mapping of name to declared type
        The columns that it may name. Leave out the target and what it is made from: a feature of them would leak.
    key : str
        Where the expression stands in the YAML, for the error, such as ``features.sql.is_evening``.

    Returns
    -------
    set of str
        The columns that the expression reads, at least one.

    Raises
    ------
    ExpressionError
        Names the construct, function or column, the nearest allowed one, and `key`.

    Examples
    --------
    >>> sorted(check_expression("hour * 60 + minute", {"hour": "integer", "minute": "integer", "late": "boolean"}))
    ['hour', 'minute']
    """
    try:
        return set(checked(sql, tuple(columns.items())))
    except ExpressionError as error:
        raise ExpressionError(f"{key}: {error}") from None


def readable_columns(pipeline: Pipeline) -> dict[str, str]:
    """The declared columns that an expression may read, and their types: not the target or what it is made from."""
    hidden = {pipeline.target.name, pipeline.target.from_}
    return {name: column.type for name, column in pipeline.columns.items() if name not in hidden}


def check_declared(pipeline: Pipeline) -> None:
    """Refuse a pipeline with an expression that `check_expression` refuses; no row is needed."""
    for name, sql in pipeline.features.sql.items():
        check_expression(sql, readable_columns(pipeline), key=f"features.sql.{name}")


@cache
def check_named(name: str) -> None:
    """Check the expressions that `configs/<name>.yaml` declares; for a worker, which is given names, not objects."""
    from configs.load import load_pipeline

    check_declared(load_pipeline(name))


def checked(sql: str, columns: tuple[tuple[str, str], ...]) -> frozenset[str]:
    """`check_expression` on values that can be remembered: parsing costs milliseconds, scoring a row should not."""
    types = dict(columns)
    try:
        used = frozenset(columns_of(parse_expression(sql), types))
    except RecursionError:
        raise ExpressionError("nested too deep; split the expression into several columns") from None
    if not used:
        raise ExpressionError(f"{sql!r} names no column, so it is the same for every row; name at least one")
    refuse_type(sql, {name: types[name] for name in sorted(used)})
    return used


def parse_expression(sql: str) -> dict[str, Any]:
    """DuckDB's parse tree of one scalar expression; what closes the parenthesis around it is refused."""
    if len(sql) > LONGEST_EXPRESSION or "\0" in sql:
        raise ExpressionError(f"an expression is plain text of at most {LONGEST_EXPRESSION} characters")
    text = connection().execute("SELECT json_serialize_sql(?)", [f"SELECT ({sql}\n)"]).fetchone()
    tree = json.loads(text[0])  # type: ignore[index]  # one row, always
    if tree["error"]:
        raise ExpressionError(f"{sql!r} is no SQL expression: {tree['error_message']}")
    plain = parsed_constant()
    node = tree["statements"][0]["node"]
    same = len(tree["statements"]) == 1 and {**node, "select_list": None} == {**plain, "select_list": None}
    if not same or len(node["select_list"]) != 1:
        raise ExpressionError(
            f"{sql!r} is more than one scalar expression; give each column its own, without SELECT or ','"
        )
    expression: dict[str, Any] = node["select_list"][0]
    return expression


@cache
def parsed_constant() -> dict[str, Any]:
    """The parse tree around a single expression, with nothing else in the statement."""
    text = connection().execute("SELECT json_serialize_sql('SELECT (1)')").fetchone()
    node: dict[str, Any] = json.loads(text[0])["statements"][0]["node"]  # type: ignore[index]
    return node


def columns_of(tree: Any, types: Mapping[str, str]) -> Iterator[str]:
    """Walk every node of a parse tree, whatever field holds it; yield the columns, refuse what is not allowed."""
    if isinstance(tree, list):
        for item in tree:
            yield from columns_of(item, types)
    if not isinstance(tree, dict):
        return
    if "class" in tree:
        refuse_node(tree)
    if tree.get("class") == "COLUMN_REF":
        yield known_column(tree["column_names"], types)
    for field in sorted(tree):
        yield from columns_of(tree[field], types)


def refuse_node(node: dict[str, Any]) -> None:
    """Raise unless this node, apart from its children, is on the allow-list."""
    kind = node["class"]
    if kind == "FUNCTION":
        refuse_function(node)
    elif kind == "TYPE":
        refuse_cast_type(node)
    elif kind == "OPERATOR" and node["type"] not in OPERATOR_KINDS:
        raise ExpressionError(f"{node['type'].lower().replace('_', ' ')} is not allowed; {ALLOWED_IN_WORDS}")
    elif kind not in PLAIN_CLASSES:
        raise ExpressionError(f"{CONSTRUCTS.get(kind, kind.lower())} is not allowed; {ALLOWED_IN_WORDS}")


def refuse_function(node: dict[str, Any]) -> None:
    """Raise unless a function is on the allow-list and called plainly."""
    name = node["function_name"].lower()
    if node["is_operator"]:
        if name not in OPERATORS:
            raise ExpressionError(f"the operator {name!r} is not allowed; allowed are {' '.join(sorted(OPERATORS))}")
        return
    if name == "row":
        raise ExpressionError("one value was expected, not none or several; give each feature an expression of its own")
    if name not in FUNCTIONS:
        raise ExpressionError(f"the function {name}() is not allowed{nearest(name, FUNCTIONS)}; {ALLOWED_IN_WORDS}")
    if node["schema"] or node["catalog"]:
        raise ExpressionError(
            f"{name}() is called through {node['schema'] or node['catalog']!r}; write {name}(...) alone"
        )
    if node["filter"] or node["distinct"] or node["order_bys"]["orders"] or node["export_state"]:
        raise ExpressionError(
            f"{name}() is called like an aggregate; write {name}(...) without FILTER, DISTINCT or ORDER BY"
        )


def refuse_cast_type(node: dict[str, Any]) -> None:
    """Raise unless a value is cast to a plain type without a time zone."""
    name = node["type_name"].upper()
    if name not in CAST_TYPES or node["schema"] or node["catalog"]:
        raise ExpressionError(f"a cast to {name} is not allowed; allowed are {', '.join(sorted(CAST_TYPES))}")


def known_column(path: list[str], types: Mapping[str, str]) -> str:
    """The one declared column that a reference names, letter by letter."""
    if len(path) != 1:
        raise ExpressionError(
            f'{".".join(path)!r} is a name with a dot; quote a column that has one: "{".".join(path)}"'
        )
    name = path[0]
    if name not in types:
        raise ExpressionError(
            f"{name!r} is not a column that an expression may read{nearest(name, types)}; these are the declared "
            "columns without the target and what it is made from"
        )
    twins = [other for other in types if other.lower() == name.lower() and other != name]
    if twins:
        raise ExpressionError(
            f"the columns {name!r} and {twins[0]!r} are one to SQL, which ignores case; rename one of them"
        )
    return name


def nearest(name: str, known: Mapping[str, str] | frozenset[str]) -> str:
    """A hint at the nearest name, empty where none is near."""
    folded = {other.lower(): other for other in sorted(known)}
    close = difflib.get_close_matches(name.lower(), folded, n=1)
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""


def refuse_type(sql: str, types: Mapping[str, str]) -> None:
    """Raise unless DuckDB can bind the expression to the columns' types and the result is a number or a truth value."""
    import duckdb

    nothing = ", ".join(f"NULL::{SQL_TYPES[type_]} AS {quoted(name)}" for name, type_ in types.items())
    try:
        described = connection().execute(f"DESCRIBE SELECT ({sql}\n) FROM (SELECT {nothing})").fetchone()  # noqa: S608
    except duckdb.Error as error:
        raise ExpressionError(f"{sql!r} does not fit its columns' types: {first_line(error)}") from None
    result = described[1]  # type: ignore[index]  # one row, always
    if result.partition("(")[0] not in RESULT_TYPES:
        raise ExpressionError(
            f"{sql!r} gives {result}; a feature is a number or a truth value. Compare it (= 'x'), or cast it: "
            "CAST(... AS DOUBLE)"
        )


def evaluate_expressions(
    expressions: Mapping[str, str], table: pa.Table, *, hides: bool = False
) -> dict[str, NDArray[np.float64]]:
    """Compute checked expressions for each row of a table.

    Parameters
    ----------
    expressions : mapping of feature name to SQL
        Each passed by `check_expression`.
    table : pyarrow.Table, n_rows rows
        The columns that they read, typed as `SQL_TYPES` says.
    hides : bool
        Leave DuckDB's words out of an error: they tell the value, which may be private.

    Returns
    -------
    dict of float64 arrays, each of shape (n_rows,)
        A truth value is 0 or 1. NULL, a division by zero and any result that is not finite is NaN: missing.

    Raises
    ------
    ExpressionValueError
        If DuckDB cannot compute one for a row, such as a cast of a text that is no number.
    """
    import duckdb
    import numpy as np

    selected = ", ".join(f"CAST(({sql}\n) AS DOUBLE) AS {quoted(name)}" for name, sql in expressions.items())
    with connection() as cursor:
        cursor.register("rows", table)
        try:
            columns = cursor.execute(f"SELECT {selected} FROM rows").fetchnumpy()  # noqa: S608  # each was checked
        except duckdb.Error as error:
            if len(expressions) == 1:
                raise failed_value(expressions, error, hides) from (None if hides else error)
            columns = {
                name: evaluate_expressions({name: sql}, table, hides=hides)[name] for name, sql in expressions.items()
            }
    results = {name: np.ma.filled(np.ma.asarray(columns[name], dtype=np.float64), np.nan) for name in expressions}
    return {name: np.where(np.isfinite(values), values, np.nan) for name, values in results.items()}


def failed_value(expressions: Mapping[str, str], error: Exception, hides: bool = False) -> ExpressionValueError:
    """Say which expression met a row that it cannot be computed for."""
    name, sql = next(iter(expressions.items()))
    why = "it reads a private column, so DuckDB's words are not shown" if hides else first_line(error)
    return ExpressionValueError(
        f"features.sql.{name}: {sql!r} cannot be computed for a row: {why}. Use TRY_CAST or TRY(...) "
        "where a value may not fit: the result is then missing."
    )


def connection() -> duckdb.DuckDBPyConnection:
    """A cursor of this process's one DuckDB: in memory, one thread, rows in order, no files, no extensions."""
    return database(os.getpid()).cursor()


LOCK = threading.Lock()


def database(process: int) -> duckdb.DuckDBPyConnection:
    """The DuckDB of a process; a forked child gets its own. Opening one costs 0.1 s, a cursor microseconds."""
    with LOCK:
        return opened(process)


@cache
def opened(_process: int) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB that can read nothing but what is handed to it."""
    import duckdb

    database = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "enable_external_access": False,
            "autoload_known_extensions": False,
            "autoinstall_known_extensions": False,
            "python_enable_replacements": False,
        },
    )
    database.execute("SET GLOBAL error_on_division_by_zero = false")
    database.execute("SET lock_configuration = true")
    return database


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def first_line(error: Exception) -> str:
    """DuckDB's message without its drawing of the query."""
    return str(error).partition("\n")[0]
