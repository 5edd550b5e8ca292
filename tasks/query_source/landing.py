"""Landing the new rows of a query, in the user's working tree and in a ledger's worktree, so that none lands twice."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import DataError
from tasks.query_source.connection import Secrets, no_secrets
from tasks.query_source.spool import new_rows
from tasks.query_source.watermarks import watermark_of

if TYPE_CHECKING:
    from configs.schema import Pipeline


class DivergedLandingError(DataError):
    """Rows of the query landed here and elsewhere, each without knowing of the other."""


def land_query(pipeline: Pipeline, replace: Sequence[str], secrets: Secrets | None) -> list[str]:
    """Take the query's new rows into the user's working tree, and pin them; see `tasks.land.land`.

    Raises
    ------
    DivergedLandingError
        If a ledger has batches that are not here: their rows would land a second time.
    """
    from tasks import registry
    from tasks.batch import RAW
    from tasks.land import cleaned_files, read_pin, refuse_lost_batches, take_in
    from tasks.retrain.landings import landings, latest

    refuse_replacing(replace)
    folder = RAW / pipeline.name
    pin, landed = read_pin(Path(f"{folder}.dvc")), cleaned_files(folder)
    refuse_lost_batches(folder, pin, landed, landed)
    events = registry.events(pipeline.name) if Path(".git").exists() else []
    require_known(pipeline.name, latest(landings(events)), {*landed})
    found = new_rows(pipeline, [*landed.values()], names_gone(pipeline.name, events), secrets or no_secrets)
    names = take_in(pipeline.name, {file.name: file for file in found})
    for file in found:
        file.unlink()
    return names


def refuse_replacing(replace: Sequence[str]) -> None:
    """Refuse to replace a batch of rows that nobody can ask for again."""
    if replace:
        raise DataError(
            f"--replace {replace[0]!r}: batches of a query are not replaced, since the database may not hold their "
            "rows any more. Correct rows there under a new watermark, or erase the batch's: `holdfast erase`."
        )


def names_gone(pipeline: str, events: Iterable[Mapping[str, Any]]) -> set[str]:
    """Names of batches that lost rows: by the ledger, and by what is noted in the current directory."""
    from tasks.quarantine.superseded import superseded
    from tasks.retrain.landings import erased_batches

    return {name for name, _ in erased_batches(events)} | {entry.name for entry in superseded(pipeline)}


def require_known(pipeline: str, ledger: Collection[str], here: Collection[str]) -> None:
    """Refuse to land where the ledger is ahead."""
    missing = sorted(name for name in ledger if name not in here and watermark_of(name) is not None)
    if missing:
        raise DivergedLandingError(
            f"data/raw/{pipeline}: the ledger holdfast/{pipeline} has {len(missing)} batches of the query that are not "
            f"here, the last {missing[-1]!r}; landing here would take their rows twice. Land in the ledger with "
            f"`holdfast retrain {pipeline}` or `holdfast monitor {pipeline}`, or bring them here first: "
            f"`git restore --source holdfast/{pipeline} data/raw/{pipeline}.dvc && dvc pull --force "
            f"data/raw/{pipeline}.dvc`."
        )


def require_one_history(pipeline: str, ledger: Collection[str], user_has: Collection[str]) -> None:
    """Refuse batches of the user's working tree that landed without knowing of the ledger's.

    >>> require_one_history("x", {"00000000000000000001.parquet"}, {"00000000000000000001.parquet"})
    """
    new = sorted(name for name in user_has if name not in ledger and watermark_of(name) is not None)
    lacking = [name for name in ledger if name not in user_has and watermark_of(name) is not None]
    if new and lacking:
        raise DivergedLandingError(
            f"data/raw/{pipeline}: {new[-1]!r} landed in this working tree, {sorted(lacking)[-1]!r} in the ledger, and "
            "the same rows may be in both. Go on from the ledger: `git restore --source "
            f"holdfast/{pipeline} data/raw/{pipeline}.dvc && dvc checkout --force data/raw/{pipeline}.dvc`, then land "
            "again."
        )


def require_unmoved(pipeline: str, known: Collection[str]) -> None:
    """Refuse to write a landing if another machine landed rows of the query since the ledger was read."""
    from tasks import registry
    from tasks.retrain.landings import landings, latest

    if {*latest(landings(registry.events(pipeline)))} != {*known}:
        raise DivergedLandingError(
            f"{pipeline}: another machine landed rows of the query meanwhile; nothing was written. Run again: what it "
            "left will land."
        )
