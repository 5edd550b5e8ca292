"""Pipelines made by hand for tests that need no YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from configs.schema import Pipeline

SECTIONS = ("time", "features", "encode", "split", "train", "evaluate", "drift", "retrain", "gate")


def make_pipeline(columns: Mapping[str, Any], **sections: Any) -> Pipeline:
    """A valid pipeline `demo` of these columns, the last one its target; other sections as given, or at default."""
    document: dict[str, Any] = {
        **{name: {} for name in SECTIONS},
        "owner": "test@example.org",
        "source": {"path": "data/incoming/demo/*.csv", "stop_above": "100%"},
        "target": {"name": list(columns)[-1]},
        "columns": columns,
        "drop": [],
        "expectations": [],
        "name": "demo",
    }
    return Pipeline.model_validate(document | sections)
