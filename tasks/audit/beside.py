"""What the audit reads beside the features: other declared columns, the number behind the target, what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.table import BATCH, LINE, read_batches, to_frame
from tasks.target import target_column

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from configs.schema import Pipeline
    from tasks.training.rows import TrainingRows

    Positions = NDArray[np.integer]

LOOKED_AT = ("text", "category", "integer", "date", "timestamp")


@dataclass(frozen=True)
class Beside:
    """Of the training rows, n of them, what the model does not read; and of all valid rows what is missing together.

    Attributes
    ----------
    columns : dict of column to Series, length n
        Declared columns that are no features.
    raw_target : array of float, shape (n,), or None
        The number that the target is made from.
    missing : dict of column to array of bool, shape (m,)
        Whether the value is missing, of all m valid rows.
    no_target : array of bool, shape (m,)
        Whether their target is missing.
    batch : array of int, shape (m,)
    """

    columns: Mapping[str, pd.Series] = field(default_factory=dict)
    raw_target: NDArray[np.float64] | None = None
    missing: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    no_target: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    batch: Positions = field(default_factory=lambda: np.zeros(0, dtype=np.intp))


def other_columns(pipeline: Pipeline) -> list[str]:
    """The declared columns that no feature is made of, and that could say which rows belong together."""
    taken = {*pipeline.input_columns, pipeline.target.name, pipeline.target.from_, pipeline.time.column}
    taken |= {pipeline.split.group, pipeline.train.weight}
    return [name for name, column in pipeline.columns.items() if name not in taken and column.type in LOOKED_AT]


def read_beside(rows: TrainingRows) -> Beside:
    """Read from the valid rows what the audit looks at beside the features."""
    pipeline, folder = rows.pipeline, Path(f"data/valid/{rows.pipeline.name}")
    target, others = target_column(pipeline.target), other_columns(pipeline)
    table = read_batches(folder, [LINE, target, *others])
    inputs = list(pipeline.input_columns) if table[target].null_count else []  # else nothing is missing with it
    return beside_of(table, read_batches(folder, inputs) if inputs else table.select([]), rows)


def beside_of(table: pa.Table, inputs: pa.Table, rows: TrainingRows) -> Beside:
    """What the audit looks at, of all valid rows.

    Parameters
    ----------
    table : Arrow table, m rows
        Batch, line, the target's column and those beside the features, of all valid rows.
    inputs : Arrow table, m rows
        The columns that the features are made of, in the same order; none where every row has a target.
    rows : TrainingRows
        Those that are trained on.
    """
    target, is_made = target_column(rows.pipeline.target), rows.pipeline.target.from_ is not None
    names = to_frame(table.select([BATCH, LINE]))
    batch, found = names[BATCH].factorize()
    own, own_found = rows.names[BATCH].factorize()
    own = pd.Index(found).get_indexer(pd.Index(own_found))[own]
    place = places(batch, own, names[LINE].to_numpy(), rows.names[LINE].to_numpy())
    trained = to_frame(table.select(list(dict.fromkeys([target, *other_columns(rows.pipeline)]))).take(place))
    return Beside(
        columns={column: trained[column] for column in other_columns(rows.pipeline)},
        raw_target=trained[target].to_numpy(dtype=np.float64, na_value=np.nan) if is_made else None,
        missing={column: inputs[column].is_null().to_numpy() for column in inputs.column_names if column != BATCH},
        no_target=table[target].is_null().to_numpy(),
        batch=batch,
    )


def places(batch: Positions, trained_batch: Positions, line: Positions, trained_line: Positions) -> Positions:
    """Where the rows that are trained on stand among all: each is named by batch and line."""
    lines = np.unique(line)  # their ranks are small, whatever numbers stand for lines
    name = batch.astype(np.int64) * len(lines) + np.searchsorted(lines, line)
    trained = trained_batch.astype(np.int64) * len(lines) + np.searchsorted(lines, trained_line)
    order = np.argsort(name, kind="stable")
    return np.asarray(order[np.searchsorted(name[order], trained)])
