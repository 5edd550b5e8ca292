"""Columns of few values are stored by a dictionary, others are not, and all are read back as they were given."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.column_encodings import FEW, column_encodings
from tasks.table import read_table, table_writer

MANY = 4 * FEW
DRAW = random.Random(3)
INSTANT = pa.timestamp("us", tz="UTC")


def encoding(values: pa.Array) -> str | None:
    return column_encodings(pa.table({"a": values})).get("a")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([7, None] * MANY), None),
        (pa.array(range(FEW)), None),
        (pa.array([DRAW.randrange(2400) for _ in range(50_000)]), "DELTA_BINARY_PACKED"),
        (pa.array([2**60, None, *range(MANY)]), "DELTA_BINARY_PACKED"),  # no dictionary helps
        (pa.array([DRAW.randrange(1000) << 50 for _ in range(50_000)]), None),  # few bits in it, many without
        (pa.array(range(MANY), pa.date32()), "DELTA_BINARY_PACKED"),
        (pa.array(range(MANY)).cast(INSTANT), "DELTA_BINARY_PACKED"),
        (pa.array([DRAW.random() for _ in range(MANY)]), "BYTE_STREAM_SPLIT"),
        (pa.array([1.5, None] * MANY), None),
        (pa.array([str(number) for number in range(MANY)]), "PLAIN"),
        (pa.array(["a", None] * MANY), None),
        (pa.array([True, None] * MANY), None),
        (pa.array([None] * MANY, pa.int64()), None),
    ],
)
def test_encoding_is_chosen_by_the_values(values: pa.Array, expected: str | None) -> None:
    assert encoding(values) == expected


TYPES = [pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.date32(), INSTANT, pa.decimal128(30, 2)]
EXTREMES = {pa.int64(): [-(2**63), 2**63 - 1], INSTANT: [-62_135_596_800_000_000, 253_402_300_799_999_999]}


def column(type_: pa.DataType, draw: random.Random, rows: int, distinct: int) -> pa.Array:
    numbers = [draw.choice([None, draw.randrange(distinct)]) for _ in range(rows)]
    if type_ in EXTREMES:
        return pa.array([*EXTREMES[type_], *numbers][:rows], pa.int64()).cast(type_)
    if type_ == pa.bool_():
        return pa.array([None if number is None else number % 2 == 0 for number in numbers])
    source = pa.array(numbers, pa.int32() if type_ == pa.date32() else pa.int64())
    return source.cast(type_)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.lists(st.sampled_from([0, 1, 900, 3000]), min_size=1, max_size=3))
def test_what_is_read_back_is_what_was_given(
    tmp_path_factory: pytest.TempPathFactory, seed: int, sizes: list[int]
) -> None:
    draw = random.Random(seed)
    schema = pa.schema([(f"c{place}", type_) for place, type_ in enumerate(TYPES)])
    tables = [
        pa.table([column(type_, draw, rows, draw.choice([2, 10**6])) for type_ in TYPES], schema=schema)
        for rows in sizes
    ]
    path = tmp_path_factory.mktemp("encodings") / "a.parquet"
    with table_writer(path, schema) as write:
        for table in tables:
            write(table)
    assert read_table(path).equals(pa.concat_tables(tables))


def test_categories_alone_have_no_least_and_greatest_value(tmp_path: Path) -> None:
    schema = pa.schema([("kind", pa.string()), ("n", pa.int64()), ("note", pa.string())])
    with table_writer(tmp_path / "a.parquet", schema, ("kind",)) as write:
        write(pa.table([["a"], [1], ["b"]], schema=schema))
    group = pq.read_metadata(tmp_path / "a.parquet").row_group(0)
    assert [group.column(place).is_stats_set for place in range(3)] == [False, True, True]
