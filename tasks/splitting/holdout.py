"""Which rows are held out, which are trained on, and why the others are neither."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from configs.errors import ConfigError, DataError
from configs.schema import Pipeline
from configs.sections.values import format_duration, parse_duration
from tasks.splitting.folds import (
    MICROSECOND,
    TooFewRowsError,
    group_codes,
    lack,
    latest_share,
    order_keys,
    share_of_groups,
    strata,
    stratified_share,
)
from tasks.table import line_of_row

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tasks.splitting.folds import Integers, Mask

NO_TIME = np.iinfo(np.int64).min  # what NaT is as an integer


class HoldoutError(DataError):
    """The declared holdout, window or gap leaves no rows to train on or to judge by."""


@dataclass(frozen=True)
class Rows:
    """What a split looks at, one entry per row, in any order.

    Attributes
    ----------
    batch, line : Series of str and int
        The row's name.
    target : array of float64
        NaN where it is not known.
    times : array of int64 or None
        Microseconds since 1970, UTC; `NO_TIME` where missing.
    groups : array of object or None
        None where missing.
    classes : tuple of str, or None
        What the numbers of a target of classes stand for.
    """

    batch: pd.Series
    line: pd.Series
    target: NDArray[np.float64]
    times: Integers | None
    groups: NDArray[np.object_] | None
    classes: tuple[str, ...] | None = None

    def where(self, chosen: Mask) -> Rows:
        """Some of the rows."""
        return Rows(
            self.batch[chosen],
            self.line[chosen],
            self.target[chosen],
            None if self.times is None else self.times[chosen],
            None if self.groups is None else self.groups[chosen],
            self.classes,
        )


def embargo(pipeline: Pipeline) -> timedelta:
    """How long before the first row that is judged the last row ends that is learnt from: `known_after` and `gap`."""
    return pipeline.target.known_after + pipeline.split.gap


def needs_every_class(pipeline: Pipeline) -> bool:
    """Whether the metric is known only of rows of every class."""
    return pipeline.task == "binary" or pipeline.metric == "roc_auc"


def held_out(rows: Rows, pipeline: Pipeline) -> tuple[Mask, Mask]:
    """The holdout, and the rows that are neither held out nor trained on because another row of the holdout is.

    Returns
    -------
    held, apart : arrays of bool, shape (n,)
        Where groups are declared no group has rows on both sides: of the latest rows those of some groups are held
        out, `1 / split.folds` of them in a seeded order, and those of groups that were not seen before; `apart` are the
        latest rows of other groups and the earlier rows of held groups.

    Raises
    ------
    HoldoutError
        If nothing can be held apart.
    """
    chosen = share_or_batches(rows, pipeline)
    if rows.groups is None:
        return chosen, np.zeros_like(chosen)
    codes = group_codes(rows.groups)
    if pipeline.split_kind == "time" or pipeline.split.holdout.endswith(("batch", "batches")):
        held = chosen & some_groups(rows, codes, chosen, pipeline)
    else:
        held = chosen
    return held, ~held & (chosen | np.isin(codes, codes[held]))


def some_groups(rows: Rows, codes: Integers, latest: Mask, pipeline: Pipeline) -> Mask:
    """The rows of the groups that the holdout takes: some of those seen before, and all that are new in it."""
    returning = latest & np.isin(codes, codes[~latest])
    new = latest & ~returning
    there = np.unique(codes[returning])
    if len(there) < 2:  # nothing to choose among
        return new if new.any() else np.isin(codes, there)
    numbers, names = group_codes(rows.groups[returning]), rows.groups[returning]  # type: ignore[index]
    drawn = share_of_groups(numbers, names, 1 / pipeline.split.folds, pipeline.split.seed)
    return np.asarray(new | np.isin(codes, codes[returning][drawn]))


def share_or_batches(rows: Rows, pipeline: Pipeline) -> Mask:
    """What the holdout is taken from: the last batches in order of name, or a share of the rows.

    A share is, by the split's kind, of the latest rows, of whole groups, or of the rows of each class (each tenth of a
    number) in a seeded order of their names, so that a row hardly changes sides when a batch is added.

    Raises
    ------
    HoldoutError
        If nothing can be held apart.
    """
    split, kind = pipeline.split, pipeline.split_kind
    count, _, is_batches = split.holdout.partition(" ")
    if is_batches:
        return last_batches(rows, int(count), pipeline)
    share = int(count.removesuffix("%")) / 100
    try:
        if kind == "time" and rows.times is not None:
            return latest_share(rows.times, share)
        if kind == "group" and rows.groups is not None:
            return share_of_groups(group_codes(rows.groups), rows.groups, share, split.seed)
        keys = order_keys(rows.batch, rows.line, split.seed)
        return stratified_share(strata(rows.target, pipeline.task), keys, share)
    except TooFewRowsError as error:
        raise HoldoutError(
            f"split.holdout: {split.holdout} of the rows cannot be held out: {error}.", key=("split", "holdout")
        ) from error


def last_batches(rows: Rows, count: int, pipeline: Pipeline) -> Mask:
    """The rows of the last batches; for kind `time` they must also be the latest, by their middle rows' times."""
    names = sorted(rows.batch.unique())
    if count >= len(names):
        raise HoldoutError(
            f"split.holdout: {pipeline.split.holdout} of {len(names)} with usable rows ({', '.join(names[-5:])}); at "
            "least one more was expected, to train on. Land more batches, or hold out a share such as '20%'.",
            key=("split", "holdout"),
        )
    if pipeline.split_kind == "time" and rows.times is not None:
        refuse_unordered(rows, names, count)
    return rows.batch.isin(names[-count:]).to_numpy()


def refuse_unordered(rows: Rows, names: list[str], count: int) -> None:
    """Raise when the last batches by name are not the last in time: rows of one batch may overlap, its middle not."""
    import pandas as pd

    middles = pd.Series(rows.times, index=rows.batch.array).groupby(level=0).median()
    before, last = middles[names[:-count]], middles[names[-count:]]
    if before.max() > last.min():
        raise HoldoutError(
            f"split.holdout: the last batches in order of name are not the latest: {before.idxmax()!r} is later than "
            f"{last.idxmin()!r}. Name batches in order of time, such as 2013-04.csv, or hold out a share such as "
            "'20%'.",
            key=("split", "holdout"),
        )


def why_not_trained_on(rows: Rows, held: Rows, pipeline: Pipeline) -> NDArray[np.object_]:
    """Why a row that is not held out is not trained on: '' where it is.

    `before_window`: it is in none of the window's newest batches, or earlier than its duration before the holdout's
    first row (before the latest row, where rows are not split by time). `gap`: for kind `time`, its target was not
    known `split.gap` before the holdout's first row.
    """
    reason = np.full(len(rows.batch), "", dtype=object)
    if pipeline.split_kind == "time" and rows.times is not None and held.times is not None and len(held.times):
        start = int(held.times.min())
        reason[rows.times + embargo(pipeline) // MICROSECOND > start] = "gap"
    reason[~in_window(rows, held, pipeline)] = "before_window"
    return reason


def in_window(rows: Rows, held: Rows, pipeline: Pipeline) -> Mask:
    """The rows that the declared window reaches."""
    window = pipeline.split.window
    if window == "all" or not len(rows.batch):
        return np.ones(len(rows.batch), dtype=np.bool_)
    if " " in window:
        newest = sorted(rows.batch.unique())[-int(window.split()[0]) :]
        return rows.batch.isin(newest).to_numpy()
    if rows.times is None or held.times is None:
        raise ConfigError(
            f"split.window: {window!r} needs time.column, which is not declared. Say '6 batches' or 'all'."
        )
    end = held.times.min() if pipeline.split_kind == "time" else rows.times.max()
    return np.asarray(rows.times >= end - parse_duration(window) // MICROSECOND)


def refuse_parts(rows: Rows, train: Mask, held: Mask, pipeline: Pipeline) -> None:
    """Raise when there is nothing to train on or to judge by."""
    classes = rows.classes or ()
    lacking = lack(rows.target[held], pipeline.task, classes if needs_every_class(pipeline) else ())
    if lacking:
        raise HoldoutError(
            f"split.holdout: {lacking} in the holdout ({pipeline.split.holdout}); rows of all classes, or any for a "
            "regression, were expected. Hold out more.",
            key=("split", "holdout"),
        )
    lacking = lack(rows.target[train], pipeline.task, classes)
    if lacking:
        raise HoldoutError(
            f"split: {lacking} to train on. The holdout ({pipeline.split.holdout}) holds {int(held.sum())} of "
            f"{len(held)} rows; target.known_after and split.gap leave out what is less than "
            f"{format_duration(embargo(pipeline))} before its first row, {first_row(rows, held)}; split.window "
            f"({pipeline.split.window}) what is older"
            f"{'; split.group what is of its groups' if rows.groups is not None else ''}. Lower one of them.",
            key=embargo_key(pipeline) if is_embargoed(rows, held, pipeline) else ("split", "holdout"),
        )


def is_embargoed(rows: Rows, held: Mask, pipeline: Pipeline) -> bool:
    """Whether the gap is as long as the history before the holdout."""
    if pipeline.split_kind != "time" or rows.times is None or not embargo(pipeline):
        return False
    before = rows.times[~held & ~np.isnan(rows.target)]
    return bool(not len(before) or before.min() + embargo(pipeline) // MICROSECOND > rows.times[held].min())


def embargo_key(pipeline: Pipeline) -> tuple[str, str]:
    """The key that the longer part of the embargo stands under."""
    longer = pipeline.target.known_after > pipeline.split.gap
    return ("target", "known_after") if longer else ("split", "gap")


def first_row(rows: Rows, held: Mask) -> str:
    """Name the earliest row of the holdout, so that a stray one is found."""
    if rows.times is None:
        return "which has no time"
    first = int(np.argmin(np.where(held, rows.times, np.iinfo(np.int64).max)))
    line, when = line_of_row(rows.line.iloc[first]), np.datetime64(int(rows.times[first]), "us")
    return f"line {line} of {rows.batch.iloc[first]} at {when} UTC"
