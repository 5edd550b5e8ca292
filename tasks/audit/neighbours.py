"""Rows that belong together and are split apart: a group that nobody declared, neighbours in time or in the file.

Asked by an experiment. The same rows are predicted twice, by as many training rows: once with other rows of their own
unit (their patient, their hour) among them, as the declared split allows, and once without. Where that helps much, the
cross-validation measures how well units are recognised again, not how well new ones are predicted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.audit.columns import level_codes, one_to_one
from tasks.audit.duplicates import mixed
from tasks.audit.finding import Finding
from tasks.audit.lookup import Losses, Share, bound, share_told, truth_of
from tasks.audit.trees import prior, squared_losses, told_by
from tasks.audit.view import Levels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tasks.audit.view import View

    Floats = NDArray[np.float64]
    Positions = NDArray[np.intp]

GROUP, TIME, PLACE = "the same group on both sides", "a later time on both sides", "row order"
ROWS = 4000  # of an experiment
BLOCK, BLOCKS = 160, 25  # neighbours: so many rows, or a part of all where there are few
FEWEST_ROWS, FEWEST_UNITS, FEWEST_ASKED = 120, 16, 25
LARGEST = 20.0  # mean rows of a unit that is a feature; larger ones will come again, like a city
CANDIDATES = 3
AGAIN = 2  # experiments that must agree with the first
COARSE = 8
GAIN = {"feature": 0.2, "beside": 0.08, "order": 0.08}  # of the target's loss, that the unit's other rows save
SURELY = {"feature": 0.5, "beside": 0.4, "order": 0.25}  # of that, at least


class Unit(NamedTuple):
    """What rows may belong to."""

    name: str
    role: str
    levels: Levels
    without: frozenset[str]  # features that would tell it by name
    ordered: bool = False  # whether its levels are numbers in their order


def recognised(view: View, threads: int) -> tuple[list[Finding], dict[str, float]]:
    """Units whose rows are predicted better by having seen other rows of the unit."""
    if view.kind == "time" or view.rows < FEWEST_ROWS:
        return [], {}
    units = [*orders(view), *candidates(view)]
    z, found, facts = bound(max(len(units), 1), 0.02), [], {}
    for unit in units:
        share = helped(view, unit, z, threads)
        facts[f"{unit.role} {unit.name}"] = share.value
        if enough(unit, share) and all(enough(unit, helped(other, unit, z, threads)) for other in drawn_anew(view)):
            found.append(finding(view, unit, share))
    return found, facts


def enough(unit: Unit, share: Share) -> bool:
    """Whether a unit's other rows help notably, and surely."""
    return share.value >= GAIN[unit.role] and share.low >= SURELY[unit.role] * GAIN[unit.role]


def drawn_anew(view: View) -> Iterable[View]:
    """The same rows in other seeded orders: an experiment that is no chance comes out alike when it is done again.

    An interval over units does not know that all of them were predicted by the same two models.
    """
    for salt in range(1, AGAIN + 1):
        yield replace(view, keys=mixed(view.keys, salt))


def finding(view: View, unit: Unit, share: Share) -> Finding:
    """In words."""
    evidence = {"share_gained": share.value, "low": share.low, "by_chance": 0.0, "least_told": GAIN[unit.role]}
    gained = f"tells {share.value:.3f} more of {view.target_name!r} (at least {share.low:.3f}; 0 if rows stand alone)"
    if unit.role != "order":
        return Finding(
            GROUP,
            (unit.name,),
            evidence,
            f"rows of one {unit.name!r} are on both sides of the split, and a model that has seen other rows of a "
            f"row's {unit.name!r} {gained}. Say `split: {{kind: group, group: {unit.name}}}`.",
        )
    probe, what = (PLACE, "rows near it in the file") if unit.name == PLACE else (TIME, "rows near it in time")
    remedy = "Declare `time: {column: ...}` and `split: {kind: time}`, or the group that such rows belong to."
    return Finding(probe, (), evidence, f"a model that has seen {what} {gained}. {remedy}")


def orders(view: View) -> Iterable[Unit]:
    """Blocks of neighbours, by time where it is known, and by place in the file."""
    size = int(np.clip(view.rows // BLOCKS, 8, BLOCK))
    ways = [(PLACE, view.order)]
    if view.times is not None:
        ways.append(("time", np.argsort(np.lexsort((view.order, view.times)), kind="stable")))
    for name, place in ways:
        block = (place // size).astype(np.intp)
        yield Unit(name, "order", Levels(block, int(block.max()) + 1), frozenset())


def candidates(view: View) -> list[Unit]:
    """Columns by whose values rows may belong together, those first whose rows' targets are most alike."""
    units = [unit for unit in named_units(view) if is_unit(unit)]
    scored = sorted(((alike(view, unit), unit) for unit in units), key=lambda each: (-each[0], each[1].name))
    kept: list[Unit] = []
    for likeness, unit in scored:
        if likeness > 0 and len(kept) < CANDIDATES and not any(one_to_one(unit.levels, k.levels) for k in kept):
            kept.append(unit)
    return kept


def named_units(view: View, *, numbers: bool = True) -> Iterable[Unit]:
    """Every column, as a unit: those that are no features, categories, and numbers whose values come back."""
    for name, levels in view.beside.items():
        yield Unit(name, "beside", levels, frozenset())
    for name, levels in view.levels.items():
        yield Unit(name, "feature", levels, frozenset({name}))
    for name in view.numbers if numbers else ():
        yield Unit(name, "feature", level_codes(view, name), frozenset(), ordered=True)


def is_unit(unit: Unit) -> bool:
    """Whether most rows share their value with others, and values are many."""
    sizes = np.bincount(unit.levels.codes, minlength=unit.levels.count)
    several = sizes[sizes >= 2]
    if len(several) < FEWEST_UNITS or several.sum() < 0.5 * sizes.sum():
        return False
    return bool(unit.role == "beside" or several.mean() <= LARGEST)


def alike(view: View, unit: Unit) -> float:
    """By how many standard errors targets of one unit are more alike than chance: analysis of variance, F - 1.

    What a number tells by being great or small is taken off before: that is no reason to take it for a name.
    """
    truth = truth_of(view)
    columns = [truth.values] if truth.classes <= 2 else [truth.values == code for code in range(truth.classes)]
    rows = np.bincount(unit.levels.codes, minlength=unit.levels.count)
    units = int((rows > 0).sum())
    between = within = 0.0
    for column in columns:
        centred = column - (coarse_means(unit.levels, column) if unit.ordered else column.mean())
        sums = np.bincount(unit.levels.codes, centred, unit.levels.count)
        explained = float(np.add.reduce(sums[rows > 0] ** 2 / rows[rows > 0]))
        between, within = between + explained, within + float(np.add.reduce(centred**2)) - explained
    if within <= 0:
        return float(units)
    ratio = between / max(units - 1, 1) / (within / max(view.rows - units, 1))
    error = np.sqrt(2 / max(units - 1, 1) + 2 / max(view.rows - units, 1))
    return float((ratio - 1) / error - 4) if ratio > 1 else 0.0


def coarse_means(levels: Levels, values: Floats) -> Floats:
    """Mean of each row's eighth, in order of level."""
    rows = np.bincount(levels.codes, minlength=levels.count)
    part = ((np.cumsum(rows) - rows) * COARSE // rows.sum())[levels.codes]
    sums, sizes = np.bincount(part, values, COARSE), np.bincount(part, minlength=COARSE)
    return np.asarray((sums / np.maximum(sizes, 1))[part])


def helped(view: View, unit: Unit, z: float, threads: int) -> Share:
    """How much more of the target is told of a row by a model that has seen others of its unit."""
    names = [name for name in view.features if name not in unit.without]
    halves = [sides for half in (0, 1) if (sides := drawn_sides(view, unit, half)) is not None]
    if not halves:
        return Share(0.0, -1.0, 1.0)
    with_unit, without = (
        [
            told_by(view, names, learnt, sides.asked, threads, loss=squared_losses)
            for sides in halves
            for learnt in (getattr(sides, which),)
        ]
        for which in ("seen", "unseen")
    )
    saved = np.concatenate([less.loss - more.loss for less, more in zip(without, with_unit, strict=True)])
    whole = np.concatenate([losses.without for losses in without])
    codes = np.unique(np.concatenate([unit.levels.codes[sides.asked] for sides in halves]), return_inverse=True)[1]
    saved_by_unit, whole_by_unit = (np.asarray(np.bincount(codes, each), dtype=np.float64) for each in (saved, whole))
    return share_told(Losses(whole_by_unit - saved_by_unit, whole_by_unit, codes), z)


class Sides(NamedTuple):
    """Rows that are asked about, and as many rows to learn from, with others of their units and without."""

    asked: Positions
    seen: Positions
    unseen: Positions


def drawn_sides(view: View, unit: Unit, half: int) -> Sides | None:
    """The experiment for every other unit: half of its rows are asked about; None where too few rows are left."""
    rows = whole_units(view, unit)
    number = np.unique(unit.levels.codes[rows], return_inverse=True)[1]
    is_asked, nth = number % 2 == half, place_within(number, view.keys[rows])
    asked, siblings = rows[is_asked & (nth % 2 == 0)], rows[is_asked & (nth % 2 == 1)]
    others = rows[~is_asked]
    if view.groups is not None:  # what is learnt from is of other declared groups than what is asked about
        asked = asked[view.groups[asked] % 3 == 0]
        siblings, others = (side[view.groups[side] % 3 > 0] for side in (siblings, others))
    count = min(len(siblings), len(others) // 2)
    if min(len(asked), count) < FEWEST_ASKED:
        return None
    others = others[np.argsort(view.keys[others], kind="stable")]
    shared, spare = others[count:], others[:count]
    seen = np.concatenate([shared, view.drawn(siblings, count)])
    return Sides(asked, np.sort(seen), np.sort(np.concatenate([shared, spare])))


def place_within(number: Positions, keys: NDArray[np.uint64]) -> Positions:
    """Each row's place in its unit, in a seeded order."""
    order = np.lexsort((keys, number))
    sizes = np.bincount(number)
    place = np.empty(len(number), dtype=np.intp)
    place[order] = np.arange(len(number)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return place


def whole_units(view: View, unit: Unit) -> Positions:
    """Rows of units of two or more, whole units in a seeded order until there are enough."""
    codes = unit.levels.codes
    sizes = np.bincount(codes, minlength=unit.levels.count)
    first = np.full(unit.levels.count, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(first, codes, view.keys)
    order = np.argsort(first, kind="stable")
    order = order[sizes[order] >= 2]
    kept = order[: max(FEWEST_UNITS, int(np.searchsorted(np.cumsum(sizes[order]), ROWS, side="right")))]
    rows = np.flatnonzero(np.isin(codes, kept))
    return view.drawn(rows, 2 * ROWS)


def forward(view: View, threads: int) -> tuple[list[Finding], dict[str, float]]:
    """Whether a split that does not go by time lets a model profit from rows that are later than those it predicts."""
    if view.kind == "time" or view.times is None or view.rows < 2 * FEWEST_ROWS:
        return [], {}
    start = np.sort(view.times)[int(0.7 * view.rows)]
    late, early = np.flatnonzero(view.times >= start), np.flatnonzero(view.times < start)
    if len(early) < FEWEST_ROWS:
        return [], {}
    place = np.argsort(np.argsort(view.keys[late], kind="stable"), kind="stable")
    asked, also = view.drawn(late[place % 2 == 0], ROWS // 2), late[place % 2 == 1]
    if view.groups is not None:
        also, early = (side[~np.isin(view.groups[side], view.groups[asked])] for side in (also, early))
    past = view.drawn(early, min(ROWS, int(0.8 * len(early))))
    late_share = min(len(also), int(0.3 * len(past)))
    both = np.concatenate([view.drawn(early, len(past) - late_share), view.drawn(also, late_share)])
    names = list(view.features)
    random, ahead = (told_by(view, names, np.sort(side), asked, threads, loss=squared_losses) for side in (both, past))
    spread = squared_losses(truth_of(view), prior(truth_of(view), asked, len(asked)), asked)  # of the late rows alone
    share = share_told(Losses(spread - (ahead.loss - random.loss), spread, asked), 3.0)
    facts = {"told_more_by_later_rows": share.value}
    if share.value < 0.15 or share.low < 0.08:
        return [], facts
    text = (
        f"a model that has learned from rows as late as those it predicts tells {share.value:.3f} more of "
        f"{view.target_name!r} than one that has learned from earlier rows (at least {share.low:.3f}; 0 where time "
        "is no matter), and the split puts later rows on both sides. Say `split: {kind: time}`."
    )
    evidence = {"share_gained": share.value, "low": share.low, "by_chance": 0.0}
    return [Finding(TIME, (), evidence, text)], facts
