"""The chapters of monitoring after landing: judge each new batch once, write it down, decide on a retrain.

What was done is in the ledger: a `verdict` event for each batch, a `retrain` event where the decision is another than
before, a `notice` event once somebody was told. So a run that was killed goes on where it stopped, also on another
machine, and a run with nothing new writes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from configs.errors import DataError
from configs.load import load_pipeline
from tasks import registry
from tasks.monitoring.batches import LandedBatch, after_erasures, landed_batches, rows_by_file
from tasks.monitoring.decision import Inputs, Policy, lasting_since, policy_of, recorded, seen_of, window_of
from tasks.monitoring.incident import incident_of
from tasks.monitoring.signal import Part, Signal, signal_from, signal_of
from tasks.registry import Event, Version
from tasks.retrain.decisions import is_settled
from tasks.retrain.landings import landings, latest

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from tasks.retrain.worktree import Worktree

Judge = Callable[["Pipeline", str], Any]  # a batch's verdict, in the current directory


class NoChampionError(DataError):
    """No version is champion, so there is nothing that a batch could be held against."""


class NoCallError(DataError):
    """Somebody asks for a retrain on drift, and the ledger has no decision that calls for one."""


def require_champion(pipeline: str) -> Version:
    """The champion."""
    champion = registry.champion(pipeline)
    if champion is None:
        raise NoChampionError(
            f"{pipeline}: no version is champion, so new batches have nothing to be held against. Make the first: "
            f"`holdfast retrain {pipeline} --reason first`."
        )
    return champion


def batches_to_judge(tree: Worktree, now: datetime) -> list[LandedBatch]:
    """Each landed batch that the champion was not made of and nobody judged, in order of name.

    Parameters
    ----------
    tree : Worktree
        Where landed files are.
    now : datetime with a time zone
        Periods that are not over by then are told too; see `LandedBatch.is_over`.
    """
    from tasks.version.record import record_of

    champion, events = require_champion(tree.pipeline), registry.events(tree.pipeline)
    used, landed = after_erasures(record_of(champion)["batches"], events), latest(landings(events))
    if landed.items() <= used.items():
        return []  # no file is read to know that
    with contextlib.chdir(tree.folder):
        found = landed_batches(load_pipeline(tree.pipeline), landed, now)
    known = judged_before(events)
    return [each for each in found if each.is_new_to(used) and (each.shown, frozenset(each.files.items())) not in known]


def judged_before(events: Sequence[Mapping[str, Any]]) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Each batch that has a verdict, with its files and their MD5s as far as erasures left them."""
    signals = [signal_from(event["signal"]) for event in events if event["kind"] == "verdict"]
    erasures = [event for event in events if event["kind"] == "erasure"]
    return {(each.batch, frozenset(after_erasures(each.files, erasures).items())) for each in signals}


def judge(tree: Worktree, batch: LandedBatch, judged_by: Judge) -> Signal:
    """Hold one landed batch against the champion, and write the verdict down.

    Parameters
    ----------
    tree : Worktree
        Where the batch is.
    batch : LandedBatch
    judged_by : callable (pipeline, batch) -> Verdict
    """
    with contextlib.chdir(tree.folder):
        pipeline = load_pipeline(tree.pipeline)
        verdict, rows = judged_by(pipeline, batch.name), rows_by_file(pipeline, batch)
    members = tuple(Part(file, batch.files[file], count) for file, count in sorted(rows.items()))
    signal = signal_of(verdict, batch.shown, batch.md5, members)
    before = [event for event in registry.events(tree.pipeline) if event["kind"] == "verdict"]
    facts = {"signal": signal.as_facts(), "incident": incident_of(signal, before), "reason": signal.sentence}
    registry.append(tree.pipeline, Event("verdict", facts))
    return signal


def judge_batch(pipeline: Pipeline, batch: str) -> Any:
    """The verdict of `tasks.drift`, which is dear to import."""
    from tasks.drift.verdict import judge_batch as judged

    return judged(pipeline, batch, as_of=datetime.now(UTC)).verdict


def decide_on_retrain(pipeline: Pipeline, now: datetime) -> dict[str, Any] | None:
    """Decide on a retrain by what the ledger knows; written down where it is another decision than before.

    Returns
    -------
    dict or None
        The record; None where no batch was judged since the champion was made.
    """
    events = registry.events(pipeline.name)
    inputs = inputs_of(pipeline, events, require_champion(pipeline.name), now)
    if not inputs.seen:
        return None
    record = recorded(inputs, policy_of(pipeline.retrain))
    standing = newest(events, "retrain")
    if standing is not None and is_taken_back_by_time(record, standing["decision"]):
        return dict(standing["decision"])
    if standing is None or is_another(record, standing["decision"]):
        facts = {"decision": record, "reason": f"{record['outcome']}, {record['reason']}"}
        registry.append(pipeline.name, Event("retrain", facts))
    return record


def is_another(record: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether a decision says something new: only the time that has passed does not count."""
    found = [(each["outcome"], each["rule"], timeless(each)) for each in (record, before)]
    return found[0] != found[1]


def is_taken_back_by_time(record: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether a decision calls no more for a retrain, and nothing but the time is another: the clock was set back."""
    called = before["outcome"] == "retrain" and record["outcome"] != "retrain"
    return called and bool(timeless(record) == timeless(before))


def timeless(record: Mapping[str, Any]) -> Any:
    """What a decision was made of but for the time that had passed; equal before and after the ledger's JSON."""
    inputs = {name: value for name, value in record["inputs"].items() if name not in {"since_retrain", "since_landing"}}
    seen = [dict(one) for one in inputs.pop("seen")]
    return dict(record["policy"], on=list(record["policy"]["on"])), inputs, seen


def newest(events: Sequence[Mapping[str, Any]], kind: str) -> Mapping[str, Any] | None:
    """The last event of a kind."""
    return next((event for event in reversed(events) if event["kind"] == kind), None)


def inputs_of(pipeline: Pipeline, events: Sequence[Mapping[str, Any]], champion: Version, now: datetime) -> Inputs:
    """What the ledger knows that bears on a retrain."""
    policy = policy_of(pipeline.retrain)
    signals = last_of_each(signal_from(event["signal"]) for event in events if event["kind"] == "verdict")
    current = [signal for signal in signals if signal.champion == champion.name]
    seen = [seen_of(each) for each in current]
    recent = current[-len(window_of(seen, policy)) :]
    gains = [(each.gain, each.unit) for each in recent if each.gain is not None and each.is_alarm]
    gain, unit = gains[-1] if gains else (None, None)
    made = settled_versions(events)
    drift = [event for event in made if event.get("trigger") == "drift"]
    costs = [event["cpu_seconds"] for event in made if event.get("cpu_seconds")]
    return Inputs(
        champion=champion.name,
        seen=window_of(seen, policy),
        rows=new_rows_of(pipeline.name, events, signals),
        since_retrain=seconds_since(drift[-1], now) if drift else None,
        since_landing=landed_since(events, current, policy, now),
        gain=gain,
        unit=unit,
        cost=costs[-1] if costs else None,
    )


def last_of_each(signals: Iterable[Signal]) -> list[Signal]:
    """The last signal of each batch, in the order in which they came: more may have landed of one that was judged."""
    last: dict[str, Signal] = {}
    for signal in signals:
        last.pop(signal.batch, None)
        last[signal.batch] = signal
    return list(last.values())


def settled_versions(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The version events of retrains that came to their end: one that was killed before its decision goes on."""
    return [event for event in events if event["kind"] == "version" and is_settled(events, event["version"])]


def new_rows_of(pipeline: str, events: Sequence[Mapping[str, Any]], signals: Sequence[Signal]) -> int:
    """Rows of judged batches that the last settled version was not made of, by the files that they came in."""
    from tasks.version.record import record_of

    numbers = {event["version"] for event in settled_versions(events)}
    versions = [version for version in registry.versions(pipeline) if str(version.number) in numbers]
    used = after_erasures(record_of(versions[-1])["batches"] if versions else {}, events)
    return sum(part.rows for each in signals for part in each.parts if used.get(part.file) != part.md5)


def landed_since(events: Sequence[Mapping[str, Any]], current: Sequence[Signal], policy: Policy, now: datetime) -> int:
    """Seconds since the newest file landed of the batch with which drift had persisted."""
    place = lasting_since([seen_of(signal) for signal in current], policy)
    files = {part.file for part in current[place].parts} if place is not None else set()
    landing = [event for event in events if event["kind"] == "landing" and files & {*event["batches"]}]
    return seconds_since(landing[-1], now) if landing else policy.wait_for_labels


def seconds_since(event: Mapping[str, Any], now: datetime) -> int:
    """Seconds from an event to now; never negative, whatever the clock did."""
    return max(0, int((now - datetime.fromisoformat(event["at"])).total_seconds()))


def standing_call(pipeline: str) -> Mapping[str, Any]:
    """The decision that calls for a retrain which has not been made yet.

    Raises
    ------
    NoCallError
        If there is none: an event came from somewhere else, or the retrain was made already.
    """
    events = registry.events(pipeline)
    call = newest(events, "retrain")
    made = [event["sequence"] for event in settled_versions(events)]
    if call is None or call["decision"]["outcome"] != "retrain" or (made and made[-1] > call["sequence"]):
        raise NoCallError(
            f"{pipeline}: asked for a retrain on drift, but the ledger has no decision that calls for one, or it was "
            f"made already. `holdfast monitor {pipeline}` decides; `holdfast retrain {pipeline} --reason ...` retrains "
            "all the same."
        )
    return call
