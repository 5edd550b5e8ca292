"""The estimator: raw rows in, predictions out. Training and serving share it, so they cannot skew.

A scikit-learn `Pipeline` of three steps: `features` (row-wise, learns nothing), `encode` (target encoding), `booster`
(XGBoost). What is learned is plain values and one XGBoost model in UBJ: no pickle is needed to keep it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from configs.errors import DataError
from tasks.encoder import TargetEncoding
from tasks.features import DerivedFeatures
from tasks.metrics import greater_is_better, score

if TYPE_CHECKING:
    import xgboost
    from numpy.typing import NDArray

Task = Literal["binary", "regression"]
CELLS_PER_THREAD = 500_000  # rows times features; with fewer, threads wait for each other longer than they work
OBJECTIVES = {"binary": "binary:logistic", "regression": "reg:squarederror"}


class InfiniteFeatureError(DataError):
    """A feature is infinite, or beyond what a 32-bit float holds."""


class NoFeatureError(DataError):
    """There is no column that a model could learn from."""


class StoppingRows(NamedTuple):
    """Rows of the training part that early stopping watches; the model does not learn from them."""

    X: pd.DataFrame
    y: Any
    metric: str
    patience: int  # rounds without a better score that end the fit


def thread_count() -> int:
    """Threads to compute with: OMP_NUM_THREADS, or as many as there are cores.

    It changes how long a result takes, never the result, so it is asked of the environment and stored nowhere.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def model_matrix(X: pd.DataFrame) -> NDArray[np.float32]:
    """The features as XGBoost reads them: 32-bit floats, NaN where missing.

    Raises
    ------
    InfiniteFeatureError
        Names each column that has infinite values, and how many.
    """
    with np.errstate(over="ignore"):  # a number that becomes infinite here is refused below
        matrix = X.to_numpy(dtype=np.float32, na_value=np.nan)
    infinite = np.isinf(matrix).sum(axis=0)
    if infinite.any():
        found = ", ".join(f"{name!r} ({rows})" for name, rows in zip(X.columns, infinite, strict=True) if rows)
        raise InfiniteFeatureError(
            f"infinite values, or numbers beyond 3.4e38, in features (rows): {found}; finite or missing ones were "
            "expected. Quarantine them with expect_column_values_to_be_between, or mend the expression."
        )
    return matrix


class BoostedTrees(BaseEstimator):  # type: ignore[misc]
    """Gradient-boosted trees by XGBoost's `hist` on CPU: the same bytes for any number of threads.

    XGBoost's own start value and its evaluation metrics are sums per thread, whose last bits depend on their number;
    so the start value is the target's mean, and early stopping scores by `tasks.metrics`.

    Parameters
    ----------
    task : {"binary", "regression"}
    params : dict, optional
        XGBoost's parameters, by its own names.
    rounds : int >= 1
        Boosting rounds, at the most when stopping rows are given.
    seed : int
        Of the sampling of rows and columns.

    Attributes
    ----------
    ubj_ : bytes
        The model in XGBoost's UBJ format: what is saved, and what predictions are made from.
    curve_ : list of float
        Score of the stopping rows after each round; empty without them.
    """

    def __init__(
        self,
        task: Task = "regression",
        params: dict[str, Any] | None = None,
        rounds: int = 100,
        seed: int = 7,
    ):
        self.task = task
        self.params = params
        self.rounds = rounds
        self.seed = seed

    def fit(
        self, X: pd.DataFrame, y: Any, stopping: StoppingRows | None = None, threads: int | None = None
    ) -> BoostedTrees:
        """Boost `rounds` times, or until the stopping rows' score gets no better; then keep the best rounds.

        Parameters
        ----------
        X : DataFrame of float, shape (n, d)
        y : array of float, shape (n,)
        stopping : StoppingRows, optional
        threads : int, optional
            At the most; from the environment when absent. A small table is fitted faster by fewer.

        Raises
        ------
        NoFeatureError, InfiniteFeatureError
            See there.
        """
        if not len(X.columns):
            raise NoFeatureError("no feature is left; at least one was expected. See `columns`, `drop` and `features`.")
        import xgboost

        workers = max(1, min(threads or thread_count(), X.size // CELLS_PER_THREAD))
        target = np.asarray(y, dtype=np.float64)
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        settings = self.settings(target, workers)
        rows = xgboost.QuantileDMatrix(
            model_matrix(X),
            label=target,
            feature_names=list(X.columns),
            nthread=workers,
            max_bin=settings.get("max_bin", 256),
        )
        if stopping is None:
            booster = xgboost.Booster(settings, [rows])
            self.curve_: list[float] = []
            for iteration in range(self.rounds):
                booster.update(rows, iteration)
        else:
            watched = xgboost.DMatrix(model_matrix(stopping.X), feature_names=list(X.columns), nthread=workers)
            booster = xgboost.Booster(settings, [rows, watched])
            self.curve_ = self.boost(booster, rows, watched, stopping)
            booster = booster[: best_round(self.curve_, stopping.metric)]
            booster.feature_names = list(X.columns)
        self.ubj_ = bytes(booster.save_raw("ubj"))
        self.forget_booster()
        return self

    def settings(self, target: NDArray[np.float64], threads: int) -> dict[str, Any]:
        """XGBoost's parameters for one fit."""
        mean = float(target.mean())
        return {
            **(self.params or {}),
            "objective": OBJECTIVES[self.task],
            "base_score": min(max(mean, 1e-6), 1 - 1e-6) if self.task == "binary" else mean,
            "tree_method": "hist",
            "device": "cpu",
            "seed": self.seed,
            "nthread": threads,
            "disable_default_eval_metric": True,
        }

    def boost(
        self, booster: xgboost.Booster, rows: xgboost.DMatrix, watched: xgboost.DMatrix, stopping: StoppingRows
    ) -> list[float]:
        """Boost until `patience` rounds brought no better score of the watched rows; return the score per round."""
        curve: list[float] = []
        for iteration in range(self.rounds):
            booster.update(rows, iteration)
            curve.append(score(stopping.metric, stopping.y, booster.predict(watched)))
            if len(curve) - best_round(curve, stopping.metric) >= stopping.patience:
                break
        return curve

    @property
    def booster(self) -> xgboost.Booster:
        """The XGBoost model, loaded once per process from `ubj_`."""
        check_is_fitted(self)
        if "_booster" not in self.__dict__:
            import xgboost

            self._booster = xgboost.Booster(model_file=bytearray(self.ubj_))
            self._booster.set_param({"nthread": thread_count()})
        return self._booster

    def forget_booster(self) -> None:
        """Drop the loaded model: `ubj_` has changed."""
        self.__dict__.pop("_booster", None)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the loaded model, whose bytes hold the number of threads."""
        return {name: value for name, value in super().__getstate__().items() if name != "_booster"}

    def scores(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of 1, or the regression's prediction; shape (n,)."""
        ordered = X[list(self.feature_names_in_)]
        predicted = self.booster.inplace_predict(model_matrix(ordered), validate_features=False)
        return np.asarray(predicted, dtype=np.float64)

    def predict(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """The target's expected value, or for a binary task the more probable class, 0 or 1; shape (n,)."""
        scores = self.scores(X)
        return (scores > 0.5).astype(np.float64) if self.task == "binary" else scores

    @available_if(lambda self: self.task == "binary")  # type: ignore[untyped-decorator]
    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Probabilities of 0 and of 1; shape (n, 2). A regression has no such method."""
        positive = self.scores(X)
        return np.column_stack([1 - positive, positive])

    @property
    def classes_(self) -> NDArray[np.float64]:
        """The classes that `predict_proba` has columns for."""
        if self.task != "binary":
            raise AttributeError("a regression has no classes")
        return np.array([0.0, 1.0])

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what kind of model this is."""
        tags = super().__sklearn_tags__()
        is_binary = self.task == "binary"
        tags.estimator_type = "classifier" if is_binary else "regressor"
        tags.classifier_tags = ClassifierTags(multi_class=False) if is_binary else None
        tags.regressor_tags = None if is_binary else RegressorTags()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        return tags


def best_round(curve: list[float], metric: str) -> int:
    """How many rounds to keep: those up to the first best score, at least one.

    >>> best_round([3.0, 1.0, 1.0, 2.0], "rmse")
    2
    """
    best = max(curve) if greater_is_better(metric) else min(curve)
    return curve.index(best) + 1


class TabularModel(Pipeline):  # type: ignore[misc]
    """Features, encoding and trees as one scikit-learn estimator that takes raw typed rows as a DataFrame.

    `model[1:]` is the part that learns: it takes features that were derived already.
    """

    @property
    def task(self) -> Task:
        """What is predicted."""
        task: Task = self[-1].task
        return task

    @property
    def booster(self) -> xgboost.Booster:
        """The XGBoost model."""
        booster: xgboost.Booster = self[-1].booster
        return booster

    @property
    def rounds(self) -> int:
        """Boosting rounds of the fitted model."""
        return int(self.booster.num_boosted_rounds())

    def features_in(self, raw: pd.DataFrame) -> pd.DataFrame:
        """What the booster reads of raw rows: derived features, encoded; shape (n, d), float."""
        encoded: pd.DataFrame = self[:-1].transform(raw)
        return encoded

    def state(self) -> dict[str, Any]:
        """All that was declared and learned but the trees, as plain values that JSON holds exactly."""
        features, encode, trees = (step for _, step in self.steps)
        check_is_fitted(trees)
        return {
            "features": features.get_params(),
            "encode": {
                "params": encode.get_params(),
                "prior": encode.prior_,
                "encodings": encode.encodings_,
                "missing": encode.missing_,
                "columns": encode.feature_names_in_.tolist(),
            },
            "booster": trees.get_params(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], ubj: bytes) -> TabularModel:
        """Make the fitted model again from `state()`, as JSON gave it back, and the trees' bytes."""
        encoding = state["encode"]
        encode = TargetEncoding(**{**encoding["params"], "columns": tuple(encoding["params"]["columns"])})
        encode.prior_, encode.encodings_, encode.missing_ = (encoding[key] for key in ("prior", "encodings", "missing"))
        encode.feature_names_in_ = np.asarray(encoding["columns"], dtype=object)
        encode.n_features_in_ = len(encode.feature_names_in_)
        trees = BoostedTrees(**state["booster"])
        trees.feature_names_in_, trees.ubj_ = encode.feature_names_in_, ubj
        return tabular_model(DerivedFeatures(**state["features"]), encode, trees)


def tabular_model(features: DerivedFeatures, encode: TargetEncoding, trees: BoostedTrees) -> TabularModel:
    """Put the three steps together."""
    return TabularModel([("features", features), ("encode", encode), ("booster", trees)])
