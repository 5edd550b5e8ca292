"""How many records make a table's header, and the names that it gives the columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from tasks.raw_files.cell_kinds import is_missing, is_rule, is_value
from tasks.raw_files.rows import column_aliases

MOST_ROWS = 100  # that a header is told by
RULE_CERTAINTY = 0.95  # that dashes below the first line mark it as the header
SEVERAL_YEARS = 4  # in order that leave some out: a header of them, not a row
ROWS_BELOW = 5  # that a second header line must have below it to be taken for one

COLON = re.compile(r":(?:\s|$)")
YEAR = re.compile("(?:19|20)[0-9]{2}")

Row = list[str]


def header_of(records: Sequence[Row], quoted: Sequence[Sequence[bool]] = ()) -> tuple[int, float, str | None]:
    """Number of records that make the header, how sure that is, and the second choice.

    `quoted` says which fields of each record are in quotes.
    """
    first, below = records[0], records[1:MOST_ROWS]
    extra, ruled = further_header_lines(first, below), below and len(below[0]) == len(first) and is_rule(below[0])
    if extra or ruled:
        return (2, RULE_CERTAINTY, "one header line") if ruled else (1 + extra, 0.8, "one header line")
    rows = [row for row in below if len(row) == len(first) and row != first]
    values = value_columns(rows)
    if not first or not values:
        return 1, (0.7 if rows else 0.5) if len(first) > 0 else 1.0, "no header"
    named = [column for column in values if not is_missing(first[column])]
    told = [is_value(first[column]) for column in named]
    if not any(told):
        return 1, (0.99 if told else 0.5), "no header"
    if are_quoted_names(named, len(first), quoted):
        return 1, 0.9, "no header"
    if all(told) and not are_years([name for name in first if is_value(name)]):
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
    if len(names) < 2 or not all(YEAR.fullmatch(name.strip()) for name in names):
        return False
    numbers = [int(name) for name in names]
    steps = {later - earlier for earlier, later in pairwise(numbers)}
    return steps in ({1}, {-1}) or (len(names) >= SEVERAL_YEARS and (min(steps) > 0 or max(steps) < 0))


def further_header_lines(first: Row, below: Sequence[Row]) -> int:
    """Lines under the first one that are words, such as units, in two or more columns whose rows are all numbers.

    Where the first one has headings of groups of columns, each in the first of its columns, words may be missing.
    """
    width = len(first)
    for extra in (2, 1):
        lines, rows = [first, *below[:extra]], [row for row in below[extra:] if len(row) == width]
        values = value_columns(rows)
        if len(rows) < ROWS_BELOW or len(values) < 2 or len(lines) <= extra or {len(line) for line in lines} != {width}:
            continue
        if are_names_and_units(lines, values) or are_group_headings(lines, values):
            return extra
    return 0


def are_names_and_units(lines: Sequence[Row], values: Sequence[int]) -> bool:
    """Whether a header's first line has words above all columns of numbers, and each other one above half of them."""
    first, *others = [[line[column] for column in values] for line in lines]
    units = all(not any(map(is_value, line)) and 2 * sum(map(is_word, line)) >= len(line) for line in others)
    return all(map(is_word, first)) and units


def are_group_headings(lines: Sequence[Row], values: Sequence[int]) -> bool:
    """Whether the upper of a header's lines leave columns of numbers empty for which the last one has words.

    Headings are words or years: a line with another value, or with a colon, says something of the table.
    """
    *upper, last = lines
    if any(is_value(cell) and YEAR.fullmatch(cell.strip()) is None for line in upper for cell in line):
        return False
    if any(COLON.search(cell) for line in upper for cell in line):
        return False
    cells = [[line[column] for column in values] for line in lines]
    if any(cell and not is_word(cell) for line in cells[1:] for cell in line):
        return False
    holes = all(any(line[column] == "" and is_word(last[column]) for column in values) for line in upper)
    named = all(any(column) for column in zip(*cells, strict=True))
    return holes and named and all(sum(map(bool, line)) > 1 for line in cells[1:])


def is_word(text: str) -> bool:
    """Whether a text is neither a value nor one that stands for none."""
    return not is_value(text) and not is_missing(text)


def spread(header: Sequence[Row]) -> list[Row]:
    """A header's lines with the heading of a group of columns in each of them.

    A heading stands in the first column of its group, if a lower line has a name for that column. It goes on over empty
    cells, as far as lower lines have names.

    >>> spread([["id", "size", "", "note"], ["", "m", "kg", ""]])
    [['id', 'size', 'size', 'note'], ['', 'm', 'kg', '']]
    """
    lines = [list(line) for line in header]
    for number, line in enumerate(lines):
        named = [any(cells) for cells in zip(*lines[number + 1 :], strict=True)]
        for column, name in list(enumerate(named))[1:]:
            if name and line[column] == "" and named[column - 1]:
                line[column] = line[column - 1]
    return lines


def names_of(header: Sequence[Row], width: int) -> list[str]:
    """Names of the columns: parts of several header lines with a space between, c1, c2, ... without a header."""
    if not header:
        return column_aliases(width)
    padded = spread([line + [""] * (width - len(line)) for line in header])
    return [
        " ".join(part for part in parts if part) if len(header) > 1 else parts[0] for parts in zip(*padded, strict=True)
    ]
