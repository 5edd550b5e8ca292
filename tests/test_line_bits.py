"""The lines of a block are taken for its records where each is one by itself, and in no other case."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.raw_files import line_bits
from tasks.raw_files.grammar import Grammar

GRAMMAR = Grammar(b",", b'"')
WHOLE = st.sampled_from([b"a,1\n", b'"a",1\n', b'1,"b"\r\n', b'"a""b",\n', b'"",""\n', b'"a,b"\n', b'""""\r\n'])
ANY = st.lists(st.sampled_from([b"a", b",", b'"', b'","', b"\r\n", b"\n", b"\r"]), max_size=8)
BODIES = st.lists(st.one_of(*[WHOLE] * 9, ANY.map(b"".join)), min_size=1, max_size=40).map(b"".join)
STRIPS = st.sampled_from([1, 8, 64, 72, 128, line_bits.STRIP])


def is_record(line: bytes) -> bool:
    """Whether a line is a record by itself, not blank, and without a CR elsewhere than before its end."""
    content = line.removesuffix(b"\n").removesuffix(b"\r")
    return bool(content) and b"\r" not in content and GRAMMAR.record.fullmatch(line) is not None


@settings(max_examples=300, deadline=None)
@given(BODIES, STRIPS)
@example(b'a,"b"\n' * 11 + b'"c\n",d\n', 64)
@example(b"a,1\n" * 31 + b'a,"bcd"\n' + b'"a",1\n' * 20, 128)
@example(b"a" * 63 + b"\n\n" + b"a\n", 64)
@example(b"a" * 62 + b"\r\na\n", 64)
@example(b"a" * 62 + b',"b"\n', 64)
def test_lines_are_records_where_each_is_one_by_itself(body: bytes, strip: int) -> None:
    body += b"" if body.endswith(b"\n") else b"\n"
    expected = all(map(is_record, [line + b"\n" for line in body.split(b"\n")[:-1]]))
    expected &= all(b"\n" in body[begin : begin + strip] for begin in range(0, len(body), strip))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_bits, "STRIP", strip)
        is_first_blank = body.startswith((b"\n", b"\r\n"))
        assert (line_bits.line_feeds(body, GRAMMAR) is not None and not is_first_blank) == expected
