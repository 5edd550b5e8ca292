"""The declared folds as scikit-learn knows splits: `cross_val_score(model, X, y, cv=DeclaredSplit(...))`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import DataError
from tasks.splitting.folds import MICROSECOND, group_codes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from tasks.splitting.folds import Integers, Mask


class FoldError(DataError):
    """A fold cannot be trained or judged."""


class DeclaredSplit:
    """The declared folds as a scikit-learn splitter over the TRAIN rows, in their order in the split table.

    Parameters
    ----------
    fold : array of int, shape (n_train,)
        The fold that validates each row, from 0; -1 for none.
    times : array of int64, shape (n_train,), or None
        Microseconds; None where rows are not split by time.
    embargo : timedelta
        A fold of time trains on earlier rows whose time + embargo is no later than its first validated row; other folds
        on the rows of all other folds.
    groups : array of object, shape (n_train,), or None
        A fold of time trains on no row of a group that it validates; other folds hold whole groups anyway.

    Examples
    --------
    >>> folds = DeclaredSplit(np.array([-1, 0, 0, 1]), np.array([1, 2, 3, 4]), timedelta(0))
    >>> [(train.tolist(), valid.tolist()) for train, valid in folds.split()]
    [([0], [1, 2]), ([0, 1, 2], [3])]
    """

    def __init__(
        self,
        fold: NDArray[np.integer[Any]],
        times: Integers | None,
        embargo: timedelta,
        groups: NDArray[np.object_] | None = None,
    ) -> None:
        self.fold = fold
        self.times = times
        self.embargo = embargo
        self.groups = groups

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """Number of folds."""
        return int(self.fold.max()) + 1

    def split(
        self, X: Any = None, y: ArrayLike | None = None, groups: object = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the positions of each fold's training and validation rows, among the TRAIN rows."""
        if X is not None and len(X) != len(self.fold):
            raise FoldError(f"{len(X)} rows to split; the split was declared for {len(self.fold)} training rows")
        codes = None if self.groups is None else group_codes(self.groups)
        for number in range(self.get_n_splits()):
            valid = self.fold == number
            yield np.flatnonzero(self.trained_on(valid, codes)), np.flatnonzero(valid)

    def trained_on(self, valid: Mask, codes: Integers | None = None) -> Mask:
        """The rows that the fold with these validation rows learns from, or lets early stopping watch."""
        if self.times is None or not valid.any():
            return ~valid
        start = self.times[valid].min()
        early: Mask = (self.times < start) & (self.times + self.embargo // MICROSECOND <= start)
        return early if codes is None else early & ~np.isin(codes, codes[valid])
