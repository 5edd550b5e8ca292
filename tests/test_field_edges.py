"""Blanks and `0x` at the edge of a field are found, and none inside of one is taken for such."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.raw_files import field_edges
from tasks.raw_files.field_edges import BLANKS, HEX, stands_at_an_edge
from tasks.raw_files.grammar import Grammar

COMMA, TAB = Grammar(b",", b'"'), Grammar(b"\t", b'"')
FIELDS = st.text(st.sampled_from("a0xX1 \t"), max_size=5)
ROWS = st.lists(st.lists(FIELDS, min_size=2, max_size=3), min_size=1, max_size=6)


def written(rows: list[list[str]], grammar: Grammar, end: str, quoting: int) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=grammar.delimiter.decode(), lineterminator=end, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue().encode()


@settings(deadline=None)
@given(
    ROWS,
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from([1, 3, 1 << 18]),
    st.sampled_from([0, 3, 1 << 10]),
)
def test_marks_at_edges_are_those_of_the_fields(
    rows: list[list[str]], end: str, quoting: int, strip: int, few: int
) -> None:
    text = written(rows, COMMA, end, quoting)
    fields = [field for row in rows for field in row]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(field_edges, "STRIP", strip)
        patch.setattr(field_edges, "FEW", few)
        found = [mark for mark in (*BLANKS, *HEX) if stands_at_an_edge(mark, text, COMMA)]
    assert found == [
        *(blank for blank in BLANKS if any(blank in {*field[:1], *field[-1:]} for field in fields)),
        *(mark for mark in HEX if any(field.startswith(mark) for field in fields)),
    ]


@settings(deadline=None)
@given(ROWS, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_delimiter_inside_a_field_is_never_missed(rows: list[list[str]], quoting: int) -> None:
    text = written(rows, TAB, "\n", quoting)
    is_there = any("\t" in {*field[:1], *field[-1:]} for row in rows for field in row)
    assert stands_at_an_edge("\t", text, TAB) or not is_there


@pytest.mark.parametrize(("text", "expected"), [(b"1,2 ", True), (b"1,2\n ", True), (b"1, ", True), (b"1,a b", False)])
def test_text_may_end_without_a_line_end(text: bytes, expected: bool) -> None:
    assert stands_at_an_edge(" ", text, COMMA) is expected
