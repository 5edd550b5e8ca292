"""A header in another order is found wherever it stands, as comparing line by line finds it."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.raw_files.grammar import Grammar
from tasks.raw_files.joined_files import reordered_headers

GRAMMAR = Grammar(b",", b'"')
NAMES = [b"name", b'"a,b"', b"x"]
LINES = st.one_of(st.permutations(NAMES), st.lists(st.sampled_from([*NAMES, b"7"]), min_size=1, max_size=4))


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES.map(b",".join), max_size=8), st.sampled_from([b"\n", b"\r\n"]))
@example([b'x,"a,b",name', b"7", b'name,"a,b",x'], b"\n")
def test_reordered_headers_are_those_of_a_slow_look(lines: list[bytes], end: bytes) -> None:
    header, begins, place = b",".join(NAMES), [], 0
    for line in lines:
        if line != header and sorted(GRAMMAR.fields(line)) == sorted(NAMES):
            begins.append(place)
        place += len(line) + len(end)
    assert list(reordered_headers(b"".join(line + end for line in lines), header, GRAMMAR)) == begins
