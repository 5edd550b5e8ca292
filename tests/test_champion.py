import contextlib
import json
import pickle
import random
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from configs.errors import CorruptionError, EnvironmentMismatchError
from tasks import registry
from tasks.model.bundle import (
    FILES,
    MANIFEST,
    NewerFormatError,
    canonical,
    golden_predictions,
    golden_ulps,
    load_bundle,
    sha256,
)
from tasks.version import storage
from tasks.version.champion import (
    EnvironmentWarning,
    OccupiedFolderError,
    checkout,
    export,
    load_version,
    profile_files,
    require_whole,
)
from tasks.version.record import NewerRecordError, bundle_hashes, profile_hashes, record_of
from tests.test_bundle import Sentinel
from tests.versions import commit_with, flip_bit, lose_remote, object_file, register_here, write_over

BUNDLE = [f"models/diabetes/{name}" for name in (*FILES, MANIFEST)]


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def recorded_as(version, **changes):
    """The same version, its record saying something else with a checksum that agrees."""
    content = {**record_of(version), **changes}
    content.pop("checksum")
    return commit_with(version, {"ledger/record.json": canonical({**content, "checksum": sha256(canonical(content))})})


def made_with(version, **libraries):
    model = record_of(version)["model"]
    return recorded_as(version, model={**model, "libraries": {**model["libraries"], **libraries}})


# ---- loading


def test_loaded_version_predicts_its_golden_batch_bit_for_bit(version):
    kept, made = golden_predictions(load_version(version), Path("models/diabetes/golden.parquet").read_bytes())
    assert kept.tobytes() == made.tobytes()


def test_workspace_is_never_looked_at(version):
    expected = load_version(version).rounds
    for path in ("models", "data", "dvc.lock", "metrics", "reports"):
        shutil.rmtree(path) if Path(path).is_dir() else Path(path).unlink()
    assert load_version(registry.champion("diabetes")).rounds == expected


def test_version_is_loaded_from_the_remote_where_the_cache_is_gone(version):
    shutil.rmtree(".dvc/cache")
    assert load_version(version).task == "regression"


def test_champion_after_rollback_predicts_as_it_did(version):
    golden = Path("models/diabetes/golden.parquet").read_bytes()
    before = golden_predictions(load_version(registry.champion("diabetes")), golden)[1]
    second = register_here(identity="another", batches={})
    registry.promote("diabetes", second, "better", "me", check=require_whole)
    registry.rollback("diabetes", "worse after all", "me", check=require_whole)
    after = golden_predictions(load_version(registry.champion("diabetes")), golden)[1]
    assert registry.champion("diabetes") == version
    assert before.tobytes() == after.tobytes()


# ---- bytes that are not the registered ones


@pytest.mark.parametrize("path", BUNDLE)
def test_flipped_bit_in_the_bundle_is_never_loaded(version, path):
    lose_remote()
    file = object_file(version, path)
    for bit in random.Random(path).sample(range(8 * file.stat().st_size), 8):
        data = flip_bit(file, bit)
        with pytest.raises(CorruptionError, match=rf"{file.name}: MD5 is .* {path} of diabetes@v1\.0\.0"):
            load_version(version)
        with pytest.raises(CorruptionError):
            require_whole(version)
        write_over(file, data)
    require_whole(version)


@pytest.mark.parametrize("path", BUNDLE)
def test_flipped_bit_is_healed_from_the_remote(version, path):
    data = flip_bit(object_file(version, path), 77)
    require_whole(version)
    assert object_file(version, path).read_bytes() == data


@pytest.mark.campaign
@pytest.mark.parametrize("path", BUNDLE)
def test_many_flipped_bits_are_never_loaded(version, path):
    lose_remote()
    file = object_file(version, path)
    for bit in random.Random(path).choices(range(8 * file.stat().st_size), k=200):
        data = flip_bit(file, bit)
        with pytest.raises(CorruptionError):
            load_version(version)
        write_over(file, data)


def exchange(version, path, data):
    """The version with other bytes in cache, listing and record, where only the SHA-256 in the record can tell."""
    record = record_of(version)
    listing = storage.read_listing(record["data"]["models/diabetes"]["md5"])
    listing[path.rpartition("/")[2]] = put(data)
    entries = [{"md5": md5, "relpath": name} for name, md5 in sorted(listing.items())]
    md5 = put(json.dumps(entries).encode()) + ".dir"
    shutil.copy(storage.object_path(md5.removesuffix(".dir")), storage.object_path(md5))
    pins = {**record["data"], "models/diabetes": {**record["data"]["models/diabetes"], "md5": md5}}
    return recorded_as(version, data=pins)


def put(data):
    path = storage.object_path(storage.md5_of(data))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return storage.md5_of(data)


@pytest.mark.parametrize("path", BUNDLE)
def test_file_with_a_right_md5_but_another_sha256_is_refused(version, path):
    forged = exchange(version, path, b"other bytes")
    with pytest.raises(CorruptionError, match=f"{Path(path).name}: sha256 is {sha256(b'other bytes')}, expected"):
        load_version(forged)


@pytest.mark.parametrize("path", BUNDLE)
def test_pickle_is_never_opened_in_any_slot(version, path, tmp_path):
    evil = pickle.dumps(Sentinel(tmp_path / "sentinel"))
    forged = exchange(version, path, evil)
    hashes = {**record_of(forged)["artifacts"], path: sha256(evil)}
    vouched_for = recorded_as(forged, artifacts=hashes)  # even the record agrees
    with warnings.catch_warnings(), contextlib.suppress(Exception):  # what is no model may fail in any way
        warnings.simplefilter("ignore")
        load_version(made_with(vouched_for, duckdb="0.0"), "warn")
    assert not (tmp_path / "sentinel").exists()


def test_pickle_in_the_joblib_slot_is_not_needed(version, tmp_path):
    path = "models/diabetes/model.joblib"
    evil = pickle.dumps(Sentinel(tmp_path / "sentinel"))
    forged = exchange(version, path, evil)
    load_version(recorded_as(forged, artifacts={**record_of(forged)["artifacts"], path: sha256(evil)}))
    assert not (tmp_path / "sentinel").exists()


def test_bundle_with_a_file_more_is_refused(version):
    record = record_of(version)
    more = recorded_as(version, artifacts={**record["artifacts"], "models/diabetes/extra.bin": "0" * 64})
    with pytest.raises(CorruptionError, match=r"the version record names .*extra\.bin"):
        load_version(more)


def test_bundle_of_a_newer_holdfast_is_refused(version):
    path = f"models/diabetes/{MANIFEST}"
    manifest = canonical({**json.loads(object_file(version, path).read_bytes()), "format": 3})
    newer = exchange(version, path, manifest)
    newer = recorded_as(newer, artifacts={**record_of(newer)["artifacts"], path: sha256(manifest)})
    with pytest.raises(NewerFormatError, match="bundle format 3"):
        require_whole(newer)


def test_record_of_a_newer_holdfast_is_refused_before_promotion(version):
    with pytest.raises(NewerRecordError):
        require_whole(recorded_as(version, format=2))


def test_refused_promotion_leaves_the_champion(version):
    second = register_here(identity="another", batches={})
    lose_remote()
    object_file(second, BUNDLE[0]).unlink()
    with pytest.raises(CorruptionError, match="missing, a part of models/diabetes/booster"):
        registry.promote("diabetes", second, "better", "me", check=require_whole)
    assert registry.champion("diabetes") == version


def test_check_before_promotion_is_quick_and_imports_nothing_heavy(version):
    code = (
        "import sys, time; from tasks.version.champion import require_whole; from tasks.registry import champion\n"
        "start = time.perf_counter(); require_whole(champion('diabetes')); seconds = time.perf_counter() - start\n"
        "heavy = {'pandas', 'numpy', 'sklearn', 'xgboost', 'prefect', 'dvc', 'scipy', 'pyarrow'}\n"
        "print(sorted(heavy & set(sys.modules)), seconds < 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[] True\n"


# ---- another environment


def test_other_library_is_refused_with_the_command_that_repairs_it(version):
    with pytest.raises(
        EnvironmentMismatchError,
        match=r"xgboost \S+ \(recorded 2\.1\.0\).*git show diabetes@v1\.0\.0:requirements\.lock",
    ):
        load_version(made_with(version, xgboost="2.1.0"))


def test_other_library_is_warned_of_with_the_golden_difference(version):
    with pytest.warns(EnvironmentWarning, match=r"xgboost .* golden batch gives the same predictions bit for bit"):
        load_version(made_with(version, xgboost="2.1.0"), environment="warn")


def test_library_that_shapes_no_result_may_differ(version):
    environment = record_of(version)["environment"]
    other = {**environment, "libraries": {**environment["libraries"], "prefect": "0.1"}}
    assert load_version(recorded_as(version, environment=other)).rounds


def test_golden_difference_counts_floats_between(version):
    model, golden = load_version(version), Path("models/diabetes/golden.parquet").read_bytes()
    kept = golden_predictions(model, golden)[0]

    class Shifted(type(model)):
        def scores(self, raw):
            moved = super().scores(raw)
            moved[3] = np.nextafter(np.nextafter(np.float32(kept[3]), np.float32(1e9)), np.float32(1e9))
            return moved

    assert golden_ulps(model, golden) == 0
    assert golden_ulps(Shifted(model.steps), golden) == 2


# ---- handing out


def test_export_holds_what_a_contest_needs(version, tmp_path):
    export(version, tmp_path / "champion")
    hashes = bundle_hashes(record_of(version))
    assert {name: sha256((tmp_path / "champion/bundle" / name).read_bytes()) for name in hashes} == hashes
    assert load_bundle(tmp_path / "champion/bundle").rounds
    assert (tmp_path / "champion/split.parquet").read_bytes() == Path("data/split/diabetes.parquet").read_bytes()
    assert json.loads((tmp_path / "champion/record.json").read_bytes())["version"] == "v1.0.0"


def test_export_of_a_damaged_version_writes_nothing(version, tmp_path):
    lose_remote()
    flip_bit(object_file(version, "data/split/diabetes.parquet"), 3)
    with pytest.raises(CorruptionError, match=r"data/split/diabetes\.parquet of diabetes@v1\.0\.0"):
        export(version, tmp_path / "champion")
    assert list(tmp_path.glob("champion*")) == []


def test_checkout_materialises_the_version(version, tmp_path):
    checkout(version, tmp_path / "out")
    found = contents(tmp_path / "out")
    assert {name for name in found if name.startswith("models/")} == set(BUNDLE)
    assert found["models/diabetes/booster.ubj"] == Path("models/diabetes/booster.ubj").read_bytes()
    assert found["model_card.md"] == Path("reports/diabetes/model_card.md").read_bytes()
    assert found["configs/diabetes.yaml"] == Path("configs/diabetes.yaml").read_bytes()
    assert json.loads(found["record.json"]) == record_of(version)


def test_checkout_into_an_occupied_folder_is_refused(version, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    with pytest.raises(OccupiedFolderError, match="is not an empty folder"):
        checkout(version, tmp_path / "mine")
    assert contents(tmp_path / "mine") == {"notes.txt": b"keep"}


def test_checkout_into_an_empty_folder_is_made(version, tmp_path):
    (tmp_path / "empty").mkdir()
    checkout(version, tmp_path / "empty")
    assert (tmp_path / "empty/record.json").is_file()


# ---- the drift profile


def test_profile_of_a_version_is_pinned_beside_its_bundle(version):
    files = profile_files(version, record_of(version))
    assert {name: sha256(data) for name, data in files.items()} == profile_hashes(record_of(version))
    assert {"profile.json", "counts.parquet"} <= set(files)


def test_changed_profile_is_not_promoted(version):
    flip_bit(object_file(version, "profiles/diabetes/profile.json"), 99)
    lose_remote()
    with pytest.raises(CorruptionError, match=r"profiles/diabetes/profile\.json of diabetes@v1\.0\.0"):
        require_whole(version)


def test_version_from_before_profiles_is_whole(version):
    record = record_of(version)
    former = {path: found for path, found in record["artifacts"].items() if not path.startswith("profiles/")}
    old = recorded_as(version, artifacts=former)
    require_whole(old)
    assert profile_files(old, record_of(old)) == {}
