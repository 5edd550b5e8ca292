"""What the training rows looked like, column by column: kept in the manifest, so that scoring can tell what is new.

The levels of categories are in the encoder. Of a private column only is kept whether it was ever missing: its least
and greatest value are two people's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline

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
        `ranges`, the least and the greatest value of each number that is not private and was ever there; `missing`, the
        names of columns with missing values, sorted.
    """
    ranges = {
        name: [float(there.min()), float(there.max())]
        for name, column in pipeline.columns.items()
        if name in raw.columns and column.type in NUMBERS and not column.private and len(there := numbers_in(raw[name]))
    }
    return {"ranges": ranges, "missing": sorted(name for name in raw.columns if raw[name].isna().any())}


def numbers_in(values: pd.Series) -> NDArray[np.float64]:
    """The values that are there."""
    numbers = np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    found: NDArray[np.float64] = numbers[~np.isnan(numbers)]
    return found
