"""What lies in quarantine, summed up for people and scripts: by stage, reason, column and batch, with an example each.

It is read from the Parquet files that `ingest` and `validate` wrote, without pandas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import ConfigError, DataError
from configs.wording import hint, listed
from tasks.private import masked_raw
from tasks.quarantine.limit import STOPPED
from tasks.table import BATCH, LINE, read_table

if TYPE_CHECKING:
    from configs.schema import Pipeline

STAGES = ("ingest", "validate")


class UnknownRefusalError(ConfigError):
    """A batch or a reason was asked for of which no row is in quarantine."""


@dataclass(frozen=True)
class Refused:
    """One row in quarantine as it may be shown: private values are hidden."""

    stage: str
    batch: str
    file: str
    line: int
    column: str | None
    reason: str
    detail: str
    raw: str


@dataclass
class Group:
    """Rows of one stage refused for one reason, about one column; counts by batch, and the first of them."""

    stage: str
    reason: str
    column: str | None
    rows: int = 0
    batches: dict[str, int] = field(default_factory=dict)
    example: Refused | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def refused_rows(
    pipeline: Pipeline, batch: str | None = None, reason: str | None = None, *, stopped: bool = False
) -> list[Refused]:
    """Rows in quarantine, in order of stage, batch and line.

    Parameters
    ----------
    pipeline : Pipeline
    batch, reason : str, optional
        Only rows of this batch, or for this reason.
    stopped : bool
        Those of the last run that `source.stop_above` ended, which replaced nothing.

    Raises
    ------
    DataError
        If no stage has written a quarantine yet.
    UnknownRefusalError
        If a batch or reason is asked for that no row has; names the nearest.
    """
    found = [row for file in quarantine_files(pipeline.name, stopped) for row in read_refused(*file, pipeline)]
    for what, wanted in (("batch", batch), ("reason", reason)):
        known = sorted({getattr(row, what) for row in found})
        if wanted is not None and wanted not in known:
            raise UnknownRefusalError(
                f"--{what} {wanted!r}: no row in quarantine has it{hint(wanted, known)}; there are: {listed(known)}."
            )
    return [row for row in found if batch in {None, row.batch} and reason in {None, row.reason}]


def quarantine_files(pipeline: str, stopped: bool = False) -> list[tuple[str, Path]]:
    """Quarantine files with the stage that wrote them, in order of stage and batch."""
    root = STOPPED / pipeline if stopped else Path("data/quarantine", pipeline)
    folders = [(stage, root / stage) for stage in STAGES if (root / stage).is_dir()]
    if not folders:
        why = "no run was ended by source.stop_above" if stopped else f"nothing has run; `holdfast run {pipeline}`"
        raise DataError(f"{root}: no quarantine is there: {why}.")
    return [(stage, file) for stage, folder in folders for file in sorted(folder.rglob("*.parquet"))]


def read_refused(stage: str, file: Path, pipeline: Pipeline) -> Iterator[Refused]:
    """The rows of one file, as they may be shown."""
    private = pipeline.private_columns
    for row in read_table(file).to_pylist():
        yield Refused(
            stage=stage,
            batch=row[BATCH],
            file=row["file"],
            line=row[LINE],
            column=row["column"],
            reason=row["reason"],
            detail=row["detail"],
            raw=masked_raw(row["raw"], stage, private),
        )


def grouped(rows: list[Refused]) -> list[Group]:
    """Count rows by stage, reason and column, and in each group by batch; the greatest group first."""
    groups: dict[tuple[str, str, str | None], Group] = {}
    for row in rows:
        group = groups.setdefault((row.stage, row.reason, row.column), Group(row.stage, row.reason, row.column))
        group.rows += 1
        group.batches[row.batch] = group.batches.get(row.batch, 0) + 1
        group.example = group.example or row
    return sorted(groups.values(), key=lambda group: (-group.rows, group.stage, group.reason, group.column or ""))


def told_batches(group: Group, most: int = 3) -> str:
    """The batches of a group with their counts, the greatest first, a few of many.

    >>> told_batches(Group("ingest", "x", None, 5, {"a": 1, "b": 4}), most=1)
    'b: 4, and 1 more'
    """
    ordered = sorted(group.batches.items(), key=lambda item: (-item[1], item[0]))
    some = [f"{batch}: {rows:,}" for batch, rows in ordered[:most]]
    return ", ".join(some + ([f"and {len(ordered) - most} more"] if len(ordered) > most else []))
