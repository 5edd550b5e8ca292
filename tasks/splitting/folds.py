"""Draws of rows that do not depend on the order of arrival: shares, blocks of time, folds.

A row's place follows from its name (batch and line), its time, its group or its target. Everything here is arrays in,
arrays out, in one order of rows.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np

from configs.errors import DataError
from configs.sections.train import Task

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]

Kind = Literal["time", "stratified", "group"]
NOT_VALIDATED = -1
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
    codes, found = batch.factorize()
    key = np.array([text_key(str(name), seed) for name in found], dtype=np.uint64)[codes]
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
    """Number the groups from 0, in order of their text."""
    import pandas as pd

    codes, names = pd.factorize(np.asarray(groups, dtype=object), use_na_sentinel=False)
    rank = np.unique(np.array([str(name) for name in names], dtype=object), return_inverse=True)[1]
    return np.asarray(rank[codes], dtype=np.int64)


def strata(target: NDArray[np.float64], task: Task) -> Integers:
    """What a stratified draw holds apart: the classes, or tenths of a number in order of size.

    >>> strata(np.array([3.0, 1.0, 2.0]), "regression").tolist()
    [6, 0, 3]
    """
    if task != "regression":
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
    order = np.argsort(group_keys(codes, names, seed), kind="stable")
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


def lack(target: NDArray[np.float64], task: Task, classes: Sequence[str] = ()) -> str:
    """What one side of a split lacks, '' when it lacks nothing.

    Parameters
    ----------
    target : array of float64, shape (n,)
        Of the rows on that side.
    classes : sequence of str
        For `multiclass`, the names of the classes, all of which must be here; none where not all need to be.

    Examples
    --------
    >>> lack(np.array([0.0, 2.0, 2.0]), "multiclass", ("ape", "bee", "cat"))
    "3 rows, none of class 'bee', are left"
    """
    if not len(target):
        return "no row is left"
    there = np.unique(target)
    if task == "binary" and len(there) < 2:
        return f"{len(target)} rows, all of class {int(there[0])}, are left"
    missing = [repr(name) for code, name in enumerate(classes) if code not in there] if task == "multiclass" else []
    if missing:
        return f"{len(target)} rows, none of class {' or '.join(missing)}, are left"
    return ""


def lightest_first(weights: Integers, parts: int) -> Integers:
    """Deal weights out, one after the other, each to the part that has least so far.

    >>> lightest_first(np.array([3, 2, 2, 1]), 2).tolist()
    [0, 1, 1, 0]
    """
    heap = [(0, part) for part in range(parts)]
    dealt_to = np.empty(len(weights), dtype=np.int64)
    for position, weight in enumerate(weights.tolist()):
        total, part = heap[0]
        dealt_to[position] = part
        heapq.heapreplace(heap, (total + weight, part))
    return dealt_to


def dealt_groups(rows: Integers, keys: NDArray[np.uint64], parts: int) -> Integers:
    """Deal groups out to parts of about as many rows: the larger first, those of about one size in a seeded order.

    Parameters
    ----------
    rows : array of int, shape (groups,)
    keys : array of uint64, shape (groups,)
    """
    order = np.lexsort((keys, -np.frexp(rows)[1]))
    part = np.empty(len(rows), dtype=np.int64)
    part[order] = lightest_first(rows[order], parts)
    return part


def group_keys(codes: Integers, names: ArrayLike, seed: int) -> NDArray[np.uint64]:
    """A seeded order of the groups, by their names alone; shape (groups,)."""
    first = np.unique(codes, return_index=True)[1]
    named = np.asarray(names, dtype=object)[first]
    return np.array([text_key(str(name), seed) for name in named], dtype=np.uint64)


def time_and_group_folds(times: Integers, groups: ArrayLike, *, folds: int, seed: int) -> Integers:
    """The fold that validates each row, -1 for none, where rows are split by time and whole groups are kept apart.

    Time is cut into one block more than there are folds, and the groups are dealt out to the folds. Fold k validates
    the rows of block k + 1 of its groups, and of groups that were not seen before that block.

    Raises
    ------
    TooFewRowsError
        If there are fewer groups than folds, or fewer instants than blocks.
    """
    codes = group_codes(groups)
    number = int(codes.max()) + 1
    if number < folds:
        raise TooFewRowsError(f"{number} groups for {folds} folds; each needs at least one")
    block = time_blocks(times, folds + 1) - 1
    first = np.full(number, folds, dtype=np.int64)
    np.minimum.at(first, codes, block)
    dealt = dealt_groups(np.bincount(codes), group_keys(codes, groups, seed), folds)
    return np.where((block == dealt[codes]) | (block == first[codes]), block, NOT_VALIDATED)
