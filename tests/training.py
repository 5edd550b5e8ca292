"""Rows to train on, made in memory: what `tasks.training.rows.load_rows` reads from a project."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tasks.split import fold_numbers
from tasks.splitting.cross_fitting import cross_fitting_of
from tasks.splitting.folds import microseconds
from tasks.splitting.holdout import Rows, embargo
from tasks.splitting.splitter import DeclaredSplit
from tasks.table import BATCH, LINE
from tasks.training.rows import TrainingRows

START = pd.Timestamp("2013-01-01", tz="UTC")


def training_rows(
    pipeline: Any,
    raw: pd.DataFrame,
    target: Any,
    *,
    days: Any = None,
    groups: Any = None,
    weight: Any = None,
    classes: tuple[str, ...] | None = None,
    fold: Any = None,
) -> TrainingRows:
    """Deal rows out as the stage `split` does, without a holdout; `days` is each row's time, in days."""
    names = pd.DataFrame({BATCH: "all", LINE: np.arange(len(raw))})
    times = None if days is None else pd.Series(START + pd.to_timedelta(days, unit="D")).astype("datetime64[us, UTC]")
    instants = None if times is None else microseconds(times)
    told = None if groups is None else np.asarray(groups, dtype=object)
    target = np.asarray(target, dtype=np.float64)
    if fold is None:
        fold = fold_numbers(Rows(names[BATCH], names[LINE], target, instants, told), pipeline)
    return TrainingRows(
        pipeline=pipeline,
        raw=raw,
        names=names,
        target=target,
        classes=classes,
        times=times,
        groups=told,
        weight=weight,
        splitter=DeclaredSplit(fold, instants if pipeline.split_kind == "time" else None, embargo(pipeline), told),
        plan=cross_fitting_of(pipeline, names, target, times, told, fold),
    )
