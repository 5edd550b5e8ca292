"""The commands that put pipelines on a Prefect server and run them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from flows.registry_cli import AsJson
from flows.tables import show, table_of

if TYPE_CHECKING:
    from flows.deployments import Change, Deployment

app = typer.Typer()
MARKS = {"new": "+", "changed": "~", "gone": "-", "unchanged": "="}
Pool = Annotated[str | None, typer.Option("--work-pool", help="a Prefect work pool; its workers clone this repository")]


@app.command()
def deploy(
    work_pool: Pool = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show what would change")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="delete deployments that no YAML declares any more")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how the Prefect server differs from the YAMLs, then bring it there; twice does nothing the second time."""
    from flows.deployed import remove, write

    declared, found, branch = planned(work_pool)
    show_changes(found, as_json=as_json, prune=prune)
    if dry_run:
        return
    write(declared, found, branch)
    if prune:
        remove(found)


@app.command()
def serve(
    limit: Annotated[int, typer.Option(min=1, help="runs at once, of all pipelines")] = 2,
) -> None:
    """Deploy, and run what is due on this machine until this is ended; runs that came late collapse into one."""
    from prefect import serve as serve_deployments

    from flows.abandoned import kept_clear
    from flows.deployed import ids_of, write
    from flows.deployments import as_prefects

    declared, found, branch = planned(None)
    show_changes(found, as_json=False, prune=False)
    write(declared, found, branch)
    made = [as_prefects(each) for each in declared]
    with kept_clear(ids_of(declared)):
        serve_deployments(*made, pause_on_shutdown=False, print_starting_message=False, limit=limit)


def planned(work_pool: str | None) -> tuple[list[Deployment], list[Change], str | None]:
    """What the YAMLs declare, how the server differs, and the branch that a worker clones."""
    from configs.load import check_pipeline, pipeline_names
    from flows.deployed import deployments_there, require_server
    from flows.deployments import changes, declared_deployments

    pipelines = [check_pipeline(name) for name in pipeline_names()]
    require_server()
    repository, branch = clonable() if work_pool else (None, None)
    declared = declared_deployments(pipelines, work_pool, repository)
    return declared, changes(declared, deployments_there()), branch


def clonable() -> tuple[str, str]:
    """The URL and the branch that a worker clones.

    Raises
    ------
    ConfigError
        If there is no remote, no branch, or the URL holds a password, which would stand in the deployment.
    """
    from configs.errors import ConfigError
    from configs.wording import without_password
    from tasks.registry.git import git
    from tasks.registry.remote import remote_name

    remote = remote_name()
    if remote is None:
        raise ConfigError(
            "--work-pool: this repository has no git remote that a worker could clone. Add one as origin."
        )
    url = git("remote", "get-url", remote).decode().strip()
    if "://" in url and without_password(url) != url and not url.startswith("ssh://"):
        raise ConfigError(
            f"--work-pool: the URL of the remote {remote} ({without_password(url)}) holds a user or password, which "
            "would stand in the deployment. Take it out, and give workers access by SSH or a credential helper."
        )
    branch = git("rev-parse", "--abbrev-ref", "HEAD").decode().strip()
    if branch == "HEAD":
        raise ConfigError(
            "--work-pool: HEAD is detached, so a worker would not know which branch to clone. Check one out."
        )
    return url, branch


def show_changes(found: list[Change], *, as_json: bool, prune: bool) -> None:
    """The differences, one deployment a line."""
    if as_json:
        print(
            json.dumps([{"name": each.name, "what": each.what, "respects": each.respects} for each in found], indent=2)
        )
        return
    rows = [(MARKS[each.what], each.name, each.what, "\n".join(each.respects)) for each in found]
    show(table_of(("", "deployment", "", "in"), rows))
    gone = [each.name for each in found if each.what == "gone"]
    if gone and not prune:
        print(f"No YAML declares {', '.join(gone)}; --prune deletes them.")
    if all(each.what == "unchanged" for each in found):
        print("Nothing to change.")
