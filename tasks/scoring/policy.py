"""From probabilities to decisions: the model's own by the declared costs, a person's where it is not sure enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from configs.score_checks import ACCEPT, REFER
from tasks.model.decision import expected_costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from configs.sections.score import Refer
    from tasks.model.estimator import TabularModel

    Floats = NDArray[np.float64]

MODEL, UNSURE, UNFAMILIAR, OVERRIDE, FALLBACK = "model", "low_confidence", "unfamiliar", "override", "fallback"


@dataclass(frozen=True)
class Policy:
    """What is decided on, and when the decision is left to a person.

    Attributes
    ----------
    decisions : tuple of str
        By the number of the class: `0` and `1`, or the names of the classes; of a regression `accept` alone.
    refer : Refer
        As the YAML declares it.
    matrix : tuple of tuples, or None
        What each decision costs, by the bundle.
    """

    decisions: tuple[str, ...]
    refer: Refer
    matrix: tuple[tuple[float, ...], ...] | None

    @property
    def is_strict(self) -> bool:
        """Whether there are rows that the model may be not sure enough of."""
        return self.refer.below is not None or self.refer.cost is not None

    def unsure(self, scores: Floats, decided: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which rows the model is not sure enough of.

        Parameters
        ----------
        scores : array of float, shape (n,) or (n, C)
            Calibrated.
        decided : array of int, shape (n,)
            The class that the model decides on.

        References
        ----------
        C. K. Chow (1970), "On optimum recognition error and reject tradeoff", doi:10.1109/TIT.1970.1054406: a row is
        rejected where even the best decision costs more on average than rejecting.
        """
        both = np.column_stack([1 - scores, scores]) if scores.ndim == 1 else scores
        found = np.zeros(len(scores), dtype=np.bool_)
        if self.refer.below is not None:
            found |= both.max(axis=1) < self.refer.below
        if self.refer.cost is not None and self.matrix is not None:
            found |= expected_costs(self.matrix, both)[np.arange(len(both)), decided] > self.refer.cost
        return found


def policy_of(model: TabularModel, refer: Refer) -> Policy:
    """The policy of a model under what its pipeline's YAML declares now."""
    if model.task == "regression":
        return Policy((ACCEPT,), refer, None)
    decisions = ("0", "1") if model.task == "binary" else tuple(map(str, model.classes_))
    return Policy(decisions, refer, None if model.decision_ is None else model.decision_.matrix)


__all__ = ["FALLBACK", "MODEL", "OVERRIDE", "REFER", "UNFAMILIAR", "UNSURE", "Policy", "policy_of"]
