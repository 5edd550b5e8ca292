"""Gradient-boosted trees by XGBoost, so that the same rows give the same bytes for any number of threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from configs.errors import DataError
from configs.sections.train import Task
from tasks.metrics import greater_is_better, score
from tasks.model.device import Crew, Device, device_taken, thread_count
from tasks.model.model_matrix import NoFeatureError, column_names, model_matrix, row_weights

if TYPE_CHECKING:
    import xgboost
    from numpy.typing import NDArray

    from tasks.model.device import Threads
    from tasks.model.model_matrix import Matrix

RAREST = 1e-6  # a start value stays as far from a probability of 0 and 1
OBJECTIVES: dict[Task, str] = {
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
    "regression": "reg:squarederror",
}
DIRECTIONS = {"increasing": 1, "decreasing": -1}


class MonotoneError(DataError):
    """A direction is declared for what is no feature, or for a task that has none."""

    def __init__(self, text: str) -> None:
        super().__init__(text, key=("train", "monotone"))


class StoppingRows(NamedTuple):
    """Rows of the training part that early stopping watches; the model does not learn from them."""

    X: Matrix
    y: Any
    metric: str
    patience: int  # rounds without a better score that end the fit
    weight: Any = None  # how much each row counts in the score; all alike when absent


class BinnedRows(NamedTuple):
    """Rows to learn from, as XGBoost keeps them: a byte or two per value instead of four."""

    rows: xgboost.QuantileDMatrix
    settings: dict[str, Any]  # XGBoost's parameters, which follow from the target too
    values: int  # rows times features


class BoostedTrees(BaseEstimator):  # type: ignore[misc]
    """Gradient-boosted trees by XGBoost's `hist`: on the CPU the same bytes for any number of threads.

    XGBoost's own start value and its evaluation metrics are sums per thread, whose last bits depend on their number;
    so the start value is the target's mean (of classes, the logarithm of their shares), and early stopping scores by
    `tasks.metrics`. On CUDA the bytes are those of that kind of GPU.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
    params : dict, optional
        XGBoost's parameters, by its own names.
    rounds : int >= 1
        Boosting rounds, at the most when stopping rows are given. Each grows a tree, or one per class.
    seed : int
        Of the sampling of rows and columns.
    monotone : dict of feature to {"increasing", "decreasing"}, optional
        Features along which the prediction may only rise, or only fall; not for `multiclass`, where what one class
        gains another one loses.
    device : {"cpu", "cuda", "auto"}
        What the trees are grown on. Predictions are always made on the CPU.
    classes : sequence of str, optional
        Names of the classes of a multiclass target, in the order of their numbers; numbers are their names, as many as
        the target holds, when absent.

    Attributes
    ----------
    ubj_ : bytes
        The model in XGBoost's UBJ format: what is saved, and what predictions are made from.
    curve_ : list of float
        Score of the stopping rows after each round; empty without them.
    device_ : {"cpu", "cuda"}
        What the trees were grown on.
    feature_names_in_ : array of object, shape (d,)
    class_count_ : int
        Columns of `predict_proba`; 1 for a regression.
    """

    def __init__(  # noqa: PLR0913  # scikit-learn's way: what may be set is named here
        self,
        task: Task = "regression",
        params: dict[str, Any] | None = None,
        rounds: int = 100,
        seed: int = 7,
        *,
        monotone: Mapping[str, Literal["increasing", "decreasing"]] | None = None,
        device: Literal["cpu", "cuda", "auto"] = "cpu",
        classes: Sequence[str] | None = None,
    ):
        self.task = task
        self.params = params
        self.rounds = rounds
        self.seed = seed
        self.monotone = monotone
        self.device = device
        self.classes = classes

    def fit(  # noqa: PLR0913  # all that one fit goes by
        self,
        X: Matrix,
        y: Any,
        stopping: StoppingRows | None = None,
        threads: Threads = None,
        *,
        weight: Any = None,
        names: Sequence[str] | None = None,
    ) -> BoostedTrees:
        """Boost `rounds` times, or until the stopping rows' score gets no better; then keep the best rounds.

        Parameters
        ----------
        X : DataFrame or array of float, shape (n, d)
            An array of 32-bit floats is read as it lies, in rows or in columns.
        y : array of float, shape (n,)
            0 and 1, the number of the class, or the target's value.
        stopping : StoppingRows, optional
            Its rows are of the same kind as `X`.
        threads : int or function, optional
            At the most; a function is asked before each round; from the environment when absent. A small table is
            fitted faster by fewer.
        weight : array of float, shape (n,), optional
            How much each row counts, above 0.
        names : sequence of str, optional
            Of an array's columns; f0, f1, ... when absent.

        Raises
        ------
        NoFeatureError, InfiniteFeatureError, WeightError, MonotoneError, tasks.model.device.NoCudaError
            See there.
        """
        return self.grow(self.bin(X, y, threads, weight=weight, names=names), stopping, threads)

    def bin(
        self, X: Matrix, y: Any, threads: Threads = None, *, weight: Any = None, names: Sequence[str] | None = None
    ) -> BinnedRows:
        """Cut the rows to learn from into bins, the first half of `fit`: after it their floats are not needed."""
        import xgboost

        if not X.shape[1]:
            raise NoFeatureError("no feature is left; at least one was expected. See `columns`, `drop` and `features`.")
        target, weights = np.asarray(y, dtype=np.float64), row_weights(weight, len(X))
        self.feature_names_in_ = column_names(X, names)
        self.class_count_ = self.count_classes(target)
        self.device_: Device = device_taken(self.device)
        values = X.shape[0] * X.shape[1]
        settings = self.settings(target, weights, Crew(threads, values).count())
        rows = xgboost.QuantileDMatrix(
            model_matrix(X, self.feature_names_in_.tolist()),
            label=target,
            weight=weights,
            feature_names=self.feature_names_in_.tolist(),
            nthread=settings["nthread"],
            max_bin=settings.get("max_bin", 256),
        )
        return BinnedRows(rows, settings, values)

    def grow(self, binned: BinnedRows, stopping: StoppingRows | None = None, threads: Threads = None) -> BoostedTrees:
        """Grow trees on binned rows, the second half of `fit`."""
        self.ubj_ = self.grown(binned.rows, binned.settings, stopping, Crew(threads, binned.values))
        self.forget_booster()
        return self

    def count_classes(self, target: NDArray[np.float64]) -> int:
        """How many classes there are: those that have a name, or that the target holds."""
        if self.task == "regression":
            return 1
        count = 2 if self.task == "binary" else len(self.classes or ()) or int(target.max()) + 1
        if not np.isin(target, np.arange(count)).all():
            raise DataError(f"a target is none of the numbers 0 to {count - 1} of the {count} classes that there are.")
        return count

    def settings(
        self, target: NDArray[np.float64], weights: NDArray[np.float64] | None, threads: int
    ) -> dict[str, Any]:
        """XGBoost's parameters for one fit."""
        return {
            **(self.params or {}),
            **self.start(target, weights),
            **self.directions(),
            "objective": OBJECTIVES[self.task],
            "tree_method": "hist",
            "device": self.device_,
            "seed": self.seed,
            "nthread": threads,
            "disable_default_eval_metric": True,
        }

    def start(self, target: NDArray[np.float64], weights: NDArray[np.float64] | None) -> dict[str, Any]:
        """What is predicted before the first tree: the weighted mean, or each class's share."""
        if self.task == "multiclass":
            rows = np.bincount(target.astype(np.intp), weights, minlength=self.class_count_)
            shares = np.maximum(rows / np.add.reduce(rows), RAREST)
            return {"num_class": self.class_count_, "base_score": np.log(shares).tolist()}
        mean = target.mean() if weights is None else np.add.reduce(weights * target) / np.add.reduce(weights)
        return {"base_score": min(max(float(mean), RAREST), 1 - RAREST) if self.task == "binary" else float(mean)}

    def directions(self) -> dict[str, Any]:
        """The declared directions, one per feature in their order; nothing where there are none."""
        names = self.feature_names_in_.tolist()
        if not self.monotone:
            return {}
        if self.task == "multiclass":
            raise MonotoneError(
                "train: `monotone` has no meaning for `task: multiclass`: what one class gains another one loses. "
                "Take it out, or predict one class against the rest."
            )
        if unknown := sorted({*self.monotone} - {*names}):
            raise MonotoneError(
                f"train: `monotone` names {', '.join(map(repr, unknown))}, which is no feature; the features are "
                f"{', '.join(map(repr, names))}."
            )
        chosen = [DIRECTIONS[self.monotone[name]] if name in self.monotone else 0 for name in names]
        return {"monotone_constraints": f"({','.join(map(str, chosen))})"}

    def grown(
        self, rows: xgboost.DMatrix, settings: dict[str, Any], stopping: StoppingRows | None, crew: Crew
    ) -> bytes:
        """Grow the trees; set `curve_` and return the model in UBJ."""
        import xgboost

        self.curve_: list[float] = []
        if stopping is None:
            booster = xgboost.Booster(settings, [rows])
            for iteration in range(self.rounds):
                crew.lead(booster)
                booster.update(rows, iteration)
            return bytes(booster.save_raw("ubj"))
        names = self.feature_names_in_.tolist()
        matrix = model_matrix(stopping.X, names)
        watched = xgboost.DMatrix(matrix, feature_names=names, nthread=settings["nthread"])
        booster = xgboost.Booster(settings, [rows, watched])
        self.curve_ = self.boost(booster, rows, watched, stopping, crew)
        booster = booster[: best_round(self.curve_, stopping.metric)]
        booster.feature_names = names
        return bytes(booster.save_raw("ubj"))

    def boost(
        self,
        booster: xgboost.Booster,
        rows: xgboost.DMatrix,
        watched: xgboost.DMatrix,
        stopping: StoppingRows,
        crew: Crew,
    ) -> list[float]:
        """Boost until `patience` rounds brought no better score of the watched rows; return the score per round."""
        curve: list[float] = []
        for iteration in range(self.rounds):
            crew.lead(booster)
            booster.update(rows, iteration)
            predicted = as_scores(booster.predict(watched, validate_features=False))
            curve.append(score(stopping.metric, stopping.y, predicted, stopping.weight))
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

    def scores(self, X: Matrix) -> NDArray[np.float64]:
        """Probability of 1 or the regression's prediction, shape (n,); of classes, each one's probability, (n, C).

        Parameters
        ----------
        X : DataFrame or array of float, shape (n, d)
            A frame's columns are found by name, an array's are in the order of the fit.
        """
        names = self.feature_names_in_.tolist()
        ordered = X[names] if isinstance(X, pd.DataFrame) and list(X.columns) != names else X
        if ordered.shape[1] != len(names):
            raise ValueError(f"{len(names)} features were expected in the order of the fit, not {ordered.shape[1]}")
        return as_scores(self.booster.inplace_predict(model_matrix(ordered, names), validate_features=False))

    def predict(self, X: Matrix) -> NDArray[np.float64]:
        """The target's expected value, or the number of the most probable class; shape (n,)."""
        scores = self.scores(X)
        return scores if self.task == "regression" else most_probable(scores)

    @available_if(lambda self: self.task != "regression")  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Matrix) -> NDArray[np.float64]:
        """Probabilities of the classes; shape (n, C). A regression has no such method."""
        return class_probabilities(self.scores(X))

    @property
    def classes_(self) -> NDArray[np.float64]:
        """The numbers of the classes that `predict_proba` has columns for."""
        if self.task == "regression":
            raise AttributeError("a regression has no classes")
        return np.arange(2 if self.task == "binary" else self.class_count_, dtype=np.float64)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what kind of model this is."""
        tags = super().__sklearn_tags__()
        is_regression = self.task == "regression"
        tags.estimator_type = "regressor" if is_regression else "classifier"
        tags.classifier_tags = None if is_regression else ClassifierTags(multi_class=self.task == "multiclass")
        tags.regressor_tags = RegressorTags() if is_regression else None
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        return tags


def as_scores(predicted: NDArray[np.float32]) -> NDArray[np.float64]:
    """XGBoost's 32-bit predictions as 64-bit ones; the probabilities of classes add up to 1 again."""
    scores = np.asarray(predicted, dtype=np.float64)
    return scores if scores.ndim == 1 else scores / scores.sum(axis=1, keepdims=True)


def most_probable(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Number of the most probable class, of probabilities of 1 or of each class; shape (n,)."""
    chosen = scores > 0.5 if scores.ndim == 1 else scores.argmax(axis=1)
    return chosen.astype(np.float64)


def class_probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """A column per class, of probabilities of 1 or of each class; shape (n, C)."""
    return np.column_stack([1 - scores, scores]) if scores.ndim == 1 else scores


def best_round(curve: list[float], metric: str) -> int:
    """How many rounds to keep: those up to the first best score, at least one.

    >>> best_round([3.0, 1.0, 1.0, 2.0], "rmse")
    2
    """
    best = max(curve) if greater_is_better(metric) else min(curve)
    return curve.index(best) + 1
