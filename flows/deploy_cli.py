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

    declared, found = planned(work_pool)
    show_changes(found, as_json=as_json, prune=prune)
    if dry_run:
        return
    write(declared, found)
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

    declared, found = planned(None)
    show_changes(found, as_json=False, prune=False)
    write(declared, found)
    made = [as_prefects(each) for each in declared]
    with kept_clear(ids_of(declared)):
        serve_deployments(*made, pause_on_shutdown=False, print_starting_message=False, limit=limit)


def planned(work_pool: str | None) -> tuple[list[Deployment], list[Change]]:
    """What the YAMLs declare, and how the server differs."""
    from configs.load import check_pipeline, pipeline_names
    from flows.deployed import deployments_there, require_pool, require_server
    from flows.deployments import changes, declared_deployments

    pipelines = [check_pipeline(name) for name in pipeline_names()]
    require_server()
    if work_pool:
        require_pool(work_pool)
    repository, branch = clonable() if work_pool else (None, None)
    declared = declared_deployments(pipelines, work_pool, repository, branch)
    return declared, changes(declared, deployments_there())


def clonable() -> tuple[str, str]:
    """The URL and the branch that a worker clones.

    Raises
    ------
    ConfigError
        If there is no remote, no branch, the URL holds a password, which would stand in the deployment, or the remote
        does not have the branch.
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
    require_pushed(remote, branch)
    return url, branch


def require_pushed(remote: str, branch: str) -> None:
    """Refuse a branch that the remote does not have; warn where it lacks commits of it."""
    from configs.errors import ConfigError
    from tasks.registry.git import attempt, said
    from tasks.registry.remote import NETWORK_SECONDS

    answer = attempt("ls-remote", "--", remote, f"refs/heads/{branch}", timeout=NETWORK_SECONDS)
    if answer.returncode:
        raise ConfigError(f"--work-pool: the remote {remote} cannot be read: {said(answer)}. Workers could not either.")
    there = answer.stdout.decode().partition("\t")[0]
    if not there:
        raise ConfigError(
            f"--work-pool: the remote {remote} has no branch {branch!r} that a worker could clone. Push it: `git push "
            f"{remote} {branch}`."
        )
    if attempt("merge-base", "--is-ancestor", "HEAD", there).returncode:
        typer.echo(
            f"Workers clone {branch} as {remote} has it, at {there[:8]}, which lacks commits of yours: `git push "
            f"{remote} {branch}`.",
            err=True,
        )


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
