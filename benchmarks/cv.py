"""What a cross-validation takes: the flights' five folds beside a plain loop, scikit-learn's and XGBoost's own.

    python benchmarks/cv.py [--quick] [--rounds N]

All systems get the same derived features as a DataFrame with text columns, the same folds, inner folds and rows to
stop early by, and the same settings; each runs in a process of its own, with two threads in all. Encoding, binning,
boosting, predicting and scoring are timed; reading and importing are not. `peak_mb` is the memory of all processes of a
system at one time, with the libraries and the rows.

| system | is |
| --- | --- |
| holdfast | `prepare` (which derives the features too) and `cross_validate` of `tasks.training` |
| loop | scikit-learn's TargetEncoder in the fold, then XGBClassifier with early stopping, one fold after the other |
| cross_validate | the same as an estimator, two folds at a time in processes of one thread (`n_jobs=2`) |
| xgboost.cv | encoded by its `fpreproc`; it stops all folds in one round, so its scores are others by design |

The scores of the first three must agree, or the benchmark fails. Rows are split `stratified`: forward chaining, which
the flights' own split by time needs, no peer has. It reads data/valid/flights (`holdfast run flights` makes it).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from overhead import measure

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

HOLDFAST, LOOP, SKLEARN, XGBOOST = "holdfast", "loop", "cross_validate", "xgboost.cv"
SPLIT = "split: {{kind: stratified, folds: 5, holdout: 1 batch, window: {window}}}"
AGREEMENT = 2e-4  # of a fold's AUC: encodings agree to 1e-12, and become 32-bit floats
THREADS = 2


# ---- the rows, once for all systems


def make_project(folder: Path, window: str) -> None:
    """A project with the flights' valid rows, split for peers that know no time."""
    for name in ("dvc.yaml", "params.yaml", "configs/libraries.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    lines = (ROOT / "configs/flights.yaml").read_text().splitlines()
    declared = [SPLIT.format(window=window) if line.startswith("split:") else line for line in lines]
    (folder / "configs/flights.yaml").write_text("\n".join(declared) + "\n")
    if not (ROOT / "data/valid/flights").is_dir():
        sys.exit("data/valid/flights: missing; make it by `holdfast run flights`")
    shutil.copytree(ROOT / "data/valid/flights", folder / "data/valid/flights")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for command in (["-m", "tasks.split", "flights"], [str(Path(__file__).resolve()), "--write-rows"]):
        subprocess.run([sys.executable, *command], cwd=folder, env=environment, check=True)


def write_rows() -> None:
    """Write what the peers are given: features, target, outer and inner fold, and whether early stopping watches."""
    from configs.load import load_pipeline
    from tasks.train import declared_model
    from tasks.training.rows import load_rows

    pipeline = load_pipeline("flights")
    rows = load_rows(pipeline)
    frame = declared_model(pipeline)["features"].fit_transform(rows.raw)
    watched = np.zeros(len(frame), dtype=bool)
    for fit in rows.plan.folds:
        watched[fit.watched] = True
    inner = rows.plan.final.context[rows.plan.cell]
    frame = frame.assign(_target=rows.target, _fold=rows.splitter.fold, _inner=inner, _watched=watched)
    frame.to_parquet("rows.parquet")
    settings = {**pipeline.train.params.model_dump(), "seed": pipeline.train.seed, "rounds": pipeline.train.rounds}
    settings |= {"patience": pipeline.train.early_stopping_rounds, "encoded": list(pipeline.encoded_columns)}
    Path("settings.json").write_text(json.dumps(settings))


# ---- the systems: each gives the AUC of every fold


def run_holdfast() -> tuple[float, list[float]]:
    """Holdfast's own, from raw rows on."""
    from configs.load import load_pipeline
    from tasks.allocation import allocate_large_arrays_apart
    from tasks.train import declared_model
    from tasks.training.cross_validation import cross_validate
    from tasks.training.matrices import prepare
    from tasks.training.rows import load_rows

    allocate_large_arrays_apart()  # as every stage begins
    rows = load_rows(load_pipeline("flights"))
    model = declared_model(rows.pipeline)
    import xgboost  # noqa: F401 - importing is not timed

    start = time.perf_counter()
    folds = cross_validate(prepare(model, rows), model, THREADS)
    return time.perf_counter() - start, [fold.score for fold in folds]


class Peer:
    """What the peers' folds are made of."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = json.loads(Path("settings.json").read_text())
        self.frame = pd.read_parquet("rows.parquet")
        self.target = self.frame.pop("_target").to_numpy()
        self.fold, self.inner, self.watched = (
            self.frame.pop(name).to_numpy() for name in ("_fold", "_inner", "_watched")
        )
        self.encoded = self.settings["encoded"]
        self.places = [self.frame.columns.get_loc(name) for name in self.encoded]

    def sides(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows that a fold learns from, watches and validates."""
        train = self.fold != number
        return tuple(map(np.flatnonzero, (train & ~self.watched, train & self.watched, ~train)))  # type: ignore[return-value]

    def encode(self, learnt: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
        """Matrices of the learnt rows, encoded without their own inner folds, and of other rows."""
        from sklearn.model_selection import PredefinedSplit
        from sklearn.preprocessing import TargetEncoder

        encoder = TargetEncoder(target_type="binary", cv=PredefinedSplit(self.inner[learnt]))
        found = [self.matrix(learnt, encoder.fit_transform(self.frame.iloc[learnt][self.encoded], self.target[learnt]))]
        return [*found, *(self.matrix(some, encoder.transform(self.frame.iloc[some][self.encoded])) for some in others)]

    def matrix(self, rows: np.ndarray, encodings: np.ndarray) -> np.ndarray:
        """The features as XGBoost reads them."""
        plain = self.frame.drop(columns=self.encoded)
        found = np.empty((len(rows), self.frame.shape[1]), dtype=np.float32)
        found[:, self.places] = encodings
        others = [self.frame.columns.get_loc(name) for name in plain.columns]
        found[:, others] = plain.iloc[rows].to_numpy(dtype=np.float32, na_value=np.nan)
        return found

    def params(self, learnt: np.ndarray, threads: int) -> dict[str, Any]:
        """XGBoost's parameters."""
        own = {name: self.settings[name] for name in self.settings if name not in OUR_NAMES}
        mean = float(self.target[learnt].mean())
        return {**own, "tree_method": "hist", "base_score": mean, "nthread": threads, "seed": self.settings["seed"]}

    def fit(self, learnt: np.ndarray, watched: np.ndarray, valid: np.ndarray, threads: int) -> np.ndarray:
        """Fit one fold as anybody would; return the probabilities of its validated rows."""
        import xgboost

        X, stop, new = self.encode(learnt, watched, valid)
        model = xgboost.XGBClassifier(
            n_estimators=self.settings["rounds"],
            early_stopping_rounds=self.settings["patience"],
            eval_metric="auc",
            **self.params(learnt, threads),
        )
        model.fit(X, self.target[learnt], eval_set=[(stop, self.target[watched])], verbose=False)
        return np.asarray(model.predict_proba(new)[:, 1])


OUR_NAMES = ("seed", "rounds", "patience", "encoded")


def run_loop() -> tuple[float, list[float]]:
    """One fold after the other, with all threads."""
    import xgboost  # noqa: F401
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import TargetEncoder  # noqa: F401

    peer = Peer()
    start = time.perf_counter()
    scores = []
    for number in range(5):
        learnt, watched, valid = peer.sides(number)
        scores.append(float(roc_auc_score(peer.target[valid], peer.fit(learnt, watched, valid, THREADS))))
    return time.perf_counter() - start, scores


def run_cross_validate() -> tuple[float, list[float]]:
    """scikit-learn's own, folds in processes; an estimator that parts its rows into learnt and watched ones."""
    import xgboost  # noqa: F401
    from cv import InFold
    from sklearn.model_selection import PredefinedSplit, cross_validate
    from sklearn.preprocessing import TargetEncoder  # noqa: F401

    peer = Peer()
    X = peer.frame.assign(_inner=peer.inner, _watched=peer.watched)
    start = time.perf_counter()
    found = cross_validate(
        InFold(peer.settings), X, peer.target, cv=PredefinedSplit(peer.fold), scoring="roc_auc", n_jobs=THREADS
    )
    return time.perf_counter() - start, found["test_score"].tolist()


class InFold(Peer):
    """The loop's fold as a scikit-learn classifier."""

    _estimator_type = "classifier"

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """As scikit-learn clones it."""
        return {"settings": self.settings}

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> InFold:  # type: ignore[override]
        """Encode, and boost until the watched rows' score gets no better."""
        import xgboost
        from sklearn.model_selection import PredefinedSplit
        from sklearn.preprocessing import TargetEncoder

        self.classes_, self.encoded = np.array([0.0, 1.0]), self.settings["encoded"]
        self.target, watched = y, X["_watched"].to_numpy()
        learnt = np.flatnonzero(~watched)
        self.frame = X.drop(columns=["_inner", "_watched"])
        self.places = [self.frame.columns.get_loc(name) for name in self.encoded]
        self.encoder = TargetEncoder(target_type="binary", cv=PredefinedSplit(X["_inner"].to_numpy()[learnt]))
        codes = self.encoder.fit_transform(self.frame.iloc[learnt][self.encoded], y[learnt])
        matrix, stop = self.matrix(learnt, codes), self.transform(self.frame[watched])
        self.model = xgboost.XGBClassifier(
            n_estimators=self.settings["rounds"],
            early_stopping_rounds=self.settings["patience"],
            eval_metric="auc",
            **self.params(learnt, 1),
        ).fit(matrix, y[learnt], eval_set=[(stop, y[watched])], verbose=False)
        del self.frame, self.target
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Encode other rows."""
        self.frame, kept = X, self.frame
        found = self.matrix(np.arange(len(X)), self.encoder.transform(X[self.encoded]))
        self.frame = kept
        return found

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Probabilities of 0 and 1."""
        self.frame = X.drop(columns=["_inner", "_watched"])
        return np.asarray(self.model.predict_proba(self.transform(self.frame)))

    def __sklearn_tags__(self) -> Any:
        """A classifier."""
        from sklearn.utils import ClassifierTags, Tags, TargetTags

        return Tags(estimator_type="classifier", target_tags=TargetTags(True), classifier_tags=ClassifierTags())


def run_xgboost_cv() -> tuple[float, list[float]]:
    """XGBoost's own: all folds round by round; the mean of what they watch stops them."""
    import xgboost
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import TargetEncoder  # noqa: F401

    peer = Peer()
    start = time.perf_counter()
    kept: list[Any] = []

    class Keep(xgboost.callback.TrainingCallback):
        def after_training(self, model: Any) -> Any:
            kept.extend(model.cvfolds)
            return model

    whole = xgboost.DMatrix(peer.frame.drop(columns=peer.encoded), label=peer.target, nthread=THREADS)
    sides = [peer.sides(number) for number in range(5)]
    left = iter(sides)
    new: list[np.ndarray] = []

    def encoded(_train: Any, _test: Any, params: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
        learnt, watched, valid = next(left)
        X, stop, rest = peer.encode(learnt, watched, valid)
        new.append(rest)
        train = xgboost.QuantileDMatrix(X, label=peer.target[learnt], nthread=THREADS)
        test = xgboost.DMatrix(stop, label=peer.target[watched], nthread=THREADS)
        return train, test, {**params, **peer.params(learnt, THREADS)}

    found = xgboost.cv(
        {"objective": "binary:logistic", "eval_metric": "auc"},
        whole,
        num_boost_round=peer.settings["rounds"],
        folds=[(np.concatenate(each[:2]), each[2]) for each in sides],
        early_stopping_rounds=peer.settings["patience"],
        fpreproc=encoded,
        callbacks=[Keep()],
    )
    scores = [
        float(roc_auc_score(peer.target[side[2]], each.bst.inplace_predict(rest, iteration_range=(0, len(found)))))
        for each, rest, side in zip(kept, new, sides, strict=True)
    ]
    return time.perf_counter() - start, scores


SYSTEMS: dict[str, Callable[[], tuple[float, list[float]]]] = {
    HOLDFAST: run_holdfast,
    LOOP: run_loop,
    SKLEARN: run_cross_validate,
    XGBOOST: run_xgboost_cv,
}


# ---- measuring


def measured(system: str, project: Path) -> dict[str, Any]:
    """Run one system once, in a process of its own."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": str(THREADS)}
    cost, printed = measure([sys.executable, str(Path(__file__).resolve()), "--system", system], project, environment)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return {**found, "process_cpu_s": cost.cpu, "peak_mb": cost.peak}


def require_agreement(found: dict[str, list[dict[str, Any]]]) -> None:
    """End with an error where a peer that does the same has other scores."""
    ours = np.array(found[HOLDFAST][0]["scores"])
    for system in (LOOP, SKLEARN):
        apart = float(np.abs(ours - found[system][0]["scores"]).max())
        if apart > AGREEMENT:
            sys.exit(f"{system}: a fold's AUC is {apart:.6f} from Holdfast's; at most {AGREEMENT} was expected")


def main() -> None:
    """Measure each system in turn, and print the ratios last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two months, each system once; within a minute")
    parser.add_argument("--rounds", type=int, help="runs of each system; the median counts")
    parser.add_argument("--system", choices=SYSTEMS, help=argparse.SUPPRESS)
    parser.add_argument("--write-rows", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write_rows:
        return write_rows()
    if options.system:
        seconds, scores = SYSTEMS[options.system]()
        return print(json.dumps({"wall_s": seconds, "scores": scores}))
    rounds = options.rounds or (1 if options.quick else 3)
    with tempfile.TemporaryDirectory(prefix="holdfast-cv-") as folder:
        make_project(Path(folder), "2 batches" if options.quick else "all")
        found: dict[str, list[dict[str, Any]]] = {system: [] for system in SYSTEMS}
        for _ in range(rounds):
            for system in SYSTEMS:
                found[system].append(measured(system, Path(folder)))
    require_agreement(found)
    medians = {
        system: {key: statistics.median(run[key] for run in runs) for key in ("wall_s", "process_cpu_s", "peak_mb")}
        for system, runs in found.items()
    }
    for system, entry in medians.items():
        scores = [round(score, 6) for score in found[system][0]["scores"]]
        told = {key: round(value, 2) for key, value in entry.items()}
        print(json.dumps({"system": system, "workload": "flights", **told, "auc": scores}), flush=True)
    fastest = min((system for system in SYSTEMS if system != HOLDFAST), key=lambda system: medians[system]["wall_s"])
    ratios = {
        "vs_fastest_peer": medians[HOLDFAST]["wall_s"] / medians[fastest]["wall_s"],
        "cpu_vs_fastest_peer": medians[HOLDFAST]["process_cpu_s"] / medians[fastest]["process_cpu_s"],
        "memory_vs_fastest_peer": medians[HOLDFAST]["peak_mb"] / medians[fastest]["peak_mb"],
        "memory_vs_leanest_peer": medians[HOLDFAST]["peak_mb"]
        / min(entry["peak_mb"] for system, entry in medians.items() if system != HOLDFAST),
    }
    print(
        json.dumps(
            {
                "bench": "cv",
                "fastest_peer": fastest,
                "ratios": {name: round(value, 3) for name, value in ratios.items()},
            }
        )
    )
    return None


if __name__ == "__main__":
    main()
