"""How good the model is for parts of the rows: slices by a column's levels, bins by its own prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

OTHER = "(other)"
MISSING = "(missing)"
BINS = 10


def slice_levels(values: pd.Series, least_rows: int) -> pd.Series[str]:
    """Name the slice of each row: its level, `(missing)`, or `(other)` for levels with fewer rows than `least_rows`.

    >>> import pandas as pd
    >>> slice_levels(pd.Series(["EWR", "EWR", "JFK", None]), least_rows=2).tolist()
    ['EWR', 'EWR', '(other)', '(other)']
    """
    levels = values.astype("string").fillna(MISSING).astype("object")
    rows = levels.map(levels.value_counts())
    named: pd.Series[str] = levels.where(rows >= least_rows, OTHER)
    return named


def slices_of(
    frame: pd.DataFrame, columns: tuple[str, ...], least_rows: int, target: Floats
) -> list[tuple[dict[str, Any], NDArray[np.bool_]]]:
    """Name, size and mask of each slice: columns as declared, levels in order of text, `(other)` last.

    Returns
    -------
    list of (dict, array of bool)
        The dict has `column`, `level`, `rows` and `target_mean`; the mask has shape (n_rows,).
    """
    found = []
    for column in columns:
        levels = slice_levels(frame[column], least_rows)
        for level in sorted(levels.unique(), key=lambda level: (level == OTHER, level)):
            mask = (levels == level).to_numpy()
            name = {
                "column": column,
                "level": level,
                "rows": int(mask.sum()),
                "target_mean": float(target[mask].mean()),
            }
            found.append((name, mask))
    return found


def calibration_table(target: Floats, prediction: Floats, bins: int = BINS) -> list[dict[str, Any]]:
    """Mean prediction beside mean target, in bins of equally many rows by prediction; equal predictions stay together.

    Parameters
    ----------
    target, prediction : arrays of float, shape (n,)
    bins : int, >= 1
        Bins at the most: fewer where predictions are tied.

    Returns
    -------
    list of dict
        `bin` from 1, `rows`, `prediction` and `target` (means), in order of prediction.

    Examples
    --------
    >>> import numpy as np
    >>> calibration_table(np.array([0.0, 0, 1, 1]), np.array([0.1, 0.2, 0.7, 0.9]), bins=2)[1]
    {'bin': 2, 'rows': 2, 'prediction': 0.8, 'target': 1.0}
    """
    import numpy as np

    order = np.argsort(prediction, kind="stable")
    ranked = prediction[order]
    cuts = [np.searchsorted(ranked, ranked[len(ranked) * cut // bins], side="left") for cut in range(1, bins)]
    parts = [part for part in np.split(order, sorted({int(cut) for cut in cuts})) if len(part)]
    return [
        {
            "bin": number,
            "rows": len(part),
            "prediction": float(prediction[part].mean()),
            "target": float(target[part].mean()),
        }
        for number, part in enumerate(parts, start=1)
    ]
