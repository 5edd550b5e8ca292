"""The columns that a model reads of a row, as the model itself declares them: training's words, not today's YAML's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from configs.sections.columns import Column
    from tasks.features import DerivedFeatures
    from tasks.model.estimator import TabularModel


def model_columns(model: TabularModel) -> dict[str, Column]:
    """The columns that a row must have, and how their text is read, in order of declaration.

    Bounds and levels are not among it: what training would not have let in is scored, and told to be unfamiliar.
    """
    features: DerivedFeatures = model["features"]
    own = () if model.custom is None else model.custom.columns
    needed = {*features.feature_columns, *features.parts, *features.sql_columns(), *own}
    return {name: features.column(name) for name in features.columns if name in needed}


def sources_of(model: TabularModel) -> dict[str, frozenset[str]]:
    """The declared columns that each feature of the booster is made of; of the user's own features all are told."""
    features: DerivedFeatures = model["features"]
    made = {name: frozenset([name]) for name in features.feature_columns}
    made |= {f"{name}_is_missing": frozenset([name]) for name in features.events()}
    made |= {f"{name}_{part}": frozenset([name]) for name, parts in features.parts.items() for part in parts}
    made |= {name: frozenset(columns_of_sql(features, name)) for name in features.sql}
    encode = model["encode"]
    encoded = {out: key for key in encode.feature_names_in_ for out in encode.names_of(key, key)}
    own = frozenset(() if model.custom is None else model.custom.columns)
    return {str(name): made.get(str(encoded[name]), own) for name in model["booster"].feature_names_in_}


def columns_of_sql(features: DerivedFeatures, name: str) -> set[str]:
    """The columns that one expression reads."""
    from tasks.sql import check_expression

    return check_expression(features.sql[name], features.columns, key=f"features.sql.{name}")


def read_positions(file: Path, names: Sequence[str], columns: Iterable[str]) -> dict[str, int]:
    """Where the columns stand in the header of a file, each exactly once; others are ignored.

    Raises
    ------
    MissingColumnError
        Says which are missing or there twice, and the nearest of each.
    """
    from configs.wording import hint, listed
    from tasks.cells.columns import MissingColumnError

    complaints = [
        f"column {name!r} is missing{hint(name, names)}"
        if name not in names
        else f"column {name!r} stands there {names.count(name)} times"
        for name in columns
        if names.count(name) != 1
    ]
    if complaints:
        raise MissingColumnError(
            f"{file}: {'; '.join(complaints)}. The model or an override reads it. The header has: {listed(names)}. "
            "Rename it there, or add it."
        )
    return {name: names.index(name) for name in columns}
