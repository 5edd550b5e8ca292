"""The table of refused rows that ingest and validate share."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tasks.quarantine.rows import (
    Refusal,
    count_reasons,
    merge_counts,
    quarantine_schema,
    quarantine_table,
    write_quarantine,
)
from tasks.table import read_table


def refusal(line: int, reason: str = "not_an_integer", column: str | None = "age") -> Refusal:
    return Refusal("2013-01", "data/raw/homes/2013-01.csv", line, column, reason, "found 'x'", "1,x,3")


def test_quarantine_keeps_every_field(tmp_path: Path) -> None:
    write_quarantine([refusal(2)], tmp_path / "2013-01.parquet")
    assert read_table(tmp_path / "2013-01.parquet").to_pylist() == [
        {
            "_batch": "2013-01",
            "file": "data/raw/homes/2013-01.csv",
            "_line": 2,
            "column": "age",
            "reason": "not_an_integer",
            "detail": "found 'x'",
            "raw": "1,x,3",
            "expectation": None,
        }
    ]


def test_quarantine_stands_in_order_of_line() -> None:
    assert quarantine_table([refusal(9), refusal(2), refusal(5)])["_line"].to_pylist() == [2, 5, 9]


def test_quarantine_bytes_ignore_order_of_rows(tmp_path: Path) -> None:
    write_quarantine([refusal(9), refusal(2)], tmp_path / "one.parquet")
    write_quarantine([refusal(2), refusal(9)], tmp_path / "other.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "other.parquet").read_bytes()


def test_quarantine_refuses_a_row_twice() -> None:
    with pytest.raises(ValueError, match=r"batch '2013-01', line 2: refused twice, for 'a' and 'b'"):
        quarantine_table([refusal(2, "a"), refusal(2, "b")])


def test_quarantine_takes_rows_without_a_column() -> None:
    assert quarantine_table([refusal(2, "too_many_columns", None)])["column"].to_pylist() == [None]


def test_empty_quarantine_has_the_schema() -> None:
    assert quarantine_table([]).schema.equals(quarantine_schema())


def test_quarantine_refuses_another_schema(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="a quarantine has the columns"):
        write_quarantine(pa.table({"reason": ["x"]}), tmp_path / "q.parquet")


def test_reasons_are_counted_over_batches() -> None:
    tables = [
        quarantine_table([refusal(2, "b"), refusal(3, "a"), refusal(4, "b")]),
        quarantine_table([refusal(2, "a")]),
    ]
    assert list(count_reasons(tables).items()) == [("a", 2), ("b", 2)]


def test_counts_of_batches_add_up() -> None:
    assert merge_counts([{"b": 2}, {"a": 1, "b": 1}, {}]) == {"a": 1, "b": 3}
