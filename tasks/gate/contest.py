"""A contest: champion and challenger predict the same held-out rows, and the gate's verdict on them is written.

Runs in the challenger's project, where the stages have just been reproduced.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import DataError, EnvironmentMismatchError
from configs.load import load_pipeline
from tasks.atomic import read_json, write_text
from tasks.evaluation.explain import mean_contributions, sample_rows, tree_contributions
from tasks.evaluation.judge import resampling_blocks
from tasks.gate.paired import CHALLENGER, CHAMPION, Contest, Window
from tasks.gate.recipe import differ_by_seed_alone
from tasks.gate.twins import twin_predictions
from tasks.gate.verdict import SEED, verdict_of
from tasks.gate.windows import JudgedRows, judged_rows
from tasks.model.bundle import MANIFEST, canonical, golden_ulps, load_bundle, predictions, read_manifest
from tasks.table import read_table, to_frame
from tasks.version.environment import changed_libraries
from tasks.version.record import bundle_hashes

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.model.estimator import TabularModel

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

TIMED_ROWS = 20
WARM_UP = 3


@dataclass(frozen=True)
class Side:
    """One side of a contest: its model, what it was made of, and the folder of its bundle."""

    model: TabularModel
    manifest: dict[str, Any]
    folder: Path

    def predict(self, frame: pd.DataFrame) -> Floats:
        """Predict typed rows."""
        return predictions(self.model, frame[self.manifest["inputs"]])

    def explanation(self, frame: pd.DataFrame) -> dict[str, float]:
        """The share of each feature in the mean absolute contribution to the predictions of some rows."""
        features = self.model.features_in(frame[self.manifest["inputs"]])[list(self.model[-1].feature_names_in_)]
        mean = mean_contributions(tree_contributions(self.model.booster, features)[0])
        whole = float(mean.sum())
        return {str(name): float(each) / whole if whole else 0.0 for name, each in zip(features, mean, strict=True)}

    @property
    def size(self) -> int:
        """Bytes of the bundle."""
        return sum(path.stat().st_size for path in self.folder.iterdir())


def read_side(folder: Path, manifest_sha256: str | None = None) -> Side:
    """Load one side, its bytes checked; a registered one against the hash that its version record holds."""
    return Side(load_bundle(folder, manifest_sha256), read_manifest(folder, manifest_sha256), folder)


def hold_contest(pipeline_name: str, champion_folder: str, output: str) -> None:
    """Judge the model in `models/<pipeline>/` of the current directory against a champion, and write the verdict.

    Parameters
    ----------
    pipeline_name : str
    champion_folder : str
        Holds `bundle/`, `split.parquet` and `record.json` of the champion; "" when there is none yet.
    output : str
        Path of the verdict, canonical JSON (`tasks.gate.verdict.verdict_of` says what it holds).

    Raises
    ------
    CorruptionError
        If a bundle is not the one that was written.
    EnvironmentMismatchError
        If the champion was made with other libraries, and `gate.environment` is not `warn`.
    MisalignedRowsError
        If the split does not name the valid rows in their order.
    """
    pipeline = load_pipeline(pipeline_name)
    contest = contest_of(pipeline, Path(champion_folder) if champion_folder else None)
    write_text(Path(output), canonical(verdict_of(pipeline, contest)).decode())


def contest_of(pipeline: Pipeline, champion_folder: Path | None) -> Contest:
    """Read the rows, let both sides predict them, measure the rest."""
    sides, record, champion_split = {CHALLENGER: read_side(Path(f"models/{pipeline.name}"))}, None, None
    if champion_folder is not None:
        record = read_json(champion_folder / "record.json")
        require_same_libraries(pipeline, record)
        sides[CHAMPION] = read_side(champion_folder / "bundle", bundle_hashes(record)[MANIFEST])
        champion_split = to_frame(read_table(champion_folder / "split.parquet"))
    return contest_between(pipeline, sides, record, judged_rows(pipeline, champion_split))


def require_same_libraries(pipeline: Pipeline, record: Mapping[str, Any]) -> None:
    """Refuse to let a champion predict with other libraries than it was made with, unless that is declared."""
    changed = changed_libraries(record["model"]["libraries"])
    if changed and pipeline.gate.environment == "stop":
        name = f"{pipeline.name}@{record['version']}"
        raise EnvironmentMismatchError(
            f"the champion {name} was made with other versions of libraries that shape results: {', '.join(changed)}. "
            f"Install them: `git show {name}:requirements.lock > requirements.lock && make env`; or declare "
            f"`gate: {{environment: warn}}` in configs/{pipeline.name}.yaml, and the verdict tells how its golden "
            "batch differs."
        )


def contest_between(
    pipeline: Pipeline,
    sides: dict[str, Side],
    record: Mapping[str, Any] | None,
    rows: JudgedRows,
    *,
    told_only: bool = True,
) -> Contest:
    """Let the sides that can be compared predict the rows; `record` is the champion's.

    Without `told_only` what no declared budget needs is not measured: explanation, latency and calibration.
    """
    budgets = pipeline.gate.budgets
    incomparable = obstacle(pipeline, sides, rows) if CHAMPION in sides else ""
    able = {CHALLENGER: sides[CHALLENGER]} if incomparable else sides
    newest = window_of(pipeline, rows, rows.newest, able)
    frame = newest.frame
    has_anchor = CHAMPION in able and newest.rows > 0 and len(rows.anchor) >= pipeline.evaluate.slice_rows
    explained = able if len(frame) and (told_only or budgets.explanation is not None) else {}
    explanations = [each.explanation(frame.iloc[sample_rows(len(frame), SEED)]) for each in explained.values()]
    return Contest(
        newest=newest,
        anchor=window_of(pipeline, rows, rows.anchor, able) if has_anchor else None,
        champion=None if record is None else str(record["version"]),
        rows={"newest": newest.rows, "left_out": rows.left_out, "anchor": len(rows.anchor) if has_anchor else 0},
        why_no_anchor=why_no_anchor(pipeline, rows, record is not None),
        incomparable=incomparable,
        seed_alone=record is not None and differ_by_seed_alone(pipeline.name, record),
        explanation=distance(*explanations) if len(explanations) > 1 else None,
        leak_audit=read_json(Path(f"metrics/{pipeline.name}/train.json")).get("leak_audit"),
        sizes={side: each.size for side, each in sides.items()},
        seconds=row_seconds(able, frame) if told_only or budgets.latency is not None else {},
        inputs=pipeline.input_columns,
        told_only=told_only,
        twins=partial(twin_predictions, pipeline, frame[list(pipeline.input_columns)]),
        **foreign(sides.get(CHAMPION), record),
    )


def foreign(champion: Side | None, record: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a contest knows of a champion that was made with other libraries."""
    changed = changed_libraries(record["model"]["libraries"]) if record else []
    if not changed or champion is None:
        return {}
    ulps = golden_ulps(champion.model, (champion.folder / "golden.parquet").read_bytes())
    return {"other_libraries": changed, "golden_ulps": ulps}


def window_of(pipeline: Pipeline, rows: JudgedRows, positions: Positions, sides: Mapping[str, Side]) -> Window:
    """Some of the rows, predicted by each side."""
    frame = rows.frame.iloc[positions]
    made = {side: each.predict(frame) if len(frame) else np.empty(0) for side, each in sides.items()}
    learned = {side: each.model.decision_ for side, each in sides.items() if each.model.decision_ is not None}
    classes = tuple(sides[CHALLENGER].manifest.get("classes", ()))
    return Window(frame, rows.target[positions], resampling_blocks(frame, pipeline), made, learned, classes)


def why_no_anchor(pipeline: Pipeline, rows: JudgedRows, has_champion: bool) -> str:
    """Say why nothing is told of older rows."""
    if not has_champion:
        return "there is no champion that could be compared"
    found, least = len(rows.anchor), pipeline.evaluate.slice_rows
    return f"{found:,} older rows are there that neither model was trained on; {least:,} were expected"


def obstacle(pipeline: Pipeline, sides: Mapping[str, Side], rows: JudgedRows) -> str:
    """Why a champion cannot be asked about the newest rows; '' where it can."""
    champion = sides[CHAMPION]
    changed = difference_of_terms(pipeline, champion.manifest)
    changed = changed or difference_of_classes(sides[CHALLENGER].manifest, champion.manifest)
    if changed or not len(rows.newest):
        return changed
    try:
        champion.predict(rows.frame.iloc[rows.newest])
    except (DataError, EnvironmentMismatchError) as error:
        return f"the champion cannot predict these rows: {error}"
    return ""


def difference_of_classes(challenger: Mapping[str, Any], champion: Mapping[str, Any]) -> str:
    """Why the numbers of the classes stand for something else; '' where they do not, or where one gives no names.

    >>> difference_of_classes({"classes": ["a", "b", "c"]}, {"classes": ["a", "b"]})
    "the champion tells other classes apart than the challenger: without 'c'"
    """
    ours, theirs = challenger.get("classes"), champion.get("classes")
    if not ours or not theirs or ours == theirs:
        return ""
    differences = [
        f"{word} {', '.join(map(repr, names))}"
        for word, names in (
            ("without", [name for name in ours if name not in theirs]),
            ("with", [name for name in theirs if name not in ours]),
        )
        if names
    ]
    told = " and ".join(differences) or "in another order"
    return f"the champion tells other classes apart than the challenger: {told}"


def difference_of_terms(pipeline: Pipeline, manifest: Mapping[str, Any]) -> str:
    """Why a champion cannot predict what the challenger predicts from the same rows; '' where it can."""
    ours = pipeline.target.model_dump(mode="json", by_alias=True, include={"name", "from_", "above"})
    theirs = {key: manifest["params"]["target"].get(key) for key in ours}
    if (manifest["task"], theirs) != (pipeline.task, ours):
        return (
            f"the champion predicts another target ({manifest['task']}, {theirs}) than the challenger "
            f"({pipeline.task}, {ours}); no score of one says anything of the other"
        )
    now = {name: column.type for name, column in pipeline.columns.items()}
    before = {name: manifest["params"]["columns"].get(name, {}).get("type") for name in manifest["inputs"]}
    changed = [
        f"{name!r} ({now[name]}, it was {kind})" if name in now else f"{name!r} (no longer declared)"
        for name, kind in before.items()
        if now.get(name) != kind or name not in now
    ]
    return f"the champion reads columns that have changed: {', '.join(changed)}" if changed else ""


def distance(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Total variation distance of two explanations: the share that went to other features.

    >>> round(distance({"bmi": 0.6, "age": 0.4}, {"bmi": 0.5, "sex": 0.5}), 6)
    0.5
    """
    if any(first.values()) != any(second.values()):
        return 1.0  # one model reads no feature at all
    return sum(abs(first.get(name, 0.0) - second.get(name, 0.0)) for name in {**first, **second}) / 2


def row_seconds(sides: Mapping[str, Side], frame: pd.DataFrame) -> dict[str, float]:
    """Median time in which each side predicts one row: in turn, so that a busy moment strikes both."""
    taken: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(WARM_UP + TIMED_ROWS if len(frame) else 0):
        row = frame.iloc[[number * len(frame) // (WARM_UP + TIMED_ROWS)]]
        for side, each in sides.items():
            start = time.perf_counter()
            each.predict(row)
            taken[side].append(time.perf_counter() - start)
    return {side: median(times[WARM_UP:]) for side, times in taken.items() if times}
