"""When to retrain: the policies that a replay compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from configs.errors import ConfigError
from configs.wording import hint

if TYPE_CHECKING:
    from configs.schema import Pipeline

PERIODS = {"weekly": "%G-W%V", "monthly": "%Y-%m", "yearly": "%Y"}
QUARTERLY = "quarterly"


class UnknownPolicyError(ConfigError):
    """A policy that there is not."""


@dataclass(frozen=True)
class Day:
    """What a policy sees when a batch has arrived.

    Attributes
    ----------
    date : datetime
        In the pipeline's time zone.
    last_made : datetime
        When the newest model was made that was tried as champion, whether it was let in or not.
    alarms : tuple of bool
        Of this batch and those before it since `last_made`: whether its drift was material and no broken feed. Empty
        where nobody watches.
    """

    date: datetime
    last_made: datetime
    alarms: tuple[bool, ...] = ()


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

    def wants(self, day: Day) -> str:
        """Why to retrain now; '' where it does not want to."""
        ...


@dataclass(frozen=True)
class Never:
    """What would have happened without."""

    name: str = "never"
    watches: bool = False

    def wants(self, day: Day) -> str:
        """Nothing."""
        return ""


@dataclass(frozen=True)
class Periodic:
    """With the first batch of each week, month, quarter or year."""

    name: str
    watches: bool = False

    def wants(self, day: Day) -> str:
        """The name of a period that is new."""
        now, before = (period_of(self.name, date) for date in (day.date, day.last_made))
        return f"the first batch of {now}" if now != before else ""


@dataclass(frozen=True)
class OnDrift:
    """When drift is material and no broken feed, in so many of the last batches, after a time of calm."""

    pipeline: Pipeline
    name: str = "drift"
    watches: bool = True

    def wants(self, day: Day) -> str:
        """Why drift lets it retrain."""
        if not day.alarms or not day.alarms[-1]:
            return ""
        if day.date - day.last_made < self.pipeline.retrain.cooldown:
            return ""
        return "material drift"


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
    known: dict[str, Policy] = {"never": Never(), "drift": OnDrift(pipeline)}
    if name not in known:
        names = [*known, *PERIODS, QUARTERLY]
        raise UnknownPolicyError(
            f"there is no policy {name!r}{hint(name, names)}; a policy is one of {', '.join(names)}."
        )
    return known[name]
