"""How often a batch comes, and so how many false alarms per batch a budget per quarter leaves.

Nobody thinks in false alarms per batch. What a user can say is how often to be woken for nothing; the batches' own
times say how many of them share that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Literal

from configs.sections.drift import DAYS_PER, Drift, per_day

Span = tuple[datetime | None, datetime | None]
DAY = timedelta(days=1)
ASSUMED = 1.0  # batches per day, where nothing tells: rather more often than they come, so rather too few alarms
MOST = 0.5  # of the batches: with more, an alarm says less than a coin
KNOWN_BY = {
    "declared": "as drift.batches declares",
    "times": "as the batches' own times say",
    "assumed": "an assumption, since neither drift.batches nor times tell",
}


@dataclass(frozen=True)
class Schedule:
    """A budget of false alarms, and the batches that share it.

    Attributes
    ----------
    false_alarms : float, > 0
        Per `period`.
    period : {"week", "month", "quarter", "year"}
    batches : float, > 0
        Per `period`.
    known_by : {"declared", "times", "assumed"}
    """

    false_alarms: float
    period: Literal["week", "month", "quarter", "year"]
    batches: float
    known_by: Literal["declared", "times", "assumed"]

    @property
    def capped(self) -> bool:
        """Whether the budget alone would let more than every second batch alarm."""
        return self.false_alarms / self.batches > MOST

    @property
    def batches_judged(self) -> float:
        """Batches per period as thresholds are set by: no more than every second one may alarm for nothing."""
        return max(self.batches, self.false_alarms / MOST)

    @property
    def alpha(self) -> float:
        """Chance of a false alarm that one batch has."""
        return self.false_alarms / self.batches_judged

    @property
    def sentence(self) -> str:
        """The conversion, in words.

        >>> Schedule(1, "quarter", 3.0, "times").sentence
        "1 false alarm per quarter of 3.0 batches, as the batches' own times say: 1 in 3.0 batches"
        """
        alarms = f"{self.false_alarms:g} false alarm{'s' * (self.false_alarms != 1)}"
        one_in = f"1 in {self.batches_judged / self.false_alarms:,.1f} batches"
        cut = ", the most that is put up with" if self.capped else ""
        return f"{alarms} per {self.period} of {self.batches:,.1f} batches, {KNOWN_BY[self.known_by]}: {one_in}{cut}"


def schedule_of(drift: Drift, spans: Mapping[str, Span]) -> Schedule:
    """Convert a declared budget to one of batches.

    Parameters
    ----------
    drift : Drift
        `false_alarms`, and `batches` where it is declared.
    spans : mapping of batch to (datetime or None, datetime or None)
        Time of the first and of the last row of each reference batch.

    Returns
    -------
    Schedule
        Declared goes before what times tell, and times before an assumption: 1 batch per day.

    Examples
    --------
    >>> january, february = datetime(2013, 1, 1), datetime(2013, 2, 1)
    >>> spans = {"2013-01": (january, february), "2013-02": (february, datetime(2013, 3, 1))}
    >>> round(schedule_of(Drift(false_alarms="1 per quarter"), spans).batches, 2)
    2.95
    """
    number, _, period = drift.false_alarms.split(" ")
    told = rhythm(spans.values())
    if drift.batches is not None:
        daily, known_by = per_day(drift.batches), "declared"
    elif told is not None:
        daily, known_by = DAY / told, "times"
    else:
        daily, known_by = ASSUMED, "assumed"
    return Schedule(float(number), period, daily * DAYS_PER[period], known_by)  # type: ignore[arg-type]


def rhythm(spans: Iterable[Span]) -> timedelta | None:
    """The usual time from the start of one batch to that of the next; None where times do not tell.

    The median, so that a batch that came late, or a gap, moves nothing. One batch alone tells by its own length.

    >>> days = [datetime(2020, 1, day) for day in (1, 2, 3, 9)]
    >>> rhythm((day, day) for day in days)
    datetime.timedelta(days=1)
    """
    known = [(start, end) for start, end in spans if start is not None and end is not None]
    starts = sorted({start for start, _ in known})
    gaps = [after - before for before, after in pairwise(starts)] or [end - start for start, end in known]
    found = median(gap.total_seconds() for gap in gaps) if gaps else 0.0
    return timedelta(seconds=found) if found > 0 else None
