"""The zoo: data sets with a planted leak, and honest ones that look suspicious. Each is made from a seed.

Two halves: the probes were built with `BUILD`, and judged with `JUDGE`, which was written before they were first run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tasks import split
from tasks.audit import Audit, audit
from tasks.table import LINE, write_table
from tasks.train import declared_model
from tasks.training.matrices import prepare
from tasks.training.rows import load_rows
from tests.pipelines import make_pipeline

TYPES = {
    "integer": pa.int64(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "category": pa.string(),
    "text": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True)
class Case:
    """One data set: columns in order of declaration, the last one the target (or what it is made from)."""

    columns: Mapping[str, tuple[str, Any]]  # type, values
    leak: str = ""  # column or probe that a finding names; none for honest data
    batches: int = 1
    sections: Mapping[str, Any] = field(default_factory=dict)


def written(case: Case) -> Any:
    """Write the case's valid rows into the current directory and split them; its pipeline."""
    columns = {name: {"type": kind} for name, (kind, _) in case.columns.items()}
    pipeline = make_pipeline(columns, **case.sections)
    table = pa.table(
        {name: pa.array(values, TYPES[kind], from_pandas=True) for name, (kind, values) in case.columns.items()}
    )
    edges = np.linspace(0, table.num_rows, case.batches + 1).astype(int)
    for number, (start, end) in enumerate(pairwise(edges)):
        part = table.slice(start, end - start)
        part = part.add_column(0, LINE, pa.array(np.arange(2, end - start + 2)))
        write_table(part, Path(f"data/valid/demo/b{number:03d}.parquet"))
    split.main(pipeline)
    return pipeline


def audited(case: Case, folder: Path, threads: int = 1) -> Audit:
    """What the audit says of a case, by the rows as a training reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder):
        pipeline = written(case)
        rows = load_rows(pipeline)
        model = declared_model(pipeline, rows.classes)
        return audit(prepare(model, rows), model, threads)


def caught(case: Case, found: Audit) -> bool:
    """Whether a finding names the leak."""
    return any(case.leak in finding.columns or finding.probe == case.leak for finding in found.findings)


def sigmoid(scores: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(scores)))


def honest(random: np.random.Generator, rows: int) -> dict[str, tuple[str, Any]]:
    """Five features of everyday strength."""
    return {
        "age": ("integer", random.integers(18, 90, rows)),
        "income": ("float", random.lognormal(10, 0.6, rows).round(2)),
        "visits": ("integer", random.poisson(3, rows)),
        "rate": ("float", random.normal(0, 1, rows)),
        "region": ("category", random.choice(np.array(["north", "south", "east", "west"]), rows)),
    }


def score_of(columns: Mapping[str, tuple[str, Any]], strength: float = 1.0) -> Any:
    """What the everyday features say of the target."""
    values = {name: column for name, (_, column) in columns.items()}
    score = (values["age"] - 54) / 21 + 0.5 * (values["visits"] - 3) / 1.7 + 0.8 * values["rate"]
    return strength * (score + 0.6 * (values["region"] == "south"))


def binary(random: np.random.Generator, rows: int = 2000, bias: float = 0.0) -> tuple[dict[str, tuple[str, Any]], Any]:
    """Everyday features and a binary target."""
    columns = honest(random, rows)
    return columns, (random.random(rows) < sigmoid(score_of(columns) + bias)).astype(int)


def number(random: np.random.Generator, rows: int = 2000) -> tuple[dict[str, tuple[str, Any]], Any]:
    """Everyday features and a number."""
    columns = honest(random, rows)
    return columns, 100 + 10 * score_of(columns) + random.normal(0, 12, rows)


def with_target(columns: dict[str, tuple[str, Any]], values: Any, kind: str = "integer") -> dict[str, tuple[str, Any]]:
    return {**columns, "y": (kind, values)}


BINARY = {"train": {"task": "binary"}}


# ---- planted, to build with


def noisy_copy(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random)
    columns["status"] = ("integer", y ^ (random.random(len(y)) < 0.03))
    return Case(with_target(columns, y), "status", sections=BINARY)


def rounded_copy(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random)
    columns["grade"] = ("float", np.round(y / 10))
    return Case(with_target(columns, y, "float"), "grade")


def logarithm(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random)
    columns["score"] = ("float", 3 - 2 * np.log(np.exp(y / 50) + 1) + random.normal(0, 0.01, len(y)))
    return Case(with_target(columns, y, "float"), "score")


def bucketed(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random)
    columns["band"] = ("category", np.array(["low", "mid", "top"])[np.digitize(y, np.quantile(y, [0.3, 0.7]))])
    return Case(with_target(columns, y, "float"), "band")


def two_parts(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random)
    registered = np.round(np.clip(y * random.beta(6, 3, len(y)), 0, None))
    y = np.round(y)
    columns |= {"casual": ("integer", (y - registered).astype(int)), "registered": ("integer", registered.astype(int))}
    return Case(with_target(columns, y.astype(int)), "casual", sections={"train": {"task": "regression"}})


def patients(seed: int) -> Case:
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(300), 7)
    random.shuffle(patient)
    ill, height, pulse = (random.random(300) < 0.4).astype(int), random.normal(170, 9, 300), random.normal(70, 8, 300)
    columns = {
        "patient": ("text", np.array([f"P{number:04d}" for number in patient])),
        "height": ("float", height[patient].round(1)),
        "pulse": ("float", pulse[patient] + random.normal(0, 1, len(patient))),
        "marker": ("float", ill[patient] * 0.5 + random.normal(0, 1, len(patient))),
    }
    return Case(with_target(columns, ill[patient]), "patient", sections=BINARY)


def duplicated(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random)
    again = np.concatenate([np.arange(2000), random.choice(2000, 500, replace=False)])
    random.shuffle(again)
    columns = {name: (kind, np.asarray(values)[again]) for name, (kind, values) in columns.items()}
    columns["row_id"] = ("integer", random.permutation(len(again)))
    return Case(with_target(columns, y[again]), "the same row on both sides", sections=BINARY)


def shuffled_series(seed: int) -> Case:
    random = np.random.default_rng(seed)
    rows = 2000
    level = np.cumsum(random.normal(0, 1, rows))
    at = pd.date_range("2020-01-01", periods=rows, freq="h", tz="UTC")
    columns = {
        "at": ("timestamp", at),
        "hour_no": ("float", np.arange(rows) * 1.0 + random.normal(0, 0.3, rows)),
        "sensor": ("float", random.normal(0, 1, rows)),
    }
    sections = {"time": {"column": "at"}, "split": {"kind": "stratified"}}
    return Case(with_target(columns, level, "float"), "a later time on both sides", sections=sections)


def only_positives(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random, bias=-1.0)
    refund = np.where((y == 1) & (random.random(len(y)) < 0.5), random.lognormal(3, 1, len(y)), np.nan)
    columns["refund"] = ("float", refund)
    return Case(with_target(columns, y), "refund", sections=BINARY)


def whole_table_mean(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random, 3000)
    zips = random.integers(0, 300, len(y))
    columns["zip_rate"] = ("float", pd.Series(y).groupby(zips).transform("mean").to_numpy())
    columns["zip"] = ("category", np.array([f"{code:05d}" for code in zips]))
    return Case(with_target(columns, y), "zip_rate", sections=BINARY)


def numbered_by_outcome(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random)
    order = np.argsort(-y + random.normal(0, 1, len(y)), kind="stable")
    numbered = np.empty(len(y), dtype=int)
    numbered[order] = np.arange(1, len(y) + 1)
    columns["case_id"] = ("integer", numbered)
    return Case(with_target(columns, y), "case_id", sections=BINARY)


def missing_together(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random)
    none = random.random(len(y)) < 0.1
    columns["final_check"] = ("float", np.where(none, np.nan, random.normal(0, 1, len(y))))
    return Case(with_target(columns, np.where(none, np.nan, y), "float"), "final_check")


def next_value(seed: int) -> Case:
    random = np.random.default_rng(seed)
    rows = 1500
    y = np.zeros(rows)
    for place in range(1, rows):
        y[place] = 0.7 * y[place - 1] + random.normal()
    columns = {
        "at": ("timestamp", pd.date_range("2021-01-01", periods=rows, freq="h", tz="UTC")),
        "wind": ("float", random.normal(0, 1, rows)),
        "following": ("float", np.r_[y[1:], np.nan]),
    }
    return Case(with_target(columns, y, "float"), "following", sections={"time": {"column": "at"}})


def departure_delay(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, _ = binary(random, 4000)
    left = np.round(random.exponential(22, 4000) - 6)
    delay = left + np.round(random.normal(-6, 9, 4000))
    columns["dep_delay"] = ("float", left)
    sections = {"target": {"name": "late", "from": "y", "above": 30}}
    return Case(with_target(columns, delay, "float"), "dep_delay", sections=sections)


def class_codes(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns = honest(random, 1500)
    y = np.digitize(score_of(columns) + random.normal(0, 1.5, 1500), [-1, 1])
    shown = np.where(random.random(1500) < 0.04, random.integers(0, 3, 1500), y)
    columns["code"] = ("category", np.array(["k7", "k2", "k9"])[shown])
    sections = {"train": {"task": "multiclass"}}
    return Case(with_target(columns, np.array(["a", "b", "c"])[y], "category"), "code", sections=sections)


# ---- honest, to build with


def of_sklearn(name: str, task: str, **sections: Any) -> Case:
    from sklearn import datasets

    data = getattr(datasets, f"load_{name}")()
    columns = {
        str(each).replace(" ", "_"): ("float", column)
        for each, column in zip(data.feature_names, data.data.T, strict=True)
    }
    kind, values = {
        "regression": ("float", data.target),
        "binary": ("integer", data.target),
        "multiclass": ("category", np.array([f"c{code}" for code in data.target]) if task == "multiclass" else None),
    }[task]
    return Case(with_target(columns, values, kind), sections={"train": {"task": task}, **sections})


def iris(_: int) -> Case:
    return of_sklearn("iris", "multiclass")


def diabetes(_: int) -> Case:
    return of_sklearn("diabetes", "regression")


def breast_cancer(_: int) -> Case:
    return of_sklearn("breast_cancer", "binary")


def wine(_: int) -> Case:
    return of_sklearn("wine", "multiclass")


def strong_feature(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns = honest(random, 2000)
    y = (random.random(2000) < 0.4).astype(int)
    columns["test_result"] = ("float", 2.33 * y + random.normal(0, 1, 2000))
    return Case(with_target(columns, y), sections=BINARY)


def few_values(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns = {
        f"q{place}": ("category", random.choice(np.array(["yes", "no"]), 2000, p=[0.7, 0.3])) for place in range(6)
    }
    y = (random.random(2000) < 0.2 + 0.5 * (columns["q0"][1] == "yes") * (columns["q1"][1] == "no")).astype(int)
    return Case(with_target(columns, y), sections=BINARY)


def plain_ids(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random)
    columns["row_id"] = ("integer", np.arange(1, 2001))
    columns["customer_id"] = ("integer", random.permutation(2000) + 5000)
    columns["account"] = ("category", np.array([f"A{code:06d}" for code in random.permutation(2000)]))
    return Case(with_target(columns, y), sections=BINARY)


def trend(seed: int) -> Case:
    random = np.random.default_rng(seed)
    rows = 2000
    at = pd.date_range("2018-01-01", periods=rows, freq="D", tz="UTC")
    y = np.arange(rows) * 0.05 + 10 * np.sin(np.arange(rows) / 58) + random.normal(0, 2, rows)
    columns = {
        "at": ("timestamp", at),
        "index": ("integer", np.arange(rows)),
        "x": ("float", random.normal(0, 1, rows)),
    }
    sections = {"time": {"column": "at"}, "features": {"parts": {"at": ["year", "month", "day_of_week"]}}}
    return Case(with_target(columns, y, "float"), sections=sections)


def informative_holes(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random)
    hole = random.random(2000) < np.where(y == 1, 0.55, 0.15)
    columns["answer"] = ("float", np.where(hole, np.nan, random.normal(0, 1, 2000)))
    return Case(with_target(columns, y), sections=BINARY)


def stores(seed: int) -> Case:
    random = np.random.default_rng(seed)
    store = random.integers(0, 30, 2000)
    effect, size = random.normal(0, 10, 30), random.integers(200, 3000, 30)
    columns, y = number(random)
    columns |= {"store": ("category", np.array([f"s{code}" for code in store])), "size": ("integer", size[store])}
    return Case(with_target(columns, y + effect[store], "float"))


def zip_codes(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random, 3000)
    code = random.integers(0, 300, 3000)
    columns["zip"] = ("category", np.array([f"{each:05d}" for each in code]))
    columns["zip_number"] = ("integer", code + 10000)
    return Case(with_target(columns, y + random.normal(0, 9, 300)[code], "float"))


def lagged(seed: int) -> Case:
    random = np.random.default_rng(seed)
    rows = 1500
    y = np.cumsum(random.normal(0, 1, rows))
    columns = {
        "at": ("timestamp", pd.date_range("2021-01-01", periods=rows, freq="D", tz="UTC")),
        "yesterday": ("float", np.r_[np.nan, y[:-1]]),
        "last_week": ("float", np.r_[[np.nan] * 7, y[:-7]]),
        "x": ("float", random.normal(0, 1, rows)),
    }
    return Case(with_target(columns, y, "float"), sections={"time": {"column": "at"}})


def customers_in_time(seed: int) -> Case:
    random = np.random.default_rng(seed)
    who = random.integers(0, 200, 3000)
    taste = random.normal(0, 1.5, 200)
    columns = {
        "at": ("timestamp", pd.date_range("2021-01-01", periods=3000, freq="h", tz="UTC")),
        "customer": ("category", np.array([f"c{code}" for code in who])),
        "price": ("float", random.normal(0, 1, 3000)),
    }
    y = (random.random(3000) < sigmoid(taste[who] - np.asarray(columns["price"][1]))).astype(int)
    return Case(with_target(columns, y), sections={"time": {"column": "at"}, **BINARY})


def declared_patients(seed: int) -> Case:
    case = patients(seed)
    return Case(case.columns, sections={**case.sections, "split": {"kind": "group", "group": "patient"}})


def nothing(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns = honest(random, 1500)
    columns["code"] = ("category", np.array([f"v{each}" for each in random.integers(0, 400, 1500)]))
    return Case(with_target(columns, random.integers(0, 2, 1500)), sections=BINARY)


def strong_number(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random)
    area = random.gamma(4, 25, 2000)
    columns["area"] = ("float", area)
    return Case(with_target(columns, y / 10 + 3 * area + random.normal(0, 45, 2000), "float"))


def last_years_mean(seed: int) -> Case:
    random = np.random.default_rng(seed)
    zips, rate = random.integers(0, 300, 3000), random.normal(0, 1.5, 300)
    columns, _ = binary(random, 3000)
    before = random.binomial(40, sigmoid(rate)) / 40
    y = (random.random(3000) < sigmoid(rate[zips] + 0.5 * score_of(columns))).astype(int)
    columns |= {"zip_rate": ("float", before[zips]), "zip": ("category", np.array([f"{code:05d}" for code in zips]))}
    return Case(with_target(columns, y), sections=BINARY)


# ---- planted, to judge by


def negated_in_groups(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random)
    columns["shop"] = ("text", np.array([f"s{code}" for code in random.integers(0, 60, 2000)]))
    columns["debit"] = ("float", -0.01 * y + random.normal(0, 0.012, 2000))
    return Case(with_target(columns, y, "float"), "debit", sections={"split": {"kind": "group", "group": "shop"}})


def difference(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random)
    before = random.lognormal(7, 0.5, 2000)
    columns |= {"before": ("float", before.round(2)), "after": ("float", (before + y).round(2))}
    return Case(with_target(columns, y, "float"), "after")


def three_parts(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, _ = number(random)
    parts = [random.gamma(3, 30, 2000) for _ in range(3)]
    columns |= {f"part{place}": ("float", part.round(1)) for place, part in enumerate(parts)}
    return Case(with_target(columns, np.round(np.sum(parts, axis=0)), "float"), "part1")


def product(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, _ = number(random)
    quantity, price = random.integers(1, 30, 2000), random.lognormal(2, 0.7, 2000).round(2)
    columns |= {"quantity": ("integer", quantity), "price": ("float", price)}
    return Case(with_target(columns, quantity * price, "float"), "price")


def left_one_out(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random, 3000)
    code = random.integers(0, 150, 3000)
    groups = pd.Series(y).groupby(code)
    columns["rate_of_others"] = ("float", ((groups.transform("sum") - y) / (groups.transform("count") - 1)).to_numpy())
    columns["agent"] = ("category", np.array([f"a{each}" for each in code]))
    return Case(with_target(columns, y), "rate_of_others", sections=BINARY)


def subject_feature(seed: int) -> Case:
    random = np.random.default_rng(seed)
    who = np.repeat(np.arange(250), 8)
    random.shuffle(who)
    ability = random.normal(0, 10, 250)
    columns, y = number(random, 2000)
    columns["subject"] = ("category", np.array([f"u{code}" for code in who]))
    return Case(with_target(columns, 100 + ability[who] + random.normal(0, 0.8, 2000) + 0 * y, "float"), "subject")


def duplicated_classes(seed: int) -> Case:
    case = class_codes(seed)
    random = np.random.default_rng(seed + 1)
    rows = len(case.columns["y"][1])
    again = np.concatenate([np.arange(rows), random.choice(rows, 150, replace=False)])
    columns = {
        name: (kind, np.asarray(values)[again]) for name, (kind, values) in case.columns.items() if name != "code"
    }
    return Case(columns, "the same row on both sides", sections=case.sections)


def days_to_event(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random, 3000)
    begun = pd.Timestamp("2022-01-01", tz="UTC") + pd.to_timedelta(random.integers(0, 300, 3000), unit="D")
    ends = np.where(y == 1, random.exponential(60, 3000), 365 + random.exponential(30, 3000))
    seen = begun + pd.to_timedelta(np.round(ends), unit="D")
    columns |= {"begun": ("timestamp", begun), "last_seen": ("timestamp", seen)}
    sections = {**BINARY, "features": {"sql": {"days": "date_diff('day', begun, last_seen)"}}}
    return Case(with_target(columns, y), "days", sections=sections)


def sorted_walk(seed: int) -> Case:
    random = np.random.default_rng(seed)
    slow = np.cumsum(random.normal(0, 1, (2, 2500)), axis=1)
    columns = {
        "temperature": ("float", slow[0] + random.normal(0, 0.1, 2500)),
        "noise": ("float", random.normal(0, 1, 2500)),
        "pressure": ("float", np.cumsum(random.normal(0, 1, 2500))),
    }
    return Case(with_target(columns, slow[1], "float"), "row order")


def reason_code(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random, bias=-1.5)
    reason = random.choice(np.array(["price", "service", "moved"]), 2000)
    columns["reason"] = ("category", np.where((y == 1) & (random.random(2000) < 0.7), reason, "none"))
    return Case(with_target(columns, y), "reason", sections=BINARY)


def sorted_ids(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random)
    order = np.argsort(y + random.normal(0, 20, 2000))
    columns = {name: (kind, np.asarray(values)[order]) for name, (kind, values) in columns.items()}
    columns["no"] = ("integer", np.arange(2000) * 3 + 70001)
    return Case(with_target(columns, y[order], "float"), "no")


def sensor_windows(seed: int) -> Case:
    random = np.random.default_rng(seed)
    who = np.repeat(np.arange(30), 80)
    gait, fit = random.normal(0, 1, (30, 4)), random.integers(0, 2, 30)
    columns = {f"s{place}": ("float", gait[who, place] + random.normal(0, 0.35, len(who))) for place in range(4)}
    columns["subject"] = ("text", np.array([f"subject {code}" for code in who]))
    return Case(with_target(columns, fit[who]), "subject", sections=BINARY)


def smoothed_mean(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random, 4000)
    group = pd.Series(y).groupby(random.integers(0, 500, 4000))
    columns["mean_spend"] = (
        "float",
        ((group.transform("sum") + 5 * y.mean()) / (group.transform("count") + 5)).to_numpy(),
    )
    return Case(with_target(columns, y, "float"), "mean_spend")


def drifting(seed: int) -> Case:
    random = np.random.default_rng(seed)
    rows = 3000
    columns, _ = binary(random, rows)
    at = pd.date_range("2021-01-01", periods=rows, freq="h", tz="UTC")
    rule = np.where(np.arange(rows) < 2200, 1.0, -1.0)
    y = (random.random(rows) < sigmoid(2 * rule * score_of(columns))).astype(int)
    columns |= {"at": ("timestamp", at), "day": ("integer", np.arange(rows) // 24)}
    sections = {"time": {"column": "at"}, "split": {"kind": "stratified"}, **BINARY}
    return Case(with_target(columns, y), "a later time on both sides", sections=sections)


def probability(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random)
    columns["risk_score"] = ("float", np.clip(0.5 + (y - 0.5) * 0.8 + random.normal(0, 0.17, 2000), 0, 1).round(3))
    return Case(with_target(columns, y), "risk_score", sections=BINARY)


# ---- honest, to judge by


def passengers(seed: int) -> Case:
    random = np.random.default_rng(seed)
    rows = 900
    deck = random.choice(np.array([1, 2, 3]), rows, p=[0.24, 0.21, 0.55])
    fares = {
        1: np.round(random.lognormal(4, 0.6, 60), 2),
        2: np.array([10.5, 13.0, 26.0]),
        3: np.array([7.25, 7.75, 7.9, 8.05]),
    }
    columns = {
        "deck": ("integer", deck),
        "sex": ("category", random.choice(np.array(["male", "female"]), rows, p=[0.65, 0.35])),
        "age": ("float", np.where(random.random(rows) < 0.2, np.nan, np.round(random.normal(30, 13, rows)))),
        "fare": ("float", np.array([random.choice(fares[each]) for each in deck])),
    }
    y = (random.random(rows) < sigmoid(2.5 * (columns["sex"][1] == "female") - 0.9 * (deck - 1) - 0.4)).astype(int)
    return Case(with_target(columns, y), sections=BINARY)


def capital_gain(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random, 4000, bias=-1.2)
    gains = (random.random(4000) < np.where(y == 1, 0.22, 0.04)) * random.lognormal(8, 1, 4000).round()
    columns["capital_gain"] = ("integer", gains.astype(int))
    return Case(with_target(columns, y), sections=BINARY)


def seasonal(seed: int) -> Case:
    random = np.random.default_rng(seed)
    at = pd.date_range("2019-01-01", periods=1800, freq="D", tz="UTC")
    y = 50 + 20 * np.sin(2 * np.pi * at.day_of_year / 365) + 5 * (at.day_of_week > 4) + random.normal(0, 4, 1800)
    columns = {"at": ("timestamp", at), "x": ("float", random.normal(0, 1, 1800))}
    sections = {"time": {"column": "at"}, "features": {"parts": {"at": ["day_of_year", "day_of_week", "year"]}}}
    return Case(with_target(columns, np.asarray(y), "float"), sections=sections)


def rare_and_strong(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns = honest(random, 5000)
    y = (random.random(5000) < 0.06).astype(int)
    columns["amount"] = ("float", np.exp(2.3 * y + random.normal(3, 1, 5000)).round(2))
    return Case(with_target(columns, y), sections=BINARY)


def blobs(seed: int) -> Case:
    random = np.random.default_rng(seed)
    y = random.integers(0, 4, 1200)
    centres = random.normal(0, 6, (4, 5))
    columns = {f"x{place}": ("float", centres[y, place] + random.normal(0, 1, 1200)) for place in range(5)}
    sections = {"train": {"task": "multiclass"}}
    return Case(with_target(columns, np.array(["a", "b", "c", "d"])[y], "category"), sections=sections)


def notes(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random)
    columns["note"] = ("text", np.array([f"note {each}" for each in random.integers(0, 250, 2000)]))
    columns["branch"] = ("text", np.array([f"branch {each}" for each in random.integers(0, 40, 2000)]))
    return Case(with_target(columns, y), sections=BINARY)


def friedman(seed: int) -> Case:
    from sklearn.datasets import make_friedman1

    features, y = make_friedman1(2000, noise=0.5, random_state=seed)
    return Case(with_target({f"x{place}": ("float", column) for place, column in enumerate(features.T)}, y, "float"))


def users_split_by_time_and_group(seed: int) -> Case:
    random = np.random.default_rng(seed)
    who = random.integers(0, 150, 3000)
    columns, _ = number(random, 3000)
    taste = random.normal(0, 15, 150)
    y = score_of(columns, 8.0) + taste[who] + random.normal(0, 8, 3000)
    columns |= {
        "at": ("timestamp", pd.date_range("2021-01-01", periods=3000, freq="h", tz="UTC")),
        "user": ("text", np.array([f"u{code}" for code in who])),
        "habit": ("float", taste[who] + random.normal(0, 3, 3000)),
    }
    sections = {"time": {"column": "at"}, "split": {"kind": "group", "group": "user"}}
    return Case(with_target(columns, y, "float"), sections=sections)


def sorted_file(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random)
    order = np.argsort(y)
    columns = {name: (kind, np.asarray(values)[order]) for name, (kind, values) in columns.items()}
    return Case(with_target(columns, y[order], "float"))


def rare_levels(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random, bias=2.0)
    level = np.minimum(random.zipf(1.4, 2000), 400)
    columns["make"] = ("category", np.array([f"m{each}" for each in level]))
    return Case(with_target(columns, y), sections=BINARY)


def marks(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns = honest(random, 1600)
    hidden = score_of(columns) + random.normal(0, 1.5, 1600)
    y = np.digitize(hidden, np.quantile(hidden, [0.05, 0.4, 0.8, 0.96])) + 3
    return Case(with_target(columns, y), sections={"train": {"task": "regression"}})


def places(seed: int) -> Case:
    random = np.random.default_rng(seed)
    where = random.normal(0, 1, (600, 2)).round(2)
    spot = random.integers(0, 600, 3000)
    columns, y = number(random, 3000)
    columns |= {"lat": ("float", where[spot, 0] + 37), "lon": ("float", where[spot, 1] - 122)}
    return Case(with_target(columns, y + 10 * np.sin(where[spot, 0] * 2) + 6 * where[spot, 1], "float"))


def growing_ids(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, _ = binary(random, 2500)
    y = (random.random(2500) < sigmoid(score_of(columns) + np.linspace(-1.5, 1.5, 2500))).astype(int)
    columns["order_id"] = ("integer", np.arange(2500) + 880000)
    columns["at"] = ("timestamp", pd.date_range("2022-01-01", periods=2500, freq="h", tz="UTC"))
    return Case(with_target(columns, y), batches=5, sections={"time": {"column": "at"}, **BINARY})


def smooth_age(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random)
    age = columns["age"][1]
    columns["birth_year"] = ("integer", 2024 - age)
    return Case(with_target(columns, y + 0.03 * (age - 50) ** 2, "float"))


def day_of_sale(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random)
    columns["at"] = (
        "timestamp",
        pd.Timestamp("2022-01-01", tz="UTC") + pd.to_timedelta(random.integers(0, 9000, 2000), unit="h"),
    )
    sections = {
        "time": {"column": "at"},
        "split": {"kind": "stratified"},
        "features": {"parts": {"at": ["hour", "month"]}},
        **BINARY,
    }
    return Case(with_target(columns, y), sections=sections)


# ---- a second look: written after the first half of the judging, before the probes that it changed were run again


def label_text(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random)
    columns["decision"] = ("category", np.where(y == 1, "approved", "refused"))
    return Case(with_target(columns, y), "decision", sections=BINARY)


def copy_with_holes(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random)
    columns["settled"] = ("float", np.where(random.random(2000) < 0.6, np.nan, y + random.normal(0, 0.8, 2000)))
    return Case(with_target(columns, y, "float"), "settled")


def copy_in_time(seed: int) -> Case:
    case = trend(seed)
    random = np.random.default_rng(seed + 1)
    y = np.asarray(case.columns["y"][1])
    columns = {name: column for name, column in case.columns.items() if name != "y"}
    columns["meter"] = ("float", 7 * y + random.normal(0, 2, len(y)))
    return Case(with_target(columns, y, "float"), "meter", sections=case.sections)


def households(seed: int) -> Case:
    random = np.random.default_rng(seed)
    home = np.repeat(np.arange(400), 5)
    random.shuffle(home)
    columns, _ = binary(random)
    columns["home_no"] = ("integer", random.permutation(400)[home] + 3000)
    return Case(with_target(columns, random.integers(0, 2, 400)[home]), "home_no", sections=BINARY)


def oversampled(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random, bias=-2.0)
    rare = np.flatnonzero(y == 1)
    again = random.permutation(np.concatenate([np.arange(2000), random.choice(rare, 900)]))
    columns = {name: (kind, np.asarray(values)[again]) for name, (kind, values) in columns.items()}
    return Case(with_target(columns, y[again]), "the same row on both sides", sections=BINARY)


def calls_after(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random)
    columns["calls"] = ("integer", random.poisson(np.where(y == 1, 9, 0.6)))
    return Case(with_target(columns, y), "calls", sections=BINARY)


def ratio(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, _ = number(random)
    sold, seen = random.integers(5, 500, 2000), random.integers(600, 9000, 2000)
    columns |= {"sold": ("integer", sold), "seen": ("integer", seen)}
    return Case(with_target(columns, (sold / seen).round(6), "float"), "sold")


def place_in_ranking(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random)
    columns["rank"] = ("integer", 2000 - np.argsort(np.argsort(y)))
    return Case(with_target(columns, y, "float"), "rank")


def closed_at(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random)
    closed = pd.Series(pd.Timestamp("2023-05-01", tz="UTC") + pd.to_timedelta(random.integers(0, 9999, 2000), unit="h"))
    columns["closed"] = ("timestamp", closed.where(y == 1))
    return Case(
        with_target(columns, y), "closed_hour", sections={**BINARY, "features": {"parts": {"closed": ["hour"]}}}
    )


def greater(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, _ = binary(random)
    due, paid = random.normal(60, 20, 2000), random.normal(55, 22, 2000)
    columns |= {"due": ("float", due), "paid": ("float", paid)}
    return Case(with_target(columns, (paid > due).astype(int)), "paid", sections=BINARY)


def class_share(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns = honest(random, 3000)
    y = np.digitize(score_of(columns) + random.normal(0, 1.5, 3000), [-1, 1])
    zips = random.integers(0, 250, 3000)
    columns["share_b"] = ("float", pd.Series(y == 1).groupby(zips).transform("mean").to_numpy())
    sections = {"train": {"task": "multiclass"}}
    return Case(with_target(columns, np.array(["a", "b", "c"])[y], "category"), "share_b", sections=sections)


def insurance(seed: int) -> Case:
    random = np.random.default_rng(seed)
    age, bmi, smoker = random.integers(18, 65, 1300), random.normal(30, 6, 1300), random.random(1300) < 0.2
    y = 250 * age + 23000 * smoker + 1200 * smoker * (bmi - 30) + random.exponential(2500, 1300)
    columns = {"age": ("integer", age), "bmi": ("float", bmi.round(2)), "smoker": ("boolean", smoker)}
    columns["children"] = ("integer", random.integers(0, 5, 1300))
    return Case(with_target(columns, y.round(2), "float"))


def energy(seed: int) -> Case:
    random = np.random.default_rng(seed)
    rows, walk = 3000, np.zeros(3000)
    for place in range(1, rows):
        walk[place] = 0.97 * walk[place - 1] + random.normal(0, 1)
    y = pd.Series(100 + 15 * np.sin(np.arange(rows) / 24 * 2 * np.pi) + 5 * walk + random.normal(0, 1, rows))
    columns = {
        "at": ("timestamp", pd.date_range("2021-01-01", periods=rows, freq="h", tz="UTC")),
        "hour_before": ("float", y.shift(1)),
        "day_before": ("float", y.shift(24)),
        "last_hours": ("float", y.shift(1).rolling(3).mean()),
    }
    sections = {"time": {"column": "at"}, "features": {"parts": {"at": ["hour"]}}}
    return Case(with_target(columns, y, "float"), sections=sections)


def mushrooms(seed: int) -> Case:
    random = np.random.default_rng(seed)
    kind = random.integers(0, 24, 3000)
    poison = random.random(24) < 0.5
    columns = {
        f"a{place}": ("category", np.array([f"l{code}" for code in random.integers(0, 6, 24)])[kind])
        for place in range(8)
    }
    odour = np.where(poison, "foul", "none")
    odour[:2] = np.where(poison[:2], "none", "foul")
    columns["odour"] = ("category", odour[kind])
    return Case(with_target(columns, np.where(poison, "p", "e")[kind], "category"), sections=BINARY)


def digits(_: int) -> Case:
    case = of_sklearn("digits", "multiclass")
    return Case(
        {name: (kind, np.asarray(values)[:900]) for name, (kind, values) in case.columns.items()},
        sections=case.sections,
    )


def snapshots(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random, 300)
    who = np.tile(np.arange(300), 24)
    columns = {name: (kind, np.asarray(values)[who]) for name, (kind, values) in columns.items()}
    columns["month"] = ("timestamp", np.repeat(pd.date_range("2022-01-01", periods=24, freq="MS", tz="UTC"), 300))
    sections = {"time": {"column": "month"}, **BINARY}
    return Case(with_target(columns, y[who]), sections=sections)


def schools(seed: int) -> Case:
    random = np.random.default_rng(seed)
    school = random.integers(0, 80, 2400)
    columns, y = number(random, 2400)
    fees = random.gamma(3, 2, 80)
    columns |= {"school": ("category", np.array([f"s{code}" for code in school])), "fees": ("float", fees[school])}
    y = y + 4 * fees[school] + random.normal(0, 8, 80)[school]
    return Case(with_target(columns, y, "float"), sections={"split": {"kind": "group", "group": "school"}})


def claims(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, _ = number(random, 3000)
    y = (random.random(3000) < 0.2) * random.lognormal(6 + 0.3 * score_of(columns), 1.5)
    return Case(with_target(columns, y.round(2), "float"))


def car_models(seed: int) -> Case:
    random = np.random.default_rng(seed)
    model = random.integers(0, 100, 3000)
    power, weight = random.normal(110, 35, 100).round(), random.normal(1400, 250, 100).round()
    age = random.integers(0, 15, 3000)
    base = 100 * power + 5 * weight + random.normal(0, 2500, 100)
    columns = {
        "model": ("category", np.array([f"m{code}" for code in model])),
        "power": ("float", power[model]),
        "weight": ("float", weight[model]),
        "age": ("integer", age),
    }
    return Case(with_target(columns, base[model] * 0.9**age + random.normal(0, 700, 3000), "float"))


def exams(seed: int) -> Case:
    random = np.random.default_rng(seed)
    parts = random.normal(60, 15, (3, 1500)).round()
    y = (parts.sum(axis=0) + random.normal(0, 8, 1500) > 175).astype(int)
    columns = {f"paper{place}": ("integer", part.astype(int)) for place, part in enumerate(parts)}
    return Case(with_target(columns, y), sections=BINARY)


def year_ago(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = number(random)
    columns["year_ago"] = ("float", y * 0.95 + random.normal(0, 4.5, 2000))
    return Case(with_target(columns, y, "float"))


def quick_test(seed: int) -> Case:
    random = np.random.default_rng(seed)
    columns, y = binary(random)
    columns["quick_test"] = ("boolean", random.random(2000) < np.where(y == 1, 0.9, 0.1))
    return Case(with_target(columns, y), sections=BINARY)


Zoo = dict[str, Callable[[int], Case]]


def by_name(*made: Callable[[int], Case]) -> Zoo:
    return {each.__name__: each for each in made}


def census(seed: int) -> Case:
    """Few ages, whose numbers are those of people in the smallest places too."""
    random = np.random.default_rng(seed)
    age = 5 * (np.arange(12600) % 21)
    size = np.repeat(random.lognormal(8.5, 3, 600), 21)
    people = np.floor(size * np.exp(-age / 40) * random.lognormal(0, 0.1, 12600))
    columns = {"place": ("category", np.repeat([f"p{code}" for code in range(600)], 21)), "age": ("integer", age)}
    return Case(with_target(columns, people), sections={"split": {"kind": "group", "group": "place"}})


BUILD_LEAKS = by_name(
    noisy_copy, rounded_copy, logarithm, bucketed, two_parts, patients, duplicated, shuffled_series, only_positives,
    whole_table_mean, numbered_by_outcome, missing_together, next_value, departure_delay, class_codes,
)  # fmt: skip
BUILD_HONEST = by_name(
    iris, diabetes, breast_cancer, wine, strong_feature, few_values, plain_ids, trend, informative_holes, stores,
    zip_codes, lagged, customers_in_time, declared_patients, nothing, strong_number, last_years_mean,
)  # fmt: skip
JUDGE_LEAKS = by_name(
    negated_in_groups, difference, three_parts, product, left_one_out, subject_feature, duplicated_classes,
    days_to_event, sorted_walk, reason_code, sorted_ids, sensor_windows, smoothed_mean, drifting, probability,
)  # fmt: skip
JUDGE_HONEST = by_name(
    passengers, capital_gain, seasonal, rare_and_strong, blobs, notes, friedman, users_split_by_time_and_group,
    sorted_file, rare_levels, marks, places, growing_ids, smooth_age, day_of_sale,
)  # fmt: skip
CHECK_LEAKS = by_name(
    label_text, copy_with_holes, copy_in_time, households, oversampled, calls_after, ratio, place_in_ranking, closed_at,
    greater, class_share,
)  # fmt: skip
CHECK_HONEST = by_name(
    insurance, energy, mushrooms, digits, snapshots, schools, claims, car_models, exams, year_ago, quick_test,
    census,
)  # fmt: skip
