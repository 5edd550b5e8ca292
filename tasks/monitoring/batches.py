"""What there is to judge: each declared batch that has landed, with the files that it has rows of.

A batch is what `source.batch` says: a file, a folder, or a period's rows of all files. It is new where the champion was
not made of one of its files, and what was judged is told by the content: names and bytes of its files. A period is
judged once it is over by its zone's clock. What lands for it later makes it another content, which is judged again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from configs.sections.source import PERIODS
from tasks.batch import UNDATED, folder_batch, name_of

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from tasks.ingest import RawBatches
    from tasks.ingestion.dealing import Dealing
    from tasks.quarantine.limit import Counted


@dataclass(frozen=True)
class LandedBatch:
    """A declared batch as far as it has landed.

    Attributes
    ----------
    name : str
        As `holdfast drift --batch` takes it.
    files : mapping of str to str
        MD5 by landed path.
    shown : str
        As people know it: of a file with its extension.
    is_over : bool
        Whether a period has passed; so has what is none.
    """

    name: str
    files: Mapping[str, str]
    shown: str
    is_over: bool = True

    @property
    def md5(self) -> str:
        """What the batch is made of: the file's MD5 where each file is a batch, else one over names and MD5s."""
        if self.shown in self.files:
            return self.files[self.shown]
        lines = "".join(f"{file} {md5}\n" for file, md5 in sorted(self.files.items()))
        return hashlib.md5(lines.encode(), usedforsecurity=False).hexdigest()

    def is_new_to(self, used: Mapping[str, str]) -> bool:
        """Whether a model was not made of one of the files; MD5 by landed path of those that it was made of."""
        return any(used.get(file) != md5 for file, md5 in self.files.items())


def landed_batches(pipeline: Pipeline, landed: Mapping[str, str], now: datetime) -> list[LandedBatch]:
    """The declared batches of what has landed, in order of name.

    Parameters
    ----------
    pipeline : Pipeline
    landed : mapping of str to str
        MD5 by landed path; the files lie in the current directory's `data/raw/<pipeline>/`. Of periods they are read,
        those that the per-batch store does not know.
    now : datetime with a time zone

    Returns
    -------
    list of LandedBatch
        Of periods also each file that cannot be read as declared, or of which more is refused than `source.stop_above`
        allows: its feed is broken. As long as one cannot be read, there is no period, since it may have rows of any.
    """
    if pipeline.source.batch in PERIODS:
        return list(periods_of(pipeline, landed, now))
    if pipeline.source.batch == "file":
        single = [LandedBatch(name_of(file), {file: md5}, file) for file, md5 in landed.items()]
        return sorted(single, key=lambda each: each.name)
    return grouped((folder_batch(file), file, md5) for file, md5 in landed.items())


def after_erasures(used: Mapping[str, str], events: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What a model or a verdict was made of, as far as it is left: erasing rows of a file makes no others new.

    Parameters
    ----------
    used : mapping of str to str
        MD5 by landed path.
    events : iterable of mappings
        The ledger's, oldest first.

    >>> erasure = {"kind": "erasure", "erased": {"a.csv": ["1"]}, "batches": {"a.csv": "2"}}
    >>> after_erasures({"a.csv": "1", "b.csv": "1"}, [erasure])
    {'a.csv': '2', 'b.csv': '1'}
    """
    left: dict[str, str | None] = dict(used)
    for event in events:
        for file, md5s in event["erased"].items() if event["kind"] == "erasure" else ():
            if left.get(file) in md5s:
                left[file] = event["batches"].get(file)
    return {file: md5 for file, md5 in left.items() if md5 is not None}


def grouped(members: Iterator[tuple[str, str, str]]) -> list[LandedBatch]:
    """Batches of name, landed path and MD5 of each of their files."""
    found: dict[str, dict[str, str]] = {}
    for name, file, md5 in members:
        found.setdefault(name, {})[file] = md5
    return [LandedBatch(name, files, name) for name, files in sorted(found.items())]


def periods_of(pipeline: Pipeline, landed: Mapping[str, str], now: datetime) -> Iterator[LandedBatch]:
    """Files that are broken, then the periods of the others' rows."""
    from tasks.drift.batch import UNREADABLE
    from tasks.ingestion.dealing import declared_dealing
    from tasks.quarantine.limit import above

    raw, members, is_whole = raw_batches(pipeline), [], True
    for file, md5 in sorted(landed.items()):
        try:
            summary = raw.dealt(name_of(file)).summary
        except UNREADABLE:
            yield LandedBatch(file, {file: md5}, file)
            is_whole = False
            continue
        if above(counted(file, summary), pipeline.source.stop_above):
            yield LandedBatch(file, {file: md5}, file)
        members += [(period, file, md5) for period in summary["parts"] if period != UNDATED]
    dealing = declared_dealing(pipeline)
    assert dealing is not None  # noqa: S101  (the batches are periods)
    current = period_at(now, dealing)
    for batch in grouped(iter(members)) if is_whole else []:
        yield replace(batch, is_over=batch.name < current)


def counted(file: str, summary: Mapping[str, Any]) -> Counted:
    """A file's rows and how many of them are refused, by reason."""
    from tasks.quarantine.limit import Counted

    return Counted(file, summary["rows_out"] + sum(summary["reasons"].values()), summary["reasons"], "file")


def raw_batches(pipeline: Pipeline) -> RawBatches:
    """The landed files of a pipeline, as `ingest` reads them."""
    from tasks.ingest import RawBatches, declared_for_batches
    from tasks.store import BatchStore

    declared = declared_for_batches(pipeline)
    return RawBatches(pipeline, BatchStore("ingest", pipeline, declared), declared)


def period_at(now: datetime, dealing: Dealing) -> str:
    """The name of the period that the clock of the dealing's zone shows."""
    import pyarrow as pa

    from tasks.ingestion.periods import period_names

    moment = pa.chunked_array([pa.array([now], pa.timestamp("us", "UTC"))])
    (name,) = period_names(moment, dealing.period, dealing.timezone)
    return str(name)


def rows_by_file(pipeline: Pipeline, batch: LandedBatch) -> dict[str, int]:
    """Rows that each file has of a batch, refused ones included; nothing where each file is a batch.

    A broken file of a source whose batches are periods has none: its rows are in the periods, or nowhere.
    """
    from tasks.drift.batch import UNREADABLE

    if pipeline.source.batch == "file":
        return {}
    raw, rows = raw_batches(pipeline), {}
    for file in batch.files:
        try:
            part = raw.dealt(name_of(file)).summary["parts"].get(batch.name, {"rows": 0, "reasons": {}})
        except UNREADABLE:
            part = {"rows": 0, "reasons": {}}
        rows[file] = part["rows"] + sum(part["reasons"].values())
    return rows
