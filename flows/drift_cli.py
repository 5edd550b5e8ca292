"""The command about drift: a batch against the champion's profile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from configs.errors import ConfigError, HoldfastError
from flows.registry_cli import AsJson, Pipeline
from flows.tables import show, table_of

if TYPE_CHECKING:
    from rich.table import Table

    from tasks.drift.document import FindingPart, Verdict

app = typer.Typer()
MATERIAL, BROKEN_FEED = 1, 5  # docs/exit-codes.md
SHOWN = 12  # columns in the table
WIDEST = 18  # characters of a name in it
BEYOND = "beyond"  # stands for a multiple of a distance of which none is expected


@app.command()
def drift(  # noqa: PLR0913, PLR0917 - one word each of what a user may ask for
    context: typer.Context,
    pipeline: Pipeline,
    batch: Annotated[str, typer.Option(help="a landed batch, such as 2013-07", show_default=False)],
    as_json: AsJson = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="end with 1 on material drift, with 5 on a broken feed")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="a folder for what is written; in reports/ when absent")] = None,
) -> None:
    """Say whether a batch has drifted, whether that matters to the champion, and whether feed or world is to blame."""
    from configs.load import check_pipeline
    from tasks.drift.outputs import write_outputs
    from tasks.drift.verdict import judge_batch

    with own_code_of_errors(exit_code):
        judged = judge_batch(check_pipeline(pipeline), batch, as_of=datetime.now(UTC))
    into = None if out is None else (context.obj or Path.cwd()) / out
    folder = write_outputs(judged.verdict, judged.cells, into)
    if as_json:
        print(json.dumps(judged.verdict.as_json(), indent=2))
    else:
        tell(judged.verdict)
        print(f"More: {folder}/index.html")
    if exit_code:
        raise typer.Exit(code_of(judged.verdict))


@contextmanager
def own_code_of_errors(exit_code: bool) -> Iterator[None]:
    """Keep 1 for the verdict where the verdict is the exit code: an error that would end with it ends with 2."""
    try:
        yield
    except HoldfastError as error:
        if exit_code and error.exit_code == MATERIAL:
            error.exit_code = ConfigError.exit_code
        raise


def code_of(verdict: Verdict) -> int:
    """What `--exit-code` ends with: a broken feed goes before material drift, since nobody should retrain on it."""
    if verdict.cause == "broken_feed":
        return BROKEN_FEED
    return MATERIAL if verdict.material else 0


def tell(verdict: Verdict) -> None:
    """Print a verdict: one line per column, the most material first, then what it comes to."""
    columns = len(strongest(verdict))
    if columns:
        show(table(verdict))
    if any(BEYOND in row_of(finding) for finding in strongest(verdict)[:SHOWN]):
        print(f"{BEYOND}: the reference's batches let no such distance be expected, so it has no scale")
    if columns > SHOWN:
        print(f"and {columns - SHOWN} more columns, none of which moves the model more")
    for cause in verdict.causes:
        named = f" ({', '.join(cause.columns)})" if cause.columns else ""
        since = f" since {cause.time}" if cause.time else ""
        print(f"{cause.kind.replace('_', ' ')}{named}{since}: {cause.evidence}")
    for note in (verdict.budget.sentence, verdict.widened, *verdict.notes):
        if note:
            print(f"  {note}")
    print(f"{verdict.pipeline} {verdict.batch} against {verdict.champion}: {verdict.sentence}")


def table(verdict: Verdict) -> Table:
    """One line per column: its strongest finding. It fits 80 columns."""
    header = ("column", "test", "found", "limit", "effect", "moves", "")
    return table_of(header, [row_of(finding) for finding in strongest(verdict)[:SHOWN]])


def strongest(verdict: Verdict) -> list[FindingPart]:
    """The first finding of each column, in the order of the verdict: the most material first."""
    found: dict[str, FindingPart] = {}
    for finding in verdict.findings:
        found.setdefault(finding.column, finding)
    return list(found.values())


def row_of(finding: FindingPart) -> tuple[str, ...]:
    """One line of the table."""
    multiples = [BEYOND if each is None else figure(each) for each in (finding.statistic, finding.threshold)]
    numbers = (finding.effect, finding.moved)
    name, test = short(finding.column), finding.test.replace("_", " ")
    return (name, test, *multiples, *map(figure, numbers), "alarm" if finding.alarmed else "")


def short(name: str) -> str:
    """A name that leaves room for the rest of a line.

    >>> short("minutes_since_last_maintenance")
    'minutes_s…ntenance'
    """
    half = WIDEST // 2
    return name if len(name) <= WIDEST else f"{name[:half]}…{name[-(WIDEST - half - 1) :]}"


def figure(value: float | None) -> str:
    """A number in at most seven characters.

    >>> figure(0.012345), figure(1234567.0), figure(None)
    ('0.0123', '1.2e+06', '-')
    """
    if value is None:
        return "-"
    return f"{value:.3g}" if abs(value) < 1e5 else f"{value:.1e}"
