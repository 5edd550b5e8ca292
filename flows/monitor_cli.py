"""The command that watches a champion."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from flows.registry_cli import AsJson, Pipeline
from flows.tables import show, table_of

app = typer.Typer()


@app.command()
def monitor(
    pipeline: Pipeline,
    retrain: Annotated[bool, typer.Option(help="retrain here if that is decided and no deployment does it")] = True,
    as_json: AsJson = False,
) -> None:
    """Land new batches, hold each against the champion, and retrain if the drift matters and the policy says so."""
    from configs.load import check_pipeline
    from flows.server import prefect_server
    from tasks.stage import uncollected

    check_pipeline(pipeline)
    with prefect_server() as temporary:
        with uncollected():
            from flows.deployed import is_deployed
            from flows.monitor import run

        decision = run(pipeline)
        begins = retrain and decision is not None and decision["outcome"] == "retrain"
        here = begins and (temporary or not is_deployed("retrain", pipeline))
        made = retrain_here(pipeline) if here else None
    if as_json:
        print(json.dumps({"decision": decision, "retrain": made}, indent=2, default=str))
        return
    tell(pipeline, decision, made, elsewhere=begins and not here)


def retrain_here(pipeline: str) -> dict[str, str]:
    """The retrain that an event would start where there is a deployment."""
    from flows.retrain import run

    decision = run(pipeline, "", trigger="drift")
    return {"version": decision.version.name, "outcome": decision.outcome, "reason": decision.reason}


def tell(pipeline: str, decision: dict[str, Any] | None, made: dict[str, str] | None, *, elsewhere: bool) -> None:
    """What was judged, decided and done."""
    from tasks import registry

    if decision is None:
        print(f"{pipeline}: nothing that can be judged has landed since the champion was made")
        return
    seen = {batch["batch"] for batch in decision["inputs"]["seen"]}
    verdicts = [event["signal"] for event in registry.events(pipeline) if event["kind"] == "verdict"]
    last = {signal["batch"]: signal for signal in verdicts if signal["batch"] in seen}
    rows = [(name, signal["cause"], signal["sentence"]) for name, signal in last.items()]
    show(table_of(("batch", "cause", "verdict"), rows))
    print(f"{pipeline}: {decision['outcome']} ({decision['rule']}): {decision['reason']}")
    if elsewhere:
        print(f"The deployment retrain/{pipeline} begins by the event.")
    if made is not None:
        print(f"{made['version']}: {made['outcome']}, {made['reason']}")
