import threading

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from tasks.sql import (
    FUNCTIONS,
    ExpressionError,
    ExpressionValueError,
    check_expression,
    connection,
    evaluate_expressions,
)

COLUMNS = {
    "hour": "integer",
    "minute": "integer",
    "s": "category",
    "time_hour": "timestamp",
    "day": "date",
    "price": "float",
    "open": "boolean",
    'odd "name"; --': "integer",
    "a.b": "integer",
}
# 2013-01-01 10:00 and 2013-07-01 23:30, in microseconds
ROWS = pa.table(
    {
        "hour": pa.array([17, None, 0], pa.int64()),
        "minute": pa.array([1, 2, 3], pa.int64()),
        "s": pa.array(["a-1", None, "b-2"], pa.string()),
        "time_hour": pa.array([1357034400000000, None, 1372721400000000], pa.timestamp("us")),
        "day": pa.array([15706, None, 15000], pa.date32()),
        "price": pa.array([1.5, None, 0.0], pa.float64()),
        "open": pa.array([True, None, False], pa.bool_()),
        'odd "name"; --': pa.array([1, 2, 3], pa.int64()),
        "a.b": pa.array([1, 2, 3], pa.int64()),
    }
)
NAN = float("nan")


@pytest.mark.parametrize(
    ("sql", "used", "expected"),
    [
        ("hour * 60 + minute", {"hour", "minute"}, [1021, NAN, 3]),
        ("hour >= 17", {"hour"}, [1, NAN, 0]),
        ("NOT open OR open", {"open"}, [1, NAN, 1]),
        ("open", {"open"}, [1, NAN, 0]),
        ("hour / 0 ", {"hour"}, [NAN, NAN, NAN]),
        ("hour // 0", {"hour"}, [NAN, NAN, NAN]),
        ("ln(price)", {"price"}, [np.log(1.5), NAN, NAN]),
        ("sqrt(-minute)", {"minute"}, [NAN, NAN, NAN]),
        ("price > 1", {"price"}, [1, NAN, 0]),
        ("CASE WHEN hour > 12 THEN 1 WHEN hour IS NULL THEN 2 ELSE 0 END", {"hour"}, [1, 2, 0]),
        ("hour BETWEEN 0 AND 5", {"hour"}, [0, NAN, 1]),
        ("hour IN (0, 5)", {"hour"}, [0, NAN, 1]),
        ("COALESCE(hour, -1)", {"hour"}, [17, -1, 0]),
        ("split_part(s, '-', 1) = 'a'", {"s"}, [1, NAN, 0]),
        ("CAST(right(s, 1) AS INTEGER)", {"s"}, [1, NAN, 2]),
        ("TRY_CAST(s AS INTEGER)", {"s"}, [NAN, NAN, NAN]),
        ("s LIKE 'a%'", {"s"}, [1, NAN, 0]),
        ("hour(time_hour)", {"time_hour"}, [10, NAN, 23]),
        ("extract(dow FROM time_hour)", {"time_hour"}, [2, NAN, 1]),
        ("date_diff('day', day, time_hour::DATE)", {"day", "time_hour"}, [0, NAN, 887]),
        ("time_hour - INTERVAL 1 DAY < TIMESTAMP '2013-01-01'", {"time_hour"}, [1, NAN, 0]),
        ("if(open, 2, 3)", {"open"}, [2, 3, 3]),
        ('"odd ""name""; --" + 1', {'odd "name"; --'}, [2, 3, 4]),
        ('"a.b"', {"a.b"}, [1, 2, 3]),
        ("minute -- a remark", {"minute"}, [1, 2, 3]),
        ("minute /* 1); DROP TABLE x */", {"minute"}, [1, 2, 3]),
        ("minute) + (minute", {"minute"}, [2, 4, 6]),
    ],
)
def test_expression_has_the_value_written_here(sql, used, expected):
    assert check_expression(sql, COLUMNS) == used
    np.testing.assert_allclose(evaluate_expressions({"x": sql}, ROWS.select(sorted(used)))["x"], expected)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("1); DROP TABLE x; --", "no SQL expression"),
        ("hour;", "no SQL expression"),
        ("hour /* open", "unterminated"),
        ("hour 'open", "unterminated"),
        ("", "one value was expected"),
        ("1, 2", "one value was expected"),
        ("1), (2", "more than one scalar expression"),
        ("1) UNION SELECT (2", "more than one scalar expression"),
        ("1) ORDER BY (hour", "more than one scalar expression"),
        ("1) LIMIT (1", "more than one scalar expression"),
        ("hour) FROM read_csv('/etc/passwd') WHERE (true", "more than one scalar expression"),
        ("(SELECT 1)", "a subquery"),
        ("hour IN (SELECT 2)", "a subquery"),
        ("EXISTS (FROM read_csv('/etc/passwd'))", "a subquery"),
        ("hour = ANY([1])", "a subquery"),
        ("read_csv('/etc/passwd')", r"read_csv\(\) is not allowed"),
        ("read_text('/etc/passwd') = s", r"read_text\(\) is not allowed"),
        ("getenv('HOME') = s", r"getenv\(\) is not allowed"),
        ("random() > hour", r"random\(\) is not allowed"),
        ("uuid() = s", r"uuid\(\) is not allowed"),
        ("now() > time_hour", r"now\(\) is not allowed"),
        ("age(time_hour) > INTERVAL 1 DAY", r"age\(\) is not allowed"),
        ("current_date > day", "'current_date' is not a column"),
        ("nextval('x')", r"nextval\(\) is not allowed"),
        ("current_setting('threads') = s", r"current_setting\(\) is not allowed"),
        ("uppr(s) = 'A'", "did you mean 'upper'"),
        ("sum(hour)", r"sum\(\) is not allowed"),
        ("count(*)", r"count_star\(\) is not allowed"),
        ("abs(hour) FILTER (WHERE open)", "FILTER"),
        ("abs(DISTINCT hour)", "DISTINCT"),
        ("row_number() OVER ()", "a window function"),
        ("lag(hour) OVER (ORDER BY minute)", "a window function"),
        ("hour + ?", "a parameter"),
        ("hour + $name", "a parameter"),
        ("*", r"'\*' is not allowed"),
        ("COLUMNS('h.*')", r"'\*' is not allowed"),
        ("x -> hour", "a lambda"),
        ("[hour][1]", "is not allowed"),
        ("{'a': hour}.a", "is not allowed"),
        ("s COLLATE nocase = 'A'", "COLLATE"),
        ("system.main.abs(hour)", "called through"),
        ("CAST(s AS JSON) IS NULL", "a cast to JSON"),
        ("CAST(time_hour AS TIMESTAMPTZ) IS NULL", "a cast to TIMESTAMP"),
        ("CAST(hour AS INTEGER[]) IS NULL", "a cast to LIST"),
        ("hour & 1", "operator '&'"),
        ("t.hour", "a name with a dot"),
        ("HOUR + 1", "did you mean 'hour'"),
        ("minut", "did you mean 'minute'"),
        ("arr_delay > 0", "without the target"),
        ("rowid", "'rowid' is not a column"),
        ("1", "names no column"),
        ("s", "gives VARCHAR"),
        ("time_hour", "gives TIMESTAMP"),
        ("s + 1 = 'a' || hour(s)", "does not fit its columns' types"),
        ("hour" + " + 1" * 20_000, "at most 10000 characters"),
        ("(" * 3000 + "hour" + ")" * 3000, "nested too deep|no SQL expression"),
        ("-(" * 600 + "hour" + ")" * 600, "nested too deep|no SQL expression"),
        ("-- hour", "one value was expected"),
        ("hour\0", "plain text"),
    ],
)
def test_expression_is_refused_by_name_and_key(sql, said):
    with pytest.raises(ExpressionError, match=said) as refused:
        check_expression(sql, COLUMNS, key="features.sql.x")
    assert str(refused.value).startswith("features.sql.x: ")


def test_columns_that_differ_in_case_alone_are_refused():
    with pytest.raises(ExpressionError, match="ignores case"):
        check_expression("a + 1", {"a": "integer", "A": "integer"})


def test_allowed_functions_are_scalar_and_deterministic_in_duckdb():
    """As DuckDB itself says of each."""
    listed = connection().execute(
        "SELECT function_name, function_type, stability FROM duckdb_functions() WHERE list_contains(?, function_name)",
        [sorted(FUNCTIONS)],
    )
    found = {(name, kind, stability) for name, kind, stability in listed.fetchall()}
    kinds = {kind for _, kind, stability in found if (kind, stability) != ("scalar", "CONSISTENT")}
    assert kinds <= {"macro"}
    assert {name for name, kind, _ in found if kind == "macro"} <= {"if", "nullif", "split_part"}
    assert {name for name, _, _ in found} == FUNCTIONS


def test_value_that_cannot_be_computed_names_its_expression():
    with pytest.raises(ExpressionValueError, match=r"features\.sql\.bad: .*'a-1'"):
        evaluate_expressions({"good": "hour + 1", "bad": "CAST(s AS INTEGER)"}, ROWS)


def test_connection_opens_no_file_and_stays_locked(tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n")
    with pytest.raises(duckdb.PermissionException):
        connection().execute(f"SELECT * FROM read_csv('{tmp_path / 'x.csv'}')")
    with pytest.raises(duckdb.Error, match="locked"):
        connection().execute("SET enable_external_access = true")


def test_no_python_variable_is_visible_as_a_table():
    frame = ROWS  # noqa: F841  # DuckDB would find it by name
    with pytest.raises(duckdb.CatalogException):
        connection().execute("SELECT * FROM frame")


def test_rows_keep_their_order_and_number():
    rows = pa.table({"n": np.arange(300_000)})
    np.testing.assert_array_equal(evaluate_expressions({"x": "n * 2"}, rows)["x"], np.arange(300_000) * 2.0)


def test_no_row_gives_no_value():
    assert evaluate_expressions({"x": "hour + 1"}, ROWS.slice(0, 0))["x"].tolist() == []


def test_threads_do_not_see_each_others_rows():
    wrong = []

    def work(number):
        for _ in range(20):
            found = evaluate_expressions({"x": "n + 0"}, pa.table({"n": [number] * 1000}))["x"]
            wrong.extend(found[found != number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
