"""The main job as one plain script: what `overhead.py` holds Holdfast against.

It reads the same CSV files, makes the same checks with Great Expectations, the same split, features, folds, encoding,
fits, intervals, baselines, slices and TreeSHAP, in one process, with the libraries alone. It pins nothing, keeps
nothing, reports nothing but JSON on stdout, and imports nothing of Holdfast. Where a library has a faster way than
the obvious one it is taken, so that nobody wins against a straw man.

    python benchmarks/bare.py flights [--window all] [--rounds N] [--params JSON] [--incoming data/incoming]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "false"
START = time.perf_counter()

import great_expectations as gx  # noqa: E402  # after the switch above
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import xgboost  # noqa: E402
from great_expectations import expectations as expect  # noqa: E402
from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: E402
from scipy.special import ndtr, stdtrit  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.linear_model import LogisticRegression, Ridge  # noqa: E402
from sklearn.metrics import roc_auc_score, root_mean_squared_error  # noqa: E402
from sklearn.model_selection import PredefinedSplit  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler, TargetEncoder  # noqa: E402

SECONDS: dict[str, float] = {"imports": time.perf_counter() - START}
DAY = 86_400_000_000  # microseconds
RESAMPLES, CONFIDENCE, SEED = 1000, 0.95, 7
DEALT, EXPLAINED, LINEAR_ROWS = 200, 2000, 50_000
FOLDS, INNER_FOLDS, TIME_BLOCKS, STOPPING_SHARE, PATIENCE = 5, 5, 20, 0.1, 30


@dataclass(frozen=True)
class Job:
    """What the YAML of the same name declares, as far as this script needs it."""

    dtypes: dict[str, str]
    features: list[str]
    encoded: list[str]
    target: str
    metric: str
    params: dict[str, Any]
    rounds: int
    quarantine: list[Any]
    stop: list[Any] = field(default_factory=list)
    slices: list[str] = field(default_factory=list)
    slice_rows: int = 200
    above: float | None = None
    nulls: dict[str, list[str]] = field(default_factory=dict)
    time: str | None = None
    timezone: str = "UTC"
    embargo: int = 0  # microseconds
    window: int | None = None  # batches
    levels: dict[str, int] = field(default_factory=dict)  # of each encoded column, once it was read

    @property
    def binary(self) -> bool:
        """Whether a class is predicted, not a number."""
        return self.above is not None


JOBS = {
    "flights": Job(
        dtypes={
            **dict.fromkeys(["time_hour", "carrier", "flight", "tailnum", "origin", "dest"], "str"),
            **dict.fromkeys(["sched_dep_time", "sched_arr_time", "distance", "hour", "minute"], "int64"),
            "arr_delay": "float64",
        },
        nulls={"arr_delay": ["", "NA"], "tailnum": ["", "NA"]},
        time="time_hour",
        timezone="America/New_York",
        embargo=2 * DAY,
        window=6,
        target="arr_delay",
        above=30,
        features=[
            *("sched_dep_time", "sched_arr_time", "carrier", "flight", "tailnum", "origin", "dest", "distance"),
            *("hour", "minute", "day_of_week", "minutes_of_day", "is_evening"),
        ],
        encoded=["carrier", "flight", "tailnum", "origin", "dest"],
        metric="roc_auc",
        params={"max_depth": 4, "learning_rate": 0.05, "min_child_weight": 100},
        rounds=500,
        slices=["origin", "carrier"],
        quarantine=[
            expect.ExpectColumnValuesToNotBeNull(column="arr_delay"),
            expect.ExpectColumnValuesToBeBetween(column="distance", min_value=1, max_value=6000),
        ],
        stop=[
            expect.ExpectColumnValuesToBeInSet(column="origin", value_set=["EWR", "JFK", "LGA"]),
            expect.ExpectTableRowCountToBeBetween(min_value=1000),
        ],
    ),
    "diabetes": Job(
        dtypes={
            **dict.fromkeys(["bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6", "progression"], "float64"),
            "age": "int64",
            "sex": "str",
        },
        target="progression",
        features=["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"],
        encoded=["sex"],
        metric="rmse",
        params={"max_depth": 2, "learning_rate": 0.05},
        rounds=1000,
        slices=["sex"],
        slice_rows=20,
        quarantine=[expect.ExpectColumnValuesToBeBetween(column="bmi", min_value=10, max_value=80)],
    ),
}


def timed(part: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; note how long it took."""
    start = time.perf_counter()
    result = function(*arguments)
    SECONDS[part] = SECONDS.get(part, 0.0) + time.perf_counter() - start
    return result


# ---- read and validate


def read_batch(file: Path, job: Job) -> pd.DataFrame:
    """One CSV file with the declared types and null tokens; times in UTC."""
    frame = pd.read_csv(
        file,
        usecols=list(job.dtypes),
        dtype=job.dtypes,
        keep_default_na=False,
        na_values={name: job.nulls.get(name, [""]) for name in job.dtypes},
    )
    if job.time:
        frame[job.time] = pd.to_datetime(frame[job.time], format="%Y-%m-%dT%H:%M:%SZ", utc=True)
    return frame


class Checks:
    """The suite of a job, built once, and run batch by batch."""

    def __init__(self, job: Job) -> None:
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("raw").add_dataframe_asset("rows")
        self.batches = asset.add_batch_definition_whole_dataframe("batch")
        self.quarantines = {each.configuration.type for each in job.quarantine}
        self.suite = gx.ExpectationSuite(name="declared", expectations=[*job.quarantine, *job.stop])

    def sound_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows that meet all expectations; ends the script where one fails that should stop."""
        results = self.batches.get_batch(batch_parameters={"dataframe": frame}).validate(
            self.suite, result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False}
        )
        failing: set[int] = set()
        for result in results.results:
            if not result.success and result.expectation_config.type not in self.quarantines:
                sys.exit(f"{result.expectation_config.type} does not hold")
            failing.update(result.result.get("unexpected_index_list") or ())
        return frame.drop(index=list(failing))


def read_all(folder: Path, job: Job) -> pd.DataFrame:
    """All valid rows, batch by batch, with the batch's number and name, and the line that a row stands in."""
    checks = timed("validate", Checks, job)
    frames = []
    for number, file in enumerate(sorted(folder.glob("*.csv"))):
        frame = timed("read", read_batch, file, job)
        kept = timed("validate", checks.sound_rows, frame)
        frames.append(kept.assign(_number=number, _batch=file.stem, _line=kept.index + 2))
    return pd.concat(frames, ignore_index=True)


# ---- split


def order_keys(frame: pd.DataFrame, seed: int) -> np.ndarray:
    """A seeded order of the rows by their names (SplitMix64), so that it does not depend on the order of arrival."""
    with np.errstate(over="ignore"):
        starts = {
            batch: int.from_bytes(sha256(f"{seed}:{batch}".encode()).digest()[:8], "little")
            for batch in frame["_batch"].unique()
        }
        key = frame["_batch"].map(starts).to_numpy(np.uint64)
        key = key + frame["_line"].to_numpy(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


def strata(target: np.ndarray, binary: bool) -> np.ndarray:
    """What a stratified draw holds apart: the classes, or tenths of a number."""
    if binary:
        return target.astype(np.int64)
    _, rank, rows = np.unique(target, return_inverse=True, return_counts=True)
    return (np.cumsum(rows) - rows)[rank] * 10 // len(target)


def stratified_share(stratum: np.ndarray, keys: np.ndarray, share: float) -> np.ndarray:
    """A share of each stratum, the first rows in the order of `keys`."""
    order = np.lexsort((keys, stratum))
    rows = np.unique(stratum, return_counts=True)[1]
    wanted = np.where(rows > 1, np.clip(np.rint(rows * share), 1, np.maximum(rows - 1, 1)), 0)
    rank = np.arange(len(stratum)) - np.repeat(np.cumsum(rows) - rows, rows)
    chosen = np.zeros(len(stratum), bool)
    chosen[order] = rank < np.repeat(wanted, rows)
    return chosen


def stratified_folds(stratum: np.ndarray, keys: np.ndarray, folds: int) -> np.ndarray:
    """Deal the rows of each stratum out to the folds."""
    dealt = np.empty(len(stratum), np.int64)
    dealt[np.lexsort((keys, stratum))] = np.arange(len(stratum)) % folds
    return dealt


def latest_start(times: np.ndarray, share: float) -> int:
    """The instant from which on the rows are nearest to a share of all."""
    instants, rows = np.unique(times, return_counts=True)
    reached = np.cumsum(rows[::-1])[:-1]
    return int(instants[::-1][np.argmin(np.abs(reached - share * len(times)))])


def time_blocks(times: np.ndarray, blocks: int) -> np.ndarray:
    """Number the rows by contiguous blocks of time with as many rows each as uncut instants allow."""
    instants, where, rows = np.unique(times, return_inverse=True, return_counts=True)
    ends, starts = np.cumsum(rows), [0]
    for block in range(1, blocks):
        nearest = int(np.argmin(np.abs(ends - len(times) * block / blocks))) + 1
        starts.append(min(max(nearest, starts[-1] + 1), len(instants) - blocks + block))
    return np.searchsorted(starts, where, side="right") - 1


@dataclass(frozen=True)
class Rows:
    """What is drawn by: for each row its target, its time (None without), its place in two seeded orders."""

    target: np.ndarray
    times: np.ndarray | None
    keys: np.ndarray
    fold_keys: np.ndarray

    def __getitem__(self, chosen: Any) -> Rows:
        """Some of the rows."""
        times = None if self.times is None else self.times[chosen]
        return Rows(self.target[chosen], times, self.keys[chosen], self.fold_keys[chosen])


def holdout_and_train(frame: pd.DataFrame, rows: Rows, job: Job) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the rows to judge by and to train on."""
    if rows.times is None:
        held = stratified_share(strata(rows.target, job.binary), rows.keys, 0.25)
        return held, ~held
    number = frame["_number"].to_numpy()
    held = number == number.max()
    train = ~held & (rows.times + job.embargo <= rows.times[held].min())
    if job.window:
        train &= number >= number.max() - job.window
    return held, train


def outer_folds(rows: Rows, job: Job) -> np.ndarray:
    """The fold that validates each row, -1 for none."""
    if rows.times is None:
        return stratified_folds(strata(rows.target, job.binary), rows.fold_keys, FOLDS)
    return time_blocks(rows.times, FOLDS + 1) - 1


def watched_rows(rows: Rows, fold: np.ndarray) -> np.ndarray:
    """Rows for early stopping to watch: of each fold a share, one of each stretch of its rows by target."""
    order = np.lexsort((rows.keys, rows.target, fold))
    sizes = np.unique(fold, return_counts=True)[1]
    reached = np.rint(np.cumsum(sizes) * (round(len(fold) * STOPPING_SHARE) / len(fold))).astype(np.int64)
    take = np.repeat(np.diff(reached, prepend=0), sizes)
    place = np.arange(len(fold)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    stretch = np.repeat(reached, sizes) - take + place * take // np.repeat(sizes, sizes)
    drawn = np.lexsort((rows.keys[order], stretch))
    watched = np.zeros(len(fold), bool)
    watched[order[drawn[np.unique(stretch[drawn], return_index=True)[1]]]] = True
    return watched


def inner_folds(rows: Rows, fold: np.ndarray, watched: np.ndarray) -> np.ndarray:
    """The inner fold of each row, in which the encoder's cross-fitting leaves it out."""
    inner = np.empty(len(fold), np.int64)
    inner[np.lexsort((rows.keys, strata(rows.target, False), fold, watched))] = np.arange(len(fold)) % INNER_FOLDS
    return inner


# ---- features and fits


def derive(frame: pd.DataFrame, job: Job) -> np.ndarray:
    """The model's features, shape (n_rows, n_features): numbers, and categories as numbers of their levels."""
    if job.time:
        local = frame[job.time].dt.tz_convert(job.timezone).dt
        minutes = frame["hour"] * 60 + frame["minute"]
        frame = frame.assign(
            day_of_week=local.day_of_week,
            minutes_of_day=minutes,
            is_evening=frame["hour"] >= 17,
        )
    categories = {name: frame[name].astype("category").cat for name in job.encoded}
    for name, each in categories.items():
        job.levels[name] = len(each.categories)
    codes = {name: each.codes.where(each.codes >= 0, job.levels[name]) for name, each in categories.items()}
    return frame.assign(**codes)[job.features].to_numpy(np.float64)


@dataclass(frozen=True)
class Fit:
    """Positions of the rows that one fit learns from, that early stopping watches, and that are predicted."""

    learnt: np.ndarray
    watched: np.ndarray
    valid: np.ndarray


class Shuffled:
    """Fits of a split that knows no time; scikit-learn's TargetEncoder leaves out a row's own inner fold."""

    def __init__(self, job: Job, X: np.ndarray, rows: Rows) -> None:
        self.X, self.y, self.fold = X, rows.target, outer_folds(rows, job)
        self.kind = "binary" if job.binary else "continuous"
        self.columns = [job.features.index(name) for name in job.encoded]
        watched = watched_rows(rows, self.fold)
        self.inner = inner_folds(rows, self.fold, watched)
        masks = [(self.fold != k, watched, self.fold == k) for k in range(FOLDS)]
        self.fits = [
            Fit(*map(np.flatnonzero, (other & ~watched, other & watched, valid))) for other, watched, valid in masks
        ]

    def encoder(self, learnt: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """The learnt rows' features, and what encodes others."""
        encoder = TargetEncoder(cv=PredefinedSplit(self.inner[learnt]), target_type=self.kind)
        X = self.X[learnt]
        encoded = self.put(X, encoder.fit_transform(X[:, self.columns].astype(np.int64), self.y[learnt]))
        return encoded, lambda X: self.put(X, encoder.transform(X[:, self.columns].astype(np.int64)))

    def matrices(self, number: int) -> list[np.ndarray]:
        """Features of the rows that a fold learns from, watches and predicts."""
        fit = self.fits[number]
        encoded, transform = self.encoder(fit.learnt)
        return [encoded, transform(self.X[fit.watched]), transform(self.X[fit.valid])]

    def final(self, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features of all rows, and of rows held out."""
        encoded, transform = self.encoder(np.arange(len(self.y)))
        return encoded, transform(held)

    def put(self, X: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        """The features with these columns replaced, as XGBoost reads them."""
        result = X.astype(np.float32)
        result[:, self.columns] = encoded
        return result


class Chained:
    """Fits of a split by time: a row is encoded by the rows whose targets were known when its block of time began.

    One table per column serves all fits: its line b holds the encodings by what was known when block b began.
    """

    def __init__(self, job: Job, X: np.ndarray, rows: Rows) -> None:
        times, fold = rows.times, outer_folds(rows, job)
        starts = [times[fold == k].min() for k in range(FOLDS)]
        early = [(times < start) & (times + job.embargo <= start) for start in starts]
        watch = [latest_start(times[each], STOPPING_SHARE) for each in early]
        learnt = [each & (times + job.embargo <= start) for each, start in zip(early, watch, strict=True)]
        bounds = np.unique([*starts, *watch])
        for part in [*(times[each] for each in learnt), times]:
            bounds = with_cuts(bounds, part, len(part) / TIME_BLOCKS)
        self.X, self.block = X.astype(np.float32), np.searchsorted(bounds, times, side="right")
        known = np.maximum(np.searchsorted(bounds, times + job.embargo, side="left"), self.block) + 1
        self.begins = np.searchsorted(bounds, watch, side="right")
        self.fits = [
            Fit(*map(np.flatnonzero, (known <= begin, each & (times >= start), fold == k)))
            for k, (begin, each, start) in enumerate(zip(self.begins, early, watch, strict=True))
        ]
        self.columns = [job.features.index(name) for name in job.encoded]
        self.sizes = [job.levels[name] + 1 for name in job.encoded]
        self.tables = [
            encodings(X[:, column].astype(np.int64), rows.target, known, (len(bounds) + 2, size))
            for column, size in zip(self.columns, self.sizes, strict=True)
        ]

    def encoded(self, X: np.ndarray, line: Any) -> np.ndarray:
        """Features with their categories replaced by a line of the tables, or one per row."""
        result = X.astype(np.float32)
        for column, table in zip(self.columns, self.tables, strict=True):
            result[:, column] = table[line, X[:, column].astype(np.int64)]
        return result

    def matrices(self, number: int) -> list[np.ndarray]:
        """Features of the rows that a fold learns from, watches and predicts."""
        fit, line = self.fits[number], self.begins[number]
        learnt = self.encoded(self.X[fit.learnt], self.block[fit.learnt])
        return [learnt, self.encoded(self.X[fit.watched], line), self.encoded(self.X[fit.valid], line)]

    def final(self, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features of all rows, and of rows held out."""
        return self.encoded(self.X, self.block), self.encoded(held, -1)


def with_cuts(bounds: np.ndarray, times: np.ndarray, limit: float) -> np.ndarray:
    """Cut each block of time that holds more rows than a limit into equal parts."""
    block, further = np.searchsorted(bounds, times, side="right"), [bounds]
    for number, size in enumerate(np.bincount(block)):
        inside = times[block == number]
        if size > limit:
            parts = min(math.ceil(size / limit), len(np.unique(inside)))
            cut = time_blocks(inside, parts)
            further.append(np.array([inside[cut == part].min() for part in range(1, parts)]))
    return np.unique(np.concatenate(further))


def encodings(codes: np.ndarray, y: np.ndarray, known: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Empirical-Bayes target encodings of a binary target, by what was known block by block; shape as given."""
    place = known * shape[1] + codes
    rows, ones = (np.bincount(place, weights, np.prod(shape)).reshape(shape).cumsum(axis=0) for weights in (None, y))
    with np.errstate(invalid="ignore", divide="ignore"):
        prior = ones.sum(axis=1, keepdims=True) / rows.sum(axis=1, keepdims=True)
        mean = ones / rows
        weight = prior * (1 - prior) * rows**2
        trust = weight / (weight + rows * mean * (1 - mean))
        return np.where(rows > 0, trust * mean + (1 - trust) * prior, prior).astype(np.float32)


def boost(job: Job, X: np.ndarray, y: np.ndarray, rounds: int, watched: Any = None, **params: Any) -> xgboost.Booster:
    """Fit trees, with early stopping where there are rows to watch."""
    settings = {
        **job.params,
        "objective": "binary:logistic" if job.binary else "reg:squarederror",
        "base_score": float(y.mean()),
        "eval_metric": {"roc_auc": "auc"}.get(job.metric, job.metric),
        "seed": SEED,
        **params,
    }
    matrix = xgboost.QuantileDMatrix(X, label=y)
    if watched is None:
        return xgboost.train(settings, matrix, rounds)
    watched = xgboost.DMatrix(watched[0], label=watched[1])
    booster = xgboost.train(
        settings, matrix, rounds, [(watched, "watched")], early_stopping_rounds=PATIENCE, verbose_eval=False
    )
    return booster[: booster.best_iteration + 1]


def fit_fold(job: Job, plan: Shuffled | Chained, y: np.ndarray, number: int) -> tuple[Any, ...]:
    """One fold's predictions, and the rounds that early stopping kept."""
    fit, (learnt, watched, valid) = plan.fits[number], plan.matrices(number)
    booster = boost(job, learnt, y[fit.learnt], job.rounds, (watched, y[fit.watched]), nthread=1)
    return booster.inplace_predict(valid), booster.num_boosted_rounds()


def cross_validate(job: Job, plan: Shuffled | Chained, y: np.ndarray) -> dict[str, Any]:
    """Score of each fold, and the rounds that early stopping kept; folds side by side, a thread for each."""
    score = roc_auc_score if job.binary else root_mean_squared_error
    with ThreadPoolExecutor(min(len(os.sched_getaffinity(0)), FOLDS)) as pool:
        largest_first = sorted(range(FOLDS), key=lambda number: -len(plan.fits[number].learnt))
        fits = {number: pool.submit(fit_fold, job, plan, y, number) for number in largest_first}
    predictions, rounds = zip(*(fits[number].result() for number in range(FOLDS)), strict=True)
    scores = [float(score(y[fit.valid], each)) for fit, each in zip(plan.fits, predictions, strict=True)]
    spread = {"mean": statistics.fmean(scores), "std": statistics.stdev(scores)}
    return {**spread, "folds": scores, "rounds": list(rounds), "predictions": predictions}


# ---- judge and explain


def resampled(job: Job, blocks: np.ndarray) -> np.ndarray:
    """How often each block is drawn: first once each, then in seeded resamples; shape (1 + RESAMPLES, n_blocks)."""
    count = int(blocks.max()) + 1
    generator = np.random.Generator(np.random.PCG64(SEED))
    drawn = [np.bincount(generator.integers(0, count, count), minlength=count) for _ in range(RESAMPLES)]
    return np.array([np.ones(count, np.int64), *drawn])


def area_under_roc(y: np.ndarray, p: np.ndarray, blocks: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Area under ROC in each resample: pairs in order are counted once per pair of blocks, then weighted."""
    size, order = counts.shape[1], np.argsort(p, kind="stable")
    ranked, home, positive = p[order], blocks[order], y[order] > 0
    first, last = (np.searchsorted(ranked, ranked[positive], side=side) for side in ("left", "right"))
    pairs = np.empty((size, size), np.int64)
    for column in range(size):
        negatives = np.concatenate(([0], np.cumsum(~positive & (home == column))))
        pairs[:, column] = np.bincount(home[positive], negatives[first] + negatives[last], minlength=size)
    positives, others = (np.bincount(home[side], minlength=size) for side in (positive, ~positive))
    with np.errstate(invalid="ignore"):
        return (counts @ pairs * counts).sum(axis=1) / (2 * (counts @ positives) * (counts @ others))


def average_precision(y: np.ndarray, p: np.ndarray, blocks: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Average precision in each resample."""
    order = np.argsort(-p, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)
    home, positive, values = blocks[order], y[order] > 0, []
    for count in counts:
        weight = count[home]
        found = np.cumsum(weight * positive)[ends]
        precision = found / np.maximum(np.cumsum(weight)[ends], 1)
        values.append((precision * np.diff(found, prepend=0)).sum() / found[-1])
    return np.array(values)


def mean_loss(loss: np.ndarray, blocks: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean of a loss in each resample."""
    size = counts.shape[1]
    return counts @ np.bincount(blocks, loss, size) / np.maximum(counts @ np.bincount(blocks, minlength=size), 1)


def scores_of(metric: str, y: np.ndarray, p: np.ndarray, blocks: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """A metric on the rows as they are, then in each resample."""
    if metric == "roc_auc":
        return area_under_roc(y, p, blocks, counts)
    if metric == "average_precision":
        return average_precision(y, p, blocks, counts)
    if metric == "r2":
        centred = y - y.mean()
        total = mean_loss(centred**2, blocks, counts) - mean_loss(centred, blocks, counts) ** 2
        return 1 - mean_loss((y - p) ** 2, blocks, counts) / total
    p = np.asarray(p, np.float64)
    if metric == "log_loss":
        sure = np.clip(p, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
        return mean_loss(-np.where(y > 0, np.log(sure), np.log1p(-sure)), blocks, counts)
    if metric == "mae":
        return mean_loss(np.abs(y - p), blocks, counts)
    squares = mean_loss((y - p) ** 2, blocks, counts)
    return np.sqrt(squares) if metric == "rmse" else squares


def interval(values: np.ndarray, blocks: int) -> dict[str, float]:
    """The value, and an expanded percentile interval (T. Hesterberg, 2015) around it."""
    tail = float(ndtr(stdtrit(blocks - 1, (1 - CONFIDENCE) / 2) * (blocks / (blocks - 1)) ** 0.5))
    low, high = np.nanquantile(values[1:], [tail, 1 - tail])
    return {"value": float(values[0]), "low": float(low), "high": float(high)}


def resampling_blocks(frame: pd.DataFrame, job: Job) -> np.ndarray:
    """The block that each row is drawn with: its local day, or itself."""
    if not job.time:
        return np.arange(len(frame))
    return frame[job.time].dt.tz_convert(job.timezone).dt.normalize().factorize()[0]


def baselines(job: Job, encoded: np.ndarray, y: np.ndarray, holdout: np.ndarray) -> dict[str, np.ndarray]:
    """Predictions of simpler models, on the features that the model itself was fitted on."""
    kept = np.unique(np.linspace(0, len(y) - 1, min(len(y), LINEAR_ROWS)).round().astype(np.int64))
    linear = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(solver="newton-cholesky", max_iter=100) if job.binary else Ridge(solver="cholesky"),
    ).fit(encoded[kept].astype(np.float64), y[kept])
    features = holdout.astype(np.float64)
    shallow = replace(job, params={"max_depth": 2, "learning_rate": 0.3})
    return {
        "constant": np.full(len(holdout), y.mean()),
        "linear": linear.predict_proba(features)[:, 1] if job.binary else linear.predict(features),
        "shallow_trees": boost(shallow, encoded, y, 50).inplace_predict(holdout),
    }


def judge(job: Job, frame: pd.DataFrame, y: np.ndarray, predictions: dict[str, np.ndarray]) -> dict[str, Any]:
    """All metrics of the model, the baselines on the declared one, and the model per slice, with intervals."""
    others = ["average_precision", "log_loss", "brier"] if job.binary else ["mae", "r2"]
    blocks = resampling_blocks(frame, job)
    counts = resampled(job, blocks)
    scores = {
        name: {
            metric: scores_of(metric, y, values, blocks, counts)
            for metric in [job.metric, *(others if name == "model" else [])]
        }
        for name, values in predictions.items()
    }
    sign, size = 1 if job.binary else -1, counts.shape[1]
    ours = scores.pop("model")
    return {
        "holdout": {metric: interval(values, size) for metric, values in ours.items()},
        "baselines": {name: interval(each[job.metric], size) for name, each in scores.items()},
        "gains": {name: interval(sign * (ours[job.metric] - each[job.metric]), size) for name, each in scores.items()},
        "slices": judge_slices(job, frame, y, predictions["model"], (blocks, counts)),
    }


def judge_ladder(
    job: Job, plan: Shuffled | Chained, frame: pd.DataFrame, y: np.ndarray, ours: tuple[np.ndarray, ...]
) -> dict[str, Any]:
    """Mean score over the folds of the model and of the simpler ones, and the distance between them, with intervals."""
    blocks = resampling_blocks(frame, job)
    if blocks.max() >= DEALT:
        deal = np.random.Generator(np.random.PCG64(SEED)).permutation(np.arange(blocks.max() + 1) % DEALT)
        blocks = deal[blocks]
    counts, scores = resampled(job, blocks), dict[str, Any]()
    for number, fit in enumerate(plan.fits):
        learnt, _, valid = plan.matrices(number)
        present, code = np.unique(blocks[fit.valid], return_inverse=True)
        rungs = {"model": ours[number], **baselines(job, learnt, y[fit.learnt], valid)}
        for name, values in rungs.items():
            part = scores_of(job.metric, y[fit.valid], values, code, counts[:, present]) / FOLDS
            scores[name] = scores.get(name, 0.0) + part
    sign, size = 1 if job.binary else -1, counts.shape[1]
    return {
        name: {**interval(each, size), "gain": interval(sign * (scores["model"] - each), size)}
        for name, each in scores.items()
    }


def judge_slices(job: Job, frame: pd.DataFrame, y: np.ndarray, p: np.ndarray, drawn: tuple[Any, Any]) -> dict[str, Any]:
    """The declared metric on the levels of some columns, levels with few rows together."""
    (blocks, counts), found = drawn, {}
    for column in job.slices:
        levels = frame[column].astype("object").fillna("(missing)")
        levels = levels.where(levels.map(levels.value_counts()) >= job.slice_rows, "(other)")
        for level in sorted(levels.unique()):
            rows = (levels == level).to_numpy()
            values = scores_of(job.metric, y[rows], p[rows], blocks[rows], counts)
            found[f"{column}={level}"] = interval(values, len(np.unique(blocks[rows])))
    return found


def calibration(y: np.ndarray, p: np.ndarray) -> list[dict[str, float]]:
    """Mean prediction beside mean target, in tenths by prediction."""
    tenth = np.argsort(np.argsort(p, kind="stable")) * 10 // len(p)
    table = pd.DataFrame({"prediction": p, "target": y}).groupby(tenth).mean()
    return table.to_dict("records")


def sampled(rows: int) -> np.ndarray:
    """Positions of the rows that are explained."""
    if rows <= EXPLAINED:
        return np.arange(rows)
    return np.sort(np.random.Generator(np.random.PCG64(SEED)).choice(rows, EXPLAINED, replace=False))


def explain(job: Job, booster: xgboost.Booster, X: np.ndarray) -> tuple[dict[str, dict[str, float]], np.ndarray]:
    """Mean absolute contribution, share of the gain and direction of each feature, by exact TreeSHAP."""
    matrix = xgboost.DMatrix(X)
    contributions = booster.predict(matrix, pred_contribs=True).astype(np.float64)
    missed = np.abs(contributions.sum(axis=1) - booster.predict(matrix, output_margin=True)).max()
    if missed > 1e-3 * max(1.0, np.abs(contributions.sum(axis=1)).max()):
        sys.exit(f"contributions miss the margin by {missed}")
    gain = booster.get_score(importance_type="total_gain")
    features, effects = pd.DataFrame(X, columns=job.features), pd.DataFrame(contributions[:, :-1], columns=job.features)
    table = {
        name: {
            "contribution": float(effects[name].abs().mean()),
            "gain": gain.get(f"f{number}", 0.0) / sum(gain.values()),
            "direction": float(np.nan_to_num(features[name].rank().corr(effects[name].rank()))),
        }
        for number, name in enumerate(job.features)
    }
    return table, contributions


def seemingly_useless(job: Job, y: np.ndarray, contributions: np.ndarray) -> np.ndarray:
    """Mask of features without which the explained rows seem to be predicted as well: the lighter half of them."""
    margin, added = contributions.sum(axis=1), contributions[:, :-1]

    def losses(margin: np.ndarray) -> np.ndarray:
        return np.logaddexp(0, margin) - y * margin if job.binary else (y - margin) ** 2

    useless = np.zeros(added.shape[1], bool)
    for feature in np.argsort([losses(margin - each).mean() for each in added.T], kind="stable"):
        worse = losses(margin - added[:, feature]) - losses(margin)
        if worse.mean() <= worse.std() / len(y) ** 0.5:
            margin, useless[feature] = margin - added[:, feature], True
    lightest = np.argsort(np.where(useless, np.abs(contributions[:, :-1]).mean(axis=0), np.inf), kind="stable")
    useless[lightest[(useless.sum() + 1) // 2 :]] = False
    return useless


def cost_of_removal(
    job: Job, frame: pd.DataFrame, sides: dict[str, Any], useless: np.ndarray, rounds: int
) -> dict[str, Any]:
    """What a model without some features loses on the held-out rows, with an interval."""
    again = boost(job, sides["encoded"][:, ~useless], sides["y_train"], rounds)
    without, blocks = again.inplace_predict(sides["features"][:, ~useless]), resampling_blocks(frame, job)
    counts, y = resampled(job, blocks), sides["y"]
    scores = [
        scores_of(job.metric, y, p, blocks, counts)
        for p in (sides["predictions"], without, np.full(len(y), sides["y_train"].mean()))
    ]
    sign, size = 1 if job.binary else -1, counts.shape[1]
    features = [name for name, left_out in zip(job.features, useless, strict=True) if left_out]
    return {
        "tried": features,
        "gain": interval(sign * (scores[1] - scores[0]), size),
        "worth": interval(sign * (scores[0] - scores[2]), size),
    }


def run(job: Job, folder: Path) -> dict[str, Any]:
    """The whole job."""
    frame = read_all(folder, job)
    target = frame[job.target].to_numpy(np.float64)
    target = (target > job.above).astype(np.float64) if job.above is not None else target
    times = frame[job.time].to_numpy("datetime64[us]").astype(np.int64) if job.time else None
    rows = Rows(target, times, order_keys(frame, SEED), order_keys(frame, SEED + 1))
    held, train = timed("split", holdout_and_train, frame, rows, job)
    X, y = timed("features", derive, frame, job), target[train]
    plan = timed("plan", Chained if job.time else Shuffled, job, X[train], rows[train])
    cv = timed("cross-validation", cross_validate, job, plan, y)
    rounds = math.ceil(statistics.median(cv["rounds"]))
    encoded, features = plan.final(X[held])
    booster = timed("final fit", boost, job, encoded, y, rounds)
    predictions = {"model": booster.inplace_predict(features)}
    predictions |= timed("baselines", baselines, job, encoded, y, features)
    judged = timed("judge", judge, job, frame[held], target[held], predictions)
    ladder = timed("ladder", judge_ladder, job, plan, frame[train], y, cv.pop("predictions"))
    sample = sampled(len(features))
    explanation, contributions = timed("explain", explain, job, booster, features[sample])
    useless = seemingly_useless(job, target[held][sample], contributions)
    sides = {"encoded": encoded, "y_train": y, "features": features, "y": target[held]}
    sides |= {"predictions": predictions["model"]}
    spare = timed("removal", cost_of_removal, job, frame[held], sides, useless, rounds) if useless.any() else None
    return {
        "metric": job.metric,
        "rows": {"train": int(train.sum()), "holdout": int(held.sum())},
        "cv": cv,
        "rounds": rounds,
        **judged,
        "ladder": ladder,
        "calibration": calibration(target[held], predictions["model"]),
        "explanation": explanation,
        "removal": spare,
    }


def main() -> None:
    """Run one job; print its result and seconds as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--window", choices=["declared", "all"], default="declared", help="rows to train on")
    parser.add_argument("--params", type=json.loads, default={}, help="JSON, beside the declared ones of XGBoost")
    parser.add_argument("--rounds", type=int, help="at most; the declared ones when absent")
    parser.add_argument("--incoming", type=Path, default=Path("data/incoming"))
    options = parser.parse_args()
    job = JOBS[options.job]
    if options.window == "all":
        job = replace(job, window=None)
    job = replace(job, params={**job.params, **options.params}, rounds=options.rounds or job.rounds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = run(job, options.incoming / options.job)
    SECONDS["all"] = time.perf_counter() - START
    print(json.dumps({**result, "seconds": {part: round(seconds, 3) for part, seconds in SECONDS.items()}}))


if __name__ == "__main__":
    main()
