"""Where the table begins in a text: lines above it, its header, and what each row ends in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tasks.raw_files.cell_kinds import is_missing, is_rule, is_value, separators
from tasks.raw_files.errors import UnreadableFileError
from tasks.raw_files.rows import column_aliases

if TYPE_CHECKING:
    from configs.sections.source import DeclaredDialect
    from tasks.raw_files.detection import Trial

WIDEST = 4096  # columns
MOST_ROWS = 100  # that a header is told by
UNLIKE_CERTAINTY = 0.8  # of a header under lines that have several fields, as a header has
MOST = 0.9  # of the rows: what refuses that many is no header of theirs
RULE_CERTAINTY = 0.95  # that dashes below the first line mark it as the header
ROW_NAMES_CERTAINTY = 0.7  # that a column without a name is the first, not the last
ROW_NAMES = "each row begins with a name that the header has no column for, as R writes it: a column without a name"
RULED = "a rule stands below the header: no row"
MOST_TITLES = 5  # lines above a header that are filled up with delimiters
SEVERAL_YEARS = 4  # in order that leave some out: a header of them, not a row
ROWS_BELOW = 5  # that a second header line must have below it to be taken for one

Row = list[str]


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
    start = 0 if declared.preamble is not None else preamble_of(trial.records, trial.width)
    unlike = 0 if declared.preamble is not None else lines_unlike_rows(trial.records[start:], trial.width)
    start += unlike
    records: Sequence[Row] = trial.records[start:]
    if all(record == [""] for record in records):
        raise UnreadableFileError("there is no header and no row; both are expected")
    row_names = False
    if declared.header in (None, 1):
        records, row_names = with_fitting_header(records, trial.quoted[start:])
    quoted = [[row_names, *trial.quoted[start]] if row_names else trial.quoted[start], *trial.quoted[start + 1 :]]
    count, certainty, second = header_of(records, quoted) if declared.header is None else (declared.header, 1.0, None)
    if unlike and certainty > UNLIKE_CERTAINTY:
        certainty, second = UNLIKE_CERTAINTY, "a header above, whose rows would all be refused"
    header, rows = records[:count], records[count:]
    if row_names and certainty > ROW_NAMES_CERTAINTY:
        certainty, second = ROW_NAMES_CERTAINTY, "a last column without a name"
    if len(header) < count:
        raise UnreadableFileError(f"the header is declared to have {count} records; there are {len(header)}")
    if not all(header):
        raise UnreadableFileError(
            "the header has a misplaced quote; quotes around whole fields only are expected. Mend it, or declare "
            "source.dialect.delimiter, quote, preamble or header"
        )
    width = max(map(len, header)) if header else len(rows[0]) if rows[0] else trial.width
    refuse_too_wide(width)
    ruled = count > 1 and declared.header is None and is_rule(header[-1])
    header = header[: count - ruled]
    trailing = ends_in_delimiter(header, rows, width)
    names = names_of(header, width)[: -1 if trailing and trailing != "rows only" else None]
    if not header and trailing:
        names = names[: width - 1]
    columns = list(zip(*(row for row in rows if len(row) == len(names) + bool(trailing)), strict=True))
    found = {name: separators(cells) for name, cells in zip(names, columns, strict=False)}
    return Layout(
        start=start,
        header_lines=count,
        ruled=ruled,
        names=tuple(names),
        trailing_delimiter=bool(trailing),
        certainty=certainty,
        second=second,
        decimal={name: pair[0] for name, pair in found.items() if pair and pair[0] != "."},
        thousands={name: pair[1] for name, pair in found.items() if pair and pair[1]},
        notes=(
            *notes_of(start, len(header), names, trailing),
            *([RULED] if ruled else []),
            *([ROW_NAMES] if row_names else []),
        ),
    )


def with_fitting_header(records: Sequence[Row], quoted: Sequence[Sequence[bool]]) -> tuple[Sequence[Row], bool]:
    """Records whose header has as many names as the rows have fields, and whether it lacked the first name.

    A header that is one field longer has a delimiter at its end with nothing behind it; one that is one field shorter
    may lack a name for those of the rows.
    """
    header, rows = records[0], records[1:]
    if has_loose_end(header, rows):
        return [header[:-1], *rows], False
    if has_row_names(header, rows, quoted[1:]):
        return [["", *header], *rows], True
    return records, False


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


def filled(rows: Sequence[Row]) -> list[Row]:
    """The rows that are no blank lines."""
    return [row for row in rows if row != [""]]


def refuse_too_wide(width: int) -> None:
    """Refuse more columns than are read in bounded memory.

    Raises
    ------
    UnreadableFileError
        Says how many there are, and how many may be.
    """
    if width > WIDEST:
        raise UnreadableFileError(f"the header has {width} columns; at most {WIDEST} are read")


def preamble_of(records: Sequence[Row], width: int) -> int:
    """Records above the header: blank lines, comments, and titles that fill few of the columns."""
    comments = 0
    while comments < len(records) and records[comments] and records[comments][0].startswith("#"):
        comments += 1
    if 0 < comments < len(records) and is_row_below(records[comments], records[comments - 1]):
        return comments - 1
    start = comments if comments < len(records) else 0
    while start + 1 < len(records) and is_title(records[start], records[start + 1 :], width):
        start += 1
    return start


def lines_unlike_rows(records: Sequence[Row], width: int) -> int:
    """Records above the header that would make a header which refuses nearly all rows, where one below fits them.

    The one below must be words above values, or stand under a blank line: a header that lacks a name is no preamble.
    """
    place = next((number for number, record in enumerate(records) if len(record) == width), 0)
    above, below = records[:place], [record for record in records[place:] if record != [""]]
    fitting = sum(len(record) == width for record in below)
    if not above or width == 1 or fitting < ROWS_BELOW or fitting < MOST * len(below):
        return 0
    if len(above[0]) == width - 1 and all(row[-1] == "" for row in below if len(row) == width):
        return 0
    if has_loose_end(above[-1], below):
        return 0
    count, certainty, _ = header_of(records[place:])
    return place if count > 1 or (count and (certainty > MOST or [""] in above)) else 0


def is_row_below(row: Row, header: Row) -> bool:
    """Whether a record looks like a row of a header that is marked as a comment."""
    return len(row) == len(header) and any(map(is_value, row)) and not any(map(is_value, header))


def is_title(record: Row, below: Sequence[Row], width: int) -> bool:
    """Whether a record above others is no header of theirs."""
    if record == [""] or width == 1:
        return record == [""]
    rows = [row for row in below if len(row) == width]
    if not rows or (len(record) == width - 1 and all(row[-1] == "" for row in rows)):
        return False
    padded = width > 2 and len(record) == width and lacks_names(record, rows)
    short = len(record) == 1 if len(rows) < 3 else len(record) <= width // 2
    return padded or (short and len(record) < width and len(rows) > 1)


def lacks_names(record: Row, rows: Sequence[Row]) -> bool:
    """Whether a record is filled up: it has one text where rows have more, or none where half of their columns have."""
    filled = sum(cell != "" for cell in record)
    if filled <= 1:
        return max(sum(cell != "" for cell in row) for row in rows[:MOST_TITLES]) > 1
    below = rows[len(rows) // 2 :]  # further titles stand above
    columns = [place for place, cells in enumerate(zip(*below, strict=True)) if 2 * cells.count("") < len(cells)]
    return len(below) > 1 and 2 * sum(record[place] == "" for place in columns) >= len(columns) > 0


def header_of(records: Sequence[Row], quoted: Sequence[Sequence[bool]] = ()) -> tuple[int, float, str | None]:
    """Number of records that make the header, how sure that is, and the second choice.

    `quoted` says which fields of each record are in quotes.
    """
    first, below = records[0], records[1:MOST_ROWS]
    extra, ruled = further_header_lines(first, below), below and len(below[0]) == len(first) and is_rule(below[0])
    if extra or ruled:
        return (2, RULE_CERTAINTY, "one header line") if ruled else (1 + extra, 0.8, "one header line")
    rows = [row for row in below if len(row) == len(first)]
    values = value_columns(rows)
    if not first or not values:
        return 1, (0.7 if rows else 0.5) if len(first) > 0 else 1.0, "no header"
    named = [column for column in values if not is_missing(first[column])]
    told = [is_value(first[column]) for column in named]
    years = are_years([name for name in first if is_value(name)])
    if not any(told):
        return 1, (0.99 if told else 0.5), "no header"
    if are_quoted_names(named, len(first), quoted):
        return 1, 0.9, "no header"
    if all(told) and not years:
        return 0, 0.9, "a header of numbers"
    return 1, 0.5, "no header"


def are_quoted_names(columns: Sequence[int], width: int, quoted: Sequence[Sequence[bool]]) -> bool:
    """Whether fields of the first record are in quotes where those of no other one are: names, be they numbers."""
    if not quoted or not columns or not all(quoted[0][column] for column in columns):
        return False
    below = [quotes for quotes in quoted[1:MOST_ROWS] if len(quotes) == width]
    return not any(quotes[column] for quotes in below for column in columns)


def value_columns(rows: Sequence[Row]) -> list[int]:
    """Columns that hold numbers or moments in every row that has anything there."""
    found = []
    for column, cells in enumerate(zip(*rows, strict=True)):
        filled = [cell for cell in cells if not is_missing(cell)]
        if filled and all(map(is_value, filled)):
            found.append(column)
    return found


def are_years(names: Sequence[str]) -> bool:
    """Whether names are years in order or against it: one after the other, or several of them."""
    if len(names) < 2 or not all(re.fullmatch("(?:19|20)[0-9]{2}", name.strip()) for name in names):
        return False
    numbers = [int(name) for name in names]
    steps = {later - earlier for earlier, later in pairwise(numbers)}
    return steps in ({1}, {-1}) or (len(names) >= SEVERAL_YEARS and (min(steps) > 0 or max(steps) < 0))


def further_header_lines(first: Row, below: Sequence[Row]) -> int:
    """Lines under the first one that are words, such as units, in two or more columns whose rows are all numbers."""
    width = len(first)
    for extra in (2, 1):
        lines, rows = [first, *below[:extra]], [row for row in below[extra:] if len(row) == width]
        values = value_columns(rows)
        cells = [[line[column] for column in values] for line in lines if len(line) == width]
        named = all(any(map(is_word, names)) for names in zip(*cells, strict=True))
        if len(rows) >= ROWS_BELOW and len(values) > 1 and len(cells) > extra and named and all(map(are_units, cells)):
            return extra
    return 0


def are_units(cells: Sequence[str]) -> bool:
    """Whether cells above numbers are words, or nothing beside as many words."""
    return not any(map(is_value, cells)) and 2 * sum(map(is_word, cells)) >= len(cells)


def is_word(text: str) -> bool:
    """Whether a text is neither a value nor one that stands for none."""
    return not is_value(text) and not is_missing(text)


def ends_in_delimiter(header: Sequence[Row], rows: Sequence[Row], width: int) -> str:
    """Whether each row ends in a delimiter: `all`, `rows only` where the header does not, or nothing."""
    if width > 1 and (not header or all(len(line) == width and line[-1] == "" for line in header)):
        ends = [row[-1] == "" for row in rows if len(row) == width]
        if header and ends and all(ends):
            return "all"
        return "all" if len(ends) > 2 and all(ends) else ""
    longer = [row for row in rows if len(row) == width + 1]
    exact = sum(len(row) == width for row in rows)
    return "rows only" if len(longer) > exact and all(row[-1] == "" for row in longer) else ""


def names_of(header: Sequence[Row], width: int) -> list[str]:
    """Names of the columns: parts of several header lines with a space between, c1, c2, ... without a header."""
    if not header:
        return column_aliases(width)
    padded = [line + [""] * (width - len(line)) for line in header]
    return [
        " ".join(part for part in parts if part) if len(header) > 1 else parts[0] for parts in zip(*padded, strict=True)
    ]


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
        notes.append("each row ends in a delimiter with nothing behind it")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        notes.append(f"the header has {', '.join(map(repr, twice))} more than once")
    return tuple(notes)
