"""What the model predicts: one number per row, made as the YAML's `target` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from configs.errors import DataError
from configs.sections.columns import Target
from configs.sections.train import Task

if TYPE_CHECKING:
    import pandas as pd

MOST_CLASSES = 1000  # a prediction holds a number for each class, and each round grows a tree for each


class TargetError(DataError):
    """The target's column does not hold what the declared task needs."""

    def __init__(self, text: str) -> None:
        super().__init__(text, key=("target",))


class NoTargetError(TargetError):
    """No row has a target."""


class OneClassError(TargetError):
    """A target of classes has one class only."""


class TooManyClassesError(TargetError):
    """A binary target has more than two classes, or a multiclass one more than a model can be made for."""


class InfiniteTargetError(TargetError):
    """A target is infinite."""


def target_column(target: Target) -> str:
    """Name of the stored column that the target is, or is made from."""
    return target.from_ if target.from_ is not None else target.name


def target_values(frame: pd.DataFrame, target: Target, task: Task) -> pd.Series[float]:
    """The target of each row: 0 or 1, the number of its class, or a number; NaN where it is not known.

    Parameters
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        Typed rows (`tasks.table.to_frame`) that hold the column `target_column(target)`. Give all valid rows at
        once: which number a level gets follows from the levels that are there.
    target : Target
        `from` and `above` make a binary target of a number; else the declared column `name` is the target.
    task : {"binary", "multiclass", "regression"}

    Returns
    -------
    Series of float64, shape (n_rows,), with the index of `frame` and the name `target.name`.
        For a category with two levels the second in order of text is 1; true is 1. For `multiclass` 0 to C - 1, in the
        order of `class_names`.

    Raises
    ------
    NoTargetError, OneClassError, TooManyClassesError, InfiniteTargetError
        See there.
    TargetError
        If a binary target is a number other than 0 and 1, a multiclass one is neither category, integer nor boolean,
        or a regression's is not a number.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"arr_delay": [31.0, 30.0, None]})
    >>> target_values(rows, Target(name="late", **{"from": "arr_delay"}, above=30.0), "binary").tolist()
    [1.0, 0.0, nan]
    >>> rows = pd.DataFrame({"species": ["setosa", None, "virginica", "versicolor"]})
    >>> target_values(rows, Target(name="species"), "multiclass").tolist()
    [0.0, nan, 2.0, 1.0]
    """
    values = frame[target_column(target)]
    if values.isna().all():
        raise NoTargetError(
            f"target: column {values.name!r} has no value in any of {len(values)} rows; rows without a target cannot "
            f"be trained on. See columns.{values.name}.nulls, and what an expectation quarantined."
        )
    names = class_names(frame, target, task)
    if names is not None:
        known = class_codes(values, names)
    elif target.above is not None:
        numbers = finite_numbers(values)
        known = numbers.gt(target.above).astype("float64").where(numbers.notna())
    else:
        known = zeros_and_ones(values) if task == "binary" else finite_numbers(values)
    if task == "binary" and known.nunique() < 2:
        raise one_class(known, target)
    return known.rename(target.name)


def class_names(frame: pd.DataFrame, target: Target, task: Task) -> tuple[str, ...] | None:
    """What the numbers of a target of classes stand for: the levels, in order of text or, of integers, of number.

    Parameters
    ----------
    frame, target, task
        As `target_values` takes them.

    Returns
    -------
    tuple of str, or None
        None for a regression, and for a binary target that is a number, a boolean or made by `above`: 0 and 1 stand
        for themselves.

    Raises
    ------
    OneClassError, TooManyClassesError, TargetError
        See `target_values`.

    Examples
    --------
    >>> import pandas as pd
    >>> class_names(pd.DataFrame({"sold": ["yes", "no", None]}), Target(name="sold"), "binary")
    ('no', 'yes')
    >>> class_names(pd.DataFrame({"stars": [1, 10, 2]}), Target(name="stars"), "multiclass")
    ('1', '2', '10')
    """
    values = frame[target_column(target)]
    if task == "multiclass":
        return many_levels(values, target)
    return two_levels(values) if task == "binary" and target.above is None and is_text(values) else None


def is_text(values: pd.Series) -> bool:
    """Whether a typed column is a category (or text), not a number or a boolean."""
    import pandas as pd

    return pd.api.types.is_object_dtype(values) or pd.api.types.is_string_dtype(values)


def level_texts(values: pd.Series) -> pd.Series:
    """The text of each level: a category as it is, a number without a point, a boolean as the YAML writes it."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(values):
        return values.astype("boolean").map({True: "true", False: "false"})
    return values if is_text(values) else values.astype("Int64").astype("str").where(values.notna())


def class_codes(values: pd.Series, names: Sequence[str]) -> pd.Series[float]:
    """The number of each row's class, NaN where it is missing."""
    numbers = {name: float(number) for number, name in enumerate(names)}
    return level_texts(values).map(numbers).astype("float64")


def some_of(names: Sequence[str], limit: int = 5) -> str:
    """The first few of many names, quoted."""
    return ", ".join(map(repr, names[:limit])) + (", ..." if len(names) > limit else "")


def many_levels(values: pd.Series, target: Target) -> tuple[str, ...]:
    """The levels of a category, an integer or a boolean, in their order."""
    import pandas as pd

    is_number = pd.api.types.is_integer_dtype(values)
    if target.above is not None or not (is_text(values) or is_number or pd.api.types.is_bool_dtype(values)):
        found = f"is cut in two by `above: {target.above:g}`" if target.above is not None else f"is {values.dtype}"
        raise TargetError(
            f"target: column {values.name!r} {found}; for `train: {{task: multiclass}}` a category, an integer or a "
            "boolean was expected. Declare it so under `columns`, or choose another task."
        )
    known = values.dropna().unique()
    levels = [str(level) for level in (sorted(map(int, known)) if is_number else sorted(level_texts(pd.Series(known))))]
    if len(levels) < 2:
        raise OneClassError(
            f"target: column {values.name!r} has one class only, {levels[0]!r}; a multiclass target has two or more. "
            "Land more batches, or mend the column's declaration."
        )
    if len(levels) > MOST_CLASSES:
        raise TooManyClassesError(
            f"target: column {values.name!r} has {len(levels)} classes; at most {MOST_CLASSES} can be told apart. "
            "Predict a coarser column, or a number with `train: {task: regression}`."
        )
    return tuple(levels)


def two_levels(values: pd.Series) -> tuple[str, str]:
    """The two levels of a category, in order of text."""
    levels = sorted(str(level) for level in values.dropna().unique())
    if len(levels) > 2:
        raise TooManyClassesError(
            f"target: column {values.name!r} has {len(levels)} classes ({some_of(levels)}); a binary target has two. "
            "Predict all of them with `train: {task: multiclass}`, one against the rest with a boolean column, or a "
            "number with `train: {task: regression}`."
        )
    if len(levels) < 2:
        raise OneClassError(
            f"target: column {values.name!r} has one class only, {levels[0]!r}; a binary target has two."
        )
    return levels[0], levels[1]


def zeros_and_ones(values: pd.Series) -> pd.Series[float]:
    """0 and 1 from a boolean or a number that is 0 or 1; NaN where missing."""
    numbers = finite_numbers(values)
    others = numbers[numbers.notna() & ~numbers.isin([0.0, 1.0])]
    if len(others):
        classes = numbers.nunique()
        raise TooManyClassesError(
            f"target: column {values.name!r} has {classes} different numbers, among them {others.iloc[0]:g}; a binary "
            "target is 0 or 1. Declare `target: {from: ..., above: ...}` to cut a number in two, "
            "`train: {task: multiclass}` for a few integers, or `train: {task: regression}`."
        )
    return numbers


def finite_numbers(values: pd.Series) -> pd.Series[float]:
    """A typed number or boolean as float64, NaN where missing."""
    import numpy as np
    import pandas as pd

    if is_text(values) or not pd.api.types.is_numeric_dtype(values):
        raise TargetError(
            f"target: column {values.name!r} is {values.dtype}, a number was expected. Declare it as integer or float, "
            "or choose `train: {task: binary}` for a category with two levels, `multiclass` for one with more."
        )
    numbers = pd.Series(values.to_numpy(dtype="float64", na_value=np.nan), index=values.index, name=values.name)
    infinite = np.isinf(numbers.to_numpy())
    if infinite.any():
        raise InfiniteTargetError(
            f"target: column {values.name!r} has {int(infinite.sum())} infinite values; a finite number was expected. "
            "Quarantine them with expect_column_values_to_be_between, or make their text a null token."
        )
    return numbers


def one_class(known: pd.Series[float], target: Target) -> OneClassError:
    """Say that a binary target has one class, in the words of its declaration."""
    rows = int(known.notna().sum())
    if target.above is not None:
        side = "above" if known.max() == 1 else "not above"
        return OneClassError(
            f"target: {target.from_!r} is {side} {target.above:g} in all {rows} rows that have it, so {target.name!r} "
            "has one class only; two were expected. Choose another `above`, or land more batches."
        )
    return OneClassError(
        f"target: column {target.name!r} is {known.max():g} in all {rows} rows that have it; a binary target has two "
        "classes. Land more batches, or mend the column's declaration."
    )
