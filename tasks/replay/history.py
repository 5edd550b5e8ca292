"""One policy's way through history: batch by batch, with what was known when each arrived."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from configs.errors import DataError
from tasks.replay.arrivals import Arrival
from tasks.replay.contest import contest_on
from tasks.replay.known import known_at
from tasks.replay.losses import loss_of
from tasks.replay.making import Kept, Made
from tasks.replay.policies import Day, Policy

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from configs.schema import Pipeline

Watch = Callable[[Made, Arrival], dict[str, Any]]  # `material`, `feed`, `sentence`, `cpu_seconds`


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
    alarms: list[bool] = field(default_factory=list)


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
    for arrival in through:
        arrived.append(arrival)
        steps.append(step_of(policy, life, arrived, kept, watch))
    return Replayed(policy.name, tuple(steps))


def step_of(policy: Policy, life: Life, arrived: Sequence[Arrival], kept: Kept, watch: Watch) -> Step:
    """One batch arrives: it is predicted, watched, and perhaps learned from; changes `life`."""
    arrival, pipeline = arrived[-1], kept.pipeline
    date, cost = arrival.date(zone_of(pipeline)), loss_of(kept, life.champion, arrival)
    told: dict[str, Any] = {"batch": arrival.batch, "date": date, "made": life.made, "rows": cost["rows"]}
    told |= {"loss": cost["loss"], "metric": cost["metric"]}
    seconds = 0.0
    if policy.watches:
        seen = watch(life.champion, arrival)
        seconds += seen["cpu_seconds"]
        life.alarms.append(bool(seen["material"]) and not seen["feed"])
        told["alarm"] = seen["sentence"] if seen["material"] else ""
    reason = policy.wants(Day(date, life.last_tried, tuple(life.alarms)))
    if not reason:
        return Step(**told, cpu_seconds=seconds)
    outcome, more = retrained(life, arrived, date, kept)
    return Step(**told, reason=reason, outcome=outcome, cpu_seconds=seconds + more)


def retrained(life: Life, arrived: Sequence[Arrival], date: datetime, kept: Kept) -> tuple[str, float]:
    """Make a model of what is known now and hold it against the champion; changes `life`.

    Returns
    -------
    outcome, cpu_seconds
        A training that its data do not allow has failed, and costs nothing that is counted.
    """
    known = known_at(arrived, arrived[-1].last, kept.pipeline)
    life.last_tried, life.alarms = date, []
    try:
        challenger = kept.model(known)
    except DataError as error:
        return f"failed: {error}", 0.0
    verdict = contest_on(kept, known, life.champion, challenger)
    if verdict["outcome"] == "promoted":
        life.champion, life.made = challenger, date
    return verdict["outcome"], challenger.cpu_seconds + verdict["cpu_seconds"]


def zone_of(pipeline: Pipeline) -> ZoneInfo:
    """The time zone that the pipeline's dates are meant in."""
    from zoneinfo import ZoneInfo

    return ZoneInfo(pipeline.time.timezone or "UTC")
