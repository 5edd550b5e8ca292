"""Contests made by hand: the gate without files, models or clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from configs.schema import Pipeline
from tasks.evaluation.judge import Blocks
from tasks.gate.paired import CHALLENGER, CHAMPION, Contest, Window
from tasks.model.decision import Decision
from tests.pipelines import make_pipeline

RESAMPLES = 100


def gated(
    gate: Mapping[str, Any] | None = None,
    *,
    metric: str = "roc_auc",
    costs: Mapping[str, Any] | None = None,
    **evaluate: Any,
) -> Pipeline:
    """A pipeline with a gate; columns `group` and `place` may serve as slices and protected columns."""
    columns = {"group": {"type": "category"}, "place": {"type": "category"}, "size": {"type": "float"}}
    target = {"type": "boolean" if metric in ("roc_auc", "brier", "log_loss") else "float"}
    return make_pipeline(
        {**columns, "outcome": target},
        train={"metric": metric, "costs": dict(costs or {})},
        evaluate={"resamples": RESAMPLES, "slice_rows": 20, **evaluate},
        gate=dict(gate or {}),
    )


def window(
    target: Sequence[float],
    challenger: Sequence[float],
    champion: Sequence[float] | None = None,
    days: int | None = None,
    decisions: Mapping[str, Decision] | None = None,
    **columns: Any,
) -> Window:
    """Rows and predictions; drawn one by one, or in so many days of about equally many rows."""
    rows = len(target)
    code = np.arange(rows) if days is None else np.arange(rows) * days // rows
    blocks = Blocks(code.astype(np.int64), rows if days is None else days, "row" if days is None else "day")
    both = {CHALLENGER: challenger} | ({} if champion is None else {CHAMPION: champion})
    frame = pd.DataFrame({"group": ["a"] * rows, "place": ["p"] * rows, "size": np.arange(rows) * 1.0} | columns)
    predictions = {side: np.asarray(each, float) for side, each in both.items()}
    return Window(frame, np.asarray(target, float), blocks, predictions, decisions or {})


def no_twins(count: int) -> list[Any]:
    """Twins that must not be asked for."""
    raise AssertionError(f"{count} twins were trained for nothing")


def contest(newest: Window, **changes: Any) -> Contest:
    """A contest about these rows; everything else as it is where nothing is remarkable."""
    has_champion = CHAMPION in newest.predictions
    sides = newest.predictions.keys()
    usual: dict[str, Any] = {
        "anchor": None,
        "champion": "v1.2.0" if has_champion else None,
        "rows": {"newest": newest.rows, "left_out": 0, "anchor": 0},
        "why_no_anchor": "0 older rows are there",
        "incomparable": "",
        "seed_alone": False,
        "explanation": 0.0 if has_champion else None,
        "leak_audit": None,
        "sizes": dict.fromkeys(sides, 1_000_000),
        "seconds": dict.fromkeys(sides, 0.01),
        "inputs": ("group", "place", "size"),
        "twins": no_twins,
    }
    return Contest(newest=newest, **{**usual, **changes})


def scored_rows(rows: int, strength: float, seed: int) -> tuple[Any, Any]:
    """A binary target, and a score that tells of it: the stronger, the better."""
    generator = np.random.default_rng(seed)
    target = (generator.random(rows) < 0.4).astype(float)
    return target, 1 / (1 + np.exp(-(strength * (target - 0.4) + generator.normal(size=rows))))
