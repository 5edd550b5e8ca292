"""The decision on a retrain: a pure rule, a record that recomputes, incidents that are told once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import registry
from tasks.monitoring.decision import Inputs, Policy, Seen, decide, policy_of, recomputed, recorded
from tasks.monitoring.incident import incident_of, untold
from tasks.monitoring.message import body, subject
from tasks.monitoring.signal import Signal, signal_from
from tasks.monitoring.watch import (
    NoCallError,
    is_another,
    is_taken_back_by_time,
    seconds_since,
    settled_versions,
    standing_call,
)
from tasks.registry import Event
from tests.ledgers import P, new_repository, promote, register
from tests.pipelines import make_pipeline

DAY = 86_400
CALM = Seen("a", material=False, performance=False, cause="none")
DRIFT = Seen("b", material=True, performance=False, cause="changed_world")
WORSE = Seen("c", material=False, performance=True, cause="changed_world")
BROKEN = Seen("d", material=True, performance=True, cause="broken_feed")
POLICY = Policy(on=("drift", "manual"), persist="1 of 1 batch", cooldown=0, min_rows=0, wait_for_labels=0, min_gain=0.0)
INPUTS = Inputs("p@v1.0.0", (DRIFT,), 1000, None, 0, None, "roc_auc", None)


def outcome(inputs: Inputs, policy: Policy = POLICY) -> tuple[str, str]:
    """Outcome and rule."""
    made = decide(inputs, policy)
    return made.outcome, made.rule


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, str]]] = {
    "drift that matters": ({}, {}, ("retrain", "pays")),
    "calm": ({"seen": (CALM,)}, {}, ("none", "no drift")),
    "nothing seen": ({"seen": ()}, {}, ("none", "no drift")),
    "broken feed": ({"seen": (DRIFT, BROKEN)}, {"persist": "1 of 2 batches"}, ("alert", "broken feed")),
    "broken feed before": ({"seen": (BROKEN, DRIFT)}, {"persist": "2 of 2 batches"}, ("wait", "persist")),
    "drift not asked for": ({}, {"on": ("schedule",)}, ("none", "no drift")),
    "loss not asked for": ({"seen": (WORSE,)}, {}, ("none", "no drift")),
    "loss asked for": ({"seen": (WORSE,)}, {"on": ("performance",)}, ("retrain", "pays")),
    "once of two": ({"seen": (CALM, CALM, DRIFT)}, {"persist": "2 of 3 batches"}, ("wait", "persist")),
    "twice of three": ({"seen": (DRIFT, CALM, DRIFT)}, {"persist": "2 of 3 batches"}, ("retrain", "pays")),
    "long ago": ({"seen": (DRIFT, DRIFT, CALM, CALM)}, {"persist": "2 of 3 batches"}, ("wait", "persist")),
    "cooldown": ({"since_retrain": DAY}, {"cooldown": 14 * DAY}, ("wait", "cooldown")),
    "cooldown over": ({"since_retrain": 14 * DAY}, {"cooldown": 14 * DAY}, ("retrain", "pays")),
    "first retrain": ({"since_retrain": None}, {"cooldown": 14 * DAY}, ("retrain", "pays")),
    "few rows": ({"rows": 999}, {"min_rows": 1000}, ("wait", "min_rows")),
    "no rows": ({"rows": 0}, {}, ("none", "no new rows")),
    "labels to come": ({"since_landing": 6 * DAY}, {"wait_for_labels": 7 * DAY}, ("wait", "wait_for_labels")),
    "labels there": ({"since_landing": 7 * DAY}, {"wait_for_labels": 7 * DAY}, ("retrain", "pays")),
    "little gain": ({"gain": 0.01}, {"min_gain": 0.02}, ("none", "min_gain")),
    "unknown gain": ({"gain": None}, {"min_gain": 0.02}, ("retrain", "pays")),
}


@pytest.mark.parametrize(("known", "declared", "expected"), CASES.values(), ids=CASES)
def test_rule_decides(known: dict[str, Any], declared: dict[str, Any], expected: tuple[str, str]) -> None:
    assert outcome(replace(INPUTS, **known), replace(POLICY, **declared)) == expected


SEEN = st.builds(
    Seen,
    st.text(max_size=5),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["none", "changed_world", "broken_feed"]),
)
SECONDS = st.integers(0, 40 * DAY)
GAIN = st.none() | st.floats(0, 1)
ANY_INPUTS = st.builds(
    Inputs,
    champion=st.just("p@v1.0.0"),
    seen=st.lists(SEEN, max_size=5).map(tuple),
    rows=st.integers(0, 10_000),
    since_retrain=st.none() | SECONDS,
    since_landing=SECONDS,
    gain=GAIN,
    unit=st.just("rmse"),
    cost=GAIN,
)
ANY_POLICY = st.builds(
    Policy,
    on=st.lists(st.sampled_from(["drift", "performance", "schedule", "manual"]), unique=True).map(tuple),
    persist=st.sampled_from(["1 of 1 batch", "2 of 3 batches", "3 of 3 batches"]),
    cooldown=SECONDS,
    min_rows=st.integers(0, 10_000),
    wait_for_labels=SECONDS,
    min_gain=st.floats(0, 1),
)


@given(ANY_INPUTS, ANY_POLICY)
def test_record_recomputes_to_its_outcome_after_a_round_trip(inputs: Inputs, policy: Policy) -> None:
    record = json.loads(json.dumps(recorded(inputs, policy)))
    assert recomputed(record) == decide(inputs, policy)


@given(ANY_INPUTS, ANY_POLICY)
def test_broken_feed_never_retrains(inputs: Inputs, policy: Policy) -> None:
    assert decide(replace(inputs, seen=(*inputs.seen, BROKEN)), policy).outcome == "alert"


@given(ANY_INPUTS, ANY_POLICY)
def test_looser_policy_keeps_a_retrain(inputs: Inputs, policy: Policy) -> None:
    loose = replace(policy, persist="1 of 3 batches", cooldown=0, min_rows=0, wait_for_labels=0, min_gain=0.0)
    assert decide(inputs, loose).outcome == "retrain" or decide(inputs, policy).outcome != "retrain"


def test_policy_is_what_the_yaml_declares() -> None:
    declared = {"on": ["drift"], "persist": "2 of 3 batches", "cooldown": "14d", "min_rows": 5, "wait_for_labels": "7d"}
    pipeline = make_pipeline({"a": {"type": "integer"}}, retrain=declared)
    assert policy_of(pipeline.retrain) == Policy(("drift",), "2 of 3 batches", 14 * DAY, 5, 7 * DAY, 0.0)


def test_passing_time_alone_is_no_other_decision() -> None:
    earlier = recorded(replace(INPUTS, since_retrain=DAY), replace(POLICY, cooldown=9 * DAY))
    later = recorded(replace(INPUTS, since_retrain=2 * DAY), replace(POLICY, cooldown=9 * DAY))
    over = recorded(replace(INPUTS, since_retrain=9 * DAY), replace(POLICY, cooldown=9 * DAY))
    assert [is_another(each, json.loads(json.dumps(earlier))) for each in (earlier, later, over)] == [
        False,
        False,
        True,
    ]


# ---- incidents


def signal(
    batch: str, cause: Literal["none", "changed_world", "broken_feed"] = "none", champion: str = "p@v1.0.0", **rest: Any
) -> Signal:
    """What one batch says; it matters unless its cause is none."""
    faults = rest.pop("faults", ("unit_change a",) if cause == "broken_feed" else ())
    bad = cause != "none"
    return Signal(batch, "md5", champion, 10, bad, bad, False, cause, faults, None, "a sentence", "me@example.org")


def incidents(*signals: Signal) -> list[str | None]:
    """The incident of each, one after another."""
    events: list[dict[str, Any]] = []
    for each in signals:
        events.append({"kind": "verdict", "signal": each.as_facts(), "incident": incident_of(each, events)})
    return [event["incident"] for event in events]


def test_incident_goes_on_until_a_calm_batch() -> None:
    drift, calm = signal("1", "changed_world"), signal("3")
    found = incidents(drift, replace(drift, batch="2"), calm, replace(drift, batch="4"))
    assert found == ["1: drift from p@v1.0.0", "1: drift from p@v1.0.0", None, "4: drift from p@v1.0.0"]


def test_feed_that_flaps_with_drift_is_two_incidents_not_many() -> None:
    broken, drift = signal("1", "broken_feed"), signal("2", "changed_world")
    found = incidents(broken, drift, replace(broken, batch="3"), replace(drift, batch="4"))
    assert len({*found}) == 2


def test_another_fault_is_another_incident() -> None:
    assert len({*incidents(signal("1", "broken_feed"), signal("2", "broken_feed", faults=("stuck_sensor b",)))}) == 2


def test_drift_from_another_champion_is_another_incident() -> None:
    assert len({*incidents(signal("1", "changed_world"), signal("2", "changed_world", champion="p@v1.1.0"))}) == 2


NAMES = ["a", "a", None, "b", "b", "c", None, "d"]
EVENTS = [{"kind": "verdict", "incident": name, "signal": {"batch": str(place)}} for place, name in enumerate(NAMES)]


@pytest.mark.parametrize(
    ("judged", "told", "expected"),
    [
        (["3", "4", "5", "6", "7"], [], ["3", "5", "7"]),
        (["4"], [], ["3", "7"]),  # the batch that opened it was judged by a run that was killed
        (["3", "4"], ["b"], ["7"]),
        ([], [], ["7"]),  # what is over is no news
        (["6"], ["d"], []),
    ],
)
def test_incident_is_told_once_and_while_it_is_news(judged: list[str], told: list[str], expected: list[str]) -> None:
    notices = [{"kind": "notice", "incident": name} for name in told]
    assert [event["signal"]["batch"] for event in untold([*EVENTS, *notices], judged)] == expected  # type: ignore[index]


def test_signal_survives_the_ledger() -> None:
    sent = signal("1", "broken_feed")
    assert signal_from(json.loads(json.dumps(sent.as_facts()))) == sent


def test_message_names_owner_runbook_and_what_is_broken() -> None:
    notify = {"blocks": ["slack-webhook/ops"], "runbook": "https://example.org/x"}
    pipeline = make_pipeline({"a": {"type": "integer"}}, notify=notify)
    event = {"pipeline": "demo", "signal": signal("2024-01.csv", "broken_feed").as_facts()}
    decision = recorded(replace(INPUTS, seen=(BROKEN,)), POLICY)
    assert (subject(event), body(event, decision, pipeline).splitlines()) == (
        "demo: the feed is broken, 2024-01.csv",
        [
            "a sentence",
            "Broken: unit_change a.",
            "Retrain: alert (broken feed): the feed of d is broken; nothing learns from it.",
            "Owner: me@example.org.",
            "More: holdfast drift demo --batch 2024-01",
            "Runbook: https://example.org/x",
        ],
    )


# ---- a clock that is set


TIMED = replace(POLICY, cooldown=14 * DAY, wait_for_labels=7 * DAY)


@given(since=st.integers(0, 40 * DAY), earlier=st.integers(0, 40 * DAY))
def test_clock_that_is_set_back_takes_no_call_back(since: int, earlier: int) -> None:
    before = json.loads(json.dumps(recorded(replace(INPUTS, since_retrain=since, since_landing=since), TIMED)))
    record = recorded(replace(INPUTS, since_retrain=earlier, since_landing=earlier), TIMED)
    was_taken_back = since >= 14 * DAY > earlier
    assert is_taken_back_by_time(record, before) == was_taken_back


def test_call_is_taken_back_by_what_is_known_and_not_by_time() -> None:
    before, record = recorded(INPUTS, POLICY), recorded(replace(INPUTS, seen=(CALM,)), POLICY)
    assert not is_taken_back_by_time(record, before)


def test_time_that_is_ahead_of_the_clock_has_not_passed() -> None:
    at, now = datetime(2026, 10, 25, 2, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert seconds_since({"at": at.isoformat()}, now) == 0


# ---- a retrain that was killed


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> registry.Version:
    """A version that was registered after a decision to retrain, and nothing since."""
    monkeypatch.chdir(new_repository(tmp_path / "project"))
    promote(register("old"))
    registry.append(P, Event("retrain", {"decision": {"outcome": "retrain"}, "reason": "drift"}))
    return register("new", trigger="drift")


def append_decision(version: registry.Version, outcome: str) -> None:
    """What a retrain writes after it has registered its version."""
    facts = {"version": str(version.number), "reason": outcome, "verdict": {"outcome": outcome}}
    registry.append(P, Event("decision", facts))


def test_call_stands_while_no_decision_on_its_version_is_carried_out(called: registry.Version) -> None:
    assert standing_call(P)["reason"] == "drift"
    append_decision(called, "promoted")
    assert standing_call(P)["reason"] == "drift"


@pytest.mark.parametrize("outcome", ["promoted", "refused"])
def test_call_is_answered_once_the_decision_is_carried_out(called: registry.Version, outcome: str) -> None:
    append_decision(called, outcome)
    if outcome == "promoted":
        promote(called)
    with pytest.raises(NoCallError, match="made already"):
        standing_call(P)


def test_version_without_a_decision_starts_no_cooldown(called: registry.Version) -> None:
    assert [event["version"] for event in settled_versions(registry.events(P))] == ["v1.0.0"]
    promote(called)
    assert [event["version"] for event in settled_versions(registry.events(P))] == ["v1.0.0", "v1.1.0"]
