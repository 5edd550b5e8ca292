"""The command that scores files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from configs.errors import HoldfastError
from flows.registry_cli import AsJson
from flows.tables import show, table_of

app = typer.Typer()
SHOWN = 5  # faults and columns, the most frequent first


@app.command()
def score(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="PIPELINE[@VERSION]", help="the champion, or one version")],
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="CSV, Parquet or JSON lines; a file or a folder")],
    out: Annotated[Path, typer.Option("--out", "-o", help="a file that ends in .parquet or .csv", show_default=False)],
    reasons: Annotated[int, typer.Option(help="features to name per row that moved its prediction most")] = 0,
    force: Annotated[bool, typer.Option("--force", help="score again what is there")] = False,
    as_json: AsJson = False,
) -> None:
    """Score rows with the champion: prediction, probability, decision; as many rows out as in."""
    from configs.load import check_pipeline
    from tasks.scoring.job import finished, plan_job

    pipeline, _, number = target.partition("@")
    here = context.obj or Path.cwd()
    declared = check_pipeline(pipeline)
    take_over(pipeline)
    planned = plan_job(declared, number or None, here / source, here / out, reasons)
    manifest = None if force else finished(planned)
    is_there = manifest is not None
    if manifest is None:
        options: dict[str, Any] = {"version": number or None, "reasons": reasons, "force": force}
        manifest = run_score_flow(pipeline, here / source, here / out, **options)
    if as_json:
        print(json.dumps({**manifest, "was_there": is_there}, indent=2, sort_keys=True))
        return
    show_counts(manifest)
    print(told(out, manifest, is_there))


def take_over(pipeline: str) -> None:
    """Take over what the git remote has; where it does not answer, the flow says so again and goes on."""
    from tasks import registry

    try:
        registry.sync(pipeline)
    except HoldfastError as error:
        print(f"holdfast: {error} Going on with the champion that this clone knows.", file=sys.stderr)


def run_score_flow(pipeline: str, source: Path, out: Path, **options: Any) -> dict[str, Any]:
    """Import Prefect and run the flow, while a server may start."""
    from flows.server import prefect_server
    from tasks.stage import uncollected

    with prefect_server():
        with uncollected():
            from flows.score import run

        return run(pipeline, source, out, **options)


def show_counts(manifest: dict[str, Any]) -> None:
    """What was decided, by whom, and what could not be scored."""
    counts = manifest["counts"]
    rows = [("decision", *each) for each in most_frequent(counts["decisions"])]
    rows += [("decided by", *each) for each in most_frequent(counts["decided_by"])]
    rows += [("unfamiliar in", *each) for each in most_frequent(counts["unfamiliar"]["columns"])]
    rows += [("fault", *each) for each in most_frequent(counts["faults"])]
    show(table_of(("", "", "rows"), rows))


def most_frequent(counts: dict[str, int]) -> list[tuple[str, str]]:
    """The most frequent entries, and how many rows the others have together."""
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    rest = sum(rows for _, rows in ordered[SHOWN:])
    shown = [(name, f"{rows:,}") for name, rows in ordered[:SHOWN]]
    return [*shown, (f"{len(ordered) - SHOWN} others", f"{rest:,}")] if rest else shown


def told(out: Path, manifest: dict[str, Any], is_there: bool) -> str:
    """The last line."""
    rows, model = manifest["output"]["rows"], manifest["model"]
    by = model["name"] if model["version"] else f"{model['name']}, the workspace's last bundle: no version is champion"
    if is_there:
        return f"{out}: is there already, {rows:,} rows by {by}. Nothing to do; --force scores them again."
    return f"{out}: {rows:,} rows by {by}"
