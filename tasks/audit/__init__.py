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
    from collections.abc import Callable

    from tasks.audit.beside import Beside
    from tasks.audit.columns import Told
    from tasks.audit.view import View
    from tasks.model.estimator import TabularModel
    from tasks.training.matrices import Prepared

    Looked = tuple[list[Finding], dict[str, dict[str, Any]]]

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
    known = read_beside(prepared.rows) if beside is None else beside
    view = view_of(prepared, known)
    looks = [partial(by_column, view, threads), partial(by_row, prepared, model, view, known, threads)]
    own = own_view(prepared, model, view)
    if own is not None:
        looks.insert(1, partial(by_own_column, own, threads))
    with ThreadPoolExecutor(min(threads, len(looks))) as pool:  # NumPy lets go of the interpreter while it sorts
        looked = [look.result() for look in [pool.submit(each) for each in looks]]
    findings = tuple(finding for found, _ in looked for finding in found)
    probes = {name: facts for _, numbers in looked for name, facts in numbers.items()}
    return Audit("failed" if findings else "passed", findings, probes, time.monotonic() - start)


def by_column(view: View, threads: int) -> Looked:
    """What single columns and few together say: too strong, made from the target, numbering rows, from later rows."""
    from tasks.audit import averages, columns, order, reconstruct
    from tasks.audit.view import MOST_ROWS, thinned

    few = thinned(view, MOST_ROWS)
    told = columns.told_alone(few)
    findings = [
        *reconstruct.made_up(few),
        *columns.too_strong(few, view, told, threads),
        *averages.group_means(view),
        *averages.left_one_out(view, told),
        *order.identifiers(view, told),
        *order.from_later_rows(view),
    ]
    probes: dict[str, dict[str, Any]] = {
        columns.PROBE: strongest(told),
        reconstruct.PROBE: {"columns": len(view.features)},
        averages.PROBE: {"columns": len(view.numbers)},
        order.PROBE: {"columns": sum(order.numbers_rows(view, name) for name in view.numbers)},
        order.LATER: {"columns": len(view.numbers)},
    }
    return one_each(findings), probes


def by_own_column(view: View, threads: int) -> Looked:
    """What the columns of the user's own transformer say, under names of their own."""
    found, facts = by_column(view, threads)
    return found, {f"{name}, of the transformer": each for name, each in facts.items()}


def by_row(prepared: Prepared, model: TabularModel, view: View, beside: Beside, threads: int) -> Looked:
    """What rows say that belong together, or are missing something, and what noise says."""
    from tasks.audit import duplicates, missing, neighbours, noise, sides
    from tasks.audit.view import thinned

    probes: dict[str, dict[str, Any]] = {missing.PROBE: {"columns": len(view.features)}}
    findings = missing.filled_after(thinned(view, missing.ROWS), beside, threads)
    looks: dict[str, Callable[[], tuple[list[Finding], dict[str, float]]]] = {
        sides.PROBE: lambda: sides.both_sides(prepared.rows),
        duplicates.PROBE: lambda: duplicates.copied_rows(view),
        neighbours.GROUP: lambda: neighbours.recognised(view, threads),
        neighbours.TIME: lambda: neighbours.forward(view, threads),
        noise.PLANTED: lambda: noise.meaningless(prepared, model, threads),
    }
    for name, look in looks.items():
        found, facts = look()
        findings, probes[name] = [*findings, *found], facts
    return findings, probes


def strongest(told: dict[str, Told]) -> dict[str, float]:
    """How much the strongest columns tell alone."""
    order = sorted(told.values(), key=lambda each: (-each.best.value, each.name))
    return {each.name: each.best.value for each in order[:STRONGEST]}


def one_each(findings: list[Finding]) -> list[Finding]:
    """The first finding of each set of columns: a copy of the target is strong, and a mean, too."""
    found: dict[tuple[str, ...], Finding] = {}
    for finding in findings:
        found.setdefault(finding.columns, finding)
    return list(found.values())
