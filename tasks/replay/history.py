"""One policy's way through history: batch by batch, with what was known when each arrived."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from configs.errors import DataError
from tasks.monitoring.signal import signal_from
from tasks.replay.arrivals import SECOND, Arrival
from tasks.replay.contest import contest_on
from tasks.replay.known import known_at
from tasks.replay.losses import loss_of
from tasks.replay.making import Kept, Made
from tasks.replay.policies import Day, Policy

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from configs.schema import Pipeline
    from tasks.monitoring.signal import Signal

Watch = Callable[[Made, Arrival], dict[str, Any]]  # `signal` and `cpu_seconds`


@dataclass(frozen=True)
class Step:
    """What happened when one batch arrived.

    Attributes
    ----------
    batch : str
    date : datetime
    made : datetime
        When the model was made that predicted the batch.
    rows : int
        With a label.
    loss, metric : float or None
        The declared metric, as a loss and as it is; None where it is undefined.
    alarm : str
        What the drift verdict said, where it was material; else ''.
    reason : str
        Why a model was made after the batch; '' where none was.
    outcome : str
        promoted, refused, awaits approval, or failed and why; '' where no model was made.
    cpu_seconds : float
        Of watching, making and judging; not of predicting, which every policy does.
    """

    batch: str
    date: datetime
    made: datetime
    rows: int
    loss: float | None
    metric: float | None
    alarm: str = ""
    reason: str = ""
    outcome: str = ""
    cpu_seconds: float = 0.0


@dataclass
class Life:
    """A policy's state while it lives through history."""

    champion: Made
    last_tried: datetime
    made: datetime
    signals: list[Signal] = field(default_factory=list)
    landed: list[datetime] = field(default_factory=list)
    rows: int = 0
    on_drift: datetime | None = None
    cost: float | None = None


@dataclass(frozen=True)
class Replayed:
    """What a policy came to."""

    policy: str
    steps: tuple[Step, ...]

    @property
    def loss(self) -> float:
        """Mean of the batches' losses, weighted by their rows."""
        told = [(step.rows, step.loss) for step in self.steps if step.loss is not None]
        rows = sum(each for each, _ in told)
        return sum(each * loss for each, loss in told) / rows if rows else float("nan")

    def count(self, outcome: str) -> int:
        """How many retrains ended so."""
        return sum(step.outcome.partition(":")[0] == outcome for step in self.steps)

    @property
    def retrains(self) -> int:
        """How many models were made."""
        return sum(bool(step.outcome) for step in self.steps)

    @property
    def alarms(self) -> int:
        """How many batches drifted materially."""
        return sum(bool(step.alarm) for step in self.steps)

    @property
    def cpu_seconds(self) -> float:
        """Of watching, making and judging."""
        return sum(step.cpu_seconds for step in self.steps)


def replayed(
    policy: Policy, before: Sequence[Arrival], through: Sequence[Arrival], kept: Kept, watch: Watch
) -> Replayed:
    """Let one policy live through history.

    Parameters
    ----------
    policy : Policy
    before : sequence of Arrival
        What is there when it begins: the first model is made of it.
    through : sequence of Arrival
        What arrives, one after the other.
    kept : Kept
    watch : callable
        The drift verdict of a batch for a model.
    """
    pipeline, zone = kept.pipeline, zone_of(kept.pipeline)
    start = before[-1]
    champion, date = kept.model(known_at(before, start.last, pipeline)), start.date(zone)
    life, steps, arrived = Life(champion, date, date), [], list(before)
    for arrival, upcoming in zip_longest(through, through[1:]):
        arrived.append(arrival)
        steps.append(step_of(policy, life, arrived, upcoming, kept, watch))
    return Replayed(policy.name, tuple(steps))


def step_of(  # noqa: PLR0913, PLR0917  # whose step, and where
    policy: Policy, life: Life, arrived: Sequence[Arrival], upcoming: Arrival | None, kept: Kept, watch: Watch
) -> Step:
    """One batch arrives: it is predicted, watched, and perhaps learned from; changes `life`."""
    arrival, zone = arrived[-1], zone_of(kept.pipeline)
    date, cost = arrival.date(zone), loss_of(kept, life.champion, arrival)
    told: dict[str, Any] = {"batch": arrival.batch, "date": date, "made": life.made, "rows": cost["rows"]}
    told |= {"loss": cost["loss"], "metric": cost["metric"]}
    seconds = watched(life, arrival, date, kept, watch) if policy.watches else 0.0
    alarm = life.signals[-1] if life.signals and life.signals[-1].is_alarm else None
    told["alarm"] = alarm.sentence if alarm else ""
    life.rows += arrival.rows
    decided = date + policy.patience
    if upcoming is not None and decided > upcoming.date(zone):
        decided = date
    reason = policy.wants(day_of(life, decided))
    if not reason:
        return Step(**told, cpu_seconds=seconds)
    outcome, more = retrained(life, arrived, decided, policy, kept)
    return Step(**told, reason=reason, outcome=outcome, cpu_seconds=seconds + more)


def watched(life: Life, arrival: Arrival, date: datetime, kept: Kept, watch: Watch) -> float:
    """Hold a batch against the champion's profile; changes `life`; the CPU seconds that it took."""
    seen = watch(life.champion, arrival)
    life.signals.append(signal_from(seen["signal"]))
    life.landed.append(date)
    return float(seen["cpu_seconds"])


def day_of(life: Life, date: datetime) -> Day:
    """What a policy sees on a day."""
    name = life.champion.manifest_sha256[:8]
    signals, landed = tuple(life.signals), tuple(life.landed)
    return Day(date, life.last_tried, name, signals, landed, life.rows, life.on_drift, life.cost)


def retrained(life: Life, arrived: Sequence[Arrival], date: datetime, policy: Policy, kept: Kept) -> tuple[str, float]:
    """Make a model of what is known now and hold it against the champion; changes `life`.

    Returns
    -------
    outcome, cpu_seconds
        A training that its data do not allow has failed, and costs nothing that is counted.
    """
    known = known_at(arrived, int(date.timestamp() * SECOND), kept.pipeline)
    life.last_tried, life.rows = date, 0
    try:
        challenger = kept.model(known)
    except DataError as error:
        return f"failed: {error}", 0.0
    verdict = contest_on(kept, known, life.champion, challenger)
    life.cost = challenger.cpu_seconds + verdict["cpu_seconds"]
    life.on_drift = date if policy.watches else life.on_drift
    if verdict["outcome"] == "promoted":
        life.champion, life.made, life.signals, life.landed = challenger, date, [], []
    return verdict["outcome"], life.cost


def zone_of(pipeline: Pipeline) -> ZoneInfo:
    """The time zone that the pipeline's dates are meant in."""
    from zoneinfo import ZoneInfo

    return ZoneInfo(pipeline.time.timezone or "UTC")
