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
    frame: pd.DataFrame, columns: tuple[str, ...], least_rows: int, target: Floats, *, classes: bool = False
) -> list[tuple[dict[str, Any], NDArray[np.bool_]]]:
    """Name, size and mask of each slice: columns as declared, levels in order of text, `(other)` last.

    Returns
    -------
    list of (dict, array of bool)
        The dict has `column`, `level`, `rows` and `target_mean`; the mask has shape (n_rows,). Classes have no mean.
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
                "target_mean": None if classes else float(target[mask].mean()),
            }
            found.append((name, mask))
    return found


def calibration_table(target: Floats, prediction: Floats, bins: int = BINS) -> list[dict[str, Any]]:
    """Mean prediction beside mean target, in bins of equally many rows by prediction; equal predictions stay together.

    Parameters
    ----------
    target, prediction : arrays of float, shape (n,)
        Of several classes: `top_class`'s.
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


def top_class(target: Floats, prediction: Floats) -> tuple[Floats, Floats]:
    """Whether each row's most probable class is the actual one, and how probable it was said to be.

    Parameters
    ----------
    target : array of float, shape (n,)
        0 to C - 1.
    prediction : array of float, shape (n, C)

    Returns
    -------
    two arrays of float, shape (n,)
        As `calibration_table` takes them.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Weinberger (2017), "On Calibration of Modern Neural Networks", ICML: confidence
    calibration.

    Examples
    --------
    >>> import numpy as np
    >>> [each.tolist() for each in top_class(np.array([0.0, 2.0]), np.array([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]]))]
    [[1.0, 0.0], [0.5, 0.6]]
    """
    import numpy as np

    return (prediction.argmax(axis=1) == target).astype(np.float64), prediction.max(axis=1)


def class_table(target: Floats, prediction: Floats, training: Floats, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """How often each class occurs, and how often it was expected to.

    Parameters
    ----------
    target : array of float, shape (n,)
        The held-out rows' classes, 0 to C - 1.
    prediction : array of float, shape (n, C)
    training : array of float, shape (m,)
        The training rows' classes.
    names : tuple of str, C of them

    Returns
    -------
    list of dict
        `name`, `train` and `holdout` (shares of the rows), `predicted` (mean probability on the holdout).
    """
    import numpy as np

    shares = [np.bincount(codes.astype(np.intp), minlength=len(names)) / len(codes) for codes in (training, target)]
    means = prediction.mean(axis=0)
    return [
        {
            "name": name,
            "train": float(shares[0][number]),
            "holdout": float(shares[1][number]),
            "predicted": float(means[number]),
        }
        for number, name in enumerate(names)
    ]


def confusion_table(target: Floats, decided: Floats, classes: int) -> list[list[int]]:
    """Rows by their actual class (one list each) and the class that was decided on.

    >>> import numpy as np
    >>> confusion_table(np.array([0.0, 1, 1]), np.array([0.0, 0, 1]), classes=2)
    [[1, 0], [1, 1]]
    """
    import numpy as np

    cell = target.astype(np.intp) * classes + decided.astype(np.intp)
    counts: list[list[int]] = np.bincount(cell, minlength=classes**2).reshape(classes, classes).tolist()
    return counts
