"""Many writers at once, readers in between, and kills at every step: no lost version, no gap, no torn read."""

from __future__ import annotations

import os
import random
import shutil
import signal
import stat
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tasks import registry
from tasks.registry.git import git
from tests.ledgers import (
    P,
    clone_of,
    finish,
    new_remote,
    new_repository,
    promote,
    refs_of,
    register,
    require_sound,
    start,
)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = new_repository(tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


def two_clones(parent: Path) -> tuple[Path, Path, Path]:
    """A bare remote, and two clones of it."""
    first = new_repository(parent / "first")
    remote = new_remote(parent / "remote.git", first)
    git("push", "-q", "origin", "main", folder=first)
    return remote, first, clone_of(remote, parent / "second")


def numbers(folder: Path) -> list[str]:
    os.chdir(folder)
    return [str(version.number) for version in registry.versions(P)]


# ---- at once


AT_ONCE = pytest.mark.parametrize("count", [6, pytest.param(16, marks=pytest.mark.campaign)])


@AT_ONCE
def test_registrations_at_once_leave_no_gap(repository: Path, count: int) -> None:
    for process in [start(repository, f"print(register('{name}').number)") for name in range(count)]:
        finish(process)
    assert numbers(repository) == [f"v1.{minor}.0" for minor in range(count)]
    require_sound(repository)


@AT_ONCE
def test_registrations_at_once_of_one_model_are_one_version(repository: Path, count: int) -> None:
    printed = {finish(process) for process in [start(repository, "print(register('same').name)") for _ in range(count)]}
    assert printed == {"flights@v1.0.0\n"}
    require_sound(repository)


def test_two_clones_that_register_at_once_leave_no_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    remote, *clones = two_clones(tmp_path)
    work = "for i in range(4): register(f'{NAME}{i}'); land(f'{NAME}{i}')"
    for process in [start(clone, work.replace("{NAME}", clone.name)) for clone in clones for _ in range(2)]:
        finish(process)
    for clone in clones:
        os.chdir(clone)
        registry.sync(P)
        require_sound(clone)
        assert refs_of(clone).splitlines()[1:] == refs_of(remote).splitlines()[1:]
    assert numbers(clones[0]) == [f"v1.{minor}.0" for minor in range(8)]


def test_promotions_against_rollbacks_form_one_history(repository: Path) -> None:
    for name in "abc":
        promote(register(name))
    rolling = """
done = 0
for _ in range(6):
    try: rollback(P, 'x', 'Ann'); done += 1
    except HoldfastError as error: assert 'rollback' in str(error), error
print(done)"""
    promoting = """
done = 0
for place in (0, 1, 2) * 4:
    try: promote(versions(P)[place]); done += 1
    except HoldfastError as error: assert 'already' in str(error), error
print(done)"""
    both = [start(repository, f"from configs.errors import HoldfastError{code}") for code in (rolling, promoting)]
    made = sum(int(finish(process)) for process in both)
    assert len(registry.promotions(P)) == 3 + made
    require_sound(repository)


def polls(folder: Path, count: int) -> None:
    """Read the champion while another process moves it; each answer is a version that was promoted."""
    for name in "ab":
        promote(register(name))
    known = {version.commit for version in registry.versions(P)}
    code = "import time\nwhile True: [(promote(version), time.sleep(PAUSE)) for version in versions(P)]"
    moving = start(folder, code.replace("PAUSE", str(count / 20_000)))  # reading thousands of tags is not what is tried
    polled, reigned = 0, set()
    try:
        while polled < count or len(reigned) < 2:
            assert moving.poll() is None, "the process that promotes has ended"
            reigning = registry.champion(P)
            assert reigning is not None
            assert reigning.commit in known
            reigned.add(reigning.commit)
            polled += 1
    finally:
        os.killpg(moving.pid, signal.SIGKILL)
        moving.communicate()
    registry.sync(P)
    assert len(registry.promotions(P)) > 2
    require_sound(folder)


def test_reader_between_promotions_always_sees_a_version(repository: Path) -> None:
    polls(repository, 300)


@pytest.mark.campaign
def test_reader_that_polls_ten_thousand_times_always_sees_a_version(repository: Path) -> None:
    polls(repository, 10_000)


# ---- killed


JOB = """
from configs.errors import HoldfastError
version = register('new')
try: promote(version) if len(promotions(P)) < 2 else None
except AlreadyChampionError: pass
try: rollback(P, 'worse', 'Ann') if len(promotions(P)) < 3 else None
except RollbackTwiceError: pass
print('finished')
"""
KILLER = """#!/bin/sh
n=$(($(cat "{count}") + 1)); echo $n > "{count}"
[ $n = {at} ] && [ {when} = before ] && kill -9 0
"{git}" "$@"; status=$?
[ $n = {at} ] && [ {when} = after ] && kill -9 0
exit $status
"""
HOOK = """#!/bin/sh
[ "$1" = {state} ] || exit 0
n=$(($(cat "{count}") + 1)); echo $n > "{count}"
[ $n = {at} ] && kill -9 0
exit 0
"""


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def prepared(folder: Path, with_remote: bool) -> Path:
    """A repository with one champion, as the job finds it; with a remote where asked."""
    repository = new_repository(folder / "project")
    if with_remote:
        new_remote(folder / "remote.git", repository)
    os.chdir(repository)
    promote(register("old"))
    return repository


def require_survived(repository: Path) -> None:
    """After the kill there is one valid champion; running again finishes the job, and exactly once."""
    os.chdir(repository)
    reigning = registry.champion(P)
    assert reigning is not None
    assert str(reigning.number) in {"v1.0.0", "v1.1.0"}
    assert finish(start(repository, JOB)) == "finished\n"
    assert numbers(repository) == ["v1.0.0", "v1.1.0"]
    assert [str(each.version.number) for each in registry.promotions(P)] == ["v1.0.0", "v1.1.0", "v1.0.0"]
    require_sound(repository)
    remote = repository.parent / "remote.git"
    if remote.exists():
        assert refs_of(remote).splitlines() == [
            line for line in refs_of(repository).splitlines() if "/main" not in line
        ]
    left_over = [path.name for path in (repository / ".git" / "holdfast").iterdir()]
    assert left_over == [f"{P}.lock"]


def survives_kill_of_git_command(folder: Path, at: int, when: str, with_remote: bool) -> bool:
    """Kill everything before or after the `at`-th git command of the job; False when it had fewer."""
    repository = prepared(folder, with_remote)
    count = folder / "count"
    count.write_text("0")
    text = KILLER.format(count=count, at=at, when=when, git=shutil.which("git"))
    executable(folder / "bin" / "git", text)
    job = start(repository, JOB, PATH=f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    job.communicate(timeout=120)
    require_survived(repository)
    return job.returncode != 0


def survives_kill_inside_git(folder: Path, at: int, state: str, hooked: str) -> bool:
    """Kill everything while git holds the locks of a transaction (`prepared`), or right after it (`committed`)."""
    repository = prepared(folder, with_remote=True)
    count = folder / "count"
    count.write_text("0")
    hook = {"here": repository / ".git", "remote": folder / "remote.git"}[hooked] / "hooks" / "reference-transaction"
    executable(hook, HOOK.format(count=count, at=at, state=state))
    job = start(repository, JOB)
    job.communicate(timeout=120)
    hook.unlink()
    require_survived(repository)
    return job.returncode != 0


def survives_kills_at_random(folder: Path, seeds: Sequence[int]) -> int:
    """Kill the job at random moments; returns how many of the kills met it alive."""
    met = 0
    for seed in seeds:
        dice = random.Random(seed)
        repository = prepared(folder / str(seed), with_remote=seed % 2 == 1)
        job = start(repository, JOB)
        time.sleep(dice.uniform(0.15, 1.5))
        if job.poll() is None:
            met += 1
            os.killpg(job.pid, signal.SIGKILL)
        job.communicate()
        require_survived(repository)
    return met


@pytest.fixture
def anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # and back again at the end
    return tmp_path


@pytest.mark.parametrize(("at", "when"), [(22, "after"), (23, "after"), (45, "after")])
def test_kill_between_two_git_commands_is_survived(anywhere: Path, at: int, when: str) -> None:
    assert survives_kill_of_git_command(anywhere, at, when, with_remote=True)


@pytest.mark.parametrize(("at", "hooked"), [(2, "here"), (1, "remote")])
def test_kill_while_git_holds_its_locks_is_survived(anywhere: Path, at: int, hooked: str) -> None:
    assert survives_kill_inside_git(anywhere, at, "prepared", hooked)


def test_kills_at_random_moments_are_survived(anywhere: Path) -> None:
    survives_kills_at_random(anywhere, range(3))


@pytest.mark.campaign
@pytest.mark.parametrize("with_remote", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_at_every_git_command_is_survived(anywhere: Path, when: str, with_remote: bool) -> None:
    at = 1
    while survives_kill_of_git_command(anywhere / str(at), at, when, with_remote):
        at += 1
    assert at > 30


@pytest.mark.campaign
@pytest.mark.parametrize("hooked", ["here", "remote"])
@pytest.mark.parametrize("state", ["prepared", "committed"])
def test_kill_in_every_transaction_is_survived(anywhere: Path, state: str, hooked: str) -> None:
    at = 1
    while survives_kill_inside_git(anywhere / str(at), at, state, hooked):
        at += 1
    assert at > 3


@pytest.mark.campaign
def test_a_hundred_kills_at_random_moments_are_survived(anywhere: Path) -> None:
    assert survives_kills_at_random(anywhere, range(100)) > 30
