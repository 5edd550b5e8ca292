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

from tasks.batch import chosen_batches
from tasks.cells import refuse_unknown_formats
from tasks.ingest import QUARANTINE, TYPED, declared_for_batches, fingerprint, make_batch, refuse_changed
from tasks.quarantine import merge_counts
from tasks.store import BatchStore, content_hash, file_hash
from tasks.table import read_table
from tasks.validate import BatchValidator, own_code_hash

if TYPE_CHECKING:
    import pyarrow as pa

    from configs.schema import Pipeline

VALID = "valid.parquet"


@dataclass(frozen=True)
class GivenBatch:
    """A batch that is to be judged.

    Attributes
    ----------
    name : str
    rows : pa.Table
        Typed and valid, in the order of the file, with `_line`.
    refused : mapping of str to int
        Rows in quarantine by reason, of reading and validation together.
    problems : tuple of str
        What of the declaration would end a run with this batch.
    sha256 : str
        Of the landed file.
    """

    name: str
    rows: pa.Table
    refused: Mapping[str, int]
    problems: tuple[str, ...]
    sha256: str

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

    Raises
    ------
    DataError
        If no such batch has landed (names the nearest), if the file cannot be read as declared, or if it holds no row.
    """
    file = chosen_batches(pipeline.name, [batch])[batch]
    refuse_unknown_formats(pipeline.columns, pipeline.time.timezone)
    with tempfile.TemporaryDirectory() as folder:
        typed, valid = Path(folder, f"{batch}.parquet"), Path(folder, VALID)
        read = typed_file(pipeline, batch, file, typed)
        if not typed.exists():  # all of it is set aside: `source.on_change` asked for that
            return GivenBatch(batch, nothing(pipeline), read["reasons"], (), sha256_of(file))
        checked = valid_file(pipeline, typed, valid)
        refused = merge_counts([read["reasons"], checked["reasons"]])
        return GivenBatch(batch, read_table(valid), refused, tuple(checked["problems"]), sha256_of(file))


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
    from tasks.chunks import stored_schema

    return stored_schema(pipeline.columns).empty_table()


def sha256_of(file: Path) -> str:
    """Hash of a file's bytes, however large."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
