"""Blanks that fill up aligned cells go, whatever the pieces of the text; those in quotes stay."""

from __future__ import annotations

import csv
import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.raw_files.alignment import Filling, is_aligned, without_filling

MARKS = Filling(b",", b'"')
CELLS = st.text(st.sampled_from('ab ,"\n'), max_size=6)
PLAIN = st.text(st.sampled_from("abc"), min_size=1, max_size=9)


def quoted(text: str) -> str:
    """A cell in quotes."""
    return '"' + text.replace('"', '""') + '"'


def read(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode(), newline="")))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=5), st.integers(1, 12))
@example([["a,  b\n", "", "  "]], 1)
def test_blanks_in_quotes_stay_and_those_around_go(rows: list[list[str]], size: int) -> None:
    text = "".join("  ,   ".join(map(quoted, row)) + "  \n" for row in rows).encode()
    pieces = [text[place : place + size] for place in range(0, len(text), size)]
    assert read(b"".join(without_filling(pieces, MARKS))) == rows


def test_quote_that_never_closes_keeps_no_filling_in_the_rows_behind() -> None:
    text = b'a,   b\nx,   "open\ny,   1\nz,   2\n'
    assert b"".join(without_filling([text], MARKS)) == b'a,b\nx,"open\ny,1\nz,2\n'


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(PLAIN, PLAIN, PLAIN), min_size=3, max_size=20), st.booleans())
def test_filled_up_columns_are_seen_as_aligned(rows: list[tuple[str, str, str]], is_right: bool) -> None:
    fill = str.rjust if is_right else str.ljust
    lines = [", ".join(fill(cell, 12) for cell in row).encode() for row in [("x", "y", "z"), *rows]]
    assert is_aligned(lines, MARKS)


def test_blanks_of_a_single_ragged_column_are_its_own() -> None:
    lines = [b"name,said", *(b"Ada,  " + b"x" * width + b",1" for width in (1, 4, 2, 7, 3))]
    assert not is_aligned([b"name,said,n", *lines[1:]], MARKS)
