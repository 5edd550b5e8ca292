"""Deployments as the YAMLs declare them, and how a server differs from them; no server is asked here."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.deployments import as_prefects, changes, declared_deployments, facts
from tests.pipelines import make_pipeline

COLUMNS = {"a": {"type": "integer"}}
DAILY = {"schedule": "0 3 * * *"}
FULL = make_pipeline(
    COLUMNS,
    time={"timezone": "Europe/Berlin"},
    monitor={"schedule": "15 * * * *", "timezone": "Australia/Lord_Howe"},
    score={**DAILY, "input": "data/x", "output": "data/y.csv"},
    retrain={"on": ["drift", "schedule"], **DAILY},
)
PLAIN = make_pipeline(COLUMNS)


def names(*pipelines: Any) -> list[str]:
    return [each.full_name for each in declared_deployments(pipelines)]


def test_plain_pipeline_is_deployed_by_hand_alone() -> None:
    assert names(PLAIN) == ["monitor/demo", "retrain/demo"]


def test_each_schedule_has_a_deployment_of_its_own() -> None:
    assert names(FULL) == [
        *("monitor/demo", "monitor/demo-scheduled", "retrain/demo", "retrain/demo-scheduled"),
        *("score/demo", "score/demo-scheduled"),
    ]


def test_schedules_keep_their_time_zone() -> None:
    zones = {each.full_name: each.timezone for each in declared_deployments([FULL]) if each.cron}
    assert zones == {
        "monitor/demo-scheduled": "Australia/Lord_Howe",
        "retrain/demo-scheduled": "Europe/Berlin",
        "score/demo-scheduled": "Europe/Berlin",
    }


def test_scheduled_runs_are_cancelled_and_others_queue() -> None:
    found = {
        each.strategy: {one.cron is None for one in declared_deployments([FULL]) if one.strategy == each.strategy}
        for each in declared_deployments([FULL])
    }
    assert found == {"CANCEL_NEW": {False}, "ENQUEUE": {True}}


def test_only_the_retrain_that_queues_listens_to_drift() -> None:
    assert [each.full_name for each in declared_deployments([FULL, PLAIN]) if each.on_drift] == ["retrain/demo"]


def test_prefect_takes_every_deployment() -> None:
    there = [as_prefects(each) for each in declared_deployments([FULL])]
    assert [each.full_name for each in there] == names(FULL)
    (trigger,) = there[2].triggers
    assert trigger.match.root == {"prefect.resource.id": "holdfast.pipeline.demo", "holdfast.decision": "retrain"}


def test_worker_clones_the_whole_history() -> None:
    declared = declared_deployments([PLAIN], "pool", "https://example.org/x.git", "main")
    clone, fetch = as_prefects(declared[0]).storage.to_pull_step()  # type: ignore[union-attr,misc]
    assert clone["prefect.deployments.steps.git_clone"]["id"] == "clone"
    assert "--depth=2147483647" in fetch["prefect.deployments.steps.run_shell_script"]["script"]


def there_is(declared: Any, **other: Any) -> Any:
    """A deployment as the server would have it, but for some of its facts."""
    made = as_prefects(declared)
    schedules = [SimpleNamespace(schedule=each.schedule, active=True) for each in made.schedules or []]
    options = SimpleNamespace(collision_strategy=made.concurrency_options.collision_strategy)  # type: ignore[union-attr]
    kept = {
        "parameters": declared.parameters,
        "version": declared.version,
        "paused": False,
        "work_pool_name": None,
        "pull_steps": None,
    }
    found = {**kept, "schedules": schedules, "concurrency_options": options} | other
    return SimpleNamespace(full_name=declared.full_name, deployment=SimpleNamespace(**found))


def test_server_that_is_as_declared_has_nothing_to_change() -> None:
    declared = declared_deployments([FULL])
    assert {each.what for each in changes(declared, [there_is(each) for each in declared])} == {"unchanged"}


def test_changes_are_told_by_what_differs() -> None:
    by_hand, scheduled, *_ = declared_deployments([FULL])
    other = there_is(scheduled, paused=True, schedules=[])
    found = changes([by_hand, scheduled], [other, there_is(by_hand, version="x")])
    assert [(each.what, each.respects) for each in found] == [
        ("changed", ("declaration: written by another version of the YAML or of Holdfast",)),
        ("changed", ("schedule: None -> 15 * * * * Australia/Lord_Howe", "paused: True -> False")),
    ]


def test_other_branch_is_a_change() -> None:
    was, becomes = (declared_deployments([PLAIN], "pool", "https://example.org/x.git", name)[0] for name in ("a", "b"))
    steps = as_prefects(was).storage.to_pull_step()  # type: ignore[union-attr]
    (found,) = changes([becomes], [there_is(was, work_pool_name="pool", pull_steps=steps)])
    assert found.respects == ("clones: https://example.org/x.git a -> https://example.org/x.git b",)


def test_new_and_gone_deployments_are_told() -> None:
    by_hand, retrain = declared_deployments([PLAIN])
    assert [(each.name, each.what) for each in changes([by_hand], [there_is(retrain)])] == [
        ("monitor/demo", "new"),
        ("retrain/demo", "gone"),
    ]


def test_declaration_that_changes_has_another_version() -> None:
    other = make_pipeline(COLUMNS, retrain={"on": ["drift"]})
    one, two = declared_deployments([PLAIN])[1], declared_deployments([other])[1]
    assert (facts(one) == facts(two), one.version == two.version) == (True, False)


CHANGES = [
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
]


def runs(cron: str, zone: str, change: date, count: int) -> list[datetime]:
    """The first moments of a schedule, in its zone, from the day before the clocks change."""
    from prefect.server.schemas.schedules import CronSchedule

    begin = datetime.combine(change - timedelta(days=1), time(), ZoneInfo(zone))
    found = asyncio.run(CronSchedule(cron=cron, timezone=zone).get_dates(count, start=begin))
    return [moment.astimezone(ZoneInfo(zone)) for moment in found]


@pytest.mark.parametrize(("zone", "change"), CHANGES)
@pytest.mark.parametrize("cron", ["30 2 * * *", "30 1 * * *", "15 2 * * *", "0 3 * * *"])
def test_daily_schedule_comes_once_on_each_day_that_clocks_change(zone: str, change: date, cron: str) -> None:
    days = [moment.date() for moment in runs(cron, zone, change, 3)]
    assert days == [change + timedelta(days=step) for step in (-1, 0, 1)]


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_hourly_schedule_pauses_two_hours_at_most_and_never_comes_twice(zone: str, change: date) -> None:
    moments = [moment.astimezone(UTC) for moment in runs("15 * * * *", zone, change, 48)]
    gaps = {later - earlier for earlier, later in pairwise(moments)}
    assert timedelta(minutes=30) <= min(gaps) <= max(gaps) <= timedelta(hours=2)
