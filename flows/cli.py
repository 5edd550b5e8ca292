"""The `holdfast` command. Each command imports what it needs when it is called: `--help` waits for no library."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from configs.errors import ConfigError, HoldfastError
from flows import (
    deploy_cli,
    drift_cli,
    init_cli,
    monitor_cli,
    quarantine_cli,
    registry_cli,
    replay_cli,
    schema_cli,
    score_cli,
)
from flows.registry_cli import AsJson, Pipeline, Reason
from flows.tables import show, table_of

if TYPE_CHECKING:
    from tasks.ledger import StageOutcome
    from tasks.retrain.decisions import Decision
    from tasks.retrain.worktree import Worktree

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="One YAML in, a pinned model out."
)


@app.command()
def check(
    pipeline: Annotated[str | None, typer.Argument(help="all pipelines of params.yaml when absent")] = None,
) -> None:
    """Validate what configs/<pipeline>.yaml declares; nothing runs."""
    from configs.load import check_pipeline, pipeline_names
    from tasks.scoring.overrides import check_overrides
    from tasks.sql import check_declared
    from tasks.validation.declared import check_expectations

    for name in [pipeline] if pipeline else pipeline_names():
        declared = check_pipeline(name)
        check_declared(declared)
        check_overrides(declared)
        check_expectations(declared)
        print(f"configs/{name}.yaml: valid")


@app.command()
def land(
    pipeline: Pipeline,
    replace: Annotated[list[str] | None, typer.Option(help="a landed file that the source has corrected")] = None,
    repair: Annotated[Path | None, typer.Option(help="corrected rows, as `quarantine --export` writes them")] = None,
) -> None:
    """Take new batches from the source, immutably, and pin them; or corrected rows, with --repair."""
    from configs.load import check_pipeline
    from flows.secret_texts import read_secret
    from tasks.land import land as land_batches

    if repair is not None:
        quarantine_cli.land_repairs(pipeline, repair)
        return

    declared = check_pipeline(pipeline)
    landed = land_batches(declared, replace or (), read_secret)
    what = "batches" if declared.source.batch == "file" else "files"
    print(f"{pipeline}: {len(landed)} new {what} landed" + (f": {', '.join(landed)}" if landed else ""))


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
    from tasks.stage import uncollected
    from tasks.validation.declared import check_sql_named
    from tasks.worker import stage_workers

    with stage_workers(stale) as workers, prefect_server():
        with uncollected():
            from flows.train import run

        workers.call(check_named, pipeline)
        workers.call(check_sql_named, pipeline)
        return run(pipeline)


@app.command()
def retrain(
    pipeline: Pipeline,
    reason: Reason,
    replace: Annotated[list[str] | None, typer.Option(help="a landed file that the source has corrected")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="where a person has the last word, wait for it in Prefect")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a challenger from all data there are, hold it against the champion, and let it in if it earned that."""
    from configs.load import check_pipeline
    from flows.secret_texts import read_secret
    from tasks import registry
    from tasks.retrain import settled
    from tasks.retrain.decisions import require_reason
    from tasks.retrain.worktree import bring_pinned, worktree

    check_pipeline(pipeline)
    require_reason(reason)
    registry.sync(pipeline)
    with worktree(pipeline) as tree:
        bring_pinned(tree)
        decision = settled(tree, replace or (), read_secret)
        if decision is None:
            decision = run_retrain_flow(tree, reason, replace=replace or (), wait=wait)
    show_decision(decision, as_json)


def run_retrain_flow(tree: Worktree, reason: str, **options: Any) -> Decision:
    """Import Prefect and run the flow, in the worktree that is open, while the stages' workers import theirs."""
    from flows.server import prefect_server
    from tasks.retrain import stale_stages
    from tasks.retrain.worktree import code_of
    from tasks.stage import uncollected
    from tasks.worker import stage_workers

    with code_of(tree.folder), stage_workers(stale_stages(tree)), prefect_server():
        with uncollected():
            from flows.retrain import run

        return run(tree.pipeline, reason, **options)


def show_decision(decision: Decision, as_json: bool) -> None:
    """The gate's table, the version and what became of it."""
    if as_json:
        facts = {"version": str(decision.version.number), "outcome": decision.outcome, "reason": decision.reason}
        print(json.dumps({**facts, "verdict": decision.verdict}, indent=2, default=str))
        return
    columns = ("name", "outcome", "reason", "allowed")
    show(table_of(columns, [tuple(str(check[name]) for name in columns) for check in decision.verdict["checks"]]))
    print(f"{decision.version.name}: {decision.reason}")


@app.command()
def doctor() -> None:
    """Say whether this machine is fit to run, and what is missing."""
    from tasks.doctor import examine

    findings = examine()
    show(table_of(("", "what", "found"), [("ok" if f.fit else "NOT OK", f.what, f.found) for f in findings]))
    if not all(finding.fit for finding in findings):
        raise typer.Exit(4)


app.registered_commands += registry_cli.app.registered_commands
app.registered_commands += monitor_cli.app.registered_commands
app.registered_commands += deploy_cli.app.registered_commands
app.registered_commands += schema_cli.app.registered_commands
app.registered_commands += quarantine_cli.app.registered_commands
app.registered_commands += init_cli.app.registered_commands
app.registered_commands += drift_cli.app.registered_commands
app.registered_commands += replay_cli.app.registered_commands
app.registered_commands += score_cli.app.registered_commands


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
        if not Path("flows/cli.py").is_file():
            raise ConfigError(
                f"{root}: has a dvc.yaml and no flows/cli.py, so it is no clone of Holdfast. Work in one."
            )
        os.execv(sys.executable, [sys.executable, "-m", "flows.cli", *sys.argv[1:]])


def end_on_sigterm(_signal: int, _frame: Any) -> NoReturn:
    """End with the status of a process that SIGTERM ended, releasing locks on the way out."""
    sys.exit(143)


def status_of_command() -> int:
    """Run the command; return 0, or the error's exit code after its text was printed."""
    try:
        called_from = Path.cwd()
        if "--help" not in sys.argv:
            enter_project()
        app(obj=called_from)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except HoldfastError as error:
        print(f"holdfast: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # a full disk, a missing permission: what and where, no traceback
        print(f"holdfast: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        return 1
    return 0


def main() -> None:
    """Run the command; end with 0, the error's exit code (docs/exit-codes.md), 130 (Ctrl-C) or 143 (SIGTERM)."""
    signal.signal(signal.SIGTERM, end_on_sigterm)
    code = status_of_command()
    if "prefect" in sys.modules:  # half a second to take apart, at the end of a run
        from tasks.worker import leave

        leave(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
