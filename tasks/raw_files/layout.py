"""Where the table begins in a text: lines above it, its header, and what each row ends in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from tasks.raw_files.broken_header import broken_header
from tasks.raw_files.cell_kinds import is_rule, separators
from tasks.raw_files.errors import UnreadableFileError
from tasks.raw_files.fitting_header import Fitted, filled, fitting
from tasks.raw_files.header_lines import Row, header_of, names_of
from tasks.raw_files.preamble import lines_unlike_rows, preamble_of

if TYPE_CHECKING:
    from configs.sections.source import DeclaredDialect
    from tasks.raw_files.detection import Trial

WIDEST = 4096  # columns
UNLIKE_CERTAINTY = 0.8  # of a header under lines that have several fields, as a header has
TITLE_CERTAINTY = 0.7  # that what stands right above rows without a header is a title
ROW_NAMES_CERTAINTY = 0.7  # that a column without a name is the first, not the last
RULED = "a rule stands below the header: no row"
ROW_NAMES = "each row begins with a name that the header has no column for, as R writes it: a column without a name"
NO_CELLS_CERTAINTY = 0.7  # that names without cells are the last ones
LOOSE_CERTAINTY = 0.7  # that rows end in a loose delimiter, and the header lacks no name


@dataclass(frozen=True)
class Layout:
    """Where things are in the sample, in records from 0.

    Attributes
    ----------
    start : int
        Of the header, or of the first row where there is none.
    header_lines : int
    ruled : bool
        Whether the last line of the header is a rule below the names.
    names : tuple of str
    trailing_delimiter : bool
    certainty, second
        As in `Dialect`.
    decimal, thousands : dict of column to separator
    notes : tuple of str
    """

    start: int
    header_lines: int
    ruled: bool
    names: tuple[str, ...]
    trailing_delimiter: bool
    certainty: float
    second: str | None
    decimal: dict[str, str]
    thousands: dict[str, str]
    notes: tuple[str, ...]


def find_layout(trial: Trial, declared: DeclaredDialect) -> Layout:
    """Find the header of a sample.

    Raises
    ------
    UnreadableFileError
        If there is none that can be read, or it has too many columns.
    """
    start, is_unlike = start_of(trial, declared)
    fitted = fitting(trial, start, declared)
    count, certainty, second = judged(fitted.records, fitted.quoted, declared, trial.grammar.delimiter)
    header, rows = fitted.records[:count], fitted.records[count:]
    if len(header) < count:
        raise UnreadableFileError(f"the header is declared to have {count} records; there are {len(header)}")
    if not all(header):
        raise broken_header(trial.line(start + header.index([])))
    width = max(map(len, header)) if header else len(rows[0]) if rows[0] else trial.width
    refuse_too_wide(width)
    ruled = count > 1 and declared.header is None and is_rule(header[-1])
    header = header[: count - ruled]
    trailing = ends_in_delimiter(header, rows, width, trial.grammar.delimiter)
    names = tuple(names_of(header, width)[: -1 if trailing == "all" else None])
    doubts = [
        (UNLIKE_CERTAINTY, "a header above, whose rows would all be refused", is_unlike),
        (ROW_NAMES_CERTAINTY, "a last column without a name", fitted.lacks_first),
        (NO_CELLS_CERTAINTY, "cells that are missing elsewhere", bool(fitted.without_cells)),
        (TITLE_CERTAINTY, "a header in the line above the rows", not header and has_title(trial, start)),
        (LOOSE_CERTAINTY, "a name that the header lacks, and a last column that is empty", trailing == "rows only"),
    ]
    held = [(other, what) for other, what, holds in doubts if holds]
    certainty, second = min([(certainty, second), *held], key=itemgetter(0))
    fields = len(names) + bool(trailing)
    notes = (*notes_of(start, len(header), names, trailing), *([RULED] if ruled else []), *notes_of_fit(fitted))
    return Layout(
        start=start,
        header_lines=count,
        ruled=ruled,
        names=names,
        trailing_delimiter=bool(trailing),
        certainty=certainty,
        second=second,
        **separators_of(names, [row for row in rows if len(row) == fields]),
        notes=(*notes, *notes_of_misfits(rows, fields)),
    )


def start_of(trial: Trial, declared: DeclaredDialect) -> tuple[int, bool]:
    """The first record that is no preamble, and whether those above were told by being unlike the rows.

    Raises
    ------
    UnreadableFileError
        If there is none.
    """
    start = unlike = 0
    if declared.preamble is None:
        start = preamble_of(trial.records, trial.width)
        unlike = lines_unlike_rows(trial.records[start:], trial.width)
    if all(record == [""] for record in trial.records[start + unlike :]):
        raise UnreadableFileError("there is no header and no row; both are expected")
    return start + unlike, unlike > 0


def has_title(trial: Trial, start: int) -> bool:
    """Whether the record right above a place is no blank line."""
    return start > 0 and trial.records[start - 1] != [""]


def separators_of(names: Sequence[str], rows: Sequence[Row]) -> dict[str, dict[str, str]]:
    """Separators that are not usual: decimal and thousands, by column."""
    columns = zip(*rows, strict=True)
    found = {name: separators(cells) for name, cells in zip(names, columns, strict=False)}
    return {
        "decimal": {name: pair[0] for name, pair in found.items() if pair and pair[0] != "."},
        "thousands": {name: pair[1] for name, pair in found.items() if pair and pair[1]},
    }


def judged(
    records: Sequence[Row], quoted: Sequence[Sequence[bool]], declared: DeclaredDialect, delimiter: bytes
) -> tuple[int, float, str | None]:
    """Number of records that make the header, how sure that is, and the second choice."""
    if declared.header is not None:
        return declared.header, 1.0, None
    first, rows = records[0], records[1:]
    if ends_in_delimiter([first], rows, len(first), delimiter) == "rows only":
        found = header_of([first, *(row[:-1] if len(row) == len(first) + 1 else row for row in rows)], quoted)
        if found[0] == 1:
            return found
    return header_of(records, quoted)


def refuse_too_wide(width: int) -> None:
    """Refuse more columns than are read in bounded memory.

    Raises
    ------
    UnreadableFileError
        Says how many there are, and how many may be.
    """
    if width > WIDEST:
        raise UnreadableFileError(f"the header has {width} columns; at most {WIDEST} are read")


def ends_in_delimiter(header: Sequence[Row], rows: Sequence[Row], width: int, delimiter: bytes) -> str:
    """Whether each row ends in a delimiter: `all`, `rows only` where the header does not, or nothing.

    Blanks and line ends behind it count as nothing. Without a header only a space is loose: behind another delimiter
    there may be a column that is empty so far.
    """
    if not header and delimiter != b" ":
        return ""
    if width > 1 and all(len(line) == width and not line[-1].strip() for line in header):
        ends = [not row[-1].strip() for row in rows if len(row) == width]
        return "all" if len(ends) > (0 if header else 2) and all(ends) else ""
    longer = [row for row in rows if len(row) == width + 1]
    exact = sum(len(row) == width for row in rows)
    return "rows only" if len(longer) > exact and not any(row[-1].strip() for row in longer) else ""


def notes_of(start: int, count: int, names: Sequence[str], trailing: str) -> tuple[str, ...]:
    """What a reader of the table should know of its layout."""
    notes = []
    if start:
        notes.append(f"{start} line{'s' * (start > 1)} above the header: no part of the table")
    if count == 0:
        notes.append(f"there is no header; columns are named c1 to c{len(names)}")
    if count > 1:
        notes.append(f"the header has {count} lines, whose parts were joined")
    if trailing:
        notes.append(
            f"each row ends in a delimiter with nothing behind it{'' if trailing == 'all' else '; the header does not'}"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        notes.append(f"the header has {', '.join(map(repr, twice))} more than once")
    return tuple(notes)


def notes_of_fit(fitted: Fitted) -> list[str]:
    """What is to be known where a header was made to fit its rows."""
    notes = [ROW_NAMES] if fitted.lacks_first else []
    if fitted.without_cells:
        names = ", ".join(map(repr, fitted.without_cells))
        notes.append(f"the header's last names have no cells in any row: {names} are no columns")
    return notes


def notes_of_misfits(rows: Sequence[Row], fields: int) -> list[str]:
    """What is to be known where most rows of a sample have one number of fields, and the header another."""
    widths = Counter(len(row) for row in filled(rows) if row)
    width, count = widths.most_common(1)[0] if widths else (fields, 0)
    if width == fields or 2 * count < widths.total():
        return []
    cause = "names are missing in it, or another table follows" if width > fields else "it has names without cells"
    return [
        f"{count} of the first {widths.total()} rows have {width} fields where the header has {fields}: they are "
        f"refused; {cause}. Mend the file, or declare source.dialect.preamble or header"
    ]
