"""Expressions of one row: computed at once or by DuckDB, they have the bits that DuckDB gives a table."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.scoring.plain_sql import plain_expression
from tasks.scoring.row_sql import RowExpressions
from tasks.sql import ExpressionValueError, check_expression, evaluate_expressions

TYPES = {
    "n": "integer",
    "m": "integer",
    "x": "float",
    "d": "decimal",
    "b": "boolean",
    "c": "category",
    "t": "timestamp",
}
ARROW = {
    "integer": pa.int64(),
    "float": pa.float64(),
    "decimal": pa.float64(),
    "boolean": pa.bool_(),
    "category": pa.string(),
    "timestamp": pa.timestamp("us"),
}
PLAIN = [
    "n * 60 + m",
    "n - m * 3",
    "n / m",
    "x / n",
    "x * 0.3 - 2",
    "x + d",
    "x - n",
    "n > m",
    "n >= 17",
    "x < n",
    "x <> 0.1",
    "x BETWEEN n AND 2.5",
    "n NOT BETWEEN 1 AND 3",
    "c = 'Ulm'",
    "c <> 'Ulm' OR n = 1",
    "c IN ('Ulm', 'Bonn') AND x > 0.5",
    "n IN (1, 2, 3)",
    "NOT (b = (n > 2))",
    "b AND NOT (x IS NULL)",
    "c NOT IN ('Ulm')",
    "c IS NOT NULL",
    "hour(t) * 60 + minute(t)",
    "month(t) = 12 OR day(t) > 30 OR year(t) < 2000",
    "b",
    "n",
    "x",
]
OTHERS = [
    "ln(x)",
    "n + 0.5",  # a decimal in SQL, not a double
    "n > 0.5",
    "c = n",
    "c < 'Ulm'",
    "CASE WHEN n > 1 THEN x ELSE m END",
    "coalesce(x, 0)",
    "n + 3000000000",
    "n // m",
    "n % 3",
    "t > TIMESTAMP '2013-01-01 00:00:00'",
    "b = 1",
    "x + 12345678.12345678",
    "n IN (1, NULL)",
    "-n",
]
NUMBERS = st.one_of(st.none(), st.integers(-3, 40), st.integers(-(2**63), 2**63 - 1))
FLOATS = st.one_of(
    st.none(), st.sampled_from([0.0, -0.0, 0.1, 2.5, 1e308, -1e308, 5e-324, 2.0**53]), st.floats(allow_nan=False)
).filter(lambda value: value is None or math.isfinite(value))
ROWS = st.fixed_dictionaries(
    {
        "n": NUMBERS,
        "m": NUMBERS,
        "x": FLOATS,
        "d": FLOATS,
        "b": st.none() | st.booleans(),
        "c": st.none() | st.sampled_from(["Ulm", "Bonn", "", "ulm", "7"]),
        "t": st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    }
)


def of_table(sql: str, row: dict[str, Any]) -> float:
    table = pa.table({name: pa.array([row[name]], ARROW[TYPES[name]]) for name in TYPES})
    return float(evaluate_expressions({"made": sql}, table)["made"][0])


@pytest.mark.parametrize("sql", PLAIN)
def test_expression_is_plain(sql: str) -> None:
    assert plain_expression(sql, TYPES) is not None


@pytest.mark.parametrize("sql", OTHERS)
def test_expression_is_left_to_duckdb(sql: str) -> None:
    assert plain_expression(sql, TYPES) is None


@pytest.mark.parametrize("sql", [*PLAIN, *OTHERS])
@settings(max_examples=15, deadline=None)
@given(row=ROWS)
@example(row={"n": 2**53 + 1, "m": 0, "x": 2.0**53, "d": 0.1, "b": True, "c": "7", "t": datetime(2013, 12, 31, 23)})
@example(row={"n": 2**63 - 1, "m": 2**63 - 1, "x": 1e308, "d": 1e308, "b": None, "c": None, "t": None})
@example(row={"n": 0, "m": 0, "x": None, "d": -0.0, "b": False, "c": "Ulm", "t": datetime(2000, 1, 1)})
def test_row_has_the_bits_of_a_table(sql: str, row: dict[str, Any]) -> None:
    check_expression(sql, TYPES)
    compute = RowExpressions({"made": sql}, TYPES, hides=False)
    try:
        expected = of_table(sql, row)
    except ExpressionValueError:
        with pytest.raises(ExpressionValueError):
            compute(row)
        return
    assert np.float64(compute(row)["made"]).tobytes() == np.float64(expected).tobytes()


def test_error_about_private_values_shows_none() -> None:
    compute = RowExpressions({"made": "CAST(c AS DOUBLE)"}, TYPES, hides=True)
    with pytest.raises(ExpressionValueError) as caught:
        compute(dict.fromkeys(TYPES) | {"c": "Sentinel"})
    assert "Sentinel" not in str(caught.value)
