"""What ingestion takes: a large dirty CSV to typed, zstd-compressed Parquet, beside the readers used bare.

    python benchmarks/ingest.py [--quick] [--rounds N] [--systems NAME ...]

The file is the flights' rows again and again, with noise that each system can get past: quoted texts, null tokens, and
one row in 5,000 with a field too many. Each system runs in a process of its own, imports and start included, at both
sizes (`--quick`: once, 500,000 rows). `peak_mb` is the memory of all its processes at one time.

| system | is | a row with a field too many |
| --- | --- | --- |
| holdfast | the stage `ingest` | in quarantine, with line, reason and text |
| pandas-c, pandas-pyarrow | `read_csv` with types and `to_parquet` | left out, untold |
| duckdb | `COPY (SELECT ... FROM read_csv(...)) TO ...` | left out, untold |
| polars | `scan_csv(...).sink_parquet(...)`, in an environment that is made under .holdfast/ once | kept, cut, untold |
| pyarrow | `open_csv` with types, batch by batch into a `ParquetWriter` | left out, untold |

All read the same null tokens, type the same columns (numbers as int64, the time as an instant in UTC) and compress with
zstd, at the level that each takes by itself. Holdfast alone writes no least and greatest level of categories; it alone
shows that lines are records, hashes the file and what it wrote, numbers the rows, and adds checksums to the pages.

A system that writes another number of rows than the table says ends the benchmark. `bad_kept` says how many rows with a
field too many it wrote as if they were sound; `unlike` which columns have another type or other cells than Holdfast's,
cells where the rows are the same. It reads data/incoming/flights (`make data` makes it).
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
from typing import Any, NamedTuple

from overhead import measure

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / ".holdfast" / "benchmarks" / "polars"
SIZES = {"1.4 GB": 12_000_000, "5 GB": 43_000_000}
QUICK = {"50 MB": 500_000}
WARM_UP = 1_000  # rows
BAD = 5_000  # one row in so many has a field too many
LINE = "_line"
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


class Column(NamedTuple):
    """What a column of a Parquet file is: its type as DuckDB names it, its cells that have a value, and their sum."""

    type_: str
    cells: int
    sum_: int | None


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


def measured(system: str, raw: Path, folder: Path) -> tuple[dict[str, float], dict[str, Column]]:
    """Run one system once: what it cost, and the columns that it wrote, which are removed."""
    place = folder / system
    place.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    if system == HOLDFAST:
        make_project(place, raw)
        command, written = ["-m", "tasks.ingest", "bench"], place / "data/typed/bench/flights.parquet"
    else:
        os.link(raw, place / "raw.csv")
        command, written = [str(Path(__file__).resolve()), "--system", system], place / "typed.parquet"
    python = str(PEERS / "bin" / "python") if system == POLARS else sys.executable
    cost, _ = measure([python, *command], place, environment)
    rows, columns = columns_of(written)
    shutil.rmtree(place)
    return {"wall_s": cost.seconds, "cpu_s": cost.cpu, "peak_mb": cost.peak, "rows": rows}, columns


def columns_of(written: Path) -> tuple[int, dict[str, Column]]:
    """Rows of a Parquet file, and the type of each column with what its cells come to."""
    import duckdb

    own = duckdb.connect()
    told = own.sql(f"DESCRIBE FROM read_parquet('{written}')").fetchall()
    types = {name: type_ for name, type_, *_ in told if name != LINE}
    sums = {name: f'sum(hash("{name}")::HUGEINT)' for name in types}
    for name in types:
        if types[name].startswith("TIMESTAMP"):
            sums[name] = f'sum(epoch_us("{name}")::HUGEINT)'
    asked = ", ".join(f'count("{name}"), {sums[name]}' for name in types)
    rows, *found = own.sql(f"SELECT count(*), {asked} FROM read_parquet('{written}')").fetchall()[0]
    return int(rows), {name: Column(types[name], *found[2 * at : 2 * at + 2]) for at, name in enumerate(types)}


def unlike(columns: dict[str, Column], ours: dict[str, Column], *, same_rows: bool) -> dict[str, str]:
    """How columns differ from Holdfast's: by type, and, where the rows are the same, by what the cells come to."""
    found = {}
    for name, expected in ours.items():
        column = columns[name]
        if column.type_ != expected.type_:
            found[name] = f"{column.type_} for {expected.type_}"
        elif same_rows and column != expected:
            found[name] = f"{column.cells} cells for {expected.cells}"
    return found


def make_environment() -> None:
    """Make the environment of Polars, unless it is there."""
    if (PEERS / "bin" / "python").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
    subprocess.run([str(PEERS / "bin" / "python"), "-m", "pip", "install", "-q", "polars"], check=True)


def warm_up(systems: list[str], folder: Path) -> None:
    """Run each system once, uncounted, so that Python has compiled the modules of each."""
    raw = folder / "raw.csv"
    make_file(raw, WARM_UP)
    for system in systems:
        measured(system, raw, folder)


def compare(workload: str, rows: int, systems: list[str], rounds: int, folder: Path) -> dict[str, dict[str, float]]:
    """Medians of each system on one file."""
    raw = folder / "raw.csv"
    sound = make_file(raw, rows)
    found: dict[str, list[dict[str, float]]] = {system: [] for system in systems}
    written: dict[str, dict[str, Column]] = {}
    for _ in range(rounds):
        for system in systems:
            cost, written[system] = measured(system, raw, folder)
            found[system].append(cost)
    medians = {}
    for system, runs in found.items():
        expected = rows if system in KEEPS_ALL else sound
        if runs[0]["rows"] != expected:
            sys.exit(f"{system}: {runs[0]['rows']:.0f} rows written where {expected} were expected")
        medians[system] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        told: dict[str, Any] = {key: round(value, 2) for key, value in medians[system].items()}
        told["bad_kept"] = expected - sound
        told["unlike"] = unlike(written[system], written[HOLDFAST], same_rows=expected == sound)
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
        warm_up(systems, Path(folder))
        for workload, rows in (QUICK if options.quick else SIZES).items():
            medians = compare(workload, rows, systems, options.rounds or (1 if options.quick else 3), Path(folder))
            if len(medians) > 1:
                told |= {f"{name} {workload}": round(value, 3) for name, value in ratios(medians).items()}
    print(json.dumps({"bench": "ingest", "ratios": told}))
    return None


if __name__ == "__main__":
    main()
