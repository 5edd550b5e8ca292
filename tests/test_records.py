"""Where records begin and end: any table in RFC 4180 comes back exactly; anything else is refused with its line."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tasks.records import LONGEST_RECORD, NotCsvError, Records, read_header, split_records

from tasks.ingest import parse_texts

CELL = st.text(
    st.one_of(st.sampled_from(",\"\n\r'x \u2028\x1a"), st.characters(codec="utf-8", exclude_characters="\0")),
    max_size=6,
)
TABLE = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1))


def records_of(content: bytes) -> tuple[Records, list[str]]:
    names, body, line = read_header(content)
    return split_records(body, len(names), line), names


def refusals(text: str | bytes) -> list[tuple[int, str]]:
    records, _ = records_of(text.encode() if isinstance(text, str) else text)
    return [(refused.line, refused.reason) for refused in records.refused]


def cells_of(records: Records, names: list[str]) -> list[tuple[str, ...]]:
    table = parse_texts(records, names, names)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def written(rows: list[list[str]], **dialect: object) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


@settings(max_examples=100, deadline=None)
@given(
    TABLE, st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL)]), st.booleans()
)
def test_any_table_of_text_comes_back_exactly(rows: list[list[str]], style: tuple[str, int], mark: bool) -> None:
    header = [f"h{number}" for number in range(len(rows[0]))]
    text = written([header, *rows], lineterminator=style[0], quoting=style[1])
    records, names = records_of((b"\xef\xbb\xbf" if mark else b"") + text.encode())
    assert names == header
    assert records.refused == []
    assert cells_of(records, names) == [tuple(row) for row in rows]


@settings(max_examples=80, deadline=None)
@given(TABLE, st.data())
def test_line_numbers_are_those_of_an_editor(rows: list[list[str]], data: st.DataObject) -> None:
    header = [f"h{number}" for number in range(len(rows[0]))]
    lines, text = [], written([header], lineterminator="\n")
    for row in rows:
        if data.draw(st.booleans()):
            text += data.draw(st.sampled_from(['a"b', '"open', "x" + ",x" * len(header), '"a"b', "a\rb"])) + "\n"
        lines.append(text.count("\n") + 1)
        text += written([row], lineterminator="\n", quoting=csv.QUOTE_ALL)
    records, names = records_of(text.encode())
    found = dict(zip(records.lines.tolist(), cells_of(records, names), strict=True))
    refused = {refusal.line for refusal in records.refused}
    # a quote that opens above may take a row's own opening quote for its end; such a row is refused, never misread
    assert all(found.get(line, tuple(row)) == tuple(row) for line, row in zip(lines, rows, strict=True))
    assert refused.isdisjoint(found)


@settings(max_examples=80, deadline=None)
@given(st.text(st.sampled_from('a,"\n\r'), max_size=40))
def test_any_text_is_read_as_a_slow_obvious_reader_does(body: str) -> None:
    records, names = records_of(b"x,y\n" + body.encode())
    found = dict(zip(records.lines.tolist(), cells_of(records, names), strict=True))
    malformed = {"stray_cr": "malformed", "misplaced_quote": "malformed"}
    refused = [(line, malformed.get(reason, reason)) for line, reason in refusals("x,y\n" + body)]
    assert (found, refused) == slow_read(body)


def slow_read(body: str) -> tuple[dict[int, tuple[str, ...]], list[tuple[int, str]]]:
    """One character after the other, by the rules in the docstring of `tasks.records`."""
    rows, refused, position, line = {}, [], 0, 2
    last_text = len(body.replace("\r\n", "\n\n").rstrip("\n"))
    while position < last_text:
        try:
            fields, after = slow_record(body, position)
        except ValueError as error:
            refused.append((line, str(error)))
            after = body.find("\n", position) + 1 or len(body)
        else:
            if fields == [""] and body[position:after] in {"\n", "\r\n"}:
                refused.append((line, "blank_line"))
            elif len(fields) != 2:
                refused.append((line, "too_few_columns" if len(fields) < 2 else "too_many_columns"))
            else:
                rows[line] = tuple(fields)
        line += body.count("\n", position, after)
        position = after
    return rows, refused


def slow_record(body: str, position: int) -> tuple[list[str], int]:
    fields: list[str] = []
    while True:
        field, position = slow_field(body, position)
        fields.append(field)
        if position == len(body):
            return fields, position
        if body[position] != ",":
            return fields, position + (2 if body[position] == "\r" else 1)
        position += 1


def slow_field(body: str, position: int) -> tuple[str, int]:
    at = position
    if body[at : at + 1] == '"':
        text, at = "", at + 1
        while body[at : at + 1] != '"' or body[at : at + 2] == '""':
            if at >= len(body):
                raise ValueError("malformed")
            step = 2 if body[at] == '"' else 1
            text, at = text + body[at], at + step
        at += 1
    else:
        while at < len(body) and body[at] not in ',"\n\r':
            at += 1
        text = body[position:at]
    if at < len(body) and body[at] not in ",\n" and body[at : at + 2] != "\r\n":
        raise ValueError("malformed")
    return text, at


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("1,2\n3\n", [(3, "too_few_columns")]),
        ("1,2,\n3,4\n", [(2, "too_many_columns")]),
        ('1,5" pipe\n3,4\n', [(2, "misplaced_quote")]),
        ('"1,2\n3,4\n', [(2, "misplaced_quote")]),
        ('"1"x,2\n3,4\n', [(2, "misplaced_quote")]),
        ('1, "2"\n', [(2, "misplaced_quote")]),
        ('"a\nb"x,2\n3,4\n', [(2, "misplaced_quote"), (3, "misplaced_quote")]),
        ("1,a\rb\n3,4\n", [(2, "stray_cr")]),
        ("1,2\n\n3,4\n\n\n", [(3, "blank_line")]),
        ("1,\x00\n3,4\n", [(2, "nul_byte")]),
        ("1,2\n3,4\n\x1a", [(4, "too_few_columns")]),
        ('1,"a\n\nb"\n3\n', [(5, "too_few_columns")]),
    ],
)
def test_malformed_record_is_refused_with_its_line(body: str, expected: list[tuple[int, str]]) -> None:
    assert refusals("x,y\n" + body) == expected


def test_invalid_utf8_refuses_its_rows_alone() -> None:
    assert refusals(b"x,y\n1,\xe9\n2,\xc3\xa9\n3,\xff\n") == [(2, "not_utf8"), (4, "not_utf8")]


def test_unclosed_quote_does_not_swallow_the_rows_behind_it() -> None:
    records, _ = records_of(b'x,y\n"1,2\n' + b"3,4\n" * 1000)
    assert len(records.lines) == 1000


def test_record_beyond_the_limit_is_refused() -> None:
    long = "a" * LONGEST_RECORD
    assert refusals(f'x,y\n1,{long}\n1,"{long}\n"\n3,4\n')[0] == (2, "record_too_long")


def test_longest_record_is_parsed_whole() -> None:
    text = "a" * (LONGEST_RECORD - 8)
    records, names = records_of(f"x,y\n1,{text}\n".encode())
    assert cells_of(records, names) == [("1", text)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\x1f\x8b\x08rest", "gzip"),
        (b"PAR1rest", "Parquet"),
        (b"PK\x03\x04rest", "Excel"),
        (b"<!DOCTYPE html><p>404</p>", "HTML"),
        (b'{"a": 1}', "JSON"),
        (b'[{"a": 1}]', "JSON"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
        ("x,y\n1,2\n".encode("utf-16"), "UTF-16"),
        ("x,y\n1,2\n".encode("utf-16-le"), "NUL"),
        ("x,é\n1,2\n".encode("latin-1"), "not UTF-8"),
        (b"x,y\r1,2\r", "CR alone"),
        (b'x,"y\n1,2\n', "misplaced quote"),
    ],
)
def test_what_is_no_csv_is_named(content: bytes, message: str) -> None:
    with pytest.raises(NotCsvError, match=message):
        read_header(content)
