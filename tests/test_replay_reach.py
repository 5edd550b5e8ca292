"""What of the known rows bears on a model and its contest: the rest is left out, and nothing comes out otherwise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.load import load_pipeline
from configs.schema import Pipeline
from tasks.replay.arrivals import Arrival, arrivals
from tasks.replay.contest import contest_on, held
from tasks.replay.known import Known, known_at
from tasks.replay.making import Kept, Made
from tasks.replay.policies import policies_of
from tasks.replay.reach import contested, reached
from tasks.replay.setting import live_through, set_out
from tasks.table import read_table, write_table
from tests.pipelines import make_pipeline
from tests.streams import TRUE, stream_project

SETTINGS: dict[str, Any] = {"batches": 8, "rows": 300, "shifts": {4: TRUE}, "window": "2 batches", "rounds": 20}
BATCHES = {"kind": "time", "holdout": "1 batch", "window": "2 batches"}


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight weeks of 300 rows, of which a model learns from two."""
    return stream_project(tmp_path_factory.mktemp("stream"), **SETTINGS)


@pytest.fixture
def pipeline(stream: Path) -> Iterator[Pipeline]:
    """Its pipeline, with the stream's project as the current directory."""
    with contextlib.chdir(stream):
        yield load_pipeline("stream")


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The plain way: a training, and so a contest, looks at all that is known."""

    def switch() -> None:
        monkeypatch.setattr("tasks.replay.making.reached", lambda known, _: known)

    return switch


def models(pipeline: Pipeline, folder: Path) -> list[tuple[Known, Made, Kept]]:
    """The models of two dates on which the same window is full."""
    kept, found = Kept(pipeline, folder), arrivals(pipeline)
    dates = [known_at(found, found[place].last, pipeline) for place in (5, 6)]
    return [(known, kept.model(known), kept) for known in dates]


def test_model_of_what_is_reached_is_that_of_everything(pipeline: Pipeline, tmp_path: Path, everything: Any) -> None:
    few = models(pipeline, tmp_path / "few")
    everything()
    for (_, one, _), (known, other, _) in zip(few, models(pipeline, tmp_path / "all"), strict=True):
        assert len(one.known.arrived) < len(other.known.arrived) == len(known.arrived)
        assert one.rows == other.rows
        for name in ("booster.ubj", "estimator.json", "golden.parquet"):
            assert (one.bundle / name).read_bytes() == (other.bundle / name).read_bytes(), name


def test_contest_of_what_is_reached_is_that_of_everything(pipeline: Pipeline, tmp_path: Path, everything: Any) -> None:
    (_, champion, kept), (known, challenger, _) = models(pipeline, tmp_path / "few")
    found = contest_on(kept, known, champion, challenger)
    everything()
    whole = kept.model(known)
    assert len(challenger.known.arrived) < len(whole.known.arrived)
    plain = held(pipeline, known, champion, whole)
    assert (found["outcome"], found["reason"]) == (plain["outcome"], plain["reason"])


def test_replay_of_what_is_reached_is_that_of_everything(pipeline: Pipeline, everything: Any) -> None:
    def lived() -> list[Any]:
        place = set_out("stream", "week-05")
        steps = [live_through(place, policy).steps for policy in policies_of(["weekly", "drift"], place.pipeline)]
        return [[(each.loss, each.outcome, each.alarm) for each in one] for one in steps]

    few = lived()
    everything()
    assert few == lived()


# ---- what is left out


def batch(number: int, labelled: int | None = 10, **changed: Any) -> Arrival:
    """Ten rows that happened between 10 n and 10 n + 9."""
    told = {"batch": f"b{number}", "first": 10 * number, "last": 10 * number + 9, **changed}
    return Arrival(file=Path(f"b{number}.parquet"), hash="", rows=10, labelled=labelled, **told)


def declared(split: dict[str, Any]) -> Pipeline:
    columns = {"at": {"type": "timestamp"}, "g": {"type": "category"}, "y": {"type": "float"}}
    return make_pipeline(columns, time={"column": "at"}, target={"name": "y"}, split=split)


def names(known: Known) -> list[str]:
    return [each.batch for each in known.arrived]


@given(st.lists(st.sampled_from([0, 10]), min_size=1, max_size=8), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_as_many_batches_with_targets_are_reached_as_are_held_out_and_trained_on(
    labelled: list[int], holdout: int, window: int, in_part: bool
) -> None:
    batches = [batch(number, rows) for number, rows in enumerate(labelled)]
    whole, part = (batches[:-1], batches[-1:]) if in_part else (batches, [])
    split = {"kind": "time", "holdout": f"{holdout} batches", "window": f"{window} batches"}
    found = reached(Known(99, tuple(whole), tuple(part), 99), declared(split))
    told = [each.batch for each in whole if each.labelled]
    first = told[-holdout - window :][:1] if len(told) >= holdout + window else [batches[0].batch]
    assert names(found) == [each.batch for each in batches if [each.batch] >= first]


@pytest.mark.parametrize(
    ("split", "changed"),
    [
        ({"window": "all"}, {}),
        ({"window": "30d"}, {}),
        ({"holdout": "20%"}, {}),
        ({"kind": "stratified"}, {}),
        ({"group": "g"}, {}),
        ({}, {"batch": "a"}),
        ({}, {"first": 5}),
        ({}, {"labelled": None}),
        ({}, {"untimed": 1}),
    ],
)
def test_everything_is_reached_where_older_batches_could_bear_on_the_model(
    split: dict[str, Any], changed: dict[str, Any]
) -> None:
    batches = [batch(0), batch(1, **changed), *map(batch, range(2, 7))]
    known = Known(99, tuple(batches), (), 99)
    assert reached(known, declared(BATCHES | split)) == known


def test_fewer_are_reached_otherwise() -> None:
    known = Known(99, tuple(map(batch, range(7))), (), 99)
    assert names(reached(known, declared(BATCHES))) == ["b4", "b5", "b6"]


@given(st.integers(0, 60), st.lists(st.integers(0, 10), min_size=7, max_size=7))
def test_contest_reaches_back_until_enough_older_rows_are_free(held_out: int, trained: list[int]) -> None:
    known = Known(99, tuple(map(batch, range(7))), (), 99)
    challenger = reached(known, declared(BATCHES))
    rows = {f"b{number}": count for number, count in enumerate(trained)}
    found = names(contested(known, challenger, held_out, rows))
    free = {f"b{number}": 10 - rows[f"b{number}"] for number in range(4)}
    assert found[-3:] == ["b4", "b5", "b6"]
    assert sum(free[name] for name in found[:-3]) >= min(held_out, sum(free.values()))
    assert sum(free[name] for name in found[1:-3]) < held_out or len(found) == 3  # not one batch more


# ---- nothing looks ahead


def altered(file: Path) -> None:
    """Other rows in another order: targets turned round, numbers moved, the last third left out."""
    table = read_table(file)
    place = table.column_names.index("sold")
    table = table.set_column(place, "sold", pc.invert(table["sold"]))
    table = table.set_column(table.column_names.index("price"), "price", pc.add(table["price"], 5.0))
    keep = pa.array([True] * (2 * table.num_rows // 3) + [False] * (table.num_rows - 2 * table.num_rows // 3))
    write_table(table.filter(keep), file)


@pytest.mark.parametrize("first", [5, 6])
def test_altering_what_comes_after_a_date_changes_no_decision_before_it(tmp_path: Path, first: int) -> None:
    folder = stream_project(tmp_path, **SETTINGS)

    def lived() -> list[Any]:
        place = set_out("stream", "week-03")
        policies = policies_of(["weekly", "drift"], place.pipeline)
        return [[replace(step, cpu_seconds=0.0) for step in live_through(place, each).steps] for each in policies]

    with contextlib.chdir(folder):
        before = lived()
        for number in range(first, SETTINGS["batches"]):
            altered(Path(f"data/valid/stream/week-{number:02}.parquet"))
        after = lived()
    untouched = first - 3
    assert [steps[:untouched] for steps in after] == [steps[:untouched] for steps in before]
    assert [steps[untouched:] for steps in after] != [steps[untouched:] for steps in before]
