"""Whether to retrain: a pure function of what is known and what was declared, so that a record of both recomputes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from configs.cron import persistence
from configs.sections.values import format_duration, parse_duration

if TYPE_CHECKING:
    from configs.sections.loop import Retrain

Outcome = Literal["retrain", "wait", "alert", "none"]


@dataclass(frozen=True)
class Seen:
    """What one batch says about a retrain."""

    batch: str
    material: bool
    performance: bool
    cause: str


@dataclass(frozen=True)
class Inputs:
    """What a decision is made of.

    Attributes
    ----------
    champion : str
        Its name, such as `flights@v1.2.0`.
    seen : tuple of Seen
        The batches that monitoring judged last, oldest first; as many as persistence looks at.
    rows : int
        That landed since the last version was made.
    since_retrain : int or None
        Seconds since the last version that drift brought about; None before the first.
    since_landing : int
        Seconds since the newest of the batches landed.
    gain : float or None
        The most that a retrain could bring back, in `unit`; None where nobody can tell.
    unit : str or None
        What `gain` is measured in: the loss on labelled rows, or the declared metric.
    cost : float or None
        CPU seconds that the last retrain took; None before the first.
    """

    champion: str
    seen: tuple[Seen, ...]
    rows: int
    since_retrain: int | None
    since_landing: int
    gain: float | None
    unit: str | None
    cost: float | None


@dataclass(frozen=True)
class Policy:
    """The section `retrain` as far as it decides; durations in seconds."""

    on: tuple[str, ...]
    persist: str
    cooldown: int
    min_rows: int
    wait_for_labels: int
    min_gain: float


@dataclass(frozen=True)
class Decision:
    """What is to be done, by which rule, and the sentence that says so."""

    outcome: Outcome
    rule: str
    reason: str


def policy_of(retrain: Retrain) -> Policy:
    """What was declared."""
    return Policy(
        on=retrain.on,
        persist=retrain.persist,
        cooldown=int(retrain.cooldown.total_seconds()),
        min_rows=retrain.min_rows,
        wait_for_labels=int(retrain.wait_for_labels.total_seconds()),
        min_gain=retrain.min_gain,
    )


def decide(inputs: Inputs, policy: Policy) -> Decision:
    """Decide on a retrain; the first rule that speaks against one has the word.

    Parameters
    ----------
    inputs : Inputs
    policy : Policy

    Returns
    -------
    Decision
        `alert`: the feed is broken, so its owner is asked for, and nothing is learned from it; `none`: nothing calls
        for a retrain; `wait`: something does, and the policy is not met yet; `retrain`.
    """
    against = next(rules_against(inputs, policy), None)
    if against is not None:
        return against
    needed, of = persistence(policy.persist)
    shown = f"{inputs.gain:.4g} of {inputs.unit}" if inputs.gain is not None else "unknown"
    cost = f"{inputs.cost:,.0f} CPU seconds last time" if inputs.cost is not None else "unknown"
    which = ", ".join(seen.batch for seen in inputs.seen[-of:] if calls(seen, policy))
    return Decision(
        "retrain",
        "pays",
        f"{which} drifted from {inputs.champion} ({needed} of {of} needed); gain at most {shown}, cost {cost}",
    )


def rules_against(inputs: Inputs, policy: Policy) -> Iterator[Decision]:
    """What speaks against a retrain, the weightiest first."""
    needed, of = persistence(policy.persist)
    calling = [seen.batch for seen in inputs.seen[-of:] if calls(seen, policy)]
    if inputs.seen and inputs.seen[-1].cause == "broken_feed":
        yield Decision("alert", "broken feed", f"the feed of {inputs.seen[-1].batch} is broken; nothing learns from it")
    if not calling:
        yield Decision("none", "no drift", no_call(inputs, policy))
    if len(calling) < needed:
        yield Decision("wait", "persist", f"{len(calling)} of {of} batches drifted, {needed} are needed")
    yield from rules_about_rows(inputs, policy)
    yield from rules_about_time(inputs, policy, calling[-1])
    if inputs.gain is not None and inputs.gain < policy.min_gain:
        brings = f"a retrain could bring {inputs.gain:.4g} of {inputs.unit}"
        yield Decision("none", "min_gain", f"{brings}, {policy.min_gain:g} is needed")


def rules_about_rows(inputs: Inputs, policy: Policy) -> Iterator[Decision]:
    """There must be something new to learn from, and enough of it."""
    if not inputs.rows:
        yield Decision("none", "no new rows", "nothing has landed since the last version was made")
    if inputs.rows < policy.min_rows:
        found = f"{inputs.rows:,} rows since the last version"
        yield Decision("wait", "min_rows", f"{found}, {policy.min_rows:,} are needed")


def rules_about_time(inputs: Inputs, policy: Policy, batch: str) -> Iterator[Decision]:
    """The last retrain must be long enough ago, and so must the landing of the batch that drifted."""
    if inputs.since_retrain is not None and inputs.since_retrain < policy.cooldown:
        found = waiting("the last retrain on drift", inputs.since_retrain, policy.cooldown)
        yield Decision("wait", "cooldown", found)
    if inputs.since_landing < policy.wait_for_labels:
        found = waiting(f"the landing of {batch}", inputs.since_landing, policy.wait_for_labels)
        yield Decision("wait", "wait_for_labels", found)


def calls(seen: Seen, policy: Policy) -> bool:
    """Whether a batch calls for a retrain by what starts one."""
    wanted = (seen.material and "drift" in policy.on) or (seen.performance and "performance" in policy.on)
    return wanted and seen.cause != "broken_feed"


def no_call(inputs: Inputs, policy: Policy) -> str:
    """Why no batch calls for a retrain."""
    signals = any(seen.material or seen.performance for seen in inputs.seen if seen.cause != "broken_feed")
    if signals:
        return f"retrain.on is {', '.join(policy.on)}, so what was found starts no retrain"
    return "no batch has drifted in a way that matters to the model"


def waiting(what: str, passed: int, needed: int) -> str:
    """How long ago something was, and how long it must have been.

    >>> waiting("the last retrain on drift", 3600, 14 * 86400)
    'the last retrain on drift is 1h ago, 2w are needed'
    """
    since = format_duration(parse_duration(f"{max(passed, 0) // 60}m"))
    return f"{what} is {since} ago, {format_duration(parse_duration(f'{needed // 60}m'))} are needed"


# ---- the record


def recorded(inputs: Inputs, policy: Policy) -> dict[str, Any]:
    """A decision with all that it follows from, in plain values."""
    return {"inputs": asdict(inputs), "policy": asdict(policy), **asdict(decide(inputs, policy))}


def recomputed(record: Mapping[str, Any]) -> Decision:
    """The decision that a record's inputs and policy lead to, now."""
    inputs = {**record["inputs"], "seen": tuple(Seen(**seen) for seen in record["inputs"]["seen"])}
    policy = {**record["policy"], "on": tuple(record["policy"]["on"])}
    return decide(Inputs(**inputs), Policy(**policy))


def window_of(seen: Sequence[Seen], policy: Policy) -> tuple[Seen, ...]:
    """The batches that persistence looks at."""
    return tuple(seen[-persistence(policy.persist)[1] :])
