"""The drift profile that would have gone with a model: as the stage `evaluate` makes it, kept by hash."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.atomic import write_json
from tasks.drift.habits import FILE
from tasks.drift.profile.files import COUNTS, PROFILE, SAMPLE
from tasks.drift.reference import reference_of, write_reference
from tasks.evaluate import read_holdout, read_out_of_fold
from tasks.evaluation.explain import explain, sample_rows
from tasks.evaluation.judge import predicted
from tasks.model.bundle import load_bundle
from tasks.replay.known import project_of
from tasks.replay.making import timed
from tasks.store import SUMMARY, content_hash
from tasks.training.rows import load_rows

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from tasks.replay.making import Kept, Made

CODE = Path("tasks/drift/reference.py")


def profile_of(kept: Kept, model: Made) -> tuple[Path, float]:
    """The folder of a model's profile, and the CPU seconds that making it took."""
    folder = model.folder / "profile"
    folder.mkdir(exist_ok=True)
    into = {name: folder / name for name in (PROFILE, COUNTS, SAMPLE, FILE)}
    declared = kept.pipeline.evaluate.model_dump_json()
    key = content_hash(f"{kept.code(CODE)}\n{declared}\n{model.manifest_sha256}\n{model.known.hash}".encode())

    def written(entry: Path) -> None:
        kept.made += 1
        write_json(entry / SUMMARY, timed(lambda: write_profile(kept.pipeline, model, entry.resolve())))

    return folder, kept.store.get_or_make("profile", key, written, into)["cpu_seconds"]


def write_profile(pipeline: Pipeline, model: Made, entry: Path) -> dict[str, Any]:
    """Make a profile in a project that has the rows that were known alone."""
    with project_of(model.known, pipeline) as project:
        model.link_into(project, pipeline.name)
        with contextlib.chdir(project):
            make_here(pipeline)
        for file in (project / "profiles" / pipeline.name).iterdir():
            shutil.copyfile(file, entry / file.name)
    return {}


def make_here(pipeline: Pipeline) -> None:
    """Write the profile of the current directory's bundle."""
    loaded, rows = load_bundle(Path("models", pipeline.name)), load_rows(pipeline)
    frame, _ = read_holdout(pipeline)
    features = loaded.features_in(frame[list(pipeline.input_columns)])[list(loaded[-1].feature_names_in_)]
    sample = features.iloc[sample_rows(len(features), pipeline.train.seed)]
    explanation = explain(loaded.booster, sample, rows.classes or ())
    write_reference(reference_of(rows, loaded, predicted(read_out_of_fold(pipeline))), rows, explanation)
