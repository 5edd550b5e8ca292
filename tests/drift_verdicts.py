"""Verdicts made by hand: what outputs are tested with."""

from __future__ import annotations

from typing import Any

from tasks.drift.document import (
    BudgetPart,
    CausePart,
    EstimatePart,
    FamilyPart,
    FindingPart,
    HashesPart,
    LossPart,
    MaterialPart,
    MultivariatePart,
    Verdict,
)
from tasks.drift.plots import Cell

CELLS = {"distance": [Cell("0 to 500", 0.6, 0.1), Cell("500 to 5,000", 0.4, 0.9)], "origin": [Cell("EWR", 1.0, 1.0)]}


def finding(column: str = "distance", **facts: Any) -> FindingPart:
    """One test of one column, which alarmed unless told otherwise."""
    told = {"role": "feature", "test": "distribution", "statistic": 8.0, "threshold": 2.0, "effect": 0.7}
    return FindingPart(
        **{
            "column": column,
            **told,
            "p_value": 1e-9,
            "alarmed": True,
            "excess": 4.0,
            "found": None,
            "moved": 0.03,
            **facts,
        }
    )


def cause(**facts: Any) -> CausePart:
    """A broken feed, unless told otherwise."""
    told = {"kind": "unit_change", "feed": True, "columns": ("distance",), "time": "2013-07-04T00:00:00+00:00"}
    evidence = "median 1,609 times that of the reference"
    return CausePart(
        **{**told, "where": "all rows", "evidence": evidence, "confidence": 0.97, "owner": "ops@example.org", **facts}
    )


def verdict(**facts: Any) -> Verdict:
    """A batch with material drift out of a changed world, unless told otherwise."""
    told: dict[str, Any] = {
        "pipeline": "flights",
        "champion": "flights@v1.2.0",
        "batch": "2013-07",
        "rows": 29_000,
        "refused": 400,
        "start": "2013-07-01T04:00:00+00:00",
        "end": "2013-08-01T03:00:00+00:00",
        "drifted": True,
        "material": True,
        "cause": "changed_world",
        "sentence": "drifted, and it matters: predictions move by 0.03",
        "owner": "ops@example.org",
        "budget": BudgetPart(
            false_alarms="1 per quarter",
            batches=3.0,
            known_by="times",
            alpha=1 / 3,
            sentence="1 false alarm per quarter of 3.0 batches, as the batches' own times say: 1 in 3.0 batches",
        ),
        "widened": None,
        "family": FamilyPart(surprise=12.0, threshold=3.0, history=(0.5, 3.5, 1.0)),
        "notes": (),
        "findings": (finding(), finding("origin", statistic=0.5, excess=0.25, alarmed=False, moved=None)),
        "materiality": MaterialPart(material=True, moved=0.03, sentence="Predictions move by 0.03."),
        "causes": (cause(kind="world", feed=False),),
        "multivariate": MultivariatePart(
            auc=0.61, low=0.49, high=0.52, p_value=0.001, alarmed=True, told_by=("distance",), off=None
        ),
        "loss": LossPart(
            loss="log loss",
            rows=29_000,
            waiting=0,
            missing=0,
            value=0.5,
            reference=0.4,
            low=0.3,
            high=0.6,
            p_value=0.1,
            alarmed=False,
            off=None,
        ),
        "estimate": EstimatePart(metric="roc_auc", value=0.61, low=0.58, high=0.64, reference=0.66, off=None),
        "hashes": HashesPart(batch="a" * 64, declaration="d" * 64, profile="b" * 64, code="c" * 64),
    }
    return Verdict(**{**told, **facts})
