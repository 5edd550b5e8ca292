"""The registry in a git remote: the remote is the truth, a refused push changes nothing, a fresh clone goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from configs.errors import HoldfastError
from tasks import registry
from tasks.registry import refs as refs_module
from tasks.registry.git import git
from tasks.registry.remote import (
    DivergedLedgerError,
    NoSuchRemoteError,
    PushRefusedError,
    RemoteError,
    TagMovedError,
    remote_name,
)
from tests.ledgers import P, clone_of, land, new_remote, new_repository, promote, refs_of, register, require_sound
from tests.test_registry_races import executable


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: a repository whose `origin` is the bare `remote.git` beside it."""
    folder = new_repository(tmp_path / "project")
    remote = new_remote(tmp_path / "remote.git", folder)
    git("push", "-q", "origin", "main", folder=folder)
    monkeypatch.chdir(folder)
    return remote.parent / "project"


@pytest.fixture
def remote(clone: Path) -> Path:
    return clone.parent / "remote.git"


@pytest.fixture
def colleague(clone: Path, remote: Path) -> Path:
    """A second clone, made before anything was registered."""
    return clone_of(remote, clone.parent / "colleague")


def without_main(folder: Path) -> list[str]:
    return [line for line in refs_of(folder).splitlines() if "refs/heads/main" not in line]


# ---- the remote is the truth


def test_events_and_tags_are_in_the_remote(clone: Path, remote: Path) -> None:
    land("1")
    promote(register("a"))
    assert without_main(remote) == without_main(clone)


def test_only_the_ledger_and_its_tags_are_pushed(clone: Path, remote: Path) -> None:
    git("config", "push.followTags", "true")
    git("commit", "-q", "--allow-empty", "-m", "mine")
    git("tag", "-a", "-m", "x", "mine")
    register("a")
    assert [line.split("\t")[1] for line in without_main(remote)] == [
        "refs/heads/holdfast/flights",
        "refs/tags/flights@v1.0.0",
    ]


def test_fresh_clone_goes_on_where_the_other_stopped(
    clone: Path, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = register("a")
    promote(first)
    monkeypatch.chdir(clone_of(remote, clone.parent / "fresh"))
    assert (registry.champion(P), registry.tip(P)) == (
        first,
        git("rev-parse", "origin/holdfast/flights").decode().strip(),
    )
    assert [each["kind"] for each in registry.events(P)] == ["version", "promotion"]
    assert register("a") == first
    promote(register("b"))
    assert registry.rollback(P, "x", "Ann").version == first
    require_sound(Path.cwd())
    assert without_main(remote) == without_main(Path.cwd())


def test_event_of_a_colleague_comes_before_ours(clone: Path, colleague: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register("a")
    monkeypatch.chdir(colleague)
    assert str(register("b").number) == "v1.1.0"
    monkeypatch.chdir(clone)
    registry.sync(P)
    assert [str(version.number) for version in registry.versions(P)] == ["v1.0.0", "v1.1.0"]
    require_sound(clone)


def test_identity_that_a_colleague_registered_is_found(
    clone: Path, colleague: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register("a")
    monkeypatch.chdir(colleague)
    assert register("a") == version


def test_push_that_came_second_is_written_again_after_the_first(
    clone: Path, colleague: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.registry import publish

    push, raced = publish.push, []

    def slower(*arguments: object) -> None:
        if not raced:  # the colleague is faster, once
            raced.append(True)
            monkeypatch.chdir(colleague)
            raced.append(register("theirs"))
            monkeypatch.chdir(clone)
        push(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(publish, "push", slower)
    assert str(register("ours").number) == "v1.1.0"
    assert str(raced[1].number) == "v1.0.0"  # type: ignore[attr-defined]
    require_sound(clone)


def test_push_whose_answer_was_lost_is_not_made_twice(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.registry import publish

    push = publish.push

    def unheard(*arguments: object) -> None:
        push(*arguments)  # type: ignore[arg-type]
        raise refs_module.RefsMovedError("lost")

    version = register("a")
    monkeypatch.setattr(publish, "push", unheard)
    assert promote(version).number == 1
    monkeypatch.undo()
    monkeypatch.chdir(clone)
    assert len(registry.promotions(P)) == 1
    require_sound(clone)


def test_registry_without_a_remote_joins_one_later(clone: Path, remote: Path) -> None:
    git("config", "holdfast.remote", "none")
    promote(register("a"))
    assert without_main(remote) == []
    git("config", "holdfast.remote", "origin")
    register("b")
    assert without_main(remote) == without_main(clone)


def test_killed_push_is_taken_over(clone: Path, remote: Path) -> None:
    register("a")
    ledger = git("rev-parse", "holdfast/flights").decode().strip()
    register("b")
    git("update-ref", "refs/heads/holdfast/flights", ledger)  # as if we had died after the push
    git("tag", "-d", "flights@v1.1.0")
    assert str(register("c").number) == "v1.2.0"
    require_sound(clone)


def test_tag_that_the_remote_lost_is_pushed_again(clone: Path, remote: Path) -> None:
    register("a")
    before = refs_of(remote)
    git("tag", "-d", "flights@v1.0.0", folder=remote)
    registry.sync(P)
    assert refs_of(remote) == before


def test_lock_that_a_killed_push_left_in_a_remote_folder_is_removed(
    clone: Path, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refs_module, "STALE_SECONDS", 0.1)
    register("a")
    (remote / "refs" / "heads" / "holdfast" / "flights.lock").touch()
    (clone / ".git" / "refs" / "remotes" / "origin" / "holdfast" / "flights.lock").touch()
    register("b")
    require_sound(clone)


# ---- which remote


def test_remote_is_the_configured_one_else_origin(clone: Path) -> None:
    assert remote_name() == "origin"
    git("remote", "add", "team", "../team.git")
    git("config", "holdfast.remote", "team")
    assert remote_name() == "team"
    git("config", "holdfast.remote", "none")
    assert remote_name() is None


def test_repository_without_origin_has_no_remote(clone: Path) -> None:
    git("remote", "rename", "origin", "upstream")
    assert remote_name() is None


def test_remote_that_git_does_not_know_is_refused(clone: Path) -> None:
    git("config", "holdfast.remote", "team")
    with pytest.raises(NoSuchRemoteError, match="knows the remotes: origin"):
        register("a")


# ---- refused


def refusing_hook(remote: Path) -> None:
    executable(remote / "hooks" / "pre-receive", "#!/bin/sh\necho 'tags are for release managers' >&2\nexit 1\n")


def refusing_tags(remote: Path) -> None:
    executable(remote / "hooks" / "update", '#!/bin/sh\ncase "$1" in refs/tags/*) echo no tags >&2; exit 1;; esac\n')


def vanished(remote: Path) -> None:
    remote.rename(remote.parent / "gone.git")


def damaged(remote: Path) -> None:
    (remote / "HEAD").unlink()


REFUSALS: list[tuple[Callable[[Path], None], type[HoldfastError], str]] = [
    (refusing_hook, PushRefusedError, "tags are for release managers"),
    (refusing_tags, PushRefusedError, "no tags"),
    (vanished, RemoteError, "does not appear to be a git repository"),
    (damaged, RemoteError, "git config holdfast.remote none"),
]


@pytest.mark.parametrize(("spoil", "error", "text"), REFUSALS)
@pytest.mark.parametrize("act", ["register", "promote"])
def test_remote_that_refuses_leaves_everything_as_it_was(  # noqa: PLR0917 - what is parametrized
    clone: Path, remote: Path, spoil: Callable[[Path], None], error: type[HoldfastError], text: str, act: str
) -> None:
    version = register("a")
    here, there = refs_of(clone), refs_of(remote)
    spoil(remote)
    with pytest.raises(error, match=text):
        register("b") if act == "register" else promote(version)
    assert refs_of(clone) == here
    if remote.exists() and (remote / "HEAD").exists():
        assert refs_of(remote) == there


def test_work_goes_on_once_the_remote_allows_it(clone: Path, remote: Path) -> None:
    refusing_hook(remote)
    with pytest.raises(PushRefusedError):
        register("a")
    (remote / "hooks" / "pre-receive").unlink()
    assert str(register("a").number) == "v1.0.0"
    require_sound(clone)


# ---- contradictions


def test_tag_that_is_another_one_in_the_remote_is_refused(clone: Path, remote: Path) -> None:
    register("a")
    register("b")
    git("tag", "-f", "-a", "-m", "edited", "flights@v1.0.0", "holdfast/flights~1", folder=remote)
    before = refs_of(clone)
    with pytest.raises(TagMovedError, match=r"tag flights@v1\.0\.0"):
        register("c")
    assert refs_of(clone) == before


def test_number_that_the_remote_gave_by_hand_is_passed_over(clone: Path, remote: Path) -> None:
    register("a")
    git("tag", "-a", "-m", "by hand", "flights@v1.1.0", "main", folder=remote)
    assert str(register("b").number) == "v1.2.0"


def test_two_histories_are_refused(clone: Path, remote: Path, colleague: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git("config", "holdfast.remote", "none")
    land("1")
    monkeypatch.chdir(colleague)
    land("2")
    monkeypatch.chdir(clone)
    git("config", "--unset", "holdfast.remote")
    before = refs_of(clone), refs_of(remote)
    with pytest.raises(DivergedLedgerError, match="git branch mine holdfast/flights"):
        register("a")
    assert (refs_of(clone), refs_of(remote)) == before


def test_remedy_of_two_histories_helps(
    clone: Path, remote: Path, colleague: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_two_histories_are_refused(clone, remote, colleague, monkeypatch)
    git("branch", "mine", "holdfast/flights")
    git("branch", "-q", "-D", "holdfast/flights")
    register("a")
    require_sound(clone)
