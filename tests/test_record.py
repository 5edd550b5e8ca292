import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest

from configs.errors import CorruptionError
from tasks.model.bundle import canonical, sha256
from tasks.registry import Version, git
from tasks.version import record
from tasks.version.pins import NotReproducedError
from tasks.version.record import NewerRecordError, bump_of, completed, gather, identity, parsed, read_record, record_of
from tests.versions import commit_with, register_here

LEDGER = {"version": "v1.0.0", "parent": None, "verdict": {"outcome": "promoted"}, "reason": "r", "trigger": "manual"}
LEDGER |= {"approved_by": None, "code_commit": "0" * 40}


@pytest.fixture(scope="module")
def gathered(trained_project):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(trained_project)
        yield gather("diabetes")


def whole(gathered, **changes):
    """Bytes of a record whose checksum agrees with it, whatever it says."""
    content = {**completed(gathered, **LEDGER), **changes}
    content.pop("checksum")
    return canonical({**content, "checksum": sha256(canonical(content))})


def test_record_comes_back_as_it_was_written(gathered):
    assert parsed(whole(gathered), "here") == completed(gathered, **LEDGER)


def test_record_names_the_sha256_of_every_file_of_the_bundle(gathered, trained_project):
    folder = trained_project / "models/diabetes"
    found = {path.name: sha256(path.read_bytes()) for path in folder.iterdir()}
    assert record.bundle_hashes(gathered) == found


def test_record_names_the_raw_batches_by_hash(gathered, trained_project):
    files = (trained_project / "data/raw/diabetes").iterdir()
    printed = subprocess.run(["md5sum", *files], check=True, capture_output=True, text=True).stdout
    assert gathered["batches"] == {Path(line[34:]).name: line[:32] for line in printed.splitlines()}


def test_metrics_keep_their_intervals(gathered):
    rmse = gathered["metrics"]["evaluate"]["holdout"]["rmse"]
    assert rmse["low"] < rmse["value"] < rmse["high"]


def test_environment_says_what_shapes_results_and_not_whose_machine(gathered):
    import platform

    environment = gathered["environment"]
    assert environment["libraries"]["xgboost"] == gathered["model"]["libraries"]["xgboost"]
    assert environment["python"] == platform.python_version()
    text = json.dumps(environment)
    assert platform.node() not in text.split('"')
    assert str(Path.home()) not in text


def test_gathering_twice_gives_the_same_bytes(gathered, project):
    assert canonical(gather("diabetes")) == canonical(gathered)


def test_gathering_elsewhere_with_other_hash_seed_gives_the_same_bytes(gathered, project, run_here):
    printed = run_here(
        "import sys; from tasks.version.record import gather; from tasks.model.bundle import canonical; "
        "sys.stdout.buffer.write(canonical(gather('diabetes')))",
        PYTHONHASHSEED="7",
    )
    assert printed == canonical(gathered)


@pytest.fixture
def run_here():
    import os

    def run(code, **environment):
        return subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **environment}, check=True, capture_output=True
        ).stdout

    return run


# ---- identity and the number of the version


def test_identity_follows_from_what_is_pinned_alone(gathered):
    other = deepcopy(gathered)
    other["environment"]["kernel"] = "another"
    assert identity(other) == identity(gathered)


def test_identity_changes_with_params(gathered, project, edit):
    edit("dvc.lock", "max_depth: 2", "max_depth: 3")
    assert identity(gather("diabetes")) != identity(gathered)


def changed(gathered, path, value):
    other = deepcopy(gathered)
    place = other
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return other


@pytest.mark.parametrize(
    ("path", "value", "part"),
    [
        (["model", "inputs"], ["age"], "major"),
        (["model", "target"], "other", "major"),
        (["model", "task"], "binary", "major"),
        (["code", "train"], "0" * 64, "minor"),
        (["params", "train", "configs/diabetes.yaml", "train"], {"seed": 8}, "minor"),
        (["model", "libraries", "xgboost"], "9.9", "minor"),
        (["environment", "python"], "3.99.1", "minor"),
        (["environment", "kernel"], "another", "patch"),
        (["data", "data/raw/diabetes", "md5"], "0" * 32 + ".dir", "patch"),
    ],
)
def test_number_grows_by_what_changed(gathered, path, value, part):
    assert bump_of(changed(gathered, path, value), gathered) == part


def test_first_version_has_nothing_to_differ_from(gathered):
    assert bump_of(gathered, None) == "patch"


# ---- what is refused


def test_stage_that_never_ran_is_refused(project):
    lock = Path("dvc.lock").read_text()
    Path("dvc.lock").write_text(lock[: lock.index("  report@diabetes:")])
    with pytest.raises(NotReproducedError, match=r"no entry of report@diabetes\. Run `holdfast run diabetes`"):
        gather("diabetes")


@pytest.mark.parametrize("path", ["dvc.lock", "data/raw/diabetes.dvc"])
def test_missing_pin_is_refused(project, path):
    Path(path).unlink()
    with pytest.raises(NotReproducedError, match=rf"{path}: missing"):
        gather("diabetes")


def test_cut_off_lock_is_refused(project):
    lock = Path("dvc.lock").read_bytes()
    Path("dvc.lock").write_bytes(lock[: len(lock) // 2 + 3])
    with pytest.raises(NotReproducedError, match=r"dvc\.lock"):
        gather("diabetes")


@pytest.mark.parametrize(
    "path", ["models/diabetes/booster.ubj", "reports/diabetes/model_card.md", "metrics/diabetes/train.json"]
)
def test_file_that_is_not_the_pinned_one_is_refused(project, path):
    Path(path).chmod(0o644)
    Path(path).write_bytes(Path(path).read_bytes() + b" ")
    with pytest.raises(NotReproducedError, match=rf"{path}: MD5 .* expected MD5"):
        gather("diabetes")


def test_code_edited_after_the_run_is_refused(project):
    with Path("tasks/train.py").open("a") as file:
        file.write("\n")
    with pytest.raises(NotReproducedError, match=r"tasks/train\.py: MD5"):
        gather("diabetes")


def test_record_of_a_newer_holdfast_is_refused(gathered):
    with pytest.raises(NewerRecordError, match="record format 2; this Holdfast reads up to 1"):
        parsed(whole(gathered, format=2), "here")


@pytest.mark.parametrize("text", ["", "[]", "3", '{"checksum": []}', '{"checksum": NaN}', "[" * 100_000, "\ud800"])
def test_record_that_is_none_is_corruption(text):
    with pytest.raises(CorruptionError, match="here: not a version record"):
        parsed(text.encode(errors="surrogatepass"), "here")


def test_every_flipped_bit_of_a_record_is_found(gathered):
    data = whole(gathered)
    for bit in range(0, 8 * len(data), 811):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(CorruptionError):
            parsed(bytes(flipped), "here")


def test_record_in_another_form_is_corruption(gathered):
    with pytest.raises(CorruptionError, match="sha256 of its content"):
        parsed(json.dumps(json.loads(whole(gathered))).encode(), "here")


def test_reason_from_a_broken_terminal_is_kept_readable(gathered):
    said = completed(gathered, **{**LEDGER, "reason": "drift\udcff"})["reason"]
    assert said == "drift?"


def test_commit_without_a_record_is_corruption(version):
    bare = commit_with(version, {"ledger/record.json": None})
    with pytest.raises(CorruptionError, match="that commit has no such file"):
        read_record(bare.commit)


def test_tag_moved_to_another_version_is_found(version):
    second = register_here(identity="other", batches={})
    with pytest.raises(CorruptionError, match=rf"{version.name}: points at .* whose record is of {second.name}"):
        record_of(Version("diabetes", version.number, second.commit))


def test_registered_record_is_canonical_in_git(version):
    data = git.read_file(version.commit, "ledger/record.json")
    assert canonical(json.loads(data)) == data
