"""The reader: one plain YAML document, or one error with file, line and column, fast, whatever the bytes are."""

import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from configs.document import MAX_BYTES, DocumentError, parse_document, read_document, read_text
from configs.load import read_yaml

FILE = Path("configs/x.yaml")


def refusal(content: bytes | str, folder: Path) -> str:
    """The text of the error that a file's content gets."""
    file = folder / "x.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DocumentError) as caught:
        read_yaml(file)
    return str(caught.value).replace(f"{file}:", "")


REFUSED = {
    "duplicate key": ("a: 1\nb: 2\na: 3\n", "3:1: the key 'a' stands here a second time; the first is in line 1"),
    "duplicate key below": ("a:\n  b: {c: 1, c: 2}\n", "2:13: a.b: the key 'c' stands here a second time"),
    "python object": ("a: !!python/object/apply:os.system ['touch x']\n", "1:4: a: YAML tags are not allowed"),
    "local tag": ("a: !env HOME\n", "1:4: a: YAML tags are not allowed"),
    "harmless tag": ("a: !!str 1\n", "1:4: a: YAML tags are not allowed"),
    "non-specific tag": ("a: ! 1\n", "1:4: a: YAML tags are not allowed"),
    "anchor": ("a: &x 1\n", "1:4: a: anchors and aliases are not allowed ('x')"),
    "alias": ("a: *x\n", "1:4: a: anchors and aliases are not allowed ('x')"),
    "merge key": ("a: {<<: {b: 1}}\n", "1:5: a: merge keys ('<<') are not allowed"),
    "anchored key": ("&x a: 1\n", "1:1: a key is a plain text, without anchor, alias or tag"),
    "mapping as key": ("? {a: 1}\n: 2\n", "1:3: a key is a text, not a list or mapping"),
    "null key": ("a: {null: 1}\n", '1:5: a: the key null is not text; write it in quotes: "null"'),
    "number key": ("2013: 1\n", '1:1: the key 2013 is not text; write it in quotes: "2013"'),
    "date key": ("2013-01-01: 1\n", "1:1: the key 2013-01-01 is not text; write it in quotes"),
    "bare date": ("a: [2013-01-01]\n", '1:5: a[0]: found a bare date; write it in quotes: "2013-01-01"'),
    "equals sign": ("a: =\n", "1:4: a: found a bare '='; write it in quotes: \"=\""),
    "impossible date": ("a: 2024-02-30\n", '1:4: a: found a bare date; write it in quotes: "2024-02-30"'),
    "timestamp": ("a: 2013-01-01T00:00:00Z\n", "1:4: a: found a bare date"),
    "two documents": ("a: 1\n---\na: 2\n", "2:1: a second document starts here"),
    "yaml directive": ("%YAML 1.1\n---\na: NO\n", "1:1: a directive such as %YAML or %TAG is not allowed"),
    "tag directive": ("%TAG ! tag:x,2000:\n---\na: 1\n", "1:1: a directive such as %YAML or %TAG is not allowed"),
    "infinity": ("a: -.inf\n", "1:4: a: found -.inf; a finite number was expected"),
    "not a number": ("a: .NaN\n", "1:4: a: found .NaN; a finite number was expected"),
    "huge float": ("a: 1e400\n", "1:4: a: found 1e400; a finite number was expected"),
    "huge integer": (
        "a: 9223372036854775808\n",
        "1:4: a: found 9223372036854775808; a whole number of at most 64 bits",
    ),
    "10,000 digits": (f"a: {'9' * 10_000}\n", "1:4: a: found 9999"),
    "NUL byte": ("a: x\0y\n", "1:5: found the character '\\x00'; remove it"),
    "NUL escape": ('a: "x\\0y"\n', "1:4: a: found a text with the character '\\x00'; remove it"),
    "NUL escape in key": ('"x\\0y": 1\n', "1:1: found a key with the character '\\x00'; remove it"),
    "tab as indentation": ("a:\n\tb: 1\n", "2:1: found a tab; YAML is indented with spaces"),
    "tab after spaces": ("a:\n  b: 1\n \tc: 2\n", "found a tab; YAML is indented with spaces"),
    "latin-1": ("a: caf\xe9\n".encode("latin-1"), "1:7: found the byte 0xe9, which is no UTF-8 text"),
    "UTF-16": ("a: 1\n".encode("utf-16"), "1:1: found the byte 0xff, which is no UTF-8 text"),
    "nothing": ("", "1:1: the file declares nothing"),
    "comment only": ("# nothing\n", "1:1: the file declares nothing"),
    "list": ("- a\n", "1:1: found ['a'], expected keys with values"),
    "text": ("hello\n", "1:1: found 'hello', expected keys with values"),
    "open bracket": ("a: [1, 2\n", "the file ends too early"),
    "open quote": ("a: 'x\n", "the file ends too early"),
    "colon in text": ("a: b: c\n", "1:5: found ': ' where no key can stand; put a text that holds ': ' in quotes"),
    "at sign": ("a: @b\n", "1:4: a plain text cannot start with '@'; put it in quotes"),
    "half a character": (b"a: \xe2\x82", "1:4: found the byte 0xe2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_document_refusal_names_place_and_remedy(case, tmp_path):
    content, expected = REFUSED[case]
    assert expected in refusal(content, tmp_path)


HOSTILE = {
    "deep flow": b"a: " + b"[" * 10_000 + b"]" * 10_000,
    "deep mappings": b"{a: " * 10_000,
    "deep blocks": b"\n".join(b" " * i + b"a:" for i in range(1_000)),
    "deep block lists": b"- " * 100_000,
    "nested keys": b"? " * 100_000,
    "megabyte of text": b"a: '" + b"x" * 900_000 + b"'\nb: [",
    "megabyte of brackets": b"[" * 999_999,
    "megabyte of items": b"a:\n" + b"- 1\n" * 240_000,
    "megabyte of keys": b"".join(b"k%d: 1\n" % i for i in range(90_000)),
    "too large": b"a: 1 #" + b"x" * MAX_BYTES,
    "alias bomb": b"a: &a [x,x]\n" + b"".join(b"%c: &%c [*%c,*%c]\n" % (c, c, c - 1, c - 1) for c in range(98, 122)),
    "one long line of colons": b"a:" * 400_000,
    "quotes": b"'" * 999_999,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_document_is_refused_at_once(case, tmp_path):
    started = time.process_time()
    text = refusal(HOSTILE[case], tmp_path)
    assert time.process_time() - started < 2  # a ceiling against blow-up, not a measure of speed
    assert len(text) < 20_000


def test_missing_file_is_told(tmp_path):
    with pytest.raises(DocumentError, match="cannot be read"):
        read_document(tmp_path / "none.yaml")


def test_directory_is_told(tmp_path):
    with pytest.raises(DocumentError, match="cannot be read"):
        read_document(tmp_path)


def test_device_without_end_is_refused():
    with pytest.raises(DocumentError, match="more than 1,000,000 bytes"):
        read_document(Path("/dev/zero"))


def test_byte_order_mark_and_crlf_are_read(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: [x, y]\r\n")
    assert read_yaml(file) == {"a": 1, "b": ["x", "y"]}


def test_every_mistake_of_a_document_is_told_at_once(tmp_path):
    text = refusal("a: 2013-01-01\nb: .inf\nc: &x 1\na: 2\n", tmp_path)
    assert [line.split(":")[0] for line in text.splitlines()] == ["1", "2", "3", "4"]


SCALARS = """NO 12:30:45 1.10 010 1e3 0o10 0x1F 1_000 y ~ null +1 -.5 'quo' "a b" TRUE True '' [] {} [a] 0b11 -0 1. .5
0.1e-3 é N n t Null 2024-1-1x 1:2 0x 08 _1 1__0 nulls true1 -- -x +x .. 1e 0b2 on off 1,000 <x =x - : ? = << ~x 0.0
190:20:30 -1e-3 +12_3.4_5 0b1_0 .e3 1_ +.5 0o 0o8 0xG .inf -.INF .nan 1e400 2013-01-01 1e5_0 0x_ 0b_ + - . _"""


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from(SCALARS.split()) | st.text(alphabet="0123456789+-._eExXoObnN~tTrRuUeEfFaAlLsSyY: '\"=<", max_size=8)
)
def test_accepted_values_are_those_that_dvc_reads(value):
    from ruamel.yaml import YAML

    text = f"k: {value}\n"
    with suppress(DocumentError):
        document = parse_document(text, FILE)
        assert document.mistakes or repr(document.root.value) == repr(YAML(typ="safe").load(text))


def test_place_counts_characters_not_bytes():
    document = parse_document("größe: {ä: 1}\n", FILE)
    node = document.root.find(("größe", "ä"))
    assert node is not None
    assert (node.line, node.column) == (1, 12)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.binary(max_size=80)
    | st.text(alphabet="ab:{}[],-?&*!|>'\"%@`#~ \n\t\r\\<=0123.é\0\x85\ufeff", max_size=80).map(str.encode)
)
@example(b"\xef\xbb\xbf")
@example(b"--- \n...\n---")
@example(b"a: |\n  x\n y")
@example(b"? a\n? a")
@example(b'"\\ud800": 1')
@example(b"= : =")
def test_any_bytes_are_a_document_or_one_error(content):
    read_any(content)


def read_any(content: bytes) -> None:
    """Read bytes as a file would be; nothing but a DocumentError may come out."""
    with suppress(UnicodeDecodeError, DocumentError):
        document = parse_document(content.decode("utf-8-sig"), FILE)
        assert all(mistake.line >= 1 and mistake.column >= 1 for mistake in document.mistakes)


def test_text_is_refused_before_it_is_parsed(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_bytes(b"a: \x07")
    with pytest.raises(DocumentError, match=r"1:4: found the character '\\x07'"):
        read_text(file)
