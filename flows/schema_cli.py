"""The command about the contract between a pipeline's YAML and its files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from flows.registry_cli import AsJson, Pipeline
from flows.tables import show, table_of

if TYPE_CHECKING:
    from tasks.contract.accepted import NewContract

app = typer.Typer()
SHOWN = 3  # names of batches in one cell of the table


@app.command()
def schema(
    pipeline: Pipeline,
    diff: Annotated[bool, typer.Option("--diff", help="show the differences; done anyway")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="write the new contract into the YAML")] = False,
    batch: Annotated[list[str] | None, typer.Option(help="only this batch; all landed ones when absent")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how landed batches differ from the declared columns, and end with 1 where they do; or accept it."""
    from configs.load import check_pipeline
    from tasks.batch import chosen_files
    from tasks.contract.differences import differences, survey

    declared = check_pipeline(pipeline)
    seen = survey(declared, chosen_files(pipeline, batch))
    found = differences(seen, declared.columns)
    if as_json:
        print(json.dumps([each._asdict() for each in found], indent=2))
    else:
        rows = [(each.kind, each.column, each.declared, each.found, in_words(each.batches)) for each in found]
        show(table_of(("difference", "column", "declared", "found", "in batches"), rows))
    from tasks.contract.accepted import accept as write
    from tasks.contract.accepted import new_contract

    changed = any(each.is_change for each in found)
    contract = new_contract(seen, declared)
    if not accept:
        if not as_json:
            print(told(pipeline, contract, len(seen.headers)) if changed else as_declared(pipeline, len(seen.headers)))
        raise typer.Exit(int(changed))
    if contract.words():
        write(pipeline, contract)
    if not as_json:
        for line in [*contract.words(), *contract.open]:
            print(line)
        print(f"configs/{pipeline}.yaml: {'written' if contract.words() else 'nothing to change'}")
    raise typer.Exit(int(bool(contract.open)))


def in_words(batches: tuple[str, ...]) -> str:
    """A few names of batches, and how many there are."""
    rest = len(batches) - SHOWN
    return ", ".join(batches[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def told(pipeline: str, contract: NewContract, batches: int) -> str:
    """What would be accepted of some changes, and what would not."""
    lines = (
        [f"`holdfast schema {pipeline} --accept` would write into configs/{pipeline}.yaml:"] if contract.words() else []
    )
    lines += [f"  {word}" for word in contract.words()]
    lines += [f"No declaration of all {batches} batches can accept:"] if contract.open else []
    return "\n".join([*lines, *(f"  {word}" for word in contract.open)])


def as_declared(pipeline: str, batches: int) -> str:
    """The last line of a comparison that found no change."""
    return f"{batches} batches are as configs/{pipeline}.yaml declares them."
