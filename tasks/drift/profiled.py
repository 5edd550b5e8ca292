"""Which columns a profile is made of, and how rows show them: the same for the reference and for each batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.table import LINE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from configs.schema import Pipeline
    from tasks.drift.profile import Role

HIDDEN = "(private)"


def feature_roles(pipeline: Pipeline) -> dict[str, Role]:
    """The declared columns that the model reads; not the time of a row, which is never as it was."""
    return {name: "feature" for name in pipeline.input_columns if name != pipeline.time.column}


def columns_to_read(pipeline: Pipeline) -> list[str]:
    """The stored columns that a profile needs, in order of declaration, and `_line`."""
    needed = {*pipeline.input_columns, pipeline.time.column}
    return [*(name for name in pipeline.columns if name in needed), LINE]


def profiled(rows: pa.Table, said: pa.Table, pipeline: Pipeline) -> pa.Table:
    """Rows as they are counted.

    Parameters
    ----------
    rows : Table, shape (n, d)
        Typed rows.
    said : Table, shape (n, k)
        What the model says of them (`tasks.drift.pseudo_columns`).
    pipeline : Pipeline

    Returns
    -------
    Table, shape (n, d + k)
        Timestamps in the pipeline's zone, so that an hour of the week is one on the clock; of a private column only
        whether it has a value.
    """
    for place, name in enumerate(rows.column_names):
        rows = rows.set_column(place, name, shown(rows.column(place), name, pipeline))
    for name in said.column_names:
        rows = rows.append_column(name, said.column(name))
    return rows


def shown(column: pa.ChunkedArray, name: str, pipeline: Pipeline) -> pa.ChunkedArray:
    """One column as it is counted."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if name in pipeline.private_columns and name != pipeline.time.column:
        return pc.if_else(column.is_valid(), pa.scalar(HIDDEN), pa.scalar(None, pa.string()))
    if name == pipeline.time.column and pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp(column.type.unit, pipeline.time.timezone))
    return column


def importance_by_column(
    shares: Mapping[str, float], pipeline: Pipeline, classes: Sequence[str] = ()
) -> dict[str, float]:
    """How much of the explanation goes to each declared column.

    Parameters
    ----------
    shares : mapping of feature to float
        Of the features that the trees read, summing to 1.
    pipeline : Pipeline
    classes : sequence of str
        What the classes of the target are called: of more than two each has an encoding of its own.

    Returns
    -------
    dict of column to float
        An expression's share is parted equally among the columns that it names. What a transformer of the user's own
        made belongs to no column, so the sum may be less than 1. Every column that a profile has is there.
    """
    found = dict.fromkeys(pipeline.input_columns, 0.0)
    for feature, share in shares.items():
        sources = [name for name in sources_of(feature, pipeline, classes) if name in found]
        for name in sources:
            found[name] += share / len(sources)
    return found


def sources_of(feature: str, pipeline: Pipeline, classes: Sequence[str] = ()) -> list[str]:
    """The declared columns that a feature is made of."""
    from tasks.sql import check_expression, readable_columns

    features = pipeline.features
    if feature in features.sql:
        return sorted(check_expression(features.sql[feature], readable_columns(pipeline)))
    made = {f"{column}_{part}": column for column, parts in features.parts.items() for part in parts}
    made |= {f"{column}_is_missing": column for column in pipeline.event_columns}
    made |= {f"{column}_{name}": column for column in pipeline.encoded_columns for name in classes}
    return [made.get(feature, feature)]
