"""The raw reader: any table in any dialect comes back exactly; every record is a row or refused, with its line."""

from __future__ import annotations

import csv
import doctest
import gzip
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from configs.errors import HoldfastError
from configs.sections.source import DeclaredDialect
from tasks.raw_files import RawTable, UnreadableFileError, delimited, open_raw, read_raw
from tasks.raw_files.blocks import Block, blocks
from tasks.raw_files.rows import LONGEST_RECORD

CELL = st.text(
    st.one_of(
        st.sampled_from(",;\"'\n\r\\|\tx \u2028\x1a\x1f\u00a6"),
        st.characters(codec="utf-8", exclude_characters="\0\ufeff"),  # a row that begins with a mark is refused
    ),
    max_size=6,
)
TABLE = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1))
MARKS = st.sampled_from(",;\t| :^~'\"\\#x0\u00a6\u00fe\u20ac\x01\x14\x1f")
RFC = {"delimiter": ",", "quote": '"', "escape": "none", "preamble": 0, "header": 1, "encoding": "utf-8"}


@pytest.fixture(scope="module", autouse=True)
def folder() -> Iterator[None]:
    """A folder that Hypothesis's examples share."""
    with tempfile.TemporaryDirectory() as place:
        before = Path.cwd()
        os.chdir(place)
        yield
        os.chdir(before)


def read(content: str | bytes, name: str = "table.csv", **declared: Any) -> RawTable:
    file = Path(name)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_raw(file, DeclaredDialect(**declared))


def refusals(content: str | bytes, **declared: Any) -> list[tuple[int, str]]:
    return [(refused.line, refused.reason) for refused in read(content, **(declared or RFC)).refused]


def cells_of(raw: RawTable) -> list[tuple[str, ...]]:
    return list(zip(*(column.to_pylist() for column in raw.texts.columns), strict=True))


def written(rows: list[list[str]], **dialect: object) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


@st.composite
def csv_dialects(draw: st.DrawFn) -> dict[str, Any]:
    """Any dialect that the csv module writes and that can tell fields apart."""
    delimiter, quote, escape = draw(st.lists(MARKS, min_size=3, max_size=3, unique=True))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE]))
    doubled = draw(st.booleans())
    return {
        "delimiter": delimiter,
        "quotechar": quote,
        "escapechar": escape if quoting == csv.QUOTE_NONE or not doubled else draw(st.sampled_from([escape, None])),
        "doublequote": doubled,
        "quoting": quoting,
        "lineterminator": draw(st.sampled_from(["\n", "\r\n", "\r"])),
    }


@settings(max_examples=300, deadline=None)
@given(TABLE, csv_dialects(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]))
def test_any_table_in_any_declared_dialect_comes_back_exactly(
    rows: list[list[str]], dialect: dict[str, Any], encoding: str
) -> None:
    header = [f"h{number}" for number in range(len(rows[0]))]
    assume(header not in rows)
    try:
        text = written([header, *rows], **dialect)
        again = list(csv.reader(io.StringIO(text, newline=""), **dialect))
    except csv.Error:  # an empty record cannot be written without quotes
        again = []
    assume(again == [header, *rows])  # the module leaves a CR bare where lines end in LF
    raw = read(
        text.encode(encoding),
        delimiter=dialect["delimiter"],
        quote=dialect["quotechar"],
        escape=dialect["escapechar"] or "none",
        encoding=encoding.removesuffix("-sig"),
        preamble=0,
        header=1,
    )
    assert (list(raw.names), cells_of(raw), raw.refused) == (header, [tuple(row) for row in rows], [])


ROWS = st.integers(1, 3).flatmap(
    lambda width: st.lists(
        st.lists(st.text("ab1 ,'\\\"\n", max_size=7), min_size=width, max_size=width), min_size=1, max_size=5
    )
)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_apostrophe_in_a_word_need_not_be_written_twice(rows: list[list[str]], random: Random) -> None:
    header = [f"h{number}" for number in range(len(rows[0]))]
    text = written([header, *rows], quotechar="'", quoting=csv.QUOTE_ALL, lineterminator="\n")
    sparing = re.sub("(?<=[ab1])''(?=[ab1])", lambda match: random.choice([match[0], "'"]), text)
    raw = read(sparing, **RFC | {"quote": "'"})
    assert (cells_of(raw), raw.refused) == ([tuple(row) for row in rows], [])


@settings(max_examples=150, deadline=None)
@given(ROWS, st.sampled_from(['"', "none"]), st.randoms(use_true_random=False))
def test_escape_need_not_be_escaped_before_what_means_nothing(
    rows: list[list[str]], quote: str, random: Random
) -> None:
    header = [f"h{number}" for number in range(len(rows[0]))]
    special = {'"', "\\", ",", "\n"} if quote == '"' else {"\\", ",", "\n"}

    def spelled(cell: str) -> str:
        spared = [
            after not in special and after != "" and random.choice([True, False])
            for after in (cell[place + 1 : place + 2] for place in range(len(cell)))
        ]
        marks = [
            mark if mark not in special or (mark == "\\" and spare) else "\\" + mark
            for mark, spare in zip(cell, spared, strict=True)
        ]
        return f'"{"".join(marks)}"' if quote == '"' else "".join(marks)

    text = "".join(",".join(map(spelled, row)) + "\n" for row in [header, *rows])
    raw = read(text, **RFC | {"quote": quote, "escape": "\\"})
    found = dict(zip(raw.lines.tolist(), cells_of(raw), strict=True))
    blank = [row for row in rows if row == [""] and quote == "none"]
    assert list(found.values()) == [tuple(row) for row in rows if row not in blank]
    assert {record.reason for record in raw.refused} <= {"blank_line"}


@settings(max_examples=80, deadline=None)
@given(TABLE, st.data())
def test_line_numbers_are_those_of_an_editor(rows: list[list[str]], data: st.DataObject) -> None:
    header = [f"h{number}" for number in range(len(rows[0]))]
    assume(header not in rows)
    lines, text = [], written([header], lineterminator="\n")
    for row in rows:
        if data.draw(st.booleans()):
            text += data.draw(st.sampled_from(['a"b', '"open', "x" + ",x" * len(header), '"a"b', "a\rb"])) + "\n"
        lines.append(text.count("\n") + 1)
        text += written([row], lineterminator="\n", quoting=csv.QUOTE_ALL)
    raw = read(text, **RFC)
    found = dict(zip(raw.lines.tolist(), cells_of(raw), strict=True))
    refused = {refusal.line for refusal in raw.refused}
    # a quote that opens above may take a row's own opening quote for its end; such a row is refused, never misread
    assert all(found.get(line, tuple(row)) == tuple(row) for line, row in zip(lines, rows, strict=True))
    assert refused.isdisjoint(found)


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from('a,"\n\r'), max_size=40))
def test_any_text_is_read_as_a_slow_obvious_reader_does(body: str) -> None:
    raw = read("x,y\n" + body, **RFC)
    found = dict(zip(raw.lines.tolist(), cells_of(raw), strict=True))
    assume(raw.dialect.line_ends in ("lf", "crlf", "mixed") and not raw.dialect.trailing_delimiter)
    malformed = {"stray_cr": "malformed", "misplaced_quote": "malformed"}
    refused = [(record.line, malformed.get(record.reason, record.reason)) for record in raw.refused]
    assert (found, refused) == slow_read(body)


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from('a,"\\\n\r'), max_size=60), st.integers(1, 40), st.sampled_from(["none", "\\"]))
def test_block_size_does_not_matter(body: str, size: int, escape: str) -> None:
    content = "x,y\n" + body
    whole = read(content, **RFC | {"escape": escape})
    with pytest.MonkeyPatch.context() as patch:
        cut_into_blocks(patch, size)
        pieced = read(content, **RFC | {"escape": escape})
    assert (cells_of(pieced), pieced.lines.tolist(), pieced.refused) == (
        cells_of(whole),
        whole.lines.tolist(),
        whole.refused,
    )


def cut_into_blocks(patch: pytest.MonkeyPatch, size: int) -> None:
    """Read delimited text in pieces and blocks of so many bytes, as long as a record is not longer."""

    def small(pieces: Iterator[bytes], *, cr_ends: bool) -> Generator[Block, bytes, None]:
        cut = (piece[place : place + size] for piece in pieces for place in range(0, len(piece), size))
        return blocks(cut, cr_ends=cr_ends, size=size)

    patch.setattr(delimited, "blocks", small)


def slow_read(body: str) -> tuple[dict[int, tuple[str, ...]], list[tuple[int, str]]]:
    """One character after the other, by the rules in the docstring of `tasks.raw_files.grammar`."""
    rows, refused, position, line = {}, [], 0, 2
    last_text = len(body.replace("\r\n", "\n\n").rstrip("\n"))
    while position < last_text:
        try:
            fields, after = slow_record(body, position)
        except ValueError as error:
            refused.append((line, str(error)))
            after = body.find("\n", position) + 1 or len(body)
        else:
            if fields == [""] and body[position:after] in {"\n", "\r\n"}:
                refused.append((line, "blank_line"))
            elif len(fields) != 2:
                refused.append((line, "too_few_columns" if len(fields) < 2 else "too_many_columns"))
            else:
                rows[line] = tuple(fields)
        line += body.count("\n", position, after)
        position = after
    return rows, refused


def slow_record(body: str, position: int) -> tuple[list[str], int]:
    fields: list[str] = []
    while True:
        field, position = slow_field(body, position)
        fields.append(field)
        if position == len(body):
            return fields, position
        if body[position] != ",":
            return fields, position + (2 if body[position] == "\r" else 1)
        position += 1


def slow_field(body: str, position: int) -> tuple[str, int]:
    at = position
    if body[at : at + 1] == '"':
        text, at = "", at + 1
        while body[at : at + 1] != '"' or body[at : at + 2] == '""':
            if at >= len(body):
                raise ValueError("malformed")
            step = 2 if body[at] == '"' else 1
            text, at = text + body[at], at + step
        at += 1
    else:
        while at < len(body) and body[at] not in ',"\n\r':
            at += 1
        text = body[position:at]
    if at < len(body) and body[at] not in ",\n" and body[at : at + 2] != "\r\n":
        raise ValueError("malformed")
    return text, at


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("1,2\n3\n", [(3, "too_few_columns")]),
        ("1,2,\n3,4\n", [(2, "too_many_columns")]),
        ('1,5" pipe\n3,4\n', [(2, "misplaced_quote")]),
        ('"1,2\n3,4\n', [(2, "misplaced_quote")]),
        ('"1"x,2\n3,4\n', [(2, "misplaced_quote")]),
        ('1, "2"\n', [(2, "misplaced_quote")]),
        ('"a\nb"x,2\n3,4\n', [(2, "misplaced_quote"), (3, "misplaced_quote")]),
        ("1,a\rb\n3,4\n", [(2, "stray_cr")]),
        ("1,2\n\n3,4\n\n\n", [(3, "blank_line")]),
        ("1,\x00\n3,4\n", [(2, "nul_byte")]),
        ("1,2\n3,4\n\x1a", []),
        ('1,"a\n\nb"\n3\n', [(5, "too_few_columns")]),
    ],
)
def test_malformed_record_is_refused_with_its_line(body: str, expected: list[tuple[int, str]]) -> None:
    assert refusals("x,y\n" + body) == expected


def test_invalid_utf8_refuses_its_rows_alone() -> None:
    assert refusals(b"x,y\n1,\xe9\n2,\xc3\xa9\n3,\xff\n") == [(2, "not_utf8"), (4, "not_utf8")]


def test_unclosed_quote_does_not_swallow_the_rows_behind_it() -> None:
    assert len(read(b'x,y\n"1,2\n' + b"3,4\n" * 1000, **RFC).lines) == 1000


def test_record_beyond_the_limit_is_refused() -> None:
    long = "a" * LONGEST_RECORD
    assert refusals(f'x,y\n1,{long}\n1,"{long}\n"\n3,4\n')[0] == (2, "record_too_long")


def test_longest_record_is_parsed_whole() -> None:
    text = "a" * (LONGEST_RECORD - 8)
    assert cells_of(read(f"x,y\n1,{text}\n", **RFC)) == [("1", text)]


LARGE = st.integers(2, 5).flatmap(
    lambda width: st.lists(
        st.tuples(
            st.integers(0, 10**6),
            *[st.sampled_from(["red", "a b", "x, y", 'say "so"', "", "2.5", "end"])] * (width - 1),
        ),
        min_size=30,
        max_size=60,
    )
)


@settings(max_examples=80, deadline=None)
@given(
    LARGE,
    st.sampled_from(",;\t|"),
    st.sampled_from([{"doublequote": True}, {"doublequote": False, "escapechar": "\\"}]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_large_table_is_read_back_with_nothing_declared(  # noqa: PLR0917
    rows: list[tuple[Any, ...]], delimiter: str, escape: dict[str, Any], end: str, quoting: int, encoding: str
) -> None:
    header = [f"h{number}" for number in range(len(rows[0]))]
    text = written([header, *map(list, rows)], delimiter=delimiter, lineterminator=end, quoting=quoting, **escape)
    raw = read(text.encode(encoding))
    assert (list(raw.names), cells_of(raw)) == (header, [tuple(map(str, row)) for row in rows])


def fuzzed(content: bytes, name: str) -> None:
    """Read any bytes: a HoldfastError, or rows and refusals that are each on a line of their own."""
    try:
        raw = read(content, name)
    except HoldfastError:
        return
    lines = [*raw.lines.tolist(), *(record.line for record in raw.refused)]
    assert raw.texts.num_rows == len(raw.lines)
    assert len(lines) == len(set(lines))


PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"a,b\n", b"1,2\n", b'"', b"\r\n", b"\r", b"\n\n", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b";", b"\t"]
    ),
    st.sampled_from(
        [
            b'{"a": 1}\n',
            b"PAR1",
            b"\x1f\x8b\x08",
            b"\x28\xb5\x2f\xfd",
            b"sep=;\n",
            b"\x1a",
            b"\\",
            b"\xe9",
            "\u20ac".encode(),
        ]
    ),
    st.lists(st.tuples(st.integers(), st.text(max_size=5)), max_size=8).map(
        lambda rows: written([list(row) for row in rows]).encode("utf-8", "surrogatepass")
    ),
)
BYTES = st.lists(PIECES, max_size=12).map(b"".join)
NAMES = st.sampled_from(["table.csv", "table.jsonl", "table.csv.gz", "table.parquet"])


@settings(max_examples=400, deadline=None)
@given(BYTES, NAMES, st.booleans())
def test_any_bytes_are_read_or_refused(content: bytes, name: str, packed: bool) -> None:
    fuzzed(gzip.compress(content, 1) if packed else content, name)


@pytest.mark.campaign
@pytest.mark.parametrize("part", range(20))
def test_any_bytes_are_read_or_refused_at_length(part: int, record_property: Any) -> None:
    @settings(max_examples=5000, deadline=None, database=None)
    @given(BYTES, NAMES, st.booleans(), st.just(part))
    def fuzz(content: bytes, name: str, packed: bool, part: int) -> None:
        fuzzed(gzip.compress(content, 1) if packed else content, name)

    fuzz()
    record_property("inputs", 5000)


def rows_in(content: bytes) -> int:
    """Records of a text without quotes, counted the slow way, blank lines at the end left out."""
    return len(content.rstrip(b"\n").split(b"\n")) - 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([b"1,2", b"3", b"", b"4,5,6", b"\xff,1", b"\x00,1", b"a,b"]), min_size=1))
def test_rows_and_refusals_add_up_to_the_records(lines: list[bytes]) -> None:
    raw = read(b"a,b\n" + b"\n".join(lines), **RFC)
    assert len(raw.lines) + len(raw.refused) == rows_in(b"a,b\n" + b"\n".join(lines))


# ---- what is no regular, whole, sound file


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "this is a directory"),
        (os.mkfifo, "this is a FIFO"),
        (lambda path: path.symlink_to("/dev/zero"), "this is a device"),
        (lambda path: path.symlink_to(path.name), "cannot be opened"),
        (lambda path: None, "cannot be opened"),
    ],
)
def test_what_is_no_regular_file_is_refused(make: Any, message: str, tmp_path: Path) -> None:
    make(tmp_path / "odd.csv")
    with pytest.raises(UnreadableFileError, match=message):
        read_raw(tmp_path / "odd.csv")


def test_file_without_permission_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "shut.csv"
    file.write_text("a,b\n1,2\n")
    file.chmod(0)
    tmp_path.chmod(0o755)
    code = (
        "import os, sys; from pathlib import Path; import numpy, pyarrow.csv; from tasks.raw_files import *\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try: read_raw(Path(sys.argv[1]))\n"
        "except UnreadableFileError as error: print(error)"
    )
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, "shut.csv"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "shut.csv: it cannot be opened (Permission denied)" in done.stdout, done.stderr


def test_file_that_grows_while_it_is_read_is_refused() -> None:
    file = Path("grows.csv")
    file.write_text("a,b\n" + "1,2\n" * 1_000_000)
    with open_raw(file) as raw, pytest.raises(UnreadableFileError, match="changed while it was read"):
        with file.open("a") as writer:
            writer.write("3,4\n")
        list(raw.chunks())


def test_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.raw_files import compression

    monkeypatch.setattr(compression, "MOST_EXPANDED", 1 << 22)
    Path("bomb.csv.gz").write_bytes(gzip.compress(b"a,b\n" + bytes(1 << 24)))
    with pytest.raises(UnreadableFileError, match="taken for an attack"):
        read_raw(Path("bomb.csv.gz"), DeclaredDialect(**RFC))


def bytes_read() -> int:
    """Bytes that this process has read from files by now."""
    return next(int(line.split()[1]) for line in Path("/proc/self/io").read_text().splitlines() if "rchar" in line)


MEASURED = """
import sys
from pathlib import Path
from tasks.raw_files import open_raw
import pyarrow, pyarrow.csv, numpy


def high_water():  # not `ru_maxrss`, which begins with what the process had that started this one
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))


def bytes_read():
    return next(int(line.split()[1]) for line in open("/proc/self/io") if line.startswith("rchar"))


before, read_before = high_water(), bytes_read()
rows, refused = 0, []
with open_raw(Path(sys.argv[1])) as raw:
    for chunk in raw.chunks():
        rows += len(chunk.lines)
        refused += chunk.refused
grown = (high_water() - before) >> 10
read = (bytes_read() - read_before) >> 20
print(rows, [(each.line, each.reason, len(each.raw)) for each in refused], grown, read)
"""


def measured(file: Path) -> tuple[int, str, int, int]:
    """Rows, refused records, and megabytes: by how many memory grew, and that were read."""
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", MEASURED, str(file)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    rows, rest = done.stdout.split(" ", 1)
    refused, grown, taken = rest.rsplit(" ", 2)
    return int(rows), refused, int(grown), int(taken)


def test_line_of_a_gigabyte_is_passed_over_in_little_memory() -> None:
    file = Path("line.csv")
    with file.open("wb") as writer:
        writer.write(b"a,b\n1,2\n")
        writer.seek(1 << 30)  # a hole: zeros
        writer.write(b"\n3,4\n")
    rows, refused, grown, taken = measured(file.resolve())
    file.unlink()
    assert (rows, refused) == (2, "[(3, 'record_too_long', 10036)]"), refused
    assert grown < 250
    assert 1024 <= taken < 1040  # each byte is read once, and a few samples


def test_first_line_of_a_gigabyte_is_refused_before_it_is_read() -> None:
    file = Path("header.csv")
    with file.open("wb") as writer:
        writer.write(b"a,b" * 1_000_000)
        writer.seek(1 << 30)
        writer.write(b"\n3,4\n")
    before = bytes_read()
    with pytest.raises(UnreadableFileError, match=r"the first line is longer than|binary"):
        read_raw(file)
    file.unlink()
    assert bytes_read() - before < 1 << 24


def test_memory_does_not_grow_with_the_file() -> None:
    grown = []
    for copies in (8, 24):
        file = Path(f"large-{copies}.csv")
        block = b"".join(b"%d,abc,2.5,%d\n" % (number, number * 7) for number in range(400_000))
        with file.open("wb") as writer:
            writer.write(b"a,b,c,d\n")
            for _ in range(copies):
                writer.write(block)
        grown.append(measured(file.resolve())[2])
        file.unlink()
    assert grown[1] < grown[0] * 1.3 + 20, grown


def test_parquet_is_read_in_chunks() -> None:
    parquet.write_table(pa.table({"n": range(200_000)}), "long.parquet")
    with open_raw(Path("long.parquet")) as raw:
        lines = [int(chunk.lines[0]) for chunk in raw.chunks()]
    assert lines == [1, 65_537, 131_073, 196_609]


def test_json_key_that_comes_late_refuses_its_record() -> None:
    early = json.dumps({"a": "x" * 50}) + "\n"
    raw = read(early * 20_000 + '{"a": 1, "b": 2}\n', "late.jsonl")
    assert [(record.line, record.reason) for record in raw.refused] == [(20_001, "unknown_key")]


def test_raw_text_of_a_row_is_what_stands_in_the_file() -> None:
    raw = read('a,b\n1,2\n3\n"x\n""y""",z\r\n', **RFC)
    assert [raw.raw(row) for row in range(2)] == ["1,2", '"x\n""y""",z']


def test_example_of_the_documentation_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[1] / "docs/reading.md"
    monkeypatch.chdir(tmp_path)
    assert doctest.testfile(str(page), module_relative=False) == (0, 8)
