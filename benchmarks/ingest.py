"""What ingestion takes: a large dirty CSV to typed, zstd-compressed Parquet, beside the readers used bare.

    python benchmarks/ingest.py [--quick] [--rounds N] [--systems NAME ...]

The file is the flights' rows again and again, with noise that each system can get past: quoted texts, null tokens, and
one row in 5,000 with a field too many. Each system runs in a process of its own, imports and start included, at both
sizes (`--quick`: once, 500,000 rows). `peak_mb` is the memory of all its processes at one time.

| system | is |
| --- | --- |
| holdfast | the stage `ingest`: every row typed, or in quarantine with line and reason |
| pandas-c, pandas-pyarrow | `read_csv` with types and `to_parquet` |
| duckdb | `COPY (SELECT ... FROM read_csv(...)) TO ...`, rows in error skipped |
| polars | `scan_csv(...).sink_parquet(...)`, in an environment that is made under .holdfast/ once |
| pyarrow | `open_csv` with types, batch by batch into a `ParquetWriter` |

All must write the same number of rows, or the benchmark fails; bare, none of them says which ones it left out. It reads
data/incoming/flights (`make data` makes it).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from overhead import measure

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / ".holdfast" / "benchmarks" / "polars"
SIZES = {"1.4 GB": 12_000_000, "5 GB": 43_000_000}
QUICK = {"50 MB": 500_000}
BAD = 5_000  # one row in so many has a field too many
INTEGERS = [
    *("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay"),
    *("flight", "air_time", "distance", "hour", "minute"),
]
TEXTS = ["carrier", "tailnum", "origin", "dest"]
TIME = "time_hour"
NULLS = ["", "NA"]
PIPELINE = """owner: bench@example.org
source: {{path: "data/incoming/bench/*.csv"}}
time: {{column: time_hour, timezone: UTC}}
target: {{name: arr_delay}}
columns: {columns}
drop: {{}}
expectations: {{}}
features: {{}}
encode: {{}}
split: {{}}
train: {{task: regression}}
evaluate: {{}}
drift: {{}}
retrain: {{}}
gate: {{}}
"""


# ---- the file


def make_file(target: Path, rows: int) -> int:
    """Write the flights again and again; return how many rows are sound."""
    header, lines = flights()
    chance = random.Random(7)
    quoted = [noisy(line, chance) for line in lines]
    body, bad = ("\n".join(quoted) + "\n").encode(), sum(line.endswith(",x") for line in quoted)
    copies, rest = divmod(rows, len(quoted))
    with target.open("wb") as writer:
        writer.write(header.encode() + b"\n")
        for _ in range(copies):
            writer.write(body)
        writer.write("".join(line + "\n" for line in quoted[:rest]).encode())
    return rows - copies * bad - sum(line.endswith(",x") for line in quoted[:rest])


def flights() -> tuple[str, list[str]]:
    """Header and lines of the demo's flights."""
    files = sorted((ROOT / "data/incoming/flights").glob("*.csv"))
    if not files:
        sys.exit("data/incoming/flights: no file; make it by `make data`")
    texts = [file.read_text().splitlines() for file in files]
    return texts[0][0], [line for text in texts for line in text[1:]]


def noisy(line: str, chance: random.Random) -> str:
    """One row with quotes, and one in many with a field too many."""
    cells = line.split(",")
    cells[11], cells[13] = f'"{cells[11]}"', f'"{cells[13]}"'
    return ",".join(cells) + (",x" if chance.randrange(BAD) == 0 else "")


# ---- the systems: each reads raw.csv and writes typed.parquet


def run_pandas_c() -> None:
    """The default engine, nullable integers."""
    import pandas as pd

    types = {**dict.fromkeys(INTEGERS, "Int64"), **dict.fromkeys(TEXTS, "str")}
    frame = pd.read_csv("raw.csv", dtype=types, parse_dates=[TIME], na_values=NULLS, on_bad_lines="skip")
    frame.to_parquet("typed.parquet", compression="zstd")


def run_pandas_pyarrow() -> None:
    """The pyarrow engine."""
    import pandas as pd

    types = {**dict.fromkeys(INTEGERS, "Int64"), **dict.fromkeys(TEXTS, "str")}
    frame = pd.read_csv(
        "raw.csv", engine="pyarrow", dtype=types, parse_dates=[TIME], na_values=NULLS, on_bad_lines=lambda row: "skip"
    )
    frame.to_parquet("typed.parquet", compression="zstd")


def run_duckdb() -> None:
    """DuckDB, in order of the file."""
    import duckdb

    types = dict.fromkeys(INTEGERS, "BIGINT") | dict.fromkeys(TEXTS, "VARCHAR") | {TIME: "TIMESTAMPTZ"}
    columns = {name: types[name] for name in flights_header()}
    duckdb.sql("SET TimeZone = 'UTC'")
    duckdb.sql(
        f"COPY (SELECT * FROM read_csv('raw.csv', header=true, columns={columns}, nullstr={NULLS}, ignore_errors=true))"
        " TO 'typed.parquet' (FORMAT parquet, COMPRESSION zstd)"
    )


def flights_header() -> list[str]:
    """Names of the file's columns."""
    with Path("raw.csv").open() as reader:
        return reader.readline().strip().split(",")


def run_polars() -> None:
    """Polars' streaming engine."""
    import polars as pl

    schema = {**dict.fromkeys(INTEGERS, pl.Int64), **dict.fromkeys(TEXTS, pl.String), TIME: pl.String}
    scan = pl.scan_csv("raw.csv", schema_overrides=schema, null_values=NULLS, truncate_ragged_lines=True)
    typed = scan.with_columns(pl.col(TIME).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"))
    typed.sink_parquet("typed.parquet", compression="zstd")


def run_pyarrow() -> None:
    """pyarrow, batch by batch."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    types = {**dict.fromkeys(INTEGERS, pa.int64()), **dict.fromkeys(TEXTS, pa.string())}
    reader = csv.open_csv(
        "raw.csv",
        read_options=csv.ReadOptions(block_size=1 << 24),
        parse_options=csv.ParseOptions(invalid_row_handler=lambda row: "skip"),
        convert_options=csv.ConvertOptions(
            column_types=types | {TIME: pa.timestamp("us", tz="UTC")}, null_values=NULLS, strings_can_be_null=True
        ),
    )
    with parquet.ParquetWriter("typed.parquet", reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


BARE: dict[str, Callable[[], None]] = {
    "pandas-c": run_pandas_c,
    "pandas-pyarrow": run_pandas_pyarrow,
    "duckdb": run_duckdb,
    "polars": run_polars,
    "pyarrow": run_pyarrow,
}
HOLDFAST, POLARS = "holdfast", "polars"
PANDAS = ("pandas-c", "pandas-pyarrow")
KEEPS_ALL = (POLARS,)  # cuts a row that is too long instead of leaving it out


# ---- measuring


def make_project(folder: Path, raw: Path) -> None:
    """A project whose only batch is the file."""
    for name in ("dvc.yaml", "params.yaml", "configs/libraries.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    nulls = json.dumps(NULLS)
    columns = dict.fromkeys(INTEGERS, f"{{type: integer, nulls: {nulls}}}")
    columns |= dict.fromkeys(TEXTS, f"{{type: category, nulls: {nulls}}}") | {TIME: "{type: timestamp}"}
    declared = "{" + ", ".join(f"{name}: {how}" for name, how in columns.items()) + "}"
    (folder / "configs/bench.yaml").write_text(PIPELINE.format(columns=declared))
    (folder / "configs/bench").mkdir()
    (folder / "configs/bench/__init__.py").write_text("")
    (folder / "data/raw/bench").mkdir(parents=True)
    os.link(raw, folder / "data/raw/bench/flights.csv")


def measured(system: str, raw: Path, folder: Path) -> dict[str, float]:
    """Run one system once; what it wrote is removed."""
    from pyarrow import parquet

    place = folder / system
    place.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])}
    if system == HOLDFAST:
        make_project(place, raw)
        command, written = ["-m", "tasks.ingest", "bench"], place / "data/typed/bench/flights.parquet"
    else:
        os.link(raw, place / "raw.csv")
        command, written = [str(Path(__file__).resolve()), "--system", system], place / "typed.parquet"
    python = str(PEERS / "bin" / "python") if system == POLARS else sys.executable
    cost, _ = measure([python, *command], place, environment)
    rows = parquet.read_metadata(written).num_rows
    shutil.rmtree(place)
    return {"wall_s": cost.seconds, "cpu_s": cost.cpu, "peak_mb": cost.peak, "rows": rows}


def make_environment() -> None:
    """Make the environment of Polars, unless it is there."""
    if (PEERS / "bin" / "python").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
    subprocess.run([str(PEERS / "bin" / "python"), "-m", "pip", "install", "-q", "polars"], check=True)


def compare(workload: str, rows: int, systems: list[str], rounds: int, folder: Path) -> dict[str, dict[str, float]]:
    """Medians of each system on one file."""
    raw = folder / "raw.csv"
    sound = make_file(raw, rows)
    found: dict[str, list[dict[str, float]]] = {system: [] for system in systems}
    for _ in range(rounds):
        for system in systems:
            found[system].append(measured(system, raw, folder))
    medians = {}
    for system, runs in found.items():
        expected = rows if system in KEEPS_ALL else sound
        if runs[0]["rows"] != expected:
            sys.exit(f"{system}: {runs[0]['rows']:.0f} rows written where {expected} were expected")
        medians[system] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        told = {key: round(value, 2) for key, value in medians[system].items()}
        print(json.dumps({"system": system, "workload": workload, **told}), flush=True)
    raw.unlink()
    return medians


def ratios(medians: dict[str, dict[str, float]]) -> dict[str, float]:
    """Wall time beside pandas' better engine and the fastest bare one; the peak in megabytes."""
    ours = medians[HOLDFAST]
    walls = {system: each["wall_s"] for system, each in medians.items() if system != HOLDFAST}
    pandas = [walls[system] for system in PANDAS if system in walls]
    found = {"vs_fastest_bare": ours["wall_s"] / min(walls.values()), "peak_mb": ours["peak_mb"]}
    return found | ({"vs_pandas": min(pandas) / ours["wall_s"]} if pandas else {})


def main() -> None:
    """Measure each system at each size, and print the ratios last."""
    known = [HOLDFAST, *BARE]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one small file, each system once; within a minute")
    parser.add_argument("--rounds", type=int, help="runs of each system; the median counts")
    parser.add_argument("--systems", nargs="+", choices=known, default=known, help="holdfast is always among them")
    parser.add_argument("--system", choices=BARE, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.system:
        return BARE[options.system]()
    systems = list(dict.fromkeys([HOLDFAST, *options.systems]))
    if POLARS in systems:
        make_environment()
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="holdfast-ingest-") as folder:
        for workload, rows in (QUICK if options.quick else SIZES).items():
            medians = compare(workload, rows, systems, options.rounds or (1 if options.quick else 3), Path(folder))
            if len(medians) > 1:
                told |= {f"{name} {workload}": round(value, 3) for name, value in ratios(medians).items()}
    print(json.dumps({"bench": "ingest", "ratios": told}))
    return None


if __name__ == "__main__":
    main()
