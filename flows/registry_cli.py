"""The commands about registered versions: they import neither DVC nor pandas unless something must be fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.tables import show, table_of

app = typer.Typer()
Pipeline = Annotated[str, typer.Argument(help="a pipeline of params.yaml", show_default=False)]
Number = Annotated[str, typer.Argument(help="a version, such as v1.2.0", show_default=False)]
Named = Annotated[str, typer.Argument(help="a version, such as flights@v1.2.0", show_default=False)]
Reason = Annotated[str, typer.Option(help="why; the ledger keeps it", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for scripts")]


@app.command()
def promote(
    pipeline: Pipeline,
    version: Number,
    reason: Reason,
    override: Annotated[bool, typer.Option("--override", help="also a version that the gate refused")] = False,
) -> None:
    """Make a version the champion."""
    from tasks import registry
    from tasks.retrain import decisions

    require_known(pipeline)
    registry.sync(pipeline)
    chosen = registry.find_version(pipeline, version)
    try:
        promotion = decisions.promote(chosen, reason, override)
    except registry.AlreadyChampionError as error:
        print(f"{error} Nothing to do.")
        return
    print(f"{promotion.version.name} is the champion, by {promotion.by} ({pipeline}#champion#{promotion.number})")


@app.command()
def rollback(pipeline: Pipeline, reason: Reason) -> None:
    """Make the version champion again that was champion before; nothing is trained."""
    from tasks.retrain import decisions

    require_known(pipeline)
    promotion = decisions.rollback(pipeline, reason)
    print(f"{promotion.version.name} is the champion again, by {promotion.by} ({pipeline}#champion#{promotion.number})")


@app.command()
def history(pipeline: Pipeline, as_json: AsJson = False) -> None:
    """Say who was champion when, by whom and why, and what became of each version."""
    from tasks.registry.history import history as facts_of

    require_known(pipeline)
    facts = facts_of(pipeline)
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    now = [(r["version"], r["since"], r["until"] or "now", r["kind"], r["by"], r["reason"]) for r in facts["champions"]]
    show(table_of(("champion", "from", "until", "by a", "of", "because"), now))
    made = [(v["version"], v["at"], v["trigger"], v["reason"], v["verdict"] or v["outcome"]) for v in facts["versions"]]
    show(table_of(("version", "registered", "trigger", "because", "verdict"), made))


@app.command()
def verify(
    target: Annotated[str, typer.Argument(help="a pipeline, or a version such as flights@v1.2.0", show_default=False)],
    rebuild: Annotated[bool, typer.Option("--rebuild", help="make the version again and compare its bytes")] = False,
    as_json: AsJson = False,
) -> None:
    """Check every hash from tag to file; end with 3 where one is not as it was written."""
    from dataclasses import asdict

    from tasks import registry
    from tasks.verify import erasures
    from tasks.verify import rebuild as make_again
    from tasks.verify import verify as check

    pipeline, _, number = target.partition("@")
    require_known(pipeline)
    known = registry.versions(pipeline)
    version = registry.find_version(pipeline, number or "v1.0.0") if number or not known else None
    findings: list[Any] = list(check(pipeline, version))
    if rebuild:
        findings += make_again(version or registry.champion(pipeline) or known[-1])
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2, default=str))
    for finding in [] if as_json else findings:
        print(finding)
    for erasure in [] if as_json else erasures(pipeline):
        print(f"{pipeline}: {erasure}")
    if findings:
        raise typer.Exit(3)
    if not as_json:
        print(f"{target}: every hash is as it was written" + (", and the rebuild gave the same bytes" * rebuild))


@app.command()
def checkout(
    version: Named,
    into: Annotated[Path, typer.Option(help="a new or empty folder", show_default=False)],
) -> None:
    """Write a version's bundle, record, model card and reports to a folder, each byte checked."""
    from tasks import registry
    from tasks.version.champion import checkout as write

    pipeline, _, number = version.partition("@")
    require_known(pipeline)
    found = registry.find_version(pipeline, number)
    write(found, into)
    print(f"{found.name}: written to {into}")


def require_known(pipeline: str) -> None:
    """Refuse a name that has no ledger and stands in no params.yaml, naming the nearest; cheap where there is one."""
    from tasks import registry
    from tasks.registry import git

    git.require_whole_clone()
    if registry.tip(pipeline) is None:
        from configs.load import check_pipeline

        check_pipeline(pipeline)
