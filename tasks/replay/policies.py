"""When to retrain: the policies that a replay compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from configs.errors import ConfigError
from configs.wording import hint
from tasks.monitoring.decision import Inputs, Seen, decide, window_of
from tasks.monitoring.decision import policy_of as policy_of_section

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from configs.sections.loop import Retrain
    from tasks.monitoring.signal import Signal

NONE = timedelta(0)
PERIODS = {"weekly": "%G-W%V", "monthly": "%Y-%m", "yearly": "%Y"}
QUARTERLY = "quarterly"


class UnknownPolicyError(ConfigError):
    """A policy that there is not."""


@dataclass(frozen=True)
class Day:
    """What a policy sees when it decides, after a batch has arrived.

    Attributes
    ----------
    date : datetime
        Of the decision, in the pipeline's time zone.
    last_made : datetime
        When the newest model was made that was tried as champion, whether it was let in or not.
    champion : str
        Its name.
    signals : tuple of Signal
        What monitoring kept of each batch since the champion came into force, oldest first. Empty where nobody watches.
    landed : tuple of datetime
        When each of them arrived.
    rows : int
        That arrived since `last_made`.
    on_drift : datetime or None
        When the newest model was made that drift brought about.
    cost : float or None
        CPU seconds of the last retrain.
    """

    date: datetime
    last_made: datetime
    champion: str = ""
    signals: tuple[Signal, ...] = ()
    landed: tuple[datetime, ...] = ()
    rows: int = 0
    on_drift: datetime | None = None
    cost: float | None = None


class Policy(Protocol):
    """Says when to retrain."""

    @property
    def name(self) -> str:
        """What a replay calls it."""
        ...

    @property
    def watches(self) -> bool:
        """Whether it looks at the drift of each batch."""
        ...

    @property
    def patience(self) -> timedelta:
        """How long after a batch it decides, where the next one has not come by then."""
        ...

    def wants(self, day: Day) -> str:
        """Why to retrain now; '' where it does not want to."""
        ...


@dataclass(frozen=True)
class Never:
    """What would have happened without."""

    name: str = "never"
    watches: bool = False
    patience: timedelta = NONE

    def wants(self, day: Day) -> str:
        """Nothing."""
        return ""


@dataclass(frozen=True)
class Periodic:
    """With the first batch of each week, month, quarter or year."""

    name: str
    watches: bool = False
    patience: timedelta = NONE

    def wants(self, day: Day) -> str:
        """The name of a period that is new."""
        now, before = (period_of(self.name, date) for date in (day.date, day.last_made))
        return f"the first batch of {now}" if now != before else ""


@dataclass(frozen=True)
class OnDrift:
    """As monitoring would decide, by the declared `retrain`, with drift among what starts one."""

    retrain: Retrain
    name: str = "drift"
    watches: bool = True

    @property
    def patience(self) -> timedelta:
        """As long as labels are waited for."""
        return self.retrain.wait_for_labels

    def wants(self, day: Day) -> str:
        """What monitoring's rules say, where they say to retrain."""
        declared = policy_of_section(self.retrain)
        policy = replace(declared, on=(*declared.on, "drift"))
        seen = window_of(
            [Seen(each.batch, each.material, each.performance, each.cause) for each in day.signals], policy
        )
        calling = [at for at, each in zip(day.landed, day.signals, strict=True) if each.is_alarm]
        gains = [
            (each.gain, each.unit) for each in day.signals[-len(seen) :] if each.gain is not None and each.is_alarm
        ]
        gain, unit = gains[-1] if gains else (None, None)
        inputs = Inputs(
            champion=day.champion,
            seen=seen,
            rows=day.rows,
            since_retrain=None if day.on_drift is None else seconds(day.date - day.on_drift),
            since_landing=seconds(day.date - (calling or [day.date])[-1]),
            gain=gain,
            unit=unit,
            cost=day.cost,
        )
        decision = decide(inputs, policy)
        return decision.reason if decision.outcome == "retrain" else ""


def seconds(since: timedelta) -> int:
    """Whole seconds."""
    return int(since.total_seconds())


def period_of(name: str, date: datetime) -> str:
    """The name of the period that a date is in.

    >>> period_of("quarterly", datetime(2013, 5, 3)), period_of("weekly", datetime(2013, 12, 31))
    ('2013-Q2', '2014-W01')
    """
    if name == QUARTERLY:
        return f"{date.year}-Q{(date.month + 2) // 3}"
    return date.strftime(PERIODS[name])


def policies_of(names: Sequence[str], pipeline: Pipeline) -> list[Policy]:
    """The policies by their names.

    Raises
    ------
    UnknownPolicyError
        Names the nearest one.
    """
    return [policy_of(name, pipeline) for name in dict.fromkeys(names)]


def policy_of(name: str, pipeline: Pipeline) -> Policy:
    """The policy of a name."""
    if name in PERIODS or name == QUARTERLY:
        return Periodic(name)
    known: dict[str, Policy] = {"never": Never(), "drift": OnDrift(pipeline.retrain)}
    if name not in known:
        names = [*known, *PERIODS, QUARTERLY]
        raise UnknownPolicyError(
            f"there is no policy {name!r}{hint(name, names)}; a policy is one of {', '.join(names)}."
        )
    return known[name]
