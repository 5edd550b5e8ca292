"""The model that a retrain on a date would have made: by the very stages `split` and `train`, kept by hash."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.atomic import read_json, write_json
from tasks.model.bundle import FILES, MANIFEST, load_bundle, sha256
from tasks.replay.known import Known, project_of
from tasks.stage import run_stage
from tasks.store import SUMMARY, BatchStore

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from tasks.model.estimator import TabularModel

BUNDLE, SPLIT, METRICS = "bundle", "split.parquet", "train.json"


@dataclass(frozen=True)
class Made:
    """A model, and what making it took.

    Attributes
    ----------
    folder : Path
        Holds `bundle/`; `split.parquet`, which rows it was trained on; `train.json`, the metrics of its training.
    manifest_sha256 : str
        Names the model: of two dates on which the same was known it is the same.
    rows : int
        Trained on.
    cpu_seconds : float
        When it was made; a replay that finds it made says the same.
    date : int
        On which it was made.
    """

    folder: Path
    manifest_sha256: str
    rows: int
    cpu_seconds: float
    date: int

    @property
    def bundle(self) -> Path:
        """The folder of its bundle."""
        return self.folder / BUNDLE

    def link_into(self, project: Path, name: str) -> None:
        """Put what its training wrote beside the bundle where the stages would have put it."""
        for source, target in ((SPLIT, f"data/split/{name}.parquet"), (METRICS, f"metrics/{name}/train.json")):
            place = project / target
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to((self.folder / source).resolve())

    def load(self) -> TabularModel:
        """Load the model, its bytes checked."""
        return load_bundle(self.bundle, self.manifest_sha256)


class Kept:
    """What a replay keeps by the hash of all that it was made from; `made` counts what was not there yet.

    Parameters
    ----------
    pipeline : Pipeline
    folder : Path
        Where this replay's files are delivered to.
    """

    def __init__(self, pipeline: Pipeline, folder: Path) -> None:
        self.pipeline, self.folder = pipeline, folder
        self.store = BatchStore("train", pipeline)
        self.made = 0

    def summary(self, name: str, key: str, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """Plain values that follow from what `key` is the hash of; `cpu_seconds` says what making them took."""

        def written(folder: Path) -> None:
            write_json(folder / SUMMARY, timed(make))
            self.made += 1

        return self.store.get_or_make(name, key, written, {})

    def model(self, known: Known) -> Made:
        """The model of what was known on a date.

        Raises
        ------
        DataError
            What the stages raise: too few rows, one class, a leak.
        """
        folder = self.folder / known.hash[:20]
        (folder / BUNDLE).mkdir(parents=True, exist_ok=True)
        into = {name: folder / BUNDLE / name for name in (*FILES, MANIFEST)}
        into |= {name: folder / name for name in (SPLIT, METRICS)}
        facts = self.store.get_or_make("model", known.hash, lambda entry: self._train(known, entry), into)
        manifest = sha256((folder / BUNDLE / MANIFEST).read_bytes())
        return Made(folder, manifest, facts["rows"], facts["cpu_seconds"], known.date)

    def _train(self, known: Known, entry: Path) -> None:
        """Let the stages make it in a project that has the known rows alone."""
        entry, name = entry.resolve(), self.pipeline.name
        self.made += 1

        def stages() -> dict[str, Any]:
            with contextlib.chdir(project), contextlib.redirect_stdout(StringIO()):
                run_stage("split", name)
                run_stage("train", name)
            return {"rows": read_json(project / f"metrics/{name}/split.json")["rows"]["train"]}

        with project_of(known, self.pipeline) as project:
            facts = timed(stages)
            written = {file: project / "models" / name / file for file in (*FILES, MANIFEST)}
            written |= {SPLIT: project / f"data/split/{name}.parquet", METRICS: project / f"metrics/{name}/train.json"}
            for file, source in written.items():
                shutil.copyfile(source, entry / file)
        write_json(entry / SUMMARY, facts)


def timed(make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """What is made, with the CPU seconds of all threads that it took."""
    start = time.process_time()
    return {**make(), "cpu_seconds": round(time.process_time() - start, 3)}
