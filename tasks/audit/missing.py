"""Columns that the outcome fills in: missing, or at their usual value, just where the target is of one class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.audit.columns import told_together
from tasks.audit.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tasks.audit.beside import Beside
    from tasks.audit.view import View

    Mask = NDArray[np.bool_]

PROBE = "filled in after the outcome"
PURE = 0.97  # of the rows that are filled in, at least, are of one class
ROWS = 30_000
FEWEST = 25
USUAL = 0.3  # share of the rows at one value that counts as not filled in
OTHERS = 0.5  # share told by the other columns on which a pure level is nothing strange
ALIKE = 0.95  # of the rows where one of two is missing, the other one is, too


def filled_after(view: View, beside: Beside, threads: int) -> list[Finding]:
    """Columns whose being filled in tells the outcome, or that are missing with it."""
    found = [] if view.classes == 1 else [each for name in view.features for each in pure(view, name, threads)]
    return [*found, *missing_with_target(beside)]


def filled_in(view: View, name: str) -> Iterable[tuple[str, Mask]]:
    """The ways in which a row may count as filled in: the value is there, or is not the usual one."""
    if name in view.levels:
        levels = view.levels[name]
        sizes = np.bincount(levels.codes, minlength=levels.count)
        yield "is there", levels.codes != levels.count - 1
        if levels.count > 3:
            yield "is not the usual one", levels.codes != int(np.argmax(sizes))
        return
    values = view.numbers[name]
    there = ~np.isnan(values)
    yield "is there", there
    found, codes, sizes = np.unique(values[there], return_inverse=True, return_counts=True)
    if len(found) > 3 and sizes.max() >= USUAL * len(values):
        unusual = np.zeros(len(values), dtype=np.bool_)
        unusual[there] = codes != int(np.argmax(sizes))
        yield f"is not {found[np.argmax(sizes)]:g}", unusual


def pure(view: View, name: str, threads: int) -> Iterable[Finding]:
    """A finding where nearly all rows that are (or are not) filled in are of one class, beyond what others tell."""
    for words, filled in filled_in(view, name):
        for how, chosen in ((words, filled), (f"{words}, is not so", ~filled)):
            finding = pure_side(view, name, how.replace(f"{words}, is not so", negated(words)), chosen, threads)
            if finding is not None:
                yield finding
                return


def negated(words: str) -> str:
    """The other way round."""
    return words.replace("is not ", "is ") if "is not " in words else words.replace("is there", "is missing")


def pure_side(view: View, name: str, words: str, chosen: Mask, threads: int) -> Finding | None:
    """Whether rows of one side are of one class, beyond what other columns and the share of the class explain."""
    rows, classes = int(chosen.sum()), view.target.astype(np.intp)
    if not FEWEST <= rows <= view.rows - FEWEST:
        return None
    counts = np.bincount(classes[chosen], minlength=view.classes)
    major, low = int(np.argmax(counts)), wilson_low(int(counts.max()), rows)
    elsewhere = float((classes[~chosen] == major).mean())
    everywhere = float((classes == major).mean())
    covered = float(counts[major] / max((classes == major).sum(), 1))
    expected = rows * (1 - everywhere)
    if low < PURE or everywhere > 0.9 or covered < 0.05 or expected < 15 or elsewhere > everywhere - 0.02:
        return None
    together = told_together(view, [each for each in view.features if each != name], None, threads)
    if together > OTHERS:
        return None
    exceptions = rows - int(counts[major])
    return Finding(
        PROBE,
        (name,),
        {
            "rows": float(rows),
            "share_of_one_class": float(counts[major] / rows),
            "low": low,
            "share_by_chance": everywhere,
            "exceptions": float(exceptions),
            "exceptions_by_chance": expected,
            "share_told_by_others_together": together,
        },
        f"where column {name!r} {words}, {counts[major]} of {rows} rows are of one class of {view.target_name!r} "
        f"({exceptions} exceptions, {expected:.0f} by chance), and no other column makes that likely. It seems to be "
        "filled in once the outcome is known. Put it under `drop`.",
    )


def wilson_low(hits: int, rows: int, z: float = 2.58) -> float:
    """Lower bound of a share.

    References
    ----------
    E. B. Wilson (1927), doi:10.1080/01621459.1927.10502953.
    """
    share, square = hits / rows, z * z / rows
    centre = (share + square / 2) / (1 + square)
    return float(centre - z / (1 + square) * np.sqrt(share * (1 - share) / rows + square / (4 * rows)))


def missing_with_target(beside: Beside) -> list[Finding]:
    """Columns that are missing in just the rows whose target is missing, and in hardly any other one.

    A batch without any target says nothing, and neither do rows in which most columns are missing.
    """
    none = beside.no_target
    if none.sum() < FEWEST or none.all():
        return []
    known = np.bincount(beside.batch, ~none) > 0
    some = known[beside.batch]
    if (none & some).sum() < FEWEST:
        return []
    alike = {name: likeness(lacks & some, none & some) for name, lacks in beside.missing.items()}
    found = [name for name, likely in alike.items() if likely >= ALIKE]
    if len(found) * 2 > len(alike):
        return []
    return [missing_finding(name, alike[name], int(none.sum())) for name in found]


def likeness(one: Mask, other: Mask) -> float:
    """Rows of both over rows of either, by Jaccard."""
    return float((one & other).sum() / max((one | other).sum(), 1))


def missing_finding(name: str, likely: float, rows: int) -> Finding:
    """In words."""
    return Finding(
        PROBE,
        (name,),
        {"rows_without_target": float(rows), "share_missing_together": likely},
        f"column {name!r} is missing just where the target is: of the rows where one of them is, {100 * likely:.1f} % "
        "lack both. It is known only once the outcome is. Put it under `drop`.",
    )
