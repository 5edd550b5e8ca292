"""Numbers straight from the bytes, blocks whose lines are records: the same rows and refusals as by way of texts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.sections.columns import Column
from configs.sections.source import DeclaredDialect
from tasks.cells.values import type_cells
from tasks.contract.header import compare_header
from tasks.ingest import NoRowError, read_batch
from tasks.ingestion.account import Account
from tasks.ingestion.chunks import Reading
from tasks.raw_files import AskedColumns, RawChunk, delimited, line_bits, open_raw
from tasks.raw_files.blocks import BLOCK
from tests.dirty_files import DirtyFile, all_files
from tests.pipelines import make_pipeline
from tests.test_raw_files import cut_into_blocks

RFC = {"delimiter": ",", "quote": '"', "escape": "none", "preamble": 0, "header": 1, "encoding": "utf-8"}
NUMBERS = {"c1": pa.int64(), "c2": pa.float64()}
NULLS = {"c1": ("",), "c2": ("",)}


@pytest.fixture(scope="module", autouse=True)
def folder() -> Iterator[None]:
    """A folder that Hypothesis's examples share."""
    with tempfile.TemporaryDirectory() as place:
        before = Path.cwd()
        os.chdir(place)
        yield
        os.chdir(before)


def chunks(content: str, asked: AskedColumns | None = None, size: int = BLOCK) -> list[RawChunk]:
    Path("table.csv").write_text(content, newline="")
    with pytest.MonkeyPatch.context() as patch:
        cut_into_blocks(patch, size)
        with open_raw(Path("table.csv"), DeclaredDialect(**RFC)) as raw:
            return list(raw.chunks(asked))


def read_types(rows: str, nulls: dict[str, tuple[str, ...]] = NULLS) -> list[str]:
    """Types that two columns are read as, where an integer and a float were asked for."""
    (chunk,) = chunks("a,b,t\n" + rows, AskedColumns(NUMBERS | {"c3": pa.string()}, nulls))
    return [str(type_) for type_ in chunk.texts.schema.types[:2]]


# ---- what is read as numbers


@pytest.mark.parametrize("rows", ["1,1.5,x\n", '"-7","1e3",\n', ",,\n007,.5,0x1 a\tb\n", '1,2,"x, 0X\n y"\n'])
def test_plain_numbers_are_read_from_the_bytes(rows: str) -> None:
    assert read_types(rows) == ["int64", "double"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("1.5,1,\n", ["string", "double"]),
        ("1,one,\n", ["int64", "string"]),
        ("+1,1,\n", ["string", "double"]),
        ("NA,1,\n", ["string", "double"]),
        (" 1,1,\n", ["string", "string"]),
        ("1,1\t,a b\n", ["string", "string"]),
        ("0x1F,1,\n", ["string", "string"]),
        ("-0X1,1,0X\n", ["string", "double"]),
        ('" 1",1, \n', ["string", "string"]),
    ],
)
def test_what_a_cast_would_not_read_is_left_as_text(rows: str, expected: list[str]) -> None:
    assert read_types(rows) == expected


@pytest.mark.parametrize(("cell", "expected"), [("7", "int64"), ("", "string"), ("NA", "string")])
def test_null_that_may_be_another_column_s_token_is_left_as_text(cell: str, expected: str) -> None:
    assert read_types(f"{cell},NA,\n", {"c1": ("",), "c2": ("", "NA")}) == [expected, "double"]


def test_column_that_was_no_number_once_is_text_from_then_on() -> None:
    asked = AskedColumns(NUMBERS, NULLS)
    rows = "".join(f"{number if number != 30 else '?'},{number}.5\n" for number in range(100))
    found = [str(chunk.texts.schema.types[0]) for chunk in chunks("a,b\n" + rows, asked, 64)]
    assert (found[0], found[-1], sorted(set(found))) == ("int64", "string", ["int64", "string"])


def test_columns_that_nobody_asks_for_are_not_read() -> None:
    (chunk,) = chunks("a,b,t\n1,2,3\n", AskedColumns({"c2": pa.string()}, {}))
    assert chunk.texts.to_pylist() == [{"c2": "2"}]


def test_texts_of_numbers_can_be_read_after_all() -> None:
    (chunk,) = chunks("a,b\n007,1.50\n8,2,3\n9,1\n", AskedColumns(NUMBERS, NULLS))
    assert chunk.reread is not None
    assert [chunk.reread(name).to_pylist() for name in NUMBERS] == [["007", "9"], ["1.50", "1"]]


def test_numbers_that_are_refused_need_their_texts() -> None:
    with pytest.raises(TypeError, match="column 'a' was given as numbers"):
        type_cells(pa.table({"a": [1, 2]}), {"a": Column(type="integer", max=1)}, "UTC")


# ---- the two ways side by side

COLUMNS: dict[str, dict[str, Any]] = {
    "i": {"type": "integer"},
    "b": {"type": "integer", "min": 2, "max": 30, "missing": "zero"},
    "f": {"type": "float", "nulls": ["", "NA"]},
    "c": {"type": "category", "nulls": ["", "NA"]},
    "l": {"type": "category", "levels": ["1", "2", "NA"]},
    "t": {"type": "text"},
}
USUAL = ["1", "2", "-7", "007", "", "31"]
ODD = [
    "NA",
    "1.0",
    "1.5",
    "+1",
    " 1",
    "1 ",
    "\t1",
    "0x1F",
    "x",
    "1e3",
    "inf",
    "nan",
    "1e400",
    '"1"',
    '" 1"',
    '"1 "',
    "a b",
    "10x1",
    '"a""b"',
    '"a\nb"',
]
BROKEN = ['"open', 'a"b', '"a"b', "a\rb"]
CELLS = st.one_of(*[st.sampled_from(USUAL)] * 6, st.sampled_from(ODD), st.sampled_from([*USUAL, *ODD, *BROKEN]))
ROWS = st.one_of(
    *[st.lists(CELLS, min_size=len(COLUMNS), max_size=len(COLUMNS)).map(",".join)] * 5,
    st.lists(CELLS, max_size=len(COLUMNS) + 1).map(",".join),
)


def batch_of(content: str, on_change: str, size: int, as_text: bool) -> tuple[Account | None, dict[str, bytes]]:
    """The account of a batch and the files that were written."""
    columns = make_pipeline(COLUMNS).columns
    place = Path(tempfile.mkdtemp(dir="."))
    Path("table.csv").write_text(content, newline="")
    with pytest.MonkeyPatch.context() as patch:
        cut_into_blocks(patch, size)
        if as_text:
            patch.setattr(delimited, "line_records", lambda *_: None)
        with open_raw(Path("table.csv"), DeclaredDialect(**RFC)) as raw:
            header = compare_header(raw.names, columns, ())
            reading = Reading("b", "f", columns, header, "UTC", on_change)  # type: ignore[arg-type]
            try:
                account = read_batch(place, raw.chunks(None if as_text else reading.asked()), reading)
            except NoRowError:
                account = None
    return account, {file.name: file.read_bytes() for file in place.iterdir()}


@settings(max_examples=100, deadline=None)
@given(
    st.lists(ROWS, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["quarantine", "accept"]),
    st.sampled_from([7, 40, 1000]),
)
def test_numbers_from_the_bytes_give_the_bytes_that_texts_give(
    rows: list[str], end: str, on_change: str, size: int
) -> None:
    content = end.join([",".join(COLUMNS), *rows, ""])
    assert batch_of(content, on_change, size, as_text=False) == batch_of(content, on_change, size, as_text=True)


def shown(raw_chunks: list[RawChunk]) -> list[object]:
    return [
        (
            chunk.texts.to_pylist(),
            chunk.lines.tolist(),
            chunk.refused,
            [chunk.raw(row) for row in range(len(chunk.lines))],
        )
        for chunk in raw_chunks
    ]


@pytest.mark.parametrize(
    "rows",
    [
        "1,31,1.5,a,1,t\n2,3,2,b,2,t\n",  # out of bounds
        "1,2,inf,a,1,t\n2,3,nan,b,2,t\n",
        "NA,2,NA,NA,NA,NA\n,,,,,\n",
        "1,2,3,x,1,0x1F\n 1,2,3,x,1,t\n",
        "1,2,3,gone,1,t\nx,2,3,new,3,t\n4,5,6,new,1,t\n",
        '1,2,3,"a\nb",1,t\n2,3,4,c,2,t,u\n\n3,4,5,c,2,t\n',
    ],
)
@pytest.mark.parametrize("on_change", ["quarantine", "accept"])
def test_odd_rows_give_the_bytes_that_texts_give(rows: str, on_change: str) -> None:
    content = ",".join(COLUMNS) + "\n" + rows
    found = batch_of(content, on_change, 1000, as_text=False)
    assert found[0] is not None
    assert found == batch_of(content, on_change, 1000, as_text=True)


LINES = st.lists(
    st.one_of(
        *[st.sampled_from(["a,1", '"a",1', '1,"b"', '"a","b"', '"a""b",', '"a\nb",1'])] * 3,
        st.text(st.sampled_from('aa1,,"\n\r x'), max_size=8),
    ),
    max_size=20,
)


@settings(max_examples=100, deadline=None)
@given(LINES, st.sampled_from(["\n", "\r\n"]), st.sampled_from([20, 1000]), st.sampled_from([8, 32, line_bits.STRIP]))
def test_lines_that_are_records_are_those_that_a_closer_look_finds(
    lines: list[str], end: str, size: int, strip: int
) -> None:
    body = "".join(line + end for line in lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_bits, "STRIP", strip)
        found = shown(chunks("x,y\n" + body, None, size))
        patch.setattr(delimited, "line_records", lambda *_: None)
        assert found == shown(chunks("x,y\n" + body, None, size))


def test_a_line_as_record_is_found_behind_any_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_bits, "STRIP", 16)
    (chunk,) = chunks("x,y\n" + "".join(f"{number},a\n" for number in range(200)))
    assert [chunk.raw(row) for row in range(200)] == [f"{number},a" for number in range(200)]


@pytest.mark.parametrize("file", [file for file in all_files() if not file.error], ids=lambda file: file.name)
def test_zoo_is_read_alike_without_the_lines_as_records(file: DirtyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(file.name)
    path.write_bytes(file.content)

    def taken() -> list[object]:
        with open_raw(path, DeclaredDialect(**file.declared)) as raw:
            return shown(list(raw.chunks()))

    found = taken()
    monkeypatch.setattr(delimited, "line_records", lambda *_: None)
    assert found == taken()
