import hashlib
import json
import pickle
import shutil

import joblib
import numpy as np
import pandas as pd
import pytest

from configs.errors import CorruptionError
from tasks.model.bundle import (
    FILES,
    NewerFormatError,
    canonical,
    golden_difference,
    load_bundle,
    read_manifest,
    save_bundle,
    sha256,
    spread_rows,
)
from tasks.model.estimator import tabular_model
from tests.conftest import run_python
from tests.test_estimator import COLUMNS, decided_model, fresh_model, raw_rows, target_of

MANIFEST = "manifest.json"


def save(folder, task="regression", **facts):
    raw = raw_rows()
    model = fresh_model(task).fit(raw, target_of(raw, task))
    save_bundle(folder, model, raw, {"pipeline": "homes", **facts})
    return model


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "homes"
    save(folder)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "homes")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rewrite(folder, name, data):
    """Exchange a file and make the manifest agree, as someone would who can write the folder."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest.pop("checksum")
    manifest["files"][name] = sha256(data)
    (folder / MANIFEST).write_bytes(canonical({**manifest, "checksum": sha256(canonical(manifest))}))


class Sentinel:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_model_comes_back_the_same_from_bundle_and_joblib(tmp_path, task):
    model, raw = save(tmp_path / "homes", task), raw_rows(seed=5)
    method = "predict" if task == "regression" else "predict_proba"
    expected = getattr(model, method)(raw).tolist()
    assert getattr(load_bundle(tmp_path / "homes"), method)(raw).tolist() == expected
    assert getattr(joblib.load(tmp_path / "homes" / "model.joblib"), method)(raw).tolist() == expected


OWN_CODE = """
from sklearn.base import BaseEstimator, TransformerMixin

class Typical(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.mean_ = X["area"].mean()
        return self

    def transform(self, X):
        return (X[["area"]] - self.mean_).abs().set_axis(["area_off"], axis=1)
"""
ELSEWHERE = """
import sys, joblib
model, raw = joblib.load(sys.argv[1]), joblib.load(sys.argv[2])
print(model.predict_proba(raw).tolist(), model.predict(raw).tolist())
"""


@pytest.fixture
def whole_model(tmp_path, monkeypatch):
    """A model of classes with all that a model may have: own features, calibration, a decision by costs."""
    (tmp_path / "configs/homes").mkdir(parents=True)
    (tmp_path / "configs/homes/typical.py").write_text(OWN_CODE)
    monkeypatch.chdir(tmp_path)
    from tasks.own_features.user_features import UserFeatures

    raw = raw_rows()
    learned, y = decided_model("multiclass", raw), target_of(raw, "multiclass")
    own = UserFeatures("typical.Typical", "homes", {name: {"type": kind} for name, kind in COLUMNS.items()})
    features, encode, trees = (step for _, step in fresh_model("multiclass").steps)
    model = tabular_model(features, encode, trees, own).fit(raw, y)
    model.calibration_, model.decision_ = learned.calibration_, learned.decision_
    return model


def test_own_features_stand_after_the_derived_ones(whole_model):
    raw = raw_rows(seed=5)
    inputs = whole_model.features_in(raw)
    assert inputs.columns.tolist() == whole_model.booster.feature_names
    assert inputs.columns.tolist()[-2:] == ["m2", "area_off"]
    assert inputs["area_off"].tolist() == (raw["area"] - raw_rows()["area"].mean()).abs().tolist()


def test_whole_model_comes_back_the_same_from_its_bundle(whole_model, tmp_path):
    raw = raw_rows(seed=5)
    save_bundle(tmp_path / "homes", whole_model, raw_rows(), {})
    back = load_bundle(tmp_path / "homes")
    assert back.predict_proba(raw).tolist() == whole_model.predict_proba(raw).tolist()
    assert back.predict(raw).tolist() == whole_model.predict(raw).tolist()
    assert golden_difference(tmp_path / "homes") == 0.0
    save_bundle(tmp_path / "again", back, raw_rows(), {})
    assert contents(tmp_path / "homes") == contents(tmp_path / "again")


def test_joblib_predicts_alike_in_another_process(whole_model, tmp_path):
    raw = raw_rows(seed=5, rows=20)
    save_bundle(tmp_path / "homes", whole_model, raw_rows(), {})
    joblib.dump(raw, "raw.joblib")
    printed = run_python(tmp_path, "-c", ELSEWHERE, "homes/model.joblib", "raw.joblib", PYTHONHASHSEED="1").stdout
    assert printed == f"{whole_model.predict_proba(raw).tolist()} {whole_model.predict(raw).tolist()}\n"


def test_golden_batch_holds_the_probability_of_every_class(whole_model, tmp_path):
    save_bundle(tmp_path / "homes", whole_model, raw_rows(), {})
    kept = pd.read_parquet(tmp_path / "homes/golden.parquet").filter(like="_prediction")
    assert kept.columns.tolist() == ["_prediction_0", "_prediction_1", "_prediction_2"]
    assert kept.to_numpy().tolist() == whole_model.predict_proba(spread_rows(raw_rows(), 64)).tolist()


def test_same_model_gives_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    save(tmp_path / "one")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    save(tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_saving_what_was_loaded_gives_the_same_bytes(folder, tmp_path):
    save_bundle(tmp_path / "again", load_bundle(folder), raw_rows(), {"pipeline": "homes"})
    assert contents(folder) == contents(tmp_path / "again")


def test_used_model_is_saved_like_a_fresh_one(folder, tmp_path):
    model = load_bundle(folder)
    model.predict(raw_rows())
    assert joblib.hash(pickle.dumps(model)) == joblib.hash(pickle.dumps(load_bundle(folder)))


def test_golden_rows_are_predicted_as_they_were(folder):
    assert golden_difference(folder) == 0.0


def test_golden_difference_tells_another_model(folder, tmp_path):
    raw = raw_rows()
    save_bundle(tmp_path / "other", fresh_model().fit(raw, target_of(raw, "regression") + 1.5), raw, {})
    rewrite(folder, "booster.ubj", (tmp_path / "other" / "booster.ubj").read_bytes())
    assert golden_difference(folder) > 1.0


def test_golden_rows_are_few_and_spread():
    rows = spread_rows(pd.DataFrame({"n": range(1000)}), 5)
    assert rows["n"].tolist() == [0, 250, 500, 749, 999]
    assert len(spread_rows(rows, 64)) == 5


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_flipped_bit_is_detected(folder, name):
    data = (folder / name).read_bytes()
    random = np.random.default_rng(len(name))
    for bit in random.choice(8 * len(data), 25, replace=False):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << (bit % 8)
        (folder / name).write_bytes(flipped)
        with pytest.raises(CorruptionError, match=name):
            load_bundle(folder)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_truncated_file_is_detected(folder, name, kept):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(kept * len(data))])
    with pytest.raises(CorruptionError, match=name):
        load_bundle(folder)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_missing_file_is_detected(folder, name):
    (folder / name).unlink()
    with pytest.raises(CorruptionError, match=name):
        load_bundle(folder)


def test_extra_file_is_detected(folder):
    (folder / "notes.txt").write_text("hello")
    with pytest.raises(CorruptionError, match=r"holds .*notes\.txt"):
        load_bundle(folder)


def test_corruption_names_found_and_expected_hash(folder):
    expected = read_manifest(folder)["files"]["booster.ubj"]
    (folder / "booster.ubj").write_bytes(b"{}")
    found = hashlib.sha256(b"{}").hexdigest()
    with pytest.raises(
        CorruptionError, match=rf"booster\.ubj: sha256 is {found}, expected {expected}\. .*dvc checkout"
    ):
        load_bundle(folder)


def test_pickle_is_never_opened_even_where_the_manifest_vouches_for_it(folder, tmp_path):
    rewrite(folder, "model.joblib", pickle.dumps(Sentinel(tmp_path / "sentinel")))
    load_bundle(folder).predict(raw_rows())
    golden_difference(folder)
    assert not (tmp_path / "sentinel").exists()


def test_bundle_exchanged_whole_is_refused_by_the_pinned_hash(folder):
    pinned = sha256((folder / MANIFEST).read_bytes())
    assert load_bundle(folder, pinned).rounds == 20
    rewrite(folder, "model.joblib", b"another")
    with pytest.raises(CorruptionError, match=rf"manifest\.json: sha256 is .* expected {pinned}"):
        load_bundle(folder, pinned)


def with_format(folder, number):
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest.pop("checksum")
    manifest["format"] = number
    (folder / MANIFEST).write_bytes(canonical({**manifest, "checksum": sha256(canonical(manifest))}))


@pytest.mark.parametrize("found", [3, "2", None])
def test_newer_format_is_refused(folder, found):
    with_format(folder, found)
    with pytest.raises(NewerFormatError, match=f"format {found!r}; this Holdfast reads up to 2"):
        load_bundle(folder)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_bundle_of_format_1_predicts_as_it_did(tmp_path, task):
    folder, raw = tmp_path / "homes", raw_rows(seed=5)
    expected = save(folder, task).scores(raw).tolist()
    rewrite(folder, "estimator.json", canonical(as_format_1(json.loads((folder / "estimator.json").read_bytes()))))
    with_format(folder, 1)
    assert load_bundle(folder).scores(raw).tolist() == expected
    assert golden_difference(folder) == 0.0


def as_format_1(state):
    """What Holdfast wrote before there were classes, calibration, decision, directions and devices."""
    later = {"monotone", "device", "classes"}
    booster = {name: value for name, value in state["booster"].items() if name not in later}
    params = {name: value for name, value in state["encode"]["params"].items() if name not in later}
    return {"features": state["features"], "encode": {**state["encode"], "params": params}, "booster": booster}


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "3", '{"checksum": []}', '{"checksum": NaN}', r'{"checksum": "\ud800"}', "[" * 100_000]
)
def test_manifest_that_is_none_is_corruption(folder, text):
    (folder / MANIFEST).write_text(text)
    with pytest.raises(CorruptionError, match=MANIFEST):
        read_manifest(folder)


def test_no_file_holds_a_path_or_a_thread_count(folder, tmp_path):
    everything = b"".join(contents(folder).values())
    assert str(tmp_path).encode() not in everything
    assert b"nthread" not in everything
    assert b"n_jobs" not in everything
