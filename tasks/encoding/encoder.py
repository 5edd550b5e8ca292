"""Target encoding: a category becomes the mean target of its rows, shrunk towards the mean of all rows.

A training row is encoded by the rows of OTHER folds only. The estimator and a cross-validation's shared table
(tasks.encoding.target_cells) give the same numbers, because the one is made of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from configs.errors import DataError
from tasks.encoding.levels import NotCategoricalError, any_levels, text_levels
from tasks.encoding.target_cells import Encodings, TargetCells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.splitting.cross_fitting import Fit

    Table = pd.DataFrame | NDArray[Any]

__all__ = ["NotCategoricalError", "TargetEncoding", "shuffled_folds"]


class NoTargetError(DataError, ValueError):
    """No target was given."""


class TooFewFoldsError(DataError, ValueError):
    """Cross-fitting needs two folds, and a fold for each row."""


class CollidingNamesError(DataError):
    """The encoding of a class would have the name of another column."""


def shuffled_folds(rows: int, folds: int, seed: int) -> NDArray[np.intp]:
    """A fold for each row, of equal sizes, in an order that only the seed decides."""
    numbers: NDArray[np.intp] = np.random.default_rng(seed).permutation(np.arange(rows, dtype=np.intp) % folds)
    return numbers


class TargetEncoding(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Replace categories by shrunken means of the target; other columns pass through.

    `fit_transform` encodes each training row from the other inner folds' rows; `transform` uses all rows of the fit.
    So `fit(X, y).transform(X)` is not `fit_transform(X, y)`: a model trained on the former would trust the encodings of
    rare levels, which hold the row's own target.

    A DataFrame gives a DataFrame, an array an array.

    Parameters
    ----------
    columns : sequence of str (or of int, for an array), optional
        The text columns to encode. A missing value is a level of its own; a level that was not seen gets `prior_`.
        None encodes all columns, and takes numbers as levels too, as scikit-learn's TargetEncoder does.
    smooth : float >= 0, or "auto"
        Weight of the prior, in rows; "auto" is empirical Bayes.
    folds : int >= 2
        Inner folds, where `fit_transform` is not given the fold of each row.
    seed : int
        Of those folds.
    classes : sequence of str, optional
        Names of the target's classes; the target is then 0 to their number less 1. Three or more give each column one
        encoding per class, named `<column>_<class>`. None where the target is a number, or 0 and 1.

    Attributes
    ----------
    encodings_ : dict of column to dict of level to float, or to list of float, one per class
    missing_ : dict of column to float, or to list of float
        Encoding of a missing value.
    prior_ : float, or list of float
        Mean of the target.
    """

    def __init__(
        self,
        columns: Sequence[Any] | None = None,
        smooth: float | Literal["auto"] = "auto",
        folds: int = 5,
        seed: int = 7,
        classes: Sequence[str] | None = None,
    ):
        self.columns = columns
        self.smooth = smooth
        self.folds = folds
        self.seed = seed
        self.classes = classes

    def fit(self, X: Table, y: Any) -> TargetEncoding:
        """Learn the encodings from all rows."""
        frame = self.frame_of(X, reset=True)
        table = self.table_of(frame, y, np.zeros(len(frame), dtype=np.intp))
        return self.learn(table, np.array([True]))

    def fit_transform(self, X: Table, y: Any, folds: Any = None, sees: Any = None) -> Table:
        """Learn the encodings from all rows, and encode each row from the rows of the other folds.

        Parameters
        ----------
        X : DataFrame or array, shape (n, d)
        y : array of float, shape (n,)
        folds : array of int, shape (n,), optional
            The inner fold of each row, numbers from 0; shuffled ones when absent.
        sees : array of bool, shape (folds, folds), optional
            Whether the rows of a fold (first axis) may be encoded by the targets of a fold (second axis): all but the
            own one when absent. Of a `Fit`, it is `fit.sees[fit.context]`, with `cell[fit.learnt]` as the folds. Rows
            that may see none are encoded by NaN.

        Raises
        ------
        DataError
            If there is no fold for each row, or only one fold.
        """
        frame = self.frame_of(X, reset=True)
        inner = shuffled_folds(len(frame), self.folds, self.seed) if folds is None else np.asarray(folds, dtype=np.intp)
        if len(inner) != len(frame) or (sees is None and len(np.unique(inner)) < 2):
            raise TooFewFoldsError(
                f"cross-fitting needs a fold for each of {len(frame)} rows and at least two folds; "
                f"{len(inner)} rows in {len(np.unique(inner))} folds were given."
            )
        table = self.table_of(frame, y, inner)
        cells = table.totals.cells
        seen = ~np.eye(cells, dtype=np.bool_) if sees is None else np.asarray(sees, dtype=np.bool_)
        if seen.shape != (cells, cells):
            raise TooFewFoldsError(f"{cells} folds need `sees` of shape {(cells, cells)}; it has {seen.shape}.")
        self.learn(table, np.ones(cells, dtype=np.bool_))
        encodings = Encodings(table, np.arange(cells), table.tables(seen, self.smooth), table.priors(seen))
        rows = np.arange(len(frame))
        return self.like(X, frame, {name: encodings.column(name, rows, learnt=True) for name in table.columns})

    def fit_cells(self, table: TargetCells, fit: Fit) -> TargetEncoding:
        """Learn the encodings of one fit, of all rows that it learns from, out of a table that many fits share."""
        self.feature_names_in_ = np.asarray(table.names, dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
        return self.learn(table, fit.sees[-1])

    def transform(self, X: Table) -> Table:
        """Encode rows by what was learned from all rows of the fit."""
        check_is_fitted(self)
        frame, found = self.frame_of(X, reset=False), {}
        for name, encodings in self.encodings_.items():
            levels = any_levels(frame[name]) if self.columns is None else text_levels(frame[name])
            values = [encodings.get(level, self.prior_) for level in levels.names.to_pylist()]
            found[name] = np.array([*values, self.missing_[name]], dtype=np.float64)[levels.codes]
        return self.like(X, frame, found)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the columns: those of the fit, in its order; an encoded one has one per class where there are many.

        Raises
        ------
        CollidingNamesError
            If two columns would have one name.
        """
        check_is_fitted(self)
        given = _check_feature_names_in(self, input_features)
        keys = given if hasattr(self, "feature_names_in_") else range(len(given))
        found = [out for name, key in zip(given, keys, strict=True) for out in self.names_of(name, key)]
        twice = sorted({str(name) for name in found if found.count(name) > 1})
        if twice:
            raise CollidingNamesError(f"several columns would have the name {twice[0]!r}. Rename one.")
        return np.asarray(found, dtype=object)

    def names_of(self, name: Any, key: Any) -> list[Any]:
        """What one column is called in the output."""
        if key not in self.encodings_ or len(self.classes or ()) < 3:
            return [name]
        return [f"{name}_{label}" for label in self.classes or ()]

    def frame_of(self, X: Table, *, reset: bool) -> pd.DataFrame:
        """The rows as a DataFrame, whose columns an array numbers, after scikit-learn's checks of their names."""
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        return pd.DataFrame(validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan"))

    def table_of(self, frame: pd.DataFrame, y: Any, cell: NDArray[np.intp]) -> TargetCells:
        """Sums per cell and level of the columns to encode."""
        if y is None:
            raise NoTargetError("TargetEncoding requires y to be passed, but the target y is None")
        target = column_or_1d(y, warn=True)
        count = None if self.classes is None else len(self.classes)
        return TargetCells.of(frame, target, cell, int(cell.max(initial=0)) + 1, self.columns, count)

    def learn(self, table: TargetCells, seen: NDArray[np.bool_]) -> TargetEncoding:
        """Set the learned state from the cells that are seen."""
        self.prior_: float | list[float] = table.priors(seen[None])[0].tolist()
        self.encodings_: dict[Any, dict[str, Any]] = {}
        self.missing_: dict[Any, Any] = {}
        for name, encodings in table.tables(seen[None], self.smooth).items():
            *values, self.missing_[name] = encodings[0].tolist()
            rows = table.columns[name].rows(seen)
            known = zip(table.columns[name].levels.to_pylist(), values, rows.tolist(), strict=False)
            self.encodings_[name] = {level: value for level, value, some in known if some}
        return self

    def like(self, X: Table, frame: pd.DataFrame, encoded: dict[Any, NDArray[np.float64]]) -> Table:
        """The rows with their encodings, in the place of what was encoded; of the type that was given."""
        names = self.get_feature_names_out()
        columns: list[Any] = []
        for key in frame.columns:
            found = encoded.get(key, frame[key])
            columns += [found] if found.ndim == 1 else list(found.T)
        if isinstance(X, pd.DataFrame):
            return pd.DataFrame(dict(zip(names, columns, strict=True)), index=X.index, copy=False)
        return np.column_stack([np.asarray(column) for column in columns])

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what is taken."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags
