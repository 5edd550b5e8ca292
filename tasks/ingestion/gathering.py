"""A batch of several files: its rows of each file, one file after the other, in one Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tasks.atomic import write_json
from tasks.batch import BatchNameError
from tasks.ingestion.dealing import REFUSED, TYPED
from tasks.quarantine.rows import merge_counts, quarantine_schema
from tasks.store import content_hash
from tasks.table import FILE, LINE, LINE_BITS, file_number, read_errors_told, table_writer

if TYPE_CHECKING:
    import pyarrow as pa

SUMMARY = "summary.json"
GROUP_ROWS = 1 << 17  # rows of a row group at least, where a batch has as many


class DealtFile(NamedTuple):
    """A raw file that was dealt: its path, the hash of its bytes, its summary, and where its parts can be read."""

    file: str
    hash: str
    summary: Mapping[str, Any]
    folder: Callable[[], Path]


@dataclass(frozen=True)
class Gathered:
    """One batch: the files that have rows of it, in order of name."""

    batch: str
    files: tuple[DealtFile, ...]

    @property
    def rows(self) -> int:
        """Its typed rows, as the files' summaries count them."""
        return sum(file.summary["parts"][self.batch]["rows"] for file in self.files)

    @property
    def reasons(self) -> dict[str, int]:
        """Its refused rows by reason."""
        return merge_counts(file.summary["parts"][self.batch]["reasons"] for file in self.files)

    @property
    def input_hash(self) -> str:
        """What the batch is made from: names and bytes of its files, whatever other files there are."""
        return content_hash("".join(f"{file.file}\n{file.hash}\n" for file in self.files).encode())


def gathered(files: Iterable[DealtFile]) -> list[Gathered]:
    """Batches in order of name, each with its files in order of name."""
    found: dict[str, list[DealtFile]] = {}
    for file in sorted(files, key=lambda file: file.file):
        for batch in file.summary["parts"]:
            found.setdefault(batch, []).append(file)
    return [Gathered(batch, tuple(each)) for batch, each in sorted(found.items())]


def make_gathered(folder: Path, batch: Gathered, schema: pa.Schema, *, keep_empty: bool) -> None:
    """Write a batch's typed rows, its refused rows and their counts into a folder of the store.

    Parameters
    ----------
    folder : Path
    batch : Gathered
    schema : Schema
        Of typed rows, without `_file`.
    keep_empty : bool
        Whether a batch without a typed row has a file of them all the same.
    """
    refuse_like_numbers(batch)
    rows = 0
    with ExitStack() as stack:
        if batch.rows or keep_empty:
            write = stack.enter_context(table_writer(folder / TYPED, with_file(schema)))
            for table in regrouped(typed_parts(batch)):
                write(table)
                rows += table.num_rows
        if batch.reasons:
            write_refused = stack.enter_context(table_writer(folder / REFUSED, quarantine_schema()))
            for table in regrouped(part for _, part in parts_of(batch, REFUSED, "refused")):
                write_refused(table)
    write_json(folder / SUMMARY, {"rows_out": rows, "reasons": batch.reasons})


def with_file(schema: pa.Schema) -> pa.Schema:
    """The schema of typed rows that keep their file."""
    import pyarrow as pa

    return schema.append(pa.field(FILE, pa.string()))


def typed_parts(batch: Gathered) -> Iterator[pa.Table]:
    """Typed rows of a batch, row group by row group, with their file."""
    import pyarrow as pa

    for file, part in parts_of(batch, TYPED, "typed"):
        refuse_long(file, part)
        yield part.append_column(FILE, pa.repeat(pa.scalar(file), part.num_rows))


def parts_of(batch: Gathered, name: str, groups: str) -> Iterator[tuple[str, pa.Table]]:
    """Row groups of a batch in one of the files that dealing wrote, with the raw file that they come from."""
    import pyarrow.parquet as pq

    for file in batch.files:
        numbers = file.summary["parts"][batch.batch][groups]
        if not numbers:
            continue
        path = file.folder() / name
        with read_errors_told(path), pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            for number in numbers:
                yield file.file, parquet.read_row_group(number)


def regrouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables put together, so that none but the last is small."""
    import pyarrow as pa

    waiting, rows = [], 0
    for table in tables:
        waiting.append(table)
        rows += table.num_rows
        if rows >= GROUP_ROWS:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def refuse_like_numbers(batch: Gathered) -> None:
    """Refuse two files whose rows could not be told apart by number, which one pair in two thousand million is."""
    numbers: dict[int, str] = {}
    for each in batch.files:
        standing = numbers.setdefault(file_number(each.file), each.file)
        if standing != each.file:
            raise BatchNameError(
                f"{each.file} and {standing} are given the same number by their names, and both have rows of batch "
                f"{batch.batch!r}. Land one of them under another name."
            )


def refuse_long(file: str, part: pa.Table) -> None:
    """Refuse a file with more lines than a row's number has room for."""
    import pyarrow.compute as pc

    if pc.max(part[LINE]).as_py() >= 1 << LINE_BITS:
        raise BatchNameError(f"{file}: more than {1 << LINE_BITS:,} lines; part it into files that have fewer.")
