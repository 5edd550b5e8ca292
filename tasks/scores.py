"""What a terminal, a Prefect artifact or a message shows of a pipeline's scores: read from `metrics/<pipeline>/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.atomic import read_json


def read_metrics(pipeline: str, stage: str) -> dict[str, Any]:
    """The metrics that a stage wrote."""
    metrics: dict[str, Any] = read_json(Path(f"metrics/{pipeline}/{stage}.json"))
    return metrics


def score_table(pipeline: str) -> list[dict[str, str]]:
    """One row per model: ours over the folds and on the holdout, then the baselines on the holdout.

    Returns
    -------
    list of dict
        Keys `model`, `over folds` (mean ± standard deviation) and `holdout` (value and interval).
    """
    train, evaluate = read_metrics(pipeline, "train"), read_metrics(pipeline, "evaluate")
    folds, held_out = train["cv"], evaluate["holdout"][evaluate["metric"]]
    rows = [
        {
            "model": "the model",
            "over folds": f"{folds['mean']:.4f} ± {folds['std']:.4f}",
            "holdout": f"{figure(held_out['value'])} [{figure(held_out['low'])}, {figure(held_out['high'])}]",
        }
    ]
    return rows + [
        {"model": name, "over folds": "", "holdout": figure(value)} for name, value in evaluate["baselines"].items()
    ]


def figure(value: float | None) -> str:
    """A score with four decimals; `n/a` where it is undefined, as an AUC of one class is.

    >>> figure(0.61534), figure(None)
    ('0.6153', 'n/a')
    """
    return "n/a" if value is None else f"{value:.4f}"


def account_of_rows(pipeline: str) -> str:
    """The sum that must hold: rows in = rows out + quarantined, through ingest and validate."""
    ingest, validate = read_metrics(pipeline, "ingest"), read_metrics(pipeline, "validate")
    refused = ingest["rows_quarantined"] + validate["rows_quarantined"]
    return f"{ingest['rows_in']:,} rows in = {validate['rows_out']:,} valid + {refused:,} in quarantine"
