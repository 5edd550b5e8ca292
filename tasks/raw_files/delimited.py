"""Delimited text: blocks of a stream become chunks of rows, parsed beside the splitting."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.raw_files.asked import AskedColumns
from tasks.raw_files.blocks import Block, blocks
from tasks.raw_files.cell_kinds import is_comment
from tasks.raw_files.file_ends import without_end
from tasks.raw_files.joined_files import titles_above
from tasks.raw_files.line_records import LineRecords, line_records
from tasks.raw_files.parsing import Parsed, SoundRecords, parse_as, parse_as_text, parse_asked
from tasks.raw_files.records import Records, Rules, split_records
from tasks.raw_files.rows import DETAILS, RawChunk, RefusedRecord, column_alias, column_aliases, refusal, shown

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.raw_files.rows import Positions

AHEAD = 2  # blocks that are parsed while the next one is split


@dataclass(frozen=True)
class Table:
    """What delimited text is read by.

    Attributes
    ----------
    rules : Rules
    width : int
        Columns.
    trailing : bool
        Whether each row ends in one more delimiter.
    swaps : dict of str to str
        Marks that changed places in the text, to be changed back.
    first_line : int
        Line of the file that the text starts with.
    footer : int
        Records at the end that are no rows.
    """

    rules: Rules
    width: int
    trailing: bool
    swaps: dict[str, str]
    first_line: int
    footer: int

    @property
    def fields(self) -> int:
        """Fields of a record."""
        return self.width + self.trailing

    def columns_read(self, asked: AskedColumns | None) -> AskedColumns:
        """The columns that are parsed, and as what: those asked for, if any, and what stands behind the last one.

        Where characters changed places or may be escaped, the bytes of a cell are not yet its text.
        """
        import pyarrow as pa

        behind = {column_alias(self.width): pa.string()} if self.trailing else {}
        if asked is None or not asked.types or self.swaps or self.rules.grammar.escape:
            names = column_aliases(self.width) if asked is None or not asked.types else list(asked.types)
            return AskedColumns({**dict.fromkeys(names, pa.string()), **behind}, {})
        return asked.also(behind)


def chunks_of(pieces: Iterator[bytes], table: Table, asked: AskedColumns | None = None) -> Iterator[RawChunk]:
    """Read text below a header.

    Yields
    ------
    RawChunk
        In order; the last ones wait until it is known that they are not the file's end.
    """
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="raw") as pool:
        chunks = parsed(pieces, table, table.columns_read(asked), pool)
        yield from without_end(chunks, footer=table.footer, width=table.width, cells=cells_of)


def parsed(pieces: Iterator[bytes], table: Table, asked: AskedColumns, pool: ThreadPoolExecutor) -> Iterator[RawChunk]:
    """Chunks as they stand in the text, blank lines at the end left out."""
    waiting: deque[Future[RawChunk]] = deque()
    blank: list[RefusedRecord] = []
    for records, overlong in split_blocks(pieces, table):
        held, blank = blank, []
        refused = [*records.refused, *overlong]
        if not records.count and all(record.reason == "blank_line" for record in refused):
            blank = held + refused
            continue
        last = int(records.lines[-1]) if records.count else 0
        while refused and refused[-1].reason == "blank_line" and refused[-1].line > last:
            blank.insert(0, refused.pop())
        waiting.append(pool.submit(parse, records, held + refused, table, asked))
        if len(waiting) > AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def split_blocks(pieces: Iterator[bytes], table: Table) -> Iterator[tuple[Records | LineRecords, list[RefusedRecord]]]:
    """Records of each block, and the overlong line behind it if there is one."""
    grammar, line = table.rules.grammar, table.first_line
    stream = blocks(pieces, cr_ends=grammar.cr_ends)
    block: Block | None = next(stream, None)
    while block is not None:
        lines = line_records(block.body, table.rules, line)
        records = lines or split_records(block.body, table.rules, line, at_end=block.at_end)
        line += records.lines_consumed
        overlong = []
        if block.overlong is not None:
            raw = f"{shown(block.overlong)} ({block.overlong_size} bytes)"
            overlong.append(RefusedRecord(line, "record_too_long", DETAILS["record_too_long"], raw))
            line += 1
        yield records, overlong
        try:
            block = stream.send(block.body[records.consumed :])
        except StopIteration:
            block = None


def parse(records: Records | LineRecords, refused: list[RefusedRecord], table: Table, asked: AskedColumns) -> RawChunk:
    """Parse the sound records of one block; those of another width are refused, beside those that are already."""
    parsed = parse_asked(sound_of(records, table), asked)
    if isinstance(records, LineRecords) and not records.are_as_many_as(parsed.records):
        closer = split_records(records.body, table.rules, records.first_line, at_end=True)
        return parse(closer, [*refused, *closer.refused], table, asked)
    return chunk_of(records, parsed, refused, table, asked)


def sound_of(records: Records | LineRecords, table: Table) -> SoundRecords:
    """The sound records of a block, as the parser takes them."""
    return SoundRecords(records.sound(), table.rules.grammar, table.fields, records.multiline, records.content)


def chunk_of(
    records: Records | LineRecords, parsed: Parsed, refused: list[RefusedRecord], table: Table, asked: AskedColumns
) -> RawChunk:
    """The rows of one block and what is none."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    texts, misfits = parsed
    refused = refused + [misfit(records, row, fields - table.trailing, table) for row, fields in misfits]
    kept_rows, reasons, sound = np.delete(np.arange(records.count), [row for row, _ in misfits]), {}, None
    if table.trailing:
        ends = pc.utf8_trim_whitespace(texts.column(column_alias(table.width)))
        texts = texts.drop_columns(column_alias(table.width))
        reasons = dict.fromkeys(np.flatnonzero(pc.not_equal(ends, "")).tolist(), "no_trailing_delimiter")
    if again := [record.line for record in refused if record.reason == "repeated_header"]:
        rows = titles_above(again, records.lines[kept_rows], Raw(records, kept_rows, table).cells)
        reasons = dict.fromkeys(rows, "title") | reasons
    if reasons:
        refused += [
            refusal(int(records.lines[row]), reason, records.content(row))
            for row, reason in ((int(kept_rows[place]), reason) for place, reason in reasons.items())
        ]
        kept = np.isin(np.arange(len(kept_rows)), list(reasons), invert=True)
        sound, kept_rows = pa.array(kept), kept_rows[kept]
        texts = texts.filter(sound)
    refused = sorted(refused)
    if table.swaps:
        texts = swapped_back(texts, table.swaps)
        refused = [record._replace(raw=exchanged(record.raw, table.swaps)) for record in refused]

    def reread(alias: str) -> pa.ChunkedArray:
        asked.leave_as_text([alias])
        anew = parse_as(sound_of(records, table), {alias: pa.string()}).cells.column(alias)
        return anew if sound is None else anew.filter(sound)

    return RawChunk(texts, records.lines[kept_rows], refused, Raw(records, kept_rows, table), reread)


def misfit(records: Records | LineRecords, row: int, fields: int, table: Table) -> RefusedRecord:
    """A record that has not got the header's number of fields."""
    content = records.content(row)
    reason = "too_few_columns" if fields < table.width else "too_many_columns"
    if is_comment(shown(content)) and not is_comment(shown(table.rules.header)):
        reason = "comment"
    return refusal(int(records.lines[row]), reason, content, fields=fields, width=table.width)


@dataclass(frozen=True)
class Raw:
    """A chunk's records as they stand in the file."""

    records: Records | LineRecords
    rows: Positions
    table: Table

    def __call__(self, row: int) -> str:
        """One record's text."""
        return exchanged(shown(self.content(row)), self.table.swaps)

    def content(self, row: int) -> bytes:
        """One record in the block."""
        return self.records.content(int(self.rows[row]))

    def cells(self, row: int) -> list[str]:
        """One record's texts, also of columns that nobody asked for."""
        record = SoundRecords(self.content(row), self.table.rules.grammar, self.table.fields, True, self.content)
        texts = parse_as_text(record).cells.to_pylist()[0].values()
        return [exchanged(text, self.table.swaps) for text in texts][: self.table.width]


def cells_of(chunk: RawChunk, row: int) -> list[str]:
    """The texts of one of a chunk's rows, also of columns that nobody asked for."""
    return chunk.raw.cells(row) if isinstance(chunk.raw, Raw) else []


def swapped(pieces: Iterator[bytes], swaps: dict[str, str]) -> Iterator[bytes]:
    """Text in which characters have changed places."""
    if not swaps:
        yield from pieces
        return
    table = {one.encode(): other.encode() for one, other in both_ways(swaps).items()}
    pattern = re.compile(b"|".join(map(re.escape, table)))
    tail = b""
    for piece in pieces:
        text = tail + piece
        cut = len(text) - max(
            (size for mark in table for size in range(1, len(mark)) if text.endswith(mark[:size])), default=0
        )
        tail = text[cut:]
        yield pattern.sub(lambda match: table[match[0]], text[:cut])
    if tail:
        yield tail


def both_ways(swaps: dict[str, str]) -> dict[str, str]:
    """What each mark becomes, in the text and back in what was read."""
    return {one: other for pair in swaps.items() for one, other in (pair, pair[::-1])}


def exchanged(text: str, swaps: dict[str, str]) -> str:
    """A text in which marks change places."""
    if not swaps:
        return text
    table = both_ways(swaps)
    return re.sub("|".join(map(re.escape, table)), lambda match: table[match[0]], text)


def swapped_back(texts: pa.Table, swaps: dict[str, str]) -> pa.Table:
    """Cells with their marks in their own places."""
    import pyarrow as pa
    import pyarrow.compute as pc

    marks = "|".join(map(re.escape, both_ways(swaps)))
    columns = [
        pa.array([exchanged(text, swaps) for text in column.to_pylist()], pa.string())
        if pc.any(pc.match_substring_regex(column, marks)).as_py()
        else column
        for column in texts.columns
    ]
    return pa.table(columns, names=texts.column_names)
