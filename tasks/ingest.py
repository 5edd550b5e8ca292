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
from configs.schema import Column, DeclaredDialect, Pipeline
from tasks.account import SURE, Account, add_up
from tasks.atomic import atomic_folder, write_json
from tasks.batch import raw_batches
from tasks.cells import OnChange, refuse_unknown_formats
from tasks.chunks import ContractError, Reading, category_names, stored_schema, type_chunk
from tasks.contract.header import HeaderDifference, HeaderError, compare_header, refuse_header
from tasks.quarantine import quarantine_schema, quarantine_table
from tasks.raw_files import Dialect, RawChunk, RawFile, UnreadableFileError, open_raw
from tasks.refusal_limit import Counted, require_few_refused
from tasks.stage import run_as_command
from tasks.store import BatchStore, file_hash
from tasks.table import table_writer
from tasks.write_behind import WriteBehind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TYPED, QUARANTINE, SUMMARY = "typed.parquet", "quarantine.parquet", "summary.json"


class NoRowError(DataError):
    """A batch without a row, or batches of which every row was refused."""


class LostRowError(DataError):
    """Rows in are not rows out plus rows refused: a fault of Holdfast, not of the data."""


class ChangedFileError(DataError):
    """A file was written to while it was read."""


def refuse_floats(account: Account) -> None:
    """End the run where a whole column of integers was written as floats."""
    for name, change in account.changes.items():
        if change.kind == "schema_integer_became_float" and change.cells == change.given > 0:
            raise ContractError(
                f"1: column {name!r} is declared as integer, but all of its {change.given} numbers are written as "
                f"floats, such as {change.texts[0]!r}"
            )


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
        schema, categories = stored_schema(reading.columns), category_names(reading.columns)
        write_typed = stack.enter_context(table_writer(folder / TYPED, schema, categories))
        behind = stack.enter_context(WriteBehind())
        for chunk in chunks:
            made = type_chunk(chunk, reading)
            behind(write_typed, made.typed)
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


@dataclass(frozen=True)
class Declared:
    """What the typed rows of a batch depend on beside its file: no more, so that nothing else reads a batch again.

    Attributes
    ----------
    pipeline : str
        Its name, for messages.
    columns : dict of str to Column
        Without what reports alone say of them.
    drop : tuple of str
    needed : tuple of str or None
        Columns that no batch can do without: what the target is made of, and the time of a row.
    timezone : str
    on_change : {"stop", "quarantine", "accept"}
    dialect : DeclaredDialect
    """

    pipeline: str
    columns: dict[str, Column]
    drop: tuple[str, ...]
    needed: tuple[str | None, ...]
    timezone: str
    on_change: OnChange
    dialect: DeclaredDialect


def declared_for_batches(pipeline: Pipeline) -> Declared:
    """Take from a pipeline's sections what a batch is made by."""
    target, time, source = pipeline.target, pipeline.time, pipeline.source
    told = {"unit": None, "description": None}
    return Declared(
        pipeline=pipeline.name,
        columns={name: column.model_copy(update=told) for name, column in pipeline.columns.items()},
        drop=pipeline.drop,
        needed=(target.from_ or target.name, time.column),
        timezone=time.timezone,
        on_change=source.on_change,
        dialect=source.dialect,
    )


def make_batch(folder: Path, file: Path, batch: str, declared: Declared) -> None:
    """Write the typed rows of one raw file, its refused rows and their counts into a folder of the store."""
    raw_file = f"Land a corrected file in its place: `holdfast land {declared.pipeline} --replace {file.name}`."
    contract = f"`holdfast schema {declared.pipeline} --diff` shows what differs from the declared columns."
    try:
        with open_raw(file, declared.dialect) as raw:
            where = f"{file}:{raw.dialect.preamble + 1}"
            account, header = read_file(folder, raw, file, batch, declared)
            dialect = raw.dialect
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{error}. {raw_file}") from error
    except HeaderError as error:
        remedy = f"Declare it under columns or drop in configs/{declared.pipeline}.yaml, or land a corrected file."
        raise HeaderError(f"{where}: {error}{how_read(raw.dialect)}. {remedy} {contract}") from error
    except ContractError as error:
        raise ContractError(f"{file}:{error}. Declare it, or land a corrected file in its place. {contract}") from error
    except (NoRowError, LostRowError) as error:
        raise type(error)(f"{file}:1: {error}. {raw_file}") from error
    if account.is_set_aside():
        (folder / TYPED).unlink()  # the stages behind this one go on without the batch
    write_json(folder / SUMMARY, account.summary(header, dialect))


def read_file(
    folder: Path, raw: RawFile, file: Path, batch: str, declared: Declared
) -> tuple[Account, HeaderDifference]:
    """Write the rows of an open file into a folder; the account of them, and how the header differs."""
    header = compare_header(raw.names, declared.columns, declared.drop)
    refuse_header(header, declared.on_change, declared.needed)
    reading = Reading(batch, file.as_posix(), declared.columns, header, declared.timezone, declared.on_change)
    return read_batch(folder, raw.chunks(reading.asked()), reading), header


def how_read(dialect: Dialect) -> str:
    """Tell how a file was read where that is not sure."""
    is_unsure = dialect.second is not None and dialect.certainty < SURE
    doubt = f"; or with {dialect.second}: declare source.dialect then" if is_unsure else ""
    return f" (read as {dialect.format} with delimiter {dialect.delimiter!r}{doubt})" if dialect.delimiter else ""


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
    declared = declared_for_batches(pipeline)
    store = BatchStore("ingest", pipeline, declared)
    summaries = []
    with (
        atomic_folder(Path("data/quarantine", name, "ingest")) as quarantine,
        atomic_folder(Path("data/typed", name)) as typed,
    ):
        for batch, file in batches.items():
            before = fingerprint(file)

            def make(folder: Path, file: Path = file, batch: str = batch, before: Any = before) -> None:
                make_batch(folder, file, batch, declared)
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
