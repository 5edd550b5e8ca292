"""Decisions on versions: the gate's, carried out and written down, and a person's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from configs.errors import ConfigError, HoldfastError
from tasks import registry
from tasks.registry import Promotion, Version
from tasks.registry.event import Event
from tasks.registry.git import identity as committer

STAGES = {"promoted": "champion", "awaits approval": "staging"}  # of a verdict's outcome; no other one has a stage
ATTEMPTS = 5  # judgements, when other champions are made meanwhile


class ChampionMovedError(HoldfastError):
    """Another version became champion while this one was judged against the one before."""


class ContestedError(HoldfastError):
    """A new champion was made each time that a challenger had been judged."""


class RefusedVersionError(ConfigError):
    """A person asks for a version that the gate did not let in, without saying that it is to be overruled."""


@dataclass(frozen=True)
class Decision:
    """What a retrain ends with.

    `outcome` is promoted, refused, awaits approval, or unchanged where the same content had been decided on before.
    """

    version: Version
    outcome: str
    reason: str
    verdict: Mapping[str, Any]


# ---- the gate's word


def standing_decision(pipeline: str, identity: str, rules: Mapping[str, Any]) -> Decision | None:
    """The decision on the version of some content; None while there is none that stands.

    One that was not carried out does not stand, nor a refusal by other rules or against another champion than now. A
    version that was champion once is not made so again: a person rolled it back.

    Parameters
    ----------
    pipeline : str
    identity : str
        Of `tasks.version.record`.
    rules : mapping
        The section `gate`, as verdicts hold it.
    """
    events = registry.events(pipeline)
    number = next((e["version"] for e in events if e["kind"] == "version" and e["identity"] == identity), None)
    decision = newest_decision(events, number) if number else None
    if number is None or decision is None:
        return None
    verdict, reigning = decision["verdict"], registry.champion(pipeline)
    stages = {e["stage"] for e in events if e["kind"] == "promotion" and e["version"] == number}
    carried_out = bool(stages & {STAGES.get(verdict["outcome"]), "champion"})
    same_ground = verdict["champion"] == name_of(reigning) and verdict["settings"]["gate"] == rules
    if not carried_out and not (verdict["outcome"] not in STAGES and same_ground):
        return None
    version = registry.find_version(pipeline, number)
    return Decision(version, "unchanged", f"nothing is new since it was {verdict['reason']}", verdict)


def name_of(version: Version | None) -> str | None:
    """The number of a version as verdicts name it."""
    return str(version.number) if version else None


def newest_decision(events: Sequence[Mapping[str, Any]], number: str) -> Mapping[str, Any] | None:
    """The last decision event about a version."""
    return next((e for e in reversed(events) if e["kind"] == "decision" and e["version"] == number), None)


def is_settled(events: Sequence[Mapping[str, Any]], number: str) -> bool:
    """Whether a version was decided on and that was carried out; not where a retrain was killed between the two.

    Parameters
    ----------
    events : sequence of mappings
        The ledger's.
    number : str
        Of a registered version, such as `v1.2.0`.
    """
    if any(event["kind"] == "promotion" and event["version"] == number for event in events):
        return True
    decision = newest_decision(events, number)
    return decision is not None and decision["verdict"]["outcome"] not in STAGES


def decide(
    version: Version, verdict: Mapping[str, Any], reason: str, judge: Callable[[], Mapping[str, Any]]
) -> Decision:
    """Write the decision down and carry it out; judge again if another champion was made meanwhile.

    Parameters
    ----------
    version : Version
        Registered.
    verdict : mapping
        Of the gate, on this version.
    reason : str
        Why there was a retrain.
    judge : callable () -> verdict
        Judges the version against the champion that there is then.

    Raises
    ------
    ContestedError
        If that happened each of five times; the version stands, and the next retrain decides on it.
    """
    for _ in range(ATTEMPTS):
        append_decision(version, verdict)
        try:
            carry_out(version, verdict, reason)
        except ChampionMovedError:
            if registry.champion(version.pipeline) == version:  # another retrain of this content was faster
                return Decision(version, verdict["outcome"], verdict["reason"], verdict)
            verdict = judge()
        else:
            return Decision(version, verdict["outcome"], verdict["reason"], verdict)
    raise ContestedError(
        f"{version.name}: judged {ATTEMPTS} times, and each time another version had become champion meanwhile. It is "
        f"registered; run the retrain again to have it decided on, or `holdfast promote {version.pipeline} "
        f"{version.number}`."
    )


def append_decision(version: Version, verdict: Mapping[str, Any]) -> None:
    """Write a decision event, with the tree of the event before it."""
    facts = {"version": str(version.number), "reason": verdict["reason"], "verdict": dict(verdict)}
    registry.append(version.pipeline, Event("decision", facts))


def carry_out(version: Version, verdict: Mapping[str, Any], reason: str) -> Promotion | None:
    """Promote what the gate lets in, put what awaits approval on the stage `staging`, and leave the rest."""
    from tasks.version.champion import require_whole

    def still(reigning: Version | None) -> None:
        if name_of(reigning) != verdict["champion"]:
            raise ChampionMovedError(
                f"{version.name} was judged against {verdict['champion']}, champion is {reigning}."
            )

    stage = STAGES.get(verdict["outcome"])
    if stage is None:
        return None
    asked = {"still": still} if stage == "champion" else {}
    with contextlib.suppress(registry.AlreadyChampionError):
        return registry.promote(version.pipeline, version, reason, committer(), stage, require_whole, **asked)
    return None


# ---- a person's word


def require_reason(reason: str) -> None:
    """Refuse a change without a reason before any work is done."""
    if not reason.strip():
        raise registry.NoReasonError(
            "--reason: found nothing. The history tells it to whoever asks later: --reason TEXT."
        )


def answered(decision: Decision, approve: bool, reason: str) -> Decision:
    """Do what a person said about a version that awaits approval."""
    if approve:
        promote(decision.version, reason)
        return Decision(decision.version, "promoted", reason, decision.verdict)
    append_decision(decision.version, {**decision.verdict, "outcome": "refused", "reason": f"refused, {reason}"})
    return Decision(decision.version, "refused", reason, decision.verdict)


def promote(version: Version, reason: str, override: bool = False) -> Promotion:
    """Make a version champion because a person says so.

    Parameters
    ----------
    version : Version
    reason : str
    override : bool
        Whether a version goes that the gate refused, or never judged.

    Raises
    ------
    RefusedVersionError
        Without `override`, about such a version; the text says why it was refused.
    tasks.registry's errors, tasks.version.champion's errors
        The champion is as before.
    """
    from tasks.version.champion import require_whole

    if not override:
        require_let_in(version)
    return registry.promote(version.pipeline, version, reason, committer(), check=require_whole)


def require_let_in(version: Version) -> None:
    """Refuse a version whose last verdict is not one that lets it be champion."""
    decision = newest_decision(registry.events(version.pipeline), str(version.number))
    outcome = decision["verdict"]["outcome"] if decision else None
    if outcome not in STAGES:
        found = f"the gate's verdict is: {decision['reason']}" if decision else "the gate has not judged it"
        raise RefusedVersionError(
            f"{version.name}: {found}. Nothing was promoted. Retrain on what has changed since, or overrule the gate: "
            f"`holdfast promote {version.pipeline} {version.number} --override --reason ...`."
        )


def rollback(pipeline: str, reason: str) -> Promotion:
    """Make the version champion again that was champion before; nothing is trained.

    Raises
    ------
    tasks.registry's errors, tasks.version.champion's errors
        The champion is as before.
    """
    from tasks.version.champion import require_whole

    return registry.rollback(pipeline, reason, committer(), check=require_whole)
