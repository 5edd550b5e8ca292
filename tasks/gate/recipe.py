"""What a training is given: its code, rows, parameters and libraries; so whether two models differ by a seed alone."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tasks.version.code import code_hashes
from tasks.version.pins import LOCK, NotReproducedError, stage_entries

STAGE = "train"


def recipe_of_record(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the version of a record was trained from, its seed left out; None where the record does not say."""
    try:
        name, code, params, data = (record[key] for key in ("pipeline", "code", "params", "data"))
        md5 = {path: data[path]["md5"] for path in trained_from(name)}
        return {"code": code[STAGE], "params": without_seed(params[STAGE], name), "data": md5}
    except KeyError:
        return None


def recipe_here(pipeline: str) -> dict[str, Any] | None:
    """What the current directory's model was trained from, its seed left out; None where dvc.lock does not say."""
    try:
        entries = stage_entries(LOCK.read_bytes(), pipeline) if LOCK.is_file() else {}
        train = entries[STAGE]
        md5 = {path: train.deps[path].md5 for path in trained_from(pipeline)}
        code = code_hashes(entries, pipeline)[STAGE]
    except (KeyError, NotReproducedError):
        return None
    return {"code": code, "params": without_seed(train.params, pipeline), "data": md5}


def differ_by_seed_alone(pipeline: str, champion: Mapping[str, Any]) -> bool:
    """Whether the current directory's model had the champion's code, rows, parameters and libraries.

    Parameters
    ----------
    pipeline : str
    champion : mapping
        The champion's version record.

    Returns
    -------
    bool
        False where it is not known.
    """
    ours, theirs = recipe_here(pipeline), recipe_of_record(champion)
    return ours is not None and ours == theirs


def trained_from(pipeline: str) -> tuple[str, str]:
    """The paths that the stage is given rows by."""
    return f"data/valid/{pipeline}", f"data/split/{pipeline}.parquet"


def without_seed(params: Mapping[str, Any], pipeline: str) -> dict[str, Any]:
    """The stage's parameters by file and key, but for `train.seed`."""
    kept = deepcopy(dict(params))
    kept.get(f"configs/{pipeline}.yaml", {}).get("train", {}).pop("seed", None)
    return kept
