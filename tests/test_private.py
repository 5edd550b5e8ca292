"""`private: true`: no value of such a column is in a report, a metric, a plot, a model, a log or an error."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from configs.privacy_checks import PRIVACY_CHECKS
from configs.sections.columns import Column
from tasks.cells.columns import UnreadableValueError, read_columns
from tasks.model.golden import golden_rows
from tasks.sql import ExpressionValueError
from tests.conftest import enter_copy, holdfast, run_python
from tests.pipelines import make_pipeline

WORD, NUMBER = "Sentinel-Zebra", 918273645
YAML = """
owner: {}
source: {path: "data/incoming/people/*.csv"}
time: {}
target: {name: y}
columns:
  name: {type: text, private: true}
  town: {type: category, private: true}
  income: {type: integer, private: true}
  born: {type: date, private: true}
  age: {type: integer}
  city: {type: category}
  y: {type: float}
drop: [town]
expectations:
  - {expect_column_values_to_be_between: {column: income, max_value: 900000000}, otherwise: quarantine}
  - {expect_column_values_to_not_match_regex: {column: name, regex: "^Sentinel"}, otherwise: warn}
  - {expect_column_values_to_be_unique: {column: town}, otherwise: warn}
  - {expect_column_max_to_be_between: {column: income, max_value: 5}, otherwise: warn}
  - {expect_column_distinct_values_to_be_in_set: {column: town, value_set: [a]}, otherwise: warn}
  - {expect_column_pair_values_to_be_equal: {column_A: name, column_B: city}, otherwise: warn}
  - {expect_column_most_common_value_to_be_in_set: {column: name, value_set: [a]}, otherwise: warn}
features: {parts: {born: [year]}, sql: {half_income: "income / 2"}}
encode: {}
split: {kind: group, group: town, folds: 3}
train: {rounds: 20}
evaluate: {slices: [city], slice_rows: 20}
drift: {}
retrain: {}
gate: {}
"""


def people(rows: int = 400) -> str:
    """Rows of which some fail in each way that a row can fail, and hold the sentinels when they do and when not."""
    draw = random.Random(7)
    lines = ["name,town,income,born,age,city,y"]
    for row in range(rows):
        income, age = draw.randrange(1000, 9000), draw.randrange(18, 90)
        y = income / 100 + age + draw.random()
        lines.append(f"p{row},t{row % 40},{income},19{draw.randrange(20, 99)}-01-02,{age},{'abc'[row % 3]},{y:.2f}")
    lines[5] = f"{WORD}-5,{WORD}-5,{NUMBER},1950-01-02,30,a,1.0"  # fails an expectation
    lines[6] = f"{WORD}-6,{WORD}-6,{WORD}-6,1950-01-02,30,a,1.0"  # cannot be typed
    lines[7] = f"{WORD}-7,{WORD}-7,12,{WORD}-7,30,a,1.0"
    lines[8] = f'{WORD}-8,"{WORD}-8,{NUMBER},1950-01-02,30,a,1.0'  # does not part
    lines[9] = f"{WORD}-9,{WORD}-9,{NUMBER},1950-01-02,30,a,1.0,too much"
    lines[10] = f"{WORD}-10,{WORD}-10,3000,1950-01-02,30,a,70.0"  # sound
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def run(landed_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after a run on such rows; what it printed lies in `printed`."""
    folder = tmp_path_factory.mktemp("private")
    with pytest.MonkeyPatch.context() as patch:
        project = enter_copy(landed_project, folder, patch)
        Path("configs/people.yaml").write_text(YAML)
        Path("params.yaml").write_text("pipelines:\n  - people\n")
        Path("data/incoming/people").mkdir(parents=True)
        Path("data/incoming/people/first.csv").write_text(people())
        landed = holdfast(project, "land", "people")
        code = "from tasks.ledger import reproduce; reproduce('people', around=lambda _stage, work: work())"

        ran = run_python(project, "-c", code, check=False)
        shown = [
            holdfast(project, "quarantine", "people", *more) for more in (["--rows", "50"], ["--json", "--rows", "9"])
        ]
        results = [landed, ran, *shown]
        assert [result.returncode for result in results] == [0] * 4, ran.stderr
        (folder / "printed").write_text("".join(result.stdout + result.stderr for result in results))
    return project


def text_of(path: Path) -> str:
    """All that a file says, a Parquet file's rows included."""
    said = path.read_bytes().decode(errors="replace")
    return said + str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else said


def test_no_private_value_leaves_the_data(run: Path) -> None:
    folders = [run / name for name in ("reports", "metrics", "plots", "models", "profiles")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    found = [str(path) for path in files if WORD in text_of(path) or str(NUMBER) in text_of(path)]
    assert (found, len(files) > 15) == ([], True)


def test_no_private_value_is_printed(run: Path) -> None:
    printed = (run.parent / "printed").read_text()
    assert "validate: warning" in printed
    assert "(private)" in printed
    assert WORD not in printed
    assert str(NUMBER) not in printed


def test_quarantine_on_disk_keeps_what_a_repair_needs(run: Path) -> None:
    rows = pq.read_table(run / "data/quarantine/people").to_pylist()
    assert sum(WORD in row["raw"] for row in rows) == 5
    assert [row["detail"] for row in rows if WORD in row["detail"]] == []


def test_failing_expectation_still_tells_how_many_and_where(run: Path) -> None:
    validation = (run / "reports/people/validation.json").read_text()
    assert '"found": {"income": "(private)"' in validation
    assert '"line": 6' in validation


def numbers(values: Any, **more: Any) -> pd.DataFrame:
    return pd.DataFrame({"age": values, "city": ["a"] * len(values), **more})


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(np.arange(300.0) ** 2),
        pd.Series(range(300), dtype="Int64") * 1000,
        pd.Series(pd.date_range("2013-01-01", periods=300, tz="UTC")).astype("datetime64[us, UTC]"),
        pd.Series([day.date() for day in pd.date_range("2013-01-01", periods=300)], dtype=object),
    ],
    ids=["float", "integer", "timestamp", "date"],
)
def test_golden_rows_hold_means_in_the_range_of_the_private_values(values: pd.Series) -> None:
    golden = golden_rows(numbers(values), {"age"})["age"]
    assert (len(golden), golden.dtype, golden.nunique() > 30) == (64, values.dtype, True)
    assert values.min() <= golden.min() <= golden.max() <= values.max()


def test_golden_value_is_told_by_no_single_row() -> None:
    values = pd.Series(np.arange(300.0))
    moved = values.copy()
    moved[299] = 1e9
    golden = [golden_rows(numbers(each), {"age"})["age"] for each in (values, moved)]
    assert not set(golden[1]) & {1e9}
    assert (golden[0] != golden[1]).sum() <= 2


def test_golden_rows_keep_missing_out_and_other_columns_as_they_are() -> None:
    frame = numbers(pd.Series([None, True, False] * 20, dtype="boolean"), y=range(60))
    golden = golden_rows(frame, {"age"})
    assert golden["age"].isin([True, False]).all()
    assert golden["y"].tolist() == list(range(60))


def test_column_with_fewer_values_than_a_group_is_left_empty() -> None:
    assert golden_rows(numbers(pd.Series([1.0, None, None, 2.0])), {"age"})["age"].isna().all()


def test_value_that_cannot_be_read_is_not_told() -> None:
    columns = {"n": Column(type="integer", private=True)}
    for bad in (WORD, [WORD]):
        with pytest.raises(UnreadableValueError) as caught:
            read_columns(pd.DataFrame({"n": [bad]}), columns, "UTC")
        assert WORD not in str(caught.value)


def test_expression_over_a_private_column_does_not_tell_the_value() -> None:
    from tasks.features import DerivedFeatures

    frame = pd.DataFrame({"n": [2**62]})
    for private, told in ((None, True), (("n",), False)):
        features = DerivedFeatures({"n": "integer"}, (), {}, {"big": "n * 4"}, "UTC", private=private)
        with pytest.raises(ExpressionValueError) as caught:
            features.fit_transform(frame)
        assert (str(2**62) in str(caught.value)) == told


def complaints(columns: dict[str, Any], **sections: Any) -> list[tuple[Any, ...]]:
    columns = {"p": {"type": "category", "private": True}, "n": {"type": "integer"}, "y": {"type": "float"}} | columns
    pipeline = make_pipeline(columns, **{"drop": ["p"], "target": {"name": "y"}, **sections})
    return [path for check in PRIVACY_CHECKS for path, _ in check(pipeline, frozenset(pipeline.columns))]


@pytest.mark.parametrize(
    ("columns", "sections", "path"),
    [
        ({}, {}, None),
        ({}, {"drop": []}, ("columns", "p", "private")),
        ({}, {"evaluate": {"slices": ["n", "p"]}}, ("evaluate", "slices", 1)),
        ({}, {"gate": {"protected": ["p"]}}, ("gate", "protected", 0)),
        ({}, {"features": {"sql": {"z": "length(P)"}}}, ("features", "sql", "z")),
        ({"y": {"type": "float", "private": True}}, {}, ("target", "name")),
        ({"n": {"type": "integer", "private": True}}, {}, None),
        (
            {"n": {"type": "integer", "private": True}},
            {"features": {"transformer": "mine.Own"}},
            ("features", "transformer"),
        ),
        (
            {"n": {"type": "integer", "private": True}},
            {"target": {"name": "late", "from": "n", "above": 3}},
            ("target", "from"),
        ),
    ],
)
def test_private_column_where_its_values_would_be_told_is_refused(
    columns: dict[str, Any], sections: dict[str, Any], path: tuple[Any, ...] | None
) -> None:
    assert complaints(columns, **sections) == ([path] if path else [])


def test_bundle_without_private_columns_says_nothing_of_them(trained_project: Path) -> None:
    assert "private" not in (trained_project / "models/diabetes/estimator.json").read_text()
