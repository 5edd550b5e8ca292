"""The zoo of dirty files: each is read as expected, or refused as a whole with what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs.sections.source import DeclaredDialect
from tasks.raw_files import RawTable, UnreadableFileError, read_raw
from tests.dirty_files import DirtyFile, all_files
from tests.exported_files import exported
from tests.test_raw_files import bytes_read

FILES = [*all_files(), *exported()]
TABLES = [file for file in FILES if not file.error]
REFUSED = [file for file in FILES if file.error]


def read(file: DirtyFile, folder: Path) -> RawTable:
    (folder / file.name).write_bytes(file.content)
    return read_raw(folder / file.name, DeclaredDialect(**file.declared))


def test_zoo_has_sixty_animals_of_different_names() -> None:
    assert len({file.name for file in FILES}) == len(FILES) >= 60


@pytest.mark.parametrize("file", TABLES, ids=lambda file: file.name)
def test_dirty_file_gives_its_rows_and_refusals(file: DirtyFile, tmp_path: Path) -> None:
    raw = read(file, tmp_path)
    rows = list(zip(*(column.to_pylist() for column in raw.texts.columns), strict=True))
    refused = [(record.line, record.reason) for record in raw.refused]
    assert (raw.names, rows, refused) == (file.names, file.rows, file.refused)


@pytest.mark.parametrize("file", [file for file in TABLES if file.dialect], ids=lambda file: file.name)
def test_dialect_of_a_dirty_file_is_found(file: DirtyFile, tmp_path: Path) -> None:
    dialect = read(file, tmp_path).dialect
    assert {name: getattr(dialect, name) for name in file.dialect} == file.dialect


@pytest.mark.parametrize("file", [file for file in TABLES if file.note], ids=lambda file: file.name)
def test_what_was_odd_is_noted(file: DirtyFile, tmp_path: Path) -> None:
    assert file.note in " ".join(read(file, tmp_path).dialect.notes)


@pytest.mark.parametrize("file", REFUSED, ids=lambda file: file.name)
def test_file_that_is_no_table_is_refused_by_name(file: DirtyFile, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=file.error) as caught:
        read(file, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / file.name}: ")


@pytest.mark.parametrize("magic", [b"<!doctype html><html>", b"PK\x03\x04", b"SQLite format 3\x00", b"%PDF-1.7\n"])
def test_large_file_that_is_no_table_is_refused_by_its_beginning(magic: bytes, tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    with file.open("wb") as writer:
        writer.write(magic)
        writer.seek(1 << 30)  # a hole: zeros
        writer.write(b"\n")
    before = bytes_read()
    with pytest.raises(UnreadableFileError):
        read_raw(file)
    assert bytes_read() - before < 1 << 23
