"""A profile on disk: `profile.json`, `counts.parquet`, and `sample.parquet` where there is a sample. No pickle.

| file | holds |
| --- | --- |
| profile.json | cells, roles, totals, covariance, importance, hashes; sha256 of the other files, its own checksum |
| counts.parquet | a row per column and cell: its label, and the rows of each block in it |
| sample.parquet | the sample's rows |
| others | what was written beside it: `tasks.drift.habits` |

The bytes are checked before any is used: first the sha256 of profile.json where the version record holds one, then its
checksum, then the sha256 of each file that it names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import CorruptionError, DataError
from tasks.atomic import atomic_folder
from tasks.drift.profile.cells import CategoryCells, Cells, Grid, NumericCells
from tasks.drift.profile.merging import OtherPipelineError
from tasks.drift.profile.profile import FORMAT, Block, Covariance, Profile
from tasks.drift.profile.summary import HOURS, Moments, Summary
from tasks.model.bundle import canonical, sha256
from tasks.table import read_errors_told

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

PROFILE, COUNTS, SAMPLE = "profile.json", "counts.parquet", "sample.parquet"
WEEK = "(time of week)"
OUTSIDE = "outside"
REMEDY = "It was not used. Restore it with `dvc checkout --force`, or make it again with `dvc repro --force`."


class OtherFormatError(DataError):
    """A profile was written by a Holdfast whose format this one does not read."""


# ---- writing


def write_profile(profile: Profile, folder: Path, beside: Mapping[str, pa.Table] | None = None) -> None:
    """Write a profile; the same profile gives the same bytes. The folder's old content is replaced whole.

    Parameters
    ----------
    profile : Profile
    folder : Path
    beside : mapping of file name to Table, optional
        Further tables of the same reference, which are hashed with it; `read_beside` gives them back.
    """
    with atomic_folder(folder) as temporary:
        for name, table in (beside or {}).items():
            write_parquet(table, temporary / name)
        write_parquet(counts_table(profile), temporary / COUNTS)
        if profile.sample is not None:
            write_parquet(profile.sample, temporary / SAMPLE)
        files = {path.name: sha256(path.read_bytes()) for path in sorted(temporary.iterdir())}
        facts = {**facts_of(profile), "files": files}
        facts["checksum"] = sha256(canonical(facts))
        (temporary / PROFILE).write_bytes(canonical(facts))


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write one file of a folder that is put in place as a whole."""
    import pyarrow.parquet as pq

    pq.write_table(
        table.replace_schema_metadata(None),
        path,
        compression="zstd",
        compression_level=9,
        write_page_checksum=True,
        version="2.6",
    )


def counts_table(profile: Profile) -> pa.Table:
    """A row per column and cell; rows of neighbouring blocks are alike, which is what compresses them."""
    import pyarrow as pa

    columns: list[str] = []
    cells: list[str] = []
    lists = []
    for name, laid in profile.grid.columns.items():
        rows = np.stack([block.summary.counts[name] for block in profile.blocks], axis=1)
        outside = [[block.summary.outside.get(name, 0) for block in profile.blocks]]
        columns += [name] * (len(rows) + 1)
        cells += [*labels_of(laid), OUTSIDE]
        lists += [*rows, *outside]
    if profile.grid.time is not None:
        hours = np.stack([hours_or_zeros(block.summary) for block in profile.blocks], axis=1)
        columns, cells, lists = columns + [WEEK] * HOURS, cells + [str(hour) for hour in range(HOURS)], [*lists, *hours]
    flat = pa.array(np.concatenate([np.asarray(row, dtype=np.int64) for row in lists]))
    return pa.table(
        {"column": columns, "cell": cells, "rows": pa.FixedSizeListArray.from_arrays(flat, len(profile.blocks))}
    )


def hours_or_zeros(summary: Summary) -> NDArray[np.int64]:
    """Rows per hour of the week."""
    return np.zeros(HOURS, dtype=np.int64) if summary.time_of_week is None else summary.time_of_week


def labels_of(cells: Cells) -> list[str]:
    """What each count is of."""
    if isinstance(cells, CategoryCells):
        return [*(f"= {level}" for level in cells.levels), "rest", "new", "missing"]
    bounds = [repr(edge) for edge in cells.edges.tolist()]
    below = f"< {bounds[0]}" if bounds else "any"
    return [below, *(f">= {bound}" for bound in bounds), "missing", "invalid"]


def facts_of(profile: Profile) -> dict[str, Any]:
    """All of a profile but the blocks' counts and the sample, as JSON."""
    total, covariance = profile.total, profile.covariance
    return {
        "format": profile.format,
        "pipeline": profile.pipeline,
        "time": profile.grid.time,
        "columns": {
            name: {"role": profile.grid.roles[name], **cells_facts(cells)}
            for name, cells in profile.grid.columns.items()
        },
        "together": [list(pair) for pair in profile.grid.together],
        "blocks": [block_facts(block, profile.grid) for block in profile.blocks],
        "total": {
            "rows": total.rows,
            "counts": {name: counts.tolist() for name, counts in total.counts.items()},
            "moments": {name: moments_facts(moments) for name, moments in total.moments.items()},
            "time_of_week": None if total.time_of_week is None else total.time_of_week.tolist(),
            "start": total.start,
            "end": total.end,
            "co_missing": [[*pair, rows] for pair, rows in sorted(total.co_missing.items())],
        },
        "covariance": {
            "columns": list(covariance.columns),
            "means": covariance.means.tolist(),
            "pairs": covariance.pairs.tolist(),
            "products": covariance.products.tolist(),
        },
        "importance": dict(profile.importance),
        "hashes": dict(profile.hashes),
    }


def block_facts(block: Block, grid: Grid) -> dict[str, Any]:
    """A block without its counts per column."""
    summary = block.summary
    together = [summary.co_missing.get(pair, 0) for pair in grid.together]
    return {
        "batch": block.name,
        "rows": summary.rows,
        "start": summary.start,
        "end": summary.end,
        "together": together,
    }


def cells_facts(cells: Cells) -> dict[str, Any]:
    """The cells of a column."""
    if isinstance(cells, CategoryCells):
        known = [f"{value:016x}" for value in cells.known.tolist()]
        return {"levels": list(cells.levels), "known": "".join(known), "told": cells.told, "private": cells.private}
    return {
        "kind": cells.kind,
        "edges": cells.edges.tolist(),
        "exponent": cells.exponent,
        "least": cells.least,
        "greatest": cells.greatest,
    }


def moments_facts(moments: Moments) -> list[float | None]:
    """Moments as JSON, which knows no infinity."""
    bounds = [moments.least, moments.greatest] if moments.count else [None, None]
    return [moments.count, moments.mean, moments.deviations, *bounds]


# ---- reading


def read_profile(folder: Path, sha256_of_json: str | None = None, pipeline: str | None = None) -> Profile:
    """Read a profile, after the hash of every byte was checked.

    Parameters
    ----------
    folder : Path
        What `write_profile` wrote.
    sha256_of_json : str, optional
        The hash of profile.json that a version record holds. With it, a profile exchanged whole is refused too.
    pipeline : str, optional
        Whose profile it must be.

    Raises
    ------
    CorruptionError
        If a file is missing, too many, or not the one that was written.
    OtherFormatError, OtherPipelineError
        If it is of another format, or of another pipeline.
    """
    facts = checked_facts(folder / PROFILE, sha256_of_json)
    if facts["format"] != FORMAT:
        raise OtherFormatError(
            f"{folder}: a profile of format {facts['format']!r}; this Holdfast reads format {FORMAT}. Make it again "
            "with `dvc repro`, or use the Holdfast that wrote it."
        )
    if pipeline is not None and facts["pipeline"] != pipeline:
        raise OtherPipelineError(
            f"{folder}: the profile of pipeline {facts['pipeline']!r} where that of {pipeline!r} was expected; "
            "restore it with `dvc checkout --force`."
        )
    tables = checked_tables(folder, facts["files"])
    grid = grid_of(facts)
    return Profile(
        facts["pipeline"],
        grid,
        blocks_of(facts, tables[COUNTS], grid),
        total_of(facts["total"]),
        covariance_of(facts["covariance"]),
        facts["importance"],
        tables.get(SAMPLE),
        facts["hashes"],
    )


def read_beside(folder: Path, name: str) -> pa.Table | None:
    """A table that was written beside a profile, after the hash of every byte was checked; None where there is none."""
    return checked_tables(folder, checked_facts(folder / PROFILE, None)["files"]).get(name)


def checked_facts(path: Path, expected: str | None) -> dict[str, Any]:
    """The content of profile.json, if its bytes are those that were written."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing; `holdfast run` makes it in the stage evaluate.") from error
    if expected is not None:
        require_hash(path, data, expected)
    try:
        facts: dict[str, Any] = json.loads(data)
        checksum = facts.pop("checksum")
        content, whole = canonical(facts), canonical({**facts, "checksum": checksum})
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise CorruptionError(f"{path}: not a profile with a checksum ({error!r}). {REMEDY}") from error
    require_hash(path, content, checksum)
    if whole != data:
        raise CorruptionError(f"{path}: its bytes are not in the form that Holdfast writes. {REMEDY}")
    return facts


def require_hash(path: Path, data: bytes, expected: str) -> None:
    """Refuse bytes that are not those that were written."""
    found = sha256(data)
    if found != expected:
        raise CorruptionError(f"{path}: its sha256 is {found}, and {expected} was written. {REMEDY}")


def checked_tables(folder: Path, files: Mapping[str, str]) -> dict[str, pa.Table]:
    """The Parquet files, each read once, if they are those that were written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found, expected = sorted(path.name for path in folder.iterdir()), sorted([*files, PROFILE])
    if found != expected:
        raise CorruptionError(f"{folder}: holds {', '.join(found)}; expected {', '.join(expected)}. {REMEDY}")
    tables = {}
    for name, hashed in files.items():
        data = (folder / name).read_bytes()
        require_hash(folder / name, data, hashed)
        with read_errors_told(folder / name), pq.ParquetFile(pa.BufferReader(data)) as file:
            tables[name] = file.read()
    return tables


def grid_of(facts: Mapping[str, Any]) -> Grid:
    """The grid."""
    columns = {name: cells_of(column) for name, column in facts["columns"].items()}
    roles = {name: column["role"] for name, column in facts["columns"].items()}
    together = tuple((one, other) for one, other in facts.get("together", ()))  # older profiles have none
    return Grid(columns, roles, facts["time"], together)


def cells_of(column: Mapping[str, Any]) -> Cells:
    """The cells of a column."""
    if "levels" in column:
        text = column["known"]
        known = np.array([int(text[first : first + 16], 16) for first in range(0, len(text), 16)], dtype=np.uint64)
        return CategoryCells(tuple(column["levels"]), known, column["told"], column["private"])
    edges = np.array(column["edges"], dtype=np.float64)
    return NumericCells(edges, column["exponent"], column["least"], column["greatest"], column["kind"])


def blocks_of(facts: Mapping[str, Any], table: pa.Table, grid: Grid) -> tuple[Block, ...]:
    """The blocks."""
    heads = facts["blocks"]
    counts = table.column("rows").combine_chunks().flatten().to_numpy().reshape(-1, len(heads))
    places: dict[str, slice] = {}
    first = 0
    for name, cells in grid.columns.items():
        places[name] = slice(first, first + cells.size)
        first += cells.size + 1
    hours = counts[first:] if grid.time is not None else None
    return tuple(
        Block(
            head["batch"],
            Summary(
                head["rows"],
                {name: counts[place, number] for name, place in places.items()},
                outside={name: int(rows) for name, place in places.items() if (rows := counts[place.stop, number])},
                time_of_week=None if hours is None else hours[:, number],
                start=head["start"],
                end=head["end"],
                co_missing={
                    pair: rows for pair, rows in zip(grid.together, head.get("together", ()), strict=True) if rows
                },
            ),
        )
        for number, head in enumerate(heads)
    )


def total_of(facts: Mapping[str, Any]) -> Summary:
    """The sum of all rows."""
    hours = facts["time_of_week"]
    return Summary(
        facts["rows"],
        {name: np.array(counts, dtype=np.int64) for name, counts in facts["counts"].items()},
        {name: moments_from(*moments) for name, moments in facts["moments"].items()},
        time_of_week=None if hours is None else np.array(hours, dtype=np.int64),
        start=facts["start"],
        end=facts["end"],
        co_missing={(one, other): rows for one, other, rows in facts["co_missing"]},
    )


def moments_from(count: int, mean: float, deviations: float, least: float | None, greatest: float | None) -> Moments:
    """Moments from JSON."""
    return Moments(count, mean, deviations, *((least, greatest) if count else (np.inf, -np.inf)))  # type: ignore[arg-type]


def covariance_of(facts: Mapping[str, Any]) -> Covariance:
    """The covariance; of d columns."""
    d = len(facts["columns"])
    return Covariance(
        tuple(facts["columns"]),
        np.array(facts["means"], dtype=np.float64),
        np.array(facts["pairs"], dtype=np.int64).reshape(d, d),
        np.array(facts["products"], dtype=np.float64).reshape(d, d),
    )
