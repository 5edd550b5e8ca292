"""What the model predicts: one number per row, made as the YAML's `target` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from configs.errors import DataError
from configs.schema import Target

if TYPE_CHECKING:
    import pandas as pd

Task = Literal["binary", "regression"]


class TargetError(DataError):
    """The target's column does not hold what the declared task needs."""


class NoTargetError(TargetError):
    """No row has a target."""


class OneClassError(TargetError):
    """A binary target has one class only."""


class TooManyClassesError(TargetError):
    """A binary target has more than two classes."""


class InfiniteTargetError(TargetError):
    """A target is infinite."""


def target_column(target: Target) -> str:
    """Name of the stored column that the target is, or is made from."""
    return target.from_ if target.from_ is not None else target.name


def target_values(frame: pd.DataFrame, target: Target, task: Task) -> pd.Series[float]:
    """The target of each row: 0 or 1 for `binary`, a number for `regression`; NaN where it is not known.

    Parameters
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        Typed rows (`tasks.table.to_frame`) that hold the column `target_column(target)`. Give all valid rows at
        once: which of two levels is 1 follows from the levels that are there.
    target : Target
        `from` and `above` make a binary target of a number; else the declared column `name` is the target.
    task : {"binary", "regression"}

    Returns
    -------
    Series of float64, shape (n_rows,), with the index of `frame` and the name `target.name`.
        For a category with two levels the second in order of text is 1 (`target_levels` says which); true is 1.

    Raises
    ------
    NoTargetError, OneClassError, TooManyClassesError, InfiniteTargetError
        See there.
    TargetError
        If a binary target is a number other than 0 and 1, or a regression's is not a number.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"arr_delay": [31.0, 30.0, None]})
    >>> target_values(rows, Target(name="late", **{"from": "arr_delay"}, above=30.0), "binary").tolist()
    [1.0, 0.0, nan]
    """
    values = frame[target_column(target)]
    if values.isna().all():
        raise NoTargetError(
            f"target: column {values.name!r} has no value in any of {len(values)} rows; rows without a target cannot "
            f"be trained on. See columns.{values.name}.nulls, and what an expectation quarantined."
        )
    if target.above is not None:
        numbers = finite_numbers(values)
        known = numbers.gt(target.above).astype("float64").where(numbers.notna())
    else:
        known = two_classes(values) if task == "binary" else finite_numbers(values)
    if task == "binary" and known.nunique() < 2:
        raise one_class(known, target)
    return known.rename(target.name)


def target_levels(frame: pd.DataFrame, target: Target, task: Task) -> tuple[str, str] | None:
    """The levels that are 0 and 1 when the target is a category, None when it is a number or a boolean.

    >>> import pandas as pd
    >>> target_levels(pd.DataFrame({"sold": ["yes", "no", None]}), Target(name="sold"), "binary")
    ('no', 'yes')
    """
    values = frame[target_column(target)]
    if task != "binary" or target.above is not None or not is_text(values):
        return None
    return two_levels(values)


def is_text(values: pd.Series) -> bool:
    """Whether a typed column is a category (or text), not a number or a boolean."""
    import pandas as pd

    return pd.api.types.is_object_dtype(values) or pd.api.types.is_string_dtype(values)


def two_levels(values: pd.Series) -> tuple[str, str]:
    """The two levels of a category, in order of text."""
    levels = sorted(str(level) for level in values.dropna().unique())
    if len(levels) > 2:
        raise TooManyClassesError(
            f"target: column {values.name!r} has {len(levels)} classes ({', '.join(map(repr, levels[:5]))}"
            f"{', ...' if len(levels) > 5 else ''}); a binary target has two. Predict one of them against the rest "
            "with a boolean column, or a number with `train: {task: regression}`."
        )
    if len(levels) < 2:
        raise OneClassError(
            f"target: column {values.name!r} has one class only, {levels[0]!r}; a binary target has two."
        )
    return levels[0], levels[1]


def two_classes(values: pd.Series) -> pd.Series[float]:
    """0 and 1 from a boolean, a category with two levels, or a number that is 0 or 1; NaN where missing."""
    if is_text(values):
        zero, one = two_levels(values)
        return values.map({zero: 0.0, one: 1.0}).astype("float64")
    numbers = finite_numbers(values)
    others = numbers[numbers.notna() & ~numbers.isin([0.0, 1.0])]
    if len(others):
        classes = numbers.nunique()
        raise TooManyClassesError(
            f"target: column {values.name!r} has {classes} different numbers, among them {others.iloc[0]:g}; a binary "
            "target is 0 or 1. Declare `target: {from: ..., above: ...}` to cut a number in two, or "
            "`train: {task: regression}`."
        )
    return numbers


def finite_numbers(values: pd.Series) -> pd.Series[float]:
    """A typed number or boolean as float64, NaN where missing."""
    import numpy as np
    import pandas as pd

    if is_text(values) or not pd.api.types.is_numeric_dtype(values):
        raise TargetError(
            f"target: column {values.name!r} is {values.dtype}, a number was expected. Declare it as integer or float, "
            "or choose `train: {task: binary}` for a category with two levels."
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
