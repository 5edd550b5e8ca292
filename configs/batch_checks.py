"""What makes a batch must be there: folders in the source's path, or a time whose calendar parts the rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from configs.contradiction import Check, Contradiction
from configs.document import KeyPath
from configs.schema import Pipeline
from configs.sections.source import PERIODS
from configs.wording import shown

PATH: KeyPath = ("source", "batch")


def check_folders(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Batches of folders are told apart by the folder that the source's files lie in."""
    source = pipeline.source
    folder = PurePosixPath(source.path).parent.name
    if source.batch == "folder" and ("**" in source.path or not {*folder} & {*"*?["}):
        yield (
            PATH,
            f"found 'folder', but source.path {shown(source.path)} has no wildcard for the folder that files lie in, "
            "or `**`, for folders in folders; write it as data/incoming/homes/*/*.csv, or write `batch: file`",
        )


def check_periods(pipeline: Pipeline, declared: frozenset[str]) -> Iterator[Contradiction]:
    """Batches of months, weeks or days are told apart by a time that may be told."""
    kind, name = pipeline.source.batch, pipeline.time.column
    if kind not in PERIODS:
        return
    if name is None:
        yield PATH, f"found {kind!r}, which needs time.column: a declared date or timestamp, whose {kind} is a row's"
    elif name in pipeline.private_columns:
        yield PATH, f"found {kind!r} of the private column {shown(name)}; the names of batches would tell its values"


BATCH_CHECKS: tuple[Check, ...] = (check_folders, check_periods)
