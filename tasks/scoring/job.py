"""What a run over files would do: which rows, which model, which output; and whether it was done already.

The manifest beside an output says what it was made of. The same input, model, declaration, code and libraries give the
same key, so a second run finds its work done. Nothing heavy is imported here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import ConfigError
from tasks.closure import code_hash
from tasks.model.bundle import canonical
from tasks.scoring.serving import Chosen, choose
from tasks.stage import PYTHON_MINOR, installed_version
from tasks.store import content_hash, file_hash

if TYPE_CHECKING:
    from configs.schema import Pipeline

SUFFIXES = (".parquet", ".csv")
LIBRARIES = ("duckdb", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "xgboost")
MODULE = Path("tasks/scoring/batch.py")
MOST_REASONS = 100


class NoInputError(ConfigError):
    """What is to be scored is not there, or is no file or folder of files."""


class OutputError(ConfigError):
    """The output cannot be written where it is asked for, or not in its format."""


@dataclass(frozen=True)
class Job:
    """Rows of files to score.

    Attributes
    ----------
    chosen : Chosen
        The model.
    files : dict of str to Path
        What to read, by the name that stands in `_file`, in that order.
    out : Path
        Ends in `.parquet` or `.csv`.
    reasons : int
        How many reasons are told of each row.
    hashes : dict of str to str
        Of the files' bytes, by the same names.
    fingerprints : dict of str to tuple
        What changes when a file is written to.
    key : str
        Hash over all that the output's bytes follow from.
    """

    chosen: Chosen
    files: dict[str, Path]
    out: Path
    reasons: int
    hashes: dict[str, str]
    fingerprints: dict[str, tuple[int, int, int]]
    key: str

    @property
    def manifest(self) -> Path:
        """Where the manifest stands."""
        return self.out.with_name(f"{self.out.name}.manifest.json")


def plan_job(pipeline: Pipeline, number: str | None, source: Path, out: Path, reasons: int = 0) -> Job:
    """Say what would be scored with what; nothing is written.

    Parameters
    ----------
    pipeline : Pipeline
        As its YAML stands now.
    number : str, optional
        A version, such as `v1.2.0`; the champion when absent.
    source : Path
        A file, or a folder of files.
    out : Path
    reasons : int, >= 0

    Raises
    ------
    NoInputError, OutputError
        Says which path, what was found there, and what is expected.
    NoModelError, UnknownVersionError
        See `tasks.scoring.serving.choose`.
    """
    files = input_files(source)
    require_writable(out, files, reasons)
    chosen = choose(pipeline.name, number)
    fingerprints = {name: fingerprint(file) for name, file in files.items()}
    hashes = {name: file_hash(file) for name, file in files.items()}
    made_of = {
        "input": hashes,
        "model": chosen.manifest_sha256,
        "declared": declared_for_scoring(pipeline),
        "reasons": reasons,
        "format": out.suffix,
        "code": code_hash(MODULE),
        "libraries": {name: installed_version(name) for name in LIBRARIES},
        "python": PYTHON_MINOR,
    }
    return Job(chosen, files, out, reasons, hashes, fingerprints, content_hash(canonical(made_of)))


def declared_for_scoring(pipeline: Pipeline) -> dict[str, Any]:
    """What of a YAML an output follows from; all else is in the model."""
    sections = {"columns", "time", "score", "target", "source"}
    found: dict[str, Any] = pipeline.model_dump(mode="json", by_alias=True, include=sections)
    return {**found, "source": {key: found["source"][key] for key in ("dialect", "on_change")}}


def input_files(source: Path) -> dict[str, Path]:
    """The files of an input by name: the file itself, or the files of a folder in order of name.

    Raises
    ------
    NoInputError
        If it is neither, or a folder that holds no file, or something else beside its files.
    """
    if source.is_file():
        return {source.name: source}
    if not source.is_dir():
        found = "it is no regular file" if source.exists() else "there is no such file"
        raise NoInputError(f"{source}: {found}; expected a file with rows, or a folder of such files.")
    entries = sorted(entry for entry in source.iterdir() if not entry.name.startswith("."))
    if others := [entry.name for entry in entries if not entry.is_file()]:
        raise NoInputError(f"{source}: {others[0]!r} in it is no file. Name a folder that holds files alone.")
    if not entries:
        raise NoInputError(f"{source}: the folder holds no file; at least one with rows is expected.")
    return {entry.name: entry for entry in entries}


def require_writable(out: Path, files: Mapping[str, Path], reasons: int) -> None:
    """Refuse an output that would not be written, or that a next run would read.

    Raises
    ------
    OutputError
        Names the path and what is expected.
    """
    if not 0 <= reasons <= MOST_REASONS:
        raise OutputError(f"--reasons: found {reasons}, expected a number from 0 to {MOST_REASONS}.")
    if out.suffix not in SUFFIXES:
        raise OutputError(f"{out}: the output is Parquet or CSV by its name; let it end in {' or '.join(SUFFIXES)}.")
    if out.is_dir():
        raise OutputError(f"{out}: is a folder; name a file.")
    folders = {file.resolve().parent for file in files.values()} if len(files) > 1 else set()
    if out.resolve() in {file.resolve() for file in files.values()} or out.resolve().parent in folders:
        raise OutputError(f"{out}: lies where the input is read, so the next run would read it. Name another folder.")


def fingerprint(file: Path) -> tuple[int, int, int]:
    """What changes when a file is written to: its inode, size in bytes, and time of the last change."""
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def finished(job: Job) -> dict[str, Any] | None:
    """The manifest of a run that has done this job, where its output is still what it wrote; None where there is none.

    A manifest that cannot be read is none: the job is done again.
    """
    try:
        manifest = json.loads(job.manifest.read_bytes())
        is_same = manifest["key"] == job.key and manifest["output"]["blake3"] == file_hash(job.out)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(manifest) if is_same else None
