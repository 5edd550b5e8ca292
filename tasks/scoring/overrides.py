"""Decisions that the business has taken whatever the model says: row-wise SQL conditions, checked as features are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from configs.errors import ConfigError
from tasks.sql import check_expression, readable_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.features import DerivedFeatures


class UnknownDecisionError(ConfigError):
    """An override or the fallback decides for a class that the model has not."""


def check_overrides(pipeline: Pipeline) -> None:
    """Refuse a pipeline with a condition that `tasks.sql.check_expression` refuses; no row is needed.

    Raises
    ------
    ExpressionError
        Names the place in the YAML, and the construct, function or column.
    """
    for position, each in enumerate(pipeline.score.overrides):
        check_expression(each.when, readable_columns(pipeline), key=f"score.overrides[{position}].when")


def conditions(pipeline: Pipeline) -> DerivedFeatures:
    """What computes, for rows of a frame, whether each override's condition holds: 1, 0, or NaN where that is unknown.

    It is the transformer that derives features by SQL, so that columns are read and shown to SQL alike; the target is
    unknown to it.

    >>> from tests.pipelines import make_pipeline
    >>> declared = {"overrides": [{"when": "rooms > 9", "decide": "refer"}]}
    >>> made = conditions(make_pipeline({"rooms": {"type": "integer"}, "price": {"type": "float"}}, score=declared))
    >>> import pandas as pd
    >>> made.transform(pd.DataFrame({"rooms": [3, 12]}))["rooms > 9"].tolist()
    [0.0, 1.0]
    """
    from tasks.features import derived_features

    check_overrides(pipeline)
    whens = {each.name or each.when: each.when for each in pipeline.score.overrides}
    made: DerivedFeatures = derived_features(pipeline).set_params(feature_columns=(), parts={}, sql=whens)
    return made


def first_holding(holds: pd.DataFrame) -> NDArray[np.intp]:
    """For each row the first condition that holds, -1 where none does; shape (n,).

    >>> import numpy as np, pandas as pd
    >>> first_holding(pd.DataFrame({"a": [0.0, 1.0, np.nan], "b": [1.0, 1.0, 0.0]})).tolist()
    [1, 0, -1]
    """
    import numpy as np

    flags = np.nan_to_num(holds.to_numpy(dtype=np.float64)) != 0
    none = np.full(len(holds), -1, dtype=np.intp)
    return none if not flags.shape[1] else np.where(flags.any(axis=1), flags.argmax(axis=1), none)


def require_known_decisions(pipeline: Pipeline, classes: tuple[str, ...]) -> None:
    """Refuse what decides for a class that a multiclass model has not; the YAML's checks know the other tasks.

    Raises
    ------
    UnknownDecisionError
        Names the place in the YAML, and the classes.
    """
    from configs.score_checks import REFER

    decided = {f"overrides[{n}].decide": each.decide for n, each in enumerate(pipeline.score.overrides)}
    for place, decision in {**decided, "fallback.decision": pipeline.score.fallback.decision}.items():
        if decision not in (*classes, REFER):
            raise UnknownDecisionError(
                f"configs/{pipeline.name}.yaml: score.{place}: found {decision!r}; the model decides for "
                f"{', '.join(map(repr, classes))}, and {REFER!r} is possible too. Name one of them."
            )
