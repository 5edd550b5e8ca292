"""A work pool with a real worker: each run begins in an empty folder, with a git clone and a DVC remote.

The rows come from a real PostgreSQL server; only a Secret block of Prefect knows its URL. A second machine is another
clone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tasks import registry
from tasks.stage import declaration
from tests.conftest import holdfast
from tests.postgresql import ENCODED, PASSWORD, postgresql
from tests.prefect_runs import P, drifted_rows, ended, logs, newest, own_server, run_by_hand
from tests.registered import declare, run

pytestmark = pytest.mark.xdist_group("prefect")
POOL = "clinic"
WRONG = "wr0ng-p4ss"
SECRETS = (PASSWORD, ENCODED, WRONG)
TABLE = (
    "CREATE TABLE intake (visit bigserial, sex text, age int, progression float8, bmi float8, bp float8, s1 float8, "
)
TABLE += "s2 float8, s3 float8, s4 float8, s5 float8, s6 float8)"
VIEW = "CREATE OR REPLACE VIEW patients AS SELECT * FROM intake"
CUT = f"{VIEW} WHERE visit < 100 OR pg_terminate_backend(pg_backend_pid())"
LANDED = "00000000000000000111.parquet"


@dataclass
class Story:
    """What was seen: flow runs, the ledger's tips, what commands printed, in order; and where everything is."""

    site: Path
    database: Path
    runs: dict[str, Any] = field(default_factory=dict)
    tips: list[str | None] = field(default_factory=list)
    printed: dict[str, subprocess.CompletedProcess[str]] = field(default_factory=dict)
    told: str = ""

    @property
    def states(self) -> dict[str, str]:
        """How each run ended."""
        return {name: each.state.type.value for name, each in self.runs.items()}


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]


def insert(url: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        words = f"INSERT INTO intake ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"
        cursor.executemany(words, rows)  # type: ignore[arg-type]


def keep_secret(url: str) -> None:
    """Put the database's URL where Prefect keeps secrets."""
    from prefect.blocks.system import Secret

    Secret(value=url).save("clinic-db", overwrite=True)


def give_remotes(site: Path) -> None:
    """Let the project, the current directory, have a query as its source and two remotes, which get all there is."""
    run("git", "init", "-q", "--bare", "-b", "main", "../origin.git")
    run("git", "remote", "add", "origin", str(site / "origin.git"))
    run("dvc", "remote", "add", "-q", "-d", "store", str(site / "store"))
    shutil.copytree(".dvc/remote", site / "store")
    Path(".dvc/config.local").unlink()
    query = "{sql: SELECT * FROM patients, watermark: visit, url: {secret: clinic-db}}"
    declare('{path: "data/incoming/diabetes/*.csv"}', query)
    declare("drop: []", "drop: [visit]")
    declare("retrain: {}", "retrain: {on: [drift]}")
    declare("gate: {}", "gate: {margin: 100}")
    run("git", "push", "-q", "origin", "main", f"refs/heads/holdfast/{P}", "--tags")


@contextlib.contextmanager
def worker(home: Path, server: str) -> Iterator[Path]:
    """A process worker that begins in an empty folder, with an empty home and a name for commits; its log."""
    folder, log = home / "folder", home.with_name("worker.log")
    folder.mkdir(parents=True)
    who = {f"GIT_{role}_{what}": "w@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    needed = {name: os.environ[name] for name in ("PATH", "OMP_NUM_THREADS", "DO_NOT_TRACK")}
    environment = {**needed, **who, "HOME": str(home), "TMPDIR": str(folder)}
    environment |= {"PREFECT_API_URL": server, "PREFECT_WORKER_QUERY_SECONDS": "2"}
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        try:
            yield log
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:  # Prefect's worker does not always end when it is asked to
                process.kill()
                process.wait()


def on_second_machine(story: Story, server: str) -> None:
    """Another clone scores; then the database goes away in the middle of its query."""
    other = story.site / "other"
    run("git", "clone", "-q", str(story.site / "origin.git"), str(other))
    rows = story.site / "project/data/incoming/diabetes/diabetes-1.csv"
    shutil.copyfile(rows, other / "rows.csv")
    told = {"PREFECT_API_URL": server}
    story.printed["score"] = holdfast(other, "score", P, "rows.csv", "-o", "scores.csv", **told)
    story.printed["monitor"] = holdfast(other, "monitor", P, **told)


@pytest.fixture(scope="module")
def story(versioned_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Monitor by hand, wait for the retrain that it starts, monitor again, and once with a password that is refused."""
    from prefect.settings import PREFECT_API_URL

    story = Story(tmp_path_factory.mktemp("pool"), tmp_path_factory.mktemp("database"))
    shutil.copytree(versioned_project, story.site / "project", symlinks=True)
    with pytest.MonkeyPatch.context() as patch, own_server(story.database), postgresql() as (url, _):
        patch.chdir(story.site / "project")
        server = PREFECT_API_URL.value()
        patch.setenv("PREFECT_API_URL", server)
        declaration.cache_clear()
        give_remotes(story.site)
        execute(url, TABLE, VIEW)
        insert(url, *drifted_rows(0))
        keep_secret(url)
        story.printed["no pool"] = holdfast(Path(), "deploy", "--work-pool", POOL)
        run(sys.executable, "-m", "prefect", "--no-prompt", "work-pool", "create", POOL, "--type", "process")
        for time in ("deploy", "deploy again"):
            story.printed[time] = holdfast(Path(), "deploy", "--work-pool", POOL)
        with worker(story.site / "home", server) as log:
            story.runs["monitor"] = run_by_hand(f"monitor/{P}")
            story.runs["retrain"] = ended(lambda: newest("retrain"))
            registry.sync(P)
            story.tips.append(registry.tip(P))
            story.runs["monitor again"] = run_by_hand(f"monitor/{P}")
            keep_secret(url.replace(ENCODED, WRONG))
            story.runs["refused"] = run_by_hand(f"monitor/{P}")
            registry.sync(P)
            story.tips.append(registry.tip(P))
        keep_secret(url)
        execute(url, CUT)
        on_second_machine(story, server)
        messages = [str(each.state.message) for each in story.runs.values()]
        outputs = [each.stdout + each.stderr for each in story.printed.values()]
        story.told = "\n".join([log.read_text(), logs(), *messages, *outputs])
        yield story


def test_pool_that_is_not_there_is_refused(story: Story) -> None:
    done = story.printed["no pool"]
    assert done.returncode == 2
    assert "prefect work-pool create clinic --type process" in done.stderr


def test_second_deploy_to_a_pool_has_nothing_to_change(story: Story) -> None:
    printed = [story.printed[name].stdout for name in ("deploy", "deploy again")]
    assert ["Nothing to change." in each for each in printed] == [False, True]


def test_worker_in_an_empty_folder_lands_judges_and_retrains(story: Story) -> None:
    expected = {"monitor": "COMPLETED", "retrain": "COMPLETED", "monitor again": "COMPLETED", "refused": "FAILED"}
    assert story.states == expected, story.told
    kinds = [event["kind"] for event in registry.events(P)]
    assert kinds[-6:] == ["landing", "verdict", "retrain", "version", "decision", "promotion"]


def test_worker_pushes_version_champion_and_data(story: Story) -> None:
    refs = run("git", "ls-remote", "origin")
    assert f"refs/tags/{P}@v1.1.0" in refs
    assert f"{story.tips[0]}\trefs/heads/holdfast/{P}" in refs
    champion = registry.champion(P)
    assert champion is not None
    assert (str(champion.number), f"refs/tags/{P}#champion#2" in refs) == ("v1.1.0", True)


def test_second_machine_scores_with_the_new_champion(story: Story) -> None:
    assert story.printed["score"].returncode == 0, story.printed["score"].stderr
    manifest = json.loads((story.site / "other/scores.csv.manifest.json").read_text())
    assert manifest["model"]["name"] == f"{P}@v1.1.0"


def test_worker_that_lost_its_disk_lands_no_row_twice(story: Story) -> None:
    assert story.tips[0] == story.tips[1] == registry.tip(P)
    landed = [name for event in registry.events(P) if event["kind"] == "landing" for name in event["batches"]]
    assert [name for name in landed if name.endswith(".parquet")] == [LANDED]


def test_worker_leaves_nothing_in_its_folder(story: Story) -> None:
    left = [path for path in (story.site / "home/folder").rglob("*") if path.is_file()]
    assert left == []


def test_refused_password_is_a_clear_state(story: Story) -> None:
    told = story.runs["refused"].state.message
    assert "the database postgresql+psycopg://***@" in told
    assert "password authentication failed" in told


def test_connection_that_is_cut_is_told_on_the_terminal(story: Story) -> None:
    done = story.printed["monitor"]
    assert done.returncode == 1
    assert "terminating connection" in done.stderr
    assert "Nothing has landed; mend it and land again." in done.stderr


def test_no_secret_is_told_in_a_log_a_state_or_on_a_terminal(story: Story) -> None:
    assert "password authentication failed" in story.told  # it was about the secret
    assert [secret for secret in SECRETS if secret in story.told] == []


def files_with(text: str, place: Path) -> list[str]:
    """Files below a folder that have a text in them."""
    done = subprocess.run(["grep", "-rlF", text, str(place)], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_stands_in_a_file_of_either_machine_or_of_prefect(story: Story, secret: str) -> None:
    for place in (story.site, story.database):
        assert files_with("clinic-db", place) != []  # the block's name is no secret
        assert files_with(secret, place) == []
    assert files_with(secret, Path.home() / ".prefect") == []


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_stands_in_the_git_remote(story: Story, secret: str) -> None:
    everything = subprocess.run(
        ["git", "cat-file", "--batch-all-objects", "--batch"],
        cwd=story.site / "origin.git",
        capture_output=True,
        check=True,
    ).stdout
    assert b"landing" in everything
    assert secret.encode() not in everything
