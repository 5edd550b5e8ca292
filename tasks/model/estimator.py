"""The estimator: raw rows in, predictions out. Training and serving share it, so they cannot skew.

A scikit-learn `Pipeline`: `features` (row-wise, learns nothing), `custom` (a transformer of the user's own, where one
is declared), `encode` (target encoding), `booster` (XGBoost); then what turns scores into probabilities and decisions.
What is learned is plain values and one XGBoost model in UBJ: no pickle is needed to keep it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from configs.errors import DataError
from configs.sections.train import Task
from tasks.encoding.encoder import TargetEncoding
from tasks.features import DerivedFeatures
from tasks.model.boosting import BoostedTrees, class_probabilities, most_probable
from tasks.model.calibration import Calibration
from tasks.model.decision import Decision

if TYPE_CHECKING:
    import xgboost
    from numpy.typing import NDArray

    from tasks.own_features.user_features import UserFeatures


class TabularModel(Pipeline):  # type: ignore[misc]
    """Features, encoding, trees, calibration and decision as one estimator that takes raw typed rows as a DataFrame.

    The step `custom` is given raw rows, beside `features`; what both make goes on to `encode`.

    Attributes
    ----------
    calibration_ : Calibration or None
        Makes probabilities of the trees' scores. Learned from out-of-fold rows, so by `tasks.train`, never by `fit`.
    decision_ : Decision or None
        Makes classes of probabilities; 0.5, or the most probable class, where there is none. Learned as above.
    """

    calibration_: Calibration | None = None
    decision_: Decision | None = None

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

    @property
    def custom(self) -> UserFeatures | None:
        """The step that holds the user's own transformer, where one is declared."""
        found: UserFeatures | None = self.named_steps.get("custom")
        return found

    def fit(self, raw: pd.DataFrame, y: Any, weight: Any = None) -> TabularModel:
        """Learn from raw rows, all of them, for as many rounds as the trees were made with.

        Parameters
        ----------
        raw : DataFrame, shape (n, d)
        y : array, shape (n,)
            Numbers, as `tasks.target.target_values` makes them; of a multiclass target also the classes' names.
        weight : array of float, shape (n,), optional
            How much each row counts, above 0.
        """
        target = self.target_numbers(y)
        derived = self["features"].fit_transform(raw, target)
        if self.custom is not None:
            derived = joined(derived, self.custom.fit_transform(raw, target))
        self["booster"].fit(self["encode"].fit_transform(derived, target), target, weight=weight)
        self.calibration_ = self.decision_ = None
        return self

    def target_numbers(self, y: Any) -> NDArray[np.float64]:
        """The target as numbers: classes that are given by name are counted off."""
        values = np.asarray(y)
        if values.dtype.kind not in "OUT" or not self[-1].classes:
            return np.asarray(values, dtype=np.float64)
        numbers = {name: float(number) for number, name in enumerate(self[-1].classes)}
        if unknown := sorted({*map(str, values)} - {*numbers}):
            raise DataError(f"target: {unknown[0]!r} is none of the classes {', '.join(map(repr, numbers))}.")
        return np.array([numbers[str(value)] for value in values])

    def features_in(self, raw: pd.DataFrame) -> pd.DataFrame:
        """What the booster reads of raw rows: derived features, encoded; shape (n, d), float."""
        derived = self["features"].transform(raw)
        if self.custom is not None:
            derived = joined(derived, self.custom.transform(raw))
        ordered = derived[list(self["encode"].feature_names_in_)]  # JSON may have sorted the declared SQL
        encoded: pd.DataFrame = self["encode"].transform(with_given_levels(ordered, raw, self["features"]))
        return encoded

    def scores(self, raw: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of 1 or the regression's prediction, shape (n,); of classes, each one's probability, (n, C)."""
        return self.calibrated(self[-1].scores(self.features_in(raw)))

    def calibrated(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of the trees' scores; the same where no calibration is declared."""
        return scores if self.calibration_ is None else self.calibration_.apply(scores)

    def decided(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Number of the class that is decided on, by calibrated scores, shape (n,); a regression's stay as they are."""
        if self.task == "regression":
            return scores
        if self.decision_ is None:
            return most_probable(scores)
        return self.decision_.decide(scores).astype(np.float64)

    def predict(self, raw: pd.DataFrame) -> NDArray[Any]:
        """The target's expected value, or the class that is decided on; shape (n,).

        0 or 1 for a binary task. A multiclass task gives the names of the classes, numbers where they have none.
        """
        decided = self.decided(self.scores(raw))
        return decided if self.task != "multiclass" else self.classes_[decided.astype(np.intp)]

    @available_if(lambda self: self.task != "regression")  # type: ignore[untyped-decorator]
    def predict_proba(self, raw: pd.DataFrame) -> NDArray[np.float64]:
        """Probabilities of the classes, calibrated; shape (n, C). A regression has no such method."""
        return class_probabilities(self.scores(raw))

    def score(self, raw: pd.DataFrame, y: Any, sample_weight: Any = None) -> float:
        """What scikit-learn scores by where it is told nothing: accuracy, or R2."""
        from sklearn.metrics import accuracy_score, r2_score

        scorer = r2_score if self.task == "regression" else accuracy_score
        decided = self.decided(self.scores(raw))
        return float(scorer(self.target_numbers(y), decided, sample_weight=sample_weight))

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes, in the order of `predict_proba`'s columns."""
        trees = self[-1]
        named = trees.task == "multiclass" and trees.classes
        return np.asarray(trees.classes, dtype=object) if named else trees.classes_

    def state(self) -> dict[str, Any]:
        """All that was declared and learned but the trees, as plain values that JSON holds exactly."""
        trees = self["booster"]
        check_is_fitted(trees)
        return {
            "features": features_state(self["features"]),
            "custom": None if self.custom is None else self.custom.state(),
            "encode": encoder_state(self["encode"]),
            "booster": trees.get_params(),
            "learned": {
                "columns": trees.feature_names_in_.tolist(),
                "class_count": trees.class_count_,
                "device": trees.device_,
                "calibration": None if self.calibration_ is None else self.calibration_.state(),
                "decision": None if self.decision_ is None else self.decision_.state(),
            },
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], ubj: bytes) -> TabularModel:
        """Make the fitted model again from `state()`, as JSON gave it back, and the trees' bytes."""
        learned, declared = state["learned"], state["booster"]
        trees = BoostedTrees(**{**declared, "classes": declared["classes"] and tuple(declared["classes"])})
        trees.feature_names_in_, trees.ubj_ = np.asarray(learned["columns"], dtype=object), ubj
        trees.class_count_, trees.device_ = learned["class_count"], learned["device"]
        features, encode = DerivedFeatures(**state["features"]), encoder_from(state["encode"])
        model = tabular_model(features, encode, trees, custom_from(state["custom"]))
        if learned["calibration"] is not None:
            model.calibration_ = Calibration.from_state(learned["calibration"])
        if learned["decision"] is not None:
            model.decision_ = Decision.from_state(learned["decision"])
        return model


def with_given_levels(derived: pd.DataFrame, raw: pd.DataFrame, features: DerivedFeatures) -> pd.DataFrame:
    """Derived features with categoricals of texts as they were given: the encoder need not tell their levels apart.

    Not one of which a level means missing.
    """
    given = {
        name: raw[name]
        for name in features.feature_columns
        if isinstance(raw[name].dtype, pd.CategoricalDtype)
        and isinstance(raw[name].cat.categories.dtype, pd.StringDtype)
        and features.columns[name] == "category"
        and not raw[name].cat.categories.isin(features.column(name).nulls).any()
    }
    return derived.assign(**given) if given else derived


def features_state(features: DerivedFeatures) -> dict[str, Any]:
    """How features are derived; private columns are told of only where there are some, as bundles of before have it."""
    params: dict[str, Any] = features.get_params()
    return {name: value for name, value in params.items() if name != "private" or value}


def encoder_state(encode: TargetEncoding) -> dict[str, Any]:
    """What the encoder learned, as JSON holds it."""
    return {
        "params": encode.get_params(),
        "prior": encode.prior_,
        "encodings": encode.encodings_,
        "missing": encode.missing_,
        "columns": encode.feature_names_in_.tolist(),
    }


def encoder_from(state: dict[str, Any]) -> TargetEncoding:
    """Make the encoder again; JSON has lists where it had tuples."""
    params: dict[str, Any] = state["params"]
    params = {name: tuple(value) if isinstance(value, list) else value for name, value in params.items()}
    encode = TargetEncoding(**params)
    encode.prior_, encode.encodings_, encode.missing_ = (state[key] for key in ("prior", "encodings", "missing"))
    encode.feature_names_in_ = np.asarray(state["columns"], dtype=object)
    encode.n_features_in_ = len(encode.feature_names_in_)
    return encode


def custom_from(state: dict[str, Any] | None) -> UserFeatures | None:
    """Make the user's own transformer again, where there is one."""
    if state is None:
        return None
    from tasks.own_features.user_features import UserFeatures

    return UserFeatures.from_state(state)


def joined(derived: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """The derived features, and the columns of the user's own transformer after them."""
    return pd.concat([derived, own.set_axis(derived.index)], axis=1)


def tabular_model(
    features: DerivedFeatures, encode: TargetEncoding, trees: BoostedTrees, custom: UserFeatures | None = None
) -> TabularModel:
    """Put the steps together."""
    own = [] if custom is None else [("custom", custom)]
    return TabularModel([("features", features), *own, ("encode", encode), ("booster", trees)])
