"""Stage `ingest`: read new raw batches as declared; typed Parquet out, unreadable rows to quarantine.

Each row of a raw file ends either in data/typed or, with its line and a reason, in data/quarantine; the stage counts
both and fails when the sum is not what the file holds. Only batches that are new or changed are read; the others come
from the per-batch store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import DataError
from configs.schema import Column, Pipeline
from tasks.atomic import atomic_folder, write_json
from tasks.batch import raw_batches
from tasks.cells import refuse_unknown_formats, type_cells
from tasks.quarantine import Refusal, merge_counts, write_quarantine
from tasks.raw_files import Dialect, RawTable, UnreadableFileError, read_raw
from tasks.stage import run_as_command
from tasks.store import BatchStore, file_hash
from tasks.table import LINE, write_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa


class HeaderError(DataError):
    """The columns of a raw file are not the declared ones."""


class NoRowError(DataError):
    """A batch without a row, or batches of which every row was refused."""


class LostRowError(DataError):
    """Rows in are not rows out plus rows refused: a fault of Holdfast, not of the data."""


@dataclass(frozen=True)
class ReadBatch:
    """One raw batch after reading: its typed rows with `_line`, its refused rows, and times that happened twice."""

    typed: pa.Table
    refused: list[Refusal]
    ambiguous: int


def check_header(names: Sequence[str], columns: Iterable[str], drop: Iterable[str]) -> None:
    """Refuse a header that is not the declared one; the order of columns is free.

    Raises
    ------
    HeaderError
        Says which names are twice, missing, or unknown, and the nearest one.
    """
    columns, drop = list(columns), list(drop)
    twice = sorted({name for name in names if names.count(name) > 1})
    missing = [name for name in columns if name not in names]
    unknown = [name for name in names if name not in {*columns, *drop}]
    complaints = [f"column {name!r} stands there {names.count(name)} times" for name in twice]
    complaints += [f"column {name!r} is declared, but missing{nearest(name, unknown)}" for name in missing]
    complaints += [f"column {name!r} is neither declared nor dropped{nearest(name, missing)}" for name in unknown]
    if complaints:
        raise HeaderError(f"{'; '.join(complaints)}. The header has: {', '.join(map(repr, names))}")


def nearest(name: str, candidates: Sequence[str]) -> str:
    """Hint at the candidate that looks most alike, case and spaces aside; nothing where none does."""
    plain = {candidate.strip().lower(): candidate for candidate in candidates}
    close = get_close_matches(name.strip().lower(), plain, n=1)
    return f" (did you mean {plain[close[0]]!r}?)" if close else ""


def read_batch(  # noqa: PLR0913 - the parts of the declaration that it reads, by name
    raw: RawTable, *, batch: str, file: str, columns: Mapping[str, Column], drop: Iterable[str], timezone: str
) -> ReadBatch:
    """Type one raw batch as declared.

    Parameters
    ----------
    raw : RawTable
        The rows of a raw file as text.
    batch, file : str
        Its name and where it lies, for the quarantine.
    columns : mapping of str to Column
        What to read, in the order of the result.
    drop : iterable of str
        Columns that may be there and are not read.
    timezone : str
        Zone of timestamps without an offset.

    Raises
    ------
    HeaderError, NoRowError
        If no row can be read, with what was found; the caller adds the file.
    LostRowError
        If the rows do not add up.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    check_header(raw.names, columns, drop)
    rows = len(raw.lines) + len(raw.refused)
    if rows == 0:
        raise NoRowError("a header and no row; at least one row is expected")
    cells = type_cells(raw.texts.select([raw.names.index(name) for name in columns]), columns, timezone)
    refused = [Refusal(batch, file, line, None, reason, detail, text) for line, reason, detail, text in raw.refused]
    refused += [
        Refusal(batch, file, int(raw.lines[row]), column, reason, detail, raw.raw(row))
        for row, (column, reason, detail) in cells.refused.items()
    ]
    typed = cells.values.append_column(LINE, pa.array(raw.lines, pa.int64()))
    if cells.refused:
        sound = pc.invert(pc.is_in(pa.array(range(typed.num_rows)), value_set=pa.array(list(cells.refused))))
        typed = typed.filter(sound)
    if typed.num_rows + len(refused) != rows:
        raise LostRowError(f"{rows} rows in, {typed.num_rows} out and {len(refused)} refused. Report this, please")
    return ReadBatch(typed.combine_chunks(), refused, cells.ambiguous)


def make_batch(folder: Path, file: Path, batch: str, pipeline: Pipeline) -> None:
    """Write the typed rows of one raw file, its refused rows and their counts into a folder of the store."""
    remedy = f"Land a corrected file in its place: `holdfast land {pipeline.name} --replace {file.name}`."
    try:
        raw = read_raw(file, pipeline.source.dialect)
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{error}. {remedy}") from error
    try:
        result = read_batch(
            raw,
            batch=batch,
            file=file.as_posix(),
            columns=pipeline.columns,
            drop=pipeline.drop,
            timezone=pipeline.time.timezone,
        )
    except HeaderError as error:
        remedy = (
            f"Declare it under columns or drop in configs/{pipeline.name}.yaml, or land a corrected file in its place."
        )
        line = raw.dialect.preamble + 1
        raise HeaderError(f"{file}:{line}: {error}{how_read(raw.dialect)}. {remedy}") from error
    except (NoRowError, LostRowError) as error:
        raise type(error)(f"{file}:1: {error}. {remedy}") from error
    write_table(result.typed, folder / "typed.parquet")
    if result.refused:
        write_quarantine(result.refused, folder / "quarantine.parquet")
    reasons = merge_counts({refusal.reason: 1} for refusal in result.refused)
    summary = {
        "rows_out": result.typed.num_rows,
        "reasons": reasons,
        "ambiguous_times": result.ambiguous,
        "dialect": asdict(raw.dialect),
    }
    write_json(folder / "summary.json", summary)


def how_read(dialect: Dialect) -> str:
    """Tell how a file was read where that is not sure."""
    doubt = (
        f"; or with {dialect.second}: declare source.dialect then" if dialect.second and dialect.certainty < 0.9 else ""
    )
    return f" (read as {dialect.format} with delimiter {dialect.delimiter!r}{doubt})" if dialect.delimiter else ""


def add_up(summaries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Add up what was counted per batch to the stage's metrics."""
    reasons = merge_counts(summary["reasons"] for summary in summaries)
    rows_out = sum(summary["rows_out"] for summary in summaries)
    refused = sum(reasons.values())
    return {
        "rows_in": rows_out + refused,
        "rows_out": rows_out,
        "rows_quarantined": refused,
        "batches": len(summaries),
        "reasons": reasons,
        "ambiguous_times": sum(summary["ambiguous_times"] for summary in summaries),
    }


def main(pipeline: Pipeline) -> None:
    """Stage `ingest` of dvc.yaml: read data/raw, write data/typed, data/quarantine and metrics."""
    name = pipeline.name
    refuse_unknown_formats(pipeline.columns)
    batches = raw_batches(name)
    store = BatchStore("ingest", pipeline)
    summaries = []
    with (
        atomic_folder(Path("data/quarantine", name, "ingest")) as quarantine,
        atomic_folder(Path("data/typed", name)) as typed,
    ):
        for batch, file in batches.items():

            def make(folder: Path, file: Path = file, batch: str = batch) -> None:
                make_batch(folder, file, batch, pipeline)

            into = {"typed.parquet": typed / f"{batch}.parquet", "quarantine.parquet": quarantine / f"{batch}.parquet"}
            summaries.append(store.get_or_make(batch, file_hash(file), make, into))
        metrics = add_up(summaries)
        if metrics["rows_out"] == 0:
            raise NoRowError(
                f"data/raw/{name}: all {metrics['rows_in']} rows were refused ({counted(metrics['reasons'])}). Compare "
                f"the columns in configs/{name}.yaml with the files."
            )
    write_json(Path("metrics", name, "ingest.json"), metrics)
    store.forget_unused()
    print(
        f"ingest: {len(batches)} batches, {len(store.made)} of them read anew; {metrics['rows_in']} rows in, "
        f"{metrics['rows_out']} out, {metrics['rows_quarantined']} in quarantine",
        flush=True,
    )


def counted(reasons: Mapping[str, int]) -> str:
    """Reasons with their counts, the most frequent first."""
    return ", ".join(
        f"{reason} {rows}" for reason, rows in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    )


if __name__ == "__main__":
    run_as_command("ingest")
