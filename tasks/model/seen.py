"""What the training rows looked like, column by column: kept in the manifest, so that scoring can tell what is new.

The levels of categories are in the encoder. Of a private column only is kept whether it was ever missing. Ranges are
rounded outwards: the least and the greatest value are two rows', and a row that is erased must be in no manifest.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline

DIGITS = 3
NUMBERS = ("integer", "float", "decimal")


def seen_facts(raw: pd.DataFrame, pipeline: Pipeline) -> dict[str, Any]:
    """Ranges of the numbers that the model was trained on, and the columns that were missing in some row.

    Parameters
    ----------
    raw : DataFrame, shape (n, d)
        Typed training rows, the columns that the model reads.
    pipeline : Pipeline
        Its section `columns`.

    Returns
    -------
    dict
        `ranges`, the least and the greatest value, rounded outwards, of each number that is not private and was ever
        there; `missing`, the names of columns with missing values, sorted.
    """
    ranges = {
        name: [outwards(float(there.min()), up=False), outwards(float(there.max()), up=True)]
        for name, column in pipeline.columns.items()
        if name in raw.columns and column.type in NUMBERS and not column.private and len(there := numbers_in(raw[name]))
    }
    return {"ranges": ranges, "missing": sorted(name for name in raw.columns if raw[name].isna().any())}


def outwards(value: float, *, up: bool) -> float:
    """Round to `DIGITS` digits, away from the range.

    >>> outwards(77.123456, up=True), outwards(-1.2345, up=False), outwards(0.0, up=True), outwards(120.0, up=True)
    (77.2, -1.24, 0.0, 120.0)
    """
    if value == 0 or not math.isfinite(value):
        return value
    exact = Decimal(repr(value))
    unit = Decimal(1).scaleb(exact.adjusted() - DIGITS + 1)
    return float(exact.quantize(unit, ROUND_CEILING if up else ROUND_FLOOR))


def numbers_in(values: pd.Series) -> NDArray[np.float64]:
    """The values that are there."""
    numbers = np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    found: NDArray[np.float64] = numbers[~np.isnan(numbers)]
    return found
