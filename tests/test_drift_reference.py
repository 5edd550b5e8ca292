"""The profile that `evaluate` makes: of which rows, in which order, and without what is private."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks import evaluate
from tasks.atomic import read_json
from tasks.drift.profile import read_profile
from tasks.drift.profiled import HIDDEN, importance_by_column, profiled
from tasks.model.bundle import sha256
from tests.drift_shop import ROWS, WEEKS, make_shop, name_of, run_stages
from tests.pipelines import make_pipeline

FOLDER = Path("profiles/shop")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def copied(shop, tmp_path, monkeypatch):
    """A copy to change, as the current directory."""
    shutil.copytree(shop, tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")


@pytest.fixture(scope="module")
def profile(shop):
    return read_profile(shop / FOLDER, pipeline="shop")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_reference_is_what_was_trained_on(profile):
    assert list(profile.batches) == [name_of(week) for week in range(WEEKS - 1)]
    assert profile.total.rows == (WEEKS - 1) * ROWS


def test_columns_are_those_that_the_model_reads_and_what_it_says(profile):
    assert set(profile.grid.columns) == {
        "price", "shop", "size", "stars", "customer", "(prediction)", "(decision)", "(target)", "(loss)",
    }  # fmt: skip
    assert profile.grid.roles["price"] == "feature"
    assert profile.grid.roles["(loss)"] == "loss"
    assert profile.grid.time == "sold_at"


def test_blocks_are_cut_in_order_of_time(profile):
    starts = [block.summary.start for block in profile.blocks]
    assert starts == sorted(starts)
    ends = [block.summary.end for block in profile.blocks]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))


def test_importance_is_that_of_the_explanation(shop, profile):
    features = read_json(shop / "reports/shop/evaluation.json")["explanation"]["features"]
    shares = {entry["feature"]: entry["share"] for entry in features}
    assert profile.importance["price"] == pytest.approx(shares["price"] + shares["double"])
    assert profile.importance["sold_at"] == pytest.approx(shares["sold_at_hour"])
    assert sum(profile.importance.values()) == pytest.approx(1)


def test_predictions_are_those_of_folds_that_had_not_seen_the_row(shop, profile):
    kept = pq.read_table(shop / "data/predictions/shop.parquet")
    counts = profile.total.counts["(prediction)"]
    assert counts[:-2].sum() == kept.num_rows
    assert counts[-2] == profile.total.rows - kept.num_rows
    assert profile.total.moments["(prediction)"].mean == pytest.approx(np.mean(kept["prediction"].to_numpy()))


def test_private_column_is_neither_in_the_sample_nor_in_the_cells(shop, profile):
    assert "customer" not in profile.sample.column_names
    assert profile.total.rows in profile.total.counts["customer"]
    values = [
        str(value) for value in pq.read_table(shop / f"data/valid/shop/{name_of(0)}.parquet")["customer"].to_pylist()
    ]
    text = (shop / FOLDER / "profile.json").read_text()
    assert not any(f'"{value}"' in text for value in values)


def test_profile_names_the_model_that_it_goes_with(shop, profile):
    assert profile.hashes["model"] == sha256((shop / "models/shop/manifest.json").read_bytes())


def test_sample_is_seeded_and_not_too_large(profile):
    assert profile.sample.num_rows == (WEEKS - 1) * ROWS


def test_no_rows_are_kept_where_none_are_asked_for(copied):
    text = Path("configs/shop.yaml").read_text()
    Path("configs/shop.yaml").write_text(text.replace("{resamples: 100}", "{resamples: 100, profile: {rows: 0}}"))
    run_stages(evaluate)
    assert read_profile(FOLDER).sample is None
    assert not (FOLDER / "sample.parquet").exists()


@pytest.mark.parametrize("threads", ["1", "2"])
def test_profile_has_the_same_bytes_again(copied, monkeypatch, threads):
    before = files(FOLDER)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    shutil.rmtree(FOLDER)
    run_stages(evaluate)
    assert files(FOLDER) == before
    assert os.environ["OMP_NUM_THREADS"] == threads


# ---- what of a table is counted


def demo(**sections):
    columns = {
        "at": {"type": "timestamp"},
        "hour": {"type": "integer"},
        "minute": {"type": "integer"},
        "kind": {"type": "category"},
        "income": {"type": "integer", "private": True},
        "y": {"type": "category"},
    }
    return make_pipeline(
        columns, time={"column": "at", "timezone": "America/New_York"}, train={"task": "multiclass"}, **sections
    )


def test_share_of_an_expression_goes_to_the_columns_that_it_names():
    pipeline = demo(features={"sql": {"of_day": "hour * 60 + minute"}, "parts": {"at": ["day_of_week"]}})
    shares = {"of_day": 0.6, "hour": 0.1, "at_day_of_week": 0.2, "kind_a": 0.04, "kind_b": 0.06}
    found = importance_by_column(shares, pipeline, classes=("a", "b"))
    assert found == pytest.approx({"at": 0.2, "hour": 0.4, "minute": 0.3, "kind": 0.1, "income": 0.0})


def test_private_value_is_only_there_or_not():
    import pyarrow as pa

    rows = pa.table({"income": pa.array([7, None]), "hour": [1, 2]})
    found = profiled(rows, pa.table({"(prediction)": [0.5, 0.6]}), demo())
    assert found["income"].to_pylist() == [HIDDEN, None]
    assert found.column_names == ["income", "hour", "(prediction)"]


def test_hour_of_the_week_is_the_clocks():
    import datetime as dt

    import pyarrow as pa

    from tasks.drift.profile import Declared, make_profile

    noon = dt.datetime(2020, 1, 6, 12, tzinfo=dt.UTC)  # a Monday; 7 in New York
    rows = pa.table({"at": pa.array([noon], pa.timestamp("us", "UTC")), "hour": [1]})
    table = profiled(rows, pa.table({"(prediction)": [0.5]}), demo())
    found = make_profile([("one", table)], Declared("demo", {"hour": "feature"}, time="at"), rows=0)
    assert np.flatnonzero(found.total.time_of_week).tolist() == [7]
