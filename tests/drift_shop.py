"""A small project with twelve weekly batches of sales, from raw files to a profile: what verdicts are tested on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from configs.load import load_pipeline
from configs.schema import Pipeline
from tasks import evaluate, ingest, split, train, validate
from tasks.stage import declaration, declared_sections

ROOT = Path(__file__).parents[1]
NAME = "shop"
WEEKS, ROWS = 12, 600
CONFIG = """
owner: someone@example.org
source: {path: "data/incoming/shop/*.csv"}
time: {column: sold_at, timezone: America/New_York}
target: {name: returned}
columns:
  sold_at: {type: timestamp}
  price: {type: float, unit: euros}
  shop: {type: category}
  size: {type: integer}
  stars: {type: float}
  customer: {type: integer, private: true}
  returned: {type: boolean}
drop: []
expectations: {}
features: {parts: {sold_at: [hour]}, sql: {double: "price * 2"}}
encode: {}
split: {folds: 2, holdout: 1 batch}
train: {params: {max_depth: 3}, seed: 3, rounds: 40, audit: "off"}
evaluate: {resamples: 100}
drift: {false_alarms: 1 per year, owner: ops@example.org}
retrain: {}
gate: {}
"""


def sales(week: int, rows: int = ROWS) -> pd.DataFrame:
    """One week; whether a thing comes back follows from its price."""
    generator = np.random.default_rng(week)
    minutes = np.sort(generator.integers(0, 7 * 24 * 60, rows))
    price = generator.normal(50, 10, rows)
    stars = generator.integers(1, 6, rows).astype(float)
    stars[generator.random(rows) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "sold_at": pd.Timestamp("2020-01-06", tz="UTC")
            + pd.Timedelta(weeks=week)
            + pd.to_timedelta(minutes, unit="min"),
            "price": price.round(2),
            "shop": generator.choice(["north", "south", "west"], rows, p=[0.5, 0.3, 0.2]),
            "size": generator.integers(30, 50, rows),
            "stars": stars,
            "customer": generator.integers(1000, 9999, rows),
            "returned": generator.random(rows) < 1 / (1 + np.exp(-(price - 50) / 5)),
        }
    )


def name_of(week: int) -> str:
    """Of a batch."""
    return f"2020-{week:02}"


def write(frame: pd.DataFrame, batch: str) -> None:
    """Put a batch among the landed ones."""
    path = Path("data/raw", NAME, f"{batch}.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False)


def pipeline_here() -> Pipeline:
    """What the current directory declares."""
    return load_pipeline(NAME)


def run_stages(*stages, name: str = NAME) -> None:
    """Run stages as `holdfast run` does, without DVC."""
    declaration.cache_clear()
    for stage in stages:
        stage_name = stage.__name__.removeprefix("tasks.")
        stage.main(load_pipeline(name).limited_to(stage_name, declared_sections(stage_name)))


def make_shop(root: Path) -> Path:
    """A repository in which everything up to the profile has been made."""
    (root / "configs/shop").mkdir(parents=True)
    (root / "configs/shop/__init__.py").write_text("")
    (root / "configs/shop.yaml").write_text(CONFIG)
    (root / "params.yaml").write_text("pipelines:\n  - shop\n")
    for file in ("dvc.yaml", "configs/libraries.yaml", "configs/expectations.json"):
        (root / file).write_text((ROOT / file).read_text())
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for week in range(WEEKS):
            write(sales(week), name_of(week))
        run_stages(ingest, validate, split, train, evaluate)
    return root
