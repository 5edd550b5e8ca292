"""The reference profile as `evaluate` makes it: the rows that the model was trained on, batch by batch, in time order.

What the model says of them comes from the folds that did not learn from them; of rows that no fold validates it is not
known, and counted so. Files are read a batch at a time, so memory does not grow with the history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.closure import code_hash
from tasks.drift.profile import Declared, make_profile, write_profile
from tasks.drift.profiled import columns_to_read, feature_roles, importance_by_column, profiled
from tasks.drift.pseudo_columns import ROLES, pseudo_columns
from tasks.model.bundle import MANIFEST, read_bytes, read_manifest, sha256
from tasks.table import BATCH, LINE, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from tasks.drift.profile import Profile
    from tasks.model.estimator import TabularModel
    from tasks.training.rows import TrainingRows

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ReferenceRows:
    """The rows that a model was trained on, and what was said of them by models that had not seen them.

    Goes through its batches anew each time: name and rows, oldest batch first.

    Attributes
    ----------
    rows : TrainingRows
    model : TabularModel
    said : Table, shape (n, k)
        `tasks.drift.pseudo_columns`, in the order of `rows`; null where no fold validates a row.
    """

    rows: TrainingRows
    model: TabularModel
    said: pa.Table

    def __iter__(self) -> Iterator[tuple[str, pa.Table]]:
        """Read batch by batch."""
        for name in self.batches:
            yield name, self.batch(name)

    @cached_property
    def places(self) -> dict[str, NDArray[np.intp]]:
        """Where the rows of each batch stand among the training rows."""
        of_batch = self.rows.names[BATCH]
        return {str(name): np.asarray(places) for name, places in of_batch.groupby(of_batch, sort=True).indices.items()}

    @cached_property
    def batches(self) -> list[str]:
        """Names of the batches, by the time of their first row; by name where rows have no time."""
        names, times = list(self.places), self.rows.times
        if times is None:
            return names
        started = {name: times.iloc[places].min() for name, places in self.places.items()}
        return sorted(names, key=lambda name: (started[name], name))

    def batch(self, name: str) -> pa.Table:
        """The training rows of one batch, in order of time; in that of the file where rows have none."""
        import pyarrow as pa
        import pyarrow.compute as pc

        pipeline, places = self.rows.pipeline, self.places[name]
        table = read_table(Path(f"data/valid/{pipeline.name}/{name}.parquet"), columns_to_read(pipeline))
        lines = self.rows.names[LINE].to_numpy()[places]
        table = table.take(np.flatnonzero(np.isin(table.column(LINE).to_numpy(), lines)))
        table = table.add_column(0, BATCH, pa.array([name] * table.num_rows, pa.string()))
        found = profiled(table, self.said.take(places), pipeline)
        time = pipeline.time.column
        return found if time is None else found.take(pc.sort_indices(found.column(time)))  # a stable sort


def said_of(rows: TrainingRows, model: TabularModel, out_of_fold: Floats) -> pa.Table:
    """What the folds say of the training rows, as columns; null where none validates a row.

    Parameters
    ----------
    rows : TrainingRows
    model : TabularModel
        Calibrates and decides.
    out_of_fold : array of float, shape (m,) or (m, C)
        The trees' scores of the rows that are validated, in the rows' order.
    """
    import pyarrow as pa

    validated = np.sort(np.concatenate([fit.valid for fit in rows.plan.folds]))
    said = pseudo_columns(model.calibrated(out_of_fold), rows.target[validated], model, rows.pipeline)
    place = np.full(len(rows.target), -1, dtype=np.int64)
    place[validated] = np.arange(len(validated))
    return said.take(pa.array(place, mask=place < 0))


def declared_of(
    rows: TrainingRows, said: pa.Table, explanation: Mapping[str, Any], hashes: Mapping[str, str]
) -> Declared:
    """What a profile is told beside the rows."""
    pipeline = rows.pipeline
    shares = {str(entry["feature"]): float(entry["share"]) for entry in explanation["features"]}
    return Declared(
        pipeline=pipeline.name,
        roles={**feature_roles(pipeline), **{name: ROLES[name] for name in said.column_names}},
        time=pipeline.time.column,
        private=pipeline.private_columns,
        importance=importance_by_column(shares, pipeline, rows.classes or ()),
        hashes=hashes,
    )


def reference_profile(
    rows: TrainingRows,
    model: TabularModel,
    out_of_fold: Floats,
    explanation: Mapping[str, Any],
    hashes: Mapping[str, str],
) -> Profile:
    """Make the profile of the rows that a model was trained on.

    Parameters
    ----------
    rows : TrainingRows
    model : TabularModel
    out_of_fold : array of float, shape (m,) or (m, C)
        See `said_of`.
    explanation : mapping
        `tasks.evaluation.explain.explain`'s: what each feature contributes.
    hashes : mapping of str to str
        Of data, code and model.
    """
    said = said_of(rows, model, out_of_fold)
    return make_profile(
        ReferenceRows(rows, model, said),
        declared_of(rows, said, explanation, hashes),
        rows=rows.pipeline.evaluate.profile.rows,
        seed=rows.pipeline.train.seed,
    )


def write_reference(
    rows: TrainingRows, model: TabularModel, out_of_fold: Floats, explanation: Mapping[str, Any]
) -> None:
    """Write `profiles/<pipeline>/` for the bundle in `models/<pipeline>/`; see `reference_profile`."""
    name = rows.pipeline.name
    bundle = Path("models", name)
    hashes = {
        "data": read_manifest(bundle)["data"]["split_sha256"],  # it names each row
        "code": code_hash(Path("tasks/drift/reference.py")),
        "model": sha256(read_bytes(bundle / MANIFEST)),
    }
    write_profile(reference_profile(rows, model, out_of_fold, explanation, hashes), Path("profiles", name))
