"""Repairs: corrected rows take the place of quarantined ones, and their files land anew with all their other bytes.

`export_rows` writes quarantined rows as CSV, each with the name that it goes by (`_batch`, `_line`; `_file` where a
batch has rows of several files), the reason, and its cells; a person corrects them, and `repair` lands the result. Only
rows in quarantine can be repaired: of the last run, or of one that `source.stop_above` ended.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from configs.errors import DataError
from configs.wording import listed
from tasks.atomic import atomic_file, write_text
from tasks.batch import RAW, landed_by_name, name_of
from tasks.quarantine.limit import stopped_as_landed
from tasks.quarantine.raw_rows import (
    OtherFormatError,
    RawRows,
    name_of_row,
    not_yet_read,
    require_read,
    rows_of_file,
    was_read,
)
from tasks.quarantine.summary import STAGES, refused_rows
from tasks.quarantine.superseded import Superseded, note, superseded
from tasks.table import BATCH, FILE, LINE
from tasks.version.storage import file_md5

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from tasks.quarantine.summary import Refused

REASON, DETAIL, RAW_TEXT = "_reason", "_detail", "_raw"
OURS = (BATCH, LINE, REASON, DETAIL, RAW_TEXT)
REPAIRS = Path(".holdfast/repairs")

Cells = dict[int, list[str]]


class RepairError(DataError):
    """A file of repairs does not say which quarantined rows it corrects, or how."""


def export_rows(
    pipeline: Pipeline, refused: Sequence[Refused], path: Path, *, stopped: bool = False
) -> dict[str, tuple[int, str]]:
    """Write quarantined rows to a CSV file to be corrected; it holds raw rows, private columns included.

    It has the columns of all files that the rows are of; a cell of a column that its file has not is empty. A row that
    does not part into the header's columns has its text under `_raw` and empty cells.

    Parameters
    ----------
    pipeline : Pipeline
    refused : sequence of Refused
    path : Path
    stopped : bool
        Whether they are of a run that `source.stop_above` ended.

    Returns
    -------
    dict of str to (int, str)
        By name of the file, rows that were left out because no row of that file can be changed by itself, and why.

    Raises
    ------
    NotYetReadError
        If other bytes have landed since the rows were refused.
    OtherFormatError
        If all rows would be left out.
    """
    require_same_bytes(pipeline.name, refused, stopped)
    rows, others = changeable(pipeline, refused)
    kept = [(row, name) for row in refused if (name := name_of_row(pipeline, row.batch, row.file)) in rows]
    if refused and not kept:
        raise OtherFormatError(next(iter(others.values())))
    names = dict.fromkeys(name for each in rows.values() for name in each.layout.names)
    text = io.StringIO()
    ours = OURS if pipeline.source.batch == "file" else (BATCH, FILE, *OURS[1:])
    writer = csv.DictWriter(text, [*ours, *names], restval="", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(exported(row, rows[name]) for row, name in kept)
    write_text(path, text.getvalue())
    left = [name for row in refused if (name := name_of_row(pipeline, row.batch, row.file)) in others]
    return {name: (left.count(name), why) for name, why in others.items()}


def exported(row: Refused, rows: RawRows) -> dict[str, str]:
    """One quarantined row as it is exported."""
    found = rows.text(row.line)
    cells = rows.layout.cells(found)
    name = {BATCH: row.batch, FILE: row.file, LINE: str(row.line), REASON: row.reason, DETAIL: row.detail}
    return {**name, **(dict(zip(rows.layout.names, cells, strict=True)) if cells else {RAW_TEXT: found})}


def require_same_bytes(pipeline: str, refused: Sequence[Refused], stopped: bool) -> None:
    """Refuse to go by the lines of rows that were refused of other bytes than have landed."""
    if not stopped:
        require_read(pipeline)
    elif not all(stopped_as_landed(pipeline, stage) for stage in {row.stage for row in refused}):
        raise not_yet_read(pipeline)


def changeable(pipeline: Pipeline, refused: Sequence[Refused]) -> tuple[dict[str, RawRows], dict[str, str]]:
    """Files of refused rows, by name: those whose rows can be changed one by one, and why the others' cannot."""
    there, rows, others = landed_by_name(pipeline.name), dict[str, RawRows](), dict[str, str]()
    for name in dict.fromkeys(name_of_row(pipeline, row.batch, row.file) for row in refused):
        try:
            rows[name] = rows_of_file(there[name], pipeline.source.dialect)
        except OtherFormatError as error:
            others[name] = str(error)
    return rows, others


def repair(pipeline: Pipeline, file: Path) -> dict[str, int]:
    """Land corrected rows in the place of quarantined ones.

    Parameters
    ----------
    pipeline : Pipeline
    file : Path
        CSV in UTF-8: `_batch`, `_line`, `_file` where a batch has rows of several files, and the columns of the raw
        file's header in any order; other columns whose names begin with `_` are passed over, and so are rows without
        any cell.

    Returns
    -------
    dict of str to int
        Rows that were changed, by name of their file, which is their batch where files are; empty if all stand so
        already.

    Raises
    ------
    RepairError, tasks.quarantine.raw_rows' errors, tasks.land's errors
        Nothing has landed.
    """
    from tasks.land import take_in

    name = pipeline.name
    changes = changes_to_land(pipeline, file)
    sources = {}
    for each, (_, content) in changes.items():
        path = landed_by_name(name)[each].relative_to(RAW / name).as_posix()
        sources[path] = REPAIRS / name / path
        sources[path].parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(sources[path]) as temporary:
            temporary.write_bytes(content)
    if sources:
        note(name, [superseding(path, RAW / name / path, source, file) for path, source in sources.items()])
    take_in(name, sources, list(sources))
    shutil.rmtree(REPAIRS / name, ignore_errors=True)
    return {each: len(rows) for each, (rows, _) in changes.items()}


def changes_to_land(pipeline: Pipeline, file: Path) -> dict[str, tuple[Cells, bytes]]:
    """By name of a landed file, its rows that a file of repairs changes, and the file with them.

    Files that stand already as this file of repairs makes them are passed over: a killed repair is completed.
    """
    from tasks.land import take_in

    name = pipeline.name
    if not file.is_file():
        raise RepairError(f"{file}: no such file. `holdfast quarantine {name} --export FILE` writes one to correct.")
    mine = [entry for entry in superseded(name) if entry.repair == file_md5(file)]
    done = {name_of(entry.name) for entry in mine if file_md5(RAW / name / entry.name) == entry.by}
    if mine and len(done) == len({entry.name for entry in mine}):
        return {}
    if not mine:
        take_in(name, {})  # pins what a killed landing copied: lines are told of what is pinned
    wanted = {each: rows for each, rows in read_repairs(file, pipeline).items() if each not in done}
    return {each: found for each, found in changed_rows(pipeline, wanted, file).items() if found[0]}


def superseding(path: str, standing: Path, source: Path, file: Path) -> Superseded:
    """What is noted of a file that is repaired: until now `standing`, from now on `source`, by a file of repairs."""
    return Superseded(path, file_md5(standing) or "", "repaired", file_md5(source), file_md5(file))


def read_repairs(file: Path, pipeline: Pipeline) -> dict[str, dict[int, dict[str, str]]]:
    """The cells of each row to repair, by column, by line, by name of the landed file."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise RepairError(f"{file}: not CSV in UTF-8 ({error}). Export the rows anew and correct those.") from error
    needed = (BATCH, LINE) if pipeline.source.batch == "file" else (BATCH, FILE, LINE)
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise RepairError(f"{file}:1: no column {listed(missing)}; they say which row is corrected.")
    wanted: dict[str, dict[int, dict[str, str]]] = {}
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values() or not row[LINE].isascii() or not row[LINE].isdigit():
            raise RepairError(f"{file}: row {number} has other columns than the header, or no number in {LINE}.")
        cells = {name: value for name, value in row.items() if name not in {*OURS, FILE}}
        lines = wanted.setdefault(name_of_row(pipeline, row[BATCH], row.get(FILE, "")), {})
        if int(row[LINE]) in lines:
            raise RepairError(f"{file}: row {number} corrects line {row[LINE]} of {row[BATCH]!r} a second time.")
        if any(value for name, value in cells.items() if not name.startswith("_")):
            lines[int(row[LINE])] = cells
    return wanted


def changed_rows(
    pipeline: Pipeline, wanted: Mapping[str, Mapping[int, Mapping[str, str]]], file: Path
) -> dict[str, tuple[Cells, bytes]]:
    """Rows of each file that really change, and the file with them."""
    there, what = landed_by_name(pipeline.name), "batch" if pipeline.source.batch == "file" else "file"
    for name in wanted:
        if name not in there:
            raise RepairError(f"{file}: no {what} {name!r} has landed.")
    quarantined = lines_in_quarantine(pipeline)
    found = {}
    for name, cells in wanted.items():
        rows = rows_of_file(there[name], pipeline.source.dialect)
        require_quarantined(pipeline.name, name, cells, quarantined.get(name, set()), file)
        changes = changed_cells(rows, cells, name, file)
        found[name] = changes, rows.changed(dict(changes)) if changes else rows.content
    return found


def lines_in_quarantine(pipeline: Pipeline) -> dict[str, set[int]]:
    """Lines of refused rows, by name of the file: of the last run, and of one that `source.stop_above` ended.

    Raises
    ------
    NotYetReadError
        If other bytes have landed since both.
    """
    is_read = was_read(pipeline.name)
    ended = [stage for stage in STAGES if stopped_as_landed(pipeline.name, stage)]
    if not is_read and not ended:
        raise not_yet_read(pipeline.name)
    refused = refused_rows(pipeline) if is_read else []
    refused += [row for row in refused_rows(pipeline, stopped=True) if row.stage in ended] if ended else []
    found: dict[str, set[int]] = {}
    for row in refused:
        found.setdefault(name_of_row(pipeline, row.batch, row.file), set()).add(row.line)
    return found


def require_quarantined(
    pipeline: str, name: str, lines: Iterable[int], quarantined: Collection[int], file: Path
) -> None:
    """Refuse to repair a row that is not in quarantine."""
    for line in lines:
        if line not in quarantined:
            raise RepairError(
                f"{file}: line {line} of {name!r} is not in quarantine, and a repair changes nothing else. "
                f"`holdfast quarantine {pipeline} --export FILE` writes the rows that are."
            )


def changed_cells(rows: RawRows, wanted: Mapping[int, Mapping[str, str]], name: str, file: Path) -> Cells:
    """Rows of one file that really change, by line, with all of their cells.

    A column that stands twice in the header stays as it is: no cell says which of the two is meant.
    """
    names, changes = rows.layout.names, Cells()
    for line, cells in wanted.items():
        if missing := [column for column in names if column not in cells]:
            raise RepairError(f"{file}:1: no column {listed(missing)}; {listed(names)} of {name!r} are expected.")
        for column, cell in cells.items():
            if column not in names and cell and not column.startswith("_"):
                raise RepairError(
                    f"{file}: line {line} of {name!r} has {cell!r} in column {column!r}, which that file has not; "
                    f"{listed(names)} are expected."
                )
        standing = rows.layout.cells(rows.text(line))
        found = [
            cells[column] if names.count(column) == 1 else (standing or [""] * len(names))[place]
            for place, column in enumerate(names)
        ]
        if found != standing:
            changes[line] = found
    return changes
