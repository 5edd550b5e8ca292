"""Stage `ingest`: read new raw batches as declared; typed Parquet out, unreadable rows to quarantine.

Each row of a raw file ends either in data/typed or, with its line and a reason, in data/quarantine; the stage counts
both and fails when the sum is not what the file holds. A file goes through in chunks, so memory does not grow with it.
Only files that are new or changed are read; the others come from the per-batch store. Where a batch has rows of several
files (`source.batch`), each file's rows are dealt to batches, and a batch is put together anew where one of its files
is new or changed.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import DataError
from configs.schema import Pipeline
from configs.sections.columns import Column
from configs.sections.source import DeclaredDialect
from tasks.allocation import pages_used_again
from tasks.atomic import atomic_folder, write_json
from tasks.batch import RAW, folder_batch, landed_by_name, refuse_folders
from tasks.cells.values import OnChange, refuse_unknown_formats
from tasks.contract.header import HeaderDifference, HeaderError, compare_header, refuse_header
from tasks.ingestion.account import SURE, Account, add_up
from tasks.ingestion.arrow_pages import arrow_pages_used_again
from tasks.ingestion.chunks import ContractError, Reading, category_names, stored_schema, type_chunk
from tasks.ingestion.dealing import Dealing, deal_file, declared_dealing
from tasks.ingestion.gathering import DealtFile, Gathered, gathered, make_gathered
from tasks.ingestion.write_behind import WriteBehind
from tasks.quarantine.limit import Counted, by_reason, example, require_few_refused, set_aside
from tasks.quarantine.rows import CONTRACT, quarantine_schema, quarantine_table
from tasks.raw_files import Dialect, RawChunk, RawFile, UnreadableFileError, open_raw
from tasks.stage import run_as_command
from tasks.store import BatchStore, file_hash
from tasks.table import table_writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TYPED, QUARANTINE, SUMMARY = "typed.parquet", "quarantine.parquet", "summary.json"
LARGE_FILE = 1 << 28  # bytes


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


def refuse_swapped(account: Account) -> None:
    """End the run where day and month have changed places in a column: other rows were read as another day."""
    for name, found in account.swapped.items():
        if found.is_told:
            raise ContractError(
                f"1: column {name!r}: day and month have changed places: {found.refused} rows are no dates as "
                f"declared, such as {found.text!r}, and the other way round all are; other rows would be "
                "read as another day"
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
        require_sound(account, reading)
    return account


def require_sound(account: Account, reading: Reading) -> None:
    """Refuse a file's rows that are none, do not add up, or change the contract; see `read_batch`."""
    if account.rows_in == 0:
        raise NoRowError("a header and no row; at least one row is expected")
    if account.rows_in != account.rows_out + account.rows_refused:
        raise LostRowError(
            f"{account.rows_in} rows in, {account.rows_out} out and {account.rows_refused} refused. Report this, please"
        )
    refuse_swapped(account)
    if reading.on_change == "stop":
        refuse_floats(account)


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
    is_dealt : bool
        Whether a batch may have rows of several files.
    dealing : Dealing or None
        How rows are dealt to batches where not all of a file belong to one.
    """

    pipeline: str
    columns: dict[str, Column]
    drop: tuple[str, ...]
    needed: tuple[str | None, ...]
    timezone: str
    on_change: OnChange
    dialect: DeclaredDialect
    is_dealt: bool
    dealing: Dealing | None


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
        is_dealt=source.batch != "file",
        dealing=declared_dealing(pipeline),
    )


def make_batch(folder: Path, file: Path, batch: str, declared: Declared) -> None:
    """Write the typed rows of one raw file, its refused rows and their counts into a folder of the store."""
    landed = file.relative_to(RAW / declared.pipeline).as_posix()
    raw_file = f"Land a corrected file in its place: `holdfast land {declared.pipeline} --replace {landed}`."
    contract = f"`holdfast schema {declared.pipeline} --diff` shows what differs from the declared columns."
    try:
        with arrow_pages_used_again(), open_raw(file, declared.dialect) as raw:
            where = f"{file}:{raw.dialect.preamble + 1}"
            account, header, parts = read_file(folder, raw, file, batch, declared)
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
    if account.is_set_aside() and not declared.is_dealt:
        (folder / TYPED).unlink()  # the stages behind this one go on without the batch
    write_json(folder / SUMMARY, account.summary(header, dialect) | parts)


def read_file(
    folder: Path, raw: RawFile, file: Path, batch: str, declared: Declared
) -> tuple[Account, HeaderDifference, dict[str, Any]]:
    """Write the rows of an open file into a folder; the account of them, how the header differs, whose they are."""
    header = compare_header(raw.names, declared.columns, declared.drop)
    refuse_header(header, declared.on_change, declared.needed)
    reading = Reading(batch, file.as_posix(), declared.columns, header, declared.timezone, declared.on_change)
    if not declared.is_dealt:
        return read_batch(folder, raw.chunks(reading.asked()), reading), header, {}
    account, parts = deal_file(folder, raw.chunks(reading.asked()), reading, declared.dealing)
    require_sound(account, reading)
    return account, header, {"parts": parts}


def how_read(dialect: Dialect) -> str:
    """Tell how a file was read where that is not sure."""
    is_unsure = dialect.second is not None and dialect.certainty < SURE
    doubt = f"; or with {dialect.second}: declare source.dialect then" if is_unsure else ""
    headless = "".join(f"; {note}" for note in dialect.notes if note.startswith("there is no header"))
    return (
        f" (read as {dialect.format} with delimiter {dialect.delimiter!r}{doubt}{headless})"
        if dialect.delimiter
        else ""
    )


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


@contextmanager
def hashing(file: Path, before: tuple[int, int, int]) -> Iterator[str | Future[str]]:
    """Hash of a file that is as `before` says; that of a large one is to come, by threads of its own."""
    if file.stat().st_size < LARGE_FILE:
        yield file_hash(file)
        return

    def of_unchanged() -> str:
        found = file_hash(file)
        refuse_changed(file, before)
        return found

    with ThreadPoolExecutor(1, thread_name_prefix="hash") as pool:
        found = pool.submit(of_unchanged)
        yield found


class RawBatches:
    """The landed files of a pipeline, each read where the store does not have what was made of it.

    Parameters
    ----------
    pipeline : Pipeline
    store : BatchStore
    declared : Declared
    """

    def __init__(self, pipeline: Pipeline, store: BatchStore, declared: Declared) -> None:
        self.files = landed_by_name(pipeline.name)
        self.kind, self.store, self.declared = pipeline.source.batch, store, declared
        self.hashes: dict[str, str] = {}
        self.read: set[str] = set()
        if self.kind == "file":
            refuse_folders(self.files)

    def make(self, name: str, before: tuple[int, int, int], folder: Path) -> None:
        """Read a file that was hashed when it was as `before` says."""
        file = self.files[name]
        self.read.add(name)
        make_batch(folder, file, folder_batch(name) if self.kind == "folder" else name, self.declared)
        refuse_changed(file, before)

    def deliver(self, name: str, into: Mapping[str, Path]) -> dict[str, Any]:
        """Summary of a file, after what was made of it was delivered."""
        file = self.files[name]
        before = fingerprint(file)
        with hashing(file, before) as found:
            summary = self.store.get_or_make(name, found, partial(self.make, name, before), into)
            self.hashes[name] = found if isinstance(found, str) else found.result()
        return summary

    def dealt(self, name: str) -> DealtFile:
        """A file, dealt to batches; its parts are looked at when they are asked for."""
        before, summary = fingerprint(self.files[name]), self.deliver(name, {})
        make = partial(self.make, name, before)
        folder = cache(partial(self.store.folder_of, name, self.hashes[name], make))
        return DealtFile(self.files[name].as_posix(), self.hashes[name], summary, folder)

    def gather(self, batch: Gathered, into: Mapping[str, Path]) -> dict[str, Any]:
        """Summary of a batch of rows of several files, after it was delivered."""
        schema = stored_schema(self.declared.columns)

        def make(folder: Path) -> None:
            make_gathered(folder, batch, schema, keep_empty=keeps_empty(batch, self.kind))

        return self.store.get_or_make(batch.batch, batch.input_hash, make, into)


def deliver_gathered(raw: RawBatches, typed: Path, quarantine: Path) -> tuple[list[dict[str, Any]], int]:
    """Write batches that may have rows of several files.

    Returns
    -------
    list of dict
        Summaries of the files, in order of name.
    int
        Batches that have typed rows.

    Raises
    ------
    LostRowError
        If the batches do not have all rows of the files.
    """
    files = [raw.dealt(name) for name in raw.files]
    batches, rows = 0, 0
    for each in gathered(files):
        into = {TYPED: typed / f"{each.batch}.parquet", QUARANTINE: quarantine / f"{each.batch}.parquet"}
        summary = raw.gather(each, into)
        rows += summary["rows_out"] + sum(summary["reasons"].values())
        batches += into[TYPED].exists()
    summaries = [dict(file.summary) for file in files]
    read = sum(summary["rows_out"] + sum(summary["reasons"].values()) for summary in summaries)
    if rows != read:
        raise LostRowError(f"{read} rows of {len(files)} files, {rows} in batches. Report this, please.")
    return summaries, batches


def keeps_empty(batch: Gathered, kind: str) -> bool:
    """Whether a batch without typed rows is one all the same, which `validate` refuses: its files are not set aside.

    A period of which all rows were refused is in the quarantine alone: a single wrong date makes one.
    """
    return kind == "folder" and not any(reason.startswith(CONTRACT) for reason in batch.reasons)


@pages_used_again()
def main(pipeline: Pipeline) -> None:
    """Stage `ingest` of dvc.yaml: read data/raw, write data/typed, data/quarantine and metrics."""
    name = pipeline.name
    refuse_unknown_formats(pipeline.columns, pipeline.time.timezone)
    declared = declared_for_batches(pipeline)
    store = BatchStore("ingest", pipeline, declared)
    raw = RawBatches(pipeline, store, declared)
    with (
        atomic_folder(Path("data/quarantine", name, "ingest")) as quarantine,
        atomic_folder(Path("data/typed", name)) as typed,
    ):
        if declared.is_dealt:
            summaries, batches = deliver_gathered(raw, typed, quarantine)
        else:
            summaries, batches = deliver_files(raw, typed, quarantine), len(raw.files)
        metrics = add_up(summaries) | {"batches": batches}
        stop_on_share(pipeline, raw, summaries)
        if metrics["rows_out"] == 0:
            seen = next(map(example, sorted(quarantine.rglob("*.parquet"))), "")
            raise NoRowError(
                f"data/raw/{name}: all {metrics['rows_in']} rows were refused ({by_reason(metrics['reasons'])}){seen}\n"
                f"Compare the columns in configs/{name}.yaml with the files."
            )
    write_json(Path("metrics", name, "ingest.json"), metrics)
    store.forget_unused()
    files = f" of {len(raw.files)} files" if declared.is_dealt else ""
    print(
        f"ingest: {batches} batches{files}, {len(raw.read)} of them read anew; {metrics['rows_in']} rows in, "
        f"{metrics['rows_out']} out, {set_aside(name, metrics['reasons'])}",
        flush=True,
    )
    for change, times in metrics["schema"].items():
        print(
            f"ingest: {change} in {times} of {len(raw.files)} {'files' if declared.is_dealt else 'batches'}", flush=True
        )


def deliver_files(raw: RawBatches, typed: Path, quarantine: Path) -> list[dict[str, Any]]:
    """Write the batches that files are, and give their summaries, in order of name."""
    return [
        raw.deliver(name, {TYPED: typed / f"{name}.parquet", QUARANTINE: quarantine / f"{name}.parquet"})
        for name in raw.files
    ]


def stop_on_share(pipeline: Pipeline, raw: RawBatches, summaries: Sequence[Mapping[str, Any]]) -> None:
    """Raise where more of a file is refused than `source.stop_above` allows."""
    what = "file" if raw.declared.is_dealt else "batch"
    counts = [
        Counted(name, summary["rows_out"] + sum(summary["reasons"].values()), summary["reasons"], what)
        for name, summary in zip(raw.files, summaries, strict=True)
    ]

    def keep(name: str, path: Path) -> None:
        raw.deliver(name, {QUARANTINE: path})

    require_few_refused(pipeline.name, pipeline.source, counts, "ingest", keep)


if __name__ == "__main__":
    run_as_command("ingest")
