"""Levels of a categorical column: its distinct texts in order, and each row's position among them.

A missing value has a place of its own, after the last level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from configs.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class NotCategoricalError(DataError, ValueError):
    """A column to encode holds something else than text."""


class Levels(NamedTuple):
    """The levels of a column, and each row's place among them.

    Attributes
    ----------
    names : Arrow array of text, shape (levels,)
        In order of their code points.
    codes : array of int32, shape (n,)
        0 to the number of levels, which is a missing value.
    """

    names: pa.Array
    codes: NDArray[np.int32]


def text_levels(column: pd.Series[Any]) -> Levels:
    """Levels of a text column; one that is a pandas categorical already is not factorised again.

    Raises
    ------
    NotCategoricalError
        If the column holds something else than text.

    Examples
    --------
    >>> text_levels(pd.Series(["b", "a", None, "b"])).codes.tolist()
    [1, 0, 2, 1]
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        names, codes = arrow_text(column.cat.categories, column), column.cat.codes.to_numpy()
    else:
        coded = arrow_text(column, column).dictionary_encode()
        names, codes = coded.dictionary, coded.indices.fill_null(-1).to_numpy()
    return in_order(names, codes)


def arrow_text(values: Any, column: pd.Series[Any]) -> pa.Array:
    """Arrow's view of texts, without a copy where pandas holds them so."""
    try:
        found = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise not_categorical(column, "values of several types") from error
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    if len(found) == found.null_count:  # nothing tells what type they would have
        return found.cast(pa.large_string()) if pa.types.is_null(found.type) else text_only(found, column)
    return text_only(found, column)


def text_only(found: pa.Array, column: pd.Series[Any]) -> pa.Array:
    """The same values, after their type was checked."""
    if not (pa.types.is_string(found.type) or pa.types.is_large_string(found.type)):
        raise not_categorical(column, str(found.type))
    return found.cast(pa.large_string())


def not_categorical(column: pd.Series[Any], found: str) -> NotCategoricalError:
    """Say which column holds what."""
    return NotCategoricalError(
        f"column {column.name!r} holds {found}; target encoding takes text. "
        "Declare it as `type: category`, or take it out of `encode: target`."
    )


def any_levels(column: pd.Series[Any]) -> Levels:
    """Levels of a column of any kind: those of text, else each distinct number is a level, known by its text.

    Raises
    ------
    TypeError, ValueError
        If the values are neither text nor numbers.

    Examples
    --------
    >>> any_levels(pd.Series([2.0, 10.0, np.nan, 0.5])).names.to_pylist()
    ['0.5', '10', '2']
    """
    try:
        return text_levels(column)
    except NotCategoricalError:
        return number_levels(column)


def number_levels(column: pd.Series[Any]) -> Levels:
    """Levels of a column of numbers or booleans; a whole number is the same level as an integer and as a float."""
    values = np.asarray(column.astype(object) if column.dtype.kind not in "biuf" else column)
    missing = np.asarray(pd.isna(values))
    known = values[~missing]
    if known.dtype == object:
        known = known.astype(np.float64)
    numbers, places = np.unique(known, return_inverse=True)
    codes = np.full(len(values), -1, dtype=np.int32)
    codes[~missing] = places
    return in_order(pa.array([number_text(number) for number in numbers.tolist()], pa.large_string()), codes)


def number_text(number: float) -> str:
    """The shortest text of a number.

    >>> number_text(7.0), number_text(0.1), number_text(True)
    ('7', '0.1', 'True')
    """
    return str(int(number)) if isinstance(number, float) and number.is_integer() else str(number)


def in_order(names: pa.Array, codes: NDArray[Any]) -> Levels:
    """Number distinct levels by the order of their texts; code -1, a missing value, comes last."""
    order = pc.sort_indices(names).to_numpy()
    places = np.empty(len(order) + 1, dtype=np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    places[-1] = len(order)
    return Levels(names.take(pa.array(order)), places.take(codes, mode="wrap"))


def united(parts: Sequence[pa.Array]) -> tuple[pa.Array, list[NDArray[np.int32]]]:
    """Levels of several partitions as one, in order, and for each partition the new place of each of its levels.

    The place of a missing value is the last one of each.
    """
    together = pa.concat_arrays(list(parts)).dictionary_encode()
    names, codes = in_order(together.dictionary, together.indices.to_numpy())
    missing = np.array([len(names)], dtype=np.int32)
    starts = np.cumsum([len(part) for part in parts])[:-1]
    return names, [np.concatenate([places, missing]) for places in np.split(codes, starts)]
