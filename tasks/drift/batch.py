"""A landed batch as typed, valid rows, whether a run has taken it in yet or not.

`ingest` and `validate` make it, by the very functions that a run calls, and it goes through their per-batch store: what
is asked about before a run costs that run nothing.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.batch import chosen_files
from tasks.cells import refuse_unknown_formats
from tasks.chunks import ContractError, stored_schema
from tasks.contract.header import HeaderError
from tasks.ingest import (
    QUARANTINE,
    TYPED,
    NoRowError,
    declared_for_batches,
    fingerprint,
    make_batch,
    refuse_changed,
)
from tasks.quarantine import merge_counts
from tasks.raw_files import UnreadableFileError
from tasks.store import BatchStore, content_hash, file_hash
from tasks.table import read_table
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
        Of the landed file.
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
        Its name: the file's, without extension.

    Returns
    -------
    GivenBatch
        A file that cannot be read as declared, or that holds no row, is one too: without rows, and with why.

    Raises
    ------
    DataError
        If no such batch has landed; names the nearest.
    """
    file = chosen_files(pipeline.name, [batch])[batch]
    refuse_unknown_formats(pipeline.columns, pipeline.time.timezone)
    try:
        return read_batch(pipeline, batch, file)
    except UNREADABLE as error:
        return GivenBatch(batch, nothing(pipeline), 0, {}, {}, (str(error),), sha256_of(file), is_readable=False)


def read_batch(pipeline: Pipeline, batch: str, file: Path) -> GivenBatch:
    """Type and validate a landed file."""
    with tempfile.TemporaryDirectory() as folder:
        typed, valid = Path(folder, f"{batch}.parquet"), Path(folder, VALID)
        read = typed_file(pipeline, batch, file, typed)
        untyped, raw_rows = read["reasons"], read["rows_out"] + sum(read["reasons"].values())
        if not typed.exists():  # all of it is set aside, as `source.on_change` asks
            return GivenBatch(batch, nothing(pipeline), raw_rows, untyped, {}, (), sha256_of(file))
        checked = valid_file(pipeline, typed, valid)
        rows = read_table(valid if 2 * checked["rows_out"] >= checked["rows_in"] else typed)
    return GivenBatch(batch, rows, raw_rows, untyped, checked["reasons"], tuple(checked["problems"]), sha256_of(file))


def typed_file(pipeline: Pipeline, batch: str, file: Path, typed: Path) -> dict[str, Any]:
    """Write the typed rows of a landed file, and count what was read."""
    declared, before = declared_for_batches(pipeline), fingerprint(file)

    def make(folder: Path) -> None:
        make_batch(folder, file, batch, declared)
        refuse_changed(file, before)

    into = {TYPED: typed, QUARANTINE: typed.with_name(QUARANTINE)}
    return BatchStore("ingest", pipeline, declared).get_or_make(batch, file_hash(file), make, into)


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


def sha256_of(file: Path) -> str:
    """Hash of a file's bytes, however large."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
