"""A batch that is not as declared: the run stops, the rows go to quarantine, or the change is told and lived with."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.schema import Pipeline
from tasks import ingest
from tasks.atomic import read_json
from tasks.contract.header import HeaderError, compare_header
from tasks.contract.inferred import InferredColumn
from tasks.ingest import ChangedFileError
from tasks.ingestion.chunks import ContractError
from tasks.stage import declared_sections
from tasks.table import read_table
from tests.pipelines import make_pipeline

ROOT = Path(__file__).resolve().parents[1]
RAW, TYPED, REFUSED = (Path(f"data/{folder}") for folder in ("raw/demo", "typed/demo", "quarantine/demo/ingest"))
COLUMNS: dict[str, Any] = {"id": {"type": "text"}, "n": {"type": "integer"}, "x": {"type": "float"}}


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / RAW).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


def put(text: str, name: str = "a.csv") -> None:
    (RAW / name).write_text(text)


def run(
    on_change: str, columns: dict[str, Any] = COLUMNS, source_limit: str = "50%", **sections: Any
) -> dict[str, Any]:
    source = {"path": "data/incoming/demo/*.csv", "on_change": on_change, "stop_above": source_limit}
    pipeline: Pipeline = make_pipeline(columns, source=source, **sections)
    ingest.main(pipeline.limited_to("ingest", declared_sections("ingest")))
    metrics: dict[str, Any] = read_json(Path("metrics/demo/ingest.json"))
    return metrics


def rows(batch: str = "a") -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in read_table(TYPED / f"{batch}.parquet").to_pylist()]


def refusals(batch: str = "a") -> list[tuple[int, str | None, str]]:
    return [
        (row["_line"], row["column"], row["reason"]) for row in read_table(REFUSED / f"{batch}.parquet").to_pylist()
    ]


SOUND = "id,n,x\na,1,1\n"


@pytest.mark.parametrize(
    ("header", "column", "reason"),
    [
        ("id,n,x,y", "y", "schema_new_column"),
        ("id,n,z", "x", "schema_lost_column"),
        ("id,n,X ", "x", "schema_renamed_column"),
    ],
)
def test_quarantine_takes_every_row_of_a_batch_with_another_header(header: str, column: str, reason: str) -> None:
    put(SOUND)
    put(f"{header}\na,1,1{',1' * (header.count(',') - 2)}\nb,2\n", "b.csv")
    metrics = run("quarantine")
    assert refusals("b") == [(2, column, reason), (3, None, "too_few_columns")]
    assert (metrics["rows_in"], metrics["rows_out"], metrics["schema"][f"{reason} {column!r}"]) == (3, 1, 1)


def test_batch_that_is_set_aside_whole_hides_no_batch_from_the_next_stage() -> None:
    put(SOUND)
    put("id,n,x,y\na,1,1,1\n", "b.csv")
    run("quarantine", source_limit="1%")
    assert [file.name for file in TYPED.iterdir()] == ["a.parquet"]


def test_accepted_new_column_is_told_and_not_read() -> None:
    put("id,n,x,y\na,1,1,7\n")
    assert run("accept")["schema"] == {"schema_new_column 'y'": 1}
    assert rows() == [("a", 1, 1.0, 2)]


def test_accepted_lost_column_is_null() -> None:
    put("id,x\na,1\n")
    assert run("accept")["schema"] == {"schema_lost_column 'n'": 1}
    assert rows() == [("a", None, 1.0, 2)]


def test_accepted_other_spelling_is_the_same_column() -> None:
    put("id,N ,x\na,1,1\n")
    assert run("accept")["schema"] == {"schema_renamed_column 'n'": 1}
    assert rows() == [("a", 1, 1.0, 2)]


@pytest.mark.parametrize(("header", "lost"), [("id,n,t", "x"), ("id,n,x", "t")])
def test_lost_target_or_time_is_never_accepted(header: str, lost: str) -> None:
    put(f"{header}\na,1,1\n")
    columns = {"t": {"type": "date"}, **COLUMNS}
    with pytest.raises(HeaderError, match=f"column '{lost}' is declared, but missing"):
        run("accept", columns, time={"column": "t"})


@pytest.mark.parametrize("on_change", ["stop", "quarantine", "accept"])
def test_name_that_stands_there_twice_is_always_refused(on_change: str) -> None:
    put("id,n,x,n\na,1,1,1\n")
    with pytest.raises(HeaderError, match="stands there 2 times"):
        run(on_change)


def test_lines_that_are_quoted_as_a_whole_are_told() -> None:
    put('"id,n,x"\n"a,1,1"\n"b,2,2"\n"c,1,3"\n')
    with pytest.raises(HeaderError, match="each line stands in quotes as a whole"):
        run("stop")


def test_dropped_name_may_stand_there_twice() -> None:
    put("id,,n,x,\na,1,1,1,2\n")
    assert run("stop", drop=[""])["schema"] == {}


@pytest.mark.parametrize("on_change", ["stop", "quarantine", "accept"])
def test_another_order_of_columns_is_told_and_harmless(on_change: str) -> None:
    put(SOUND)
    put("x,id,n\n1,a,1\n", "b.csv")
    assert run(on_change)["schema"] == {"schema_reordered": 1}
    assert rows("b") == [("a", 1, 1.0, 2)]


FLOATS = "id,n,x\na,1.0,1\nb,,1\nc,9007199254740993.0,1\n"


def test_integers_that_became_floats_stop_the_run() -> None:
    put(FLOATS)
    with pytest.raises(ContractError, match="column 'n' is declared as integer, but all of its 2 numbers are written"):
        run("stop")


def test_integers_that_became_floats_are_set_aside_by_that_name() -> None:
    put(FLOATS)
    run("quarantine")
    assert refusals() == [(2, "n", "schema_integer_became_float"), (4, "n", "schema_integer_became_float")]


def test_integers_that_became_floats_are_read_exactly_where_accepted() -> None:
    put(FLOATS)
    assert run("accept")["schema"] == {"schema_integer_became_float 'n'": 1}
    assert [row[1] for row in rows()] == [1, None, 2**53 + 1]


def test_single_float_among_integers_is_a_bad_cell_and_stops_nothing() -> None:
    put("id,n,x\na,1.0,1\nb,2,1\n")
    run("stop")
    assert refusals() == [(2, "n", "not_an_integer")]


LEVELS = {**COLUMNS, "id": {"type": "category", "levels": ["a", "b"]}}


def test_new_level_stops_the_run_with_its_line() -> None:
    put("id,n,x\na,1,1\n,1,1\nc,1,1\n")
    with pytest.raises(ContractError, match=r"a\.csv:4: column 'id' has levels that are not declared: 'c'"):
        run("stop", LEVELS)


def test_new_level_of_a_private_column_is_not_told() -> None:
    put("id,n,x\nsecret,1,1\n")
    with pytest.raises(ContractError, match="not declared: 'a private value'"):
        run("stop", {**COLUMNS, "id": {**LEVELS["id"], "private": True}})


def test_new_level_goes_to_quarantine_row_by_row() -> None:
    put("id,n,x\na,1,1\nc,1,1\n")
    run("quarantine", LEVELS)
    assert refusals() == [(3, "id", "schema_new_level")]


def test_accepted_new_level_is_kept_and_told() -> None:
    put("id,n,x\na,1,1\nc,1,1\n")
    assert run("accept", LEVELS)["schema"] == {"schema_new_level 'id'": 1}
    assert [row[0] for row in rows()] == ["a", "c"]


@pytest.mark.parametrize("large", [1, 1 << 28])
def test_file_that_is_written_to_between_hash_and_reading_is_refused(
    monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    put(SOUND)
    monkeypatch.setattr(ingest, "LARGE_FILE", large)

    def slow(*arguments: Any) -> Any:
        put(SOUND + "b,2,2\n")
        return real(*arguments)

    real = ingest.open_raw
    monkeypatch.setattr(ingest, "open_raw", slow)
    with pytest.raises(ChangedFileError, match="written to while it was read"):
        run("stop")
    assert not TYPED.exists()


NAMES = st.lists(st.text("abAB ", min_size=1, max_size=3), min_size=1, max_size=5, unique=True)


@settings(max_examples=100, deadline=None)
@given(NAMES, NAMES, NAMES)
def test_names_are_declared_lost_new_or_dropped(names: list[str], columns: list[str], drop: list[str]) -> None:
    found = compare_header(names, columns, drop)
    assert {*found.lost} == {*columns} - {*names}
    assert {*found.new} == {*names} - {*columns} - {*drop}
    assert {*found.renamed} <= {*found.lost}
    assert {*found.renamed.values()} <= {*found.new}
    assert len({*found.renamed.values()}) == len(found.renamed)


def inferred(*texts: str) -> dict[str, Any]:
    import pyarrow as pa

    column = InferredColumn()
    for begin in range(0, len(texts), 2):
        column.take(pa.chunked_array([pa.array(texts[begin : begin + 2], pa.string())]))
    return column.declaration()


@pytest.mark.parametrize(
    ("texts", "declaration"),
    [
        (["1", "2", "NA", ""], {"type": "integer", "nulls": ["", "NA"]}),
        (["1", "2.5", ""], {"type": "float"}),
        (["0", "1"], {"type": "integer"}),
        (["true", "False"], {"type": "boolean"}),
        (["2013-01-01", "2013-02-01"], {"type": "date"}),
        (["2013-01-01", "2013-02-01 05:00"], {"type": "timestamp"}),
        (["00501", "10001"], {"type": "category"}),
        (["a", "b", "a"], {"type": "category"}),
        ([str(number) + "x" for number in range(50)], {"type": "text"}),
        ([""], {"type": "category"}),
    ],
)
def test_type_is_the_first_by_which_all_texts_can_be_read(texts: list[str], declaration: dict[str, Any]) -> None:
    assert inferred(*texts) == declaration


DATES = {"id": {"type": "text"}, "on": {"type": "date", "format": "%d/%m/%Y"}, "x": {"type": "float"}}


def dated(*days: str) -> str:
    return "id,on,x\n" + "".join(f"a,{day},1\n" for day in days)


@pytest.mark.parametrize("on_change", ["stop", "quarantine", "accept"])
def test_day_and_month_that_changed_places_stop_the_run(on_change: str) -> None:
    put(dated(*(f"{month}/{day}/2013" for month in (1, 2) for day in range(1, 29))))
    with pytest.raises(ContractError, match=r"a.csv:1: column 'on': day and month have changed places: 32 rows.*1/13"):
        run(on_change, DATES, "100%")


def test_day_and_month_of_iso_dates_may_change_places_too() -> None:
    put(dated(*(f"2013-{day:02}-01 05:00" for day in range(1, 29))))
    with pytest.raises(ContractError, match="day and month have changed places"):
        run("stop", {**DATES, "on": {"type": "timestamp"}}, "100%")


def test_misspelled_dates_among_sound_ones_are_refused_alone() -> None:
    put(dated("1/13/2013", "2/14/2013", "3/15/2013", "28/1/2013"))
    assert run("stop", DATES, "100%")["reasons"] == {"not_a_date": 3}
