"""Which batches arrived when: a batch is there once its last row has happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from configs.errors import ConfigError, DataError
from configs.wording import hint
from tasks.split import time_values
from tasks.splitting.folds import microseconds
from tasks.store import file_hash
from tasks.table import batch_files, read_table, to_frame
from tasks.target import is_text, target_column

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    import pandas as pd

    from configs.schema import Pipeline

SECOND = 1_000_000  # microseconds


class NoSuchPeriodError(ConfigError):
    """A replay is to begin or end where no batch is."""


@dataclass(frozen=True)
class Arrival:
    """One batch of valid rows.

    Attributes
    ----------
    batch : str
    file : Path
    hash : str
        Of the file's bytes.
    rows : int
    first, last : int
        When its first and last row happened: microseconds since 1970, UTC. It arrives with its last row.
    labelled : int or None
        Rows whose target is known; None where its numbers stand for classes, or some are none that a model could learn,
        so that they mean something only together with those of all batches.
    untimed : int
        Rows of which nobody knows when they happened.
    """

    batch: str
    file: Path
    hash: str
    rows: int
    first: int
    last: int
    labelled: int | None = None
    untimed: int = 0

    def date(self, zone: ZoneInfo) -> datetime:
        """When it arrived, in a time zone."""
        return datetime.fromtimestamp(self.last / SECOND, UTC).astimezone(zone)


def arrivals(pipeline: Pipeline) -> tuple[Arrival, ...]:
    """All batches of valid rows, in the order of their arrival.

    Raises
    ------
    ConfigError
        If no time column is declared: nothing says what was known when.
    DataError
        If there is no batch, or one has no time at all.
    """
    if pipeline.time.column is None:
        raise ConfigError(
            f"configs/{pipeline.name}.yaml: time.column is not declared, so nothing says which rows were known when. "
            "Declare the column that says when a row happened, or compare models by hand with `holdfast retrain`."
        )
    found = [arrival(pipeline, file) for file in batch_files(Path(f"data/valid/{pipeline.name}"))]
    return tuple(sorted(found, key=lambda each: (each.last, each.batch)))


def arrival(pipeline: Pipeline, file: Path) -> Arrival:
    """Read when the rows of one batch happened."""
    target = target_column(pipeline.target)
    frame = to_frame(read_table(file, list(dict.fromkeys([str(pipeline.time.column), target]))))
    times = time_values(frame, pipeline)
    known = times.dropna() if times is not None else times
    if known is None or known.empty:
        raise DataError(f"{file}: no row has a {pipeline.time.column!r}; at least one was expected. Quarantine it.")
    instants = microseconds(known)
    bounds, labelled = (int(instants.min()), int(instants.max())), labelled_rows(frame[target], pipeline)
    return Arrival(file.stem, file, file_hash(file), len(frame), *bounds, labelled, len(frame) - len(known))


def labelled_rows(values: pd.Series, pipeline: Pipeline) -> int | None:
    """How many rows have a target that stands for itself; see `Arrival.labelled`."""
    import pandas as pd

    if pipeline.task == "multiclass" or is_text(values) or not pd.api.types.is_numeric_dtype(values):
        return None
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    there = numbers[~np.isnan(numbers)]
    in_two = pipeline.task == "regression" or pipeline.target.above is not None or np.isin(there, (0.0, 1.0)).all()
    return len(there) if in_two and np.isfinite(there).all() else None


def between(
    found: Sequence[Arrival], first: str | None, last: str | None, zone: ZoneInfo
) -> tuple[list[Arrival], list[Arrival]]:
    """The batches that are there when a replay begins, and those that it lives through.

    Parameters
    ----------
    found : sequence of Arrival
        In order of arrival.
    first, last : str, optional
        Of those that it lives through: the beginning of a date, such as 2013, 2013-04 or 2013-04-30, or a batch's name.
        By default the second batch and the last.
    zone : ZoneInfo
        In which dates are meant.

    Raises
    ------
    NoSuchPeriodError
        If a bound names no batch, the last comes before the first, or no batch is there before the first.
    """
    start = 1 if first is None else place_of(found, first, zone, after=False)
    end = len(found) if last is None else place_of(found, last, zone, after=True)
    if start >= end:
        raise NoSuchPeriodError(
            f"no batch arrives from {first or 'the second'} to {last or 'the last'}; there are {told(found)}."
        )
    if start == 0:
        raise NoSuchPeriodError(
            f"the first batch, {found[0].batch!r}, has none before it to train a first model on. Begin later: --from."
        )
    return list(found[:start]), list(found[start:end])


def place_of(found: Sequence[Arrival], bound: str, zone: ZoneInfo, *, after: bool) -> int:
    """Where the batches of a date or name begin, or end."""
    places = [
        place
        for place, each in enumerate(found)
        if each.batch == bound or each.date(zone).isoformat().startswith(bound)
    ]
    if not places:
        raise NoSuchPeriodError(
            f"no batch is named {bound!r} or arrived on such a date{hint(bound, [each.batch for each in found])}; "
            f"there are {told(found)}."
        )
    return places[-1] + 1 if after else places[0]


def told(found: Sequence[Arrival]) -> str:
    """The batches in a few words."""
    return f"{len(found)} batches, from {found[0].batch!r} to {found[-1].batch!r}"
