"""The zoo of dirty files: each is read as expected, or refused as a whole with what it is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from configs.schema import DeclaredDialect
from tasks.raw_files import RawTable, UnreadableFileError, read_raw
from tests.dirty_files import DirtyFile, all_files

FILES = all_files()
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
def test_file_that_is_no_table_is_refused_by_name_and_soon(file: DirtyFile, tmp_path: Path) -> None:
    start = time.perf_counter()
    with pytest.raises(UnreadableFileError, match=file.error) as caught:
        read(file, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / file.name}: ")
    assert time.perf_counter() - start < 2
