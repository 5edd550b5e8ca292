"""What stands at the end of a file and is no row: a declared footer, notes, a total."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.raw_files.cell_kinds import NOTE, PADDED_NOTE, TOTAL
from tasks.raw_files.rows import DETAILS, RawChunk, RefusedRecord

if TYPE_CHECKING:
    import pyarrow as pa

    Cells = Callable[[RawChunk, int], list[str]]  # of one of a chunk's rows

LONGEST_FOOTER = 20  # records at the end that may be notes
LEAST_PADDED = 3  # columns of a table in which a note alone in the first one is no row
LEAST_NOTE = 8  # characters of such a note


def without_end(chunks: Iterator[RawChunk], *, footer: int, width: int, cells: Cells) -> Iterator[RawChunk]:
    """All chunks but for the footer: declared, it is left out; else notes and totals at the end are refused."""
    held: deque[RawChunk] = deque()
    needed = max(footer, LONGEST_FOOTER)
    for chunk in chunks:
        held.append(chunk)
        while sum(map(records_of, list(held)[1:])) >= needed:
            yield held.popleft()
    whole = list(held)
    if footer:
        whole = without_footer(whole, footer)
    elif whole:
        whole = with_notes_refused(whole, width, cells)
    yield from whole


def records_of(chunk: RawChunk) -> int:
    """Number of records of a chunk."""
    return len(chunk.lines) + len(chunk.refused)


def without_footer(chunks: list[RawChunk], count: int) -> list[RawChunk]:
    """Chunks without their last records."""
    lines = sorted(line for chunk in chunks for line in (*chunk.lines.tolist(), *(each.line for each in chunk.refused)))
    cut = lines[-count] if count <= len(lines) else 0
    return [limited(chunk, cut) for chunk in chunks]


def limited(chunk: RawChunk, cut: int) -> RawChunk:
    """A chunk's records above a line."""
    rows = int((chunk.lines < cut).sum())
    refused = [record for record in chunk.refused if record.line < cut]
    return first_rows(chunk, rows, refused)


def first_rows(chunk: RawChunk, rows: int, refused: list[RefusedRecord]) -> RawChunk:
    """A chunk without its last rows."""

    def reread(alias: str) -> pa.ChunkedArray:
        return chunk.reread(alias).slice(0, rows) if chunk.reread else chunk.texts.column(alias).slice(0, rows)

    return RawChunk(chunk.texts.slice(0, rows), chunk.lines[:rows], refused, chunk.raw, reread)


def with_notes_refused(chunks: list[RawChunk], width: int, cells: Cells) -> list[RawChunk]:
    """Tell notes and a total at the end of a file from rows that are too short, or that are rows."""
    *others, last = chunks
    final = int(last.lines[-1]) if len(last.lines) else 0
    refused = [as_note(record, width) if record.line > final else record for record in last.refused]
    last = with_padded_notes_refused(replace(last, refused=refused), width, cells)
    final = int(last.lines[-1]) if len(last.lines) else 0
    if width > 1 and final and not any(record.line > final and record.reason != "footer" for record in refused):
        last = with_total_refused(last, cells)
    return [*others, last]


def as_note(record: RefusedRecord, width: int) -> RefusedRecord:
    """A record behind the last row as a note, where it reads like one."""
    if record.reason not in ("too_few_columns", "comment") or not NOTE.match(record.raw):
        return record
    fields = re.search(r"\d+", record.detail)
    detail = DETAILS["footer"].format(fields=fields[0] if fields else 1, width=width)
    return record._replace(reason="footer", detail=detail)


def with_padded_notes_refused(chunk: RawChunk, width: int, cells: Cells) -> RawChunk:
    """Refuse last rows that are a note in one cell, filled up with delimiters, and rows of nothing above or below.

    A note reads like one, or stands in the first column, behind a row that holds nothing.
    """
    if width < LEAST_PADDED:
        return chunk
    count, has_notes, begin = len(chunk.lines), False, len(chunk.lines)
    for row in range(count - 1, max(-1, count - 1 - LONGEST_FOOTER), -1):
        texts = cells(chunk, row)
        filled = [text.strip() for text in texts if text.strip()]
        is_note = len(filled) == 1 and PADDED_NOTE.match(filled[0]) is not None
        if len(filled) > 1 or (filled and not is_note and len(texts[0]) < LEAST_NOTE):
            break
        has_notes |= bool(filled)
        begin = row if is_note or (has_notes and not filled) else begin
    detail = DETAILS["padded_footer"]
    refused = [RefusedRecord(int(chunk.lines[row]), "footer", detail, chunk.raw(row)) for row in range(begin, count)]
    return first_rows(chunk, begin, sorted([*chunk.refused, *refused])) if refused else chunk


def with_total_refused(chunk: RawChunk, cells: Cells) -> RawChunk:
    """Refuse the last row where its first text says that it is a total, and a cell is empty or a blank line above."""
    count = len(chunk.lines) - 1
    row = cells(chunk, count) if count >= 0 else []
    filled = [cell for cell in row if cell]
    if not filled or not TOTAL.fullmatch(filled[0].strip()):
        return chunk
    above = int(chunk.lines[-1]) - 1
    is_apart = any(record.line == above and record.reason == "blank_line" for record in chunk.refused)
    if len(filled) == len(row) and not is_apart:
        return chunk
    refused = RefusedRecord(int(chunk.lines[-1]), "totals_row", DETAILS["totals_row"], chunk.raw(count))
    return first_rows(chunk, count, sorted([*chunk.refused, refused]))
