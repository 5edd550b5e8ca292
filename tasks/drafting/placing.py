"""Where a drafted pipeline's data lie, and the files of the project that it adds: all of them, or none.

params.yaml is written last: until then the project does not know the pipeline. Whatever an error leaves unfinished is
taken back; what a killed process left is the same text that the next run writes, and is gone over.
"""

from __future__ import annotations

import fcntl
import glob
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from configs.errors import ConfigError, DataError
from configs.load import CONFIGS, PARAMS, listed_names
from configs.sections.values import path_inside
from configs.wording import listed
from tasks.atomic import write_text
from tasks.batch import RAW, refuse_unfit_name
from tasks.drafting.listing import with_artifact, with_pipeline
from tasks.drafting.pipeline_name import INCOMING
from tasks.land import copy_unchanged, same_bytes

DAG = Path("dvc.yaml")
LOCK = Path(".holdfast/init.lock")
MOST_LOOKED_AT = 20  # files whose headers are compared


class AlreadyThereError(ConfigError):
    """Something of this pipeline is there that a draft would overwrite or mix with; nothing was written."""


@dataclass(frozen=True)
class Home:
    """Where the files of a new pipeline lie.

    Attributes
    ----------
    file : Path
        That the draft is made of.
    source : str
        Glob for `source.path`.
    copy : Path or None
        Where the file is to be copied to first, because it lies outside the repository.
    """

    file: Path
    source: str
    copy: Path | None = None


def inside_repository(file: Path) -> Path:
    """The file, links followed: relative to the repository's root, the current directory, where it lies inside."""
    whole, root = file.resolve(), Path.cwd().resolve()
    return whole.relative_to(root) if whole.is_relative_to(root) else whole


def home_of(file: Path, name: str) -> Home:
    """Decide where a pipeline's files lie: where this one does, or under data/incoming/<name>/, where it is copied to.

    A file that lies in a folder of data/incoming stands for all files there with its extension, if they have its
    header.

    Parameters
    ----------
    file : Path
        Relative to the current directory where it lies inside.
    name : str
        The pipeline's.
    """
    if file.is_absolute() or not can_be_source(file):
        refuse_unfit_name(file, file.name)
        return Home(file, f"{INCOMING / name}/*{glob.escape(file.suffix)}", INCOMING / name / file.name)
    if file.parent.parent == INCOMING and file.suffix and is_like_its_neighbours(file):
        return Home(file, f"{glob.escape(file.parent.as_posix())}/*{glob.escape(file.suffix)}")
    return Home(file, glob.escape(file.as_posix()))


def files_of(home: Home) -> list[Path]:
    """The files that the draft is made of, in order of name."""
    return [home.file] if home.copy is not None else sorted(Path().glob(home.source))


def can_be_source(file: Path) -> bool:
    """Whether a YAML can name a file of the repository."""
    try:
        path_inside(glob.escape(file.as_posix()))
    except ValueError:
        return False
    return not file.name.startswith(".")


def is_like_its_neighbours(file: Path) -> bool:
    """Whether the files of a folder with a file's extension have its header; of many, some evenly among them."""
    neighbours = sorted(each for each in file.parent.iterdir() if each.suffix == file.suffix and each.name[0] != ".")
    some = neighbours[:: -(-len(neighbours) // MOST_LOOKED_AT)]
    return len({header_of(each) for each in [file, *some]}) == 1


def header_of(file: Path) -> tuple[str, ...] | None:
    """The names of a file's columns, in order of name; None where it is no table."""
    from tasks.raw_files import UnreadableFileError, open_raw

    try:
        with open_raw(file) as raw:
            return tuple(sorted(raw.names))
    except UnreadableFileError:
        return None


def refuse_overwriting(name: str, home: Home) -> None:
    """Refuse a name that something in the project has already.

    Raises
    ------
    AlreadyThereError
        Says what is there.
    """
    remedy = "Choose another name with --name, or remove it"
    if name in listed_names():
        raise AlreadyThereError(f"{PARAMS}: lists {name!r} already. Choose another name with --name.")
    if (RAW / name).exists() or Path(f"{RAW / name}.dvc").exists():
        raise AlreadyThereError(f"{RAW / name}: batches of a pipeline {name!r} have landed there. {remedy}.")
    if home.copy is None or not home.copy.parent.exists():
        return
    others = sorted(each.name for each in home.copy.parent.iterdir() if each != home.copy and each.name[0] != ".")
    if others or (home.copy.exists() and not same_bytes(home.file, home.copy)):
        raise AlreadyThereError(
            f"{home.copy.parent}: has other files already ({listed(others or [home.copy.name])}), which would become "
            f"batches of {name!r}. {remedy}."
        )


def place(text: str, name: str, home: Home) -> None:
    """Copy the file in, if need be, and write configs/<name>.yaml, configs/<name>/, dvc.yaml and params.yaml.

    Parameters
    ----------
    text : str
        The draft.
    name : str
    home : Home

    Raises
    ------
    AlreadyThereError, UnlistableError
        Nothing was written.
    SourceChangedError, OSError
        What was written was taken back.
    """
    with alone(), ExitStack() as undo:
        refuse_overwriting(name, home)
        declaration = CONFIGS / f"{name}.yaml"
        if declaration.exists() and declaration.read_text(encoding="utf-8") != text:
            raise AlreadyThereError(f"{declaration}: is there already. Choose another name with --name, or remove it.")
        dag, params = DAG.read_text(encoding="utf-8"), PARAMS.read_text(encoding="utf-8")
        new_dag, new_params = with_artifact(dag, name), with_pipeline(params, name)
        if home.copy is not None and not home.copy.exists():
            undo.callback(removed, home.copy)
            require_room(home)
            copy_unchanged(home.file, home.copy)
        make_code_folder(name, undo.callback)
        if not declaration.exists():
            undo.callback(declaration.unlink, missing_ok=True)
            write_text(declaration, text)
        undo.callback(write_text, DAG, dag)
        if new_dag != dag:
            write_text(DAG, new_dag)
        write_text(PARAMS, new_params)
        undo.pop_all()


def make_code_folder(name: str, on_error: Callable[..., object]) -> None:
    """Make `configs/<name>/`, where it is not there; what was made is removed on an error."""
    from tasks.land import make_code_folder as make

    package = CONFIGS / name / "__init__.py"
    if not package.exists():
        on_error(removed, package)
        make(name)


def removed(file: Path) -> None:
    """Remove a file that was just made, and its folder if it is empty now."""
    file.unlink(missing_ok=True)
    if file.parent.is_dir() and not any(file.parent.iterdir()):
        file.parent.rmdir()


def require_room(home: Home) -> None:
    """Refuse to begin a copy that the disk has no room for."""
    needed, free = home.file.stat().st_size, shutil.disk_usage(".").free
    if needed > free:
        raise DataError(
            f"{home.file}: {needed} bytes are to be copied to {home.copy}, but {free} are free. Make room, or move the "
            "file into the repository yourself."
        )


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other `holdfast init` writes here: two would lose a line of params.yaml."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
