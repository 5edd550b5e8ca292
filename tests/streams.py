"""Streams of valid batches whose world changes at known times: for tests and for benchmarks/replay.py."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.table import write_table

ROOT = Path(__file__).resolve().parents[1]
WEEK = timedelta(days=7)
START = datetime(2024, 1, 1, tzinfo=UTC)
LEVELS = 40
TRUE, HARMLESS = "true", "harmless"

YAML = """\
owner: stream@example.org
source: {{path: "data/incoming/stream/*.csv"}}
time: {{column: at}}
target: {{name: sold, known_after: {known_after}}}
columns:
  at: {{type: timestamp}}
  shop: {{type: category}}
  price: {{type: float}}
  visits: {{type: float}}
  stock: {{type: float}}
  humidity: {{type: float}}
  sold: {{type: boolean}}
drop: []
expectations: []
features: {{}}
encode: {{target: [shop]}}
split: {{kind: time, folds: {folds}, holdout: 1 batch, window: {window}}}
train: {{metric: log_loss, rounds: {rounds}, params: {{max_depth: 3, learning_rate: 0.15}}, audit: "off"}}
evaluate: {{}}
drift: {{false_alarms: 1 per quarter}}
retrain: {retrain}
gate: {gate}
"""


def stream_project(  # what a stream is made of
    folder: Path,
    *,
    batches: int,
    rows: int,
    shifts: Mapping[int, str],
    seed: int = 7,
    window: str = "6 batches",
    rounds: int = 60,
    folds: int = 3,
    known_after: str = "1d",
    retrain: str = "{}",
    gate: str = "{}",
) -> Path:
    """A project that has only the pipeline `stream`, whose batches are valid already, one per week.

    Parameters
    ----------
    folder : Path
    batches, rows : int
        Rows per batch.
    shifts : mapping of int to str
        From which batch on the world is another: `true`, what sells and who comes is another; `harmless`, a column
        that says nothing moves.
    """
    for name in ("configs/libraries.yaml", "dvc.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    options = {"window": window, "rounds": rounds, "folds": folds, "known_after": known_after}
    options |= {"retrain": retrain, "gate": gate}
    (folder / "configs/stream.yaml").write_text(YAML.format(**options))
    (folder / "configs/stream").mkdir()
    (folder / "configs/stream/__init__.py").touch()
    (folder / "params.yaml").write_text("pipelines: [stream]\n")
    world = 0
    humidity = 0.0
    for number in range(batches):
        kind = shifts.get(number)
        world += kind == TRUE
        humidity += 1.5 * (kind == HARMLESS)
        table = batch(number, rows, world, humidity, np.random.default_rng([seed, number]))
        write_table(table, folder / f"data/valid/stream/week-{number:02}.parquet")
    return folder


def batch(number: int, rows: int, world: int, humidity: float, random: np.random.Generator) -> pa.Table:
    """One week of rows: who comes, what it costs, and whether it is sold."""
    seconds = np.sort(random.integers(0, int(WEEK.total_seconds()), rows))
    begin = int((START + number * WEEK).timestamp())
    truth = np.random.default_rng([11, world])
    appeal, taste = truth.normal(0, 1, LEVELS), truth.normal(0, 1.2, 3)
    centre = 0.8 * truth.normal(0, 1, 3) * (world > 0)
    shop = random.choice(
        LEVELS, rows, p=np.roll(1 / np.arange(2, LEVELS + 2), 7 * world) / (1 / np.arange(2, LEVELS + 2)).sum()
    )
    x = random.normal(0, 1, (rows, 3)) + centre
    chance = 1 / (1 + np.exp(-((x - centre) @ taste + appeal[shop] - 0.5)))
    return pa.table(
        {
            "_line": pa.array(np.arange(2, rows + 2)),
            "at": pa.array((begin + seconds) * 1_000_000, pa.timestamp("us", tz="UTC")),
            "shop": pa.array([f"shop {code:02}" for code in shop]),
            "price": x[:, 0],
            "visits": x[:, 1],
            "stock": x[:, 2],
            "humidity": random.normal(50 + humidity, 1, rows),
            "sold": random.random(rows) < chance,
        }
    )
