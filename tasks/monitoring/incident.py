"""One incident from its first bad batch to the next calm one, so that its owner is told once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tasks.monitoring.signal import Signal


def key_of(signal: Signal) -> str | None:
    """What an incident is about; None for a calm batch.

    A broken feed is told apart by what is broken, drift by the champion that it is from.
    """
    if signal.cause == "broken_feed":
        return "; ".join(("broken feed", *signal.faults))
    return f"drift from {signal.champion}" if signal.is_alarm else None


def incident_of(signal: Signal, before: Sequence[Mapping[str, Any]]) -> str | None:
    """The incident that a batch belongs to: one that goes on, or a new one, named after this batch; None for none.

    Parameters
    ----------
    signal : Signal
    before : sequence of mappings
        The verdict events before this one, oldest first.
    """
    key = key_of(signal)
    if key is None:
        return None
    for event in reversed(before):
        if event["incident"] is None:
            break
        if event["incident"].partition(": ")[2] == key:
            return str(event["incident"])
    return f"{signal.batch}: {key}"


def untold(events: Sequence[Mapping[str, Any]], judged: Collection[str]) -> list[Mapping[str, Any]]:
    """The first verdict event of each incident that nobody was told of and that is still news, oldest first.

    Parameters
    ----------
    events : sequence of mappings
        The ledger's.
    judged : collection of str
        The batches that were judged just now: their incidents are news, and so is the one that the newest batch is in.
    """
    told = {event["incident"] for event in events if event["kind"] == "notice"}
    verdicts = [event for event in events if event["kind"] == "verdict"]
    news = {event["incident"] for event in verdicts if event["signal"]["batch"] in judged or event is verdicts[-1]}
    first: dict[str, Mapping[str, Any]] = {}
    for event in verdicts:
        if event["incident"] in news - told - {None}:
            first.setdefault(event["incident"], event)
    return list(first.values())
