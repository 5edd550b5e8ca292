"""What an erasure would remove: raw files or rows of them, and every object of DVC's that holds these rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import ConfigError
from configs.sections.source import PERIODS
from configs.wording import hint, listed
from tasks.batch import RAW, folder_batch, landed_by_name, name_of
from tasks.erasure.pinned import State, files_told, listing, run_cache, states
from tasks.quarantine.raw_rows import RawRows, batches_of_rows, require_read, rows_of_files
from tasks.quarantine.superseded import erased_names
from tasks.version.dvc_config import remote_url
from tasks.version.storage import file_md5, md5_of, without_secrets

if TYPE_CHECKING:
    from configs.schema import Pipeline

GOLDEN, SAMPLE = "golden.parquet", "sample.parquet"


class ErasureError(ConfigError):
    """What is to be erased is not there, or is not said in a way that can be followed."""


@dataclass(frozen=True)
class Plan:
    """What an erasure does.

    Attributes
    ----------
    pipeline : str
    left : dict of file name to MD5, or None
        What is left of each raw file; None where nothing is.
    rows : dict of file name to list of int
        Lines on which the erased rows begin; empty where the whole file goes.
    erased : dict of file name to list of str
        MD5s that the file had, now or before, with these rows.
    objects : list of str
        MD5s of objects that hold them.
    run_cache : list of str
        Entries of DVC's run cache that give one of these.
    sources : list of str
        Files of the source with the same bytes.
    versions : list of str
        Registered versions that were made of these rows.
    bundles : bool
        Whether the golden batches of those versions go too.
    remote : str or None
        A remote that is no folder here: what it has of `objects` stays.
    """

    pipeline: str
    left: dict[str, str | None]
    rows: dict[str, list[int]]
    erased: dict[str, list[str]]
    objects: list[str]
    run_cache: list[str]
    sources: list[str]
    versions: list[str]
    bundles: bool
    remote: str | None = None
    contents: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """What is written down; what is left of the files lies beside it."""
        return {name: value for name, value in asdict(self).items() if name != "contents"}


def plan_erasure(
    pipeline: Pipeline,
    batch: str | None,
    *,
    lines: Iterable[int] = (),
    where: tuple[str, str] | None = None,
    bundles: bool = False,
) -> Plan:
    """Find what holds a batch's rows, some of them, or those with a value; nothing is written.

    Parameters
    ----------
    pipeline : Pipeline
    batch : str or None
        None for all batches, with `where`; with `bundles` alone, nothing but the golden batches that earlier erasures
        left.
    lines : iterable of int
        Lines of the raw file on which the rows begin; all rows of the batch without them and without `where`.
    where : (column, value), optional
        Rows whose cell in a column of the raw file has this text. A row that does not part into cells is taken where
        its text has the value anywhere.
    bundles : bool
        Whether golden batches of registered versions shall go too, which can then no longer be loaded.

    Raises
    ------
    ErasureError
        If there is no such batch, row, column or value, or if the champion would be lost.
    NotYetReadError
        If rows are asked for and the last run read other bytes.
    """
    name = pipeline.name
    wanted = set(lines)
    only_bundles = bundles and batch is None and where is None and not wanted
    chosen = {} if only_bundles else chosen_rows(pipeline, batch, wanted, where)
    if chosen:
        require_whole_raw(name)
    there = landed_by_name(name)
    left: dict[str, str | None] = {}
    contents: dict[str, bytes] = {}
    rows: dict[str, list[int]] = {}
    for each, found in chosen.items():
        file = there[each].relative_to(RAW / name).as_posix()
        left[file], rows[file] = None, []
        if found is not None and len(found.chosen) < len(found.rows.starts):
            contents[file] = found.rows.changed(dict.fromkeys(found.chosen))
            left[file], rows[file] = md5_of(contents[file]), sorted(found.chosen)
    held, entries, erased = holders(name, left, bundles)
    versions = versions_of(name, erased)
    if bundles:
        require_other_champion(name, versions)
    url = remote_url()
    return Plan(
        pipeline=name,
        left=left,
        rows=rows,
        erased={file: sorted(md5s) for file, md5s in erased.items()},
        objects=sorted(held),
        run_cache=sorted(map(str, entries)),
        sources=sorted(map(str, same_sources(pipeline, erased))),
        versions=versions,
        bundles=bundles,
        remote=without_secrets(url) if url and "://" in url else None,
        contents=contents,
    )


def require_whole_raw(pipeline: str) -> None:
    """Refuse to pin anew a folder of raw data that lacks pinned batches, or has others: they would be lost."""
    from tasks.land import is_as_pinned

    if not is_as_pinned(RAW / pipeline):
        raise ErasureError(
            f"{RAW / pipeline}: not as {RAW / pipeline}.dvc pins it, and it is pinned anew after an erasure. Bring it "
            f"back (`dvc pull {RAW / pipeline}.dvc`), or finish what has begun (`holdfast land {pipeline}`)."
        )


@dataclass(frozen=True)
class Chosen:
    """Rows of one batch that are to go."""

    rows: RawRows
    chosen: frozenset[int]


def chosen_rows(
    pipeline: Pipeline, batch: str | None, lines: set[int], where: tuple[str, str] | None
) -> dict[str, Chosen | None]:
    """The landed files to erase from, by name; None for the whole of one."""
    there = landed_by_name(pipeline.name)
    if batch is None and (lines or where is None):
        raise ErasureError("say which batch with --batch, or which rows of all batches with --where.")
    of_batch = dict.fromkeys(there) if batch is None else files_of_batch(pipeline, batch, there)
    if lines and len(of_batch) > 1:
        raise ErasureError(
            f"{RAW / pipeline.name}: batch {batch!r} has rows of {len(of_batch)} files ({listed(of_batch)}), and lines "
            "count in one; name that file with --batch."
        )
    if not lines and where is None and None in of_batch.values():
        return dict.fromkeys(of_batch)
    require_read(pipeline.name)
    rows = rows_of_files(pipeline, of_batch)
    chosen = {each: rows_of(rows[each], of_batch[each], lines, where, each) for each in of_batch}
    found = {each: Chosen(rows[each], which) for each, which in chosen.items() if which}
    if not found:
        raise ErasureError(f"{RAW / pipeline.name}: no row has the value asked for in {where[0] if where else ''!r}.")
    return dict(found)


def files_of_batch(pipeline: Pipeline, batch: str, there: Mapping[str, Path]) -> dict[str, frozenset[int] | None]:
    """Names of the landed files that have rows of a batch, with the lines of these; None where it has all of them.

    Where batches have rows of several files, one file can be named too: by its path, without extensions.
    """
    kind = pipeline.source.batch
    if batch in there:
        return {batch: None}
    if kind == "folder" and (names := [name for name in there if folder_batch(name) == batch]):
        return dict.fromkeys(names)
    if kind in PERIODS:
        dealt = batches_of_rows(pipeline, there)
        lines = {name: frozenset(line for line, of in rows.items() if of == batch) for name, rows in dealt.items()}
        if found := {name: each for name, each in lines.items() if each}:
            return dict(found)
    raise ErasureError(f"{RAW / pipeline.name}: no batch {batch!r} has landed{hint(batch, there)}.")


def rows_of(
    rows: RawRows, of_batch: frozenset[int] | None, lines: set[int], where: tuple[str, str] | None, name: str
) -> frozenset[int]:
    """The rows of one file, or of what a batch has of it, that begin on some lines, or have a value."""
    every = frozenset(rows.starts) if of_batch is None else of_batch
    if unknown := sorted(lines - every):
        some = ", ".join(map(str, unknown[:5]))
        raise ErasureError(f"{name}: no row begins on line {some}.")
    if where is None:
        return frozenset(lines) or every
    with_value = frozenset(line for line in every if has_value(rows, line, *where))
    return with_value & lines if lines else with_value


def has_value(rows: RawRows, line: int, column: str, value: str) -> bool:
    """Whether a row's cell in a column is a text; of a row that does not part, whether its text has it."""
    names = rows.layout.names
    if column not in names:
        raise ErasureError(f"--where: no column {column!r}{hint(column, names)}; the file has {listed(names)}.")
    text = rows.text(line)
    cells = rows.layout.cells(text)
    return value in text if cells is None else cells[names.index(column)] == value


# ---- what holds them


def holders(
    pipeline: str, left: Mapping[str, str | None], bundles: bool
) -> tuple[set[str], list[Path], dict[str, set[str]]]:
    """Objects that hold the rows, entries of the run cache that give one, and all MD5s that the raw files had."""
    known, cached = states(pipeline), run_cache(pipeline)
    raws = [raw_of(state) for state in known]
    erased = erased_files(pipeline, left, raws)
    kept, files_of = kept_bundles(pipeline, bundles), cache(files_told)

    def of(outs: Mapping[str, str]) -> set[str]:
        return batch_objects(outs, pipeline, erased, files_of) | mixed_objects(outs, pipeline, kept)

    touched = [
        not state.whole or any((file, md5) in raw for file, md5s in erased.items() for md5 in md5s)
        for state, raw in zip(known, raws, strict=True)
    ]
    clean = {md5 for state, is_touched in zip(known, touched, strict=True) if not is_touched for md5 in of(state.outs)}
    outs = [state.outs for state, is_touched in zip(known, touched, strict=True) if is_touched] + [*cached.values()]
    held = {md5 for each in outs for md5 in of(each)} - clean
    held |= {md5 for md5s in erased.values() for md5 in md5s}
    held -= {md5 for md5 in left.values() if md5}
    entries = [file for file, made in cached.items() if not held.isdisjoint(objects_of(made))]
    return held, entries, erased


def erased_files(
    pipeline: str, left: Mapping[str, str | None], raws: Iterable[set[tuple[str, str]]]
) -> dict[str, set[str]]:
    """MD5s that the files have or had, other than what is left; of erasures before, where nothing more is to go."""
    if not left:
        return {
            file: {md5 for name, md5 in erased_names(pipeline) if name == file} for file, _ in erased_names(pipeline)
        }
    erased = {file: {md5 for raw in raws for name, md5 in raw if name == file} for file in left}
    for file, rest in left.items():
        erased[file] |= {md5} if (md5 := file_md5(RAW / pipeline / file)) else set()
        erased[file] -= {rest or ""}
    return erased


def raw_of(state: State) -> set[tuple[str, str]]:
    """Name and MD5 of each raw file of a state."""
    return {pair for md5 in state.raws for pair in listing(md5).items()}


def objects_of(outs: Mapping[str, str]) -> set[str]:
    """MD5s of all files that some outputs are made of."""
    return {md5 for out in outs.values() for md5 in (out, *listing(out).values())}


def batch_objects(
    outs: Mapping[str, str], pipeline: str, files: Collection[str], files_of: Callable[[str], frozenset[str]]
) -> set[str]:
    """Typed, valid and quarantined batches that have rows of some landed files: their names say so, or their rows.

    How batches were made may have changed since, so nothing is concluded from how they are made now.
    """
    folders = (f"data/typed/{pipeline}", f"data/valid/{pipeline}", *quarantines(pipeline))
    held = [item for folder in folders for item in listing(outs.get(folder, "")).items()]
    names = {f"{batch}.parquet" for file in files for batch in (name_of(file), folder_batch(file))}
    paths = {f"{RAW / pipeline}/{file}" for file in files}
    return {md5 for name, md5 in held if name in names or not paths.isdisjoint(files_of(md5))}


def quarantines(pipeline: str) -> tuple[str, str]:
    """The quarantine folders of both stages."""
    return f"data/quarantine/{pipeline}/ingest", f"data/quarantine/{pipeline}/validate"


def mixed_objects(outs: Mapping[str, str], pipeline: str, kept: set[str]) -> set[str]:
    """Files that hold rows of all batches: split, predictions, examples; golden batch and sample unless kept."""
    paths = (
        f"data/split/{pipeline}.parquet",
        f"data/predictions/{pipeline}.parquet",
        f"reports/{pipeline}/validation.json",
    )
    return {outs[path] for path in paths if path in outs} | (rows_beside_model(outs, pipeline) - kept)


def rows_beside_model(outs: Mapping[str, str], pipeline: str) -> set[str]:
    """Files that go with a model and hold values of rows: the golden batch of its bundle, and its drift profile.

    Of the profile all: its ranges, levels and habits are values of single rows, as its sample is.
    """
    golden = listing(outs.get(f"models/{pipeline}", "")).get(GOLDEN)
    return {*listing(outs.get(f"profiles/{pipeline}", "")).values(), *([golden] if golden else [])}


# ---- versions and sources


def kept_bundles(pipeline: str, bundles: bool) -> set[str]:
    """Golden batches and samples of registered versions, which stay unless they are asked for."""
    if bundles:
        return set()
    from tasks import registry
    from tasks.version.record import record_of

    pinned = [record_of(version)["data"] for version in registry.versions(pipeline)]
    outs = [{path: pin["md5"] for path, pin in data.items()} for data in pinned]
    return {md5 for each in outs for md5 in rows_beside_model(each, pipeline)}


def versions_of(pipeline: str, erased: Mapping[str, set[str]]) -> list[str]:
    """Registered versions that were made of one of the raw files, with the commit of each."""
    from tasks import registry
    from tasks.version.record import record_of

    found = []
    for version in registry.versions(pipeline):
        batches = record_of(version)["batches"]
        if any(batches.get(file) in md5s for file, md5s in erased.items()):
            found.append(f"{version.name} ({version.commit[:12]})")
    return found


def require_other_champion(pipeline: str, versions: list[str]) -> None:
    """Refuse to take a file from the bundle of the champion."""
    from tasks import registry

    champion = registry.champion(pipeline)
    if champion is not None and f"{champion.name} ({champion.commit[:12]})" in versions:
        raise ErasureError(
            f"{champion.name} is the champion and was trained on these rows; without its golden batch it could not be "
            f"loaded. Erase without --bundles, `holdfast retrain {pipeline} --reason ...`, promote the new version, "
            "then erase again with --bundles."
        )


def same_sources(pipeline: Pipeline, erased: Mapping[str, set[str]]) -> list[Path]:
    """Files of the source that have the bytes of an erased raw file."""
    from tasks.land import find_sources

    md5s = {md5 for each in erased.values() for md5 in each}
    if pipeline.source.sql:  # what the database holds is its owner's to erase
        return []
    return [source for source in find_sources(pipeline.source.path) if file_md5(source) in md5s]
