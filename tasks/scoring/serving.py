"""Which model scores: a version from the store by hash, or, while there is none, the workspace's last bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from configs.errors import ConfigError
from tasks.model.bundle import MANIFEST, sha256

if TYPE_CHECKING:
    from tasks.model.estimator import TabularModel
    from tasks.registry import Version


class NoModelError(ConfigError):
    """There is neither a version nor a bundle that could score."""


class Chosen(NamedTuple):
    """A model that is to score; nothing of it was loaded yet.

    Attributes
    ----------
    pipeline : str
    version : Version or None
        None of the workspace's last bundle.
    manifest_sha256 : str
        Of its manifest, which pins every other byte.
    """

    pipeline: str
    version: Version | None
    manifest_sha256: str

    @property
    def name(self) -> str:
        """Such as `flights@v1.2.0`, or `models/flights` of the workspace."""
        return self.version.name if self.version else f"models/{self.pipeline}"


class Served(NamedTuple):
    """A model that scores, every byte of it verified, and what it was made of."""

    chosen: Chosen
    model: TabularModel
    manifest: dict[str, Any]


def choose(pipeline: str, number: str | None = None) -> Chosen:
    """The version of a number, or the champion, or, where no version is one, the workspace's last bundle.

    Parameters
    ----------
    pipeline : str
        A pipeline of params.yaml.
    number : str, optional
        Such as `v1.2.0`.

    Raises
    ------
    UnknownVersionError
        If there is no version of the number; names the nearest.
    NoModelError
        If there is nothing to score with.
    CorruptionError
        If the version's record is not what was registered.
    """
    from tasks import registry

    version = registry.find_version(pipeline, number) if number else registry.champion(pipeline)
    if version is not None:
        from tasks.version.record import bundle_hashes, record_of

        return Chosen(pipeline, version, bundle_hashes(record_of(version))[MANIFEST])
    manifest = Path("models", pipeline, MANIFEST)
    if not manifest.is_file():
        raise NoModelError(
            f"{pipeline}: no version is champion, and {manifest} is not there. Make a model with "
            f"`holdfast retrain {pipeline} --reason ...`, or try one with `holdfast run {pipeline}`."
        )
    return Chosen(pipeline, None, sha256(manifest.read_bytes()))


def load(chosen: Chosen) -> Served:
    """Bring the model back.

    Raises
    ------
    CorruptionError
        If a byte is not the one that was recorded; nothing was loaded.
    EnvironmentMismatchError
        If a version was made with other libraries than are installed.
    """
    if chosen.version is not None:
        from tasks.version.champion import load_with_manifest

        return Served(chosen, *load_with_manifest(chosen.version))
    from tasks.model.bundle import load_bundle, read_manifest

    folder = Path("models", chosen.pipeline)
    model = load_bundle(folder, chosen.manifest_sha256)
    return Served(chosen, model, read_manifest(folder, chosen.manifest_sha256))
