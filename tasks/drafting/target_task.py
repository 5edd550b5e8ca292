"""What kind of prediction a target asks for, by its type and its values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.errors import DataError
from configs.sections.train import Task
from configs.wording import hint, listed, shown
from tasks.drafting.profile import NUMBERS, Profile
from tasks.target import MOST_CLASSES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_GRADES = 12  # consecutive whole numbers from 0 or 1 on that are taken for classes
RARE = 10  # rows of a class below which the folds may miss it
MOST_RARE = 0.05  # share of the rows that may be left out with rare classes


class UnfitTargetError(DataError):
    """A target that no model can be made for: unknown, the same in every row, or of a type that is not predicted."""


@dataclass(frozen=True)
class TargetDraft:
    """The target's column as it is to be declared, the task, what was seen, and the classes that are learned.

    `classes` is empty where all are.
    """

    profile: Profile
    task: Task
    remark: str
    classes: tuple[Any, ...] = ()


def require_target(name: str, profiles: Mapping[str, Profile], notes: Sequence[str] = ()) -> Profile:
    """The target's column; `notes` say what was seen of how the file is written, such as that it has no header.

    Raises
    ------
    UnfitTargetError
        If the file has no such column; the nearest is named.
    """
    if name not in profiles:
        raise UnfitTargetError(
            f"--target {shown(name)}: the file has no such column{hint(name, profiles)}. It has: {listed(profiles)}"
            f"{'; '.join(['', *notes])}"
        )
    return profiles[name]


def draft_target(profile: Profile) -> TargetDraft:
    """Say what is predicted.

    Raises
    ------
    UnfitTargetError
        If nothing can be.
    """
    drafted, missing = draft_kind(profile), int(profile.is_missing.sum())
    if not missing:
        return drafted
    told = f"{missing:,} of {len(profile.is_missing):,} rows have none, and go to quarantine"
    return replace(drafted, remark=f"{drafted.remark}; {told}")


def draft_kind(profile: Profile) -> TargetDraft:
    """What is predicted, by the type and the values that are there."""
    distinct = len(profile.rows_per_value)
    if distinct < 2:
        same = "no value in any row" if distinct == 0 else "the same value in every row"
        raise UnfitTargetError(f"--target {profile.name!r}: {same} of the sample; two different ones are the least.")
    if profile.type in NUMBERS:
        return draft_number(profile, distinct)
    if profile.type == "boolean":
        return TargetDraft(profile, "binary", "two classes")
    if profile.type != "category":
        raise UnfitTargetError(
            f"--target {profile.name!r}: is {a_kind(profile)}; a number, a boolean or a category can be predicted."
        )
    if distinct > min(MOST_CLASSES, profile.rows_per_value.sum() / 2):
        raise UnfitTargetError(
            f"--target {profile.name!r}: {distinct} classes in {profile.rows_per_value.sum()} rows; at most "
            f"{MOST_CLASSES}, of two rows each, can be told apart. Predict a coarser column. Seen was: "
            f"{'; '.join(profile.remarks)}."
        )
    return classes(profile, distinct)


def a_kind(profile: Profile) -> str:
    """The type of a column that cannot be predicted, in words."""
    return {"date": "a date", "timestamp": "a timestamp"}.get(profile.type, "free text")


def classes(profile: Profile, distinct: int) -> TargetDraft:
    """A category of two levels is binary, one of more multiclass, without the classes that are too rare to be held out.

    Rare classes are left out where they have few rows altogether and two others are there.
    """
    import pyarrow as pa

    counts = profile.rows_per_value
    rare = counts < RARE
    task: Task = "binary" if distinct == 2 else "multiclass"
    remark = f"{distinct} classes"
    if not rare.any():
        return TargetDraft(profile, task, remark)
    remark += f", {rare.sum()} of them in fewer than {RARE} rows"
    if task == "binary" or (~rare).sum() < 2 or counts[rare].sum() > MOST_RARE * counts.sum():
        return TargetDraft(profile, task, remark)
    kept = profile.value_counts.field("values").filter(pa.array(~rare)).to_pylist()
    return TargetDraft(profile, task, f"{remark}, which go to quarantine", tuple(sorted(kept)))


def draft_number(profile: Profile, distinct: int) -> TargetDraft:
    """A number is 0 or 1, one of two, a grade, or a quantity."""
    numbers = profile.numbers
    known = np.unique(numbers[~np.isnan(numbers)])
    if distinct == 2 and set(known.tolist()) == {0.0, 1.0}:
        return TargetDraft(profile, "binary", "0 or 1")
    as_category = replace(profile, declared={**profile.declared, "type": "category"})
    if distinct == 2 and len(as_category.rows_per_value) == 2:
        return classes(as_category, 2)
    is_counted = distinct <= MOST_GRADES and known[0] in (0, 1) and bool((np.diff(known) == 1).all())
    if profile.type == "integer" and is_counted:
        drafted = classes(profile, distinct)
        return replace(drafted, remark=f"{drafted.remark}; write `task: regression` if they are a quantity")
    return TargetDraft(profile, "regression", f"a number with {distinct:,} different values in the sample")
