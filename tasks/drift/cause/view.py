"""What the detectors look at: a batch's rows in order of time, beside the reference's columns and batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tasks.drift.cause.cause import BatchContext, Cause, Kind
from tasks.drift.cause.distribution import Distribution, distance, rounding, share_below
from tasks.drift.cause.habits import FEW_LEVELS

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.drift.cause.segments import Segment

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Positions = NDArray[np.intp]
    Mask = NDArray[np.bool_]

FEW_BATCHES = 3  # below it, batches do not tell how far apart they ordinarily are
UNKNOWN_SPREAD = 0.15  # distance that is taken for ordinary then
ROOM = 1.25  # times what is ordinary
CHANCE = 1.4  # over the root of the rows: a distance that chance gives
ENOUGH = 200  # rows of a sample, to say what a level is like
FINE = 100  # cells of a distribution that a sample tells
MOST_VALUES = 20_000  # drawn evenly, that a distance is taken of
MOST_BATCHES = 60  # the latest ones, that a batch is held against


@dataclass(frozen=True)
class NumberColumn:
    """A numeric column.

    Attributes
    ----------
    name : str
    values : array of float, shape (n,)
        The batch's, NaN where missing or invalid.
    usual : Distribution
        The reference's.
    batches : array of float, shape (b, k)
        Share of each reference batch's values below each edge of `usual`.
    missing : float
        Share of the reference's rows that have no value.
    most_missing, least_missing : float
        Of a reference batch.
    sample : array of float, shape (s,)
        Values of the reference's sample, NaN where missing; of length 0 where there is no sample.
    private : bool
        Whether no value may be shown.
    """

    name: str
    values: Floats
    usual: Distribution
    batches: Floats
    missing: float
    most_missing: float
    sample: Floats
    private: bool = False
    least_missing: float = 0.0

    def shown(self, value: float) -> str:
        """A value as evidence may show it."""
        return "(private)" if self.private else f"{value:.6g}"

    @cached_property
    def present(self) -> Floats:
        """The batch's values that are there."""
        return self.values[~np.isnan(self.values)]

    @cached_property
    def known_values(self) -> Floats:
        """The sample's values that are there, ascending."""
        return np.sort(self.sample[~np.isnan(self.sample)])

    @cached_property
    def density(self) -> Distribution:
        """The reference's distribution as finely as the sample tells it."""
        values = self.known_values
        if len(values) < 1000:
            return self.usual
        edges = np.unique(np.quantile(values, np.linspace(0, 1, FINE + 1)[1:-1], method="inverted_cdf"))
        edges = np.unique(np.concatenate([edges, np.nextafter(edges, np.inf)]))
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
        return Distribution(edges, counts.astype(np.int64), self.usual.low, self.usual.high)

    @cached_property
    def ordinary(self) -> float:
        """How far a reference batch is, at the most, from the nearest other one."""
        if len(self.batches) < FEW_BATCHES:
            return UNKNOWN_SPREAD
        apart = np.array([np.abs(self.batches - batch).max(axis=1, initial=0.0) for batch in self.batches])
        np.fill_diagonal(apart, np.inf)
        return float(apart.min(axis=1).max())

    @cached_property
    def from_all(self) -> float:
        """How far a reference batch is, at the most, from all of them together."""
        if len(self.batches) < FEW_BATCHES:
            return UNKNOWN_SPREAD
        return float(np.abs(self.batches - self.usual.below).max())

    def nearest(self, values: Floats, room: float | None = None) -> float:
        """How far values are from the nearest reference batch."""
        return self.match(values, room)[0]

    def match(self, values: Floats, room: float | None = None) -> tuple[float, Floats]:
        """The distance to the nearest reference batch, and its share of values below each edge."""
        below = share_below(values[:: max(1, len(values) // MOST_VALUES)], self.usual.edges, room)
        batches = self.batches if len(self.batches) >= FEW_BATCHES else [self.usual.below]
        return min(((distance(below, batch), batch) for batch in batches), key=lambda one: one[0])

    def room(self, rows: int) -> float:
        """How far so many rows may be from the nearest batch, and be like the reference."""
        return float(ROOM * self.ordinary + CHANCE / np.sqrt(max(1, rows)))

    def of_level(self, levels: LevelColumn, level: str) -> Floats:
        """The sample's values in rows of a level of another column."""
        if not len(self.sample) or not len(levels.sample):
            return np.empty(0)
        found: Floats = self.sample[levels.sample == level]
        return np.asarray(found[~np.isnan(found)], dtype=np.float64)

    def usual_share(self, value: float) -> float:
        """Share of the reference's values that are this one, as far as the sample tells; else of its cell."""
        if not self.usual.low <= value <= self.usual.high:
            return 0.0
        if len(self.known_values):
            first, last = (np.searchsorted(self.known_values, value, side=side) for side in ("left", "right"))
            return float(last - first) / len(self.known_values)
        cell = int(np.searchsorted(self.usual.edges, value, side="right"))
        return float(self.usual.counts[cell] / max(1, self.usual.rows))

    @cached_property
    def bulk(self) -> float:
        """From the reference's 5 % quantile to its 95 % quantile."""
        low, high = self.density.quantiles(np.array([0.05, 0.95]))
        return float(high - low)

    @cached_property
    def rounded_to(self) -> float:
        """By how much the batch's values may have been rounded."""
        return rounding(self.present)


@dataclass(frozen=True)
class LevelColumn:
    """A category.

    Attributes
    ----------
    name : str
    codes : array of int, shape (n,)
        The batch's, -1 where missing.
    levels : tuple of str
        What the codes stand for.
    usual : dict of level to float
        Share of the reference's rows that have a value; of the levels that are counted one by one.
    rest : float
        Share of the others.
    batches : array of float, shape (b, levels + 3)
        Share of each reference batch's rows: of the levels in `usual`, of the rest, of new ones, and missing.
    missing : float
    most_missing : float
    is_known : function of level to bool
        Whether the reference has it.
    new : tuple of str
        The batch's levels that the reference lacks.
    sample : array of object, shape (s,)
        Levels of the reference's sample, None where missing.
    private : bool
        Whether no level may be shown.
    """

    name: str
    codes: Positions
    levels: tuple[str, ...]
    usual: Mapping[str, float]
    rest: float
    batches: Floats
    missing: float
    most_missing: float
    is_known: Callable[[str], bool]
    new: tuple[str, ...]
    sample: NDArray[np.object_]
    private: bool = False

    @cached_property
    def counts(self) -> Integers:
        """Rows of each of the batch's levels."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.levels)).astype(np.int64)

    @cached_property
    def known(self) -> tuple[str, ...]:
        """All levels of the reference whose names are kept."""
        return tuple(sorted({*self.usual, *(level for level in self.sample if level is not None)}))

    def shown(self, level: str) -> str:
        """A level as evidence may show it."""
        return "a private level" if self.private else repr(level)

    def rows_of(self, level: str) -> int:
        """How many of the batch's rows have it."""
        return int(self.counts[self.levels.index(level)]) if level in self.levels else 0


@dataclass(frozen=True)
class MomentColumn:
    """A column of moments, in seconds since 1970.

    Attributes
    ----------
    name : str
    values : array of float, shape (n,)
        The batch's, NaN where missing.
    first, last : float
        Of the reference.
    private : bool
        Whether no moment may be shown.
    """

    name: str
    values: Floats
    first: float
    last: float
    private: bool = False

    def shown(self, moment: float) -> str:
        """A moment as evidence may show it."""
        return "(private)" if self.private else iso(moment)


@dataclass(frozen=True)
class Span:
    """When a reference batch began and ended, in seconds since 1970 (None where rows have no time), and its size.

    `week` holds its rows by hour of the week, or nothing.
    """

    name: str
    start: float | None
    end: float | None
    rows: int
    week: Integers | None


@dataclass(frozen=True)
class View:
    """A batch of n rows, in order of time where it is known.

    Attributes
    ----------
    rows : int
    times : array of float, shape (n,), or None
        Seconds since 1970, ascending; NaN where missing.
    local : array of float, shape (n,), or None
        The same as the clocks of the column's own zone showed it.
    table : Table
        The same rows.
    numbers : dict of column to NumberColumn
    levels : dict of column to LevelColumn
    moments : dict of column to MomentColumn
        Whether or not they are the column of time.
    mistyped : dict of column to str
        Columns whose values are of another type than the reference's: which.
    absent : tuple of str
        Columns of the reference that the batch lacks.
    spans : tuple of Span
        The reference's batches, oldest first.
    sample_rows : int
    sample_copies : float
        Share of pairs of the sample's rows that are the same.
    week : array of int, shape (168,), or None
        The reference's rows by hour of the week.
    sample_local : array of float, shape (s,)
        Moments of the reference's sample, as `local`.
    context : BatchContext
    """

    rows: int
    times: Floats | None
    local: Floats | None
    table: pa.Table
    numbers: Mapping[str, NumberColumn]
    levels: Mapping[str, LevelColumn]
    moments: Mapping[str, MomentColumn]
    mistyped: Mapping[str, str]
    absent: tuple[str, ...]
    spans: tuple[Span, ...]
    sample_rows: int
    sample_copies: float
    week: Integers | None
    sample_local: Floats
    context: BatchContext

    @cached_property
    def groups(self) -> dict[str, tuple[Positions, tuple[str, ...]]]:
        """Categories with few levels: one of these may be a site whose feed is broken."""
        return {
            name: (column.codes, column.levels)
            for name, column in self.levels.items()
            if not column.private
            and 2 <= len(column.usual) <= FEW_LEVELS
            and column.rest == 0
            and 2 <= len(column.levels) <= 2 * FEW_LEVELS
        }

    @cached_property
    def clock(self) -> float:
        """By how many seconds the column's own clock is ahead of UTC, on the median."""
        if self.times is None or self.local is None or np.isnan(self.times).all():
            return 0.0
        return float(np.nanmedian(self.local - self.times))

    def apart(
        self, column: NumberColumn, segment: Segment, values: Floats, room: float | None = None
    ) -> tuple[float, float]:
        """How far a segment's values are from the reference, and how far is ordinary.

        From the nearest batch; of one level's rows from the sample's rows of that level, where these are enough.
        """
        known = self.sampled(column, segment)
        if known is None:
            return column.nearest(values, room), column.room(len(values))
        chance = CHANCE / np.sqrt(max(1, len(values))) + CHANCE / np.sqrt(len(known))
        below = share_below(known, column.usual.edges)[0]
        found = distance(share_below(values, column.usual.edges, room), below)
        return found, float(ROOM * column.from_all + chance)

    def sampled(self, column: NumberColumn, segment: Segment) -> Floats | None:
        """The sample's values of the segment's level; None where that is all levels, or the sample has too few."""
        if segment.level is None:
            return None
        known = column.of_level(self.levels[segment.level[0]], segment.level[1])
        return known if len(known) >= ENOUGH else None

    def owner(self, *columns: str) -> str | None:
        """Who is told of these columns."""
        return next((self.context.owners[name] for name in columns if name in self.context.owners), self.context.owner)

    def moment(self, place: int | None) -> str | None:
        """When a row happened, or which it is."""
        if place is None:
            return None
        if self.times is None or np.isnan(self.times[place]):
            return f"row {place + 1}"
        return iso(self.times[place])

    def where(self, segment: Segment) -> str:
        """Which rows a segment holds, in words."""
        text = "all rows" if segment.level is None else f"rows of {segment.level[0]} {segment.level[1]!r}"
        if segment.first is not None:
            text += f" from {self.moment(segment.first)}"
        return text if segment.last is None else f"{text} until {self.moment(segment.last)}"

    def cause(
        self, kind: Kind, columns: tuple[str, ...], segment: Segment | None, evidence: str, confidence: float
    ) -> Cause:
        """A broken feed, with its owner and its beginning."""
        began = None if segment is None else self.moment(segment.first)
        where = "all rows" if segment is None else self.where(segment)
        sure = float(np.clip(confidence, 0.0, 0.99))
        return Cause(kind, True, columns, began, where, evidence, round(sure, 3), self.owner(*columns))


def iso(moment: float) -> str:
    """Seconds since 1970 as text.

    >>> iso(0.0)
    '1970-01-01T00:00:00Z'
    """
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
