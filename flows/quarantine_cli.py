"""The commands about refused and about erased rows; they import no pandas."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.registry_cli import AsJson, Pipeline, Reason
from flows.tables import show, table_of

if TYPE_CHECKING:
    from tasks.erasure import Plan
    from tasks.quarantine.summary import Refused

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
    from tasks.quarantine.summary import grouped, refused_rows, told_batches

    declared = check_pipeline(pipeline)
    found = refused_rows(declared, batch, reason, stopped=stopped)
    if export is not None:
        from tasks.quarantine.repair import export_rows

        left = export_rows(declared, found, export, stopped=stopped)
        for name, (count, why) in left.items():
            print(f"{count:,} rows of {name!r} left out: {why}")
        written = len(found) - sum(count for count, _ in left.values())
        print(f"{export}: {written:,} rows written. Correct them, then `holdfast land {pipeline} --repair {export}`")
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
    from tasks.quarantine.repair import repair

    changed = repair(check_pipeline(pipeline), file)
    told = ", ".join(f"{batch}: {rows:,}" for batch, rows in changed.items())
    print(f"{pipeline}: {sum(changed.values()):,} rows repaired" + (f" ({told})" if told else ", all stand so already"))


@app.command()
def erase(  # noqa: PLR0913, PLR0917 - one word each of what a user may ask for
    pipeline: Pipeline,
    batch: Annotated[str | None, typer.Option(help="the batch whose rows are to go")] = None,
    rows: Annotated[str | None, typer.Option(help="only rows that begin on these lines, such as 3,7-9")] = None,
    where: Annotated[str | None, typer.Option(help="only rows with this cell, as COLUMN=VALUE")] = None,
    bundles: Annotated[bool, typer.Option("--bundles", help="golden batches and samples of versions too")] = False,
    reason: Reason = "asked for",
    yes: Annotated[bool, typer.Option("--yes", help="do it; without this, only say what would be done")] = False,
) -> None:
    """Remove rows for good: data, cache, store, local remote; say which versions were made of them."""
    from configs.load import check_pipeline
    from tasks.erasure import erase as carry_out
    from tasks.erasure import finish, pending, plan_erasure

    declared = check_pipeline(pipeline)
    begun = pending(pipeline)
    if begun is not None:
        print(f"{pipeline}: an erasure was begun and not finished; it is finished first")
        if yes:
            finish(pipeline)
        tell_plan(begun, yes)
        return
    plan = plan_erasure(declared, batch, lines=lines_of(rows), where=cell_of(where), bundles=bundles)
    if yes:
        carry_out(plan, reason)
    tell_plan(plan, yes)


def lines_of(text: str | None) -> set[int]:
    """Line numbers as a user writes them.

    >>> sorted(lines_of("3,7-9"))
    [3, 7, 8, 9]
    """
    found: set[int] = set()
    for part in (text or "").split(",") if text else ():
        first, _, last = part.strip().partition("-")
        if not (first.isdigit() and (last.isdigit() or not last)) or int(last or first) - int(first) > 10**7:
            raise typer.BadParameter(f"found {part!r}, expected lines such as 3,7-9", param_hint="--rows")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def cell_of(text: str | None) -> tuple[str, str] | None:
    """Column and value as a user writes them."""
    if text is None:
        return None
    column, separator, value = text.partition("=")
    if not separator:
        raise typer.BadParameter("expected COLUMN=VALUE", param_hint="--where")
    return column, value


def tell_plan(plan: Plan, done: bool) -> None:
    """What goes, what stays, and what only others can remove."""
    for file, md5 in plan.left.items():
        what = f"{len(plan.rows[file])} rows" if md5 else "the whole file"
        print(f"data/raw/{plan.pipeline}/{file}: {what}")
    for source in plan.sources:
        print(f"{source}: the same")
    print(f"DVC's cache and local remote: {len(plan.objects)} objects, {len(plan.run_cache)} entries of the run cache")
    print(
        "data, models, plots and reports of the working tree, and the per-batch store: removed whole, to be made again"
    )
    for version in plan.versions:
        kept = "" if plan.bundles else ", and its golden batch or sample may hold some (--bundles removes them)"
        print(f"{version}: was made of them, stays trained on them{kept}; its data can no longer be rebuilt")
    if plan.remote:
        print(f"{plan.remote}: not touched; remove these objects there:")
        for md5 in plan.objects:
            print(f"  {plan.remote}/files/md5/{md5[:2]}/{md5[2:]}")
    told = "Erased." if done else "Nothing was done; add --yes."
    print(f"{told} Commit data/raw/{plan.pipeline}.dvc and data/raw/{plan.pipeline}.superseded.json afterwards.")
