"""Running git: what is refused, what is read and hashed again, trees that no index knows of."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.errors import ConfigError, CorruptionError
from tasks.registry import git as under_test
from tasks.registry.git import (
    DetachedHeadError,
    GitError,
    MissingFileError,
    NoCommitsError,
    NoIdentityError,
    NotARepositoryError,
    ShallowCloneError,
    git,
    read_file,
    read_files,
    require_repository,
    resolve,
    tree_with,
    uncommitted,
)
from tests.ledgers import clone_of, new_remote, new_repository


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = new_repository(tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


def files_of(tree: str) -> dict[str, bytes]:
    names = git("ls-tree", "-r", "--name-only", tree).decode().split()
    return {name: git("cat-file", "blob", f"{tree}:{name}") for name in names}


# ---- what a ledger cannot be kept in


def no_repository(folder: Path) -> None:
    (folder / ".git").rename(folder / "not-git")


def no_commit(folder: Path) -> None:
    no_repository(folder)
    git("init", "-q", folder=folder)


def detached(folder: Path) -> None:
    git("checkout", "-q", "--detach", folder=folder)


def bare(folder: Path) -> None:
    git("config", "core.bare", "true", folder=folder)


WRONG: list[tuple[Callable[[Path], None], type[ConfigError], str]] = [
    (no_repository, NotARepositoryError, "git init"),
    (no_commit, NoCommitsError, "no commit yet"),
    (detached, DetachedHeadError, "git switch"),
    (bare, NotARepositoryError, "bare"),
]


@pytest.mark.parametrize(("spoil", "error", "remedy"), WRONG)
def test_repository_without_a_place_for_a_ledger_is_refused(
    repository: Path, spoil: Callable[[Path], None], error: type[ConfigError], remedy: str
) -> None:
    spoil(repository)
    with pytest.raises(error, match=remedy):
        require_repository()


def test_identity_is_never_guessed_from_the_machine(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(repository))
    monkeypatch.setenv("EMAIL", "guessed@example.org")
    for name in ("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NoIdentityError, match=r"user\.email"):
        require_repository()


def test_shallow_clone_is_refused(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git("commit", "-q", "--allow-empty", "-m", "second")
    git("clone", "-q", "--depth=1", f"file://{repository}", str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    with pytest.raises(ShallowCloneError, match="--unshallow"):
        require_repository()


def test_project_below_the_root_of_a_repository_is_refused(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository / "metrics")
    with pytest.raises(NotARepositoryError, match="'metrics/'"):
        require_repository()


def test_worktree_with_a_detached_head_will_do_where_asked(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git("worktree", "add", "-q", "--detach", str(repository.parent / "tree"))
    monkeypatch.chdir(repository.parent / "tree")
    require_repository(detached=True)
    assert under_test.common_folder() == repository / ".git"


def test_hooks_variables_do_not_redirect(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = new_repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    git("commit", "-q", "--allow-empty", "-m", "second")
    assert resolve("HEAD~1") is not None


def test_missing_git_is_said(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(GitError, match="Install git"):
        git("status")


def test_password_in_an_address_is_not_shown(repository: Path) -> None:
    with pytest.raises(GitError) as caught:
        git("clone", "https://ann:secret@localhost:1/x.git", str(repository / "x"))
    assert "secret" not in str(caught.value)


def test_command_that_takes_too_long_is_ended(repository: Path) -> None:
    with pytest.raises(GitError, match=r"within 0\.2 s"):
        git("-c", "alias.wait=!sleep 5", "wait", timeout=0.2)


# ---- trees


def test_tree_has_files_written_and_removed(repository: Path) -> None:
    tree = tree_with("HEAD", {"metrics/": None, "params.yaml": None, "metrics/new.json": b"1", "a b/\xe9": b"\r\n\0"})
    names = git("ls-tree", "-r", "-z", "--name-only", tree).decode().split("\0")[:-1]
    assert names == ["a b/\xe9", "metrics/new.json"]
    assert read_files([f"{tree}:a b/\xe9"]) == [b"\r\n\0"]


def test_tree_from_nothing_holds_what_is_written(repository: Path) -> None:
    assert files_of(tree_with(None, {"a/b": b"x", "c": b""})) == {"a/b": b"x", "c": b""}


def test_removed_folder_takes_no_namesake_with_it(repository: Path) -> None:
    base = tree_with(None, {"a/x": b"1", "ab/x": b"2", "a*/x": b"3"})
    assert files_of(tree_with(base, {"a*/": None})) == {"a/x": b"1", "ab/x": b"2"}


@pytest.mark.parametrize("path", ["../x", ".git/config", "/etc/x", "a/../b"])
def test_path_outside_the_tree_is_refused(repository: Path, path: str) -> None:
    with pytest.raises(GitError, match="update-index"):
        tree_with("HEAD", {path: b"x"})


def test_tree_leaves_index_and_working_tree_alone(repository: Path) -> None:
    (repository / "staged").write_text("1")
    git("add", "staged")
    before = (repository / ".git" / "index").read_bytes(), git("status", "--porcelain")
    tree_with("HEAD", {"params.yaml": b"x", "metrics/": None})
    assert ((repository / ".git" / "index").read_bytes(), git("status", "--porcelain")) == before
    assert not list((repository / ".git" / "holdfast").iterdir())


def test_attributes_of_the_user_change_no_byte(repository: Path) -> None:
    (repository / ".gitattributes").write_text("* text eol=crlf\n")
    git("config", "core.autocrlf", "true")
    tree = tree_with("HEAD", {"x": b"a\r\nb\n"})
    assert read_files([f"{tree}:x"]) == [b"a\r\nb\n"]


def test_uncommitted_names_changed_staged_and_new_files(repository: Path) -> None:
    (repository / "configs").mkdir()
    for name in ("configs/a.py", "configs/sp ace.py", "other.py"):
        (repository / name).write_text("1")
    (repository / "params.yaml").write_text("changed")
    git("rm", "-q", "--cached", "metrics/old.json")
    (repository / "metrics" / "old.json").unlink()
    found = uncommitted(["configs", "params.yaml", "metrics/*.json"])
    assert found == ["configs/a.py", "configs/sp ace.py", "metrics/old.json", "params.yaml"]


def test_uncommitted_says_nothing_of_ignored_or_committed_files(repository: Path) -> None:
    (repository / ".git" / "info" / "exclude").write_text("*.pyc\n")
    (repository / "metrics" / "x.pyc").write_text("1")
    assert uncommitted(["metrics", "params.yaml"]) == []


# ---- reading


def test_files_of_many_commits_are_read_at_once(repository: Path) -> None:
    assert read_files(["HEAD:params.yaml", "HEAD:none", "nowhere:params.yaml", "HEAD:metrics/old.json"]) == [
        (repository / "params.yaml").read_bytes(),
        None,
        None,
        b"{}\n",
    ]


@pytest.mark.parametrize(
    ("revision", "path"),
    [("HEAD", "none"), ("HEAD", "metrics/none"), ("HEAD", "params.yaml/x"), ("gone", "params.yaml")],
)
def test_file_that_a_commit_has_not_is_said(repository: Path, revision: str, path: str) -> None:
    with pytest.raises(MissingFileError, match=revision):
        read_file(revision, path)


def loose(folder: Path, name: str) -> Path:
    digest = git("rev-parse", name, folder=folder).decode().strip()
    path = folder / ".git" / "objects" / digest[:2] / digest[2:]
    path.chmod(0o644)
    return path


@pytest.mark.parametrize("name", ["HEAD", "HEAD^{tree}", "HEAD:metrics", "HEAD:metrics/old.json"])
def test_flipped_bit_in_any_object_on_the_way_never_changes_what_is_read(repository: Path, name: str) -> None:
    path = loose(repository, name)
    whole = path.read_bytes()
    for bit in range(0, len(whole) * 8, 7):  # every seventh, so each place in a byte
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert reads_right_or_refuses(), bit


def reads_right_or_refuses() -> bool:
    try:
        return read_file("HEAD", "metrics/old.json") == b"{}\n"
    except CorruptionError:
        return True


@pytest.mark.parametrize(
    ("name", "other"),
    [("HEAD", "HEAD~1"), ("HEAD^{tree}", "HEAD~1^{tree}"), ("HEAD:metrics", "HEAD~1:metrics"),
     ("HEAD:metrics/old.json", "HEAD~1:metrics/old.json")],
)  # fmt: skip
def test_object_exchanged_for_another_is_refused(repository: Path, name: str, other: str) -> None:
    (repository / "metrics" / "old.json").write_text("[]")
    git("commit", "-q", "-am", "second")
    loose(repository, name).write_bytes(loose(repository, other).read_bytes())
    with pytest.raises(CorruptionError, match=r"git fsck"):
        read_file("HEAD", "metrics/old.json")


def test_object_gone_from_disk_is_corruption(repository: Path) -> None:
    loose(repository, "HEAD:metrics/old.json").unlink()
    with pytest.raises(CorruptionError, match="no object"):
        read_file("HEAD", "metrics/old.json")


def test_repository_with_sha256_is_read_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path / "x")
    git("init", "-q", "--object-format=sha256")
    tree = tree_with(None, {"a/b": b"1"})
    commit = git("commit-tree", tree, "-m", "x").decode().strip()
    assert read_file(commit, "a/b") == b"1"
    assert files_of(tree_with(commit, {"a/b": None, "c": b"2"})) == {"c": b"2"}


def test_remote_clone_knows_commits_by_name(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = new_remote(tmp_path / "remote.git", repository)
    subprocess.run(["git", "push", "-q", "origin", "main"], check=True)
    monkeypatch.chdir(clone_of(remote, tmp_path / "clone"))
    assert resolve("main") == git("rev-parse", "main", folder=repository).decode().strip()
    assert resolve("none") is None
    assert resolve("--help") is None
