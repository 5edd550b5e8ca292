"""What the user's transformer gives back: one number per row and feature, under names of their own, or an error."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from configs.errors import DataError, HoldfastError
from configs.wording import listed
from tasks.own_features.user_code import code_folder

KEY = ("features", "transformer")
FORBIDDEN = ("[", "]", "<")  # XGBoost refuses them in names of features


class TransformerError(DataError):
    """A transformer raised, or made something else than features."""


def as_features(made: Any, transformer: Any, rows: int, taken: Sequence[str], name: str) -> pd.DataFrame:
    """Take what a transformer made as float64 under names.

    Parameters
    ----------
    made : DataFrame, Series, array or sparse matrix, shape (n, d)
    transformer : object
        Asked for names where `made` has none.
    rows : int
        How many there are.
    taken : sequence of str
        Names of the other features.
    name : str
        Of the transformer, for errors.

    Returns
    -------
    DataFrame of float64, shape (n, d), with the index 0 to n - 1

    Raises
    ------
    TransformerError
        If rows are missing, too many or in another order, a column is no number, or a name is none of its own.
    """
    frame = as_frame(made, transformer, name)
    if len(frame) != rows:
        raise refused(name, f"made {len(frame)} rows of {rows}; one for each, in their order, was expected")
    if isinstance(made, (pd.DataFrame, pd.Series)) and not np.array_equal(frame.index, np.arange(rows)):
        raise refused(name, "gave the rows back under another index; keep the index of the frame that it is given")
    require_names(list(frame.columns), taken, name)
    return pd.DataFrame({column: numbers(frame[column], name) for column in frame.columns}, index=range(rows))


def as_frame(made: Any, transformer: Any, name: str) -> pd.DataFrame:
    """Put names on what a transformer made."""
    if isinstance(made, pd.DataFrame):
        return made
    if isinstance(made, pd.Series):
        return made.to_frame()
    values = made.toarray() if hasattr(made, "toarray") else np.asarray(made)
    if values.ndim != 2:
        raise refused(name, f"made {type(made).__name__} of {values.ndim} dimensions; rows and columns were expected")
    return pd.DataFrame(values, columns=names_of(transformer, values.shape[1]))


def names_of(transformer: Any, count: int) -> list[str]:
    """Names that a transformer gives its columns: its own, or its class and a number, as scikit-learn has them."""
    if hasattr(transformer, "get_feature_names_out"):
        return [str(each) for each in transformer.get_feature_names_out()]
    return [f"{type(transformer).__name__.lower()}{place}" for place in range(count)]


def require_names(names: list[Any], taken: Sequence[str], name: str) -> None:
    """Refuse no columns, names that are no text, and names that stand twice or are another feature's."""
    if not names:
        raise refused(name, "made no column; at least one feature was expected")
    for each in names:
        if not isinstance(each, str) or not each or each.startswith("_") or any(char in each for char in FORBIDDEN):
            raise refused(
                name, f"made a column named {each!r}; a text was expected, without '_' in front, '[', ']', '<'"
            )
    if twice := sorted(each for each, count in Counter(names).items() if count > 1):
        raise refused(name, f"made {listed(twice)} more than once; each feature has a name of its own")
    if colliding := sorted({*names} & {*taken}):
        raise refused(name, f"made {listed(colliding)}, which the model has already; choose other names")


def numbers(values: pd.Series[Any], name: str) -> Any:
    """A column as float64, NaN where missing."""
    if not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)) or values.dtype.kind == "c":
        raise refused(
            name, f"made the column {values.name!r} of type {values.dtype}; numbers were expected: encode it first"
        )
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def refused(name: str, what: str) -> TransformerError:
    """Say what a transformer did."""
    return TransformerError(f"features.transformer: {name} {what.rstrip('.')}.", key=KEY)


@contextmanager
def told(name: str, pipeline: str) -> Iterator[None]:
    """Tell what the user's code raises as an error of the data, with the line that raised it."""
    try:
        yield
    except HoldfastError:
        raise
    except Exception as error:  # whatever the user's code raises
        folder = str(code_folder(pipeline).resolve())
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folder)]
        where = f", raised at {code_folder(pipeline)}{own[-1].filename[len(folder) :]}:{own[-1].lineno}" if own else ""
        raise refused(name, f"failed: {type(error).__name__}: {error}{where}") from error
