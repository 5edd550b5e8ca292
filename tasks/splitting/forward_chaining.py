"""Forward chaining: blocks of time for the fits of all folds, so that a row is encoded by what was known before it.

One grid of instants serves all fits: the starts of what the folds validate, the starts of what early stopping watches,
and further cuts. A row's target is known `embargo` after its time; `known` is the first block that begins later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.splitting.folds import TooFewRowsError, dealt_groups, nearest_prefix, time_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.splitting.folds import Integers, Mask

GROUP_PARTS = 4  # parts of groups that a fit has at least, as far as there are groups: one to watch, others to learn


@dataclass(frozen=True)
class ChainFit:
    """One fold's fit: it learns from what was known when `block` began, but for the groups of the parts `apart`."""

    block: int
    apart: Mask
    watched: Mask


@dataclass(frozen=True)
class Chain:
    """Where each row stands.

    Attributes
    ----------
    block, known, part : arrays of int, shape (n,)
        The row's block of time, the first block whose rows it may encode (`blocks` or more: none), its part of groups.
    blocks, parts : int
    fits : tuple of ChainFit
        One per fold.
    """

    block: Integers
    known: Integers
    part: Integers
    blocks: int
    parts: int
    fits: tuple[ChainFit, ...]


@dataclass(frozen=True)
class GroupParts:
    """Groups dealt out to parts, so that a fit keeps whole parts apart.

    Attributes
    ----------
    part : array of int, shape (n,)
    first : array of int64, shape (n,)
        When the row's group was first seen.
    validated : array of bool, shape (folds, parts)
        The parts of which a fold validates rows, and which it therefore does not learn from.
    """

    part: Integers
    first: Integers
    validated: Mask


def chained(  # noqa: PLR0913  # each is named by the caller
    times: Integers,
    embargo: int,
    fold: NDArray[np.integer],
    *,
    codes: Integers | None,
    inner: int,
    share: float,
    seed: int,
) -> Chain:
    """Cut the time into blocks, and say what each fold's fit learns from and watches.

    Parameters
    ----------
    times : array of int64, shape (n,)
        Microseconds.
    embargo : int
        Microseconds from a row's time until its target may be used.
    fold : array of int, shape (n,)
        The fold that validates each row, -1 for none.
    codes : array of int, shape (n,), or None
        The groups, numbered from 0, where groups are kept apart.
    inner : int
        The least number of blocks in each fold's training part, as far as there are instants.
    share : float
        Of a fit's training rows, those that are watched.
    seed : int

    Raises
    ------
    TooFewRowsError
        If a fold has too few instants or groups to part what it learns from and what it watches.
    """
    groups = group_parts(times, fold, codes, seed) if codes is not None else one_part(times, fold)
    starts = [int(times[fold == number].min()) for number in range(int(fold.max()) + 1)]
    watch = [
        watch_start(
            times, before(times, embargo, start) & ~groups.validated[number][groups.part], groups, number, share
        )
        for number, start in enumerate(starts)
    ]
    learnt = [before(times, embargo, start) & ~apart[groups.part] for start, apart, _ in watch]
    bounds = grid(times, learnt, [*starts, *(start for start, _, _ in watch)], inner)
    block = np.searchsorted(bounds, times, side="right")
    known = np.maximum(np.searchsorted(bounds, times + embargo, side="left"), block) + 1
    fits = tuple(
        ChainFit(int(np.searchsorted(bounds, start, side="right")), apart, watched) for start, apart, watched in watch
    )
    return Chain(block, known, groups.part, len(bounds) + 1, groups.validated.shape[1], fits)


def before(times: Integers, embargo: int, start: int) -> Mask:
    """The rows whose target may be used at an instant."""
    return np.asarray((times < start) & (times + embargo <= start))


def one_part(times: Integers, fold: NDArray[np.integer]) -> GroupParts:
    """What stands for groups where there are none."""
    zeros = np.zeros(len(times), dtype=np.int64)
    return GroupParts(zeros, times, np.zeros((int(fold.max()) + 1, 1), dtype=np.bool_))


def group_parts(times: Integers, fold: NDArray[np.integer], codes: Integers, seed: int) -> GroupParts:
    """Deal whole groups out to parts: no part has groups that a fold validates beside groups that it learns from.

    Groups that the same folds validate are alike; those that are first seen when they are validated have nothing to
    learn from. Each such set becomes one part or more, so that every fit has some four parts to learn from.
    """
    number = int(codes.max()) + 1
    rows = np.bincount(codes, minlength=number)
    first = np.full(number, np.iinfo(np.int64).max)
    np.minimum.at(first, codes, times)
    validated = np.zeros((int(fold.max()) + 1, number), dtype=np.bool_)
    for which in range(len(validated)):
        of_fold = fold == which
        held = np.unique(codes[of_fold])
        validated[which, held[first[held] < times[of_fold].min()]] = True
    alike, kind = np.unique(validated, axis=1, return_inverse=True)
    kind = kind.reshape(-1)
    size = (len(codes) - (validated @ rows).max()) / GROUP_PARTS
    keys = np.random.default_rng(seed).permutation(number).astype(np.uint64)
    part, kinds = np.empty(number, dtype=np.int64), list[int]()
    for which in range(alike.shape[1]):
        members = np.flatnonzero(kind == which)
        wanted = min(len(members), max(1, round(int(rows[members].sum()) / max(size, 1))))
        part[members] = len(kinds) + dealt_groups(rows[members], keys[members], wanted)
        kinds += [which] * wanted
    return GroupParts(part[codes], first[codes], alike[:, kinds])


def watch_start(times: Integers, early: Mask, groups: GroupParts, number: int, share: float) -> tuple[int, Mask, Mask]:
    """When a fold's early stopping begins to watch, the parts of groups that it does not learn from, the watched rows.

    Without groups the latest rows are watched, a share of all. With groups: of the latest rows those of some parts,
    from which nothing is learnt, and those of groups that were not seen before; as many parts and as late that their
    rows are nearest to the share.
    """
    instants = np.unique(times[early])
    if len(instants) < 2:
        raise TooFewRowsError(
            f"split: fold {number}: {int(early.sum())} rows of {len(instants)} instants come early enough to be learnt "
            "from; two instants were expected, so that early stopping watches the later. Lower split.gap or "
            "split.folds, or widen split.window.",
            key=("split", "folds"),
        )
    apart = groups.validated[number]
    if groups.validated.shape[1] > 1:
        apart = apart | watched_parts(groups, early, number, share)
        # the latest start with which a row is still watched
        until = np.where(apart[groups.part], times, groups.first)[early]
        latest = latest_start(times[early], math.sqrt(share))
        candidates = instants[instants >= latest]
        counts = early.sum() - np.searchsorted(np.sort(until), candidates, side="left")
        start = int(candidates[np.argmin(np.abs(counts - share * early.sum()))])
        seen = ~apart[groups.part] & (groups.first < start)
        return start, apart, early & (times >= start) & ~seen
    start = latest_start(times[early], share)
    return start, apart, early & (times >= start)


def latest_start(times: Integers, share: float) -> int:
    """The instant from which on the latest rows are nearest to a share of all."""
    instants, sizes = np.unique(times, return_counts=True)
    return int(instants[::-1][nearest_prefix(sizes[::-1], share) - 1])


def watched_parts(groups: GroupParts, early: Mask, number: int, share: float) -> Mask:
    """The parts of groups that a fold watches, others in each fold; two at least are left to learn from.

    Their share of the rows is the root of the watched share: the latest rows are another root of it.
    """
    parts = groups.validated.shape[1]
    sizes = np.bincount(groups.part[early], minlength=parts)
    there = np.flatnonzero(sizes)
    if len(there) < 3:
        raise TooFewRowsError(
            f"split.group: fold {number} has {len(there)} groups to learn from; three were expected: one that early "
            "stopping watches and two that encode each other. Lower split.folds, or widen split.window.",
            key=("split", "group"),
        )
    turned = np.roll(there, -number)
    chosen = np.zeros(parts, dtype=np.bool_)
    chosen[turned[: min(nearest_prefix(sizes[turned], math.sqrt(share)), len(there) - 2)]] = True
    return chosen


def grid(times: Integers, learnt: list[Mask], given: list[int], inner: int) -> Integers:
    """The instants at which blocks begin: those given, and cuts that leave no block too large a part of a fit's rows.

    Each fold's training part, and all rows, have at least `inner` blocks, as far as instants that are never cut allow.
    """
    bounds = np.unique(np.array(given, dtype=np.int64))
    for rows in [times[chosen] for chosen in learnt] + [times]:
        bounds = with_cuts(bounds, rows, len(rows) / inner)
    return bounds


def with_cuts(bounds: Integers, times: Integers, limit: float) -> Integers:
    """Cut each block that holds more rows than a limit into equal parts."""
    block, further = np.searchsorted(bounds, times, side="right"), [bounds]
    for number, size in enumerate(np.bincount(block)):
        if size > limit:
            inside = times[block == number]
            parts = min(math.ceil(size / limit), len(np.unique(inside)))
            cut = time_blocks(inside, parts)
            further.append(np.array([inside[cut == part].min() for part in range(1, parts)], dtype=np.int64))
    return np.unique(np.concatenate(further))
