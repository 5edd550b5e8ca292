"""Parquet as it is written: what is read back is what was given, however a column is stored."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.table import read_table, table_writer

SCHEMA = pa.schema([("kind", pa.string()), ("at", pa.timestamp("us", tz="UTC")), ("_line", pa.int64())])


def tables(kinds: list[list[str | None]]) -> list[pa.Table]:
    found, line = [], 1
    for part in kinds:
        lines = range(line, line + len(part))
        found.append(pa.table([part, pa.array(lines, pa.int64()).cast(SCHEMA.types[1]), lines], schema=SCHEMA))
        line += len(part)
    return found


KINDS: list[list[str | None]] = [["b", "a", None, "b"], [None, None], ["c"], [str(number) for number in range(100_000)]]


@pytest.mark.parametrize("categories", [(), ("kind",)])
def test_strings_are_read_back_as_strings_however_they_are_stored(categories: tuple[str, ...], tmp_path: Path) -> None:
    given = tables(KINDS)
    with table_writer(tmp_path / "a.parquet", SCHEMA, categories) as write:
        for table in given:
            write(table)
    found = read_table(tmp_path / "a.parquet")
    assert found.schema.equals(SCHEMA, check_metadata=True)
    assert found.equals(pa.concat_tables(given))
    assert pq.read_metadata(tmp_path / "a.parquet").num_row_groups == len(given)


def test_a_category_given_as_a_dictionary_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, encoded in (("strings", False), ("dictionaries", True)):
        with table_writer(tmp_path / name, SCHEMA, ("kind",)) as write:
            for table in tables(KINDS):
                column = table["kind"].dictionary_encode() if encoded else table["kind"]
                write(table.set_column(0, "kind", column))
    assert (tmp_path / "strings").read_bytes() == (tmp_path / "dictionaries").read_bytes()


def test_file_without_a_row_has_its_schema(tmp_path: Path) -> None:
    with table_writer(tmp_path / "a.parquet", SCHEMA, ("kind",)) as write:
        write(SCHEMA.empty_table())
    assert read_table(tmp_path / "a.parquet").equals(SCHEMA.empty_table())
