"""The command that drafts a pipeline from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def init(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="rows with a header, inside the repository or outside")],
    target: Annotated[str, typer.Option(help="the column to predict", show_default=False)],
    name: Annotated[str | None, typer.Option(help="of the pipeline; made of the file's when absent")] = None,
) -> None:
    """Draft configs/<name>.yaml from a sample of a file and list the pipeline; nothing is overwritten."""
    from configs.load import require_pipeline_name
    from tasks.drafting import draft_pipeline, sample_files
    from tasks.drafting.pipeline_name import name_for
    from tasks.drafting.placing import files_of, home_of, inside_repository, place, refuse_overwriting

    there = inside_repository((context.obj or Path.cwd()) / file)
    chosen = name_for(there) if name is None else name
    require_pipeline_name(chosen)
    home = home_of(there, chosen)
    refuse_overwriting(chosen, home)
    refuse_ledger(chosen)
    sample = sample_files(files_of(home))
    draft = draft_pipeline(sample, name=chosen, target=target, source=home.source)
    place(draft.text, chosen, home)
    for remark in draft.remarks:
        print(f"  {remark}")
    if home.copy is not None:
        print(f"{home.copy}: copied from {file}; put further files beside it")
    print(f"configs/{chosen}.yaml: drafted from {sample.how}; source {home.source}")
    print(f"Read it, then: holdfast land {chosen} && holdfast run {chosen}")


def refuse_ledger(name: str) -> None:
    """Refuse a name under which versions of another pipeline are registered."""
    from tasks import registry
    from tasks.drafting.placing import AlreadyThereError

    if registry.tip(name) is not None:
        raise AlreadyThereError(
            f"the branch holdfast/{name} holds what happened to a pipeline {name!r}. Choose another name with --name."
        )
