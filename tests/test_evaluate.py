from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from configs.load import load_pipeline
from tasks.bundle import save_bundle
from tasks.evaluate import EmptyPartError, MisalignedRowsError, main
from tasks.table import read_table, write_table
from tasks.target import target_values

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
  returned: {type: boolean}
drop: []
expectations: []
features: {parts: {sold_at: [hour]}, sql: {}}
encode: {}
split: {folds: 2}
train: {params: {max_depth: 3}, seed: 3}
evaluate: {slices: [shop], slice_rows: 60, resamples: 200}
drift: {}
retrain: {}
gate: {}
"""
ROWS = 1200


def write_shop(root: Path, config: str = CONFIG, signal: float = 3.0) -> None:
    """A repository as it stands before `evaluate`: valid rows, split, out-of-fold predictions and bundle."""
    (root / "configs").mkdir(exist_ok=True)
    (root / "configs/shop.yaml").write_text(config)
    pipeline = load_pipeline("shop")
    table = shop_rows(signal)
    write_table(table, root / "data/valid/shop/2020-01.parquet")
    part = np.where(np.arange(ROWS) < 800, "train", "holdout")
    fold = np.where(
        np.arange(ROWS) < 400, -1, np.where(np.arange(ROWS) < 600, 0, np.where(np.arange(ROWS) < 800, 1, -1))
    )
    columns = {"_batch": ["2020-01"] * ROWS, "_line": table["_line"], "part": part, "fold": fold.astype(np.int16)}
    write_table(pa.table(columns), root / "data/split/shop.parquet")
    frame = table.to_pandas()
    target = target_values(frame, pipeline.target, pipeline.task).to_numpy()
    model = shop_model(pipeline).fit(frame[part == "train"], target[part == "train"])
    save_bundle(root / "models/shop", model, frame[list(pipeline.input_columns)][:20], {"library": "1.0"})
    folded = fold >= 0
    write_table(
        pa.table(
            {
                "_batch": ["2020-01"] * int(folded.sum()),
                "_line": table["_line"].filter(pa.array(folded)),
                "fold": fold[folded].astype(np.int16),
                "target": target[folded],
                "prediction": model.predict_proba(frame[folded])[:, 1]
                if pipeline.task == "binary"
                else model.predict(frame[folded]),
            }
        ),
        root / "data/predictions/shop.parquet",
    )


def shop_rows(signal: float) -> pa.Table:
    """Sales over 60 days in shops of which one is rare; dear ones come back the more often the stronger the signal."""
    generator = np.random.default_rng(0)
    price, shop = (
        generator.normal(size=ROWS),
        generator.choice(["north", "south", None, "rare"], ROWS, p=[0.5, 0.4, 0.07, 0.03]),
    )
    times = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(np.arange(ROWS) * 60 * 24 * 60 // ROWS, unit="min")
    returned = generator.random(ROWS) < 1 / (1 + np.exp(-signal * (price**2 - 1)))
    return pa.table(
        {
            "_line": pa.array(np.arange(ROWS) + 2),
            "sold_at": pa.array(times.astype("datetime64[us, UTC]"), pa.timestamp("us", tz="UTC")),
            "price": price,
            "shop": pa.array(shop),
            "size": pa.array(generator.integers(1, 9, ROWS)),
            "returned": pa.array(returned) if signal else pa.array(generator.random(ROWS) < 0.3),
        }
    )


def shop_model(pipeline):
    from tasks.encoder import TargetEncoding
    from tasks.estimator import BoostedTrees, tabular_model
    from tasks.features import DerivedFeatures

    features = DerivedFeatures(
        columns={name: column.type for name, column in pipeline.columns.items()},
        feature_columns=pipeline.feature_columns,
        parts=pipeline.features.parts,
        sql=pipeline.features.sql,
        timezone=pipeline.time.timezone,
    )
    trees = BoostedTrees(task=pipeline.task, params={"max_depth": 3}, rounds=40)
    return tabular_model(features, TargetEncoding(pipeline.encoded_columns), trees)


def limited(name="shop"):
    from tasks.stage import declared_sections

    return load_pipeline(name).limited_to("evaluate", declared_sections("evaluate"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """One evaluated repository; its tests only look."""
    root = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        (root / "dvc.yaml").write_text(Path("dvc.yaml").read_text())
        patch.chdir(root)
        write_shop(root)
        main(limited())
        yield root


@pytest.fixture(scope="module")
def found(shop):
    return json.loads((shop / "reports/shop/evaluation.json").read_text())


def test_x(found):
    print(json.dumps(found, indent=1))
