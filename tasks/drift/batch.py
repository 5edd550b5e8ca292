"""A landed batch as typed, valid rows, whether a run has taken it in yet or not.

`ingest` and `validate` make it, by the very functions that a run calls, and it goes through their per-batch store: what
is asked about before a run costs that run nothing.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from configs.errors import DataError
from configs.wording import hint
from tasks.batch import folder_batch
from tasks.cells.values import refuse_unknown_formats
from tasks.contract.header import HeaderError
from tasks.ingest import QUARANTINE, TYPED, NoRowError, RawBatches, declared_for_batches
from tasks.ingestion.chunks import ContractError, stored_schema
from tasks.ingestion.gathering import gathered
from tasks.quarantine.rows import merge_counts
from tasks.raw_files import UnreadableFileError
from tasks.store import BatchStore, content_hash, file_hash
from tasks.table import read_named
from tasks.validate import BatchValidator, own_code_hash

if TYPE_CHECKING:
    import pyarrow as pa

    from configs.schema import Pipeline

VALID = "valid.parquet"
UNREADABLE = (UnreadableFileError, HeaderError, ContractError, NoRowError)  # the file's fault, and nothing else's


@dataclass(frozen=True)
class GivenBatch:
    """A batch that is to be judged.

    Attributes
    ----------
    name : str
    rows : pa.Table
        Typed, in the order of the file, with `_line`: those that validation let through, or all where that was less
        than half of them, since what is wrong is to be seen.
    raw_rows : int
        Rows of the file.
    untyped, invalid : mapping of str to int
        Rows in quarantine by reason: that could not be read as declared, and that validation refused.
    problems : tuple of str
        What would end a run with this batch.
    sha256 : str
        Of the landed file; of several files, over the names and hashes of all.
    is_readable : bool
        Whether the file could be read as it is declared at all.
    """

    name: str
    rows: pa.Table
    raw_rows: int
    untyped: Mapping[str, int]
    invalid: Mapping[str, int]
    problems: tuple[str, ...]
    sha256: str
    is_readable: bool = True

    @property
    def refused(self) -> dict[str, int]:
        """Rows in quarantine by reason."""
        return merge_counts([self.untyped, self.invalid])

    @property
    def rows_refused(self) -> int:
        """Rows in quarantine."""
        return sum(self.refused.values())


def given_batch(pipeline: Pipeline, batch: str) -> GivenBatch:
    """Type and validate a landed batch.

    Parameters
    ----------
    pipeline : Pipeline
    batch : str
        Its name: of its file without extension, its folder, or its period, as `source.batch` has it.

    Returns
    -------
    GivenBatch
        A file that cannot be read as declared, or that holds no row, is one too: without rows, and with why.

    Raises
    ------
    DataError
        If no such batch has landed; names the nearest. Of periods also if any file cannot be read as declared: it may
        have rows of the batch.
    """
    refuse_unknown_formats(pipeline.columns, pipeline.time.timezone)
    declared = declared_for_batches(pipeline)
    raw = RawBatches(pipeline, BatchStore("ingest", pipeline, declared), declared)
    try:
        return read_batch(pipeline, batch, landed_batch(raw, batch))
    except UNREADABLE as error:
        files = files_of(raw, batch)
        if not files:
            raise
        return GivenBatch(batch, nothing(pipeline), 0, {}, {}, (str(error),), sha256_of(files), is_readable=False)


class Landed(NamedTuple):
    """The files that a batch has rows of, and what writes its typed rows into given files and counts them."""

    files: list[Path]
    deliver: Callable[[Mapping[str, Path]], dict[str, Any]]


def landed_batch(raw: RawBatches, batch: str) -> Landed:
    """Find a batch among what has landed."""
    if raw.kind == "file":
        require_known(batch, raw.files, raw)
        return Landed([raw.files[batch]], partial(raw.deliver, batch))
    if raw.kind == "folder":
        require_known(batch, {folder_batch(name) for name in raw.files}, raw)
    names = [name for name in raw.files if raw.kind != "folder" or folder_batch(name) == batch]
    batches = {each.batch: each for each in gathered(raw.dealt(name) for name in names)}
    require_known(batch, batches, raw)
    return Landed([Path(file.file) for file in batches[batch].files], partial(raw.gather, batches[batch]))


def files_of(raw: RawBatches, batch: str) -> list[Path]:
    """The files of a batch, as far as their names tell; of a period they do not."""
    if raw.kind == "file":
        return [raw.files[batch]]
    return [file for name, file in raw.files.items() if raw.kind == "folder" and folder_batch(name) == batch]


def require_known(batch: str, known: Collection[str], raw: RawBatches) -> None:
    """Refuse the name of a batch that has not landed."""
    if batch not in known:
        raise DataError(
            f"data/raw/{raw.declared.pipeline}: no batch {batch!r}{hint(batch, known) or '.'} Name one that has landed."
        )


def read_batch(pipeline: Pipeline, batch: str, landed: Landed) -> GivenBatch:
    """Type and validate a landed batch's rows."""
    with tempfile.TemporaryDirectory() as folder:
        typed, valid = Path(folder, f"{batch}.parquet"), Path(folder, VALID)
        read = landed.deliver({TYPED: typed, QUARANTINE: typed.with_name(QUARANTINE)})
        untyped, raw_rows = read["reasons"], read["rows_out"] + sum(read["reasons"].values())
        digest = sha256_of(landed.files)
        if not typed.exists():  # all of it is set aside, as `source.on_change` asks, or was refused
            return GivenBatch(batch, nothing(pipeline), raw_rows, untyped, {}, (), digest)
        checked = valid_file(pipeline, typed, valid)
        rows = read_named(valid if 2 * checked["rows_out"] >= checked["rows_in"] else typed)
    return GivenBatch(batch, rows, raw_rows, untyped, checked["reasons"], tuple(checked["problems"]), digest)


def valid_file(pipeline: Pipeline, typed: Path, valid: Path) -> dict[str, Any]:
    """Write the rows of a typed batch that meet the declared expectations, and count the others."""
    key = content_hash(f"{file_hash(typed)}{own_code_hash(pipeline)}".encode())
    validator = BatchValidator(pipeline)
    return BatchStore("validate", pipeline).get_or_make(
        typed.stem, key, lambda folder: validator.make(typed, folder), {VALID: valid}
    )


def nothing(pipeline: Pipeline) -> pa.Table:
    """A batch without a row, of the declared columns."""
    return stored_schema(pipeline.columns).empty_table()


def sha256_of(files: Sequence[Path]) -> str:
    """Hash of a file's bytes, however large; of several files, over the names and hashes of all."""
    hashes = []
    for file in files:
        with file.open("rb") as opened:
            hashes.append(hashlib.file_digest(opened, "sha256").hexdigest())
    if len(hashes) == 1:
        return hashes[0]
    lines = "".join(f"{file.as_posix()} {digest}\n" for file, digest in zip(files, hashes, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()
