"""What a batch is: a file, a folder of files, or a period's rows of all files; never two names for one batch.

A landed file goes by its path below `data/raw/<pipeline>/`: `2013-01.csv`, or `2013-01/part-1.csv` in a folder. Without
extensions that is its name, and where each file is a batch, the batch's.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path, PurePath, PurePosixPath

from configs.errors import DataError
from configs.sections.source import BatchKind
from configs.wording import hint

RAW = Path("data/raw")
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".zip")
LONGEST_NAME = 200  # bytes; a temporary file beside it needs the rest of the 255 that file systems have
UNDATED = "undated"
"""Stands for the batch of refused rows of which no period is known."""


class BatchNameError(DataError):
    """A file whose name cannot name a batch, or two files that would be one batch."""


class BatchKindError(DataError):
    """Landed files that are no batches of the declared kind."""


def batch_name(file: PurePath) -> str:
    """Name of the batch that a file is: the file's, without extensions.

    >>> batch_name(Path("data/raw/flights/2013.01.csv.gz"))
    '2013.01'
    """
    name = file.name
    if file.suffix.lower() in COMPRESSIONS:
        name = file.stem
    return Path(name).stem


def name_of(landed: str) -> str:
    """Name of a landed file: its path without extensions.

    >>> name_of("2013-01/part-1.csv.gz")
    '2013-01/part-1'
    """
    path = PurePosixPath(landed)
    return path.with_name(batch_name(path)).as_posix()


def folder_batch(landed: str) -> str:
    """Batch of a landed file where folders are batches; a file in no folder, landed before, is one of its own.

    >>> folder_batch("2013-01/part-1.csv"), folder_batch("2012.csv")
    ('2013-01', '2012')
    """
    return name_of(landed).partition("/")[0]


def landed_path(source: Path, kind: BatchKind) -> str:
    """Path that a file of the source has below `data/raw/<pipeline>/`."""
    return f"{source.parent.name}/{source.name}" if kind == "folder" else source.name


def by_landed_path(sources: Iterable[Path], kind: BatchKind) -> dict[str, Path]:
    """Files of the source by the path that each lands at.

    Raises
    ------
    BatchNameError
        If two of them would land at one.
    """
    found: dict[str, Path] = {}
    for source in sources:
        path = landed_path(source, kind)
        if path in found:
            raise BatchNameError(
                f"{found[path]} and {source} would both land as {path!r}. Rename or remove one of them, or narrow "
                "source.path."
            )
        found[path] = source
    return found


def checked_names(files: Mapping[str, Path]) -> dict[str, Path]:
    """Files by name, in order of name.

    Parameters
    ----------
    files : mapping of str to Path
        By their landed paths; the files themselves may lie elsewhere.

    Raises
    ------
    BatchNameError
        If a name has control characters or more than 200 bytes, or if two files would be one batch on some file
        system: equal but for extension, case or Unicode form.
    """
    found: dict[str, str] = {}
    names: dict[str, str] = {}
    for landed in sorted(files):
        for part in landed.split("/"):
            refuse_unfit_name(files[landed], part)
        names[landed] = name_of(landed)
        standing = found.setdefault(folded(names[landed]), landed)
        if standing != landed:
            raise BatchNameError(told_twins(files[standing], files[landed], names[landed]))
    if any("/" in landed for landed in files):
        refuse_like_folders(files)
    return {name: files[landed] for landed, name in sorted(names.items(), key=itemgetter(1))}


def refuse_like_folders(files: Mapping[str, Path]) -> None:
    """Refuse two folders, or a folder and a file beside it, that would be one batch."""
    firsts = {PurePosixPath(landed).parts[0]: landed for landed in sorted(files)}
    named: dict[str, str] = {}
    for first, landed in firsts.items():
        batch = folder_batch(landed)
        standing = named.setdefault(folded(batch), first)
        if standing != first:
            raise BatchNameError(told_twins(files[firsts[standing]], files[landed], batch))


def told_twins(one: Path, other: Path, batch: str) -> str:
    """What is wrong with two files that would be one batch."""
    return (
        f"{one} and {other} would both be batch {batch!r}; extension, case and Unicode form do not tell batches apart. "
        "Rename or remove one of them."
    )


def folded(name: str) -> str:
    """What two names have in common that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def refuse_unfit_name(file: Path, name: str) -> None:
    """Refuse a name, of a file or its folder, that would break a listing, a path or a temporary file."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise BatchNameError(f"{str(file)!r}: the name of a batch must be UTF-8. Rename the file.") from None
    has_control = not name.isprintable() and any(unicodedata.category(char) == "Cc" for char in name)
    if has_control or "\\" in name or not batch_name(Path(name)):
        raise BatchNameError(
            f"{str(file)!r}: the name of a batch has no control characters and no '\\'. Rename the file."
        )
    if size > LONGEST_NAME:
        raise BatchNameError(
            f"{str(file)!r}: the name has {size} bytes, the name of a batch at most {LONGEST_NAME}. Rename the file."
        )


def chosen_files(pipeline: str, names: Sequence[str] | None) -> dict[str, Path]:
    """Some landed files by name, all where none is named.

    Raises
    ------
    DataError
        If there is no file of a name; names the nearest.
    """
    there = landed_by_name(pipeline)
    if unknown := [name for name in names or () if name not in there]:
        raise DataError(
            f"data/raw/{pipeline}: no batch {unknown[0]!r}{hint(unknown[0], there)}. Name one that has landed."
        )
    return {name: file for name, file in there.items() if not names or name in names}


def landed_by_name(pipeline: str) -> dict[str, Path]:
    """Landed files of a pipeline by name, in order of name.

    Raises
    ------
    DataError
        If nothing has landed, or something that is no regular file.
    """
    folder = RAW / pipeline
    files = landed_files(folder)
    for file in [*files.values(), *empty_folders(folder)]:
        if file.is_symlink() or not file.is_file():
            raise DataError(f"{file}: not a regular file, which a landed batch is. Remove it.")
    if not files:
        raise DataError(f"{folder}: no batch has landed; at least one is expected. Run `holdfast land {pipeline}`.")
    return checked_names(files)


def empty_folders(folder: Path) -> list[Path]:
    """Folders in a folder of landed files that have no file."""
    entries = visible(folder) if folder.is_dir() else []
    return [entry for entry in entries if is_folder(entry) and not visible(entry)]


def landed_files(folder: Path) -> dict[str, Path]:
    """What lies in a folder of landed files and in the folders in it, by landed path; hidden files are left out."""
    entries = visible(folder) if folder.is_dir() else []
    files = [file for entry in entries for file in (visible(entry) if is_folder(entry) else [entry])]
    return {file.relative_to(folder).as_posix(): file for file in files}


def visible(folder: Path) -> list[Path]:
    """Entries of a folder in order of name, hidden ones left out."""
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def is_folder(path: Path) -> bool:
    """Whether a path is a folder and no link to one."""
    return path.is_dir() and not path.is_symlink()


def refuse_folders(files: Mapping[str, Path]) -> None:
    """Refuse landed files in folders, where each file is a batch.

    Raises
    ------
    BatchKindError
        Names the first.
    """
    for name, file in files.items():
        if "/" in name:
            raise BatchKindError(
                f"{file}: landed in a folder, but source.batch is 'file', whose batches lie side by side. Write "
                "`batch: folder`, or a month, week or day, which read files in folders too."
            )
