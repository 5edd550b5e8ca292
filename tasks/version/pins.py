"""What DVC pins of one pipeline: its entries of `dvc.lock` and the `.dvc` file of its raw data, read without DVC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.errors import DataError

LOCK = Path("dvc.lock")


class NotReproducedError(DataError):
    """dvc.lock lacks stages of a pipeline, or is of no single state."""


@dataclass(frozen=True)
class Pinned:
    """One dependency or output: DVC's MD5 (ending in `.dir` for a folder), bytes, and files of a folder."""

    md5: str
    size: int
    files: int | None = None

    @property
    def is_folder(self) -> bool:
        """Whether the MD5 is that of a list of files."""
        return self.md5.endswith(".dir")

    def as_json(self) -> dict[str, Any]:
        """The form in the version record."""
        return {"md5": self.md5, "size": self.size} | ({} if self.files is None else {"files": self.files})


@dataclass(frozen=True)
class StageEntry:
    """One stage of one pipeline as dvc.lock has it; `params` are values by file and key."""

    cmd: str
    deps: dict[str, Pinned]
    params: dict[str, dict[str, Any]]
    outs: dict[str, Pinned]

    def as_json(self) -> dict[str, Any]:
        """Plain values, the same for equal entries whatever order DVC wrote them in."""
        return {
            "cmd": self.cmd,
            "deps": {path: pinned.md5 for path, pinned in self.deps.items()},
            "params": self.params,
            "outs": {path: pinned.md5 for path, pinned in self.outs.items()},
        }


def raw_pin(pipeline: str) -> Path:
    """The `.dvc` file of a pipeline's landed batches."""
    return Path(f"data/raw/{pipeline}.dvc")


def parsed_yaml(text: bytes, where: str) -> dict[str, Any]:
    """Read YAML that DVC wrote, with the parser that DVC reads it with.

    Raises
    ------
    NotReproducedError
        If it is cut off or something else.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=False).load(text.decode())
    except (YAMLError, ValueError) as error:
        raise NotReproducedError(
            f"{where}: not as DVC writes it ({type(error).__name__}). Restore it with git."
        ) from error
    if not isinstance(content, dict):
        raise NotReproducedError(f"{where}: found {type(content).__name__}, expected keys with values.")
    return content


def stage_entries(
    lock: bytes, pipeline: str, where: str = "dvc.lock", *, partial: bool = False
) -> dict[str, StageEntry]:
    """The entries of one pipeline, by stage, in the order of the DAG.

    Parameters
    ----------
    lock : bytes
        Content of a dvc.lock; other pipelines' entries are left out.
    where : str
        For the error's text.
    partial : bool
        Take what is there: of a run that ended early.

    Raises
    ------
    NotReproducedError
        If a stage has no entry, or one that DVC did not write.
    """
    from tasks.stage import STAGES

    stages = parsed_yaml(lock, where).get("stages") or {}
    missing = {stage: f"{stage}@{pipeline}" for stage in STAGES if f"{stage}@{pipeline}" not in stages}
    if missing and not partial:
        raise NotReproducedError(f"{where}: no entry of {', '.join(missing.values())}. Run `holdfast run {pipeline}`.")
    try:
        return {stage: entry_of(stages[f"{stage}@{pipeline}"]) for stage in STAGES if stage not in missing}
    except (KeyError, TypeError, AttributeError) as error:
        raise NotReproducedError(f"{where}: an entry of {pipeline} lacks {error}. Restore it with git.") from error


def entry_of(entry: dict[str, Any]) -> StageEntry:
    """One entry of dvc.lock."""
    return StageEntry(
        cmd=entry["cmd"],
        deps=pinned_paths(entry.get("deps", [])),
        params=entry.get("params", {}),
        outs=pinned_paths(entry.get("outs", [])),
    )


def pinned_paths(entries: list[dict[str, Any]]) -> dict[str, Pinned]:
    """What dvc.lock lists under `deps` or `outs`, by path."""
    return {entry["path"]: Pinned(entry["md5"], entry["size"], entry.get("nfiles")) for entry in entries}


def code_paths(entries: Mapping[str, StageEntry], pipeline: str) -> dict[str, list[str]]:
    """The files of each stage's code: its dependencies that no stage makes and nobody landed."""
    made = {path for entry in entries.values() for path in entry.outs} | {f"data/raw/{pipeline}"}
    return {stage: sorted(set(entry.deps) - made) for stage, entry in entries.items()}


def read_raw_pin(content: bytes, pipeline: str) -> Pinned:
    """What `data/raw/<pipeline>.dvc` pins.

    Raises
    ------
    NotReproducedError
        If it is not as DVC writes it.
    """
    where = str(raw_pin(pipeline))
    try:
        (out,) = parsed_yaml(content, where)["outs"]
        return Pinned(out["md5"], out["size"], out.get("nfiles"))
    except (KeyError, TypeError, ValueError) as error:
        raise NotReproducedError(f"{where}: not as DVC writes it ({error!r}). Restore it with git.") from error


def uncached_paths(declarations: dict[str, Any], pipeline: str) -> set[str]:
    """Outputs that dvc.yaml declares with `cache: false`: they lie in git, not among DVC's objects.

    Parameters
    ----------
    declarations : dict
        Content of dvc.yaml.
    """
    found: set[str] = set()
    for stage in declarations["stages"].values():
        entries = [entry for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])]
        found |= {
            path.replace("${item.pipeline}", pipeline)
            for entry in entries
            if isinstance(entry, dict)
            for path, options in entry.items()
            if options.get("cache") is False
        }
    return found


def pinned_objects(pipeline: str, lock: bytes, raw: bytes, declarations: bytes) -> dict[str, Pinned]:
    """What DVC keeps of one pipeline, by path: the landed batches, and every output that is not in git.

    Parameters
    ----------
    lock, raw, declarations : bytes
        Contents of dvc.lock, of the raw data's `.dvc` file, and of dvc.yaml.
    """
    in_git = uncached_paths(parsed_yaml(declarations, "dvc.yaml"), pipeline)
    outs = {
        path: pinned
        for entry in stage_entries(lock, pipeline).values()
        for path, pinned in entry.outs.items()
        if path not in in_git
    }
    return {f"data/raw/{pipeline}": read_raw_pin(raw, pipeline), **outs}


def pinned_here(pipeline: str) -> dict[str, Pinned]:
    """`pinned_objects` of the current directory's project.

    Raises
    ------
    NotReproducedError
        Names the file that is missing.
    """
    contents = []
    for path in (LOCK, raw_pin(pipeline), Path("dvc.yaml")):
        if not path.is_file():
            raise NotReproducedError(f"{path}: missing. Run `holdfast run {pipeline}` first.")
        contents.append(path.read_bytes())
    return pinned_objects(pipeline, *contents)
