"""What a batch is held against: the champion's model and its profile; before the first version, the workspace's.

Of a registered champion both come from the store by hash, and the workspace is not looked at.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from configs.errors import CorruptionError, DataError
from tasks.atomic import read_json
from tasks.drift.profile import Profile, read_profile
from tasks.drift.profile.files import PROFILE
from tasks.model.bundle import MANIFEST, load_bundle, read_bytes, sha256

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from tasks.model.estimator import TabularModel
    from tasks.registry import Version

WORKSPACE = "workspace"


class NoProfileError(DataError):
    """There is no profile that a batch could be held against."""


class ForeignProfileError(CorruptionError):
    """A profile is of another pipeline, or was made with another model than the one that it lies beside."""


@dataclass(frozen=True)
class Champion:
    """A model and the profile of what it learned from.

    Attributes
    ----------
    name : str
        The version, such as `flights@v1.2.0`, or `workspace`.
    model : TabularModel
    profile : Profile
    profile_sha256 : str
        Of profile.json, which names the hashes of the profile's other files.
    score : float or None
        The declared metric's mean over the folds that the model was validated on.
    """

    name: str
    model: TabularModel
    profile: Profile
    profile_sha256: str
    score: float | None = None


def champion_of(pipeline: Pipeline) -> Champion:
    """Load what a batch is held against.

    Raises
    ------
    NoProfileError
        If the champion was made before there were profiles, or nothing was made yet.
    CorruptionError
        If a byte of either is not the one that was recorded.
    ForeignProfileError
        If the two do not belong together.
    """
    from tasks import registry

    version = registry.champion(pipeline.name)
    return of_workspace(pipeline.name) if version is None else of_version(version, pipeline)


def of_workspace(pipeline: str) -> Champion:
    """The last bundle and profile that the stages made here."""
    bundle, folder = Path("models", pipeline), Path("profiles", pipeline)
    for path in (bundle, folder):
        if not path.is_dir():
            raise NoProfileError(
                f"{path}: missing, and no version of {pipeline} is champion. Run `holdfast run {pipeline}`."
            )
    model, profile, metrics = load_bundle(bundle), read_profile(folder), Path("metrics", pipeline, "train.json")
    require_kin(profile, pipeline, sha256(read_bytes(bundle / MANIFEST)), str(folder))
    score = read_json(metrics)["cv"]["mean"] if metrics.is_file() else None
    return Champion(WORKSPACE, model, profile, sha256(read_bytes(folder / PROFILE)), score)


def of_version(version: Version, pipeline: Pipeline) -> Champion:
    """A registered version's bundle and profile, from the store."""
    from tasks.version.champion import load_version, profile_files
    from tasks.version.record import bundle_hashes, record_of

    record = record_of(version)
    files = profile_files(version, record)
    if not files:
        raise NoProfileError(
            f"{version.name}: was made before there were profiles. Make a new version: "
            f"`holdfast retrain {version.pipeline} --reason ...`."
        )
    model = load_version(version, pipeline.gate.environment)
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        profile = read_profile(Path(folder), sha256(files[PROFILE]))
    require_kin(
        profile, version.pipeline, bundle_hashes(record)[MANIFEST], f"profiles/{version.pipeline} of {version.name}"
    )
    return Champion(version.name, model, profile, sha256(files[PROFILE]), record["metrics"]["train"]["cv"]["mean"])


def require_kin(profile: Profile, pipeline: str, model: str, where: str) -> None:
    """Refuse a profile of another pipeline, or that was made with another model.

    Parameters
    ----------
    profile : Profile
    pipeline : str
        Whose profile is asked for.
    model : str
        SHA-256 of the bundle's manifest.
    where : str
        For the error's text.
    """
    for what, found, expected in (
        ("pipeline", profile.pipeline, pipeline),
        ("model", profile.hashes.get("model"), model),
    ):
        if found != expected:
            raise ForeignProfileError(
                f"{where}: is of the {what} {found}, expected {expected}. Nothing was judged. Make it again with "
                f"`dvc repro --force evaluate@{pipeline}`, or restore it with `dvc checkout --force`."
            )
