"""Score the rows of files, chunk by chunk: as many rows out as records in, in their order.

Files go through the raw reader and the typing that ingest uses, with the model's own declaration of its columns; what
cannot be read, typed or scored gets the declared fallback and a fault. Memory does not grow with the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from configs.errors import DataError
from tasks.atomic import atomic_file, write_json
from tasks.cells.values import type_cells
from tasks.raw_files import open_raw
from tasks.scoring.inputs import read_positions
from tasks.scoring.job import LIBRARIES, Job, fingerprint
from tasks.scoring.result import Counts, ScoredRows, joined
from tasks.scoring.row_scorer import Scorer
from tasks.scoring.serving import load
from tasks.stage import installed_version
from tasks.store import content_hash, file_hash
from tasks.table import LINE, to_frame

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from configs.sections.source import Source
    from tasks.cells.values import OnChange
    from tasks.raw_files import RawChunk

FILE = "_file"
FORMAT = 1


class ChangedInputError(DataError):
    """A file was written to while it was scored."""


class LostRowError(DataError):
    """Rows out are not records in: a fault of Holdfast, not of the data."""


@dataclass
class Tally:
    """Records that were read of each file, and what became of them."""

    records: dict[str, int] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)


def score_files(job: Job, pipeline: Pipeline) -> dict[str, Any]:
    """Do a job: write its output, then its manifest, each whole or not at all.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    MissingColumnError, UnreadableFileError
        If a file lacks a column or is no table, before any row is scored; names the file.
    ChangedInputError
        If a file was written to meanwhile; the old output stands.
    CorruptionError, EnvironmentMismatchError
        If the model is not what was registered, or the libraries are not.
    """
    scorer, source = Scorer(load(job.chosen), pipeline), pipeline.source
    places = {name: columns_of(file, scorer, source) for name, file in job.files.items()}
    tally = Tally()
    with scored_writer(job.out, output_schema(scorer, job)) as write:
        for name, file in job.files.items():
            for scored, lines in scored_chunks(scorer, file, places[name], source, job.reasons):
                write(with_places(scored.table(), name, lines))
                tally.counts.add(scored)
                tally.records[name] = tally.records.get(name, 0) + len(lines)
            refuse_changed(file, job.fingerprints[name])
    if tally.counts.rows != sum(tally.records.values()):
        raise LostRowError(f"{job.out}: {tally.counts.rows} rows for {sum(tally.records.values())} records. Report it.")
    manifest = manifest_of(job, scorer, tally)
    write_json(job.manifest, manifest)
    return manifest


def columns_of(file: Path, scorer: Scorer, source: Source) -> dict[str, int]:
    """Where the columns stand in a file that are read."""
    with open_raw(file, source.dialect) as raw:
        return read_positions(file, raw.names, scorer.columns)


def scored_chunks(
    scorer: Scorer, file: Path, places: Mapping[str, int], source: Source, reasons: int
) -> Iterator[tuple[ScoredRows, np.ndarray[Any, Any]]]:
    """Score a file; for each chunk the rows, and the line of each."""
    with open_raw(file, source.dialect) as raw:
        for chunk in raw.chunks():
            if len(chunk.lines) or chunk.refused:
                yield score_chunk(scorer, chunk, places, source.on_change, reasons)


def score_chunk(
    scorer: Scorer, chunk: RawChunk, places: Mapping[str, int], on_change: OnChange, reasons: int
) -> tuple[ScoredRows, np.ndarray[Any, Any]]:
    """Score a chunk's rows, and give its refused records the fallback, in order of line."""
    texts = pa.table([chunk.texts.column(place) for place in places.values()], names=list(places))
    typed = type_cells(texts, scorer.columns, scorer.zone, on_change)
    sound = np.ones(len(chunk.lines), dtype=np.bool_)
    sound[list(typed.refused)] = False
    parts, lines = [], []
    if sound.any():
        parts.append(scorer.frame(to_frame(typed.values.filter(pa.array(sound))), reasons))
        lines.append(chunk.lines[sound])
    if typed.refused:
        parts.append(scorer.fallback([f"{reason}: {name}" for name, reason, _ in typed.refused.values()], reasons))
        lines.append(chunk.lines[list(typed.refused)])
    if chunk.refused:
        parts.append(scorer.fallback([record.reason for record in chunk.refused], reasons))
        lines.append(np.array([record.line for record in chunk.refused], dtype=np.int64))
    found = np.concatenate(lines)
    order = np.argsort(found, kind="stable")
    return joined(parts).take(order), found[order]


def refuse_changed(file: Path, before: tuple[int, int, int]) -> None:
    """Refuse a file that is no longer the one that was hashed.

    Raises
    ------
    ChangedInputError
        Names the file.
    """
    if fingerprint(file) != before:
        raise ChangedInputError(f"{file}: it was written to while it was scored. Score it again, once it is whole.")


# ---- the output


def output_schema(scorer: Scorer, job: Job) -> pa.Schema:
    """Arrow types of the output, and the model that made it as Parquet's metadata."""
    names = [(FILE, pa.string()), (LINE, pa.int64())]
    facts = {"holdfast.model": job.chosen.name, "holdfast.manifest_sha256": job.chosen.manifest_sha256}
    return pa.schema([*(pa.field(*each) for each in names), *scorer.shape(job.reasons).schema()], facts)


def with_places(table: pa.Table, name: str, lines: np.ndarray[Any, Any]) -> pa.Table:
    """Scored rows with the file and line that each comes from."""
    files = pa.repeat(pa.scalar(name, pa.string()), table.num_rows)
    return table.add_column(0, LINE, pa.array(lines, pa.int64())).add_column(0, FILE, files)


@contextmanager
def scored_writer(out: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Write Parquet or CSV, by the output's name, table by table; it is seen whole or not at all."""
    import pyarrow.parquet as pq
    from pyarrow import csv

    with atomic_file(out) as temporary:
        writer = (
            csv.CSVWriter(temporary, schema)
            if out.suffix == ".csv"
            else pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True, version="2.6")
        )
        with writer:
            yield lambda table: writer.write_table(table.replace_schema_metadata(schema.metadata))


def manifest_of(job: Job, scorer: Scorer, tally: Tally) -> dict[str, Any]:
    """What an output was made of; no clock, no path, no host's name."""
    from tasks.version.environment import platform_facts

    chosen, version = job.chosen, job.chosen.version
    return {
        "format": FORMAT,
        "key": job.key,
        "pipeline": chosen.pipeline,
        "model": {
            "name": chosen.name,
            "version": None if version is None else str(version.number),
            "commit": None if version is None else version.commit,
            "manifest_sha256": chosen.manifest_sha256,
        },
        "input": {
            "blake3": content_hash("".join(f"{digest} {name}\n" for name, digest in job.hashes.items()).encode()),
            "files": {
                name: {"blake3": digest, "rows": tally.records.get(name, 0)} for name, digest in job.hashes.items()
            },
        },
        "output": {"name": job.out.name, "blake3": file_hash(job.out), "rows": tally.counts.rows},
        "counts": tally.counts.as_json(),
        "declared": scorer.declared.model_dump(mode="json"),
        "reasons": job.reasons,
        "environment": {**platform_facts(), "libraries": {name: installed_version(name) for name in LIBRARIES}},
    }
