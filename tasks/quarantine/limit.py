"""The share of a batch that may be refused before the run ends: `source.stop_above`.

The limit is each batch's own. So it holds of all batches together too, and a long sound history cannot hide that the
newest file is broken. Rows that `ingest` refused and rows that `validate` quarantined count together.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from configs.errors import DataError
from tasks.quarantine.rows import CONTRACT, count_reasons
from tasks.table import read_table

if TYPE_CHECKING:
    from configs.sections.source import Source

STOPPED = Path(".holdfast/stopped")
PIN = "raw.dvc"  # beside refused rows: the pin of the bytes that they were read from
SHOWN_BATCHES = 10


class TooManyRefusedError(DataError):
    """More of a batch is refused than `source.stop_above` allows."""


class Counted(NamedTuple):
    """One batch, or one file of several: how many rows it has, and how many of them are refused, by reason."""

    batch: str
    rows: int
    reasons: Mapping[str, int]
    what: str = "batch"

    @property
    def refused(self) -> int:
        """Rows refused, those aside that `source.on_change: quarantine` asks to set aside."""
        return sum(rows for reason, rows in self.reasons.items() if not reason.startswith(CONTRACT))


def above(counted: Counted, limit: str) -> bool:
    """Whether more of a batch is refused than allowed, without rounding.

    >>> above(Counted("2013-01", 100, {"not_a_number": 2}), "2%")
    False
    >>> above(Counted("2013-01", 99, {"not_a_number": 2}), "2%")
    True
    """
    return counted.refused * 100 > Fraction(limit.removesuffix("%")) * counted.rows


def require_few_refused(
    pipeline: str, source: Source, batches: Sequence[Counted], stage: str, keep: Callable[[str, Path], object]
) -> None:
    """Refuse to go on where more of a batch is refused than allowed; called before anything is replaced.

    Parameters
    ----------
    pipeline : str
    source : Source
        Its `stop_above` is the limit.
    batches : sequence of Counted
    stage : str
        That counts.
    keep : callable (batch, path)
        Writes the rows that the stage refused of a batch to a file, so that they can be looked at. Called for each
        batch beyond the limit.

    Raises
    ------
    TooManyRefusedError
        Names the batches, the counts by reason, and what to do.
    """
    folder = STOPPED / pipeline / stage
    shutil.rmtree(folder, ignore_errors=True)
    over = [counted for counted in batches if above(counted, source.stop_above)]
    if not over:
        return
    keep_pin(pipeline, folder)
    paths = {counted.batch: folder / f"{counted.batch}.parquet" for counted in over}
    for batch, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        keep(batch, path)
    raise TooManyRefusedError(
        f"data/raw/{pipeline}: more than {source.stop_above} of a {over[0].what} (source.stop_above) is refused, so "
        "nothing was replaced:\n"
        + "\n".join(f"  {told(counted)}{example(paths[counted.batch])}" for counted in over[:SHOWN_BATCHES])
        + (f"\n  and {len(over) - SHOWN_BATCHES} more" if len(over) > SHOWN_BATCHES else "")
        + f"\nSee the rows with `holdfast quarantine {pipeline} --stopped`; with `--export FILE`, to correct them. "
        f"`holdfast schema {pipeline} --diff` says what is written otherwise than declared. Land corrected files "
        f"(`holdfast land {pipeline} --replace FILE`), mend what configs/{pipeline}.yaml declares, or raise "
        "source.stop_above there."
    )


def pin_file(pipeline: str) -> Path:
    """The `.dvc` file of a pipeline's landed batches."""
    return Path("data/raw", f"{pipeline}.dvc")


def keep_pin(pipeline: str, folder: Path) -> None:
    """Keep the pin of what was read beside the rows that were refused of it."""
    folder.mkdir(parents=True, exist_ok=True)
    if pin_file(pipeline).exists():
        (folder / PIN).write_bytes(pin_file(pipeline).read_bytes())


def stopped_as_landed(pipeline: str, stage: str) -> bool:
    """Whether the rows of a stage that `source.stop_above` ended were read from the bytes that have landed."""
    kept, pin = STOPPED / pipeline / stage / PIN, pin_file(pipeline)
    return kept.is_file() and pin.is_file() and kept.read_bytes() == pin.read_bytes()


def told(counted: Counted) -> str:
    """One batch in words, its most frequent reasons first."""
    share, reasons = 100 * counted.refused / counted.rows, by_reason(counted.reasons)
    return f"{counted.what} {counted.batch!r}: {counted.refused:,} of {counted.rows:,} rows ({share:.3g}%): {reasons}"


def by_reason(reasons: Mapping[str, int]) -> str:
    """Reasons with their counts, the most frequent first.

    >>> by_reason({"not_a_date": 7, "not_a_number": 1200})
    'not_a_number 1,200, not_a_date 7'
    """
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {rows:,}" for reason, rows in ordered)


def set_aside(pipeline: str, reasons: Mapping[str, int]) -> str:
    """How many rows a stage has put in quarantine, why, and where to see them: the end of its last line.

    >>> set_aside("homes", {}), set_aside("homes", {"not_a_date": 7})
    ('0 in quarantine', '7 in quarantine (not_a_date 7); `holdfast quarantine homes` shows them')
    """
    why = f" ({by_reason(reasons)}); `holdfast quarantine {pipeline}` shows them" if reasons else ""
    return f"{sum(reasons.values())} in quarantine{why}"


def example(path: Path) -> str:
    """The first row that is refused for the most frequent reason, in words; nothing where no row is kept.

    Parameters
    ----------
    path : Path
        Refused rows, as `tasks.quarantine` has them; their details hide private values.
    """
    if not path.exists():
        return ""
    rows = read_table(path, ["file", "_line", "column", "reason", "detail"])
    counts = {each["values"]: each["counts"] for each in rows.column("reason").value_counts().to_pylist()}
    if not counts:
        return ""
    place = rows.column("reason").index(max(counts, key=lambda reason: counts[reason])).as_py()
    first = rows.slice(place, 1).to_pylist()[0]
    column = f"column {first['column']!r}: " if first["column"] else ""
    return f"\n    as in {first['file']}, line {first['_line']}: {column}{first['detail']}"


def refused_before(pipeline: str, batches: Sequence[str]) -> dict[str, dict[str, int]]:
    """Reasons of the rows that `ingest` refused, by batch; of batches without any, nothing."""
    files = {batch: Path("data/quarantine", pipeline, "ingest", f"{batch}.parquet") for batch in batches}
    return {batch: count_reasons([read_table(file, ["reason"])]) for batch, file in files.items() if file.exists()}
