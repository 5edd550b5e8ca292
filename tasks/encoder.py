"""Target encoding: a category becomes the mean target of its rows, shrunk towards the mean of all rows.

Everything is made from cells - rows, mean and squared deviations of the target per inner fold and level - that can be
added up, over folds here and over partitions elsewhere. A training row is encoded by the sum of the OTHER folds' cells,
never by the total minus its own: the subtraction leaves rounding errors that carry the row's own target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from configs.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class NotCategoricalError(DataError):
    """A column to encode holds something else than text."""


class Cells(NamedTuple):
    """Sums over rows that can be added up; three arrays of one shape (..., levels)."""

    rows: NDArray[np.float64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]  # sum of squared deviations from `mean`

    def merged(self) -> Cells:
        """Add up along the first axis, without the cancellation that sums of squares suffer from.

        References
        ----------
        T. F. Chan, G. H. Golub, R. J. LeVeque (1983), "Algorithms for computing the sample variance",
        doi:10.1080/00031305.1983.10483115.
        """
        rows = self.rows.sum(axis=0)
        mean = (self.rows * self.mean).sum(axis=0) / np.maximum(rows, 1)
        squares = (self.squares + self.rows * np.square(self.mean - mean)).sum(axis=0)
        return Cells(rows, mean, squares)

    def without(self, fold: int) -> Cells:
        """The cells of all other folds."""
        return Cells(*(np.delete(values, fold, axis=0) for values in self))


def target_cells(
    levels: NDArray[np.intp], folds: NDArray[np.intp], y: NDArray[np.float64], *, shape: tuple[int, int]
) -> Cells:
    """Rows, mean and squared deviations of the target in each cell of fold and level.

    Parameters
    ----------
    levels, folds : array of int, shape (n,)
        Numbers from 0.
    y : array of float, shape (n,)
        The target.
    shape : (int, int)
        How many folds and levels there are.
    """
    cell, size = folds * shape[1] + levels, shape[0] * shape[1]
    rows = np.bincount(cell, minlength=size).astype(np.float64)
    mean = np.bincount(cell, y, minlength=size) / np.maximum(rows, 1)
    squares: NDArray[np.float64] = np.bincount(cell, np.square(y - mean[cell]), minlength=size).astype(np.float64)
    return Cells(rows.reshape(shape), mean.reshape(shape), squares.reshape(shape))


def shrunken_means(cells: Cells, everything: Cells, smooth: float | Literal["auto"]) -> NDArray[np.float64]:
    """Encoding of each level: its mean, shrunk towards the mean of all rows.

    Parameters
    ----------
    cells : Cells, shape (levels,)
        One column's levels.
    everything : Cells, shape (1,)
        All rows; their mean is the prior, and the encoding of a level without rows.
    smooth : float >= 0, or "auto"
        Weight of the prior, in rows. "auto" weighs by the variance within the level against that of all rows.

    References
    ----------
    D. Micci-Barreca (2001), doi:10.1145/507533.507538, in the form of scikit-learn's TargetEncoder.
    """
    prior = everything.mean[0]
    if smooth == "auto":
        variance = everything.squares[0] / max(everything.rows[0], 1)
        weight = variance * np.square(cells.rows)
        total = weight + cells.squares
    else:
        weight = cells.rows
        total = weight + smooth
    trust = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    encodings: NDArray[np.float64] = np.where(cells.rows > 0, trust * cells.mean + (1 - trust) * prior, prior)
    return encodings


def level_codes(column: pd.Series[Any]) -> tuple[list[str], NDArray[np.intp]]:
    """Sorted levels of a text column, and each row's position among them; -1 where the value is missing.

    A column that is a pandas categorical already is not factorised again.

    Raises
    ------
    NotCategoricalError
        If the column holds something else than text.
    """
    if not isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype("category")
    levels = list(column.cat.categories)
    if not all(isinstance(level, str) for level in levels):
        raise NotCategoricalError(
            f"column {column.name!r} holds {column.cat.categories.dtype}; target encoding takes text. "
            "Declare it as `type: category`, or take it out of `encode: target`."
        )
    return levels, column.cat.codes.to_numpy().astype(np.intp)


def shuffled_folds(rows: int, folds: int, seed: int) -> NDArray[np.intp]:
    """A fold for each row, of equal sizes, in an order that only the seed decides."""
    numbers: NDArray[np.intp] = np.random.default_rng(seed).permutation(np.arange(rows, dtype=np.intp) % folds)
    return numbers


def as_target(y: Any, rows: int) -> NDArray[np.float64]:
    """The target as a vector of finite numbers, one per row.

    Raises
    ------
    DataError
        If it is empty, of another length, or a value is missing or infinite.
    """
    target = np.asarray(y, dtype=np.float64)
    finite = int(np.count_nonzero(np.isfinite(target)))
    if target.shape != (rows,) or not rows or finite < rows:
        raise DataError(f"a fit needs one finite target for each of {rows} rows; {finite} of {target.size} are finite.")
    return target


class TargetEncoding(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Replace categories by shrunken means of the target; other columns pass through.

    `fit_transform` encodes each training row from the other inner folds' rows; `transform` uses all rows of the fit.
    So `fit(X, y).transform(X)` is not `fit_transform(X, y)`: a model trained on the former would trust the encodings of
    rare levels, which hold the row's own target.

    Parameters
    ----------
    columns : sequence of str
        The text columns to encode. A missing value is a level of its own; a level that was not seen gets `prior_`.
    smooth : float >= 0, or "auto"
        Weight of the prior, in rows; "auto" is empirical Bayes.
    folds : int >= 2
        Inner folds, where `fit_transform` is not given the fold of each row.
    seed : int
        Of those folds.

    Attributes
    ----------
    encodings_ : dict of column to dict of level to float
    missing_ : dict of column to float
        Encoding of a missing value.
    prior_ : float
        Mean of the target.
    """

    def __init__(
        self, columns: Sequence[str] = (), smooth: float | Literal["auto"] = "auto", folds: int = 5, seed: int = 7
    ):
        self.columns = columns
        self.smooth = smooth
        self.folds = folds
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: Any) -> TargetEncoding:
        """Learn the encodings from all rows."""
        target = as_target(y, len(X))
        inner = np.zeros(len(X), dtype=np.intp)
        self.learn(X, target, inner, target_cells(inner, inner, target, shape=(1, 1)))
        return self

    def fit_transform(self, X: pd.DataFrame, y: Any, folds: Any = None) -> pd.DataFrame:
        """Learn the encodings from all rows, and encode each row from the rows of the other folds.

        Parameters
        ----------
        X : DataFrame, shape (n, d)
        y : array of float, shape (n,)
        folds : array of int, shape (n,), optional
            The inner fold of each row, numbers from 0; shuffled ones when absent.

        Raises
        ------
        DataError
            If there is no fold for each row, or only one fold.
        """
        target = as_target(y, len(X))
        inner = shuffled_folds(len(X), self.folds, self.seed) if folds is None else np.asarray(folds, dtype=np.intp)
        if len(inner) != len(X) or len(np.unique(inner)) < 2:
            raise DataError(
                f"cross-fitting needs a fold for each of {len(X)} rows and at least two folds; "
                f"{len(inner)} rows in {len(np.unique(inner))} folds were given."
            )
        overall = target_cells(np.zeros_like(inner), inner, target, shape=(int(inner.max()) + 1, 1))
        learned = self.learn(X, target, inner, overall)
        return X.assign(
            **{name: self.cross_fitted(cells, overall)[inner, codes] for name, (codes, cells) in learned.items()}
        )

    def learn(
        self, X: pd.DataFrame, target: NDArray[np.float64], inner: NDArray[np.intp], overall: Cells
    ) -> dict[str, tuple[NDArray[np.intp], Cells]]:
        """Set the learned state; return each column's codes and cells. A missing value is the last level."""
        total = overall.merged()
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
        self.prior_ = float(total.mean[0])
        self.encodings_: dict[str, dict[str, float]] = {}
        self.missing_: dict[str, float] = {}
        learned = {}
        for name in self.columns:
            levels, codes = level_codes(X[name])
            codes %= len(levels) + 1
            cells = target_cells(codes, inner, target, shape=(len(overall.rows), len(levels) + 1))
            merged = cells.merged()
            values = shrunken_means(merged, total, self.smooth).tolist()
            self.missing_[name] = values.pop()
            known = zip(levels, values, merged.rows[:-1], strict=True)
            self.encodings_[name] = {level: value for level, value, rows in known if rows}
            learned[name] = codes, cells
        return learned

    def cross_fitted(self, cells: Cells, overall: Cells) -> NDArray[np.float64]:
        """Encoding of each level in each fold, made from the other folds; shape (folds, levels)."""
        return np.stack(
            [
                shrunken_means(cells.without(fold).merged(), overall.without(fold).merged(), self.smooth)
                for fold in range(len(cells.rows))
            ]
        )

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Encode rows by what was learned from all rows of the fit."""
        check_is_fitted(self)
        encoded = {}
        for name, encodings in self.encodings_.items():
            levels, codes = level_codes(X[name])
            values = [encodings.get(level, self.prior_) for level in levels]
            encoded[name] = np.array([*values, self.missing_[name]])[codes]  # -1 is the last one
        return X.assign(**encoded)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the columns: those of the fit, in its order."""
        check_is_fitted(self)
        return self.feature_names_in_
