"""What a batch is: one file, named by its name without extensions, never two names for one batch."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from configs.errors import DataError
from configs.wording import hint

RAW = Path("data/raw")
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".zip")
LONGEST_NAME = 200  # bytes; a temporary file beside it needs the rest of the 255 that file systems have


class BatchNameError(DataError):
    """A file whose name cannot name a batch, or two files that would be one batch."""


def batch_name(file: Path) -> str:
    """Name of the batch that a file is: the file's, without extensions.

    >>> batch_name(Path("data/raw/flights/2013.01.csv.gz"))
    '2013.01'
    """
    name = file.name
    if file.suffix.lower() in COMPRESSIONS:
        name = file.stem
    return Path(name).stem


def checked_batches(files: Iterable[Path]) -> dict[str, Path]:
    """Files by batch, in order of batch.

    Raises
    ------
    BatchNameError
        If a name has control characters or more than 200 bytes, or if two files would be one batch on some file
        system: equal but for extension, case or Unicode form.
    """
    named: dict[str, Path] = {}
    for file in sorted(files):
        refuse_unfit_name(file)
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", batch_name(file)).casefold())
        if folded in named:
            raise BatchNameError(
                f"{named[folded]} and {file} would both be batch {batch_name(file)!r}; extension, case and Unicode "
                "form do not tell batches apart. Rename or remove one of them."
            )
        named[folded] = file
    return {batch_name(file): file for file in sorted(named.values(), key=batch_name)}


def refuse_unfit_name(file: Path) -> None:
    """Refuse a name that would break a listing, a path or a temporary file."""
    name = file.name
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise BatchNameError(f"{str(file)!r}: the name of a batch must be UTF-8. Rename the file.") from None
    if any(unicodedata.category(char) == "Cc" for char in name) or "\\" in name or not batch_name(file):
        raise BatchNameError(
            f"{str(file)!r}: the name of a batch has no control characters and no '\\'. Rename the file."
        )
    if size > LONGEST_NAME:
        raise BatchNameError(
            f"{str(file)!r}: the name has {size} bytes, the name of a batch at most {LONGEST_NAME}. Rename the file."
        )


def chosen_batches(pipeline: str, names: Sequence[str] | None) -> dict[str, Path]:
    """Landed files of some batches, of all where none is named.

    Raises
    ------
    DataError
        If there is no batch of a name; names the nearest.
    """
    batches = raw_batches(pipeline)
    if unknown := [name for name in names or () if name not in batches]:
        raise DataError(
            f"data/raw/{pipeline}: no batch {unknown[0]!r}{hint(unknown[0], batches)}. Name one that has landed."
        )
    return {name: file for name, file in batches.items() if not names or name in names}


def raw_batches(pipeline: str) -> dict[str, Path]:
    """Landed files of a pipeline by batch, in order of batch.

    Raises
    ------
    DataError
        If nothing has landed.
    """
    folder = RAW / pipeline
    files = [file for file in folder.iterdir() if not file.name.startswith(".")] if folder.is_dir() else []
    if not files:
        raise DataError(f"{folder}: no batch has landed; at least one is expected. Run `holdfast land {pipeline}`.")
    for file in files:
        if file.is_symlink() or not file.is_file():
            raise DataError(f"{file}: not a regular file, which a landed batch is. Remove it.")
    return checked_batches(files)
