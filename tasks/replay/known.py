"""What could be learned from on a date: rows of batches that had arrived, whose label was known."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.atomic import write_json
from tasks.replay.arrivals import Arrival
from tasks.split import time_values
from tasks.splitting.folds import MICROSECOND, microseconds
from tasks.store import content_hash
from tasks.table import read_table, to_frame, write_table

if TYPE_CHECKING:
    from configs.schema import Pipeline

DECLARED = ("dvc.yaml", "params.yaml")


@dataclass(frozen=True)
class Known:
    """The rows that could be learned from on a date.

    Attributes
    ----------
    date : int
        Microseconds since 1970, UTC.
    whole : tuple of Arrival
        Batches all of whose labels were known.
    part : tuple of Arrival
        Batches some of whose labels were known: those of rows that happened at `cut` or before.
    cut : int
    """

    date: int
    whole: tuple[Arrival, ...]
    part: tuple[Arrival, ...]
    cut: int

    @property
    def arrived(self) -> tuple[Arrival, ...]:
        """All batches of which something is known, in the order of their arrival."""
        return tuple(sorted((*self.whole, *self.part), key=lambda each: (each.last, each.batch)))

    @property
    def hash(self) -> str:
        """Hash of all that is known: two dates on which the same is known are one."""
        cut = f"{self.cut}" if self.part else ""
        names = [f"{each.batch}:{each.hash}" for each in (*self.whole, *self.part)]
        return content_hash("\n".join([cut, str(len(self.part)), *names]).encode())


def known_at(found: Sequence[Arrival], date: int, pipeline: Pipeline) -> Known:
    """What could be learned from on a date.

    Parameters
    ----------
    found : sequence of Arrival
    date : int
        Microseconds since 1970, UTC.
    pipeline : Pipeline
        Its `target.known_after` is how long a label takes.
    """
    cut = date - pipeline.target.known_after // MICROSECOND
    arrived = [each for each in found if each.last <= date]
    whole = tuple(each for each in arrived if each.last <= cut)
    return Known(date, whole, tuple(each for each in arrived if each.first <= cut < each.last), cut)


@contextlib.contextmanager
def project_of(known: Known, pipeline: Pipeline) -> Iterator[Path]:
    """A folder in which the stages find the known rows, and nothing else, as they find all of them in the project."""
    with tempfile.TemporaryDirectory(prefix=f"{pipeline.name}-", dir=scratch()) as name:
        folder, here = Path(name), Path.cwd()
        for part in DECLARED:
            shutil.copyfile(here / part, folder / part)
        shutil.copytree(here / "configs", folder / "configs", ignore=shutil.ignore_patterns("__pycache__"))
        write_json(folder / "metrics" / pipeline.name / "ingest.json", {"dialects": {}})  # told of all files together
        rows = folder / "data/valid" / pipeline.name
        rows.mkdir(parents=True)
        for each in known.whole:
            os.link(each.file, rows / each.file.name)
        for each in known.part:
            write_part(each.file, rows / each.file.name, known.cut, pipeline)
        yield folder


def scratch() -> Path:
    """Where such folders lie: on the project's own disk, so that files can be linked."""
    folder = Path(".holdfast/replay").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_part(source: Path, target: Path, cut: int, pipeline: Pipeline) -> None:
    """Write the rows of a batch that happened at a time or before it."""
    table = read_table(source)
    times = time_values(to_frame(table.select([str(pipeline.time.column)])), pipeline)
    if times is not None:
        write_table(table.filter(microseconds(times) <= cut), target)
