"""What validating one batch takes: 12 expectations on 3M rows, beside Great Expectations used bare.

    python benchmarks/validate.py [--quick] [--rounds N]

The rows are the flights' valid ones, repeated (made up where there are none), in one Parquet file.
Each system runs in a process of its own; reading the file, checking and what it writes are timed, importing is not.
`peak_mb` is the memory of the process, with the libraries.

| system | is |
| --- | --- |
| holdfast | `BatchValidator.make`: reads, checks, writes valid rows, quarantine, Data Docs and summary |
| gx_complete | `pandas.read_parquet`, then `batch.validate` with COMPLETE, which is what names the failing rows |
| gx_summary, gx_boolean | the same with SUMMARY and BOOLEAN_ONLY, which do not |

Both must count the same failing rows, or the benchmark fails. `vs_gx_bare` is ours over gx_complete.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from overhead import measure

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

HOLDFAST = "holdfast"
FORMATS = {"gx_complete": "COMPLETE", "gx_summary": "SUMMARY", "gx_boolean": "BOOLEAN_ONLY"}
ROWS, QUICK_ROWS = 3_000_000, 300_000
EXPECTATIONS: list[tuple[str, dict[str, Any], str]] = [
    ("expect_table_row_count_to_be_between", {"min_value": 1000}, "stop"),
    ("expect_column_values_to_not_be_null", {"column": "arr_delay"}, "quarantine"),
    ("expect_column_values_to_be_between", {"column": "distance", "min_value": 100, "max_value": 6000}, "quarantine"),
    ("expect_column_values_to_be_between", {"column": "hour", "min_value": 0, "max_value": 23}, "quarantine"),
    ("expect_column_values_to_be_between", {"column": "arr_delay", "min_value": -90, "max_value": 900}, "quarantine"),
    ("expect_column_values_to_be_in_set", {"column": "origin", "value_set": ["EWR", "JFK", "LGA"]}, "quarantine"),
    ("expect_column_values_to_match_regex", {"column": "tailnum", "regex": "^N[0-9]"}, "quarantine"),
    ("expect_column_value_lengths_to_be_between", {"column": "carrier", "min_value": 2, "max_value": 2}, "quarantine"),
    ("expect_column_pair_values_to_be_equal", {"column_A": "hour", "column_B": "hour_of_time"}, "warn"),
    ("expect_column_mean_to_be_between", {"column": "distance", "min_value": 500, "max_value": 2000}, "warn"),
    ("expect_column_quantile_values_to_be_between", {
        "column": "arr_delay",
        "quantile_ranges": {"quantiles": [0.1, 0.9], "value_ranges": [[-60, 0], [0, 120]]},
    }, "warn"),
    ("expect_column_unique_value_count_to_be_between", {"column": "dest", "min_value": 50, "max_value": 200}, "warn"),
]  # fmt: skip
TYPES = {
    **dict.fromkeys(["hour", "hour_of_time", "distance"], "integer"),
    "arr_delay": "float",
    **dict.fromkeys(["carrier", "tailnum", "origin", "dest"], "category"),
    "time_hour": "timestamp",
}


def make_rows(path: Path, rows: int) -> None:
    """Write the batch: flights repeated, with some values missing and some wrong."""
    import numpy as np
    import pyarrow as pa

    from tasks.table import LINE, write_table

    chance = np.random.default_rng(7)
    folder = ROOT / "data/valid/flights"
    found = flights(folder) if folder.is_dir() else made_up(chance)
    table = found.take(pa.array(np.arange(rows) % found.num_rows))
    late = table["arr_delay"].to_numpy(zero_copy_only=False).copy()
    late[chance.random(rows) < 0.02] = np.nan
    table = table.set_column(table.column_names.index("arr_delay"), "arr_delay", pa.array(late, from_pandas=True))
    table = table.append_column("hour_of_time", table["hour"]).select(list(TYPES))
    write_table(table.append_column(LINE, pa.array(range(2, rows + 2), pa.int64())), path)


def flights(folder: Path) -> Any:
    """The flights that have been validated."""
    from tasks.table import read_batches

    return read_batches(folder, [name for name in TYPES if name != "hour_of_time"])


def made_up(chance: Any) -> Any:
    """Rows like the flights."""
    import numpy as np
    import pyarrow as pa

    rows = 300_000

    def some(texts: list[str]) -> pa.Array:
        return pa.array(np.array(texts)[chance.integers(0, len(texts), rows)])

    return pa.table(
        {
            "hour": chance.integers(5, 24, rows),
            "distance": chance.integers(80, 5000, rows),
            "arr_delay": np.round(chance.normal(5, 30, rows)),
            "carrier": some(["UA", "B6", "EV", "DL", "AA", "MQ"]),
            "tailnum": some([f"N{number}UA" for number in range(4000)] + ["D942DN"]),
            "origin": some(["EWR", "JFK", "LGA"]),
            "dest": some([f"D{number:02d}" for number in range(100)]),
            "time_hour": pa.array(chance.integers(0, 10**15, rows), pa.timestamp("us", tz="UTC")),
        }
    )


def run_holdfast(path: Path) -> tuple[float, list[int | None]]:
    """The stage's work on one batch."""
    from tasks.validate import BatchValidator
    from tasks.validation.expectations import great_expectations
    from tests.pipelines import make_pipeline

    great_expectations()
    import duckdb  # noqa: F401 - importing is not timed
    import pyarrow.parquet  # noqa: F401

    expectations = [{name: arguments, "otherwise": otherwise} for name, arguments, otherwise in EXPECTATIONS]
    columns = {name: {"type": kind} for name, kind in TYPES.items()}
    pipeline = make_pipeline(columns, expectations=expectations, target={"name": "arr_delay"})
    folder = Path("made")
    folder.mkdir()
    start = time.perf_counter()
    BatchValidator(pipeline).make(path, folder)
    seconds = time.perf_counter() - start
    results = json.loads((folder / "summary.json").read_text())["results"]
    shutil.rmtree(folder)
    return seconds, [result["unexpected_count"] for result in results]


def run_gx(path: Path, result_format: str) -> tuple[float, list[int | None]]:
    """GX on a frame, as its documentation has it."""
    from tasks.validation.expectations import great_expectations

    gx = great_expectations()
    import pandas as pd
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.registry import get_expectation_impl

    start = time.perf_counter()
    frame = pd.read_parquet(path)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("flights").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("batch").get_batch(batch_parameters={"dataframe": frame})
    built = [get_expectation_impl(name)(**arguments) for name, arguments, _ in EXPECTATIONS]
    wanted = {"result_format": result_format, "return_unexpected_index_query": False}
    results = batch.validate(gx.ExpectationSuite(name="suite", expectations=built), result_format=wanted).results
    seconds = time.perf_counter() - start
    counts = {json.dumps(each.expectation_config.kwargs, sort_keys=True, default=str): each.result for each in results}
    ordered = [counts[json.dumps(each.configuration.kwargs | {"batch_id": batch.id}, sort_keys=True, default=str)] for each in built]  # fmt: skip  # noqa: E501
    return seconds, [result.get("unexpected_count") for result in ordered]


def measured(system: str, folder: Path) -> dict[str, Any]:
    """Run one system once, in a process of its own."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    environment = {**os.environ, "PYTHONPATH": paths, "GX_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    cost, printed = measure([sys.executable, str(Path(__file__).resolve()), "--system", system], folder, environment)
    return {**json.loads(printed.splitlines()[-1]), "peak_mb": cost.peak}


def main() -> None:
    """Measure each system in turn, and print the ratios last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="300,000 rows, each system once; within two minutes")
    parser.add_argument("--rounds", type=int, help="runs of each system; the median counts")
    parser.add_argument("--rows", type=int, help="rows of the batch")
    parser.add_argument("--system", choices=[HOLDFAST, *FORMATS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.system:
        path = Path("rows.parquet")
        run = run_holdfast(path) if options.system == HOLDFAST else run_gx(path, FORMATS[options.system])
        return print(json.dumps({"wall_s": run[0], "unexpected": run[1]}))
    rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    systems = [HOLDFAST, "gx_complete", *([] if options.quick else ["gx_summary", "gx_boolean"])]
    found: dict[str, list[dict[str, Any]]] = {system: [] for system in systems}
    with tempfile.TemporaryDirectory(prefix="holdfast-validate-") as folder:
        make_rows(Path(folder, "rows.parquet"), rows)
        for _ in range(options.rounds or (1 if options.quick else 3)):
            for system in systems:
                found[system].append(measured(system, Path(folder)))
    ours, theirs = (found[system][0]["unexpected"] for system in (HOLDFAST, "gx_complete"))
    if ours != theirs:
        sys.exit(f"failing rows: {ours} by Holdfast, {theirs} by GX; the same were expected")
    medians = {
        system: {key: statistics.median(run[key] for run in runs) for key in ("wall_s", "peak_mb")}
        for system, runs in found.items()
    }
    for system, entry in medians.items():
        told = {key: round(value, 2) for key, value in entry.items()}
        print(json.dumps({"system": system, "workload": f"{rows} rows, {len(EXPECTATIONS)} expectations", **told}))
    ratios = {"vs_gx_bare": medians[HOLDFAST]["wall_s"] / medians["gx_complete"]["wall_s"]}
    ratios["memory_vs_gx_bare"] = medians[HOLDFAST]["peak_mb"] / medians["gx_complete"]["peak_mb"]
    for system in systems[2:]:
        ratios[f"vs_{system}"] = medians[HOLDFAST]["wall_s"] / medians[system]["wall_s"]
    print(json.dumps({"bench": "validate", "ratios": {name: round(value, 3) for name, value in ratios.items()}}))
    return None


if __name__ == "__main__":
    main()
