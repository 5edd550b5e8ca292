"""Landing the rows of a query: each row once, whatever arrives late, is erased, crashes or is lost; no secret shown."""

from __future__ import annotations

import contextvars
import shutil
import sqlite3
import subprocess
import traceback
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from configs.errors import HoldfastError
from tasks import registry
from tasks.land import IncompleteRawError, land
from tasks.query_source import NoUrlError, QueryError, WatermarkError, no_secrets, spool
from tasks.query_source.columns import QueryColumnsError, key_of, table_of
from tasks.query_source.landing import DivergedLandingError
from tasks.query_source.spool import NoRowsError, new_rows
from tasks.query_source.watermarks import file_name, text_of, watermark_of, window
from tests.pipelines import make_pipeline
from tests.registered import declare, land_here, run

ROOT = Path(__file__).resolve().parents[1]
RAW = Path("data/raw/demo")
COLUMNS = {"id": {"type": "integer"}, "a": {"type": "integer"}}
SOURCE = {"sql": "SELECT id, a FROM t", "watermark": "id", "url": {"env": "DEMO_URL"}}
DEMO = make_pipeline(COLUMNS, source=SOURCE)


@pytest.fixture(scope="module")
def empty_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    shutil.copy(ROOT / ".gitignore", folder)
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["git", "commit", "-qm", "x"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def repository(empty_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    shutil.copytree(empty_repository, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DEMO_URL", f"sqlite:///{tmp_path}/demo.db")
    execute(tmp_path, "CREATE TABLE t (id INTEGER, a)")
    insert(tmp_path, (1, 10), (2, 20))
    return folder


def execute(folder: Path, statement: str, *rows: tuple[object, ...]) -> None:
    with sqlite3.connect(folder / "demo.db") as connection:
        connection.executemany(statement, rows) if rows else connection.execute(statement)
    connection.close()


def insert(folder: Path, *rows: tuple[object, object]) -> None:
    execute(folder, "INSERT INTO t VALUES (?, ?)", *rows)


def landed(folder: Path = RAW) -> dict[str, list[tuple[object, ...]]]:
    files = sorted(file for file in folder.iterdir() if file.suffix == ".parquet")
    return {file.stem.lstrip("0"): [tuple(row.values()) for row in rows_of(file)] for file in files}


def rows_of(file: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = parquet.read_table(file).to_pylist()
    return rows


# ---- each row once


def test_rows_land_as_one_batch_named_by_its_greatest_watermark(repository: Path) -> None:
    assert land(DEMO) == ["00000000000000000002"]
    assert landed() == {"2": [(1, 10), (2, 20)]}


def test_second_landing_takes_nothing(repository: Path) -> None:
    land(DEMO)
    before = Path("data/raw/demo.dvc").read_bytes()
    assert (land(DEMO), Path("data/raw/demo.dvc").read_bytes()) == ([], before)


def test_only_rows_beyond_the_watermark_land(repository: Path) -> None:
    land(DEMO)
    insert(repository.parent, (5, 50), (3, 30))
    land(DEMO)
    assert landed() == {"2": [(1, 10), (2, 20)], "5": [(3, 30), (5, 50)]}


def test_late_rows_at_the_watermark_are_neither_lost_nor_doubled(repository: Path) -> None:
    land(DEMO)
    insert(repository.parent, (2, 21), (2, 20))  # one new, one the same again
    land(DEMO)
    assert sorted(landed()["2-2"], key=str) == [(2, 20), (2, 21)]
    assert land(DEMO) == []


def test_late_rows_within_the_overlap_land(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days = {"sql": "SELECT id, a FROM t", "watermark": "id", "url": {"env": "DEMO_URL"}, "overlap": "2d"}
    mark = datetime(2024, 5, 10, tzinfo=UTC)
    old = [RAW / f"{text_of(mark - timedelta(days=back))}.parquet" for back in (0, 2, 3)]
    found = window(old, (), make_pipeline(COLUMNS, source=days).source.overlap)
    assert (found.since, found.beyond, found.files) == (mark - timedelta(days=2), False, tuple(sorted(old[:2])))


def test_overlap_of_an_integer_is_refused() -> None:
    with pytest.raises(WatermarkError, match=r"Remove source\.overlap"):
        window([Path(file_name(3, ()))], (), timedelta(days=1))


INSERTS = st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), max_size=6), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(INSERTS, st.integers(1, 3))
def test_all_rows_land_once_in_any_order_of_inserts_and_landings(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[tuple[int, int]]], chunk: int
) -> None:
    folder = tmp_path_factory.mktemp("rounds")
    execute(folder, "CREATE TABLE t (id INTEGER, a)")
    (folder / "raw").mkdir()
    greatest, inserted = 0, Counter[tuple[int, int]]()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DEMO_URL", f"sqlite:///{folder}/demo.db")
        patch.setattr(spool, "CHUNK", chunk)
        for rows in rounds:
            later = [(greatest + step, value) for step, value in rows]  # at the watermark, or beyond it
            if later:
                insert(folder, *later)
            inserted.update(later)
            greatest = max([greatest, *(mark for mark, _ in later)])
            if not inserted:
                continue  # a query that has found no row yet is refused
            for file in new_rows(DEMO, sorted((folder / "raw").iterdir()), (), no_secrets):
                assert not (folder / "raw" / file.name).exists()
                shutil.move(file, folder / "raw" / file.name)
    assert Counter(row for batch in landed(folder / "raw").values() for row in batch) == inserted


def test_erased_rows_do_not_come_back(repository: Path) -> None:
    land(DEMO)
    files = sorted(RAW.iterdir())
    insert(repository.parent, (2, 22), (3, 30))
    (found,) = new_rows(DEMO, [], {files[0].name}, no_secrets)
    assert rows_of(found) == [{"id": 3, "a": 30}]


def test_landing_that_was_killed_before_the_pin_is_finished(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tasks.land.pin_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            land(DEMO)
    insert(repository.parent, (3, 30))
    land(DEMO)
    assert sorted(row for batch in landed().values() for row in batch) == [(1, 10), (2, 20), (3, 30)]
    assert "nfiles: 2" in Path("data/raw/demo.dvc").read_text()


def test_landing_without_the_pinned_batches_is_refused(repository: Path) -> None:
    land(DEMO)
    shutil.rmtree(RAW)
    with pytest.raises(IncompleteRawError, match=r"dvc pull --force data/raw/demo\.dvc"):
        land(DEMO)


def test_same_rows_of_a_new_column_are_known_by_the_old_ones(repository: Path) -> None:
    land(DEMO)
    wider = make_pipeline(COLUMNS, source=SOURCE | {"sql": "SELECT id, a, 1 AS b FROM t"})
    assert land(wider) == []


# ---- what is refused


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ((None, 1), "rows without 'id', the watermark"),
        (("2024-01-01", 1), "holds str; expected an integer, a date or a timestamp"),
        ((-1, 1), "is -1; an integer one is 0 or more"),
    ],
)
def test_watermark_without_an_order_is_refused(repository: Path, row: tuple[object, object], match: str) -> None:
    execute(repository.parent, "DROP TABLE t")
    execute(repository.parent, "CREATE TABLE t (id, a)")
    insert(repository.parent, row)
    with pytest.raises(WatermarkError, match=match):
        land(DEMO)
    assert not RAW.exists()


def test_watermark_of_another_kind_than_before_is_refused(repository: Path) -> None:
    (found,) = new_rows(DEMO, [], (), no_secrets)
    with pytest.raises(WatermarkError, match="the watermark is date and integer"):
        new_rows(DEMO, [found.with_name("2024-01-01.parquet"), found], (), no_secrets)


def test_values_of_no_common_type_are_refused_without_showing_them(repository: Path) -> None:
    insert(repository.parent, (3, "hunter2"))
    with pytest.raises(QueryColumnsError, match="'a' are not of one type that a table has, but 'int', 'str'") as caught:
        land(DEMO)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("sql", "match"),
    [
        ("SELECT a FROM t", "no column 'id', its watermark|answered"),
        ("SELECT id, a FROM t WHERE a > 99", "source.sql finds no row"),
        ("SELEC id", "answered: no such table: SELEC"),
        ("SELECT id, a FROM t; DROP TABLE t", "answered"),
    ],
)
def test_query_that_makes_no_table_is_refused(repository: Path, sql: str, match: str) -> None:
    with pytest.raises(HoldfastError, match=match):
        land(make_pipeline(COLUMNS, source=SOURCE | {"sql": sql}))
    assert not list(RAW.glob("*")) if RAW.exists() else True
    assert not list(Path(".holdfast/queries").glob("*/*"))


def test_colons_and_comments_in_a_query_are_no_parameters(repository: Path) -> None:
    sql = "SELECT id, a, ':x 12:30 %s' AS b FROM t -- the end;"
    assert land(make_pipeline(COLUMNS, source=SOURCE | {"sql": sql})) == ["00000000000000000002"]
    assert {row[2] for row in landed()["2"]} == {":x 12:30 %s"}


def test_batch_of_a_query_is_not_replaced(repository: Path) -> None:
    with pytest.raises(HoldfastError, match="batches of a query are not replaced"):
        land(DEMO, replace=["00000000000000000002.parquet"])


def test_url_that_is_not_set_names_the_variable(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEMO_URL")
    with pytest.raises(NoUrlError, match="the environment variable DEMO_URL, which is not set"):
        land(DEMO)


SECRET = "s3cr3t/x"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET.replace('/', '%2F')}@127.0.0.1:1/x",
        f"postgresql://me@127.0.0.1:1/x?sslpassword={SECRET}",
        f"postgresql://me:{SECRET}@:nonsense:/x",
        f"{SECRET}",
        f"nodriver://me:{SECRET.replace('/', '%2F')}@127.0.0.1/x",
    ],
)
def test_no_error_shows_a_secret(repository: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DEMO_URL", url)
    with pytest.raises((QueryError, NoUrlError)) as caught:
        land(DEMO)
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told
    assert "s3cr3t" not in told


def test_url_of_a_secret_block_stands_in_no_file(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEMO_URL")
    with_secret = make_pipeline(COLUMNS, source=SOURCE | {"url": {"secret": "demo"}})
    land(with_secret, secrets=lambda name: f"sqlite:///{repository.parent}/{name}.db")
    found = subprocess.run(["grep", "-rlF", "demo.db", "."], capture_output=True, text=True, check=False).stdout
    assert (found, landed()) == ("", {"2": [(1, 10), (2, 20)]})


# ---- names


MARKS = st.one_of(
    st.integers(0, 10**20 - 1),
    st.dates(date(1000, 1, 1)),
    st.datetimes(datetime(1000, 1, 1)),
    st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
)


@given(MARKS)
def test_watermark_survives_its_name(mark: object) -> None:
    assert watermark_of(file_name(mark, ())) == mark  # type: ignore[arg-type]


@given(st.datetimes(datetime(1000, 1, 1)), st.datetimes(datetime(1000, 1, 1)))
def test_names_sort_as_watermarks_do(one: datetime, other: datetime) -> None:
    assert (text_of(one) < text_of(other)) == (one < other)


@pytest.mark.parametrize("name", ["2013-01.csv", "2024-02-30.parquet", "x.parquet", "2024-01-01.csv"])
def test_other_files_have_no_watermark(name: str) -> None:
    assert watermark_of(name) is None


def test_rows_are_equal_whatever_type_holds_their_values() -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    row = [1, Decimal("2.50"), float("nan"), moment, None, "x", date(2024, 1, 1), b"y"]
    table = table_of([str(place) for place in range(len(row))], [row])
    assert key_of(row) == key_of(list(table.to_pylist()[0].values()))


# ---- the ledger


@pytest.fixture
def worker(landed_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a project whose source is a query; the git remote and the DVC remote are all that there is beside."""
    first = tmp_path / "first"
    shutil.copytree(landed_project, first, symlinks=True)
    monkeypatch.chdir(first)
    monkeypatch.setenv("DEMO_URL", f"sqlite:///{tmp_path}/demo.db")
    shutil.rmtree("data/raw/diabetes")
    Path("data/raw/diabetes.dvc").unlink()
    run("dvc", "remote", "add", "-q", "-d", "-f", "all", str(tmp_path / "remote"))
    declare('{path: "data/incoming/diabetes/*.csv"}', "{sql: SELECT * FROM t, watermark: id, url: {env: DEMO_URL}}")
    declare("drop: []", "drop: [id]")
    run("git", "clone", "-q", "--bare", ".", str(tmp_path / "origin"))
    execute(tmp_path, "CREATE TABLE t (id INTEGER, a)")
    insert(tmp_path, (1, 10), (2, 20))
    return clone(tmp_path, "one", monkeypatch)


def clone(folder: Path, name: str, patch: pytest.MonkeyPatch) -> Path:
    """Another machine."""
    run("git", "clone", "-q", str(folder / "origin"), str(folder / name))
    patch.chdir(folder / name)
    return folder / name


def test_worker_without_its_disk_lands_nothing_twice(worker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert land_here() == ["00000000000000000002.parquet"]
    clone(worker.parent, "two", monkeypatch)
    assert land_here() == []
    insert(worker.parent, (3, 30))
    assert land_here() == ["00000000000000000003.parquet"]
    assert [sorted(e["batches"]) for e in registry.events("diabetes")] == [
        ["00000000000000000002.parquet"],
        ["00000000000000000003.parquet"],
    ]


def test_landing_behind_the_ledger_is_refused(worker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from configs.load import load_pipeline

    land_here()
    with pytest.raises(DivergedLandingError, match="has 1 batches of the query that are not here"):
        land(load_pipeline("diabetes"))


def test_landings_of_two_machines_are_not_mixed(worker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from configs.load import load_pipeline

    land(load_pipeline("diabetes"))  # in the user's working tree, before there is a ledger
    clone(worker.parent, "two", monkeypatch)
    insert(worker.parent, (3, 30))
    land_here()
    monkeypatch.chdir(worker)
    with pytest.raises(DivergedLandingError, match="the same rows may be in both"):
        land_here()


def test_landing_is_not_written_after_another_machines(worker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.retrain import landings

    ours = landings.rows_of_query

    def slow(*arguments: object) -> list[Path]:
        found = ours(*arguments)  # type: ignore[arg-type]
        with monkeypatch.context() as patch:
            patch.setattr(landings, "rows_of_query", ours)
            clone(worker.parent, "two", patch)
            contextvars.Context().run(land_here)  # in a worktree of its own
        return found

    monkeypatch.setattr(landings, "rows_of_query", slow)
    with pytest.raises(HoldfastError, match="another machine landed rows of the query meanwhile"):
        land_here()
    assert len(registry.events("diabetes")) == 1


def test_first_landing_of_a_query_without_rows_is_refused(repository: Path) -> None:
    execute(repository.parent, "DELETE FROM t")
    with pytest.raises(NoRowsError, match=r"source\.sql finds no row"):
        land(DEMO)
