"""The one place that runs git: plain commands, no library, and never the user's index or working tree.

Objects are written by plumbing with an index of their own. What is read of a commit is hashed again on the way, since
git itself believes a loose object that was exchanged for another one.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from configs.errors import ConfigError, CorruptionError, HoldfastError
from tasks.atomic import clear_leftovers

SETTINGS = (  # given with each command, so that no configuration of the user changes what is written
    "-c",
    "core.fsync=committed,loose-object,reference",  # git's default leaves these to the next loss of power
    "-c",
    "i18n.commitEncoding=UTF-8",
    "-c",
    "advice.detachedHead=false",
)
OF_ANOTHER_REPOSITORY = (  # set where git calls us, as in a hook; they would redirect our commands
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
    "GIT_QUARANTINE_PATH",
)
NO_REPOSITORY = "no git repository here. `git init`, and commit the project."
DAMAGED = (
    "Nothing was used. `git fsck` lists what is damaged; a clone or the remote has it whole: remove the damaged file "
    "under .git/objects and `git fetch --refetch`."
)


class GitError(HoldfastError):
    """A git command failed: what it was and what git said."""


class MissingFileError(GitError):
    """A commit has no file of this name."""


class NotARepositoryError(ConfigError):
    """The project's root is not the root of a git working tree."""


class NoCommitsError(ConfigError):
    """The repository has no commit yet."""


class DetachedHeadError(ConfigError):
    """No branch is checked out."""


class ShallowCloneError(ConfigError):
    """The clone has a part of the history only."""


class NoIdentityError(ConfigError):
    """git was not told who commits."""


def git(
    *arguments: str,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout: float | None = None,
    keep: Sequence[int] = (),
) -> bytes:
    """Run a git command in the current directory, or in `folder`, and return what it printed.

    Parameters
    ----------
    *arguments : str
        The words after `git`. What a user wrote stands after `--`, or is a whole ref name.
    stdin : bytes, optional
        What the command reads; nothing without it.
    environment : mapping, optional
        Variables beside those of this process.
    timeout : float, optional
        Seconds after which the command is ended; for those that use the network.
    keep : sequence of int
        File descriptors that stay open in the command, such as a lock that it works under.

    Raises
    ------
    GitError
        If it fails, takes too long, or git is not installed.
    """
    result = attempt(*arguments, stdin=stdin, environment=environment, folder=folder, timeout=timeout, keep=keep)
    if result.returncode:
        raise failure(arguments, result)
    return result.stdout


def attempt(
    *arguments: str,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout: float | None = None,
    keep: Sequence[int] = (),
) -> subprocess.CompletedProcess[bytes]:
    """Run a git command whose failure is an answer; see `git`."""
    inherited = {name: value for name, value in os.environ.items() if name not in OF_ANOTHER_REPOSITORY}
    fixed = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1"}
    try:
        return subprocess.run(
            ["git", *SETTINGS, *arguments],  # noqa: S607 - the user's git, wherever it is
            input=b"" if stdin is None else stdin,
            env={**inherited, **fixed, **(environment or {})},
            cwd=folder,
            capture_output=True,
            timeout=timeout,
            pass_fds=keep,
            check=False,
        )
    except FileNotFoundError as error:
        raise GitError(f"`git` cannot be run ({error}). Install git 2.36 or later.") from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"`git {arguments[0]}` did not end within {timeout} s. Is the remote reachable?") from error


def failure(arguments: Sequence[str], result: subprocess.CompletedProcess[bytes]) -> HoldfastError:
    """What to raise of a git command that failed."""
    if b"not a git repository" in result.stderr:
        return NotARepositoryError(f"{Path.cwd()}: {NO_REPOSITORY}")
    return GitError(without_password(f"`git {' '.join(arguments[:4])}` ended with {result.returncode}: {said(result)}"))


def said(result: subprocess.CompletedProcess[bytes]) -> str:
    """What git said on its error stream, on one line, without passwords."""
    text = " / ".join(line.strip() for line in result.stderr.decode(errors="replace").splitlines() if line.strip())
    return without_password(text) or "nothing said"


def without_password(text: str) -> str:
    """The text, with what stands before the host in an address blotted out.

    >>> without_password("https://ann:secret@example.org/x.git")
    'https://***@example.org/x.git'
    """
    return re.sub(r"(\w+://)[^/@\s]+@", r"\1***@", text)


# ---- is this a repository that a ledger can be kept in


def require_repository(*, detached: bool = False) -> None:
    """Refuse what a ledger cannot be kept in; where `detached` is given, a detached HEAD will do, as in a worktree.

    Raises
    ------
    NotARepositoryError, NoCommitsError, DetachedHeadError, ShallowCloneError, NoIdentityError
        Each says what to do.
    """
    require_whole_clone()
    here = Path.cwd()
    if resolve("HEAD") is None:
        raise NoCommitsError(f"{here}: no commit yet. Commit the project: `git add -A && git commit -m 'first'`.")
    if not detached and attempt("symbolic-ref", "-q", "HEAD").returncode:
        raise DetachedHeadError(f"{here}: HEAD is detached, no branch is checked out. `git switch` to a branch.")
    identity()


def require_whole_clone() -> None:
    """Refuse a folder that is not the root of a git working tree, and a shallow clone."""
    here = Path.cwd()
    found = attempt("rev-parse", "--is-inside-work-tree", "--is-shallow-repository", "--show-prefix")
    if found.returncode:
        raise NotARepositoryError(f"{here}: {NO_REPOSITORY} git said: {said(found)}")
    inside, shallow, prefix = found.stdout.decode().split("\n")[:3]
    if inside != "true":
        raise NotARepositoryError(f"{here}: a bare git repository, without files. Work in a clone of it.")
    if prefix:
        raise NotARepositoryError(
            f"{here}: the project is the folder {prefix!r} of a git repository; expected is the repository's root. "
            "Give the project a repository of its own."
        )
    if shallow == "true":
        raise ShallowCloneError(f"{here}: a shallow clone, which lacks versions. Run `git fetch --unshallow --tags`.")


def identity() -> str:
    """Who commits, as `Name <mail>`; never guessed from the machine's name.

    Raises
    ------
    NoIdentityError
        If git was not told.
    """
    found = attempt("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
    if found.returncode:
        raise NoIdentityError(
            f"git does not know who you are ({said(found).split(' / ')[-1]}). Every version says who made it: "
            'git config user.name "Your Name" && git config user.email you@example.org'
        )
    return found.stdout.decode(errors="replace").rsplit(" ", 2)[0]


def common_folder() -> Path:
    """The `.git` folder that all worktrees of the repository share."""
    return Path(os.fsdecode(git("rev-parse", "--path-format=absolute", "--git-common-dir")[:-1]))


# ---- reading


def resolve(revision: str) -> str | None:
    """The full hash of the commit that a name stands for, None if it stands for none."""
    found = attempt("rev-parse", "-q", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    return None if found.returncode else found.stdout.decode().strip()


def uncommitted(paths: Sequence[str]) -> list[str]:
    """Of these paths and patterns, the files that differ from HEAD or that git does not know; ignored ones left out."""
    if not paths:
        return []
    listed = git("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--", *paths)
    return sorted(os.fsdecode(line[3:]) for line in listed.split(b"\0") if line)


def read_files(names: Sequence[str]) -> list[bytes | None]:
    """The bytes of many objects (`commit:path`, or a hash) by one command; None where there is none of that name.

    Raises
    ------
    CorruptionError
        If an object is damaged, or its bytes are not the ones that its hash stands for.
    """
    return [found[2] if found else None for found in read_objects(names)]


def read_objects(names: Sequence[str]) -> list[tuple[str, str, bytes] | None]:
    """Hash, type and bytes of many objects, each hashed again."""
    if any("\n" in name for name in names):
        raise MissingFileError("a name of a file in git has a line break; none was read.")
    result = attempt("cat-file", "--batch", stdin="".join(f"{name}\n" for name in names).encode())
    if result.returncode or result.stderr:
        if b"not a git repository" in result.stderr:
            raise failure(("cat-file",), result)
        raise CorruptionError(f"git cannot read an object: {said(result)}. {DAMAGED}")
    return list(parsed_objects(result.stdout, names))


def parsed_objects(output: bytes, names: Sequence[str]) -> Iterator[tuple[str, str, bytes] | None]:
    """What `git cat-file --batch` printed, object by object."""
    start = 0
    for name in names:
        end = output.index(b"\n", start)
        words = output[start:end].split(b" ")
        if words[-1] in {b"missing", b"ambiguous"}:
            start = end + 1
            yield None
            continue
        digest, kind, size = words[0].decode(), words[1].decode(), int(words[2])
        content = output[end + 1 : end + 1 + size]
        require_object_hash(name, digest, kind, content)
        start = end + 2 + size
        yield digest, kind, content


def require_object_hash(name: str, digest: str, kind: str, content: bytes) -> None:
    """Refuse an object whose bytes are not the ones that its hash stands for."""
    new = hashlib.sha1 if len(digest) == 40 else hashlib.sha256
    found = new(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()
    if found != digest:
        raise CorruptionError(f"git object {name}: its bytes hash to {found}, expected {digest}. {DAMAGED}")


def read_file(revision: str, path: str) -> bytes:
    """The bytes of one file of a commit; commit, folders and file are each checked against the hash that names them.

    Raises
    ------
    MissingFileError
        If the commit has no such file, or there is no such commit.
    CorruptionError
        If one of the objects on the way is damaged, exchanged or gone.
    """
    names = path.split("/")
    places = ["", *("/".join(names[: depth + 1]) for depth in range(len(names)))]
    commit, *found = read_objects([f"{revision}^{{commit}}", *(f"{revision}:{place}" for place in places)])
    if commit is None:
        raise MissingFileError(f"{revision}: no such commit here. `git fetch --tags` brings what the remote has.")
    pinned: str | None = commit[2].split(b"\n", 1)[0].removeprefix(b"tree ").decode()
    for place, name, each in zip(places, [*names, None], found, strict=True):
        if each is None or each[0] != pinned:
            what = each[0] if each else "no object"
            raise CorruptionError(f"{revision}:{place}: git has {what}, expected {pinned}. {DAMAGED}")
        if name is None:
            return each[2]
        pinned = entries(each[2], len(each[0]) // 2).get(name) if each[1] == "tree" else None
        if pinned is None:
            break
    raise MissingFileError(f"{revision}:{path}: that commit has no such file.")


def entries(tree: bytes, width: int) -> dict[str, str]:
    """Name and hash, of `width` bytes, of what a folder of a commit holds, from the bytes of its tree object."""
    listed, start = {}, 0
    while start < len(tree):
        middle = tree.index(b"\0", start) + 1
        listed[os.fsdecode(tree[start : middle - 1].split(b" ", 1)[1])] = tree[middle : middle + width].hex()
        start = middle + width
    return listed


# ---- writing objects


def tree_with(base: str | None, changes: Mapping[str, bytes | None]) -> str:
    """The tree of a commit with some files written or removed, as a new tree object; no index is touched.

    Parameters
    ----------
    base : str or None
        A commit or tree; None starts with nothing.
    changes : mapping of path to bytes or None
        None removes the file, or the whole folder where the path ends in a slash. Removals come first.

    Returns
    -------
    str
        The hash of the tree.
    """
    with private_index() as (folder, index):
        git("read-tree", base or "--empty", environment=index)
        removed = [path for path, content in changes.items() if content is None]
        written = {path: content for path, content in changes.items() if content is not None}
        lines = [f"0 {digest}\t{name}" for name, digest in files_under(removed, index)]
        hashes = write_blobs(list(written.values()), folder)
        lines += [f"100644 {digest}\t{path}" for path, digest in zip(written, hashes, strict=True)]
        stdin = "".join(f"{line}\0" for line in lines).encode(errors="surrogateescape")
        result = attempt("update-index", "-z", "--index-info", stdin=stdin, environment=index)
        if result.returncode or result.stderr:  # a path that leads out of the tree is ignored, with a word about it
            raise failure(("update-index", "--index-info"), result)
        return git("write-tree", environment=index).decode().strip()


@contextmanager
def private_index() -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder that is removed again, also after a kill, and the variable that makes git use an index in it."""
    path = common_folder() / "holdfast" / "index"
    clear_leftovers(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".index.{os.getpid()}-", suffix=".tmp") as folder:
        yield Path(folder), {"GIT_INDEX_FILE": str(Path(folder) / "index")}


def files_under(paths: Sequence[str], index: Mapping[str, str]) -> list[tuple[str, str]]:
    """Name and hash of the files of an index at or below these paths."""
    if not paths:
        return []
    listed = git("--literal-pathspecs", "ls-files", "-s", "-z", "--", *paths, environment=index)
    lines = [os.fsdecode(line).split("\t", 1) for line in listed.split(b"\0") if line]
    return [(name, facts.split(" ")[1]) for facts, name in lines]


def write_blobs(contents: Sequence[bytes], folder: Path) -> list[str]:
    """Write the contents of files as objects, byte by byte as they are; returns their hashes."""
    if not contents:
        return []
    paths = [folder / str(number) for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    stdin = "".join(f"{path}\n" for path in paths).encode()
    return git("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=stdin).decode().split()
