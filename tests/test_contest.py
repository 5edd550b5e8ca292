from __future__ import annotations

import hashlib
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from ruamel.yaml import YAML

from configs.errors import CorruptionError, EnvironmentMismatchError
from configs.load import load_pipeline
from tasks import split, train
from tasks.atomic import read_json, write_json
from tasks.gate.contest import contest_of, distance, hold_contest
from tasks.gate.recipe import differ_by_seed_alone
from tasks.gate.twins import twin_predictions
from tasks.metrics import score
from tasks.model.bundle import canonical, load_bundle, predictions, read_manifest, sha256
from tasks.stage import STAGES, declared_sections
from tasks.table import read_table, write_table
from tasks.training.rows import MisalignedRowsError

REPOSITORY = Path(__file__).parents[1]
CONFIG = """
owner: someone@example.org
source: {path: "data/incoming/shop/*.csv"}
time: {column: sold_at}
target: {name: returned, known_after: 1d}
columns:
  sold_at: {type: timestamp}
  price: {type: float}
  shop: {type: category}
  size: {type: integer}
  returned: {type: boolean}
drop: []
expectations: []
features: {}
encode: {}
split: {folds: 2, holdout: 30%, window: 40d}
train: {params: {max_depth: 3, subsample: 0.8}, seed: 3, rounds: 30, costs: {false_positive: 1, false_negative: 4}}
evaluate: {slices: [shop], slice_rows: 60, resamples: 100}
drift: {}
retrain: {}
gate: {protected: [shop]}
"""
ROWS, FIRST = 1500, 1100  # rows in 100 days; those of the first batch, which the champion knew
VERDICT = Path("verdict.json")


def sales(first: int, last: int) -> pa.Table:
    """Sales in order of time, of 100 days; cheap and dear ones come back."""
    generator = np.random.default_rng(0)
    price, size = generator.normal(size=ROWS), generator.integers(1, 9, ROWS)
    minutes = np.sort(generator.choice(60 * 24 * 100, ROWS, replace=False))
    times = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(minutes, unit="min")
    returned = generator.random(ROWS) < 1 / (1 + np.exp(-2 * (price**2 - 1)))
    table = pa.table(
        {
            "_line": pa.array(np.arange(ROWS) + 2),
            "sold_at": pa.array(times.as_unit("us"), pa.timestamp("us", tz="UTC")),
            "price": price,
            "shop": generator.choice(["north", "south"], ROWS),
            "size": pa.array(size),
            "returned": pa.array(returned),
        }
    )
    return table.slice(first, last - first)


def run_stages() -> None:
    for stage in (split, train):
        name = stage.__name__.removeprefix("tasks.")
        stage.main(load_pipeline("shop").limited_to(name, declared_sections(name)))


def copy_champion(folder: Path) -> None:
    """What `tasks.version.champion.export` writes of a version."""
    shutil.copytree("models/shop", folder / "bundle")
    shutil.copy("data/split/shop.parquet", folder / "split.parquet")
    libraries = read_manifest(Path("models/shop"))["libraries"]
    artifacts = {f"models/shop/{file.name}": sha256(file.read_bytes()) for file in Path("models/shop").iterdir()}
    facts = {"version": "v1.2.0", "pipeline": "shop", "artifacts": artifacts, "model": {"libraries": libraries}}
    write_json(folder / "record.json", facts)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project whose model was trained on two batches, and the champion that knew the first only."""
    root = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        Path("configs").mkdir()
        Path("configs/shop.yaml").write_text(CONFIG)
        for file in ("dvc.yaml", "configs/libraries.yaml"):
            Path(file).write_text((REPOSITORY / file).read_text())
        write_table(sales(0, FIRST), Path("data/valid/shop/2020a.parquet"))
        write_json(Path("metrics/shop/ingest.json"), {"dialects": {"csv utf-8 ','": 1}})
        run_stages()
        copy_champion(root / "champion")
        write_table(sales(FIRST, ROWS), Path("data/valid/shop/2020b.parquet"))
        run_stages()
    return root


@pytest.fixture
def shop(made, tmp_path, monkeypatch):
    """A copy to change, as the current directory."""
    shutil.copytree(made, tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path / "shop"


def hold(champion: str = "champion") -> dict:
    hold_contest("shop", champion, str(VERDICT))
    return read_json(VERDICT)


def check_of(verdict, name):
    return next(check for check in verdict["checks"] if check["name"] == name)


def parts(file: str = "data/split/shop.parquet") -> dict[tuple[str, int], str]:
    """Where each row of a split goes, by batch and line."""
    table = read_table(Path(file)).to_pylist()
    return {(row["_batch"], row["_line"]): row["part"] for row in table}


def edit(old: str, new: str) -> None:
    file = Path("configs/shop.yaml")
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def rows_in(window) -> set[tuple[str, int]]:
    return set(zip(window.frame["_batch"], window.frame["_line"], strict=True))


# ---- which rows


def test_newest_window_is_the_holdout(shop):
    contest = contest_of(load_pipeline("shop"), Path("champion"))
    assert rows_in(contest.newest) == {row for row, part in parts().items() if part == "holdout"}


def test_rows_that_the_champion_was_trained_on_are_left_out(shop):
    held_out = [row for row, part in parts().items() if part == "holdout"]
    known = [row for row in held_out if row[0] == "2020b"][:40]
    table = {"_batch": [row[0] for row in known], "_line": [row[1] for row in known], "part": ["train"] * 40}
    write_table(pa.table(table), Path("champion/split.parquet"))
    contest = contest_of(load_pipeline("shop"), Path("champion"))
    assert rows_in(contest.newest) == {*held_out} - {*known}
    assert contest.rows["left_out"] == 40


def test_anchor_is_older_than_training_and_known_to_neither(shop):
    contest = contest_of(load_pipeline("shop"), Path("champion"))
    times = sales(0, ROWS)["sold_at"].to_pylist()
    ours, theirs = parts(), parts("champion/split.parquet")
    first = min(times[line - 2] for (_, line), part in ours.items() if part == "train")
    older = [row for row in ours if times[row[1] - 2] < first and theirs.get(row) != "train"]
    assert rows_in(contest.anchor) == {*older[-contest.newest.rows :]}
    assert len(older) >= 60


def test_anchor_is_as_large_as_the_newest_window_at_most(shop):
    edit("window: 40d", "window: 20d")
    edit("holdout: 30%", "holdout: 5%")
    run_stages()
    table = {"_batch": ["2020a"], "_line": [-1], "part": ["train"]}
    write_table(pa.table(table), Path("champion/split.parquet"))  # knew none of these rows
    contest = contest_of(load_pipeline("shop"), Path("champion"))
    assert contest.anchor.rows == contest.newest.rows
    assert contest.anchor.frame["sold_at"].max() < contest.newest.frame["sold_at"].min()


def test_without_older_rows_there_is_no_anchor(shop):
    edit("window: 40d", "window: all")
    run_stages()
    anchor = check_of(hold(), "anchor window")
    assert anchor["outcome"] == "not assessed"
    assert anchor["reason"].startswith("0 older rows are there that neither model was trained on")


def test_split_of_other_rows_is_refused(shop):
    Path("data/valid/shop/2020b.parquet").unlink()
    with pytest.raises(MisalignedRowsError, match="dvc repro split@shop"):
        hold()


# ---- what both say of them


def test_verdict_scores_both_bundles_on_the_same_rows(shop):
    found = check_of(hold(), "newest window")["found"]
    rows = pd.concat([read_table(path).to_pandas() for path in sorted(Path("data/valid/shop").iterdir())])
    held_out = rows[[part == "holdout" for part in parts().values()]]
    for side, folder in {"challenger": "models/shop", "champion": "champion/bundle"}.items():
        expected = score("roc_auc", held_out["returned"], predictions(load_bundle(Path(folder)), held_out))
        assert found[side] == pytest.approx(expected, abs=1e-12)


def test_verdict_is_canonical_and_repeats_but_for_times(shop):
    first, second = hold(), hold()
    assert VERDICT.read_bytes() == canonical(second)
    for verdict in (first, second):
        verdict["checks"] = [check for check in verdict["checks"] if check["name"] != "latency"]
    assert first == second


def test_verdict_tells_of_all_that_was_declared(shop):
    names = [check["name"] for check in hold()["checks"]]
    assert names == [
        "newest window",
        "anchor window",
        "slice shop=north",
        "slice shop=south",
        "calibration",
        "value",
        "fairness of shop: selection rate",
        "fairness of shop: true positive rate",
        "fairness of shop: false positive rate",
        "leak audit",
        "explanation",
        "size",
        "latency",
    ]


def test_model_against_itself_gains_nothing(shop):
    shutil.rmtree("champion")
    copy_champion(Path("champion"))
    verdict = hold()
    found = [check_of(verdict, name)["found"] for name in ("newest window", "calibration", "value")]
    assert [(each["gain"], each["low"], each["high"]) for each in found] == [(0, 0, 0)] * 3
    assert check_of(verdict, "explanation")["found"]["distance"] == 0
    assert verdict["outcome"] == "promoted"


def test_first_model_is_promoted_without_a_champion(shop):
    verdict = hold("")
    assert (verdict["outcome"], verdict["champion"]) == ("promoted", None)


def test_leak_audit_of_training_is_heeded(shop):
    metrics = read_json(Path("metrics/shop/train.json"))
    write_json(
        Path("metrics/shop/train.json"), {**metrics, "leak_audit": {"outcome": "failed", "reason": "size leaks"}}
    )
    assert hold()["reason"] == "refused, leak audit: size leaks (no leak was asked for)"


def test_latency_is_the_ratio_of_both_times(shop):
    found = check_of(hold(), "latency")["found"]
    assert found["ratio"] == pytest.approx(found["challenger"] / found["champion"])
    assert 0.2 < found["ratio"] < 5


def test_size_is_the_bytes_of_the_bundle(shop):
    expected = sum(path.stat().st_size for path in Path("models/shop").iterdir())
    assert check_of(hold(), "size")["found"]["challenger"] == expected


# ---- what cannot be compared


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (("params", "target", "above"), 3, "the champion predicts another target"),
        (("task",), "regression", "the champion predicts another target"),
        (
            ("params", "columns", "size", "type"),
            "category",
            "columns that have changed: 'size' (integer, it was category)",
        ),
        (("inputs",), ["price", "colour"], "columns that have changed: 'colour' (no longer declared)"),
    ],
)
def test_champion_of_other_terms_is_not_compared(shop, monkeypatch, key, value, told):
    def with_other_terms(folder, _manifest_sha256):
        manifest = json.loads((folder / "manifest.json").read_bytes())
        entry = manifest
        for name in key[:-1]:
            entry = entry[name]
        entry[key[-1]] = value if folder.parts[0] == "champion" else entry[key[-1]]
        return manifest

    monkeypatch.setattr("tasks.gate.contest.read_manifest", with_other_terms)
    verdict = hold()
    assert verdict["outcome"] == "refused"
    assert told in verdict["reason"]
    assert not math.isnan(check_of(verdict, "size")["found"]["champion"])


@pytest.mark.parametrize("folder", ["models/shop", "champion/bundle"])
def test_flipped_bit_in_a_bundle_ends_the_contest(shop, folder):
    booster = Path(folder, "booster.ubj")
    data = bytearray(booster.read_bytes())
    data[len(data) // 2] ^= 1
    booster.write_bytes(data)
    with pytest.raises(CorruptionError, match=r"booster\.ubj"):
        hold()
    assert not VERDICT.exists()


# ---- explanations, twins, seeds


def test_champion_exchanged_for_another_whole_bundle_is_not_loaded(shop):
    shutil.rmtree("champion/bundle")
    shutil.copytree("models/shop", "champion/bundle")
    with pytest.raises(CorruptionError, match=r"champion/bundle/manifest\.json: sha256"):
        hold()


def make_champion_foreign() -> None:
    record = read_json(Path("champion/record.json"))
    record["model"]["libraries"]["xgboost"] = "1.0.0"
    write_json(Path("champion/record.json"), record)


def test_champion_of_other_libraries_ends_the_contest(shop):
    make_champion_foreign()
    with pytest.raises(EnvironmentMismatchError, match=r"shop@v1\.2\.0.*xgboost .*recorded 1\.0\.0.*make env"):
        hold()


def test_champion_of_other_libraries_is_told_of_where_declared(shop):
    make_champion_foreign()
    edit("gate: {", "gate: {environment: warn, ")
    found = check_of(hold(), "environment")
    assert (found["outcome"], found["found"]) == ("advisory", {"ulps": 0})
    assert "gives the same predictions bit for bit" in found["reason"]


def test_distance_is_the_share_that_went_elsewhere():
    assert distance({"a": 0.5, "b": 0.5}, {"a": 0.2, "c": 0.8}) == pytest.approx(0.8)
    assert distance({"a": 0.0}, {"a": 1.0}) == 1.0
    assert distance({"a": 0.0}, {"a": 0.0}) == 0.0


def test_twins_are_the_stage_with_other_seeds(shop):
    pipeline = load_pipeline("shop")
    raw = contest_of(pipeline, None).newest.frame[list(pipeline.input_columns)]
    first, second = twin_predictions(pipeline, raw, 2)
    edit("seed: 3", "seed: 4")
    run_stages()
    assert np.array_equal(first, predictions(load_bundle(Path("models/shop")), raw))
    assert not np.array_equal(first, second)


def write_lock(seed: int, code: str = "x = 1\n") -> None:
    """A dvc.lock as DVC writes it, as far as it tells what a training was given."""
    Path("tasks").mkdir(exist_ok=True)
    Path("tasks/train.py").write_text(code)
    paths = {"tasks/train.py": hashlib.md5(code.encode()).hexdigest()}
    paths |= {"data/valid/shop": "1.dir", "data/split/shop.parquet": "2"}
    deps = [{"path": path, "hash": "md5", "md5": md5, "size": 1} for path, md5 in paths.items()]
    params = {"configs/shop.yaml": {"train": {"rounds": 30, "seed": seed}}}
    stages = {f"{stage}@shop": {"cmd": stage} for stage in STAGES}
    outs = [{"path": path, "hash": "md5", "md5": "1", "size": 1} for path in list(paths)[1:]]
    stages["split@shop"] |= {"outs": outs}
    stages["train@shop"] |= {"deps": deps, "params": params}
    with Path("dvc.lock").open("w") as stream:
        YAML().dump({"schema": "2.0", "stages": stages}, stream)


def record_of_lock() -> dict:
    """The version record of what dvc.lock tells, as `tasks.version.record` writes it."""
    from tasks.version.code import code_hashes
    from tasks.version.pins import stage_entries
    from tasks.version.record import params_of

    entries = stage_entries(Path("dvc.lock").read_bytes(), "shop")
    data = {path: pinned.as_json() for path, pinned in entries["train"].deps.items() if path.startswith("data")}
    return {
        "version": "v1.2.0",
        "pipeline": "shop",
        "code": code_hashes(entries, "shop"),
        "params": params_of(entries),
        "data": data,
    }


@pytest.mark.parametrize(("seed", "code", "same"), [(8, "x = 1\n", True), (7, "x = 1\n", True), (8, "x = 2\n", False)])
def test_seed_alone_is_told_from_other_changes(tmp_path, monkeypatch, seed, code, same):
    monkeypatch.chdir(tmp_path)
    write_lock(7)
    champion = record_of_lock()
    write_lock(seed, code)
    assert differ_by_seed_alone("shop", champion) is same


def test_unknown_recipe_is_no_seed_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not differ_by_seed_alone("shop", {"version": "v1.2.0"})
    write_lock(7)
    assert not differ_by_seed_alone("shop", {"version": "v1.2.0"})
