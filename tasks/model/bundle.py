"""The model bundle `models/<pipeline>/`: what is kept of a trained model, and how it comes back.

| file | holds |
| --- | --- |
| booster.ubj | the trees, as XGBoost writes them |
| estimator.json | everything else that was declared or learned |
| golden.parquet | a few raw training rows with the model's prediction, to try the model on any machine |
| model.joblib | the same estimator as a pickle, for the user's own tools; Holdfast never opens it |
| manifest.json | sha256 of each of these, and what the model was made of |

XGBoost's files do not protect themselves - one flipped bit crashed the process or predicted wrong in 50 of 200 trials -
so the sha256 of the bytes is checked first, and those very bytes are given to XGBoost.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import CorruptionError, DataError
from tasks.atomic import atomic_folder

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from tasks.model.estimator import TabularModel

FORMAT = 2  # 1 had no multiclass, calibration, decision or transformer of the user's own
GOLDEN_ROWS = 64
PREDICTION = "_prediction"
MANIFEST = "manifest.json"
FILES = ("booster.ubj", "estimator.json", "golden.parquet", "model.joblib")


class NewerFormatError(DataError):
    """A bundle was written by a newer Holdfast."""


def canonical(value: Any) -> bytes:
    """JSON in one form only: sorted keys, two spaces, no NaN, a newline at the end."""
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n").encode()


def sha256(data: bytes) -> str:
    """Hash bytes, as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def save_bundle(folder: Path, model: TabularModel, golden: pd.DataFrame, facts: dict[str, Any]) -> dict[str, Any]:
    """Write a fitted model; the same model, rows and facts give the same bytes in any process.

    Parameters
    ----------
    folder : Path
        Its old content is replaced whole.
    model : TabularModel
        Fitted.
    golden : DataFrame, shape (n, d)
        Raw typed rows, all columns that the model reads; at most `GOLDEN_ROWS` of them, evenly spread, are kept.
    facts : dict
        What the manifest says beside the hashes. Only what follows from data, code, parameters and libraries.

    Returns
    -------
    dict
        The manifest.
    """
    state, ubj = canonical(model.state()), model[-1].ubj_
    rebuilt = model_from(
        state, ubj
    )  # what is read back is what is exported: its identities follow from the bytes alone
    files = {
        "booster.ubj": ubj,
        "estimator.json": state,
        "golden.parquet": golden_bytes(rebuilt, spread_rows(golden, GOLDEN_ROWS)),
        "model.joblib": pickled(rebuilt),
    }
    manifest = {**facts, "format": FORMAT, "files": {name: sha256(data) for name, data in files.items()}}
    manifest["checksum"] = sha256(canonical(manifest))
    with atomic_folder(folder) as temporary:
        for name, data in {**files, MANIFEST: canonical(manifest)}.items():
            (temporary / name).write_bytes(data)
    return manifest


def load_bundle(folder: Path, manifest_sha256: str | None = None) -> TabularModel:
    """Bring a model back, after the sha256 of every byte was checked. No pickle is opened.

    Parameters
    ----------
    folder : Path
        What `save_bundle` wrote.
    manifest_sha256 : str, optional
        The hash of manifest.json that the version record holds. With it, a bundle exchanged whole is refused too.

    Raises
    ------
    CorruptionError
        If a file is missing, too many, or not the one that was written.
    NewerFormatError
        If a newer Holdfast wrote it.
    """
    files = verified_files(folder, manifest_sha256)
    return model_from(files["estimator.json"], files["booster.ubj"])


def read_manifest(folder: Path, manifest_sha256: str | None = None) -> dict[str, Any]:
    """Read what a model was made of.

    Raises
    ------
    CorruptionError, NewerFormatError
        See `load_bundle`.
    """
    path = folder / MANIFEST
    data = read_bytes(path)
    if manifest_sha256 is not None:
        require_hash(path, data, manifest_sha256)
    try:
        manifest: dict[str, Any] = json.loads(data)
        checksum = manifest.pop("checksum")
        content, whole = canonical(manifest), canonical({**manifest, "checksum": checksum})
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise CorruptionError(f"{path}: not a manifest with a checksum ({error!r}). {REMEDY}") from error
    require_hash(path, content, checksum)
    if whole != data:
        raise CorruptionError(f"{path}: its bytes are not in the form that Holdfast writes. {REMEDY}")
    require_known_format(path, manifest)
    return manifest


REMEDY = "The model was not loaded. Restore it with `dvc checkout --force`, or make it again with `dvc repro --force`."


def verified_files(folder: Path, manifest_sha256: str | None = None) -> dict[str, bytes]:
    """Read each file of a bundle once, and return the bytes whose hashes were checked."""
    manifest = read_manifest(folder, manifest_sha256)
    hashes: dict[str, str] = manifest["files"]
    found, expected = sorted(path.name for path in folder.iterdir()), sorted([*FILES, MANIFEST])
    if found != expected or sorted(hashes) != sorted(FILES):
        raise CorruptionError(
            f"{folder}: holds {', '.join(found)}, and its manifest names {', '.join(sorted(hashes))}; "
            f"expected {', '.join(expected)}. {REMEDY}"
        )
    files = {}
    for name in FILES:
        files[name] = read_bytes(folder / name)
        require_hash(folder / name, files[name], hashes[name])
    return files


def read_bytes(path: Path) -> bytes:
    """Read a file of a bundle; a missing one is corruption."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CorruptionError(f"{path}: cannot be read ({error.strerror}). {REMEDY}") from error


def model_of(files: Mapping[str, bytes], hashes: Mapping[str, str], where: str) -> TabularModel:
    """Make the model from a bundle's bytes, wherever they were read, after every one was checked. No pickle is opened.

    Parameters
    ----------
    files : mapping of str to bytes
        By name; all files of a bundle.
    hashes : mapping of str to str
        The SHA-256 of each, as the version record holds them.
    where : str
        For the error's text.

    Raises
    ------
    CorruptionError
        If a file is missing, too many, or not the recorded one.
    NewerFormatError
        If a newer Holdfast wrote the bundle.
    """
    require_recorded(files, hashes, where)
    require_known_format(Path(where) / MANIFEST, json.loads(files[MANIFEST]))
    return model_from(files["estimator.json"], files["booster.ubj"])


def require_recorded(files: Mapping[str, bytes], hashes: Mapping[str, str], where: str) -> None:
    """Refuse a bundle of which a file is missing, too many, or not the recorded one."""
    expected = sorted([*FILES, MANIFEST])
    if not sorted(files) == sorted(hashes) == expected:
        raise CorruptionError(
            f"{where}: holds {', '.join(sorted(files))}, and the version record names {', '.join(sorted(hashes))}; "
            f"expected {', '.join(expected)}. {REMEDY}"
        )
    for name, data in files.items():
        require_hash(Path(where) / name, data, hashes[name])


def require_known_format(path: Path, manifest: dict[str, Any]) -> None:
    """Refuse a bundle of a newer Holdfast."""
    if not isinstance(manifest.get("format"), int) or manifest["format"] > FORMAT:
        raise NewerFormatError(
            f"{path}: bundle format {manifest.get('format')!r}; this Holdfast reads up to {FORMAT}. "
            "Merge the version of Holdfast that wrote it."
        )


def require_hash(path: Path, data: bytes, expected: str) -> None:
    """Refuse bytes that are not the ones that were pinned."""
    found = sha256(data)
    if found != expected:
        raise CorruptionError(f"{path}: sha256 is {found}, expected {expected}. {REMEDY}")


def model_from(state: bytes, ubj: bytes) -> TabularModel:
    """Make the model from the bytes of estimator.json and booster.ubj."""
    from tasks.model.estimator import TabularModel

    held = json.loads(state)
    return TabularModel.from_state(held if "learned" in held else from_format_1(held), ubj)


def from_format_1(state: dict[str, Any]) -> dict[str, Any]:
    """What a bundle of format 1 holds, as format 2 holds it: a champion of then predicts as it did."""
    learned = {
        "columns": state["encode"]["columns"],
        "class_count": 2 if state["booster"]["task"] == "binary" else 1,
        "device": "cpu",
        "calibration": None,
        "decision": None,
    }
    booster = {**state["booster"], "monotone": None, "device": "cpu", "classes": None}
    return {**state, "booster": booster, "custom": None, "learned": learned}


def pickled(model: TabularModel) -> bytes:
    """Export an estimator for the user's own tools: `joblib.load(...).predict(raw)` wherever Holdfast is installed."""
    from io import BytesIO

    import joblib

    stream = BytesIO()
    joblib.dump(model, stream)
    return stream.getvalue()


def spread_rows(rows: pd.DataFrame, limit: int) -> pd.DataFrame:
    """At most `limit` rows, evenly spread from the first to the last."""
    import numpy as np

    return rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(limit, len(rows))).round().astype(np.intp))]


def predictions(model: TabularModel, raw: pd.DataFrame) -> NDArray[np.float64]:
    """Probability of 1 or the predicted number, shape (n,); of classes, each one's probability, shape (n, C)."""
    return model.scores(raw)


def golden_bytes(model: TabularModel, raw: pd.DataFrame) -> bytes:
    """Raw rows and the model's predictions, as the bytes of a Parquet file."""
    from io import BytesIO

    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(raw, preserve_index=False).replace_schema_metadata(None)
    for name, values in prediction_columns(predictions(model, raw), PREDICTION).items():
        table = table.append_column(name, pa.array(values))
    stream = BytesIO()
    pq.write_table(table, stream, write_page_checksum=True, version="2.6")
    return stream.getvalue()


def prediction_columns(made: NDArray[np.float64], name: str) -> dict[str, NDArray[np.float64]]:
    """Predictions by the name of the column that keeps them: one, or for C classes `name_0` to `name_{C-1}`.

    >>> import numpy as np
    >>> list(prediction_columns(np.zeros((4, 3)), "prediction"))
    ['prediction_0', 'prediction_1', 'prediction_2']
    """
    return {name: made} if made.ndim == 1 else {f"{name}_{k}": made[:, k] for k in range(made.shape[1])}


def golden_difference(folder: Path) -> float:
    """Largest distance between the predictions that a bundle keeps of its golden rows and those it makes here.

    Returns
    -------
    float, >= 0
        0 on a machine like the one that trained it; in the prediction's unit.

    Raises
    ------
    CorruptionError, NewerFormatError
        See `load_bundle`.
    """
    import numpy as np

    files = verified_files(folder)
    kept, made = golden_predictions(model_from(files["estimator.json"], files["booster.ubj"]), files["golden.parquet"])
    return float(np.abs(made - kept).max(initial=0.0))


def golden_predictions(model: TabularModel, golden: bytes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The predictions that a golden batch keeps, and those that the model makes of its rows here; of one shape."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tasks.table import to_frame

    rows = to_frame(pq.read_table(pa.BufferReader(golden), page_checksum_verification=True))
    made = predictions(model, rows)
    kept = rows[list(prediction_columns(made, PREDICTION))].to_numpy()
    return kept.reshape(made.shape), made


def golden_ulps(model: TabularModel, golden: bytes) -> int:
    """Largest distance between the kept predictions of a golden batch and those made here, in steps of 32-bit floats.

    Parameters
    ----------
    model : TabularModel
    golden : bytes
        Content of golden.parquet, whose hash was checked.

    Returns
    -------
    int, >= 0
        How many 32-bit floats, which XGBoost predicts in, lie between the two (units in the last place); 0 where
        nothing differs, 2**32 where one of them is no number.
    """
    import numpy as np

    kept, made = (values.astype(np.float32) for values in golden_predictions(model, golden))
    if not (np.isfinite(kept).all() and np.isfinite(made).all()):
        return 0 if np.array_equal(kept, made, equal_nan=True) else 2**32
    return int(np.abs(ordered(kept) - ordered(made)).max(initial=0))


def ordered(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Number 32-bit floats in their order, so that neighbours differ by 1."""
    import numpy as np

    bits = values.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(2**31) - bits, bits)
