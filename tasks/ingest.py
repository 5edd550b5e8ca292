"""Stage `ingest`: read new raw batches as declared; typed Parquet out, unreadable rows to quarantine.

Each row of a raw file ends either in data/typed or, with its line and a reason, in data/quarantine; the stage counts
both and fails when the sum is not what the file holds. A file goes through in chunks, so memory does not grow with it.
Only batches that are new or changed are read; the others come from the per-batch store.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import DataError
from configs.schema import Column, Pipeline
from tasks.account import SURE, Account, add_up
from tasks.atomic import atomic_folder, write_json
from tasks.batch import raw_batches
from tasks.cells import OnChange, TypedCells, refuse_unknown_formats, type_cells, typed_schema
from tasks.contract.header import HeaderChange, HeaderDifference, HeaderError, compare_header, refuse_header
from tasks.quarantine import Refusal, quarantine_schema, quarantine_table
from tasks.raw_files import Dialect, RawChunk, RawFile, UnreadableFileError, open_raw
from tasks.refusal_limit import Counted, require_few_refused
from tasks.stage import run_as_command
from tasks.store import BatchStore, file_hash
from tasks.table import LINE, table_writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

TYPED, QUARANTINE, SUMMARY = "typed.parquet", "quarantine.parquet", "summary.json"


class NoRowError(DataError):
    """A batch without a row, or batches of which every row was refused."""


class LostRowError(DataError):
    """Rows in are not rows out plus rows refused: a fault of Holdfast, not of the data."""


class ContractError(DataError):
    """Cells are not what the contract says: new levels of a category, or integers that are written as floats."""


class ChangedFileError(DataError):
    """A file was written to while it was read."""


@dataclass(frozen=True)
class Reading:
    """How the chunks of one file become typed rows.

    Attributes
    ----------
    batch, file : str
        Its name and where it lies, for the quarantine.
    columns : mapping of str to Column
        What to read, in the order of the result.
    header : HeaderDifference
        Where the columns stand.
    timezone : str
        Zone of timestamps without an offset.
    on_change : {"stop", "quarantine", "accept"}
        What becomes of rows that are not as the contract says.
    """

    batch: str
    file: str
    columns: Mapping[str, Column]
    header: HeaderDifference
    timezone: str
    on_change: OnChange

    def refused(self, line: int, column: str | None, reason: str, detail: str, raw: str) -> Refusal:
        """One refused row of this file."""
        return Refusal(self.batch, self.file, line, column, reason, detail, raw)

    def refuses_all(self) -> HeaderChange | None:
        """Why no row of the file is let in, None where the header does not forbid it."""
        changes = self.header.changes() if self.on_change == "quarantine" else []
        return changes[0] if changes else None

    def texts(self, chunk: RawChunk) -> pa.Table:
        """Texts of the declared columns, in their order; null in a column that the file has not."""
        import pyarrow as pa

        nothing = pa.chunked_array([pa.nulls(chunk.texts.num_rows, pa.string())])
        places = [self.header.position(name) for name in self.columns]
        return pa.table(
            [nothing if place is None else chunk.texts.column(place) for place in places], names=list(self.columns)
        )


@dataclass(frozen=True)
class TypedChunk:
    """A chunk after typing: its typed rows with `_line`, its refused rows in order of line, what was told of cells."""

    typed: pa.Table
    refused: list[Refusal]
    cells: TypedCells | None


def type_chunk(chunk: RawChunk, reading: Reading) -> TypedChunk:
    """Type the rows of one chunk.

    Raises
    ------
    ContractError
        If a level is new and changes stop the run.
    """
    refused = [reading.refused(each.line, None, each.reason, each.detail, each.raw) for each in chunk.refused]
    if (change := reading.refuses_all()) is not None:
        refused += [
            reading.refused(int(line), change.column, change.kind, f"column {change.column!r} {change.detail}", raw)
            for line, raw in zip(chunk.lines, map(chunk.raw, range(len(chunk.lines))), strict=True)
        ]
        return TypedChunk(stored_schema(reading.columns).empty_table(), in_order(refused), None)
    cells = type_cells(reading.texts(chunk), reading.columns, reading.timezone, reading.on_change)
    if reading.on_change == "stop":
        refuse_new_levels(cells, chunk)
    refused += [
        reading.refused(int(chunk.lines[row]), column, reason, detail, chunk.raw(row))
        for row, (column, reason, detail) in cells.refused.items()
    ]
    return TypedChunk(sound_rows(cells, chunk), in_order(refused), cells)


def in_order(refused: list[Refusal]) -> list[Refusal]:
    """Refused rows in order of line."""
    return sorted(refused, key=lambda each: each.line)


def sound_rows(cells: TypedCells, chunk: RawChunk) -> pa.Table:
    """The rows that were typed, with their lines."""
    import numpy as np
    import pyarrow as pa

    typed = cells.values.append_column(LINE, pa.array(chunk.lines, pa.int64()))
    if cells.refused:
        sound = np.ones(typed.num_rows, dtype=bool)
        sound[list(cells.refused)] = False
        typed = typed.filter(pa.array(sound))
    return typed.combine_chunks()


def refuse_new_levels(cells: TypedCells, chunk: RawChunk) -> None:
    """End the run at a level that is not declared."""
    for name, change in cells.changes.items():
        if change.kind == "schema_new_level" and change.cells:
            raise ContractError(
                f"{chunk.lines[change.row]}: column {name!r} has levels that are not declared: "
                f"{', '.join(map(repr, change.texts))}"
            )


def refuse_floats(account: Account) -> None:
    """End the run where a whole column of integers was written as floats."""
    for name, change in account.changes.items():
        if change.kind == "schema_integer_became_float" and change.cells == change.given > 0:
            raise ContractError(
                f"1: column {name!r} is declared as integer, but all of its {change.given} numbers are written as "
                f"floats, such as {change.texts[0]!r}"
            )


def stored_schema(columns: Mapping[str, Column]) -> pa.Schema:
    """Arrow types of a typed batch: the declared columns and `_line`."""
    import pyarrow as pa

    return typed_schema(columns).append(pa.field(LINE, pa.int64()))


def read_batch(folder: Path, chunks: Iterator[RawChunk], reading: Reading) -> Account:
    """Write the typed and the refused rows of one file into a folder, chunk by chunk, and count them.

    Raises
    ------
    NoRowError
        If there is no row at all.
    LostRowError
        If the rows do not add up.
    ContractError
        If changes stop the run and there are some.
    """
    from contextlib import ExitStack

    account, write_refused = Account(), None
    with ExitStack() as stack:
        write_typed = stack.enter_context(table_writer(folder / TYPED, stored_schema(reading.columns)))
        for chunk in chunks:
            made = type_chunk(chunk, reading)
            write_typed(made.typed)
            if made.refused and write_refused is None:
                write_refused = stack.enter_context(table_writer(folder / QUARANTINE, quarantine_schema()))
            if made.refused and write_refused is not None:
                write_refused(quarantine_table(made.refused))
            account.add(len(chunk.lines) + len(chunk.refused), made.typed.num_rows, made.refused, made.cells)
        if account.rows_in == 0:
            raise NoRowError("a header and no row; at least one row is expected")
        if account.rows_in != account.rows_out + account.rows_refused:
            raise LostRowError(
                f"{account.rows_in} rows in, {account.rows_out} out and {account.rows_refused} refused. Report this, "
                "please"
            )
        if reading.on_change == "stop":
            refuse_floats(account)
    return account


def make_batch(folder: Path, file: Path, batch: str, pipeline: Pipeline) -> None:
    """Write the typed rows of one raw file, its refused rows and their counts into a folder of the store."""
    raw_file = f"Land a corrected file in its place: `holdfast land {pipeline.name} --replace {file.name}`."
    contract = f"`holdfast schema {pipeline.name} --diff` shows what differs from the declared columns."
    try:
        with open_raw(file, pipeline.source.dialect) as raw:
            where = f"{file}:{raw.dialect.preamble + 1}"
            account, header = read_file(folder, raw, file, batch, pipeline)
            dialect = raw.dialect
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{error}. {raw_file}") from error
    except HeaderError as error:
        remedy = (
            f"Declare it under columns or drop in configs/{pipeline.name}.yaml, or land a corrected file in its place."
        )
        raise HeaderError(f"{where}: {error}{how_read(raw.dialect)}. {remedy} {contract}") from error
    except ContractError as error:
        raise ContractError(f"{file}:{error}. Declare it, or land a corrected file in its place. {contract}") from error
    except (NoRowError, LostRowError) as error:
        raise type(error)(f"{file}:1: {error}. {raw_file}") from error
    write_json(folder / SUMMARY, account.summary(header, dialect))


def read_file(
    folder: Path, raw: RawFile, file: Path, batch: str, pipeline: Pipeline
) -> tuple[Account, HeaderDifference]:
    """Write the rows of an open file into a folder; the account of them, and how the header differs."""
    on_change = pipeline.source.on_change
    header = compare_header(raw.names, pipeline.columns, pipeline.drop)
    refuse_header(header, on_change, needed_columns(pipeline))
    reading = Reading(batch, file.as_posix(), pipeline.columns, header, pipeline.time.timezone, on_change)
    return read_batch(folder, raw.chunks(), reading), header


def how_read(dialect: Dialect) -> str:
    """Tell how a file was read where that is not sure."""
    is_unsure = dialect.second is not None and dialect.certainty < SURE
    doubt = f"; or with {dialect.second}: declare source.dialect then" if is_unsure else ""
    return f" (read as {dialect.format} with delimiter {dialect.delimiter!r}{doubt})" if dialect.delimiter else ""


def needed_columns(pipeline: Pipeline) -> tuple[str | None, ...]:
    """Columns that no batch can do without: what the target is made of, and the time of a row."""
    return (pipeline.target.from_ or pipeline.target.name, pipeline.time.column)


def fingerprint(file: Path) -> tuple[int, int, int]:
    """What changes when a file is written to: its inode, size in bytes, and time of the last change."""
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def refuse_changed(file: Path, before: tuple[int, int, int]) -> None:
    """Refuse a file that is no longer the one that was hashed.

    Raises
    ------
    ChangedFileError
        Names the file.
    """
    if fingerprint(file) != before:
        raise ChangedFileError(
            f"{file}: it was written to while it was read; a landed batch does not change. Land it again, once it is "
            "whole."
        )


def main(pipeline: Pipeline) -> None:
    """Stage `ingest` of dvc.yaml: read data/raw, write data/typed, data/quarantine and metrics."""
    name = pipeline.name
    refuse_unknown_formats(pipeline.columns, pipeline.time.timezone)
    batches = raw_batches(name)
    store = BatchStore("ingest", pipeline)
    summaries = []
    with (
        atomic_folder(Path("data/quarantine", name, "ingest")) as quarantine,
        atomic_folder(Path("data/typed", name)) as typed,
    ):
        for batch, file in batches.items():
            before = fingerprint(file)

            def make(folder: Path, file: Path = file, batch: str = batch, before: Any = before) -> None:
                make_batch(folder, file, batch, pipeline)
                refuse_changed(file, before)

            into = {TYPED: typed / f"{batch}.parquet", QUARANTINE: quarantine / f"{batch}.parquet"}
            summaries.append(store.get_or_make(batch, file_hash(file), make, into))
        metrics = add_up(summaries)
        if metrics["rows_out"] == 0:
            raise NoRowError(
                f"data/raw/{name}: all {metrics['rows_in']} rows were refused ({counted(metrics['reasons'])}). Compare "
                f"the columns in configs/{name}.yaml with the files."
            )
        stop_on_share(pipeline, dict(zip(batches, summaries, strict=True)), quarantine)
    write_json(Path("metrics", name, "ingest.json"), metrics)
    store.forget_unused()
    print(
        f"ingest: {len(batches)} batches, {len(store.made)} of them read anew; {metrics['rows_in']} rows in, "
        f"{metrics['rows_out']} out, {metrics['rows_quarantined']} in quarantine",
        flush=True,
    )
    for change, files in metrics["schema"].items():
        print(f"ingest: {change} in {files} of {len(batches)} batches", flush=True)


def stop_on_share(pipeline: Pipeline, summaries: Mapping[str, Mapping[str, Any]], quarantine: Path) -> None:
    """Raise where more of a batch is refused than `source.stop_above` allows; `quarantine` has its refused rows."""
    batches = [
        Counted(batch, summary["rows_out"] + sum(summary["reasons"].values()), summary["reasons"])
        for batch, summary in summaries.items()
    ]

    def keep(batch: str, path: Path) -> None:
        shutil.copyfile(quarantine / f"{batch}.parquet", path)

    require_few_refused(pipeline.name, pipeline.source, batches, "ingest", keep)


def counted(reasons: Mapping[str, int]) -> str:
    """Reasons with their counts, the most frequent first."""
    return ", ".join(
        f"{reason} {rows}" for reason, rows in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    )


if __name__ == "__main__":
    run_as_command("ingest")
