"""Expectations fed by chunks and by columns: the same verdicts and the same rows as GX gives on the whole batch."""

from __future__ import annotations

import tracemalloc
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from configs.errors import CorruptionError
from configs.expectations import known_expectations
from configs.sections.expectations import SHORT_FORMS, Expectation
from tasks.table import to_frame, write_table
from tasks.table_chunks import RowsInMemory, RowsOfFile
from tasks.validation import catalogue
from tasks.validation.expectations import ExpectationRaisedError, Suite, great_expectations, plain
from tasks.validation.frames import distinct_rows
from tasks.validation.row_checks import BESIDE_OTHERS
from tasks.validation.row_set import RowSet
from tasks.validation.sql_only import LIKE, QUERY, like_regex
from tests.expectation_examples import COLUMNS, EXAMPLES, tables

GX_NAMES = [name for name in known_expectations() if name not in SHORT_FORMS]
ROW_LEVEL = [name for name in GX_NAMES if known_expectations()[name].kind == "row"]
ON_PANDAS = [name for name in GX_NAMES if name not in {*LIKE, QUERY}]
SOME = [
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_unique",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_not_be_null",
    "expect_compound_columns_to_be_unique",
]
COUNTS = ("element_count", "missing_count", "unexpected_count", "unexpected_percent", "unexpected_percent_total")


def expectation(name: str, otherwise: str = "warn", **more: Any) -> Expectation:
    return Expectation.model_validate(
        {"name": name, "arguments": {**EXAMPLES.get(name, {}), **more}, "otherwise": otherwise}
    )


@cache
def suite(name: str, arguments: str = "{}") -> Suite:
    return Suite([expectation(name, **eval(arguments))], COLUMNS, "UTC")  # repr of literals, from below


@cache
def bare_definition() -> Any:
    """GX as its documentation uses it."""
    gx = great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context.data_sources.add_pandas("x").add_dataframe_asset("y").add_batch_definition_whole_dataframe("z")


def bare(name: str, table: pa.Table, more: dict[str, Any]) -> Any:
    """What GX says of the whole batch in a frame."""
    great_expectations()
    from great_expectations.expectations.registry import get_expectation_impl

    from tasks.validation.arguments import parsed_condition, typed_arguments
    from tasks.validation.frames import native_frame

    arguments = typed_arguments(expectation(name, **more), COLUMNS, "UTC")
    arguments.pop("condition_parser", None)
    if "row_condition" in arguments:
        arguments["row_condition"] = parsed_condition(arguments["row_condition"])
    pairs = [arguments.get("column_A"), arguments.get("column_B"), *arguments.get("column_list", [])]
    compared = [each for each in pairs if each] if "in_set" not in name else []
    frame = to_frame(table) if name in catalogue.ABOUT_TYPES else native_frame(table, [*compared, "m"])
    batch = bare_definition().get_batch(batch_parameters={"dataframe": frame})
    return batch.validate(
        get_expectation_impl(name)(**arguments),
        result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False},
    )


def raised(result: Any) -> bool:
    info = result.exception_info
    entries = [info] if "raised_exception" in info else info.values()
    return any(entry["raised_exception"] for entry in entries)


def require_same(name: str, table: pa.Table, chunk_rows: int, more: dict[str, Any]) -> None:
    """Holdfast's check is GX's on the whole batch; where GX raises, Holdfast may know the answer."""
    theirs = bare(name, table, more)
    if raised(theirs):
        return
    (ours,) = suite(name, repr(more)).check(RowsInMemory(table, chunk_rows))
    found = theirs.result
    if ours.element_count is None:
        assert (ours.success or ours.vacuous) == bool(theirs.success) or ours.vacuous
        assert ours.result.result.get("observed_value") == plain(found.get("observed_value"))
        return
    judged = ours.result.result
    assert [*ours.rows] == sorted(found["unexpected_index_list"])
    assert {key: judged.get(key) for key in COUNTS} == {key: plain(found.get(key)) for key in COUNTS}
    assert judged.get("partial_unexpected_list") == plain(found.get("partial_unexpected_list"))
    if "None" not in str(judged.get("partial_unexpected_list")):  # GX counts each NaN on its own, but not each NA
        assert judged.get("partial_unexpected_counts") == plain(found.get("partial_unexpected_counts"))
    assert ours.success == (bool(theirs.success) and not ours.vacuous)


@pytest.mark.parametrize("name", ON_PANDAS)
@settings(max_examples=6, deadline=None, derandomize=True)
@given(tables(), st.integers(1, 12))
def test_chunks_and_columns_say_what_gx_says_of_the_whole(name: str, table: pa.Table, chunk_rows: int) -> None:
    require_same(name, table, chunk_rows, {})


@pytest.mark.parametrize("name", SOME)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(tables(), st.integers(1, 12), st.sampled_from([0.25, 0.5, 0.75]))
def test_mostly_is_judged_on_the_whole_batch(name: str, table: pa.Table, chunk_rows: int, mostly: float) -> None:
    require_same(name, table, chunk_rows, {"mostly": mostly})


CONDITIONS = [
    {"row_condition": 'col("m") > 0', "condition_parser": "great_expectations"},
    {"row_condition": 'col("m").notnull()', "condition_parser": "great_expectations"},
    {"row_condition": {"type": "comparison", "column": {"name": "m"}, "operator": "IN", "parameter": [1, 2]}},
]


@pytest.mark.parametrize("name", [*SOME, "expect_table_row_count_to_equal", "expect_column_max_to_be_between"])
@settings(max_examples=6, deadline=None, derandomize=True)
@given(tables(), st.integers(1, 12), st.sampled_from(CONDITIONS))
def test_condition_leaves_out_the_rows_that_gx_leaves_out(
    name: str, table: pa.Table, chunk_rows: int, condition: dict[str, Any]
) -> None:
    require_same(name, table, chunk_rows, condition)


def test_every_expectation_of_the_catalogue_has_an_example() -> None:
    assert sorted(EXAMPLES) == sorted(GX_NAMES)


@pytest.mark.parametrize("name", GX_NAMES)
def test_every_expectation_of_the_catalogue_runs(name: str) -> None:
    rows = pa.table(
        {
            "n": [1, 2, 3, 2],
            "m": [1, 2, 2, 1],
            "x": [0.5, 1.5, 2.5, 3.0],
            "y": [0.5, 1.5, 2.0, 3.0],
            "flag": [True, False, True, True],
            "word": ["1", "2", "3", "2"],
            "text": ["2013-01-31", "2013-02-01", "[1]", "7"],
            "day": pa.array([15706, 15707, 15708, 15709], pa.int32()).cast(pa.date32()),
            "at": pa.array([0, 1, 2, 3], pa.timestamp("us", tz="UTC")),
        }
    )
    (check,) = suite(name).check(rows)
    assert not check.vacuous


def test_page_lists_the_expectations_of_the_installed_gx() -> None:
    text = catalogue.PAGE.read_text()
    assert text == catalogue.page(text), "run `python -m tasks.validation.catalogue`"


def test_every_registered_expectation_is_offered_or_left_out_with_a_reason() -> None:
    assert sorted([*GX_NAMES, *catalogue.LEFT_OUT]) == sorted(catalogue.registered())


def test_row_level_expectations_that_need_whole_columns_are_known() -> None:
    assert {*BESIDE_OTHERS} - {*ROW_LEVEL} == set()


# What GX has for databases alone


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text("ab%_\\.*", max_size=6), st.text("ab%_\\.*\n", max_size=6))
@example("a_b", "a\nb")
def test_like_is_that_of_duckdb(pattern: str, text: str) -> None:
    expected = duckdb.execute("SELECT ? LIKE ?", [text, pattern]).fetchone()
    assert bool(like_regex(pattern).fullmatch(text)) == expected[0]  # type: ignore[index]


def test_query_of_unexpected_rows_counts_them() -> None:
    rows = pa.table({name: pa.nulls(3, pa.int64()) for name in COLUMNS}).set_column(0, "n", [[1, 2, 3]])
    query = "SELECT n FROM {batch} GROUP BY n HAVING sum(n) > 1"
    (check,) = Suite([expectation(QUERY, unexpected_rows_query=query)], {"n": COLUMNS["n"]}, "UTC").check(rows)
    assert (check.success, check.observed) == (False, 2)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("SELECT * FROM {batch} WHERE random() > 0.5", r"random\(\) is not allowed"),
        ("SELECT * FROM {batch}, now()", "not allowed"),
        ("SELECT * FROM {batch}, read_csv('x')", "not allowed"),
        ("SELECT * FROM {batch} TABLESAMPLE 10%", "sample is not allowed"),
        ("SELECT * FROM {batch}, information_schema.tables", "'tables' is not allowed"),
        ("SELECT 1", "reads no rows of the batch"),
        ("DROP TABLE {batch}", "is no SELECT"),
        ("SELECT * FROM {batch}; SELECT 1", "more than one SELECT"),
        ("SELECT * FROM {batch} WHERE s = '{x}'", "alone can stand in braces"),
    ],
)
def test_query_that_is_not_about_the_batch_alone_is_refused(query: str, text: str) -> None:
    from tasks.validation.expectations import ExpectationError

    with pytest.raises(ExpectationError, match=text):
        Suite([expectation(QUERY, unexpected_rows_query=query)], COLUMNS, "UTC")


# The parts


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tables())
def test_distinct_rows_give_every_row_back(table: pa.Table) -> None:
    few, which = distinct_rows(table.select(["x", "word", "n"]))
    assert str(few.take(which).to_pylist()) == str(table.select(["x", "word", "n"]).to_pylist())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tables())
def test_distinct_rows_are_distinct(table: pa.Table) -> None:
    few = [str(row) for row in distinct_rows(table.select(["x", "word"]))[0].to_pylist()]
    assert len(few) == len({*few})


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.booleans(), max_size=20), max_size=5), st.integers(0, 50), st.integers(0, 50))
def test_row_set_gives_back_any_stretch(pieces: list[list[bool]], start: int, length: int) -> None:
    rows, flat = RowSet(), [value for piece in pieces for value in piece]
    for piece in pieces:
        rows.add(np.array(piece, dtype=bool))
    stop = min(start + length, len(flat))
    start = min(start, stop)
    assert (rows.mask(start, stop).tolist(), [*rows]) == (flat[start:stop], np.flatnonzero(flat).tolist())


def test_rows_of_a_file_come_in_chunks(tmp_path: Path) -> None:
    write_table(pa.table({"a": range(600_000), "b": range(600_000)}), tmp_path / "x.parquet")
    chunks = [chunk["b"] for chunk in RowsOfFile(tmp_path / "x.parquet").chunks(["b"])]
    assert (len(chunks) > 1, pa.chunked_array([piece for each in chunks for piece in each.chunks]).to_pylist()) == (
        True,
        list(range(600_000)),
    )


def test_flipped_bit_in_a_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_table(pa.table({"a": range(1000)}), path)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptionError, match="not the Parquet file that was written"):
        list(RowsOfFile(path).chunks())


def test_memory_does_not_grow_with_the_rows() -> None:
    great_expectations()
    names = ["expect_column_values_to_be_between", "expect_column_values_to_be_in_set"]
    judge = Suite([expectation(name) for name in names], COLUMNS, "UTC")

    class Endless:
        names, num_rows = ["n", "word"], 0

        def __init__(self, chunks: int) -> None:
            self.count = chunks

        def chunks(self, columns: object = None) -> Any:
            for _ in range(self.count):
                yield pa.table({"n": np.arange(50_000), "word": ["x"] * 50_000})

    def peak(chunks: int) -> int:
        tracemalloc.start()
        judge.check(Endless(chunks))  # type: ignore[arg-type]
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(20) < peak(2) + 1_000_000


def test_expectation_that_raises_names_itself_and_its_place() -> None:
    rows = pa.table({"n": [1], "word": ["no"]})
    json = expectation("expect_column_values_to_match_json_schema")
    with pytest.raises(ExpectationRaisedError, match=r"json_schema.*could not be evaluated") as caught:
        Suite([expectation("expect_column_to_exist"), json], COLUMNS, "UTC").check(rows)
    assert caught.value.key == ("expectations", 1)
