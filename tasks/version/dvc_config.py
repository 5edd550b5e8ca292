"""Where DVC keeps a project's objects: its cache and its default remote, read from its configuration without DVC."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from configs.errors import ConfigError
from tasks.atomic import clear_leftovers, flush_to_disk

LOCAL_CONFIG = Path(".dvc/config.local")
REMOTE = "holdfast"  # the name of the remote that is made where there is none


class UnreadableConfigError(ConfigError):
    """A file of DVC's configuration cannot be read."""


class NoDefaultRemoteError(ConfigError):
    """DVC remotes are configured, but none of them is the default."""


def configured() -> dict[str, Any]:
    """DVC's configuration as the levels system, global, repository and local add up; paths are made absolute."""
    import platformdirs

    system = os.environ.get("DVC_SYSTEM_CONFIG_DIR") or platformdirs.site_config_dir("dvc", "iterative")
    user = os.environ.get("DVC_GLOBAL_CONFIG_DIR") or platformdirs.user_config_dir("dvc", "iterative")
    merged: dict[str, Any] = {}
    for path in (Path(system, "config"), Path(user, "config"), Path(".dvc/config"), LOCAL_CONFIG):
        for section, values in sections_of(path).items() if path.is_file() else ():
            merged.setdefault(section, {}).update(with_absolute_paths(values, path.parent.absolute()))
    return merged


def sections_of(path: Path) -> dict[str, Any]:
    """The sections of one configuration file, read with the parser that DVC reads it with.

    Raises
    ------
    UnreadableConfigError
        If it is no configuration.
    """
    from configobj import ConfigObj, ConfigObjError  # type: ignore[import-untyped]

    try:
        found: dict[str, Any] = ConfigObj(str(path), interpolation=False).dict()
    except (ConfigObjError, UnicodeDecodeError) as error:
        raise UnreadableConfigError(
            f"{path}: not as DVC's configuration is written ({error}). Mend or remove it."
        ) from error
    return {section: values for section, values in found.items() if isinstance(values, dict)}


def with_absolute_paths(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Paths in a section are relative to the file they stand in; URLs stay."""
    paths = {key: values[key] for key in ("dir", "url") if key in values and "://" not in values[key]}
    return {**values, **{key: str((folder / Path(path).expanduser()).resolve()) for key, path in paths.items()}}


def cache_folder() -> Path:
    """DVC's cache of the current directory's project."""
    return Path(configured().get("cache", {}).get("dir") or Path(".dvc/cache").absolute())


def remote_url() -> str | None:
    """URL, or absolute path, of the default DVC remote; None where no remote is configured.

    Raises
    ------
    NoDefaultRemoteError
        If there are remotes, but none is the default.
    """
    config = configured()
    remotes = {name.split('"')[1]: values for name, values in config.items() if name.startswith("remote ")}
    default = config.get("core", {}).get("remote")
    if default in remotes and "url" in remotes[default]:
        url: str = remotes[default]["url"]
        return url
    if default or remotes:
        raise NoDefaultRemoteError(
            f".dvc/config: found remotes {', '.join(sorted(remotes)) or 'none'} and core.remote {default!r}; expected "
            "one of them to be the default. Choose it with `dvc remote default NAME`."
        )
    return None


def ensure_remote() -> None:
    """Without any DVC remote, make one: the folder `.dvc/remote` of the main working tree.

    It stands in `.dvc/config.local` of the main working tree, and of the current directory if that is another one.

    Raises
    ------
    NoDefaultRemoteError
        See `remote_url`.
    """
    if remote_url() is not None:
        return
    folder = main_root() / ".dvc" / "remote"
    folder.mkdir(exist_ok=True)
    for config in {main_root() / LOCAL_CONFIG, LOCAL_CONFIG.absolute()}:
        write_privately(
            config, with_default_remote(config.read_text(encoding="utf-8") if config.is_file() else "", folder)
        )


def write_privately(path: Path, text: str) -> None:
    """Write a file that may hold credentials: whole or not at all, and never readable by others."""
    clear_leftovers(path)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{os.getpid()}-", suffix=".tmp")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    flush_to_disk(Path(name))
    Path(name).replace(path)


def with_default_remote(text: str, folder: Path) -> str:
    r"""A DVC configuration with a default remote more; what it says already is kept as it is written.

    >>> print(with_default_remote("[cache]\n    type = copy\n", Path("/x/.dvc/remote")), end="")
    [cache]
        type = copy
    ['remote "holdfast"']
        url = /x/.dvc/remote
    [core]
        remote = holdfast
    """
    added = f"['remote \"{REMOTE}\"']\n    url = {folder}\n"
    lines = text.splitlines(keepends=True)
    core = next((number for number, line in enumerate(lines) if line.strip() == "[core]"), None)
    if core is None:
        return "".join([*lines, added, f"[core]\n    remote = {REMOTE}\n"])
    return "".join([*lines[: core + 1], f"    remote = {REMOTE}\n", *lines[core + 1 :], added])


def main_root() -> Path:
    """The project's root in the main working tree, which stays when the current one is thrown away."""
    from tasks.registry.git import common_folder

    common = common_folder()
    return common.parent if common.name == ".git" else Path.cwd()
