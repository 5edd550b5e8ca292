"""The `holdfast` command. Each command imports what it needs when it is called: `--help` waits for no library."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from configs.errors import ConfigError, HoldfastError

if TYPE_CHECKING:
    from rich.table import Table

    from tasks.ledger import StageOutcome

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="One YAML in, a pinned model out."
)
Pipeline = Annotated[str, typer.Argument(help="a pipeline of params.yaml", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for scripts")]


@app.command()
def check(
    pipeline: Annotated[str | None, typer.Argument(help="all pipelines of params.yaml when absent")] = None,
) -> None:
    """Validate what configs/<pipeline>.yaml declares; nothing runs."""
    from configs.load import check_pipeline, pipeline_names
    from tasks.sql import check_declared

    for name in [pipeline] if pipeline else pipeline_names():
        check_declared(check_pipeline(name))
        print(f"configs/{name}.yaml: valid")


@app.command()
def land(
    pipeline: Pipeline,
    replace: Annotated[list[str] | None, typer.Option(help="a landed file that the source has corrected")] = None,
) -> None:
    """Take new batches from the source, immutably, and pin them."""
    from configs.load import check_pipeline
    from tasks.land import land as land_batches

    batches = land_batches(check_pipeline(pipeline), replace=replace or ())
    print(f"{pipeline}: {len(batches)} new batches landed" + (f": {', '.join(batches)}" if batches else ""))


@app.command()
def plan(pipeline: Pipeline, as_json: AsJson = False) -> None:
    """Say which stages would run and why; nothing runs."""
    from dataclasses import asdict

    from configs.load import check_pipeline
    from tasks.ledger import plan_stages

    check_pipeline(pipeline)
    plans = plan_stages(pipeline)
    if as_json:
        print(json.dumps([{**asdict(stage), "verdict": stage.verdict} for stage in plans], indent=2))
        return
    rows = []
    for stage in plans:
        reasons = [f"{reason.kind}: {reason.what}" for reason in stage.reasons]
        waits = [f"if {', '.join(stage.after)} changes what it reads"] if stage.verdict == "may run" else []
        rows.append((stage.stage, stage.verdict, "\n".join(reasons + waits)))
    show(table_of(("stage", "verdict", "why"), rows))


@app.command()
def run(pipeline: Pipeline, as_json: AsJson = False) -> None:
    """Bring the model up to date: a Prefect flow over the stages that are stale."""
    from configs.load import check_pipeline
    from tasks.ledger import StageOutcome, has_never_run, stale_stages
    from tasks.stage import STAGES
    from tasks.worker import stage_workers

    check_pipeline(pipeline)
    with contextlib.ExitStack() as early:
        if has_never_run(pipeline):  # so all stages are stale: their workers need not wait for DVC to say so
            early.enter_context(stage_workers(STAGES))
        stale = stale_stages(pipeline)
        outcomes = run_train_flow(pipeline, stale) if stale else [StageOutcome(stage) for stage in STAGES]
    if as_json:
        print(json.dumps({outcome.stage: [outcome.outcome, round(outcome.seconds, 3)] for outcome in outcomes}))
    else:
        show_outcomes(pipeline, outcomes)


def run_train_flow(pipeline: str, stale: list[str]) -> list[StageOutcome]:
    """Import Prefect and run the flow, while the stages' workers import theirs and a server may start."""
    from flows.server import prefect_server
    from tasks.sql import check_named
    from tasks.worker import stage_workers

    with stage_workers(stale) as workers, prefect_server():
        from flows.train import run

        workers.call(check_named, pipeline)
        return run(pipeline)


@app.command()
def doctor() -> None:
    """Say whether this machine is fit to run, and what is missing."""
    from tasks.doctor import examine

    findings = examine()
    show(table_of(("", "what", "found"), [("ok" if f.fit else "NOT OK", f.what, f.found) for f in findings]))
    if not all(finding.fit for finding in findings):
        raise typer.Exit(4)


def show_outcomes(pipeline: str, outcomes: list[StageOutcome]) -> None:
    """The table that a run ends with, the scores beside the baselines, the sum of the rows, and the report's path."""
    from tasks.scores import account_of_rows, read_metrics, score_table

    rows = [(o.stage, o.outcome, f"{o.seconds:.1f}" if o.seconds else "") for o in outcomes]
    show(table_of(("stage", "outcome", "seconds"), rows))
    scores = score_table(pipeline)
    metric = read_metrics(pipeline, "evaluate")["metric"]
    show(table_of((metric, "over folds", "holdout"), [tuple(row.values()) for row in scores]))
    print(account_of_rows(pipeline))
    if all(outcome.outcome == "unchanged" for outcome in outcomes):
        print("Nothing was stale.")
    print(f"Report: reports/{pipeline}/index.html")


def table_of(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    """A plain table; what the user wrote is shown as it is, never as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=box.SIMPLE, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def show(table: Table) -> None:
    """Print a table, as wide as it needs where nobody looks through a terminal."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 160).print(table)


def project_root(start: Path) -> Path:
    """The nearest folder at or above `start` that has dvc.yaml and params.yaml.

    Raises
    ------
    ConfigError
        If there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            return folder
    raise ConfigError(f"{start}: no dvc.yaml and params.yaml here or above. Go to a clone of the project.")


def enter_project() -> None:
    """Work in the project's root, with the code of that clone: a code hash would lie if another clone's code ran."""
    root = project_root(Path.cwd())
    os.chdir(root)
    if not Path(__file__).resolve().is_relative_to(root.resolve()):
        os.execv(sys.executable, [sys.executable, "-m", "flows.cli", *sys.argv[1:]])


def end_on_sigterm(_signal: int, _frame: Any) -> NoReturn:
    """End with the status of a process that SIGTERM ended, releasing locks on the way out."""
    sys.exit(143)


def main() -> None:
    """Run the command; end with 0, the error's exit code (docs/exit-codes.md), 130 (Ctrl-C) or 143 (SIGTERM)."""
    signal.signal(signal.SIGTERM, end_on_sigterm)
    try:
        if "--help" not in sys.argv:
            enter_project()
        app()
    except HoldfastError as error:
        print(f"holdfast: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:  # a full disk, a missing permission: what and where, no traceback
        print(f"holdfast: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
