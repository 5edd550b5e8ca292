"""From raw CSV to typed Parquet: every row is typed or refused with its line, and only what changed is read again."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.schema import Pipeline
from tasks import ingest
from tasks.atomic import read_json
from tasks.contract.header import compare_header
from tasks.ingest import HeaderError, NoRowError, read_batch
from tasks.ingestion.chunks import Reading
from tasks.raw_files import RawChunk, RawTable, UnreadableFileError, read_raw
from tasks.stage import declared_sections
from tasks.table import read_table
from tests.pipelines import make_pipeline

ROOT = Path(__file__).resolve().parents[1]
RAW, TYPED = Path("data/raw/demo"), Path("data/typed/demo")
REFUSED = Path("data/quarantine/demo/ingest")
COLUMNS = {"id": {"type": "text"}, "n": {"type": "integer"}, "x": {"type": "float"}}


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    RAW_HERE = tmp_path / RAW
    RAW_HERE.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(text: str | bytes, name: str = "2013-01.csv") -> None:
    (RAW / name).write_bytes(text.encode() if isinstance(text, str) else text)


def run(columns: dict[str, Any] = COLUMNS, **sections: Any) -> Pipeline:
    pipeline = make_pipeline(columns, **sections).limited_to("ingest", declared_sections("ingest"))
    ingest.main(pipeline)
    return pipeline


def rows(batch: str = "2013-01") -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in read_table(TYPED / f"{batch}.parquet").to_pylist()]


def refusals(batch: str = "2013-01") -> list[tuple[int, str | None, str]]:
    file = REFUSED / f"{batch}.parquet"
    found = read_table(file).to_pylist() if file.exists() else []
    return [(row["_line"], row["column"], row["reason"]) for row in found]


def tree(*folders: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()}


def outputs() -> dict[str, bytes]:
    return tree(TYPED, REFUSED, Path("metrics"))


def test_batch_becomes_typed_rows_with_their_lines() -> None:
    put('x,n,id\n1.5,9007199254740993,00501\n,,"NA\n2"\n-1e3,-1,\n')
    run()
    assert rows() == [("00501", 2**53 + 1, 1.5, 2), ("NA\n2", None, None, 3), (None, -1, -1000.0, 5)]


def test_large_file_that_is_hashed_while_it_is_read_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put("x,n,id\n1.5,1,a\nbad,2,b\n")
    run()
    at_once = outputs()
    shutil.rmtree(".holdfast")
    capsys.readouterr()
    monkeypatch.setattr(ingest, "LARGE_FILE", 1)
    for anew in (1, 0):
        run()
        assert outputs() == at_once
        assert f"1 batches, {anew} of them read anew" in capsys.readouterr().out


def test_schema_is_the_declared_one_in_order() -> None:
    types = ("integer", "float", "boolean", "category", "text", "date", "timestamp")
    columns = {name[:3]: {"type": name} for name in types}
    put(",".join(reversed(columns)) + "\n" + "2013-01-01T00:00Z,2013-01-01,t,c,true,1,1\n")
    run(columns, target={"name": "int"})
    utc = pa.timestamp("us", tz="UTC")
    expected = [pa.int64(), pa.float64(), pa.bool_(), pa.string(), pa.string(), pa.date32(), utc, pa.int64()]
    schema = read_table(TYPED / "2013-01.parquet").schema
    assert (schema.names, schema.types) == ([*columns, "_line"], expected)


def test_bad_cells_and_ragged_rows_go_to_quarantine_in_order_of_line() -> None:
    put('id,n,x\na,1,1\nb,1.5,1\nc,1\n\nd,1,inf\ne,1,1,\n"f\n",x,y\ng,2,2\n')
    run()
    assert rows() == [("a", 1, 1.0, 2), ("g", 2, 2.0, 10)]
    assert refusals() == [
        (3, "n", "not_an_integer"),
        (4, None, "too_few_columns"),
        (5, None, "blank_line"),
        (6, "x", "not_finite"),
        (7, None, "too_many_columns"),
        (8, "n", "not_an_integer"),
    ]


def test_quarantine_holds_file_detail_and_raw_text() -> None:
    put('id,n,x\n"a,\n""b""",one,1\nc,2,2\n')
    run()
    assert read_table(REFUSED / "2013-01.parquet").to_pylist() == [
        {
            "_batch": "2013-01",
            "file": "data/raw/demo/2013-01.csv",
            "_line": 2,
            "column": "n",
            "reason": "not_an_integer",
            "detail": "'one' is no whole number; digits with an optional sign are expected",
            "raw": '"a,\n""b""",one,1',
            "expectation": None,
        }
    ]


def test_metrics_add_up_over_batches() -> None:
    put("id,n,x\na,1,1\nb,x,1\n")
    put("id,n,x\na,1,1\nb,2,2,2\nc,y,1\n", "2013-02.csv")
    run()
    assert read_json(Path("metrics/demo/ingest.json")) == {
        "rows_in": 5,
        "rows_out": 2,
        "rows_quarantined": 3,
        "batches": 2,
        "files": 2,
        "reasons": {"not_an_integer": 2, "too_many_columns": 1},
        "ambiguous_times": 0,
        "shifted_times": 0,
        "zero_filled": 0,
        "schema": {},
        "dialects": {"csv utf-8 ','": 2},
    }


def test_quarantine_folder_stands_when_nothing_was_refused() -> None:
    put("id,n,x\na,1,1\n")
    run()
    assert list(REFUSED.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("2013-01.csv", gzip.compress(b"id,n,x\na,1,1\n", mtime=0)),
        ("2013-01.csv.gz", gzip.compress(b"id,n,x\na,1,1\n", mtime=0)),
        ("2013-01.csv", "id;n;x\r\na;1;1\r\n".encode("utf-16")),
        ("2013-01.jsonl", b'{"n": 1, "id": "a", "x": 1}\n'),
    ],
)
def test_other_dialects_give_the_same_rows(name: str, content: bytes) -> None:
    put(content, name)
    run()
    assert rows() == [("a", 1, 1.0, 2 if "jsonl" not in name else 1)]


def test_declared_dialect_is_read_as_declared() -> None:
    put("# a comment\nid:n:x\na:1:1\nb:2:2\nthe end\n")
    dialect = {"delimiter": ":", "preamble": 1, "footer": 1}
    run(source={"path": "data/incoming/demo/*.csv", "dialect": dialect})
    assert (rows(), refusals()) == ([("a", 1, 1.0, 3), ("b", 2, 2.0, 4)], [])


def test_summary_keeps_the_dialect_of_each_batch() -> None:
    put("id;n;x\na;1;1\n")
    run()
    (entry,) = Path(".holdfast").rglob("entry.json")
    _, summary = json.loads(entry.read_text().splitlines()[1])
    assert summary["dialect"]["delimiter"] == ";"


def test_dropped_column_is_not_read() -> None:
    put("id,n,note,x\na,1,\xe9,1\n")
    run(drop=["note"])
    assert rows() == [("a", 1, 1.0, 2)]


def test_declared_and_dropped_column_is_read() -> None:
    put("id,n,x\na,1,1\n")
    run(drop=["n"])
    assert rows() == [("a", 1, 1.0, 2)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_mark_are_no_content(end: str, mark: bytes) -> None:
    put(mark + end.join(["id,n,x", "a,1,1", '"b",2,"2"']).encode())
    run()
    assert rows() == [("a", 1, 1.0, 2), ("b", 2, 2.0, 3)]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id,n", r"column 'x' is declared, but missing"),
        ("id,n,x,y", r"column 'y' is neither declared nor dropped"),
        ("id,n,x,n", r"column 'n' stands there 2 times"),
        ("id,n,X", r"'x' is declared, but missing \(did you mean 'X'\?\)"),
        ("id,n,x ", r"did you mean 'x '\?"),
        ("id,n,x,", r"column '' is neither"),
        ("id;n;x", r"The header has: 'id;n;x'"),
        ("a,1,1", r"'id' is declared, but missing"),
    ],
)
def test_wrong_header_is_refused_with_file_and_line(header: str, message: str) -> None:
    put(header + "\na,1,1,1\n")
    with pytest.raises(HeaderError, match=rf"data/raw/demo/2013-01.csv:1: .*{message}"):
        run()


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", UnreadableFileError, "empty"),
        (b"id,n,x\n", NoRowError, "a header and no row"),
        (b"id,n,x\n\n\n", NoRowError, "a header and no row"),
        (b"<html><body>502</body></html>", UnreadableFileError, "HTML"),
        (b'{"id": 1}', UnreadableFileError, "JSON"),
        (gzip.compress(b"id,n,x\na,1,1\n", mtime=0)[:-9], UnreadableFileError, "gzip data are cut"),
        (b"PAR1\x00\x00", UnreadableFileError, "Parquet"),
        ("id,n,x\na,1,1\n".encode("utf-32"), UnreadableFileError, "UTF-32"),
        (b"id,n,x\na,y,1\nb,1\n", NoRowError, r"all 2 rows were refused \(not_an_integer 1, too_few_columns 1\)"),
        (b"id;n;x\na;1;8,9\nb;1;7,5\n", NoRowError, r"line 2: column 'x': '8,9' is no number.*separators are decimal"),
    ],
)
def test_file_without_a_readable_row_is_an_error(content: bytes, error: type[Exception], message: str) -> None:
    put(content)
    with pytest.raises(error, match=message):
        run()
    assert not TYPED.exists()


def test_error_names_the_remedy() -> None:
    put(b"")
    with pytest.raises(UnreadableFileError, match=r"2013-01.csv: .*`holdfast land demo --replace 2013-01.csv`"):
        run()


def test_one_batch_refused_whole_is_counted() -> None:
    put("id,n,x\na,1,1\n")
    put("id,n,x\na,y,1\n", "2013-02.csv")
    run()
    assert (rows("2013-02"), refusals("2013-02")) == ([], [(2, "n", "not_an_integer")])


def test_nothing_landed_is_an_error() -> None:
    with pytest.raises(ingest.DataError, match="Run `holdfast land demo`"):
        run()


@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
def test_raw_entry_that_is_no_file_is_refused(kind: str) -> None:
    odd = RAW / "odd.csv"
    {"folder": odd.mkdir, "fifo": lambda: os.mkfifo(odd), "link": lambda: odd.symlink_to("/etc/hostname")}[kind]()
    with pytest.raises(ingest.DataError, match=r"odd.csv: not a regular file"):
        run()


def test_nul_and_invalid_bytes_are_refused_row_by_row() -> None:
    put(b"id,n,x\na\x00,1,1\nb,1,1\n\xff,1,1\n")
    run()
    assert (rows(), refusals()) == ([("b", 1, 1.0, 3)], [(2, None, "nul_byte"), (4, None, "not_utf8")])


def test_clock_changes_of_2013_in_new_york() -> None:
    columns = {"t": {"type": "timestamp"}, "n": {"type": "integer"}}
    texts = ["2013-03-10 01:59", "2013-03-10 02:30", "2013-03-10 03:00", "2013-11-03 01:30", "2013-11-03 01:30-05:00"]
    put("t,n\n" + "".join(f"{text},{number}\n" for number, text in enumerate(texts)))
    run(columns, time={"column": "t", "timezone": "America/New_York"})
    utc = [
        dt.datetime(2013, *rest, tzinfo=dt.UTC) for rest in ((3, 10, 6, 59), (3, 10, 7), (11, 3, 5, 30), (11, 3, 6, 30))
    ]
    assert [row[0] for row in rows()] == utc
    assert refusals() == [(3, "t", "nonexistent_local_time")]
    assert read_json(Path("metrics/demo/ingest.json"))["ambiguous_times"] == 1


def several(months: int = 4, count: int = 50) -> None:
    chance = random.Random(7)
    for month in range(1, months + 1):
        lines = [
            f"{chance.randrange(10**6)},{chance.choice([1, 2, 'NA', 'x'])},{chance.random()}" for _ in range(count)
        ]
        put("id,n,x\n" + "\n".join(lines) + "\n", f"2013-{month:02}.csv")


def read_anew(capsys: pytest.CaptureFixture[str]) -> int:
    return int(capsys.readouterr().out.split(" batches, ")[1].split()[0])


def test_only_the_touched_batch_is_read_again(capsys: pytest.CaptureFixture[str]) -> None:
    several()
    run()
    first = read_anew(capsys)
    put("id,n,x\na,1,1\n", "2013-03.csv")
    run()
    second = read_anew(capsys)
    run()
    assert (first, second, read_anew(capsys)) == (4, 1, 0)


def test_result_from_the_store_equals_a_build_from_nothing() -> None:
    several()
    run()
    put("id,n,x\na,1,1\n", "2013-03.csv")
    (RAW / "2013-04.csv").unlink()
    run()
    incremental = outputs()
    shutil.rmtree(".holdfast")
    run()
    assert outputs() == incremental


def test_changed_null_token_reads_all_again_and_equals_a_build_from_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    several()
    columns = COLUMNS | {"n": {"type": "integer", "nulls": ["", "NA"]}}
    run()
    before = outputs()
    capsys.readouterr()
    run(columns)
    anew, incremental = read_anew(capsys), outputs()
    shutil.rmtree(".holdfast")
    run(columns)
    assert (anew, outputs() == incremental, incremental == before) == (4, True, False)


def test_corrupt_store_does_not_reach_the_output() -> None:
    several()
    run()
    before = outputs()
    for file in Path(".holdfast").rglob("*.parquet"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(bytes(content))
    run()
    assert outputs() == before


def test_file_without_a_header_is_said_to_have_none() -> None:
    put("a,1,1.5\nb,2,2.5\nc,3,1.25\n")
    with pytest.raises(HeaderError, match="there is no header; columns are named c1 to c3"):
        run()


def test_last_line_says_why_rows_are_in_quarantine(capsys: pytest.CaptureFixture[str]) -> None:
    put('id,n,x\na,1,1\nb,"1,024",1\nc,x,1\nd,1,1\ne,1,y\nf,1,1\n')
    run()
    told = "3 in quarantine (not_an_integer 2, not_a_number 1); `holdfast quarantine demo` shows them"
    assert told in capsys.readouterr().out


def test_failed_stage_leaves_the_last_output() -> None:
    several()
    run()
    before = outputs()
    put("id,n\n", "2013-05.csv")
    with pytest.raises(HeaderError):
        run()
    assert outputs() == before
    assert not list(Path("data").rglob("*.tmp"))


def test_same_bytes_for_any_number_of_threads(tmp_path: Path) -> None:
    several(months=2, count=30_000)
    found = []
    for threads in ("1", "4"):
        shutil.rmtree(".holdfast", ignore_errors=True)
        code = (
            "import duckdb, pyarrow as pa, tests.test_ingest as t, tasks.cells.values as c\n"
            f"pa.set_cpu_count({threads}); c.engine().execute('SET threads = {threads}'); t.run()"
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": threads, "TZ": f"Etc/GMT+{threads}"}
        subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)
        found.append(outputs())
    assert found[0] == found[1]


def test_row_order_is_that_of_the_file() -> None:
    count = 200_000
    put("id,n,x\n" + "".join(f"a,{number},1\n" for number in range(count)))
    run()
    assert read_table(TYPED / "2013-01.parquet").column("n").to_pylist() == list(range(count))


def test_file_of_several_blocks_becomes_a_row_group_each_and_loses_no_row() -> None:
    count, note = 300_000, "y" * 30
    put("id,n,x\n" + "".join(f"{note},{number if number % 1000 else '?'},1\n" for number in range(count)))
    run()
    groups = pq.ParquetFile(TYPED / "2013-01.parquet").num_row_groups
    lines = [row[3] for row in rows()]
    refused = [line for line, _, _ in refusals()]
    assert groups > 1
    assert refused == list(range(2, count + 2, 1000))
    assert sorted(lines + refused) == list(range(2, count + 2))


def chunks_of(table: RawTable, size: int) -> Iterator[RawChunk]:
    """A file's records in chunks of a few rows, the refused ones in the chunk of the row before them."""
    ends = [*table.lines[size::size], 10**9]
    for number, end in enumerate(ends):
        begin = table.lines[number * size] if number else 0
        refused = [record for record in table.refused if begin <= record.line < end]
        first = number * size
        yield RawChunk(
            table.texts.slice(first, size),
            table.lines[first : first + size],
            refused,
            lambda row, first=first: table.raw(first + row),
        )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["a,1,1", "b,x,1", "c,2", "", "NA,,1e400", "2,3.0,2"]), min_size=1), st.integers(1, 7))
def test_chunks_add_up_to_the_whole(lines: list[str], size: int) -> None:
    put("id,n,x\n" + "\n".join([*lines, "z,1,1"]) + "\n")
    table = read_raw(RAW / "2013-01.csv")
    columns = make_pipeline(COLUMNS).columns
    reading = Reading("b", "f", columns, compare_header(table.names, columns, ()), "UTC", "accept")
    found = []
    for each in (size, 10**6):
        folder = Path(tempfile.mkdtemp(dir="."))
        account = read_batch(folder, chunks_of(table, each), reading)
        files = [folder / name for name in ("typed.parquet", "quarantine.parquet")]
        found.append((account, [read_table(file) if file.exists() else None for file in files]))
    assert found[0] == found[1]
    assert found[0][0].rows_in == len(table.lines) + len(table.refused)
