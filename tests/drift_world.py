"""A small world for the tests of drift: rows whose target follows from two of their columns, a model, a profile."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from configs.schema import Pipeline
from tasks.drift.profile import Declared, Profile, Role, make_profile
from tasks.drift.pseudo_columns import ROLES, pseudo_columns
from tasks.model.estimator import TabularModel
from tests.pipelines import make_pipeline

COLUMNS = {
    "at": {"type": "timestamp"},
    "strong": {"type": "float"},
    "weak": {"type": "integer"},
    "idle": {"type": "float"},
    "city": {"type": "category"},
    "member": {"type": "boolean"},
    "bought": {"type": "boolean"},
}
FEATURES = ("strong", "weak", "idle", "city", "member")
BATCHES, ROWS = 12, 500


def pipeline_of(task: str = "binary", **train: Any) -> Pipeline:
    """The declaration of the world."""
    target = {"binary": "boolean", "regression": "float", "multiclass": "category"}[task]
    return make_pipeline(
        {**COLUMNS, "bought": {"type": target}},
        time={"column": "at"},
        target={"name": "bought", "known_after": "1d"},
        train={"task": task, **train},
    )


def rows_of(batch: int, rows: int = ROWS, task: str = "binary", start: str = "2024-01-01") -> pd.DataFrame:
    """One day's rows, typed; `bought` follows from strong, city and a little from weak."""
    random = np.random.default_rng([17, batch + 100])
    day = pd.Timestamp(start, tz="UTC") + pd.Timedelta(days=batch)
    frame = pd.DataFrame(
        {
            "at": day + pd.to_timedelta(np.sort(random.integers(0, 86_400, rows)), unit="s"),
            "strong": random.normal(size=rows),
            "weak": pd.array(random.integers(0, 10, rows), dtype="Int64"),
            "idle": random.normal(size=rows),
            "city": random.choice(np.array(["Bonn", "Kiel", "Ulm"], dtype=object), rows, p=[0.5, 0.3, 0.2]),
            "member": pd.array(random.random(rows) < 0.3, dtype="boolean"),
        }
    )
    frame["at"] = frame["at"].dt.as_unit("us")
    return frame.assign(bought=target_of(frame, random.random(rows), task))


def chance_of(frame: pd.DataFrame) -> Any:
    """The true probability of buying."""
    pull = (
        1.5 * frame["strong"].to_numpy() + 0.05 * frame["weak"].to_numpy(float) + 1.0 * (frame["city"] == "Ulm") - 0.6
    )
    return 1 / (1 + np.exp(-pull))


def target_of(frame: pd.DataFrame, luck: Any, task: str) -> Any:
    """What came true of the rows."""
    if task == "regression":
        return 3 * chance_of(frame) + luck
    if task == "multiclass":
        return np.array(["no", "some", "yes"], dtype=object)[
            (luck < chance_of(frame)) * 1 + (luck < chance_of(frame) / 2)
        ]
    return pd.array(luck < chance_of(frame), dtype="boolean")


def numbers_of(frame: pd.DataFrame, task: str) -> Any:
    """The target as the model's numbers."""
    if task == "multiclass":
        return frame["bought"].map({"no": 0.0, "some": 1.0, "yes": 2.0}).to_numpy(float)
    return frame["bought"].to_numpy(float)


@cache
def model_of(task: str = "binary") -> TabularModel:
    """A model that was trained on days before the history."""
    from tasks.train import declared_model

    raw = pd.concat([rows_of(batch, 1000, task) for batch in range(-4, 0)], ignore_index=True)
    pipeline = pipeline_of(task, params={"max_depth": 2})
    model = declared_model(pipeline, ("no", "some", "yes") if task == "multiclass" else None)
    model.set_params(booster__rounds=40)
    return model.fit(raw[list(pipeline.input_columns)], numbers_of(raw, task))


def table_of(frame: pd.DataFrame) -> pa.Table:
    """Typed rows as `tasks.table` reads them."""
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)


def with_model(frame: pd.DataFrame, task: str = "binary") -> pa.Table:
    """Features, and what the model says of the rows."""
    model, pipeline, table = model_of(task), pipeline_of(task), table_of(frame).drop_columns(["bought"])
    said = pseudo_columns(model.scores(frame), numbers_of(frame, task), model, pipeline)
    for name in said.column_names:
        table = table.append_column(name, said.column(name))
    return table


@cache
def profile_of(task: str = "binary", rows: int = 20_000) -> Profile:
    """The profile of twelve quiet days, scored by a model that did not learn from them."""
    chunks = [(f"day-{batch:02}", with_model(rows_of(batch, task=task), task)) for batch in range(BATCHES)]
    said = [name for name in chunks[0][1].column_names if name in ROLES]
    roles: dict[str, Role] = dict.fromkeys(("at", *FEATURES), "feature") | {name: ROLES[name] for name in said}
    importance = {"strong": 0.7, "city": 0.2, "weak": 0.1, "idle": 0.0, "member": 0.0}
    return make_profile(chunks, Declared("demo", roles, time="at", importance=importance), rows=rows, seed=3)
