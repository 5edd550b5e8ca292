"""How far a query's rows have landed: each batch's file is named by its greatest watermark.

So names alone, of files that are here or of a ledger's events, say where the next landing begins; nothing else holds
state. Names sort as watermarks do.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from configs.errors import DataError

Watermark = int | date | datetime
NAME = re.compile(r"(?P<mark>[0-9]{20}|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{6}\.[0-9]{6}Z?)?)(?:-[0-9]+)?\.parquet")


class WatermarkError(DataError):
    """The watermark's values do not say in which order rows came."""


def kind_of(mark: object) -> str:
    """What a watermark is, in words; `datetime` is a `date` to Python and none here."""
    if isinstance(mark, datetime):
        return "timestamp without a zone" if mark.tzinfo is None else "timestamp"
    kinds = {int: "integer", date: "date"}
    return kinds.get(type(mark), type(mark).__name__)


def require_watermark(mark: object, column: str) -> Watermark:
    """Refuse what has no order that names could keep.

    Raises
    ------
    WatermarkError
        If the value is missing, negative, or no integer, date or timestamp.
    """
    if mark is None:
        raise WatermarkError(
            f"rows without {column!r}, the watermark: nothing says whether they have landed. Leave them out in the "
            f"query (`WHERE {column} IS NOT NULL`), or take another watermark."
        )
    if type(mark) not in {int, date, datetime}:
        raise WatermarkError(
            f"the watermark {column!r} holds {kind_of(mark)}; expected an integer, a date or a timestamp. Cast it in "
            "the query."
        )
    if isinstance(mark, int) and not 0 <= mark < 10**20:
        raise WatermarkError(f"the watermark {column!r} is {mark}; an integer one is 0 or more.")
    return mark  # type: ignore[return-value]


def text_of(mark: Watermark) -> str:
    """A watermark as names hold it: of fixed width, so that texts sort as watermarks do.

    >>> text_of(42), text_of(datetime(2024, 3, 31, 23, 59, tzinfo=UTC))
    ('00000000000000000042', '2024-03-31T235900.000000Z')
    """
    if isinstance(mark, datetime):
        aware = mark.tzinfo is not None
        return f"{(mark.astimezone(UTC) if aware else mark):%Y-%m-%dT%H%M%S.%f}" + "Z" * aware
    return mark.isoformat() if isinstance(mark, date) else f"{mark:020d}"


def watermark_of(name: str) -> Watermark | None:
    """The watermark that a file's name holds; None for a file that no query's landing named.

    >>> watermark_of("2024-03-31-2.parquet")
    datetime.date(2024, 3, 31)
    """
    match = NAME.fullmatch(name)
    if match is None:
        return None
    text = match["mark"]
    if "-" not in text:
        return int(text)
    try:
        return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    except ValueError:  # 30 February
        return None


def file_name(mark: Watermark, taken: Collection[str]) -> str:
    """The name of a new batch: its watermark, numbered where late rows of the same watermark made one before."""
    text, number = text_of(mark), 1
    while (name := f"{text}-{number}.parquet" if number > 1 else f"{text}.parquet") in taken:
        number += 1
    return name


@dataclass(frozen=True)
class Window:
    """Which rows may be new: those from `since` on, or beyond it; all where nothing has landed.

    `newest` is the greatest watermark that has landed; `files` the landed batches that may hold rows of the window.
    """

    newest: Watermark | None = None
    since: Watermark | None = None
    beyond: bool = False
    files: tuple[Path, ...] = ()


def window(landed: Sequence[Path], gone: Collection[str], overlap: timedelta) -> Window:
    """Where the next landing begins.

    Rows that were erased must not come back, and what they were nobody can tell any more: at and before the watermark
    of a batch that lost rows, none is taken any more.

    Parameters
    ----------
    landed : sequence of Path
        Batches that are here.
    gone : collection of str
        Names of batches that lost rows, or all of them.
    overlap : timedelta
        How far behind the newest watermark rows may still arrive.

    Raises
    ------
    WatermarkError
        If landed batches have watermarks of several kinds, or an overlap is to be taken from an integer.
    """
    files = {file: mark for file in landed if (mark := watermark_of(file.name)) is not None}
    lost = [mark for name in gone if (mark := watermark_of(name)) is not None]
    if not files and not lost:
        return Window()
    require_one_kind([*files.values(), *lost])
    newest = max([*files.values(), *lost], key=text_of)
    since = earlier(newest, overlap)
    lost_since = max((mark for mark in lost if text_of(mark) >= text_of(since)), default=None, key=text_of)
    begin = since if lost_since is None else lost_since
    near = tuple(sorted(file for file, mark in files.items() if text_of(mark) >= text_of(begin)))
    return Window(newest, begin, lost_since is not None, near)


def require_one_kind(marks: Sequence[Watermark]) -> None:
    """Refuse watermarks that cannot be compared."""
    kinds = sorted({kind_of(mark) for mark in marks})
    if len(kinds) > 1:
        raise WatermarkError(
            f"the watermark is {' and '.join(kinds)} in batches that have landed and in rows that are new; expected "
            "one kind. Cast it in the query to what it was."
        )


def earlier(mark: Watermark, overlap: timedelta) -> Watermark:
    """A watermark moved back."""
    if not overlap:
        return mark
    if not isinstance(mark, date):
        raise WatermarkError("source.overlap is a time, but the watermark is an integer. Remove source.overlap.")
    return mark - overlap
