"""The commands about refused and about erased rows; they import no pandas."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.registry_cli import AsJson, Pipeline
from flows.tables import show, table_of

if TYPE_CHECKING:
    from tasks.refused_rows import Refused

app = typer.Typer()
SHOWN_TEXT = 80


@app.command()
def quarantine(  # noqa: PLR0913, PLR0917 - one word each of what a user may ask for
    pipeline: Pipeline,
    batch: Annotated[str | None, typer.Option(help="only this batch")] = None,
    reason: Annotated[str | None, typer.Option(help="only this reason")] = None,
    rows: Annotated[int, typer.Option(min=0, help="also show so many rows")] = 0,
    stopped: Annotated[bool, typer.Option("--stopped", help="of the last run that source.stop_above ended")] = False,
    export: Annotated[Path | None, typer.Option(help="write the rows to a CSV file, to correct and land them")] = None,
    as_json: AsJson = False,
) -> None:
    """Say which rows were refused and why: by stage, reason, column and batch; private values are hidden."""
    from configs.load import check_pipeline
    from tasks.refused_rows import grouped, refused_rows, told_batches

    declared = check_pipeline(pipeline)
    found = refused_rows(declared, batch, reason, stopped=stopped)
    if export is not None:
        from tasks.repair import export_rows

        export_rows(declared, found, export)
        print(f"{export}: {len(found):,} rows written. Correct them, then `holdfast land {pipeline} --repair {export}`")
        return
    groups = grouped(found)
    if as_json:
        listed = [asdict(row) for row in found[:rows]]
        print(json.dumps({"rows": len(found), "groups": [group.as_json() for group in groups], "shown": listed}))
        return
    columns = ("stage", "reason", "column", "rows", "batches", "first", "its text")
    table = [
        (group.stage, group.reason, group.column or "", f"{group.rows:,}", told_batches(group), *example(group.example))
        for group in groups
    ]
    show(table_of(columns, table))
    if rows:
        shown = [(place(row), row.reason, row.column or "", cut(row.detail), cut(row.raw)) for row in found[:rows]]
        show(table_of(("row", "reason", "column", "why", "its text"), shown))
    print(f"{pipeline}: {len(found):,} rows in quarantine")


def example(row: Refused | None) -> tuple[str, str]:
    """Where a row stands, and its text."""
    return ("", "") if row is None else (place(row), cut(row.raw))


def place(row: Refused) -> str:
    """The file and the line of it that a row begins on."""
    return f"{row.file}:{row.line}"


def cut(text: str) -> str:
    """A text on one line, cut where it is long."""
    from configs.wording import short

    return short(text, SHOWN_TEXT)


def land_repairs(pipeline: str, file: Path) -> None:
    """Land corrected rows, and say of which batches."""
    from configs.load import check_pipeline
    from tasks.repair import repair

    changed = repair(check_pipeline(pipeline), file)
    told = ", ".join(f"{batch}: {rows:,}" for batch, rows in changed.items())
    print(f"{pipeline}: {sum(changed.values()):,} rows repaired" + (f" ({told})" if told else ", all stand so already"))
