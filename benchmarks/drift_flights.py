"""Quiet streams of real rows for `drift_quality.py`: one month of the flights demo, its days drawn into batches.

A batch is DAYS days of the month, drawn anew with replacement, for the history and for what is judged alike. So nothing
changes by construction, while rows are alike within a day - weather, schedule and its delays - as real ones are. Each
day is counted once, and a batch is the sum of its days: the same counts as those of its rows. The cells are laid on
the whole month, so a history of few batches knows levels that none of its days has: `new_levels` and `range` are
quiet here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, reduce
from operator import add
from typing import NamedTuple

import drift_streams
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from drift_streams import Batches

from tasks.demo import flights
from tasks.drift.profile import Block, Covariance, Declared, Grid, Profile, Summary, make_profile, observe

FLIGHT_KINDS = {"flights": "2013-05"}
DAYS = 3
NUMBERS = ("sched_dep_time", "sched_arr_time", "dep_delay", "arr_delay", "air_time", "distance", "hour", "minute")
CATEGORIES = ("carrier", "flight", "tailnum", "origin", "dest")
COLUMNS = (*NUMBERS, *CATEGORIES)


class Month(NamedTuple):
    """A month's days.

    `summaries` are what `observe` finds of each; `counts`, of each column, rows by value and missing ones, shape
    (days, values + 1); `values` those of numbers.
    """

    tables: list[pa.Table]
    grid: Grid
    summaries: list[Summary]
    counts: tuple[np.ndarray, ...]
    values: tuple[np.ndarray | None, ...]


@cache
def month(name: str) -> Month:
    """Read a month of the demo."""
    from pyarrow import csv

    types = {**dict.fromkeys(NUMBERS, pa.float64()), **dict.fromkeys(CATEGORIES, pa.string())}
    options = csv.ConvertOptions(column_types=types, null_values=["", "NA"], strings_can_be_null=True)
    rows = csv.read_csv(io.BytesIO(flights()[f"flights/{name}.csv"]), convert_options=options)
    tables = list(by_day(rows))
    declared = Declared("flights", dict.fromkeys(COLUMNS, "feature"))
    grid = make_profile([(f"{day:02}", table) for day, table in enumerate(tables)], declared, rows=0).grid
    summaries = [observe(table, grid) for table in tables]
    counted = [counts_by_value(tables, column) for column in COLUMNS]
    return Month(tables, grid, summaries, *zip(*counted, strict=True))


def by_day(rows: pa.Table) -> Iterator[pa.Table]:
    """The rows of each day."""
    for day in np.unique(rows["day"].to_numpy()):
        yield rows.filter(pc.equal(rows["day"], int(day))).select(COLUMNS)


def counts_by_value(tables: list[pa.Table], column: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows per day and value, the last of which is that there is none; and the values, of a number."""
    known = np.unique(np.concatenate([table[column].drop_null().to_numpy() for table in tables]))
    found = np.zeros((len(tables), len(known) + 1), dtype=np.int64)
    for day, table in enumerate(tables):
        places = np.searchsorted(known, table[column].drop_null().to_numpy())
        found[day, :-1] = np.bincount(places, minlength=len(known))
        found[day, -1] = table[column].null_count
    return found, known if column in NUMBERS else None


@dataclass(frozen=True)
class FlightBatches(Batches):
    """Batches of drawn days, shape (batches, DAYS)."""

    month: str = ""
    drawn: np.ndarray | None = None

    def part(self, which: slice) -> FlightBatches:
        """Some of them."""
        counts = tuple(counts[which] for counts in self.counts)
        return replace(self, counts=counts, days=self.days[which], drawn=self.drawn[which])

    def names(self) -> list[str]:
        """Names of the columns."""
        return list(COLUMNS)

    def summaries(self) -> list[Summary]:
        """What `observe` would find; when drawn days are from says nothing."""
        found = month(self.month).summaries
        sums = [reduce(add, [found[day] for day in days]) for days in self.drawn]
        return [replace(each, start=None, end=None, outside={}) for each in sums]

    def profile(self) -> Profile:
        """The profile of all of them; a batch is a block."""
        blocks = tuple(Block(f"{place:06}", each) for place, each in zip(self.days, self.summaries(), strict=True))
        total = replace(reduce(add, [block.summary for block in blocks]), outside={})
        nothing = Covariance((), np.empty(0), np.empty((0, 0), dtype=np.int64), np.empty((0, 0)))
        return Profile("flights", month(self.month).grid, blocks, total, nothing)


@dataclass(frozen=True)
class FlightStream:
    """Batches of one month, such as "2013-05"."""

    name: str

    @property
    def kind(self) -> str:
        """As it is called in the output."""
        return f"flights of {self.name}"

    @property
    def columns(self) -> int:
        """How many there are."""
        return len(COLUMNS)

    @property
    def rows(self) -> int:
        """Of a batch, on average."""
        found = month(self.name).summaries
        return round(DAYS * sum(each.rows for each in found) / len(found))

    def batches(self, number: int, many: int, *, quiet: int = 0) -> FlightBatches:
        """Reference `number`: so many batches, the history's and those to judge, all of the same law."""
        del quiet
        found = month(self.name)
        drawn = np.random.default_rng([drift_streams.SEED, number]).integers(len(found.summaries), size=(many, DAYS))
        kinds = tuple("number" if column in NUMBERS else "category" for column in COLUMNS)
        counts = tuple(counts[drawn].sum(axis=1) for counts in found.counts)
        return FlightBatches(kinds, counts, np.arange(many), self.rows, None, found.values, self.name, drawn)
