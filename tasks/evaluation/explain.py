"""Why the model predicts what it predicts: exact TreeSHAP, computed by XGBoost itself.

S. M. Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for trees",
doi:10.1038/s42256-019-0138-9. Contributions are in the margin's unit: log-odds for a binary task, the logarithm of an
unnormalised probability for each of several classes, the target's unit for regression.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from configs.errors import CorruptionError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

EXPLAINED_ROWS = 2000
ADDITIVITY = 1e-3  # contributions are float32; a wrong one is off by whole splits, not by rounding
CLEAR_DIRECTION = 0.3  # rank correlation between a feature and its contribution from which one word describes it


class AdditivityError(CorruptionError):
    """Contributions do not add up to the prediction: the booster is not what was trained, or XGBoost is at fault."""


def sample_rows(rows: int, seed: int, limit: int = EXPLAINED_ROWS) -> NDArray[np.int64]:
    """Positions of at most `limit` of `rows` rows, drawn without replacement, in order.

    >>> sample_rows(3, seed=7).tolist()
    [0, 1, 2]
    """
    import numpy as np

    if rows <= limit:
        return np.arange(rows)
    return np.sort(np.random.Generator(np.random.PCG64(seed)).choice(rows, limit, replace=False))


def tree_contributions(booster: Any, features: pd.DataFrame) -> tuple[Floats, float]:
    """Split each row's margin into what each feature adds to the mean margin.

    Parameters
    ----------
    booster : xgboost.Booster
    features : DataFrame of float, shape (n_rows, n_features)
        What the booster reads, in its order.

    Returns
    -------
    contributions : array of float, shape (n_rows, n_features + 1), or (n_rows, C, n_features + 1) for C classes
        The last column is the bias, one value in all rows. A row's sum is its margin, of each class.
    error : float
        The largest distance of a row's sum from its margin.

    Raises
    ------
    AdditivityError
        If that distance is more than 0.001, or 0.001 of the margin where margins are large.
    """
    import numpy as np
    import xgboost

    matrix = xgboost.DMatrix(features)
    contributions = booster.predict(matrix, pred_contribs=True).astype(np.float64)
    margin = booster.predict(matrix, output_margin=True).astype(np.float64)
    error = float(np.abs(contributions.sum(axis=-1) - margin).max(initial=0.0))
    allowed = ADDITIVITY * max(1.0, float(np.abs(margin).max(initial=0.0)))
    if not error <= allowed:
        raise AdditivityError(
            f"contributions of {len(features)} rows miss their prediction by {error:.3g}; at most {allowed:.3g} was "
            "expected. Run `holdfast verify`, then train again."
        )
    return contributions, error


def direction(values: pd.Series[float], contributions: pd.Series[float]) -> str:
    """In one word, what a larger value of a feature does: raises, lowers, both ways, or nothing.

    >>> import pandas as pd
    >>> direction(pd.Series([1.0, 2.0, 4.0]), pd.Series([-0.1, 0.0, 0.2]))
    'raises'
    """
    known = values.notna()
    ranks, effect = values[known].rank(), contributions[known].rank()
    if len(ranks) < 2 or not contributions.abs().max() > 0:
        return "nothing"
    if ranks.nunique() < 2 or effect.nunique() < 2:
        return "both ways"  # it counts, but not by its order: only whether it is missing
    correlation = float(
        ((ranks - ranks.mean()) * (effect - effect.mean())).mean() / (ranks.std(ddof=0) * effect.std(ddof=0))
    )
    if abs(correlation) < CLEAR_DIRECTION:
        return "both ways"
    return "raises" if correlation > 0 else "lowers"


def mean_contributions(contributions: Floats) -> Floats:
    """Mean absolute contribution of each feature, over the rows and, where there are several, the classes; shape (d,).

    >>> import numpy as np
    >>> mean_contributions(np.array([[[1.0, 0.0, 9.0], [-3.0, 0.0, 9.0]]])).tolist()
    [2.0, 0.0]
    """
    import numpy as np

    mean: Floats = np.abs(contributions[..., :-1]).mean(axis=tuple(range(contributions.ndim - 1)))
    return mean


def leading_class(contributions: Floats) -> NDArray[np.int64]:
    """The class whose margin each feature moves most, shape (d,): the one that its direction is told of."""
    import numpy as np

    found: NDArray[np.int64] = np.abs(contributions[..., :-1]).mean(axis=0).argmax(axis=0)
    return found


def importance_table(
    features: pd.DataFrame, contributions: Floats, gain: dict[str, float], classes: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """One entry per feature, the most important first; ties in the features' order.

    Parameters
    ----------
    features : DataFrame, shape (n_rows, n_features)
    contributions : array of float, shape (n_rows, n_features + 1) or (n_rows, C, n_features + 1)
        From `tree_contributions`.
    gain : dict
        Total gain of the splits on a feature; absent where none splits on it.
    classes : tuple of str
        Names of the C classes.

    Returns
    -------
    list of dict
        `feature`; `contribution`, the mean absolute one; `share` of the sum of these; `gain`, its share of all gain;
        `direction`; of several classes also `class`, the one that it moves most and that the direction is told of.
    """
    import numpy as np
    import pandas as pd

    mean, told, of_class = mean_contributions(contributions), contributions, np.zeros(features.shape[1], dtype=np.intp)
    if contributions.ndim == 3:
        of_class = leading_class(contributions)
        told = contributions[:, of_class, np.arange(len(of_class))]
    whole, all_gain = float(mean.sum()), float(sum(gain.values()))
    table = [
        {
            "feature": str(name),
            "contribution": float(mean[index]),
            "share": float(mean[index]) / whole if whole else 0.0,
            "gain": gain.get(str(name), 0.0) / all_gain if all_gain else 0.0,
            "direction": direction(features[name].astype("float64").reset_index(drop=True), pd.Series(told[:, index])),
            **({"class": classes[of_class[index]]} if classes and contributions.ndim == 3 else {}),
        }
        for index, name in enumerate(features.columns)
    ]
    return sorted(table, key=lambda entry: -float(str(entry["contribution"])))


def explained(booster: Any, features: pd.DataFrame, classes: tuple[str, ...] = ()) -> tuple[dict[str, Any], Floats]:
    """What `explain` gives, and the contributions that it is made from."""
    contributions, error = tree_contributions(booster, features)
    gain = booster.get_score(importance_type="total_gain")
    explanation = {
        "rows": len(features),
        "bias": contributions[0, ..., -1].tolist(),
        "additivity_error": error,
        "features": importance_table(features, contributions, gain, classes),
    }
    return explanation, contributions


def explain(booster: Any, features: pd.DataFrame, classes: tuple[str, ...] = ()) -> dict[str, Any]:
    """Explain some rows: the importance of each feature, and proof that the contributions add up.

    Returns
    -------
    dict
        `rows` explained, `bias` (the mean margin; a list of one per class where there are several),
        `additivity_error`, and `features`, the `importance_table`.
    """
    return explained(booster, features, classes)[0]
