"""Judge a batch: every column and test against its own history, all of them under one budget of false alarms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from configs.errors import DataError
from tasks.drift.thresholds.common_scale import Steadied, steadied
from tasks.drift.thresholds.company import Company
from tasks.drift.thresholds.distances import Distance, distances
from tasks.drift.thresholds.family import Threshold, family_threshold, weight_of
from tasks.drift.thresholds.null import Null
from tasks.drift.thresholds.pseudo_batches import ALIKE, FEWEST, PseudoBatches, peers_of, pseudo_batches, span
from tasks.drift.thresholds.wandering import Wandering, surely_alike

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.drift.profile import Profile, Role, Summary
    from tasks.drift.thresholds.budget import Budget

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

LONG = 60  # pseudo-batches, from which on it counts how soon after them a batch comes
Test = Literal["distribution", "mix", "missing", "co_missing", "range", "new_levels", "break"]


class EmptyBatchError(DataError):
    """A batch has no row, so there is nothing to judge."""


class OtherGridError(DataError):
    """A batch was counted into other cells than the profile's."""


@dataclass(frozen=True)
class EffectFloor:
    """Changes smaller than these are no alarm, however sure they are.

    Attributes
    ----------
    sd : float
        Shift of a normal column, in its standard deviations.
    mix, missing, outside : float
        Share of rows.
    """

    sd: float = 0.03
    mix: float = 0.01
    missing: float = 0.005
    outside: float = 0.005

    def of(self, test: Test) -> float:
        """The floor of a test."""
        floors = {"distribution": self.sd, "mix": self.mix, "missing": self.missing, "co_missing": self.missing}
        return floors.get(test, self.outside)


NO_FLOOR = EffectFloor(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Finding:
    """One test of one column.

    Attributes
    ----------
    column, role, test : str
    statistic : float, >= 0
        Squared distance from the reference, over that of a quiet batch on average; 0 where both are the same.
    effect : float, >= 0
        For `distribution` the shift in sd that a normal column would have to make; else a share of rows.
    threshold : float
        What the statistic must pass. Of a break it is 0.
    p_value : float
        By the column's own history, before the others are thought of.
    alarmed : bool
        The statistic is above its threshold, and the effect not below its floor.
    excess : float
        How far, in -log(p) over its threshold: 1 is the border.
    found : str or None
        Of a break, what stands there; of `co_missing`, the column that the column's values were missing with.
    """

    column: str
    role: Role
    test: Test
    statistic: float
    effect: float
    threshold: float
    p_value: float
    alarmed: bool
    excess: float
    found: str | None = None


@dataclass(frozen=True)
class Judged:
    """A batch, judged.

    Attributes
    ----------
    alarmed : bool
        Whether any finding is.
    widened : str or None
        Why thresholds are wider than a long history would make them, and how much.
    findings : tuple of Finding
        All tests of all columns, by excess.
    statistic, threshold : float
        Largest surprise, -log(p / w) with w the test's weight, and what a quiet batch passes as often as the budget
        says.
    history : tuple of float
        The same statistic of the reference's own batches, in order of time.
    batch_rows : float
        Rows of these, in the median.
    like_with_like : bool
        Whether only batches of the same time of the week, or day, were compared.
    alpha : float
        False alarms per batch.
    """

    alarmed: bool
    widened: str | None
    findings: tuple[Finding, ...]
    statistic: float
    threshold: float
    history: tuple[float, ...]
    batch_rows: float
    like_with_like: bool
    alpha: float


def judge(batch: Summary, profile: Profile, budget: Budget, floor: EffectFloor | None = None) -> Judged:
    """Judge a batch by the profile alone.

    Parameters
    ----------
    batch : Summary
        What `observe` found with the profile's grid.
    profile : Profile
    budget : Budget
    floor : EffectFloor, optional

    Raises
    ------
    EmptyBatchError
        If the batch has no row.
    OtherGridError
        If it was counted into other cells.
    """
    require_judgeable(batch, profile)
    return History(profile, batch.rows, batch).judge(batch, budget.alpha, floor or EffectFloor())


def require_judgeable(batch: Summary, profile: Profile) -> None:
    """Refuse a batch that nothing can be said of."""
    if not batch.rows:
        raise EmptyBatchError("the batch has no row; drift is judged from one row on. See what `validate` refused.")
    sizes = {name: cells.size for name, cells in profile.grid.columns.items()}
    found = {name: len(counts) for name, counts in batch.counts.items()}
    if sizes != found:
        other = sorted(name for name in sizes.keys() | found.keys() if sizes.get(name) != found.get(name))
        raise OtherGridError(
            f"column {other[0]!r} of the batch was not counted into the profile's cells; "
            "count it by `observe(table, profile.grid)`."
        )


@dataclass(frozen=True, eq=False)
class History:
    """A profile's history, made ready to judge batches of a size."""

    profile: Profile
    rows: int
    like: Summary

    @cached_property
    def pseudo(self) -> PseudoBatches:
        """The history, cut into pseudo-batches."""
        return pseudo_batches(self.profile, self.rows)

    @cached_property
    def company(self) -> Company:
        """Whom each is compared with."""
        return Company(self.pseudo.rows.astype(np.float64), peers_of(self.like, self.pseudo))

    @cached_property
    def stacks(self) -> list[tuple[Distance, Counts, Counts]]:
        """Each kind of test with what it counts of the pseudo-batches and of the whole reference."""
        summaries = [block.summary for block in self.profile.blocks]
        stacked = [(each, self.pseudo.sums(each.stack(summaries))) for each in distances(self.profile.grid)]
        return [(each, own, self.whole(each, own)) for each, own in stacked]

    def whole(self, each: Distance, own: Counts) -> Counts:
        """What a test counts of the whole reference.

        Nothing of it is outside itself. What a batch is to be held against is how much of each batch the others lack:
        a column that has new levels each time is no news with some more.
        """
        if set(each.names) <= {"range", "new_levels"}:
            return np.asarray(own.sum(axis=1, keepdims=True))
        return each.stack([self.profile.total])

    @cached_property
    def first_look(self) -> tuple[Null, ...]:
        """Each kind of test, as if neighbours were not alike."""
        return tuple(Null.of(*stack, self.company) for stack in self.stacks)

    @cached_property
    def wanders(self) -> bool:
        """Whether neighbouring batches are alike beyond chance."""
        found = surely_alike(np.concatenate([null.likeness for null in self.first_look]), self.company.n)
        return self.company.n >= FEWEST and bool(found.any())

    @cached_property
    def tests(self) -> tuple[Null, ...]:
        """Each kind of test with what quiet batches do."""
        return self.wandering if self.wanders else self.steadied

    @cached_property
    def steadied(self) -> tuple[Null, ...]:
        """Each kind of test, its distances steadied by what all have in common."""
        by_chance = np.concatenate([null.left_out.by_chance for null in self.first_look])
        squared = np.concatenate([null.squared.mean(axis=1, keepdims=True) for null in self.first_look])
        without = np.concatenate([null.left_out.expected for null in self.first_look])
        sampling = np.concatenate([null.variance for null in self.first_look])
        sampling_without = np.concatenate([null.left_out.variance for null in self.first_look])
        kinds = np.repeat(np.arange(len(self.first_look)), [len(null.within) for null in self.first_look])
        own = steadied(squared, by_chance, sampling, kinds)
        each = steadied(without, by_chance, sampling_without, kinds)
        return tuple(
            replace(null, own=Steadied(*(of[part] for of in own)), each=Steadied(*(of[part] for of in each)))
            for null, part in self.parts
        )

    @cached_property
    def wandering(self) -> tuple[Null, ...]:
        """Each kind of test, if levels wander."""
        power = np.concatenate([np.einsum("cfk,cfk->cf", null.waves, null.waves) for null in self.first_look])
        dimensions = np.concatenate([null.shape.mean_dof[:, 0] for null in self.first_look])
        wandering = Wandering.of(power, dimensions, self.company)
        return tuple(null.where_levels(wandering.part(part)) for null, part in self.parts)

    @cached_property
    def parts(self) -> list[tuple[Null, slice]]:
        """Each kind of test with its place among all."""
        ends = np.cumsum([len(null.within) for null in self.first_look]).tolist()
        return [(null, slice(end - len(null.within), end)) for null, end in zip(self.first_look, ends, strict=True)]

    @cached_property
    def wandering_tests(self) -> float:
        """How much the tests that ever moved weigh, if levels wander from batch to batch; else 0."""
        if not self.wanders:
            return 0.0
        return float(sum(null.weight[(null.squared > 0).any(axis=1)].sum() for null in self.tests))

    def ahead(self, batch: Summary) -> float:
        """How many batches after the newest of the history a batch comes; infinite where nobody knows.

        A short history does not tell how soon levels forget, so there nothing is made of it.
        """
        start, end = span(batch)
        steps = np.diff(self.pseudo.middle)
        if len(steps) < LONG or not np.isfinite(steps).all() or not np.isfinite(start) or np.median(steps) <= 0:
            return np.inf
        found = ((start + end) / 2 - self.pseudo.middle[-1]) / float(np.median(steps))
        return float(found) if found > 0 else np.inf

    def threshold(self, alpha: float) -> Threshold:
        """The largest surprise that a quiet batch has as often as `alpha`."""
        found = family_threshold(self.surprises, alpha, self.wandering_tests)
        if not self.wanders:
            return found
        return replace(
            found, widened=f"{found.widened}: one to come is taken to be {self.farther:.1f} times as far away"
        )

    @cached_property
    def farther(self) -> float:
        """How much farther than the history's own a batch to come is taken to be, in the median of tests that moved."""
        rows, found = np.array([float(np.median(self.pseudo.rows))]), []
        for null in self.tests:
            quiet, own = null.quiet(rows, np.array([np.inf])), null.squared.mean(axis=1)
            found.append(((quiet.means * quiet.weights).sum(axis=2)[:, 0] / np.where(own > 0, own, 1.0))[own > 0])
        return float(np.median(np.concatenate(found)))

    @cached_property
    def surprises(self) -> Floats:
        """Largest surprise of each pseudo-batch, shape (n,)."""
        return np.asarray(np.max([null.beyond_habit.max(axis=0) for null in self.tests], axis=0))

    def judge(self, batch: Summary, alpha: float, floor: EffectFloor) -> Judged:
        """Judge a batch of about these rows, and of this time of the week."""
        threshold = self.threshold(alpha)
        found = [finding for null in self.tests for finding in self.findings(null, batch, threshold.value, floor)]
        found += broken_columns(batch, self.profile)
        found.sort(key=lambda finding: (-finding.excess, -finding.effect, finding.column, finding.test))
        tested = [finding for finding in found if finding.test != "break"]
        return Judged(
            any(finding.alarmed for finding in found),
            "; ".join(filter(None, (threshold.widened, self.size_apart(batch.rows)))) or None,
            tuple(found),
            max([0.0, *(float(np.log(weight_of(each.test)) - np.log(each.p_value)) for each in tested)]),
            threshold.value,
            tuple(self.surprises.tolist()),
            float(np.median(self.pseudo.rows)),
            self.company.like is not None,
            alpha,
        )

    def size_apart(self, rows: int) -> str | None:
        """Say so where the history has no pseudo-batches of a batch's size."""
        typical = float(np.median(self.pseudo.rows))
        if typical / ALIKE <= rows <= typical * ALIKE:
            return None
        return f"the batch has {rows} rows, and the history was compared in parts of {typical:.0f}"

    @cached_property
    def partners(self) -> dict[str, str]:
        """The column that each column's values were missing with."""
        return {other: one for one, other in self.profile.grid.together}

    def findings(self, null: Null, batch: Summary, threshold: float, floor: EffectFloor) -> Iterator[Finding]:
        """All columns of one kind of test."""
        ahead = self.ahead(batch)
        measured = null.measure([batch], np.array([ahead]))
        limits, surprises = null.ratio_of(threshold, float(batch.rows), ahead), null.weighed(measured.p_value)
        for place, (column, test) in enumerate(zip(null.distance.columns, null.distance.names, strict=True)):
            effect = float(measured.effect[place, 0])
            surprise = max(float(surprises[place, 0]), 0.0)
            p_value = float(measured.p_value[place, 0] ** (1 / null.habit[place, 0]))
            yield Finding(
                column,
                self.profile.grid.roles[column],
                test,
                float(measured.ratio[place, 0]),
                effect,
                float(limits[place, 0]),
                p_value,
                surprise > threshold and effect >= floor.of(test),
                surprise / threshold if threshold > 0 else surprise,
                self.partners.get(column) if test == "co_missing" else None,
            )


def broken_columns(batch: Summary, profile: Profile) -> list[Finding]:
    """Columns that are absent or of another type: no matter of chance."""
    return [
        Finding(column, profile.grid.roles[column], "break", 1.0, 1.0, 0.0, 0.0, True, float("inf"), found)
        for column, found in sorted(batch.breaks.items())
    ]
