"""Making a version again: the same bytes, or the right name for why they differ."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.land import pin_of
from tasks.model.bundle import canonical, sha256
from tasks.registry import git
from tasks.verify import causes
from tasks.verify.remake import Comparison, Remade, checked_out_alone, place_raw_data, rebuild
from tasks.version import storage
from tasks.version.pins import LOCK, StageEntry, stage_entries
from tasks.version.record import record_of
from tests.versions import commit_with, flip_bit, lose_remote

CONFIG = "configs/diabetes.yaml"


def edited(version, path, old, new):
    """The same version, with one text of one file of its commit replaced."""
    data = git.read_file(version.commit, path)
    assert old.encode() in data, f"{path} has no {old!r}"
    return commit_with(version, {path: data.replace(old.encode(), new.encode())})


def with_batches(version, change):
    """The same version, with other batches landed: `change` gets the folder of raw files."""
    folder = Path("elsewhere/diabetes")
    shutil.copytree("data/raw/diabetes", folder)
    change(folder)
    files = sorted(folder.iterdir())
    pin = pin_of({file.name: file for file in files})
    entries = [{"md5": storage.file_md5(file), "relpath": file.name} for file in files]
    put(pin.md5, json.dumps(entries).encode())
    for file in files:
        put(storage.file_md5(file), file.read_bytes())
    old = git.read_file(version.commit, "data/raw/diabetes.dvc").decode()
    new = old.replace(record_of(version)["data"]["data/raw/diabetes"]["md5"], pin.md5)
    return commit_with(version, {"data/raw/diabetes.dvc": new.encode()})


def put(md5, data):
    path = storage.object_path(md5)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def recorded_with(version, **environment):
    """The same version, its record telling of another environment."""
    content = record_of(version)
    content.pop("checksum")
    content["environment"] = {**content["environment"], **environment}
    data = canonical({**content, "checksum": sha256(canonical(content))})
    return commit_with(version, {"ledger/record.json": data})


def made_with(version, **libraries):
    return recorded_with(version, libraries={**record_of(version)["environment"]["libraries"], **libraries})


def made_by(version, path, old, new):
    """A version whose code was this when it was made: the edited file and dvc.lock agree, the outputs do not follow."""
    data = git.read_file(version.commit, path)
    assert old.encode() in data, f"{path} has no {old!r}"
    code = data.replace(old.encode(), new.encode())
    lock = git.read_file(version.commit, "dvc.lock").decode()
    pinned = lock.replace(
        f"path: {path}\n      hash: md5\n      md5: {storage.md5_of(data)}\n      size: {len(data)}",
        f"path: {path}\n      hash: md5\n      md5: {storage.md5_of(code)}\n      size: {len(code)}",
    )
    assert pinned != lock
    return commit_with(version, {path: code, "dvc.lock": pinned.encode()})


# ---- the causes, without running a stage: what was made is told


def other_outs(entry):
    """A stage's entry as if it had made other bytes."""
    return StageEntry(
        entry.cmd, entry.deps, entry.params, {p: replace(out, md5="0" * 32) for p, out in entry.outs.items()}
    )


def first_difference_at(version, stage, again=None):
    """What is said of a version whose stages, made again, are as recorded up to one that is not."""
    recorded = stage_entries(git.read_file(version.commit, str(LOCK)), "diabetes")
    remade = {**recorded, stage: other_outs(recorded[stage])}
    with checked_out_alone(version) as folder:
        place_raw_data(version, folder)
        found = Comparison(version, folder, record_of(version), recorded, Remade(remade, None))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(causes, "remade_once_more", lambda *_: again(remade) if again else pytest.fail("ran again"))
            return [(each.stage, each.cause) for each in causes.causes_of(found, "holdfast")]


def swap_two_rows(folder):
    lines = (folder / "diabetes-1.csv").read_text().splitlines()
    (folder / "diabetes-1.csv").write_text("\n".join([lines[0], lines[2], lines[1], *lines[3:]]) + "\n")


def drop_a_batch(folder):
    (folder / "diabetes-2.csv").unlink()


@pytest.mark.parametrize("change", [swap_two_rows, drop_a_batch])
def test_other_raw_data_are_named_as_data(version, change):
    assert first_difference_at(with_batches(version, change), "ingest") == [("ingest", "data")]


@pytest.mark.parametrize(
    ("stage", "path", "old", "new"),
    [
        ("ingest", "tasks/ingest.py", '"""', '"""A '),
        ("train", "tasks/model/boosting.py", "1e-6", "1e-5"),
        ("report", "tasks/reporting/model_card.md.j2", "#", "##"),
    ],
)
def test_edited_code_is_named_as_code(version, stage, path, old, new):
    assert first_difference_at(edited(version, path, old, new), stage) == [(stage, "code")]


@pytest.mark.parametrize(
    ("stage", "old", "new"),
    [
        ("train", "max_depth: 2", "max_depth: 3"),
        ("split", "holdout: 25%", "holdout: 20%"),
        ("report", "clinic@", "me@"),
    ],
)
def test_edited_declaration_is_named_as_parameter(version, stage, old, new):
    assert first_difference_at(edited(version, CONFIG, old, new), stage) == [(stage, "parameter")]


def test_library_of_the_stage_is_named(version):
    assert first_difference_at(made_with(version, xgboost="3.1.0"), "train") == [("train", "library")]


def test_other_library_lock_is_named_as_library(version):
    forged = edited(version, "configs/libraries.yaml", '"3.1.6"', '"3.1.5"')
    assert first_difference_at(forged, "report") == [("report", "library")]


def test_other_cpu_is_named_as_platform(version):
    assert first_difference_at(recorded_with(version, cpu=["ASIMD"]), "train") == [("train", "platform")]


def test_evidence_in_what_is_pinned_comes_before_the_machine(version):
    forged = recorded_with(edited(version, CONFIG, "max_depth: 2", "max_depth: 3"), machine="aarch64")
    assert first_difference_at(forged, "train") == [("train", "parameter")]


def test_third_result_means_that_the_code_depends_on_chance(version):
    def again(remade):
        return Remade({**remade, "train": replace(remade["train"], outs={})}, None)

    assert first_difference_at(version, "train", again) == [("train", "code")]


def test_same_result_again_means_something_of_this_machine(version):
    assert first_difference_at(version, "train", lambda made: Remade(made, None)) == [("train", "platform")]


def test_raw_data_that_are_gone_are_named_as_data(version):
    lose_remote()
    for md5 in record_of(version)["batches"].values():
        flip_bit(storage.object_path(md5), 7)
    (divergence,) = rebuild(version)
    assert (divergence.stage, divergence.cause) == ("ingest", "data")
    assert "diabetes-1.csv" in divergence.what


def test_library_edited_in_place_is_found(tmp_path, monkeypatch):
    shadowed(tmp_path, monkeypatch, "joblib")
    assert causes.edited_libraries(["joblib"]) == []
    file = tmp_path / "joblib/numpy_pickle.py"
    file.write_text(file.read_text() + "\n")
    (told,) = causes.edited_libraries(["joblib", "numpy"])
    assert "joblib/numpy_pickle.py edited since it was installed" in told


def shadowed(folder, monkeypatch, name, version=None):
    """A copy of an installed library in a folder that comes first, to be edited; optionally of another version."""
    from importlib.metadata import distribution

    installed = distribution(name)
    for file in installed.files or []:
        if ".." not in str(file) and "__pycache__" not in str(file):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), folder / file)
    if version is not None:
        (info,) = folder.glob(f"{name.replace('-', '_')}-*.dist-info")
        text = (info / "METADATA").read_text().replace(f"Version: {installed.version}", f"Version: {version}", 1)
        (info / "METADATA").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


# ---- whole rebuilds


def test_rebuild_on_two_threads_gives_the_same_bytes_and_leaves_no_trace(version, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    before = git.git("status", "--porcelain"), git.git("worktree", "list"), sorted(Path(".dvc/cache").rglob("*"))
    assert rebuild(version) == []
    assert before == (
        git.git("status", "--porcelain"),
        git.git("worktree", "list"),
        sorted(Path(".dvc/cache").rglob("*")),
    )


@pytest.mark.campaign
@pytest.mark.parametrize("runner", ["holdfast", "dvc"])
@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("time", range(3))
def test_rebuild_gives_the_same_bytes_ten_times(version, monkeypatch, runner, threads, time):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    monkeypatch.setenv("PYTHONHASHSEED", str(time))
    assert rebuild(version, runner) == []


def change_a_cell(folder):
    lines = (folder / "diabetes-1.csv").read_text().splitlines()
    lines[5] = f"61,{lines[5].split(',', 1)[1]}"
    (folder / "diabetes-1.csv").write_text("\n".join(lines) + "\n")


def drop_a_row(folder):
    lines = (folder / "diabetes-2.csv").read_text().splitlines()
    (folder / "diabetes-2.csv").write_text("\n".join([*lines[:7], *lines[8:]]) + "\n")


def add_a_batch(folder):
    lines = (folder / "diabetes-2.csv").read_text().splitlines()
    (folder / "diabetes-3.csv").write_text("\n".join([lines[0], *lines[5:9]]) + "\n")


def dice(version):
    """A version whose code keeps a random number of golden rows."""
    drawn = "GOLDEN_ROWS = 1 + int.from_bytes(__import__('os').urandom(4)) % 300"
    return made_by(version, "tasks/model/bundle.py", "GOLDEN_ROWS = 64", drawn)


def failing(version):
    """A version whose code fails, which it cannot have done when it was made."""
    return made_by(version, "tasks/evaluate.py", "from tasks.stage import run_as_command", "import no_such_module")


def looking_at_the_time_zone(version):
    """A version whose code always looked at the time zone, which was another one when it was made."""
    shown = "import time\n\nSHOWN_FEATURES = 3 if time.timezone else 20"
    return made_by(version, "tasks/report.py", "SHOWN_FEATURES = 20", shown)


def other_zone(_folder, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")


def other_kernels(_folder, monkeypatch):
    """The linear algebra takes this CPU for an older one."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")


def edited_joblib(folder, monkeypatch):
    file = shadowed(folder, monkeypatch, "joblib") / "joblib/numpy_pickle.py"
    file.write_text(file.read_text().replace("protocol = pickle.DEFAULT_PROTOCOL", "protocol = 3"))


def another_jinja(folder, monkeypatch):
    shadowed(folder, monkeypatch, "jinja2", version="3.0.0")


def another_markupsafe(folder, monkeypatch):
    """A library that only a library of the stage uses, in another version that escapes otherwise."""
    library = shadowed(folder, monkeypatch, "markupsafe", version="1.9.9") / "markupsafe"
    native = (library / "_native.py").read_text()
    (library / "_native.py").write_text(native.replace('"&#34;")', '"&#34;").replace(" ", "&#32;")'))
    (library / "__init__.py").write_text((library / "__init__.py").read_text().replace("_speedups", "_native"))


def batches(change):
    return lambda version: with_batches(version, change)


def text(path, old, new):
    return lambda version: edited(version, path, old, new)


def same(version):
    return version


def nothing(_folder, _monkeypatch):
    """Leave the machine as it is."""


PLANTED = {  # what: (the stage and the cause that should be named, what is done to the version, and to the machine)
    "a cell of a batch": ("ingest", "data", batches(change_a_cell), nothing),
    "a row less": ("ingest", "data", batches(drop_a_row), nothing),
    "a batch more": ("ingest", "data", batches(add_a_batch), nothing),
    "a batch less": ("ingest", "data", batches(drop_a_batch), nothing),
    "rows in another order": ("ingest", "data", batches(swap_two_rows), nothing),
    "code of a helper": ("ingest", "code", text("tasks/table.py", '"zstd"', '"snappy"'), nothing),
    "code of the folds": (
        "split",
        "code",
        text("tasks/splitting/folds.py", '"{seed}:{text}"', '"{seed};{text}"'),
        nothing,
    ),
    "code of the trees": (
        "train",
        "code",
        text("tasks/model/boosting.py", '"hist",', '"hist", "max_leaves": 3,'),
        nothing,
    ),
    "code of a template": ("report", "code", text("tasks/reporting/model_card.md.j2", "#", "##"), nothing),
    "code that throws dice": ("train", "code", dice, nothing),
    "code that fails": ("evaluate", "code", failing, nothing),
    "the depth": ("train", "parameter", text(CONFIG, "max_depth: 2", "max_depth: 3"), nothing),
    "the features": ("train", "parameter", text(CONFIG, "drop: []", "drop: [age]"), nothing),
    "the holdout": ("split", "parameter", text(CONFIG, "holdout: 25%", "holdout: 20%"), nothing),
    "the expectation": ("validate", "parameter", text(CONFIG, "max_value: 80", "max_value: 40"), nothing),
    "the owner": ("report", "parameter", text(CONFIG, "clinic@", "me@"), nothing),
    "a library of another version": ("report", "library", same, another_jinja),
    "a library edited in place": ("train", "library", same, edited_joblib),
    "a library of a library": ("report", "library", same, another_markupsafe),
    "other kernels": ("evaluate", "platform", same, other_kernels),
    "the time zone": ("report", "platform", looking_at_the_time_zone, other_zone),
}


def named_rightly(version, name, folder, monkeypatch):
    stage, cause, change, change_machine = PLANTED[name]
    changed = change(version)
    change_machine(folder, monkeypatch)
    found = rebuild(changed)
    print(name, "->", [str(each) for each in found])
    return [(each.stage, each.cause) for each in found[:1]] == [(stage, cause)]


def test_real_rebuild_that_is_refused_names_the_library(version, tmp_path, monkeypatch):
    (tmp_path / "duckdb-0.1.dist-info").mkdir()
    (tmp_path / "duckdb-0.1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: duckdb\nVersion: 0.1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (divergence,) = rebuild(version)
    assert (divergence.stage, divergence.cause) == ("ingest", "library")
    assert "duckdb 0.1 (recorded" in divergence.what
    assert "Run `make env`" in divergence.what


@pytest.mark.campaign
@pytest.mark.parametrize("name", PLANTED)
def test_planted_cause_is_named(version, tmp_path, monkeypatch, name):
    assert named_rightly(version, name, tmp_path, monkeypatch)
