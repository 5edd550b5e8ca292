"""Arrow's arrays by builders and buffers are those that `pyarrow.array` makes, and a batch is read without pandas."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.arrow_arrays import flag_array, flags_of, number_array, text_array

ROOT = Path(__file__).resolve().parents[1]
NUMBERS = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=70)


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]))))
def test_texts_are_those_of_pyarrow(texts: list[str | None]) -> None:
    assert text_array(texts).equals(pa.array(texts, pa.string()))


@given(NUMBERS, st.sampled_from([np.int32, np.int64, np.float64]), st.booleans())
def test_numbers_are_those_of_pyarrow(numbers: list[int], type_: type, is_turned: bool) -> None:
    given_ = np.array(numbers, type_)[:: -1 if is_turned else 1]
    found = number_array(given_)
    found.validate(full=True)
    assert found.equals(pa.array(given_))


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), max_size=70))
def test_missing_numbers_are_null(pairs: list[tuple[int, bool]]) -> None:
    numbers, missing = np.array([pair[0] for pair in pairs], np.int64), np.array([pair[1] for pair in pairs], bool)
    found = number_array(numbers, missing)
    found.validate(full=True)
    assert found.equals(pa.array(numbers, mask=missing))


@given(st.lists(st.booleans(), max_size=70), st.integers(0, 70))
def test_flags_go_there_and_back(flags: list[bool], begin: int) -> None:
    array = flag_array(np.array(flags, bool))
    array.validate(full=True)
    assert array.equals(pa.array(flags, pa.bool_()))
    assert flags_of(array[begin:]).tolist() == flags[begin:]


PLAIN = """
import sys
from tasks import ingest
from tests.pipelines import make_pipeline

nulls = {"nulls": ["", "NA"]}
types = {"n": {"type": "integer", "min": 0, **nulls}, "place": {"type": "category", **nulls}}
ingest.main(make_pipeline({**types, "at": {"type": "timestamp", "timezone": sys.argv[1]}}))
print(sorted({"pandas", "duckdb", "pyarrow"} & {*sys.modules}))
"""


@pytest.mark.parametrize(
    ("timezone", "ending", "imported"), [("UTC", "Z", ["pyarrow"]), ("Asia/Tokyo", "", ["duckdb", "pyarrow"])]
)
def test_batch_is_read_without_pandas(tmp_path: Path, timezone: str, ending: str, imported: list[str]) -> None:
    raw = tmp_path / "data/raw/demo"
    raw.mkdir(parents=True)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    lines = [
        f"{row},{'NA' if row % 3 else 'here'},2013-01-01T{row // 60:02}:{row % 60:02}:00{ending}" for row in range(200)
    ]
    (raw / "2013-01.csv").write_text(
        "\n".join(["n,place,at", *lines, "1,2,3,4", f"NA,,2013-01-01T05:00:00{ending}", ""])
    )
    command, environment = [sys.executable, "-c", PLAIN, timezone], {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout
    assert found.splitlines()[-1] == str(imported)
    assert "202 rows in, 201 out, 1 in quarantine" in found
