"""Versions, promotions and rollbacks in one clone: what is written, what is refused, what GTO says of it."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from configs.errors import ConfigError, CorruptionError, HoldfastError
from tasks import registry
from tasks.registry import (
    AlreadyChampionError,
    EmptyLedgerError,
    Event,
    NoPredecessorError,
    NoReasonError,
    RegistryBusyError,
    RollbackTwiceError,
    SemVer,
    UnknownVersionError,
    Version,
)
from tasks.registry import event as events_module
from tasks.registry import refs as refs_module
from tasks.registry.event import NewerEventError
from tasks.registry.git import NoIdentityError, NotARepositoryError, git, read_file, resolve, tree_with
from tasks.registry.refs import LedgerCheckedOutError, writing
from tasks.registry.remote import TagMovedError
from tests.conftest import ROOT
from tests.ledgers import P, land, new_repository, promote, record_of, refs_of, register, require_sound

MODULES_OF_READERS = {"pandas", "numpy", "sklearn", "xgboost", "prefect", "dvc", "gto", "git", "pydantic"}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = new_repository(tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


def numbers(pipeline: str = P) -> list[str]:
    return [str(version.number) for version in registry.versions(pipeline)]


def fails(call: Callable[[], Any]) -> str:
    """The text of the error that a call ends with."""
    with pytest.raises(HoldfastError) as caught:
        call()
    return str(caught.value)


# ---- registering


def test_first_version_is_1_0_0(repository: Path) -> None:
    assert register("a").name == "flights@v1.0.0"


def test_bump_is_asked_with_the_record_of_the_greatest_version(repository: Path) -> None:
    register("a")
    register("b")
    asked: list[Any] = []
    bump: Callable[[Any], Any] = lambda old: asked.append(old) or "major"  # noqa: E731
    version = registry.register(P, tree_with("HEAD", {}), "c", record_of, bump, {})
    assert (str(version.number), asked) == ("v2.0.0", [{"format": 1, "version": "v1.1.0", "parent": "v1.0.0"}])


def test_record_stands_beside_the_event_of_its_version(repository: Path) -> None:
    version = register("a", trigger="drift")
    event = registry.events(P)[-1]
    assert json.loads(read_file(version.commit, "ledger/record.json")) == record_of(version.number, None)
    assert event["commit"] == version.commit
    assert {name: event[name] for name in ("kind", "version", "identity", "parent", "reason", "trigger")} == {
        "kind": "version",
        "version": "v1.0.0",
        "identity": "a",
        "parent": None,
        "reason": "new data",
        "trigger": "drift",
    }


def test_same_identity_is_the_same_version(repository: Path) -> None:
    first = register("a")
    register("b")
    before = refs_of(repository)
    assert register("a") == first
    assert refs_of(repository) == before


def test_identity_within_a_longer_text_is_another_version(repository: Path) -> None:
    register("a", reason='"b"')
    assert str(register("b").number) == "v1.1.0"


def test_tree_of_a_version_is_the_one_given(repository: Path) -> None:
    tree = tree_with("HEAD", {"metrics/": None, "dvc.lock": b"x"})
    version = registry.register(P, tree, "a", record_of, lambda _old: "patch", {})
    names = git("ls-tree", "-r", "--name-only", version.commit).decode().split()
    assert names == ["dvc.lock", "ledger/event.json", "ledger/record.json", "params.yaml"]


def test_pipelines_have_registries_of_their_own(repository: Path) -> None:
    register("a", "flights")
    register("b", "late-flights")
    register("c", "late-flights")
    assert (numbers("flights"), numbers("late-flights")) == (["v1.0.0"], ["v1.0.0", "v1.1.0"])


def test_number_that_gto_deregistered_is_not_given_again(repository: Path) -> None:
    register("a")
    version = register("b")
    git("tag", "-a", "-m", "x", "flights@v1.1.0!", version.commit)
    assert numbers() == ["v1.0.0"]
    assert str(register("c").number) == "v1.2.0"


def test_number_that_a_plain_tag_has_taken_is_passed_over(repository: Path) -> None:
    register("a")
    git("tag", "flights@v1.1.0")
    assert str(register("b").number) == "v1.2.0"
    require_sound(repository)


def test_version_of_gto_register_counts(repository: Path) -> None:
    git("tag", "-a", "-m", "x", "flights@v3.0.0", "HEAD")
    assert str(register("a").number) == "v3.1.0"
    assert numbers() == ["v3.0.0", "v3.1.0"]


def test_failing_record_leaves_nothing(repository: Path) -> None:
    register("a")
    before = refs_of(repository)

    def broken(_number: SemVer, _parent: Version | None) -> dict[str, Any]:
        raise ConfigError("no")

    with pytest.raises(ConfigError):
        registry.register(P, "HEAD", "b", broken, lambda _old: "minor", {})
    assert refs_of(repository) == before
    assert str(register("c").number) == "v1.1.0"


def test_record_that_is_nan_is_refused(repository: Path) -> None:
    record = {"metric": float("nan")}
    with pytest.raises(ValueError, match="JSON"):
        registry.register(P, "HEAD", "b", lambda _number, _parent: record, lambda _old: "minor", {})
    assert refs_of(repository).count("\n") == 1


# ---- reading


def test_versions_are_ordered_by_number(repository: Path) -> None:
    for name in range(12):
        register(str(name))
    assert numbers() == [f"v1.{minor}.0" for minor in range(12)]


@pytest.mark.parametrize("text", ["v1.1.0", "1.1.0", "flights@v1.1.0"])
def test_version_is_found_as_it_is_written(repository: Path, text: str) -> None:
    register("a")
    version = register("b")
    assert registry.find_version(P, text) == version


def test_unknown_version_names_the_nearest_and_the_newest(repository: Path) -> None:
    for name in range(3):
        register(str(name))
    text = fails(lambda: registry.find_version(P, "v1.1.1"))
    assert "'v1.1.0'" in text
    assert "newest is v1.2.0" in text


def test_unknown_version_of_an_empty_registry_says_so(repository: Path) -> None:
    with pytest.raises(UnknownVersionError, match="no version of flights is registered yet"):
        registry.find_version(P, "v1.0.0")


def test_empty_registry_has_nothing(repository: Path) -> None:
    assert (registry.tip(P), registry.events(P), registry.versions(P)) == (None, [], [])
    assert (registry.champion(P), registry.promotions(P)) == (None, [])


def test_newest_events_are_the_last(repository: Path) -> None:
    for name in "abcd":
        register(name)
    assert [event["version"] for event in registry.events(P, newest=2)] == ["v1.2.0", "v1.3.0"]


def test_readers_import_no_heavy_module(repository: Path) -> None:
    promote(register("a"))
    code = f"from tasks import registry; registry.champion({P!r}); registry.promotions({P!r})"
    code = f"import sys; {code}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(
        command, check=True, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    )
    assert {name.partition(".")[0] for name in loaded.stdout.split()} & MODULES_OF_READERS == set()


# ---- promoting


def test_promoted_version_is_champion(repository: Path) -> None:
    first, second = register("a"), register("b")
    promote(first)
    promotion = promote(second, "better in July")
    assert registry.champion(P) == second
    assert (promotion.number, promotion.by, promotion.reason) == (2, "Ann", "better in July")
    assert registry.promotions(P)[-1] == promotion


def test_promotion_of_the_champion_is_answered_as_such(repository: Path) -> None:
    version = register("a")
    promote(version)
    before = refs_of(repository)
    with pytest.raises(AlreadyChampionError, match="flights#champion#1"):
        promote(version)
    assert refs_of(repository) == before


def test_counter_goes_up_over_all_stages(repository: Path) -> None:
    version = register("a")
    promote(version)
    registry.promote(P, version, "look at it", "Ann", "staging")
    promote(register("b"))
    assert [each.number for each in registry.promotions(P)] == [1, 3]
    assert registry.champion(P, "staging") == version


def test_failing_check_moves_nothing(repository: Path) -> None:
    version = register("a")
    before = refs_of(repository)

    def check(_version: Version) -> None:
        raise CorruptionError("damaged")

    with pytest.raises(CorruptionError, match="damaged"):
        registry.promote(P, version, "x", "Ann", check=check)
    assert refs_of(repository) == before


def test_still_sees_the_champion_that_the_promotion_replaces(repository: Path) -> None:
    first, second = register("a"), register("b")
    promote(first)
    seen: list[Version | None] = []
    registry.promote(P, second, "x", "Ann", still=seen.append)
    assert seen == [first]


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_promotion_without_a_reason_is_refused(repository: Path, reason: str) -> None:
    version = register("a")
    with pytest.raises(NoReasonError, match="--reason"):
        promote(version, reason)


@pytest.mark.parametrize(
    "reason", ["two\nlines", "é 🚀", '$(touch x) `y` "z" \'', "a" * 5000, "\udcff", "-m x", "x\0y"]
)
def test_reason_is_kept_as_it_is(repository: Path, reason: str) -> None:
    promote(register("a"), reason)
    assert registry.promotions(P)[-1].reason == reason.replace("\udcff", "?")
    require_sound(repository)


def test_version_whose_tag_is_gone_is_not_promoted(repository: Path) -> None:
    version = register("a")
    register("b")
    git("tag", "-d", version.name)
    with pytest.raises(UnknownVersionError, match="no tag of that name"):
        promote(version)


def test_champion_without_a_versions_tag_is_corruption(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.registry.reading.TORN_PAUSE", 0.0)
    version = register("a")
    promote(version)
    git("tag", "-d", version.name)
    with pytest.raises(CorruptionError, match="holdfast verify flights"):
        registry.champion(P)


# ---- rolling back


def test_rollback_leads_to_the_champion_before(repository: Path) -> None:
    first, second = register("a"), register("b")
    promote(first)
    promote(second)
    assert registry.rollback(P, "worse in July", "Ann").kind == "rollback"
    assert registry.champion(P) == first


def test_second_rollback_in_a_row_is_refused_and_names_both(repository: Path) -> None:
    for name in "ab":
        promote(register(name))
    registry.rollback(P, "x", "Ann")
    with pytest.raises(RollbackTwiceError) as caught:
        registry.rollback(P, "x", "Ann")
    text = str(caught.value)
    assert "from v1.1.0 to v1.0.0" in text
    assert "holdfast promote flights VERSION" in text


def test_rollback_after_a_new_promotion_works_again(repository: Path) -> None:
    versions = [register(name) for name in "abc"]
    promote(versions[0])
    promote(versions[1])
    registry.rollback(P, "x", "Ann")
    promote(versions[2])
    assert registry.rollback(P, "x", "Ann").version == versions[0]


def test_rollback_without_a_predecessor_is_refused(repository: Path) -> None:
    with pytest.raises(NoPredecessorError, match="no version is champion"):
        registry.rollback(P, "x", "Ann")
    promote(register("a"))
    with pytest.raises(NoPredecessorError, match=r"v1\.0\.0 is champion and no other"):
        registry.rollback(P, "x", "Ann")


def test_rollback_to_a_version_that_is_not_whole_is_refused(repository: Path) -> None:
    first, second = register("a"), register("b")
    promote(first)
    promote(second)

    def check(version: Version) -> None:
        raise CorruptionError(f"{version.name}: gone")

    with pytest.raises(CorruptionError, match=r"flights@v1\.0\.0: gone"):
        registry.rollback(P, "x", "Ann", check)
    assert registry.champion(P) == second


# ---- the ledger


def test_events_form_a_chain_with_numbers_and_rising_dates(repository: Path) -> None:
    land("1")
    promote(register("a"))
    land("2")
    promote(register("b"))
    registry.rollback(P, "x", "Ann")
    told = registry.events(P)
    assert [each["kind"] for each in told] == [
        "landing",
        "version",
        "promotion",
        "landing",
        "version",
        "promotion",
        "promotion",
    ]
    parents = git("log", "--first-parent", "--reverse", "--format=%P", "holdfast/flights").decode().split("\n")[:-1]
    assert parents == ["", *(each["commit"] for each in told[:-1])]
    assert all(one["at"] < other["at"] for one, other in itertools.pairwise(told))
    require_sound(repository)


def test_event_without_a_tree_keeps_the_one_before(repository: Path) -> None:
    land("1")
    commit = registry.append(P, Event("decision", {"outcome": "refused"}))
    assert git("diff", "--name-only", f"{commit}~1", commit) == b"ledger/event.json\n"


def test_first_event_needs_a_tree(repository: Path) -> None:
    with pytest.raises(EmptyLedgerError):
        registry.append(P, Event("decision", {}))


def test_branch_index_and_working_tree_are_never_touched(repository: Path) -> None:
    (repository / "staged").write_text("1")
    git("add", "staged")
    (repository / "params.yaml").write_text("changed")
    index = repository / ".git" / "index"

    def state() -> tuple[Any, ...]:
        branch = git("status", "--porcelain=v2", "--branch")
        return branch, resolve("HEAD"), index.read_bytes(), index.stat().st_mtime_ns

    before = state()
    land("1")
    promote(register("a"))
    promote(register("b"))
    registry.rollback(P, "x", "Ann")
    assert state() == before


def test_dates_go_on_when_the_clock_goes_back(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([2e9, 1e9, 1.5e9, 1e9, 2e9 + 10])
    monkeypatch.setattr(events_module.time, "time", lambda: next(clock))
    first, second = register("a"), register("b")
    promote(first)
    promote(second)
    registry.rollback(P, "x", "Ann")
    assert [each["at"][-3:] for each in registry.events(P)] == ["20Z", "21Z", "22Z", "23Z", "30Z"]
    require_gto_agrees(repository)


def require_gto_agrees(folder: Path) -> None:
    """What the real `gto` says of the repository is what we say."""
    shown = json.loads(gto(folder, "show", "--json"))
    rows = (
        {row["name"] if isinstance(row["name"], str) else row["name"]["value"]: row for row in shown}
        if isinstance(shown, list)
        else shown
    )
    reigning = registry.champion(P)
    assert rows[P]["version"] == numbers()[-1]
    assert rows[P]["stage"] == {"champion": str(reigning.number) if reigning else None}
    told = [each for each in reversed(json.loads(gto(folder, "history", P, "--json"))) if each["event"] == "assignment"]
    assert [(each["ref"], each["version"]) for each in told] == [
        (f"{P}#champion#{each.number}", str(each.version.number)) for each in registry.promotions(P)
    ]


def gto(folder: Path, *words: str) -> str:
    return subprocess.run(["gto", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_gto_shows_the_same_versions_and_champion(repository: Path) -> None:
    versions = [register(name) for name in "abc"]
    for version in (versions[0], versions[2], versions[1]):
        promote(version)
    registry.rollback(P, "x", "Ann")
    require_gto_agrees(repository)


def test_promotion_and_retreat_by_gto_itself_are_followed(repository: Path) -> None:
    first, second = register("a"), register("b")
    promote(first)
    gto(repository, "assign", P, "--version", "v1.1.0", "--stage", "champion", "-m", "by hand")
    assert registry.champion(P) == second
    last = registry.promotions(P)[-1]
    assert (last.number, last.reason, last.version) == (2, "by hand", second)
    gto(repository, "deprecate", P, "v1.1.0", "champion")
    assert registry.champion(P) == first


# ---- what a killed writer leaves behind


def test_missing_tag_of_the_last_event_is_made_again_the_same(repository: Path) -> None:
    promote(register("a"))
    before = refs_of(repository)
    git("tag", "-d", "flights#champion#1")
    registry.sync(P)
    assert refs_of(repository) == before


def test_next_writer_finishes_what_a_killed_one_began(repository: Path) -> None:
    first = register("a")
    git("tag", "-d", first.name)
    assert str(register("b").number) == "v1.1.0"
    require_sound(repository)


@pytest.mark.parametrize("ref", ["refs/heads/holdfast/flights", "refs/tags/flights@v1.1.0"])
def test_lock_file_of_a_killed_git_is_removed(repository: Path, ref: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refs_module, "STALE_SECONDS", 0.1)
    register("a")
    (repository / ".git" / f"{ref}.lock").touch()
    register("b")
    require_sound(repository)


def test_waiting_for_the_lock_ends_and_names_the_holder(repository: Path) -> None:
    with writing(P), pytest.raises(RegistryBusyError, match=f"process {os.getpid()} "), writing(P, patience=0.1):
        pass


def test_ledger_of_the_benchmark_is_as_registering_makes_it(repository: Path) -> None:
    spec = importlib.util.spec_from_file_location("registry_benchmark", ROOT / "benchmarks" / "registry.py")
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    benchmark.fill(12)
    require_sound(repository)
    assert benchmark.register("filled-3") == registry.find_version(P, "v1.3.0")
    promote(benchmark.register("new"))
    require_sound(repository)


# ---- bad input


def test_writing_outside_a_repository_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotARepositoryError, match="git init"):
        registry.sync(P)
    with pytest.raises(NotARepositoryError, match="git init"):
        registry.champion(P)


def test_writing_without_an_identity_is_refused_before_anything(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register("a")
    monkeypatch.setenv("HOME", str(repository))
    for name in ("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NoIdentityError, match=r"git config user\.name"):
        promote(version)


def test_ledger_that_is_checked_out_is_not_moved(repository: Path) -> None:
    register("a")
    git("checkout", "-q", "holdfast/flights")
    with pytest.raises(LedgerCheckedOutError, match="git switch"):
        register("b")


def test_branch_in_the_ledgers_place_is_said_at_once(repository: Path) -> None:
    git("branch", "holdfast")
    text = fails(lambda: register("a"))
    assert "'refs/heads/holdfast' exists" in text


def test_commit_by_hand_on_the_ledger_is_found(repository: Path) -> None:
    commit = land("1")
    by_hand = git("commit-tree", f"{commit}^{{tree}}", "-p", commit, "-m", "by hand").decode().strip()
    git("update-ref", "refs/heads/holdfast/flights", by_hand)
    with pytest.raises(CorruptionError, match="event 1 follows event 1"):
        registry.events(P)
    empty = git("commit-tree", tree_with(None, {}), "-p", by_hand, "-m", "by hand").decode().strip()
    git("update-ref", "refs/heads/holdfast/flights", empty)
    with pytest.raises(CorruptionError, match="not an event that Holdfast wrote"):
        land("2")


def test_event_of_a_newer_holdfast_is_refused(repository: Path) -> None:
    commit = land("1")
    event = json.loads(read_file(commit, "ledger/event.json")) | {"format": 2}
    tree = tree_with(commit, {"ledger/event.json": json.dumps(event).encode()})
    git("update-ref", "refs/heads/holdfast/flights", git("commit-tree", tree, "-m", "x").decode().strip())
    with pytest.raises(NewerEventError, match="format 2"):
        land("2")


def test_tag_of_the_last_event_that_points_elsewhere_is_refused(repository: Path) -> None:
    register("a")
    git("tag", "-f", "-a", "-m", "x", "flights@v1.0.0", "HEAD")
    with pytest.raises(TagMovedError, match="git tag -d"):
        register("b")


@pytest.mark.parametrize("name", ["../x", "a b", "*", "", "x@v1.0.0"])
def test_name_that_is_no_pipelines_is_refused(repository: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="not the name of a pipeline"):
        registry.champion(name)
