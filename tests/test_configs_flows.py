"""Schedules, the policy of retraining, notification and sources: what is senseless is refused, with its place."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.cron import DAYS, FIELDS, never_fires, numbers, parse_cron, parse_persistence
from configs.document import parse_document
from configs.load import InvalidPipelineError, pipeline_from
from configs.schema import Pipeline

HOMES = """owner: {}
source: {path: data/incoming/homes/*.csv}
time: {}
target: {name: price}
columns: {price: {type: float}, rooms: {type: integer}, id: {type: integer}}
drop: [id]
expectations: {}
features: {}
encode: {}
split: {}
train: {}
evaluate: {}
drift: {}
retrain: {}
gate: {}
"""
QUERY = "{sql: SELECT * FROM homes, watermark: id, url: {env: HOMES_URL}}"
GLOB = "{path: data/incoming/homes/*.csv}"


def homes(**sections: str) -> Pipeline:
    """The pipeline with some sections written otherwise, or added."""
    lines = dict(line.split(": ", 1) for line in HOMES.splitlines()) | sections
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    return pipeline_from(parse_document(text, Path("configs/homes.yaml")), "homes")


def told(**sections: str) -> str:
    """What is said of a pipeline that is refused."""
    with pytest.raises(InvalidPipelineError) as caught:
        homes(**sections)
    return str(caught.value)


REFUSED = {
    "both": ({"source": "{path: x/*.csv, " + QUERY[1:]}, "source: found both `path` and `sql`, expected one"),
    "neither": ({"source": "{}"}, "source: found neither `path` nor `sql`, expected one"),
    "no watermark": ({"source": "{sql: SELECT 1, url: {env: X}}"}, "source.sql: a query needs `watermark`"),
    "no url": ({"source": "{sql: SELECT 1, watermark: id}"}, "one place where its database's URL is kept"),
    "two urls": (
        {"source": "{sql: SELECT 1, watermark: id, url: {env: X, secret: y}}"},
        "source.url: a query needs one",
    ),
    "dialect": ({"source": "{dialect: {delimiter: ;}, " + QUERY[1:]}, "source.dialect: a query's rows have no dialect"),
    "watermark of files": ({"source": "{watermark: id, path: x/*.csv}"}, "source.watermark: belongs to a query"),
    "unknown watermark": (
        {"source": QUERY.replace("mark: id", "mark: ids")},
        "source.watermark: found 'ids', which is neither declared under columns nor dropped, but lands with the rows; "
        "did you mean 'id'?",
    ),
    "no schedule": ({"retrain": "{on: [schedule]}"}, "retrain.on: 'schedule' needs retrain.schedule"),
    "schedule for nothing": ({"retrain": '{schedule: "0 3 1 * *"}'}, "a schedule is read where retrain.on has"),
    "policy for nothing": ({"retrain": "{cooldown: 14d}"}, "retrain.cooldown: holds where retrain.on has 'drift'"),
    "unknown policy": ({"retrain": "{on: [drfit]}"}, "did you mean 'drift'?"),
    "persistence": ({"retrain": "{on: [drift], persist: 3 of 2 batches}"}, "found '3 of 2 batches'; persistence is"),
    "February": ({"monitor": '{schedule: "0 3 30 2 *"}'}, "no month 2 has a day 30, so this schedule never comes"),
    "zone alone": ({"monitor": "{timezone: UTC}"}, "monitor.timezone: is the zone of monitor.schedule, which is not"),
    "score of nothing": ({"score": '{schedule: "0 3 * * *", output: x.csv}'}, "a scheduled run needs score.input"),
    "score to a folder": ({"score": "{input: x, output: y}"}, "score.output: is written as Parquet or CSV"),
    "score over itself": ({"score": "{input: x.csv, output: x.csv}"}, "score.output: is what is scored too"),
    "runbook for nobody": ({"notify": '{runbook: "https://example.org"}'}, "but notify.blocks names nobody to tell"),
    "block without a type": (
        {"notify": "{blocks: [ops]}"},
        "notify.blocks[0]: found 'ops'; a block is named by its type",
    ),
    "block twice": ({"notify": "{blocks: [slack-webhook/ops, slack-webhook/ops]}"}, "more than once"),
}


@pytest.mark.parametrize(("sections", "expected"), REFUSED.values(), ids=REFUSED)
def test_senseless_declaration_is_refused(sections: dict[str, str], expected: str) -> None:
    assert expected in told(**sections)


@pytest.mark.parametrize("url", ["'postgresql://me:hunter2@db/x'", "{env: 'postgresql://me:hunter2@db/x'}"])
def test_password_in_the_declaration_is_not_shown(url: str) -> None:
    assert "hunter2" not in told(source=f"{{sql: SELECT 1, watermark: id, url: {url}}}")


def test_policy_is_read() -> None:
    written = "{on: [drift, performance], persist: 2 of 3 batches, cooldown: 14d, min_rows: 20000, wait_for_labels: 7d}"
    retrain = homes(retrain=written).retrain
    assert (retrain.persist, retrain.min_rows, retrain.wait_for_labels) == ("2 of 3 batches", 20000, timedelta(days=7))


def test_query_is_read() -> None:
    assert homes(source=QUERY).source.url.env == "HOMES_URL"


def test_sections_of_flows_may_be_left_out() -> None:
    assert homes().monitor.schedule is None


@pytest.mark.parametrize("line", ["0 3 30 2 *", "0 3 31 2,4,6 *", "0 0 31 9-9/1 *", "* * 30,31 2 *"])
def test_schedule_that_never_comes_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="never comes"):
        parse_cron(line)


@pytest.mark.parametrize("line", ["0 3 29 2 *", "0 3 31 4-5 *", "0 3 30 2 1", "0 3 1-30/29 2 *"])
def test_schedule_that_comes_seldom_is_taken(line: str) -> None:
    assert parse_cron(line) == line


FIELD = st.one_of(
    st.just("*"),
    st.lists(st.integers(1, 12), min_size=1, max_size=3).map(lambda each: ",".join(map(str, each))),
    st.tuples(st.integers(1, 6), st.integers(6, 12)).map(lambda each: f"{each[0]}-{each[1]}"),
)
DAY = st.one_of(FIELD, st.sampled_from(["30", "31", "30,31", "29-31/2", "29", "28/3"]))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(DAY, FIELD)
def test_schedule_never_comes_exactly_if_no_day_of_four_years_fits(day: str, month: str) -> None:
    days, months = numbers(day, 1, 31), numbers(month, 1, 12)
    every = (date(2024, 1, 1) + timedelta(days=place) for place in range(1461))
    assert never_fires(["0", "3", day, month, "*"]) != any(each.day in days and each.month in months for each in every)


@pytest.mark.parametrize("text", ["2 of 3", "0 of 3 batches", "3 of 2 batches", 2, None, "2 of 3 batches "])
def test_other_persistence_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="such as '2 of 3 batches'"):
        parse_persistence(text)


def test_months_have_their_days_of_a_leap_year() -> None:
    assert (sum(DAYS), len(DAYS), len(FIELDS)) == (366, 12, 5)
