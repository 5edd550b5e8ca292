"""Who was champion at any time and why: the promotions that tags name, and what the ledger says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tasks import registry
from tasks.registry import Promotion


@dataclass(frozen=True)
class Reign:
    """One version's time as champion; `until` is None while it lasts. Order comes from `number`, not from times."""

    number: int
    version: str
    since: str
    until: str | None
    kind: str
    by: str
    reason: str


@dataclass(frozen=True)
class Registered:
    """One version: when, by whom and why it was made, and the gate's last word on it."""

    version: str
    at: str
    by: str
    trigger: str
    reason: str
    parent: str | None
    outcome: str
    verdict: str


def reigns(promotions: Sequence[Promotion]) -> list[Reign]:
    """The champions one after another, oldest first.

    Parameters
    ----------
    promotions : sequence of Promotion
        To one stage, by number.
    """
    ends: list[str | None] = [*(promotion.at for promotion in promotions[1:]), None]
    return [
        Reign(each.number, str(each.version.number), each.at, until, each.kind, each.by, each.reason)
        for each, until in zip(promotions, ends, strict=False)
    ]


def registered(events: Sequence[Mapping[str, Any]]) -> list[Registered]:
    """The versions in the order in which they were registered."""
    verdicts = {event["version"]: event["verdict"] for event in events if event["kind"] == "decision"}
    undecided = {"outcome": "undecided", "reason": ""}
    return [
        Registered(
            event["version"],
            event["at"],
            event["by"],
            event.get("trigger", ""),
            event.get("reason", ""),
            event["parent"],
            verdicts.get(event["version"], undecided)["outcome"],
            verdicts.get(event["version"], undecided)["reason"],
        )
        for event in events
        if event["kind"] == "version"
    ]


def history(pipeline: str) -> dict[str, Any]:
    """Champions, versions and landings of a pipeline, in plain values."""
    events = registry.events(pipeline)
    landings = [
        {"at": event["at"], "by": event["by"], "batches": sorted(event["batches"])}
        for event in events
        if event["kind"] == "landing"
    ]
    return {
        "pipeline": pipeline,
        "champions": [asdict(reign) for reign in reigns(registry.promotions(pipeline))],
        "versions": [asdict(version) for version in registered(events)],
        "landings": landings,
    }
