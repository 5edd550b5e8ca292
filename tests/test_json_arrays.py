"""A JSON file that is one array of objects: the same rows as JSON lines, the line of each, or a clear error."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from configs.sections.source import DeclaredDialect
from tasks.raw_files import UnreadableFileError, open_raw, read_raw
from tasks.raw_files.json_array import array_chunks, elements, names_of_array
from tasks.raw_files.json_lines import json_chunks
from tests.conftest import ROOT

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8"), max_size=6),
    st.lists(st.integers(0, 9), max_size=2),
    st.dictionaries(st.sampled_from("xy]},"), st.sampled_from(['"', "\\", "}", "]", ","]), max_size=2),
)
OBJECTS = st.lists(st.dictionaries(st.sampled_from(["a", "b", "c d", "\u00e9"]), VALUES, min_size=1), min_size=1)
WRITTEN = st.fixed_dictionaries(
    {"indent": st.sampled_from([None, 0, 2]), "ensure_ascii": st.booleans(), "separators": st.none()}
)


def cut(content: bytes, size: int) -> Iterator[bytes]:
    return (content[place : place + size] for place in range(0, len(content), size))


def rows_of(chunks: Iterator[Any]) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for chunk in chunks for row in chunk.texts.to_pylist()]


@given(OBJECTS, WRITTEN, st.integers(1, 40))
def test_rows_are_those_of_the_same_objects_as_lines(
    objects: list[dict[str, Any]], written: dict[str, Any], size: int
) -> None:
    array = json.dumps(objects, **written).encode()
    lines = "".join(json.dumps(each, ensure_ascii=written["ensure_ascii"]) + "\n" for each in objects).encode()
    names = names_of_array(array)
    assert names == tuple(dict.fromkeys(key for each in objects for key in each))
    assert rows_of(array_chunks(cut(array, size), names)) == rows_of(json_chunks(iter([lines]), names))


@given(st.lists(VALUES, min_size=1), st.lists(st.text(" \n\r\t", max_size=3), min_size=2), st.integers(1, 40))
def test_element_stands_where_it_was_written(objects: list[Any], spaces: list[str], size: int) -> None:
    """The slow, obvious reference: each element is written behind a text of which the lines are counted."""
    text, expected = spaces[0] + "[", []
    for number, each in enumerate(objects):
        text += "," * (number > 0) + spaces[number % len(spaces)]
        content = json.dumps(each, indent=number % 3 or None)
        expected.append((1 + text.count("\n"), content.encode()))
        text += content + spaces[(number + 1) % len(spaces)]
    assert [*elements(cut(f"{text}]{spaces[-1]}".encode(), size))] == expected


@given(st.binary(max_size=60), st.integers(1, 20))
@example(b"[{}", 1)
@example(b'[{"a": 1}, 12', 3)
def test_any_bytes_give_elements_or_an_error(content: bytes, size: int) -> None:
    try:
        found = [*elements(cut(content, size))]
    except UnreadableFileError:
        return
    assert len(found) == len(json.loads(content.decode("latin-1").rstrip("\x1a"), strict=False))


@given(OBJECTS, st.integers(0, 200), st.binary(min_size=1, max_size=2))
def test_damaged_array_loses_no_element_in_silence(objects: list[dict[str, Any]], place: int, damage: bytes) -> None:
    content = json.dumps(objects, indent=1).encode()
    damaged = content[:place] + damage + content[place + 1 :]
    try:
        found = [*elements(iter([damaged]))]
    except UnreadableFileError:
        return
    assert len(found) == len(json.loads(damaged.decode("latin-1").rstrip("\x1a"), strict=False))


def put(folder: Path, text: str, name: str = "f.json") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_raw_text_and_line_of_a_row_are_those_of_the_file(tmp_path: Path) -> None:
    table = read_raw(put(tmp_path, '[\n  {"a": 1.10,\n   "b": "x"},\n  {"a": 2}\n]\n'))
    assert (table.names, table.lines.tolist(), table.raw(0)) == (("a", "b"), [2, 4], '{"a": 1.10,\n   "b": "x"}')
    assert table.texts.to_pylist() == [{"c1": "1.10", "c2": "x"}, {"c1": "2", "c2": None}]


def test_key_that_only_a_later_object_has_refuses_it(tmp_path: Path) -> None:
    first = ", ".join(json.dumps({"a": "x" * 1000}) for _ in range(10_000))
    table = read_raw(put(tmp_path, f'[{first},\n{{"z": 1}}]'))
    assert (len(table.lines), [(each.line, each.reason) for each in table.refused]) == (10_000, [(2, "unknown_key")])


@pytest.mark.parametrize(
    ("text", "declared"), [('[{"a": 1}]', None), ('[\n\n[1], {"a": 1}]', DeclaredDialect(format="json_array"))]
)
def test_array_is_found_or_declared(tmp_path: Path, text: str, declared: DeclaredDialect | None) -> None:
    with open_raw(put(tmp_path, text), declared) as raw:
        assert (raw.dialect.format, raw.names) == ("json_array", ("a",))


def test_other_encoding_is_decoded(tmp_path: Path) -> None:
    file = tmp_path / "f.json"
    file.write_bytes('[{"\u00e9": "\u20ac"}]'.encode("utf-16"))
    assert (read_raw(file).names, read_raw(file).texts.to_pylist()) == (("\u00e9",), [{"c1": "\u20ac"}])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "a JSON array without an object that has a key"),
        ("[{}]", "a JSON array without an object that has a key"),
        ('[{"a": 1}', "line 1: found the end of the file, expected , or ]"),
        ('[{"a": 1}\n {"a": 2}]', "line 2: found '{', expected , or ]"),
        ('[{"a": 1},\n {"a": }]', r"line 2: no JSON \(Expecting value\), in the element that begins on line 2"),
        ('[{"a": ' + "[" * 100_000 + "]" * 100_000 + "}]", r"line 1: no JSON \(nested too deeply\)"),
        ('{"meta": {}, "items": [{"a": 1}]}', r"jq -c '\.items\[\]' f\.json > f\.jsonl"),
        ("[[1, 2], [3, 4]]", r"jq -c '\.\[\]' f\.json > f\.jsonl"),
    ],
)
def test_what_is_no_array_of_objects_is_refused(tmp_path: Path, text: str, says: str) -> None:
    declared = DeclaredDialect(format="json_array") if text == "[]" else None
    with pytest.raises(UnreadableFileError, match=says):
        read_raw(put(tmp_path, text), declared)


def test_memory_does_not_grow_with_the_array(tmp_path: Path) -> None:
    row = json.dumps({"name": "x" * 80, "value": 1.5, "more": "y" * 80})
    peaks = []
    for rows in (50_000, 250_000):
        file = tmp_path / f"{rows}.json"
        with file.open("w") as writer:
            writer.write("[" + row)
            writer.writelines(f", {row}" for _ in range(rows - 1))
            writer.write("]")
        code = (
            "import resource, sys\nfrom pathlib import Path\nfrom tasks.raw_files import open_raw\n"
            "with open_raw(Path(sys.argv[1])) as raw:\n    rows = sum(len(chunk.lines) for chunk in raw.chunks())\n"
            "assert rows == int(sys.argv[2])\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        command = [sys.executable, "-c", code, str(file), str(rows)]
        peaks.append(int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout))
    assert peaks[1] < peaks[0] + 25_000  # kilobytes, of 38 MB more
