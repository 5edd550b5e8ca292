"""Repairs: corrected rows take the place of quarantined ones, and the batch lands anew with all its other bytes.

`export_rows` writes quarantined rows as CSV, each with the name that it goes by (`_batch`, `_line`; `_file` where a
batch has rows of several files), the reason, and its cells; a person corrects them, and `repair` lands the result. Only
rows in quarantine can be repaired.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from configs.errors import DataError
from configs.wording import listed
from tasks.atomic import atomic_file, write_text
from tasks.batch import RAW, landed_by_name
from tasks.quarantine.raw_rows import RawRows, name_of_row, rows_of_files
from tasks.quarantine.summary import refused_rows
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


def export_rows(pipeline: Pipeline, refused: Sequence[Refused], path: Path) -> None:
    """Write quarantined rows to a CSV file to be corrected; it holds raw rows, private columns included.

    A row that does not part into the header's columns has its text under `_raw` and empty cells.
    """
    files = [name_of_row(pipeline, row.batch, row.file) for row in refused]
    rows = rows_of_files(pipeline, dict.fromkeys(files))
    headers = {tuple(each.layout.names) for each in rows.values()}
    if len({frozenset(names) for names in headers}) > 1:
        raise RepairError("the batches have different columns; export one at a time with `--batch`.")
    names = next(iter(headers), ())
    text = io.StringIO()
    ours = OURS if pipeline.source.batch == "file" else (BATCH, FILE, *OURS[1:])
    writer = csv.DictWriter(text, [*ours, *names], restval="", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(exported(row, rows[file]) for row, file in zip(refused, files, strict=True))
    write_text(path, text.getvalue())


def exported(row: Refused, rows: RawRows) -> dict[str, str]:
    """One quarantined row as it is exported."""
    found = rows.text(row.line)
    cells = rows.layout.cells(found)
    name = {BATCH: row.batch, FILE: row.file, LINE: str(row.line), REASON: row.reason, DETAIL: row.detail}
    return {**name, **(dict(zip(rows.layout.names, cells, strict=True)) if cells else {RAW_TEXT: found})}


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
    if landed_before(name, file):
        return {}
    there = landed_by_name(name)
    wanted = read_repairs(file, pipeline)
    changes = changed_rows(pipeline, wanted, file)
    changed = {each: rows for each, (rows, _) in changes.items() if rows}
    sources = {}
    for each in changed:
        path = there[each].relative_to(RAW / name).as_posix()
        sources[path] = REPAIRS / name / path
        sources[path].parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(sources[path]) as temporary:
            temporary.write_bytes(changes[each][1])
    note(name, [superseding(path, RAW / name / path, source, file) for path, source in sources.items()])
    if sources:
        take_in(name, sources, list(sources))
    for source in sources.values():
        source.unlink()
    return {each: len(rows) for each, rows in changed.items()}


def superseding(path: str, standing: Path, source: Path, file: Path) -> Superseded:
    """What is noted of a file that is repaired: until now `standing`, from now on `source`, by a file of repairs."""
    return Superseded(path, file_md5(standing) or "", "repaired", file_md5(source), file_md5(file))


def landed_before(pipeline: str, file: Path) -> bool:
    """Whether the batches are what this very file made of them."""
    if not file.is_file():
        raise RepairError(
            f"{file}: no such file. `holdfast quarantine {pipeline} --export FILE` writes one to correct."
        )
    mine = [entry for entry in superseded(pipeline) if entry.repair == file_md5(file)]
    return bool(mine) and all(file_md5(RAW / pipeline / entry.name) == entry.by for entry in mine)


def read_repairs(file: Path, pipeline: Pipeline) -> dict[str, dict[int, dict[str, str]]]:
    """The cells of each row to repair, by column, by line, by name of the landed file."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, restkey="", restval=None)
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise RepairError(f"{file}: not CSV in UTF-8 ({error}). Export the rows anew and correct those.") from error
    needed = (BATCH, LINE) if pipeline.source.batch == "file" else (BATCH, FILE, LINE)
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise RepairError(f"{file}:1: no column {listed(missing)}; they say which row is corrected.")
    wanted: dict[str, dict[int, dict[str, str]]] = {}
    for number, row in enumerate(rows, start=1):
        if "" in row or None in row.values() or not row[LINE].isascii() or not row[LINE].isdigit():
            raise RepairError(f"{file}: row {number} has other columns than the header, or no number in {LINE}.")
        cells = {name: value for name, value in row.items() if not name.startswith("_")}
        lines = wanted.setdefault(name_of_row(pipeline, row[BATCH], row.get(FILE, "")), {})
        if int(row[LINE]) in lines:
            raise RepairError(f"{file}: row {number} corrects line {row[LINE]} of {row[BATCH]!r} a second time.")
        if any(cells.values()):
            lines[int(row[LINE])] = cells
    return wanted


def changed_rows(
    pipeline: Pipeline, wanted: Mapping[str, Mapping[int, Mapping[str, str]]], file: Path
) -> dict[str, tuple[Cells, bytes]]:
    """Rows of each file that really change, and the file with them."""
    there = landed_by_name(pipeline.name)
    for name in wanted:
        if name not in there:
            raise RepairError(f"{file}: no batch {name!r} has landed.")
    quarantined: dict[str, set[int]] = {}
    for row in refused_rows(pipeline):
        quarantined.setdefault(name_of_row(pipeline, row.batch, row.file), set()).add(row.line)
    rows = rows_of_files(pipeline, wanted)
    return {
        name: changed_file(pipeline, name, rows[name], cells, quarantined.get(name, set()), file)
        for name, cells in wanted.items()
    }


def changed_file(  # noqa: PLR0913, PLR0917 - what is there, what is wanted, and where each is said
    pipeline: Pipeline,
    name: str,
    rows: RawRows,
    wanted: Mapping[int, Mapping[str, str]],
    quarantined: Collection[int],
    file: Path,
) -> tuple[Cells, bytes]:
    """Rows of one file that really change, and the file with them."""
    names = rows.layout.names
    changes: Cells = {}
    for line, cells in wanted.items():
        if line not in quarantined:
            raise RepairError(
                f"{file}: line {line} of {name!r} is not in quarantine, and a repair changes nothing else. "
                f"`holdfast quarantine {pipeline.name} --export FILE` writes the rows that are."
            )
        if cells.keys() != {*names}:
            raise RepairError(f"{file}:1: has the columns {listed(cells)}; {listed(names)} are expected.")
        found = [cells[column] for column in names]
        if found != rows.layout.cells(rows.text(line)):
            changes[line] = found
    return changes, rows.changed(dict(changes))
