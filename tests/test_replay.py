"""Replay: what was known when, which policies retrain, and that nothing is done twice."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from configs.errors import ConfigError
from configs.load import load_pipeline
from configs.schema import Pipeline
from flows import replay_cli
from tasks.monitoring.signal import Signal
from tasks.replay.arrivals import Arrival, NoSuchPeriodError, arrivals, between
from tasks.replay.history import Replayed, replayed
from tasks.replay.known import known_at, project_of
from tasks.replay.losses import UNMET, truth
from tasks.replay.making import Kept
from tasks.replay.policies import Day, OnDrift, Periodic, UnknownPolicyError, policies_of
from tasks.replay.result import facts_of, read, table, write
from tasks.replay.setting import live_through, set_out
from tasks.split import time_values
from tasks.splitting.folds import microseconds
from tasks.table import read_batches, read_table, to_frame
from tests.pipelines import make_pipeline
from tests.streams import TRUE, stream_project

UTC_ZONE = ZoneInfo("UTC")
DAY = 86_400_000_000  # microseconds


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight weeks of 400 rows; from the fifth on the world is another."""
    return stream_project(tmp_path_factory.mktemp("stream"), batches=8, rows=400, shifts={4: TRUE})


@pytest.fixture
def pipeline(stream: Path) -> Iterator[Pipeline]:
    """Its pipeline, with the stream's project as the current directory."""
    with contextlib.chdir(stream):
        yield load_pipeline("stream")


def instants(frame: pd.DataFrame, pipeline: Pipeline) -> NDArray[np.int64]:
    """When each row happened."""
    times = time_values(frame, pipeline)
    assert times is not None
    return microseconds(times)


def unwatched(*_: Any) -> dict[str, Any]:
    """No drift, ever."""
    return {"signal": signal(False, "none").as_facts(), "cpu_seconds": 0.0}


def lived(pipeline: Pipeline, names: list[str], folder: Path, watch: Any = unwatched) -> tuple[list[Replayed], Kept]:
    """Replay policies from the fourth week on."""
    kept, (before, through) = Kept(pipeline, folder), between(arrivals(pipeline), "week-03", None, UTC_ZONE)
    return [replayed(each, before, through, kept, watch) for each in policies_of(names, pipeline)], kept


def test_no_row_is_known_before_its_label(pipeline: Pipeline) -> None:
    found = arrivals(pipeline)
    for date in (found[2].last, found[2].last + DAY // 2, found[3].first, found[5].last + DAY):
        with project_of(known_at(found, date, pipeline), pipeline) as project:
            rows = to_frame(read_batches(project / "data/valid/stream"))
        times = instants(rows, pipeline)
        everything = to_frame(read_batches(Path("data/valid/stream")))
        arrived = everything["_batch"].isin([each.batch for each in found if each.last <= date])
        due = instants(everything, pipeline) + DAY <= date
        assert times.max() + DAY <= date
        assert len(rows) == int((arrived.to_numpy() & due).sum())


@given(st.integers(0, 40), st.integers(0, 12))
def test_known_batches_are_those_of_a_slow_reference(hours: int, delay: int) -> None:
    hour = 3_600_000_000
    found = [Arrival(f"b{k}", Path(f"b{k}.parquet"), str(k), 3, 5 * k * hour, (5 * k + 6) * hour) for k in range(5)]
    pipeline = make_pipeline(
        {"at": {"type": "timestamp"}, "y": {"type": "float"}},
        time={"column": "at"},
        target={"name": "y", "known_after": f"{delay}h"},
    )
    known = known_at(found, hours * hour, pipeline)
    expected: dict[str, list[str]] = {"whole": [], "part": []}
    for each in found:
        rows = [each.first, (each.first + each.last) // 2, each.last]
        due = [row + delay * hour <= hours * hour for row in rows]
        if each.last <= hours * hour and any(due):
            expected["whole" if all(due) else "part"].append(each.batch)
    assert [each.batch for each in known.whole] == expected["whole"]
    assert [each.batch for each in known.part] == expected["part"]


def test_periodic_policy_retrains_with_the_first_batch_of_a_period() -> None:
    first = datetime(2024, 1, 31, tzinfo=UTC)
    assert Periodic("monthly").wants(Day(first + timedelta(days=1), first)) == "the first batch of 2024-02"
    assert not Periodic("quarterly").wants(Day(first + timedelta(days=1), first))


def signal(material: bool, cause: Any = "changed_world", batch: str = "b") -> Signal:
    return Signal(batch, "", "champion", 100, material, material, False, cause, (), None, "it moved")


def on_drift(*alarms: bool, days: int, **declared: Any) -> str:
    pipeline = make_pipeline({"x": {"type": "float"}, "y": {"type": "float"}}, retrain=declared)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    date = start + timedelta(days=days)
    signals, landed = tuple(map(signal, alarms)), tuple(date for _ in alarms)
    return OnDrift(pipeline.retrain).wants(Day(date, start, "c", signals, landed, 100, start))


def test_drift_waits_for_the_cooldown() -> None:
    assert not on_drift(True, days=13, cooldown="14d")
    assert on_drift(False, True, days=14, cooldown="14d")
    assert not on_drift(True, False, days=14, cooldown="14d")


def test_drift_must_persist_as_declared() -> None:
    assert not on_drift(False, True, days=30, persist="2 of 3 batches")
    assert on_drift(True, False, True, days=30, persist="2 of 3 batches")


def weekly_drift(alarms: str, wait: str) -> str:
    """What the policy wants after weekly batches, of which those marked drifted; two of three must."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    landed = tuple(start + timedelta(weeks=week) for week in range(len(alarms)))
    signals = tuple(signal(mark == "x") for mark in alarms)
    declared = {"persist": "2 of 3 batches", "wait_for_labels": wait}
    pipeline = make_pipeline({"x": {"type": "float"}, "y": {"type": "float"}}, retrain=declared)
    return OnDrift(pipeline.retrain).wants(Day(landed[-1], start, "c", signals, landed, 100, start))


@pytest.mark.parametrize(("alarms", "wants"), [("xx", False), ("xxx", False), ("xxxx", True), ("xx.x", True)])
def test_labels_are_waited_for_from_when_drift_had_persisted(alarms: str, wants: bool) -> None:
    assert bool(weekly_drift(alarms, "14d")) == wants


def test_drift_that_was_over_is_not_what_labels_are_waited_for() -> None:
    assert not weekly_drift("xx....xx", "14d")


def test_unknown_policy_names_the_nearest() -> None:
    pipeline = make_pipeline({"x": {"type": "float"}, "y": {"type": "float"}})
    with pytest.raises(UnknownPolicyError, match="did you mean 'monthly'"):
        policies_of(["never", "montly"], pipeline)


def test_retraining_after_a_shift_loses_less_than_never(pipeline: Pipeline, tmp_path: Path) -> None:
    (never, weekly), _ = lived(pipeline, ["never", "weekly"], tmp_path)
    assert (never.retrains, weekly.retrains) == (0, 5)
    assert weekly.loss < never.loss
    assert [step.loss for step in never.steps[:1]] == [step.loss for step in weekly.steps[:1]]


def test_broken_feed_retrains_nothing(pipeline: Pipeline, tmp_path: Path) -> None:
    def broken(*_: Any) -> dict[str, Any]:
        return {"signal": signal(True, "broken_feed").as_facts(), "cpu_seconds": 1.0}

    (drift,), _ = lived(pipeline, ["drift"], tmp_path, broken)
    assert (drift.retrains, drift.alarms, drift.cpu_seconds) == (0, 5, 5.0)


def test_material_drift_retrains(pipeline: Pipeline, tmp_path: Path) -> None:
    def after_the_shift(_: Any, arrival: Arrival) -> dict[str, Any]:
        return unwatched() | {"signal": signal(arrival.batch == "week-04").as_facts()}

    (drift,), _ = lived(pipeline, ["drift"], tmp_path, after_the_shift)
    assert [step.batch for step in drift.steps if step.reason] == ["week-04"]


def test_second_replay_makes_nothing(pipeline: Pipeline, tmp_path: Path) -> None:
    first, _ = lived(pipeline, ["never", "weekly"], tmp_path / "first")
    again, kept = lived(pipeline, ["never", "weekly"], tmp_path / "second")
    assert kept.made == 0
    assert facts_of(pipeline, again) == facts_of(pipeline, first)


def test_later_batches_change_nothing_of_what_went_before(pipeline: Pipeline, tmp_path: Path) -> None:
    kept, found = Kept(pipeline, tmp_path), arrivals(pipeline)
    whole = replayed(policies_of(["weekly"], pipeline)[0], found[:3], found[3:], kept, unwatched)
    short = replayed(policies_of(["weekly"], pipeline)[0], found[:3], found[3:5], kept, unwatched)
    assert whole.steps[: len(short.steps)] == short.steps


def test_table_sets_each_policy_against_the_first(pipeline: Pipeline, tmp_path: Path) -> None:
    found, _ = lived(pipeline, ["never", "weekly"], tmp_path)
    rows = table(found)
    assert rows[0][2] == "+0.00 %"
    assert rows[1][2] == f"{100 * (found[1].loss / found[0].loss - 1):+.2f} %"


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        (("2023", None), "no batch is named '2023'"),
        (("week-05", "week-04"), "no batch arrives from week-05 to week-04"),
        (("week-00", None), "has none before it"),
        (("week-5", None), "did you mean 'week-05'"),
    ],
)
def test_period_without_batches_is_refused(pipeline: Pipeline, bounds: tuple[str, str | None], told: str) -> None:
    with pytest.raises(NoSuchPeriodError, match=told):
        between(arrivals(pipeline), *bounds, UTC_ZONE)


def test_pipeline_without_time_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"time.column is not declared"):
        arrivals(make_pipeline({"x": {"type": "float"}, "y": {"type": "float"}}))


def test_class_that_the_model_never_met_is_told_apart(pipeline: Pipeline) -> None:
    frame = pd.DataFrame({"sold": pd.array(["a", "b", None], dtype="str")})
    assert truth(frame, pipeline, ("b", "c")).tolist()[:2] == [UNMET, 0.0]
    assert np.isnan(truth(frame, pipeline, ("b", "c"))[2])


def test_truth_keeps_the_model_s_numbers_of_classes(pipeline: Pipeline) -> None:
    frame = to_frame(read_table(Path("data/valid/stream/week-00.parquet")))
    assert set(truth(frame, pipeline, ())) == {0.0, 1.0}


def test_drift_is_found_and_retrained_on_and_loses_less_than_never(pipeline: Pipeline) -> None:
    place = set_out("stream", "week-03")
    never, drift = (live_through(place, policy) for policy in policies_of(["never", "drift"], place.pipeline))
    alarmed = [step.batch for step in drift.steps if step.alarm]
    assert alarmed
    assert min(alarmed) >= "week-04"  # the world is another from then on
    assert drift.count("promoted") >= 1
    assert drift.loss < never.loss
    assert drift.cpu_seconds > 0 == never.cpu_seconds


@pytest.mark.xdist_group("prefect")
def test_command_replays_by_a_flow_and_the_second_time_by_what_is_written(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["stream", "--policies", "never,weekly", "--from", "week-05"]
    first = CliRunner().invoke(replay_cli.app, words)
    assert first.exit_code == 0, first.output
    assert first.output.count("the first batch of 2024-W") == 3
    monkeypatch.setattr(replay_cli, "run_replay_flow", lambda *_: pytest.fail("the flow ran again"))
    again = CliRunner().invoke(replay_cli.app, [*words, "--json"])
    assert json.loads(again.output) == json.loads(Path("reports/stream/replay/replay.json").read_text())


def test_page_is_whole_in_itself(pipeline: Pipeline, tmp_path: Path) -> None:
    found, _ = lived(pipeline, ["never", "weekly"], tmp_path)
    write(pipeline, found, tmp_path, "key")
    page = (tmp_path / "index.html").read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<polyline") == 2
    assert read(tmp_path, "key") == found
    assert read(tmp_path, "another key") is None
