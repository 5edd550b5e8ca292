"""Copies of rows that a split puts on both sides.

Rows of few-valued columns are alike by nature. Copies differ from those in one thing: rows that agree in all columns
but one agree in that one too, whichever it is, the target included; of rows that are alike by nature, some column's
values still differ as often as they do elsewhere. So no model of the data is needed: pairs of rows are counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.audit.finding import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.audit.view import View

    Hashes = NDArray[np.uint64]

PROBE = "the same row on both sides"
AGREE = 0.8  # of the pairs that agree in all columns but one, those that agree in it
SHARE = 0.02  # of the rows, that have a copy in another fold
FEWEST = 10
MOST_ALIKE = 10  # copies of one row; more are a kind that comes again and again
IGNORED = 3  # columns that are tried as the one in which copies differ, such as a row's own number


class Copies(NamedTuple):
    """What was counted, without the column `but`."""

    but: str
    pairs: int
    agree: float
    weakest: str
    share: float


def copied_rows(view: View) -> tuple[list[Finding], dict[str, float]]:
    """Rows that stand on both sides of a fold; rows of different times are no copies where rows are split by time."""
    if view.kind == "time" or len(view.features) < 2:
        return [], {"rows": 0.0}
    hashes = column_hashes(view)
    counted = [counts(view, hashes, "")]
    loose = sorted((name for name in view.features), key=lambda name: -pairs_of(total(hashes, {name})))[:IGNORED]
    counted += [counts(view, hashes, name) for name in loose if pairs_of(total(hashes, {name})) > 2 * counted[0].pairs]
    best = max(counted, key=lambda each: (each.agree >= AGREE) * each.share)
    facts = {"pairs": float(best.pairs), "agreement": best.agree, "share_of_rows": best.share}
    if best.agree < AGREE or best.share < SHARE or best.share * view.rows < FEWEST:
        return [], facts
    return [finding(best, facts)], facts


def finding(found: Copies, facts: dict[str, float]) -> Finding:
    """In words."""
    but = f" but {found.but!r}" if found.but else ""
    return Finding(
        PROBE,
        (found.but,) if found.but else (),
        {**facts, "agreement_of_rows_alike_by_nature": AGREE},
        f"{100 * found.share:.1f} % of the rows have a copy in another fold: {found.pairs} pairs of rows agree "
        f"in all features{but} and in the target, and of the pairs that agree in all but {found.weakest!r}, "
        f"{100 * found.agree:.0f} % agree in that too, so they are copies and not alike by chance. Remove the copies "
        "from the data, or keep them together with `split: {group: ...}`.",
    )


def counts(view: View, hashes: dict[str, Hashes], but: str) -> Copies:
    """Pairs that agree, and how surely they do: by the column in which nearly equal rows differ most often."""
    whole = total(hashes, {but})
    pairs = pairs_of(whole)
    if not pairs or are_kinds(whole):
        return Copies(but, 0, 0.0, "", 0.0)
    agree = {name: pairs / pairs_of(whole - hashes[name]) for name in hashes if name != but}
    weakest = min(agree, key=lambda name: agree[name])
    return Copies(but, pairs, agree[weakest], weakest.removeprefix("\0"), crossing(view, whole))


def total(hashes: dict[str, Hashes], but: set[str]) -> Hashes:
    """One hash per row: of all columns that count, so that taking one away is a subtraction."""
    return np.asarray(sum(values for name, values in hashes.items() if name not in but), dtype=np.uint64)


def pairs_of(hashes: Hashes) -> int:
    """Pairs of equal rows."""
    sizes = np.unique(hashes, return_counts=True)[1]
    return int((sizes * (sizes - 1) // 2).sum())


def are_kinds(hashes: Hashes) -> bool:
    """Whether most rows that come again come more often than copies do."""
    sizes = np.unique(hashes, return_counts=True)[1]
    again = sizes[sizes >= 2]
    return bool(again[again > MOST_ALIKE].sum() * 2 > again.sum())


def crossing(view: View, hashes: Hashes) -> float:
    """Share of the validated rows that have an equal one among the rows of other folds."""
    fold = np.full(view.rows, -1)
    for number, (_, valid) in enumerate(view.folds):
        fold[valid] = number
    codes = np.unique(hashes, return_inverse=True)[1]
    low, high = np.full(codes.max() + 1, len(view.folds)), np.full(codes.max() + 1, -2)
    np.minimum.at(low, codes, fold)
    np.maximum.at(high, codes, fold)
    return float((low != high)[codes].mean())


def column_hashes(view: View) -> dict[str, Hashes]:
    """A random number for each value of each column; the target under a name that no column has."""
    columns: dict[str, NDArray[np.uint64]] = {
        name: (np.where(np.isnan(values), np.nan, values) + 0.0).view(np.uint64)
        for name, values in view.numbers.items()
    }
    columns |= {name: levels.codes.astype(np.uint64) for name, levels in view.levels.items()}
    columns[f"\0{view.target_name}"] = (view.target + 0.0).view(np.uint64)
    return {name: mixed(values, place) for place, (name, values) in enumerate(columns.items(), start=1)}


def mixed(values: Hashes, salt: int) -> Hashes:
    """The finaliser of SplitMix64: G. L. Steele, D. Lea, C. H. Flood (2014), doi:10.1145/2660193.2660195."""
    key = values + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(key ^ (key >> np.uint64(31)), dtype=np.uint64)
