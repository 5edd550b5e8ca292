"""The command that plays policies of retraining over history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.registry_cli import AsJson, Pipeline
from flows.tables import show, table_of

if TYPE_CHECKING:
    from tasks.replay.history import Replayed

app = typer.Typer()


@app.command()
def replay(
    pipeline: Pipeline,
    policies: Annotated[
        str, typer.Option(help="in turn: never, weekly, monthly, quarterly, yearly, drift")
    ] = "never,monthly,drift",
    first: Annotated[
        str | None, typer.Option("--from", help="a batch, or the beginning of a date; the second batch when absent")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="likewise; the last batch when absent")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what each policy would have come to: its loss, retrains, alarms and CPU seconds, batch by batch."""
    from tasks.replay import result
    from tasks.replay.policies import policies_of
    from tasks.replay.setting import set_out

    place, names = set_out(pipeline, first, last), [name.strip() for name in policies.split(",")]
    policies_of(names, place.pipeline)  # an unknown one is told before anything is made
    found = result.read(place.folder, place.key(names))
    if found is None:
        found = run_replay_flow(pipeline, names, first, last)
    if as_json:
        print((place.folder / result.DOCUMENT).read_text())
        return
    events = result.events(found)
    if events:
        show(table_of(result.EVENTS, events))
    show(table_of(result.HEADER, result.table(found)))
    print(f"More: {place.folder / result.PAGE}")


def run_replay_flow(pipeline: str, names: list[str], first: str | None, last: str | None) -> list[Replayed]:
    """Import Prefect and run the flow."""
    from flows.server import prefect_server

    with prefect_server():
        from flows.replay import run

        return run(pipeline, names, first=first, last=last)
