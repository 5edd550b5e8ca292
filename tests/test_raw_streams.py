"""Text that is rewritten on the way: where a stream is cut does not matter, and slow references agree."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.raw_files import open_raw, read_raw
from tasks.raw_files import opened as opened_module
from tasks.raw_files.delimited import swapped
from tasks.raw_files.encodings import UTF8, WESTERN, FoundEncoding
from tasks.raw_files.mixed_encodings import decoded_by_line
from tasks.raw_files.opened import OpenedFile
from tasks.raw_files.spacing import blanks_collapsed, collapsed

LINES = st.lists(st.sampled_from(["a,b", "é,1", "Zoé,“q”", "x \u2013 y", "Sète,日", ""]), max_size=8)
CUTS = st.lists(st.integers(0, 60), max_size=5)


def cut(content: bytes, places: list[int]) -> Iterator[bytes]:
    """Pieces of a text, none of them empty."""
    edges = sorted({0, *(place for place in places if place < len(content)), len(content)})
    return (content[begin:end] for begin, end in pairwise(edges))


@given(st.text(st.sampled_from("ab  \r\n"), max_size=60), CUTS)
def test_runs_of_spaces_become_one_wherever_the_stream_is_cut(text: str, places: list[int]) -> None:
    lines = re.split(r"([\r\n])", text)
    expected = "".join(line if line in "\r\n" else " ".join(line.split()) for line in lines)
    assert b"".join(collapsed(cut(text.encode(), places))) == expected.encode()


@given(st.lists(st.sampled_from(["a", "b", " ", "\t", "\n", "\r\n", '"a  b"', '"\t"'])), CUTS)
def test_runs_of_blanks_outside_quotes_become_one_wherever_the_stream_is_cut(
    parts: list[str], places: list[int]
) -> None:
    kept = {'"a  b"': "\x01", '"\t"': "\x02"}
    lines = re.split(r"(\r?\n)", "".join(kept.get(part, part) for part in parts))
    expected = "".join(line if line.endswith("\n") else " ".join(line.split()) for line in lines)
    for text, mark in kept.items():
        expected = expected.replace(mark, text)
    assert b"".join(blanks_collapsed(cut("".join(parts).encode(), places))) == expected.encode()


@given(st.text(st.sampled_from("a, \x1f\n"), max_size=60), CUTS)
def test_a_delimiter_with_its_space_comes_back_wherever_the_stream_is_cut(text: str, places: list[int]) -> None:
    swaps = {", ": "\x1f"}
    there = b"".join(swapped(cut(text.encode(), places), swaps))
    assert there == b"".join(swapped(iter([text.encode()]), swaps))
    assert b"".join(swapped(iter([there]), swaps)) == text.encode()


@given(st.lists(st.tuples(LINES, st.booleans()), max_size=4), CUTS, st.booleans())
def test_lines_in_two_encodings_are_text_wherever_the_stream_is_cut(
    parts: list[tuple[list[str], bool]], places: list[int], is_utf8_base: bool
) -> None:
    lines = [(line, is_utf8 or "日" in line) for group, is_utf8 in parts for line in group]
    content = b"".join((line + "\n").encode(UTF8 if is_utf8 else WESTERN) for line, is_utf8 in lines)
    base, other = (UTF8, WESTERN) if is_utf8_base else (WESTERN, UTF8)
    notes: list[str] = []
    text = b"".join(decoded_by_line(cut(content, places), FoundEncoding(base, other=other), notes.append))
    assert text.decode() == "".join(line + "\n" for line, _ in lines)
    changed = [
        number for number, (line, is_utf8) in enumerate(lines, 1) if not line.isascii() and is_utf8 != is_utf8_base
    ]
    assert [re.findall(r"\d+", note)[:1] for note in notes] == ([[str(len(changed))]] if changed else [])
    assert all(f"the first is line {changed[0]};" in note for note in notes)


def test_encoding_that_changes_beyond_the_first_mebibyte_is_read(tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    line, count = "1,Zoé\n", 300_000
    file.write_bytes(b"a,b\n" + line.encode() * count + line.encode("cp1252") * count)
    with open_raw(file) as raw:
        chunks = list(raw.chunks())
    assert {text for chunk in chunks for text in chunk.texts["c2"].unique().to_pylist()} == {"Zoé"}
    assert sum(len(chunk.lines) for chunk in chunks) == 2 * count
    assert f"{count} lines are in windows-1252, the first is line {count + 2}" in raw.dialect.notes[0]


@pytest.mark.parametrize("damaged", [b"caf\xc3", b"\xc3", b"so\xe2\x80", b"\xe2\x80 so"])
def test_characters_of_utf8_that_were_cut_are_no_other_encoding(damaged: bytes, tmp_path: Path) -> None:
    file = tmp_path / "cut.csv"
    file.write_bytes(b"a,b\n" + "é,1\n".encode() * 9 + (damaged + b",2\n") * 4)
    assert [record.reason for record in read_raw(file).refused] == ["not_utf8"] * 4


def test_line_that_is_in_both_encodings_at_once_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "both.csv"
    lines = ["é,1\n".encode(), "ü,2\n".encode()] * 3 + ["é,3\n".encode("cp1252")] * 3
    file.write_bytes(b"a,b\n" + b"".join(lines) + "é,".encode() + b"\xfc\n")
    assert [(record.line, record.reason) for record in read_raw(file).refused] == [(11, "not_utf8")]


def test_record_with_spaces_behind_its_delimiters_is_shown_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "spaced.csv"
    lines = ['1, "a, b"', "2, x\x1fy", "3,z"]
    file.write_text("id, said\n" + "0, q\n" * 20_000 + "\n".join(lines) + "\n")
    raw = read_raw(file)
    assert [raw.raw(row) for row in (20_000, 20_001)] == lines[:2]
    assert raw.texts["c2"].to_pylist()[-2:] == ["a, b", "x\x1fy"]
    assert [(record.line, record.raw) for record in raw.refused] == [(20_004, "3,z")]


@given(st.lists(st.sampled_from([b"a" * 9, b"b", b"\n", b"\n\n"]), max_size=30), st.integers(1, 9), st.integers(1, 9))
def test_pieces_are_the_file_and_end_where_a_line_ends_close_by(parts: list[bytes], first: int, size: int) -> None:
    content = b"".join(parts)
    file = Path(tempfile.mkdtemp()) / "a"
    file.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch, OpenedFile(file) as opened:
        patch.setattr(opened_module, "CLOSE", 5)
        pieces = list(opened.pieces(first, size))
    shutil.rmtree(file.parent)
    assert b"".join(pieces) == content
    for begin, piece in zip(accumulate(map(len, pieces)), pieces[1:], strict=False):
        close = content[begin + size : begin + size + 5].find(b"\n")
        assert piece == content[begin : begin + size + close + 1]
