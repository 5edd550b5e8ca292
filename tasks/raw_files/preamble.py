"""What stands above a table: blank lines, comments, titles, and lines that are no header of the rows below them."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.raw_files.cell_kinds import is_value
from tasks.raw_files.fitting_header import MOST, filled, has_loose_end
from tasks.raw_files.header_lines import ROWS_BELOW, Row, further_header_lines, header_of

MOST_TITLES = 5  # lines above a header that are filled up with delimiters


def preamble_of(records: Sequence[Row], width: int) -> int:
    """Records above the header: blank lines, comments, and titles that fill few of the columns."""
    comments = 0
    while comments < len(records) and records[comments] and records[comments][0].startswith("#"):
        comments += 1
    if 0 < comments < len(records) and is_row_below(records[comments], records[comments - 1]):
        return comments - 1
    begin = start = comments if comments < len(records) else 0
    while start + 1 < len(records) and is_title(records[start], records[start + 1 :], width):
        start += 1
    blank = next((place for place, record in enumerate(records[begin:start]) if record != [""]), 0)
    return begin + blank if is_table_above(records[begin + blank :], start - begin - blank, width) else start


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
    if has_loose_end(above[-1], below) or is_table_above(records, place, width):
        return 0
    count, certainty, _ = header_of(records[place:])
    return place if count > 1 or (count and (certainty > MOST or [""] in above)) else 0


def is_table_above(records: Sequence[Row], place: int, width: int) -> bool:
    """Whether records above a place are a table of their own, with a header of words, and not few beside those below.

    Few are less than a quarter of the rows below; less than all, where those have twice as many columns: values with
    their names stand above many a table.
    """
    above = records[:place]
    rows = filled(above[1:])
    alike = sum(len(row) == len(above[0]) for row in rows) if above else 0
    if alike < ROWS_BELOW or len(above[0]) < 2 or alike < MOST * len(rows):
        return False
    weight = 4 if 2 * len(above[0]) > width else 1
    if weight * alike < sum(len(row) == width for row in records[place:]) - 1:
        return False
    count, certainty, _ = header_of(above)
    return count > 0 and certainty > MOST


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
    padded = width > 2 and len(record) == width and lacks_names(record, below, rows)
    if width == 2 and len(record) == width and record[1] == "":
        padded = (record[0] == "" or below[0] == ["", ""]) and has_fuller(rows)
    short = len(record) == 1 if len(rows) < 3 else len(record) <= width // 2
    return padded or (short and len(record) < width and len(rows) > 1)


def has_fuller(rows: Sequence[Row]) -> bool:
    """Whether one of the next rows has several texts."""
    return any(sum(cell != "" for cell in row) > 1 for row in rows[:MOST_TITLES])


def lacks_names(record: Row, below: Sequence[Row], rows: Sequence[Row]) -> bool:
    """Whether a record is filled up: it has one text where rows have more, or none where half of their columns have.

    Headings of groups of columns, above their names, are a header.
    """
    if sum(cell != "" for cell in record) <= 1:
        return has_fuller(rows)
    later = rows[len(rows) // 2 :]  # further titles stand above
    columns = [place for place, cells in enumerate(zip(*later, strict=True)) if 2 * cells.count("") < len(cells)]
    lacking = sum(record[place] == "" for place in columns)
    return len(later) > 1 and 2 * lacking >= len(columns) > 0 and not further_header_lines(record, below)
