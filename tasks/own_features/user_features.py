"""Features by a transformer of the user's own, fitted on the training rows of each fold alone.

`features: {transformer: weather.Climate}` names a scikit-learn transformer, or a class of them, in
`configs/<pipeline>/weather.py`. What it learned is kept as plain values (`plain_state`), and scoring runs the very code
that training ran: its hash is kept too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from configs.errors import DataError, EnvironmentMismatchError
from configs.sections.columns import Column
from tasks.cells.columns import read_columns
from tasks.features import as_float, derived_features
from tasks.own_features.plain_state import UnkeptStateError, from_plain, to_plain
from tasks.own_features.user_code import forget_code, load_module, package_name, source_hashes
from tasks.own_features.user_output import KEY, as_features, refused, told
from tasks.own_features.user_transformer import new_transformer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from configs.schema import Pipeline

RESTORED_ROWS = 100  # on which what was kept must do what was learned
TOLERANCE = 1e-6  # of 32-bit features: sums of a few rows and of many may be added up in another order
ONE_AT_A_TIME = threading.RLock()  # the number of threads of linear algebra is the process's


class NotRepeatableError(DataError):
    """A transformer gives other features for the same rows."""


class ChangedTransformerError(EnvironmentMismatchError):
    """The code of a model's transformer is not the code that it was trained with."""


class UserFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The user's transformer as a step of the estimator: typed rows in, a frame of float64 out.

    Parameters
    ----------
    transformer : str
        `<module>.<name>` in `configs/<pipeline>/`: a class, made without arguments, or a transformer, which is cloned.
    pipeline : str
    columns : dict of name to declaration
        The columns that it is given, in their order, and how their text is read: keys of `configs.sections.columns`.
    timezone : str
        Zone of timestamps without an offset.
    taken : tuple of str
        Names of the model's other features.

    Attributes
    ----------
    kept_ : dict
        Plain values: the sources' hashes, the names of the features, and what was learned.

    Notes
    -----
    The transformer is given a DataFrame with the index 0 to n - 1: integer, float and boolean columns as float64 (NaN
    where missing), category and text as str or None, dates as datetime64, timestamps with the declared zone. For rows
    that a model learns from, call `fit_transform`: a transformer may have one that differs from `fit` and `transform`.
    Linear algebra runs in one thread meanwhile, so that no bit depends on their number.
    """

    def __init__(
        self,
        transformer: str,
        pipeline: str,
        columns: dict[str, dict[str, Any]],
        timezone: str = "UTC",
        taken: tuple[str, ...] = (),
    ) -> None:
        self.transformer = transformer
        self.pipeline = pipeline
        self.columns = columns
        self.timezone = timezone
        self.taken = taken

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Fit on these rows, for rows to come; see `fit_transform`."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: pd.DataFrame, y: Any = None, **_params: Any) -> pd.DataFrame:
        """Fit the user's transformer, and give these rows' features.

        Parameters
        ----------
        X : DataFrame, shape (n, d)
            Typed or raw rows; more columns do no harm.
        y : array of float, shape (n,)

        Returns
        -------
        DataFrame of float64, shape (n, features), with the index of `X`

        Raises
        ------
        UnknownTransformerError
            If there is no such module or transformer; names the nearest.
        TransformerError
            If it raises, or what it makes is not one number per row and feature, under names of their own.
        UnkeptStateError
            If it learned something that plain values cannot say.
        NotRepeatableError
            If what is kept gives other features than what was learned.
        """
        rows, target = self.rows(X), None if y is None else np.asarray(y, dtype=np.float64)
        with self.running():
            learned = new_transformer(self.transformer, self.pipeline)
            fit = learned.fit_transform if hasattr(learned, "fit_transform") else fit_then_transform(learned)
            made = self.features(fit(rows, target), learned, len(rows))
            self.keep(self.plain(learned), list(made.columns))
            self.require_same(learned, rows.iloc[:RESTORED_ROWS])
        return made.set_axis(X.index)

    def require_same(self, learned: Any, rows: pd.DataFrame) -> None:
        """Refuse a transformer that gives rows other features another time, or once it was kept and read back."""
        first, second, restored = (
            self.features(each.transform(rows), each, len(rows)) for each in (learned, learned, self.restored)
        )
        if not identical(first, second):
            raise self.not_repeatable("gives other features when the same rows are transformed again")
        if not identical(first, restored):
            raise self.not_repeatable(
                "gives other features once its attributes were kept as plain values and read back"
            )

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The features of rows, by what was learned.

        Returns
        -------
        DataFrame of float64, shape (n, features), with the index of `X`

        Raises
        ------
        ChangedTransformerError
            If the code in `configs/<pipeline>/` is not the one that this was fitted with.
        TransformerError
            See `fit_transform`.
        """
        check_is_fitted(self)
        rows, transformer = self.rows(X), self.restored
        with self.running():
            made = self.features(transformer.transform(rows), transformer, len(rows))
        if list(made.columns) != self.kept_["names"]:
            raise refused(self.transformer, f"made {list(made.columns)} for rows to score, not {self.kept_['names']}")
        return made.set_axis(X.index)

    def require_repeatable(self, X: pd.DataFrame, y: Any = None) -> None:
        """Try the transformer before any training: fitted twice it must do the same, and each row for itself.

        Raises
        ------
        NotRepeatableError
            If a second fit gives other features; if a row's depend on what other rows are transformed with it: they
            would let validated rows see each other, and be others for a row that is scored alone; or if something was
            learned that is no attribute, so that a process which scores would not have it.
        TransformerError, UnknownTransformerError, UnkeptStateError
            See `fit_transform`.
        """
        (learnt, made, step), (learnt_again, made_again, _) = self.once(X, y), self.once(X, y)
        if not (identical(learnt, learnt_again) and identical(made, made_again)):
            raise self.not_repeatable(
                "gives other features when it is fitted again on the same rows; give it a fixed random_state"
            )
        forget_code(self.pipeline)
        if not identical(made, self.from_state(step.state()).transform(X)):
            raise self.not_repeatable("gives other features where it was not fitted; keep what it learns in attributes")
        part, expected = step.transform(X.iloc[::2]).to_numpy(), made.iloc[::2].to_numpy()
        if not np.allclose(part, expected, TOLERANCE, TOLERANCE, equal_nan=True):
            raise self.not_repeatable(
                "gives a row other features when other rows are transformed with it; learn in `fit`, and let "
                "`transform` use what was learned and the row alone"
            )

    def once(self, X: pd.DataFrame, y: Any) -> tuple[pd.DataFrame, pd.DataFrame, UserFeatures]:
        """Fit a copy: the features of the rows that it learned from, those it gives them afterwards, and itself."""
        copy = clone(self)
        return copy.fit_transform(X, y), copy.transform(X), copy

    def rows(self, X: pd.DataFrame) -> pd.DataFrame:
        """What the transformer is given of rows."""
        declared = {name: Column.model_validate(column) for name, column in self.columns.items()}
        read = read_columns(X, declared, self.timezone)
        for name, column in declared.items():
            if column.type in ("integer", "float", "decimal", "boolean"):
                read[name] = pd.Series(as_float(read[name]), X.index)
            elif column.type == "timestamp":
                read[name] = read[name].dt.tz_convert(column.timezone or self.timezone)
        return pd.DataFrame(read, index=X.index).reset_index(drop=True)

    def features(self, made: Any, transformer: Any, rows: int) -> pd.DataFrame:
        """What the transformer made, as float64 under names."""
        return as_features(made, transformer, rows, self.taken, self.transformer)

    def plain(self, learned: Any) -> Any:
        """What the transformer learned, as plain values."""
        try:
            return to_plain(learned, package_name(self.pipeline))
        except UnkeptStateError as error:
            raise UnkeptStateError(f"features.transformer: {self.transformer}: {error}", key=KEY) from error

    def keep(self, plain: Any, names: list[str]) -> None:
        """Remember what was learned as plain values, and what it was learned with."""
        sources = source_hashes(self.pipeline, self.transformer.rpartition(".")[0])
        self.kept_ = {"sources": sources, "names": names, "learned": plain}
        self.__dict__.pop("_restored", None)

    @property
    def restored(self) -> Any:
        """The transformer, made once per process from `kept_`."""
        if "_restored" not in self.__dict__:
            sources = source_hashes(self.pipeline, self.transformer.rpartition(".")[0])
            changed = sorted(dict(sources.items() ^ self.kept_["sources"].items()))
            if changed:
                raise ChangedTransformerError(
                    f"{', '.join(changed)}: changed since the model was trained with it, so it was not used. Restore "
                    f"it, train anew, or leave {changed[0]} as it is for that model and write a module of another name."
                )
            own = package_name(self.pipeline)
            self._restored = from_plain(self.kept_["learned"], own, lambda name: load_module(self.pipeline, name))
        return self._restored

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the user's code: in one thread, and with its errors told as the user's."""
        with ONE_AT_A_TIME, thread_control().limit(limits=1), told(self.transformer, self.pipeline):
            yield

    def not_repeatable(self, what: str) -> NotRepeatableError:
        """Say in what way the transformer is not."""
        return NotRepeatableError(f"features.transformer: {self.transformer} {what}.", key=KEY)

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Names of the features, in order."""
        check_is_fitted(self)
        return np.array(self.kept_["names"], dtype=object)

    def state(self) -> dict[str, Any]:
        """All that was declared and learned, as plain values that JSON holds exactly."""
        check_is_fitted(self)
        return {"params": {**self.get_params(deep=False), "taken": list(self.taken)}, **self.kept_}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> UserFeatures:
        """Make the fitted step again from `state()`, as JSON gave it back; code is run when rows are transformed."""
        made = cls(**{**state["params"], "taken": tuple(state["params"]["taken"])})
        made.kept_ = {name: state[name] for name in ("sources", "names", "learned")}
        return made

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the object itself: a pickle of plain values is read without the class being there."""
        return {name: value for name, value in super().__getstate__().items() if name != "_restored"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


@cache
def thread_control() -> Any:
    """What sets the number of threads of linear algebra, looked up once."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def fit_then_transform(transformer: Any) -> Callable[[pd.DataFrame, Any], Any]:
    """`fit_transform` of a transformer that has none."""
    return lambda rows, target: transformer.fit(rows, target).transform(rows)


def identical(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Whether two frames hold the same names and the same bits; one NaN is as good as another."""
    return list(first.columns) == list(second.columns) and np.array_equal(
        first.to_numpy(), second.to_numpy(), equal_nan=True
    )


def user_features(pipeline: Pipeline, others: Sequence[str] = ()) -> UserFeatures | None:
    """The step that a pipeline declares, not fitted; None where it declares no transformer.

    Parameters
    ----------
    pipeline : Pipeline
    others : sequence of str
        Names of features beside the derived ones, which the transformer's may not have either.

    Examples
    --------
    >>> from tests.pipelines import make_pipeline
    >>> user_features(make_pipeline({"size": {"type": "float"}, "price": {"type": "float"}})) is None
    True
    """
    if pipeline.features.transformer is None:
        return None
    derived = derived_features(pipeline).get_feature_names_out().tolist()
    return UserFeatures(
        transformer=pipeline.features.transformer,
        pipeline=pipeline.name,
        columns={
            name: pipeline.columns[name].model_dump(mode="json", exclude_defaults=True, exclude={"unit", "description"})
            for name in pipeline.input_columns
        },
        timezone=pipeline.time.timezone,
        taken=tuple(dict.fromkeys([*derived, *others, pipeline.target.name])),
    )
