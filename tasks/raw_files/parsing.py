"""Sound records become columns: of texts, or of numbers where a caller asked for them and nothing speaks against it.

Arrow's reader takes numbers straight from the bytes, in a fraction of the time that making texts and casting them
takes. But it trims blanks around a number, takes `0x1F` for one, and knows one list of null tokens for all columns. So
numbers are kept only where no blank and no `0x` stands at the edge of a field, or each was found again in a text, and
where each null is one of its column's own; else these columns are read anew as texts. What is kept is what a cast of
the texts would have given.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tasks.raw_files.field_edges import BLANKS, HEX, stands_at_an_edge
from tasks.raw_files.rows import column_aliases

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv

    from tasks.raw_files.asked import AskedColumns
    from tasks.raw_files.grammar import Grammar

GUILTY = re.compile(r"In CSV column #(\d+)")
STRIP = 1 << 16  # bytes


@dataclass(frozen=True)
class SoundRecords:
    """Records whose quotes are sound, one after the other.

    Attributes
    ----------
    text : bytes
    grammar : Grammar
    width : int
        Fields of a record.
    multiline : bool
        Whether a record spans lines.
    content : callable
        From a record's number, from 0, to the record.
    """

    text: bytes
    grammar: Grammar
    width: int
    multiline: bool
    content: Callable[[int], bytes]

    @property
    def aliases(self) -> list[str]:
        """Names of the fields."""
        return column_aliases(self.width)


class Parsed(NamedTuple):
    """Columns of the records that have the expected width, and row and number of fields of those that have another."""

    cells: pa.Table
    misfits: list[tuple[int, int]]

    @property
    def records(self) -> int:
        """Records of any width."""
        return int(self.cells.num_rows) + len(self.misfits)


def parse_as_text(records: SoundRecords) -> Parsed:
    """All columns as strings."""
    import pyarrow as pa

    return parse_as(records, dict.fromkeys(records.aliases, pa.string()))


def parse_as(records: SoundRecords, types: Mapping[str, pa.DataType], tokens: list[str] | None = None) -> Parsed:
    """Some columns as they are asked for.

    Parameters
    ----------
    records : SoundRecords
    types : mapping of str to DataType
        Of the columns to read; one at least.
    tokens : list of str
        Texts that are null in columns of numbers.

    Raises
    ------
    ArrowInvalid
        If a text is no such number.
    """
    import pyarrow as pa
    from pyarrow import csv

    if not records.text:
        return Parsed(pa.table([pa.array([], each) for each in types.values()], names=list(types)), [])
    misfits: list[tuple[int, int]] = []

    def set_aside(row: csv.InvalidRow) -> str:
        misfits.append((row.number - 1, row.actual_columns))
        return "skip"

    grammar, text = records.grammar, records.grammar.as_parsers_expect(records.text)
    if text.startswith(codecs.BOM_UTF8):  # here it is a record's text, which pyarrow would take for a mark
        text = codecs.BOM_UTF8 + text
    cells = csv.read_csv(
        pa.BufferReader(text),
        read_options=csv.ReadOptions(column_names=records.aliases, block_size=len(text) + 1, use_threads=False),
        parse_options=csv.ParseOptions(
            delimiter=grammar.delimiter.decode(),
            quote_char=grammar.quote.decode() or False,
            escape_char=grammar.escape.decode() or False,
            newlines_in_values=records.multiline,
            ignore_empty_lines=False,
            invalid_row_handler=set_aside,
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict(types),
            include_columns=list(types),
            null_values=tokens or [],
            strings_can_be_null=False,
            check_utf8=False,
        ),
    )
    return Parsed(cells, misfits)


def parse_asked(records: SoundRecords, asked: AskedColumns) -> Parsed:
    """Columns as they are asked for; those of numbers that are not certainly what their texts say, as strings.

    What turns out to be no column of numbers is left as text from then on.
    """
    import pyarrow as pa

    while True:
        types = asked.types
        numbers = [alias for alias, type_ in types.items() if is_number(type_)]
        suspects = suspects_in(records, types) if numbers else {}
        every = dict.fromkeys(records.aliases, pa.string()) if suspects else {}
        try:
            parsed = parse_as(records, {**every, **types}, asked.tokens)
        except pa.ArrowInvalid as error:
            if not numbers:
                raise
            asked.leave_as_text(guilty(error, records, numbers))
            continue
        doubtful = numbers if hidden(suspects, parsed, records) else doubtful_nulls(parsed, numbers, asked)
        if not doubtful:
            return parsed._replace(cells=parsed.cells.select(list(types)))
        asked.leave_as_text(doubtful)


def is_number(type_: pa.DataType) -> bool:
    """Whether a column of this type holds numbers."""
    import pyarrow as pa

    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_))


def guilty(error: pa.ArrowInvalid, records: SoundRecords, numbers: list[str]) -> list[str]:
    """Columns that Arrow could not read as numbers; all, where it does not say which."""
    found = GUILTY.match(str(error))
    alias = records.aliases[int(found[1])] if found else ""
    return [alias] if alias in numbers else numbers


def doubtful_nulls(parsed: Parsed, numbers: list[str], asked: AskedColumns) -> list[str]:
    """Columns of numbers with a null that may be another column's token."""
    return [alias for alias in numbers if parsed.cells.column(alias).null_count and not asked.has_all_tokens(alias)]


def suspects_in(records: SoundRecords, types: Mapping[str, pa.DataType]) -> dict[str, int]:
    """What Arrow takes for a part of a number and no cast does, and how often it is there; none if at no edge."""
    import pyarrow as pa

    has_integers = any(pa.types.is_integer(type_) for type_ in types.values())
    marks = [*BLANKS, *(HEX if has_integers else ())]
    if not any(stands_at_an_edge(mark, records.text, records.grammar) for mark in marks):
        return {}
    return {mark: count for mark in marks if (count := count_of(records.text, mark.encode()))}


def count_of(text: bytes, mark: bytes) -> int:
    """How often a byte stands there, or two different ones in a row; `bytes.count` takes several times as long."""
    import numpy as np

    if mark[-1:] not in text:
        return 0
    found, content = 0, np.frombuffer(text, np.uint8)
    for begin in range(0, len(text), STRIP):
        there = content[begin : begin + STRIP + len(mark) - 1] == mark[-1]
        if len(mark) > 1:
            there = there[1:] & (content[begin : begin + len(there) - 1] == mark[0])
        found += int(np.count_nonzero(there))
    return found


def hidden(suspects: Mapping[str, int], parsed: Parsed, records: SoundRecords) -> bool:
    """Whether a suspect may stand in a number: all were not found in texts, in misfits and as the delimiter."""
    return any(count != found_elsewhere(mark, parsed, records) for mark, count in suspects.items())


def found_elsewhere(mark: str, parsed: Parsed, records: SoundRecords) -> int:
    """How often a mark stands outside of the numbers."""
    texts = (column.combine_chunks() for column in parsed.cells.columns if not is_number(column.type))
    between = records.width - 1 if mark.encode() == records.grammar.delimiter else 0
    aside = sum(records.content(row).count(mark.encode()) for row, _ in parsed.misfits)
    return sum(count_in(column, mark) for column in texts) + aside + between * int(parsed.cells.num_rows)


def count_in(texts: pa.Array, mark: str) -> int:
    """How often something stands in texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(texts, pa.DictionaryArray):
        return pc.sum(pc.count_substring(texts.dictionary, mark).take(texts.indices)).as_py() or 0
    return pc.sum(pc.count_substring(texts, mark)).as_py() or 0
