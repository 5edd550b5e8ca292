"""`source.stop_above`: too many refused rows of one batch end the run, with the counts, before anything is replaced."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import ingest, validate
from tasks.quarantine.limit import Counted, TooManyRefusedError, above
from tasks.stage import declared_sections
from tasks.table import read_table
from tests.pipelines import make_pipeline

ROOT = Path(__file__).resolve().parents[1]
RAW, STOPPED = Path("data/raw/demo"), Path(".holdfast/stopped/demo")
COLUMNS = {"n": {"type": "integer"}, "y": {"type": "integer"}}
POSITIVE = {"expect_column_values_to_be_between": {"column": "n", "min_value": 0}, "otherwise": "quarantine"}


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / RAW).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(batch: str, *values: object) -> None:
    (RAW / f"{batch}.csv").write_text("n,y\n" + "".join(f"{value},1\n" for value in values))


def run(limit: str, *expectations: dict[str, Any]) -> None:
    pipeline = make_pipeline(
        COLUMNS,
        source={"path": "data/incoming/demo/*.csv", "stop_above": limit},
        expectations=list(expectations),
    )
    for stage in (ingest, validate) if expectations else (ingest,):
        name = stage.__name__.rpartition(".")[2]
        stage.main(pipeline.limited_to(name, declared_sections(name)))


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(0, 1000))
def test_limit_is_exact(refused: int, rows: int, tenths: int) -> None:
    expected = refused * 1000 > tenths * rows
    assert above(Counted("b", rows, {"x": refused}), f"{tenths / 10}%") == expected


def test_share_at_the_limit_goes_on() -> None:
    put("a", 1, 2, 3, "x")
    run("25%")
    assert read_table(Path("data/typed/demo/a.parquet")).num_rows == 3


def test_share_beyond_the_limit_stops_with_reasons_and_remedy() -> None:
    put("a", 1, 2, "x", "99999999999999999999")
    with pytest.raises(TooManyRefusedError) as caught:
        run("49.9%")
    text = str(caught.value)
    assert "batch 'a': 2 of 4 rows (50%): integer_out_of_range 1, not_an_integer 1" in text
    assert "holdfast quarantine demo --stopped" in text


def test_one_broken_batch_is_not_hidden_by_many_sound_ones() -> None:
    for number in range(20):
        put(f"sound-{number}", *range(10))
    put("broken", "x", "y", 1)
    with pytest.raises(TooManyRefusedError, match="batch 'broken': 2 of 3 rows"):
        run("50%")


def test_nothing_is_replaced_when_the_limit_stops() -> None:
    put("a", 1, 2)
    run("50%")
    before = Path("data/typed/demo/a.parquet").read_bytes(), Path("metrics/demo/ingest.json").read_bytes()
    put("b", "x", "y", 1)
    with pytest.raises(TooManyRefusedError):
        run("50%")
    assert [path.name for path in Path("data/typed/demo").iterdir()] == ["a.parquet"]
    assert (Path("data/typed/demo/a.parquet").read_bytes(), Path("metrics/demo/ingest.json").read_bytes()) == before


def test_refused_rows_of_a_stopped_run_can_be_looked_at_until_one_is_not_stopped() -> None:
    put("a", "x", "y", 1)
    with pytest.raises(TooManyRefusedError):
        run("50%")
    assert read_table(STOPPED / "ingest/a.parquet")["_line"].to_pylist() == [2, 3]
    run("100%")
    assert not (STOPPED / "ingest").exists()


def test_rows_refused_by_both_stages_count_together() -> None:
    put("a", 1, 2, "x", -1)
    run("50%", POSITIVE)
    with pytest.raises(TooManyRefusedError, match=r"2 of 4 rows \(50%\): expect_column_values_to_be_between 1, not_an"):
        run("30%", POSITIVE)
    assert read_table(STOPPED / "validate/a.parquet")["_line"].to_pylist() == [5]


def test_other_limit_reads_no_batch_again() -> None:
    put("a", 1, "x", 3)
    run("50%")
    entries = sorted(Path(".holdfast/store/ingest/demo").iterdir())
    run("40%")
    assert sorted(Path(".holdfast/store/ingest/demo").iterdir()) == entries


@pytest.mark.parametrize("limit", ["2", "101%", "-1%", "2,5%", "", "nan%"])
def test_limit_that_is_no_percent_is_refused(limit: str) -> None:
    with pytest.raises(ValueError, match="a share is a percent"):
        make_pipeline(COLUMNS, source={"path": "x/*.csv", "stop_above": limit})
