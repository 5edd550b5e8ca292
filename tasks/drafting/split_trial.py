"""Which split the sample allows: proposals are tried, by the stage's own code, until one does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.drafting.profile import Profile

HOLDOUT = "20%"
WATCHED = 0.1  # `train.early_stopping_share` where none is declared
BY_TIME = ((HOLDOUT, WATCHED), (HOLDOUT, 0.3), ("30%", WATCHED), ("30%", 0.3), ("40%", 0.3))
"""What is tried of a time split, in order: of a class that is rare, more rows have some."""
FEW_ROWS = 200  # below which folds are fewer, so that each has some rows


class NoSplitError(DataError):
    """No split leaves rows of all classes to train on, to validate on and to hold out."""


@dataclass(frozen=True)
class SplitTrial:
    """A split to try, and the keys of `train` that it goes with."""

    split: Mapping[str, Any]
    train: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_widened(self) -> bool:
        """Whether more rows than usual are held out or watched."""
        return bool(self.train) or self.split["holdout"] != HOLDOUT


def proposals(rows: int, group: str | None, has_time: bool) -> Iterator[SplitTrial]:
    """Splits to try: by time and by group where there are such, then stratified; each with ever fewer folds."""
    numbers = (5, 3, 2) if rows >= FEW_ROWS else (3, 2)
    for holdout, share in BY_TIME if has_time else ():
        train = {"early_stopping_share": share} if share != WATCHED else {}
        for folds in numbers:
            yield SplitTrial({"kind": "time", "folds": folds, "holdout": holdout}, train)
    kinds: list[dict[str, Any]] = [{"kind": "group", "group": group}] * (group is not None) + [{"kind": "stratified"}]
    for kind in kinds:
        for folds in numbers:
            yield SplitTrial({**kind, "folds": folds, "holdout": HOLDOUT})


def try_splits(
    pipeline: Pipeline, profiles: dict[str, Profile], kept: NDArray[np.bool_], group: str | None
) -> SplitTrial:
    """The first proposal that stage `split` carries out on the sample.

    Parameters
    ----------
    pipeline : Pipeline
        Drafted, whatever its split.
    profiles : dict of str to Profile
    kept : array of bool, shape (n_rows,)
        The rows that the drafted expectations do not put in quarantine.
    group : str or None
        The column whose rows belong together.

    Raises
    ------
    NoSplitError
        With the objection to the last proposal.
    """
    from configs.sections.split import Split

    needed = {pipeline.target.name, pipeline.time.column, group} - {None}
    chosen = {name: profile for name, profile in profiles.items() if name in needed}
    objection: DataError | None = None
    for proposal in proposals(int(kept.sum()), group, pipeline.time.column is not None):
        split, train = Split.model_validate(proposal.split), pipeline.train.model_copy(update=dict(proposal.train))
        tried = pipeline.model_copy(update={"split": split, "train": train})
        try:
            carry_out(tried, chosen, kept)
        except DataError as error:
            objection = error
            continue
        return proposal
    raise NoSplitError(f"no split of the sample works: {objection} More rows are needed, or another target.")


def carry_out(pipeline: Pipeline, profiles: dict[str, Profile], kept: NDArray[np.bool_]) -> None:
    """Split the kept rows of the sample as declared, and plan what each fit of stage `train` would learn and watch."""
    import pyarrow as pa

    from tasks.split import TRAIN, group_values, rows_of, split_rows, time_values
    from tasks.splitting.cross_fitting import cross_fitting_of
    from tasks.table import BATCH, LINE, to_frame

    rows = pa.array(np.flatnonzero(kept))
    table = pa.table({name: utc(profile.values.take(rows)) for name, profile in profiles.items()})
    table = table.append_column(BATCH, pa.array(["sample"] * len(rows), pa.string()))
    frame = to_frame(table.append_column(LINE, rows))
    usable = rows_of(frame, pipeline)
    split = split_rows(usable, pipeline)
    train = (split["part"] == TRAIN).to_numpy()
    learnt, fold = frame[train], split["fold"].to_numpy()[train]
    times, groups = time_values(learnt, pipeline), group_values(learnt, pipeline)
    cross_fitting_of(pipeline, learnt[[BATCH, LINE]], usable.target[train], times, groups, fold)


def utc(values: Any) -> Any:
    """Instants in the type in which they are stored; other values as they are."""
    import pyarrow as pa

    if pa.types.is_timestamp(values.type) and values.type.tz is None:
        return values.cast(pa.timestamp("us", tz="UTC"))
    return values
