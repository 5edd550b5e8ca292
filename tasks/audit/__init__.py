"""The leak audit: what a training's rows and features must pass before anything is trained on them.

Each probe is a small experiment or a count, with what chance would give beside it (docs/leaks.md). Much is looked at
and little may cry wolf: bounds are those of all looks together, and a column is held against what the others can do.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from tasks.audit.finding import Audit, Finding, LeakError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from tasks.audit.beside import Beside
    from tasks.audit.columns import Told
    from tasks.audit.view import View
    from tasks.model.estimator import TabularModel
    from tasks.training.matrices import Prepared

    Looked = tuple[list[Finding], dict[str, dict[str, Any]]]
    Look = Callable[[], Looked]

__all__ = ["Audit", "Finding", "LeakError", "audit"]

STRONGEST = 5  # columns whose figures are told, where nothing is found


def audit(prepared: Prepared, model: TabularModel, threads: int, beside: Beside | None = None) -> Audit:
    """Look for leaks in what a model is about to be trained on.

    Parameters
    ----------
    prepared : Prepared
        Rows, features and plan of the training.
    model : TabularModel
        As declared; its steps are cloned, nothing is changed.
    threads : int
        Changes no bit of the outcome.
    beside : Beside, optional
        What is looked at beside the features; read from the valid rows when absent.

    Returns
    -------
    Audit
    """
    from tasks.audit.beside import read_beside
    from tasks.audit.view import own_view, view_of

    start = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:  # NumPy and XGBoost let go of the interpreter while they work
        planted = pool.submit(by_noise, prepared, model, threads)  # looks at nothing that must be read first
        known = read_beside(prepared.rows) if beside is None else beside
        view = view_of(prepared, known)
        own = own_view(prepared, model, view)
        alone = [pool.submit(look) for look in by_column(view, threads)]
        made = [] if own is None else [pool.submit(look) for look in by_column(own, threads)]
        rows = pool.submit(by_row, prepared, view, known, threads)
    looked = [in_one(alone), of_transformer(in_one(made)), rows.result(), planted.result()]
    findings = tuple(finding for found, _ in looked for finding in found)
    probes = {name: facts for _, numbers in looked for name, facts in numbers.items()}
    return Audit("failed" if findings else "passed", findings, probes, time.monotonic() - start)


def in_one(looks: Sequence[Future[Looked]]) -> Looked:
    """What several looks at the same columns found; each set of columns is named once."""
    looked = [look.result() for look in looks]
    probes = {name: facts for _, numbers in looked for name, facts in numbers.items()}
    return one_each(finding for found, _ in looked for finding in found), probes


def of_transformer(looked: Looked) -> Looked:
    """The same under names of their own, of the columns that the user's own transformer makes."""
    return looked[0], {f"{name}, of the transformer": facts for name, facts in looked[1].items()}


def by_column(view: View, threads: int) -> list[Look]:
    """What single columns and few together say: made from the target, too strong, numbering rows, from later rows."""
    from tasks.audit.view import MOST_ROWS, thinned

    few = thinned(view, MOST_ROWS)
    return [partial(by_sums, few), partial(by_strength, view, few, threads)]


def by_sums(few: View) -> Looked:
    """What columns make up the target."""
    from tasks.audit import reconstruct

    return reconstruct.made_up(few), {reconstruct.PROBE: {"columns": len(few.features)}}


def by_strength(view: View, few: View, threads: int) -> Looked:
    """What each column tells, and what it then is."""
    from tasks.audit import averages, columns, order

    told = columns.told_alone(few)
    findings = [
        *columns.too_strong(few, view, told, threads),
        *averages.group_means(view),
        *averages.left_one_out(view, told),
        *order.identifiers(view, told),
        *order.from_later_rows(view),
    ]
    return findings, {
        columns.PROBE: strongest(told),
        averages.PROBE: {"columns": len(view.numbers)},
        order.PROBE: {"columns": sum(order.numbers_rows(view, name) for name in view.numbers)},
        order.LATER: {"columns": len(view.numbers)},
    }


def by_row(prepared: Prepared, view: View, beside: Beside, threads: int) -> Looked:
    """What rows say that belong together, or are missing something."""
    from tasks.audit import duplicates, missing, neighbours, sides
    from tasks.audit.view import thinned

    probes: dict[str, dict[str, Any]] = {missing.PROBE: {"columns": len(view.features)}}
    findings = missing.filled_after(thinned(view, missing.ROWS), beside, threads)
    looks: dict[str, Callable[[], tuple[list[Finding], dict[str, float]]]] = {
        sides.PROBE: lambda: sides.both_sides(prepared.rows),
        duplicates.PROBE: lambda: duplicates.copied_rows(view),
        neighbours.GROUP: lambda: neighbours.recognised(view, threads),
        neighbours.TIME: lambda: neighbours.forward(view, threads),
    }
    for name, look in looks.items():
        found, facts = look()
        findings, probes[name] = [*findings, *found], facts
    return findings, probes


def by_noise(prepared: Prepared, model: TabularModel, threads: int) -> Looked:
    """What noise says."""
    from tasks.audit import noise

    found, facts = noise.meaningless(prepared, model, threads)
    return found, {noise.PLANTED: facts}


def strongest(told: dict[str, Told]) -> dict[str, float]:
    """How much the strongest columns tell alone."""
    order = sorted(told.values(), key=lambda each: (-each.best.value, each.name))
    return {each.name: each.best.value for each in order[:STRONGEST]}


def one_each(findings: Iterable[Finding]) -> list[Finding]:
    """The first finding of each set of columns: a copy of the target is strong, and a mean, too."""
    found: dict[tuple[str, ...], Finding] = {}
    for finding in findings:
        found.setdefault(finding.columns, finding)
    return list(found.values())
