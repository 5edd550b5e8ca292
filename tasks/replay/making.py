"""The model that a retrain on a date would have made: by the very stages `split` and `train`, kept by hash."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.atomic import read_json, write_json
from tasks.closure import code_hash
from tasks.model.bundle import FILES, MANIFEST, load_bundle, sha256
from tasks.replay.known import Known, project_of
from tasks.replay.reach import reached
from tasks.stage import run_stage
from tasks.store import SUMMARY, BatchStore, content_hash

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from tasks.model.estimator import TabularModel

T = TypeVar("T")
CODE = Path("tasks/replay/making.py")
BUNDLE, SPLIT, PREDICTIONS, METRICS = "bundle", "split.parquet", "predictions.parquet", "train.json"


@dataclass(frozen=True)
class Made:
    """A model, and what making it took.

    Attributes
    ----------
    folder : Path
        Holds `bundle/` and what else its training wrote (`written_by_training`).
    known : Known
        What it was made of.
    manifest_sha256 : str
        Names the model: of two dates on which the same was known it is the same.
    rows : int
        Trained on.
    cpu_seconds : float
        When it was made; a replay that finds it made says the same.
    """

    folder: Path
    known: Known
    manifest_sha256: str
    rows: int
    cpu_seconds: float

    @property
    def bundle(self) -> Path:
        """The folder of its bundle."""
        return self.folder / BUNDLE

    def link_into(self, project: Path, name: str) -> None:
        """Put it and what its training wrote where the stages would have put them."""
        places = {BUNDLE: Path("models", name), **written_by_training(name)}
        for source, target in places.items():
            (project / target).parent.mkdir(parents=True, exist_ok=True)
            (project / target).symlink_to((self.folder / source).resolve())

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
        self.codes: dict[Path, str] = {}
        self.held: dict[tuple[str, str], Any] = {}

    def code(self, module: Path) -> str:
        """Hash of a module's closure, read once: the code that runs does not change while it runs."""
        if module not in self.codes:
            self.codes[module] = code_hash(module)
        return self.codes[module]

    def once(self, name: str, key: str, make: Callable[[], T]) -> T:
        """What is dear to read and asked for batch after batch; of each name the last one is held in memory."""
        if (name, key) not in self.held:
            self.held = {held: value for held, value in self.held.items() if held[0] != name}
            self.held[name, key] = make()
        value: T = self.held[name, key]
        return value

    def loaded(self, model: Made) -> TabularModel:
        """A model, its bytes checked when it is first asked for."""
        return self.once("loaded", model.manifest_sha256, model.load)

    def summary(self, name: str, key: str, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """Plain values that follow from what `key` is the hash of; `cpu_seconds` says what making them took."""

        def written(folder: Path) -> None:
            write_json(folder / SUMMARY, timed(make))
            self.made += 1

        return self.store.get_or_make(name, key, written, {})

    def model(self, known: Known) -> Made:
        """The model of what was known on a date; `known` of it is what bore on it.

        Raises
        ------
        DataError
            What the stages raise: too few rows, one class, a leak.
        """
        known = reached(known, self.pipeline)
        folder = self.folder / known.hash[:20]
        (folder / BUNDLE).mkdir(parents=True, exist_ok=True)
        into = {name: folder / BUNDLE / name for name in (*FILES, MANIFEST)}
        into |= {name: folder / name for name in written_by_training(self.pipeline.name)}
        key = content_hash(f"{self.code(CODE)}\n{known.hash}".encode())
        facts = self.store.get_or_make("model", key, lambda entry: self._train(known, entry), into)
        manifest = sha256((folder / BUNDLE / MANIFEST).read_bytes())
        return Made(folder, known, manifest, facts["rows"], facts["cpu_seconds"])

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
            written = {file: Path("models", name, file) for file in (*FILES, MANIFEST)} | written_by_training(name)
            for file, source in written.items():
                shutil.copyfile(project / source, entry / file)
        write_json(entry / SUMMARY, facts)


def written_by_training(pipeline: str) -> dict[str, Path]:
    """What the stages write beside the bundle that is asked for later: its name here, and its place in a project."""
    return {
        SPLIT: Path(f"data/split/{pipeline}.parquet"),
        PREDICTIONS: Path(f"data/predictions/{pipeline}.parquet"),
        METRICS: Path(f"metrics/{pipeline}/train.json"),
    }


def timed(make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """What is made, with the CPU seconds of all threads that it took."""
    start = time.process_time()
    return {**make(), "cpu_seconds": round(time.process_time() - start, 3)}
