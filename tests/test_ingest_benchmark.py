"""The benchmark of ingestion counts the rows that it makes, and its ratios are what they say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
FLIGHT = "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"


@pytest.fixture
def ingest(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("ingest_benchmark", BENCHMARKS / "ingest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "ingest_benchmark", module)
    spec.loader.exec_module(module)
    return module


def test_file_has_as_many_sound_rows_as_told(
    ingest: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "flights", lambda: ("header", [FLIGHT] * 9_000))
    sound = ingest.make_file(tmp_path / "raw.csv", 20_000)
    lines = (tmp_path / "raw.csv").read_text().splitlines()[1:]
    assert (len(lines), sum(line.count(",") == 18 for line in lines)) == (20_000, sound)
    assert 0 < 20_000 - sound < 100


def test_ratios_compare_with_the_fastest_bare_reader(ingest: ModuleType) -> None:
    medians = {
        "holdfast": {"wall_s": 30.0, "peak_mb": 500.0},
        "pandas-c": {"wall_s": 60.0, "peak_mb": 5400.0},
        "duckdb": {"wall_s": 25.0, "peak_mb": 530.0},
    }
    assert ingest.ratios(medians) == {"vs_fastest_bare": 1.2, "vs_pandas": 2.0, "peak_mb": 500.0}


def test_columns_unlike_ours_are_told_by_type_and_by_cells(ingest: ModuleType, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = {
        "ours": pa.table({"a": [1, 2], "b": ["x", None], "c": [1, 2], "_line": [2, 3]}),
        "other": pa.table({"a": [2, 1], "b": ["x", "NA"], "c": ["1", "2"]}),
    }
    found = {}
    for name, table in tables.items():
        pq.write_table(table, tmp_path / name)
        rows, found[name] = ingest.columns_of(tmp_path / name)
        assert rows == 2
    told = {"b": "2 cells for 1", "c": "VARCHAR for BIGINT"}
    assert ingest.unlike(found["other"], found["ours"], same_rows=True) == told
    assert ingest.unlike(found["other"], found["ours"], same_rows=False) == {"c": told["c"]}
