"""JSON lines: one object per line. Numbers stay the text that they are in the file; what is nested becomes JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tasks.raw_files.blocks import blocks
from tasks.raw_files.encodings import UTF8
from tasks.raw_files.errors import UnreadableFileError
from tasks.raw_files.grammar import Grammar
from tasks.raw_files.records import Records, Rules, split_records
from tasks.raw_files.rows import DETAILS, RawChunk, RefusedRecord, column_aliases, refusal, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

LINES = Grammar(delimiter=b"\x00")  # no quotes: each line is a record
BLOCK = 1 << 22  # bytes; objects in Python take a multiple
Pairs = list[tuple[str, Any]]


class DuplicateKeyError(ValueError):
    """An object with one key twice."""


class Text(str):
    """A number as it is written in the file, told from a text inside what is nested."""

    __slots__ = ()


def unique_pairs(pairs: Pairs) -> dict[str, Any]:
    """An object, refused where a key would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise DuplicateKeyError(repr(twice))
    return found


def read_object(line: bytes) -> tuple[dict[str, Any] | None, str, str]:
    """The object of a line, or None with the reason and the problem."""
    try:
        found = json.loads(line, object_pairs_hook=unique_pairs, parse_int=Text, parse_float=Text, parse_constant=Text)
    except DuplicateKeyError as error:
        return None, "duplicate_key", str(error)
    except (ValueError, RecursionError) as error:
        return None, "not_json", str(error) or "nested too deeply"
    return (found, "", "") if isinstance(found, dict) and found else (None, "not_an_object", "")


def cell_text(value: object) -> str | None:
    """A value as the text of a cell; null is no text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """What is nested, with numbers that `json.dumps` writes as numbers."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return number(value) if isinstance(value, Text) else value


def number(text: Text) -> object:
    """A number inside what is nested."""
    return float(text) if set(text) - set("-0123456789") or len(text) > 300 else int(text)


def is_json_lines(head: bytes) -> bool:
    """Whether a text's first two lines are each a JSON object: one alone may be a document."""
    lines = [line for line in head.splitlines() if line.strip()][:2]
    return len(lines) == 2 and all(read_object(line)[1] in ("", "duplicate_key") for line in lines)


def keys_of(head: bytes) -> tuple[str, ...]:
    """Keys of the objects of a sample, in order of appearance.

    Raises
    ------
    UnreadableFileError
        If no line of it is an object.
    """
    objects = [found for line in head.splitlines() if (found := read_object(line)[0]) is not None]
    if not objects:
        raise UnreadableFileError("none of the first lines is a JSON object; JSON lines were expected")
    return tuple(dict.fromkeys(key for each in objects for key in each))


def json_chunks(pieces: Iterator[bytes], names: Sequence[str], encoding: str = UTF8) -> Iterator[RawChunk]:
    """Read the objects of a text; a missing key is null, an unknown one refuses its record."""
    rules, line = Rules(LINES, encoding=encoding), 1
    stream = blocks(pieces, cr_ends=False, size=BLOCK)
    blank: list[RefusedRecord] = []
    for block in stream:
        records = split_records(block.body, rules, line, at_end=True)
        line += records.lines_consumed
        chunk = chunk_of(records, names, blank)
        if block.overlong is not None:
            raw = f"{shown(block.overlong)} ({block.overlong_size} bytes)"
            chunk.refused.append(RefusedRecord(line, "record_too_long", DETAILS["record_too_long"], raw))
            line += 1
        last = int(chunk.lines[-1]) if len(chunk.lines) else 0
        blank = []
        while chunk.refused and chunk.refused[-1].reason == "blank_line" and chunk.refused[-1].line > last:
            blank.insert(0, chunk.refused.pop())
        yield chunk


def chunk_of(records: Records, names: Sequence[str], blank: list[RefusedRecord]) -> RawChunk:
    """Rows of one block."""
    import numpy as np
    import pyarrow as pa

    known, rows, kept, refused = set(names), [], [], list(records.refused)
    for row, line in enumerate(records.lines.tolist()):
        content = records.content(row)
        found, reason, problem = read_object(content)
        unknown = set(found) - known if found is not None else ()
        if found is None or unknown:
            reason, problem = (reason, problem) if found is None else ("unknown_key", repr(min(unknown)))
            refused.append(refusal(line, reason, content, problem=problem))
            continue
        kept.append(row)
        rows.append(found)
    columns = [pa.array([cell_text(row.get(name)) for row in rows], pa.string()) for name in names]
    places = np.array(kept, dtype=np.int64)
    return RawChunk(
        pa.table(columns, names=column_aliases(len(names))),
        records.lines[places],
        sorted([*blank, *refused]),
        lambda row: shown(records.content(int(places[row]))),
    )
