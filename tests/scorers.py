"""Small models of each task, with every type of column, and what scores with them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from tasks.model.calibration import fitted_calibration
from tasks.model.decision import fitted_decision
from tasks.model.seen import seen_facts
from tasks.scoring.row_scorer import Scorer
from tasks.scoring.serving import Chosen, Served
from tasks.train import declared_model
from tests.pipelines import make_pipeline

ZONE = "America/New_York"
COLUMNS = {
    "city": {"type": "category", "nulls": ["", "-"]},
    "area": {"type": "float"},
    "rooms": {"type": "integer", "nulls": ["", "-1"]},
    "fee": {"type": "decimal", "scale": 2},
    "garden": {"type": "boolean"},
    "lifts": {"type": "integer", "missing": "zero"},
    "yield": {"type": "float", "missing": "event"},
    "sold_at": {"type": "timestamp"},
    "built": {"type": "date"},
    "income": {"type": "float", "private": True},
    "remark": {"type": "text"},
}
PARTS = ["year", "quarter", "month", "week", "day", "day_of_week", "day_of_year", "hour", "minute", "is_weekend"]
FEATURES = {
    "parts": {"sold_at": PARTS, "built": ["year", "day_of_week"]},
    "sql": {
        "m2": "area / rooms",
        "late": "hour(sold_at) >= 17",
        "log_area": "ln(area) + pow(rooms, 0.3)",
        "is_ulm": "city = 'Ulm' OR built < DATE '1990-01-01'",
    },
}
COSTS = {
    "binary": {"false_positive": 1, "false_negative": 4},
    "multiclass": {"matrix": [[0, 1, 2], [1, 0, 1], [6, 5, 0]]},
    "regression": {},
}
SIZES = ("large", "medium", "small")


def homes(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """Typed rows."""
    draw = np.random.default_rng(seed)
    some = draw.random((rows, 4)) > 0.1
    frame = pd.DataFrame(
        {
            "city": draw.choice(np.array(["Bonn", "Kiel", "Ulm"], dtype=object), rows),
            "area": draw.normal(80.0, 20.0, rows).clip(20, 150),
            "rooms": pd.array(draw.integers(1, 6, rows), dtype="Int64"),
            "fee": draw.integers(0, 9999, rows) / 100,
            "garden": pd.array(draw.random(rows) > 0.5, dtype="boolean"),
            "lifts": pd.array(draw.integers(0, 3, rows), dtype="Int64"),
            "yield": draw.normal(0.0, 1.0, rows),
            "sold_at": pd.Timestamp("2013-01-01", tz="UTC")
            + pd.to_timedelta(draw.integers(0, 500_000, rows), unit="m"),
            "built": [
                day.date() for day in pd.Timestamp("1980-01-01") + pd.to_timedelta(draw.integers(0, 9000, rows), "D")
            ],
            "income": draw.normal(5e4, 1e4, rows),
            "remark": "nothing",
        }
    )
    frame.loc[[0, 1], "area"] = [20.0, 150.0]
    frame["sold_at"] = frame["sold_at"].astype("datetime64[us, UTC]")
    frame.loc[~some[:, 0], "city"] = None
    frame.loc[~some[:, 1], "yield"] = np.nan
    frame.loc[~some[:, 2], "garden"] = pd.NA
    frame.loc[~some[:, 3], "sold_at"] = pd.NaT
    return frame


def target_of(rows: pd.DataFrame, task: str) -> np.ndarray[Any, Any]:
    """A target that depends on most columns."""
    noise = np.random.default_rng(1).normal(0, 20, len(rows))
    signal = rows["area"] + 10 * rows["rooms"].astype(float) + 30 * (rows["city"] == "Ulm") + noise
    signal = signal.to_numpy(dtype=float) + rows["income"].to_numpy() / 1e3
    if task == "multiclass":
        return np.digitize(signal, np.quantile(signal, [0.4, 0.8])).astype(float)
    return (signal > np.median(signal)).astype(float) if task == "binary" else signal


def declared(task: str = "binary", **score: Any) -> Any:
    """The pipeline of the homes."""
    kind = {"binary": "boolean", "multiclass": "category", "regression": "float"}[task]
    calibration = "none" if task == "regression" else "sigmoid"
    return make_pipeline(
        {**COLUMNS, "y": {"type": kind}},
        time={"timezone": ZONE},
        features=FEATURES,
        train={"task": task, "rounds": 12, "calibration": calibration, "costs": COSTS[task]},
        score=score,
    )


@cache
def fitted(task: str = "binary") -> tuple[Any, dict[str, Any]]:
    """A fitted model and what its manifest would say of the rows."""
    pipeline, rows = declared(task), homes()
    target, classes = target_of(rows, task), SIZES if task == "multiclass" else None
    model = declared_model(pipeline, classes).fit(rows, target)
    raw = model["booster"].scores(model.features_in(rows))
    model.calibration_ = fitted_calibration(pipeline.train.calibration, raw, target, task)
    scores = model.calibrated(raw)
    model.decision_ = fitted_decision(pipeline.train.costs, scores, target, task, calibrated=True)
    return model, {"seen": seen_facts(rows, pipeline)}


def served(task: str = "binary") -> Served:
    """The fitted model as if it came from a workspace."""
    return Served(Chosen("demo", None, "0" * 64), *fitted(task))


def scorer_of(task: str = "binary", **score: Any) -> Scorer:
    """What scores with it, under what is declared of scoring."""
    return Scorer(served(task), declared(task, **score))
