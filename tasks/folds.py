"""Draws of rows that do not depend on the order of arrival: shares, blocks of time, folds, early stopping's rows.

A row's place follows from its name (batch and line), its time, its group or its target. Everything here is arrays in,
arrays out, in one order of rows.
"""

from __future__ import annotations

import hashlib
import warnings
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from configs.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]

Kind = Literal["time", "stratified", "group"]
Task = Literal["binary", "regression"]
BINS = 10  # tenths of a number that a stratified draw holds apart
MICROSECOND = timedelta(microseconds=1)


class TooFewRowsError(DataError):
    """There are fewer rows, instants, groups or rows of a class than a draw needs."""


def order_keys(batch: pd.Series, line: pd.Series, seed: int) -> NDArray[np.uint64]:
    """Place each row in one seeded order, by its name alone: a new batch leaves the order of the others as it is.

    Parameters
    ----------
    batch : Series of str, shape (n,)
    line : Series of int, shape (n,)
    seed : int

    Returns
    -------
    array of uint64, shape (n,)

    References
    ----------
    The finaliser of SplitMix64: G. L. Steele, D. Lea, C. H. Flood (2014), doi:10.1145/2660193.2660195.
    """
    starts = {name: np.uint64(text_key(str(name), seed)) for name in batch.unique()}
    key = batch.map(starts).to_numpy(dtype=np.uint64)
    key = key + line.to_numpy(dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(key ^ (key >> np.uint64(31)), dtype=np.uint64)


def text_key(text: str, seed: int) -> int:
    """A seeded 64-bit number for a text."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:8], "little")


def microseconds(times: pd.Series) -> Integers:
    """Instants as microseconds since 1970, in UTC."""
    return times.to_numpy(dtype="datetime64[us]").astype(np.int64)


def group_codes(groups: ArrayLike) -> Integers:
    """Number the groups from 0, in order of their text; refuse a missing one."""
    texts = np.array([str(group) for group in np.asarray(groups, dtype=object)], dtype=object)
    return np.unique(texts, return_inverse=True)[1].astype(np.int64)


def strata(target: NDArray[np.float64], task: Task) -> Integers:
    """What a stratified draw holds apart: the two classes, or tenths of a number in order of size.

    >>> strata(np.array([3.0, 1.0, 2.0]), "regression").tolist()
    [6, 0, 3]
    """
    if task == "binary":
        return target.astype(np.int64)
    ranks = np.unique(target, return_inverse=True, return_counts=True)
    below = np.cumsum(ranks[2]) - ranks[2]
    return (below[ranks[1]] * BINS // len(target)).astype(np.int64)


def nearest_prefix(sizes: Integers, share: float) -> int:
    """How many leading blocks come nearest to a share of all rows; at least one and never all.

    >>> nearest_prefix(np.array([5, 4, 1]), 0.8)
    2
    """
    reached = np.cumsum(sizes)[:-1]
    return int(np.argmin(np.abs(reached - share * sizes.sum()))) + 1


def latest_share(times: Integers, share: float) -> Mask:
    """The latest rows, nearest to a share of all, rows of one instant together.

    Raises
    ------
    TooFewRowsError
        If all rows are of one instant.

    Examples
    --------
    >>> latest_share(np.array([4, 1, 4, 2, 3]), 0.3).tolist()
    [True, False, True, False, False]
    """
    instants, sizes = np.unique(times, return_counts=True)
    if len(instants) < 2:
        raise TooFewRowsError(f"all {len(times)} rows are of one instant; two were expected, to hold later rows apart")
    return np.asarray(times >= instants[::-1][nearest_prefix(sizes[::-1], share) - 1])


def share_of_groups(codes: Integers, names: ArrayLike, share: float, seed: int) -> Mask:
    """Whole groups in a seeded order of their names, nearest to a share of all rows.

    Parameters
    ----------
    codes : array of int, shape (n,)
        `group_codes` of `names`.
    names : array, shape (n,)

    Raises
    ------
    TooFewRowsError
        If there is one group only.
    """
    first = np.unique(codes, return_index=True)[1]
    if len(first) < 2:
        raise TooFewRowsError(f"all {len(codes)} rows are of one group; two were expected, to hold groups apart")
    keys = [text_key(str(name), seed) for name in np.asarray(names, dtype=object)[first]]
    order = np.argsort(np.array(keys, dtype=np.uint64), kind="stable")
    chosen = order[: nearest_prefix(np.bincount(codes)[order], share)]
    return np.isin(codes, chosen)


def stratified_share(stratum: Integers, keys: NDArray[np.uint64], share: float) -> Mask:
    """The first rows of each stratum in the seeded order, a share of it; at least one row where it has two or more."""
    order = np.lexsort((keys, stratum))
    sizes = np.unique(stratum, return_counts=True)[1]
    wanted = np.where(sizes > 1, np.clip(np.rint(sizes * share), 1, np.maximum(sizes - 1, 1)), 0)
    rank = np.arange(len(stratum)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = np.zeros(len(stratum), dtype=np.bool_)
    chosen[order] = rank < np.repeat(wanted, sizes)
    return chosen


def time_blocks(times: Integers, blocks: int) -> Integers:
    """Number each row by its block: contiguous in time, as equal in rows as instants that are never cut allow.

    Raises
    ------
    TooFewRowsError
        If there are fewer instants than blocks.

    Examples
    --------
    >>> time_blocks(np.array([1, 1, 1, 2, 3, 3]), 3).tolist()
    [0, 0, 0, 1, 2, 2]
    """
    instants, where, sizes = np.unique(times, return_inverse=True, return_counts=True)
    if len(instants) < blocks:
        raise TooFewRowsError(
            f"{len(instants)} different instants for {blocks} blocks of time; each needs at least one"
        )
    ends = np.cumsum(sizes)
    starts = [0]
    for block in range(1, blocks):
        nearest = int(np.argmin(np.abs(ends - len(times) * block / blocks))) + 1
        starts.append(min(max(nearest, starts[-1] + 1), len(instants) - blocks + block))
    return np.asarray(np.searchsorted(starts, where, side="right") - 1, dtype=np.int64)


def stratified_folds(stratum: Integers, keys: NDArray[np.uint64], folds: int) -> Integers:
    """Deal each stratum's rows out to the folds in the seeded order, on and on: sizes differ by one at the most."""
    if len(stratum) < folds:
        raise TooFewRowsError(f"{len(stratum)} rows for {folds} folds; each needs at least one")
    dealt = np.empty(len(stratum), dtype=np.int64)
    dealt[np.lexsort((keys, stratum))] = np.arange(len(stratum)) % folds
    return dealt


def group_folds(
    codes: Integers, stratum: Integers | None, keys: NDArray[np.uint64], *, folds: int, seed: int
) -> Integers:
    """Deal whole groups out to the folds: shares of the classes alike where there are classes, else rows alike.

    Parameters
    ----------
    codes : array of int, shape (n,)
        The groups, numbered from 0.
    stratum : array of int, shape (n,), or None
        The classes, None for a number.
    keys : array of uint64, shape (n,)
        The order in which scikit-learn's splitters, which depend on one, are given the rows.
    """
    groups = len(np.unique(codes))
    if groups < folds:
        raise TooFewRowsError(f"{groups} groups for {folds} folds; each needs at least one")
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    order = np.lexsort((keys, codes))
    splitter: Any = GroupKFold(folds)
    if stratum is not None:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    dealt = np.empty(len(codes), dtype=np.int64)
    classes = None if stratum is None else stratum[order]
    with warnings.catch_warnings():
        # a class with fewer rows than folds: the split's own check says which fold lacks it
        warnings.simplefilter("ignore", UserWarning)
        for fold, (_, valid) in enumerate(splitter.split(np.zeros(len(codes)), classes, codes[order])):
            dealt[order[valid]] = fold
    return dealt


def early_stopping_rows(  # noqa: PLR0913  # each is named by the caller
    target: NDArray[np.float64],
    *,
    task: Task,
    kind: Kind,
    share: float,
    seed: int,
    times: pd.Series | None = None,
    groups: ArrayLike | None = None,
    keys: NDArray[np.uint64] | None = None,
    embargo: timedelta = timedelta(0),
) -> tuple[Mask, Mask]:
    """Part the training rows of one fit: the rows it learns from, and the rows that early stopping watches.

    Parameters
    ----------
    target : array of float64, shape (n,)
        Of the fit's training rows, in any order.
    task, kind : str
        `pipeline.task` and `pipeline.split_kind`.
    share : float, 0 < share < 1
        `train.early_stopping_share`: of the rows, or for `stratified` of the rows of each class.
    seed : int
        `train.seed`; time needs none.
    times : Series of datetime64[us, UTC], shape (n,)
        For kind `time`: the latest are watched, rows of one instant together.
    groups : array, shape (n,)
        For kind `group`: whole groups are watched.
    keys : array of uint64, shape (n,)
        `order_keys` of the rows, for kind `stratified`; the order of arrival counts when absent.
    embargo : timedelta
        For kind `time`, `target.known_after` + `split.gap`: rows closer than this to the first watched one are neither
        learnt from nor watched.

    Returns
    -------
    learnt, watched : arrays of bool, shape (n,)
        No row is both; for `time` with an embargo some are neither.

    Raises
    ------
    TooFewRowsError
        If nothing is left to learn from or to watch, or a binary target has one class on either side.
    """
    if kind == "time" and times is not None:
        instants = microseconds(times)
        watched = latest_share(instants, share)
        learnt = ~watched & (instants + embargo // MICROSECOND <= instants[watched].min())
    else:
        watched = share_by_kind(target, task, kind, share, seed=seed, groups=groups, keys=keys)
        learnt = ~watched
    for what, side in (("to learn from", learnt), ("for early stopping to watch", watched)):
        lacking = lack(target[side], task)
        if lacking:
            raise TooFewRowsError(
                f"{lacking} {what}, of {len(target)} training rows. Give train.early_stopping_share another value, "
                "lower split.gap, or train on more rows (split.window, split.folds)."
            )
    return learnt, watched


def share_by_kind(  # noqa: PLR0913  # one line, one caller
    target: NDArray[np.float64],
    task: Task,
    kind: Kind,
    share: float,
    *,
    seed: int,
    groups: ArrayLike | None,
    keys: NDArray[np.uint64] | None,
) -> Mask:
    """A seeded draw that knows no time: whole groups, or rows within each class or tenth."""
    if kind == "group" and groups is not None:
        return share_of_groups(group_codes(groups), groups, share, seed)
    return stratified_share(strata(target, task), given_order(keys, len(target)), share)


def lack(target: NDArray[np.float64], task: Task) -> str:
    """What one side of a split lacks, '' when it lacks nothing."""
    if not len(target):
        return "no row is left"
    if task == "binary" and len(np.unique(target)) < 2:
        return f"{len(target)} rows, all of class {int(target[0])}, are left"
    return ""


def inner_folds(  # noqa: PLR0913  # each is named by the caller
    target: NDArray[np.float64],
    *,
    task: Task,
    kind: Kind,
    folds: int,
    seed: int,
    times: pd.Series | None = None,
    groups: ArrayLike | None = None,
    keys: NDArray[np.uint64] | None = None,
) -> Integers:
    """Number the rows of one fit by the inner fold in which the encoder's cross-fitting leaves them out.

    Parameters
    ----------
    target, task, kind, seed, times, groups, keys
        As of `early_stopping_rows`.
    folds : int, >= 2
        `encode.folds`; fewer are made where there are fewer instants, groups or rows.

    Returns
    -------
    array of int, shape (n,)
        0 to at most `folds` - 1. For `time` contiguous blocks, so that a row is not encoded by its own day; for `group`
        whole groups; else each class or tenth alike in all.

    Raises
    ------
    TooFewRowsError
        If not even two folds can be made.
    """
    order = given_order(keys, len(target))
    if kind == "time" and times is not None:
        instants = microseconds(times)
        return time_blocks(instants, at_least_two(folds, len(np.unique(instants)), "instants"))
    if kind == "group" and groups is not None:
        codes = group_codes(groups)
        number = at_least_two(folds, len(np.unique(codes)), "groups")
        return group_folds(codes, strata(target, task) if task == "binary" else None, order, folds=number, seed=seed)
    return stratified_folds(strata(target, task), order, at_least_two(folds, len(target), "rows"))


def at_least_two(wanted: int, there: int, what: str) -> int:
    """The number of inner folds that can be made."""
    if there < 2:
        raise TooFewRowsError(f"{there} {what} for {wanted} inner folds of the encoding (encode.folds); two are needed")
    return min(wanted, there)


def given_order(keys: NDArray[np.uint64] | None, rows: int) -> NDArray[np.uint64]:
    """The rows' seeded order, or the order in which they stand."""
    return np.arange(rows, dtype=np.uint64) if keys is None else keys
