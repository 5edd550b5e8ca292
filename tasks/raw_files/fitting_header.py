"""A header with more or fewer fields than its rows, where what is quoted or empty tells how the two belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.raw_files.header_lines import ROWS_BELOW, Row, is_word

if TYPE_CHECKING:
    from configs.sections.source import DeclaredDialect
    from tasks.raw_files.detection import Trial

MOST = 0.9  # of the rows: what refuses that many is no header of theirs


@dataclass(frozen=True)
class Fitted:
    """Records from a header on, as many names in it as nearly all rows have fields if that can be told.

    Attributes
    ----------
    records : sequence of list of str
    quoted : sequence of sequence of bool
        Which fields of each record are in quotes.
    lacks_first : bool
        Whether the header had no name for the first column.
    without_cells : list of str
        Names at the header's end that no row has a cell for.
    """

    records: Sequence[Row]
    quoted: Sequence[Sequence[bool]]
    lacks_first: bool = False
    without_cells: Sequence[str] = ()


def fitting(trial: Trial, start: int, declared: DeclaredDialect) -> Fitted:
    """Records from a place on, with a header that fits them.

    One that is one field longer has a delimiter at its end with nothing behind it; one that is one field shorter may
    lack a name for those of the rows.
    """
    records, quoted = trial.records[start:], trial.quoted[start:]
    if declared.header not in (None, 1):
        return Fitted(records, quoted)
    header, rows = records[0], records[1:]
    if has_loose_end(header, rows):
        return Fitted([header[:-1], *rows], quoted)
    if has_row_names(header, rows, quoted[1:]):
        return Fitted([["", *header], *rows], [[True, *quoted[0]], *quoted[1:]], lacks_first=True)
    width = fields_of_quoted_rows(header, rows, quoted)
    if width:
        return Fitted([header[:width], *rows], [quoted[0][:width], *quoted[1:]], without_cells=header[width:])
    return Fitted(records, quoted)


def has_loose_end(header: Row, rows: Sequence[Row]) -> bool:
    """Whether the header alone ends in a delimiter: nothing stands behind it there, and rows are one field shorter."""
    if len(header) < 3 or header[-1] != "" or not all(map(is_word, header[:-1])):
        return False
    shorter = sum(len(row) == len(header) - 1 for row in rows)
    return 0 < shorter >= MOST * len(filled(rows)) and not any(len(row) == len(header) for row in rows)


def has_row_names(header: Row, rows: Sequence[Row], quoted: Sequence[Sequence[bool]]) -> bool:
    """Whether rows begin with a name that the header has no column for, as R's `write.table` writes them.

    Such names are quoted, none comes back, and a number beside them is not quoted; the header's names are text.
    """
    width = len(header) + 1
    named = [(row, quotes) for row, quotes in zip(rows, quoted, strict=True) if len(row) == width]
    if not all(map(is_word, header)) or len(named) < ROWS_BELOW or len(named) < MOST * len(filled(rows)):
        return False
    has_bare_column = any(not any(quotes) for quotes in zip(*(quotes[1:] for _, quotes in named), strict=True))
    return has_bare_column and all(quotes[0] for _, quotes in named) and len({row[0] for row, _ in named}) == len(named)


def fields_of_quoted_rows(header: Row, rows: Sequence[Row], quoted: Sequence[Sequence[bool]]) -> int:
    """Fields of nearly all rows, where a header has more and everything is quoted; else 0.

    No delimiter is missing or one too many where each name and cell has quotes around it: the last columns are those
    that have no cells, as survey tools leave out what is to be filled in. All names are there, and different.
    """
    below = filled(rows)
    width, count = Counter(map(len, below)).most_common(1)[0] if below else (0, 0)
    is_told = count >= ROWS_BELOW and count >= MOST * len(below) and 1 < width < len(header)
    if not is_told or not all(quoted[0]) or "" in header or len(set(header)) < len(header):
        return 0
    cells = [quotes for row, quotes in zip(rows, quoted[1:], strict=True) if len(row) == width]
    return width if all(map(all, cells)) else 0


def filled(rows: Sequence[Row]) -> list[Row]:
    """The rows that are no blank lines."""
    return [row for row in rows if row != [""]]
