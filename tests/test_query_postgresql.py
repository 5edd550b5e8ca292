"""Landing from a real PostgreSQL server: its types, its errors, and a connection that is cut."""

from __future__ import annotations

import gc
import subprocess
import traceback
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pyarrow import parquet

from tasks.land import land
from tasks.query_source import QueryError, new_rows, no_secrets
from tasks.query_source.columns import QueryColumnsError
from tests.pipelines import make_pipeline
from tests.postgresql import ENCODED, PASSWORD, postgresql

RAW = Path("data/raw/demo")
COLUMNS = {"at": {"type": "timestamp"}, "a": {"type": "integer"}}
SOURCE = {"sql": 'SELECT * FROM "Log"', "watermark": "at", "url": {"env": "DEMO_URL"}}
DEMO = make_pipeline(COLUMNS, source=SOURCE)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql() as (url, _pid):
        yield url


@pytest.fixture
def repository(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEMO_URL", server)
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, check=True, capture_output=True)
    execute(server, 'DROP TABLE IF EXISTS "Log"', 'CREATE TABLE "Log" (at timestamptz, a integer)')
    return tmp_path


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]


def landed() -> list[tuple[Any, ...]]:
    files = sorted(RAW.glob("*.parquet"))
    return [tuple(row.values()) for file in files for row in parquet.read_table(file).to_pylist()]


def test_rows_land_once_by_a_timestamp(server: str, repository: Path) -> None:
    execute(server, """INSERT INTO "Log" VALUES ('2024-03-31 01:30+00', 1), ('2024-03-31 04:30+02', 2)""")
    assert land(DEMO) == ["2024-03-31T023000.000000Z"]
    execute(server, """INSERT INTO "Log" VALUES ('2024-03-31 02:30+00', 3), ('2024-03-31 02:30:00.000001+00', 4)""")
    assert land(DEMO) == ["2024-03-31T023000.000001Z"]
    assert (land(DEMO), [a for _, a in landed()]) == ([], [1, 2, 3, 4])


def test_row_committed_late_within_the_overlap_lands(server: str, repository: Path) -> None:
    execute(server, """INSERT INTO "Log" VALUES ('2024-01-01 10:00+00', 1), ('2024-01-01 12:00+00', 2)""")
    patient = make_pipeline(COLUMNS, source=SOURCE | {"overlap": "3h"})
    land(patient)
    execute(server, """INSERT INTO "Log" VALUES ('2024-01-01 11:00+00', 3), ('2024-01-01 08:00+00', 4)""")
    assert land(patient) == ["2024-01-01T110000.000000Z"]
    assert (land(patient), sorted(a for _, a in landed())) == ([], [1, 2, 3])


def test_postgresqls_types_become_arrows(server: str, repository: Path) -> None:
    sql = """SELECT DATE '2024-01-01' AS at, 1 AS a, 2.5::float8 AS f, 1.10::numeric(10,2) AS d, true AS b, 'x' AS t,
        NULL::text AS n, ARRAY[1,2] AS l, '{"k": 1}'::jsonb AS j, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u,
        TIMESTAMP '2024-01-01 02:30' AS s, TIME '12:30' AS c, '\\x00ff'::bytea AS y"""
    land(make_pipeline(COLUMNS, source=SOURCE | {"sql": sql}))
    assert landed() == [
        (
            *(date(2024, 1, 1), 1, 2.5, Decimal("1.10"), True, "x", None, "[1, 2]", '{"k": 1}'),
            *("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", datetime(2024, 1, 1, 2, 30), "12:30:00", b"\x00\xff"),
        )
    ]


def test_many_rows_come_in_parts_of_one_type(server: str, repository: Path) -> None:
    sql = """SELECT now() - n * interval '1 second' AS at, CASE WHEN n > 10000 THEN n END AS a, n / 2.0 AS h
        FROM generate_series(1, 50000) AS n"""
    (found,) = new_rows(make_pipeline(COLUMNS, source=SOURCE | {"sql": sql}), [], (), no_secrets)
    table = parquet.read_table(found)
    assert (table.num_rows, str(table.schema.field("a").type), table["a"].null_count) == (50_000, "int64", 10_000)


def test_column_given_twice_is_refused(server: str, repository: Path) -> None:
    with pytest.raises(QueryColumnsError, match="gives 'a' more than once"):
        land(make_pipeline(COLUMNS, source=SOURCE | {"sql": "SELECT now() AS at, 1 AS a, 2 AS a"}))


def test_query_cannot_write(server: str, repository: Path) -> None:
    execute(
        server,
        "CREATE OR REPLACE FUNCTION evil() RETURNS timestamptz LANGUAGE plpgsql AS "
        """$$ BEGIN INSERT INTO "Log" VALUES (now(), 1); RETURN now(); END $$""",
    )
    with pytest.raises(QueryError, match="cannot execute INSERT in a read-only transaction"):
        land(make_pipeline(COLUMNS, source=SOURCE | {"sql": "SELECT evil() AS at, 1 AS a"}))


@pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")  # of a connection that is gone
def test_connection_that_is_cut_lands_nothing(server: str, repository: Path) -> None:
    sql = """SELECT now() AS at, n AS a, CASE WHEN n = 45000 THEN pg_terminate_backend(pg_backend_pid()) END AS x
        FROM generate_series(1, 50000) AS n"""
    with pytest.raises(QueryError, match="Nothing has landed; mend it and land again"):
        land(make_pipeline(COLUMNS, source=SOURCE | {"sql": sql}))
    gc.collect()
    assert (RAW.exists(), list(Path(".holdfast/queries").glob("*"))) == (False, [])


@pytest.mark.parametrize("wrong", ["wr%2Fong", ENCODED])
def test_refused_password_is_not_shown(
    server: str, repository: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    user = "nobody-here" if wrong == ENCODED else "postgres"
    monkeypatch.setenv("DEMO_URL", server.replace(f"postgres:{ENCODED}", f"{user}:{wrong}"))
    with pytest.raises(QueryError, match="password authentication failed") as caught:
        land(DEMO)
    told = "".join(traceback.format_exception(caught.value))
    assert not any(secret in told for secret in (PASSWORD, ENCODED, wrong, "wr/ong"))


def test_password_stands_in_no_file_that_a_landing_leaves(server: str, repository: Path) -> None:
    execute(server, """INSERT INTO "Log" VALUES ('2024-03-31 01:30+00', 1)""")
    land(DEMO)
    for secret in (PASSWORD, ENCODED):
        found = subprocess.run(["grep", "-rlF", secret, "."], capture_output=True, text=True, check=False)
        assert found.stdout == ""


def test_moment_is_told_in_utc(server: str, repository: Path) -> None:
    execute(server, """INSERT INTO "Log" VALUES ('2024-03-31 04:30+02', 2)""")
    land(DEMO)
    assert landed() == [(datetime(2024, 3, 31, 2, 30, tzinfo=UTC), 2)]
