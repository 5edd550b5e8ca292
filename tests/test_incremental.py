"""Whatever changes, what the per-batch store adds up to is what a build from nothing gives: with real code and data."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.load import load_pipeline
from tasks import ingest, store
from tasks.stage import declared_sections

ROOT = Path(__file__).resolve().parents[1]
YAML = """\
owner: {}
source: {path: "data/incoming/demo/*.csv", stop_above: 100%}
time: {column: at, timezone: America/New_York}
target: {name: x}
columns:
  at: {type: timestamp}
  n: {type: integer, nulls: ["", NA]}
  open: {type: boolean}
  x: {type: float}
drop: {}
expectations: {}
features: {}
encode: {}
split: {}
train: {}
evaluate: {}
drift: {}
retrain: {}
gate: {}
"""
BATCH = """\
at,n,open,x
2013-03-10 02:30,1,true,1.5
2013-11-03 01:30,NA,off,2
2013-07-0{0},-,false,3
2013-07-0{0},4,no,4
"""
OUTPUTS = ("data/typed", "data/quarantine", "metrics")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("tasks", "configs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("pipelines: [demo]\n")
    Path("configs/demo.yaml").write_text(YAML)
    Path("data/raw/demo").mkdir(parents=True)
    for number in (1, 2, 3):
        land(number)


def land(number: int) -> None:
    Path(f"data/raw/demo/{number}.csv").write_text(BATCH.format(number))


def read_in_a_process() -> int:
    """Run the stage with the code that lies here; how many batches it read anew."""
    done = subprocess.run(
        [sys.executable, "-m", "tasks.ingest", "demo"], check=True, capture_output=True, text=True, timeout=120
    )
    return int(re.findall(r"(\d+) of them read anew", done.stdout)[0])


def read_here() -> int:
    """Run the stage in this process; how many batches it read anew."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        ingest.main(load_pipeline("demo").limited_to("ingest", declared_sections("ingest")))
    return int(re.findall(r"(\d+) of them read anew", printed.getvalue())[0])


def outputs() -> dict[str, bytes]:
    files = [file for folder in OUTPUTS for file in sorted(Path(folder).rglob("*")) if file.is_file()]
    return {file.as_posix(): file.read_bytes() for file in files}


def from_nothing(run: Callable[[], object]) -> dict[str, bytes]:
    for folder in (".holdfast", *OUTPUTS):
        shutil.rmtree(folder)
    run()
    return outputs()


def replaced(file: str, old: str, new: str) -> Callable[[], None]:
    def change() -> None:
        text = Path(file).read_text()
        assert old in text, file
        Path(file).write_text(text.replace(old, new))

    return change


CHANGES: dict[str, tuple[Callable[[], object], int]] = {  # what changes, and how many batches are read anew for it
    "a parameter": (replaced("configs/demo.yaml", "America/New_York", "Europe/Berlin"), 3),
    "a rule of a column": (replaced("configs/demo.yaml", "timestamp}", "timestamp, nonexistent: forward}"), 3),
    "a null token": (replaced("configs/demo.yaml", '["", NA]', '["", NA, "-"]'), 3),
    "a batch": (lambda: Path("data/raw/demo/2.csv").write_text(BATCH.format(9)), 1),
    "a new batch": (lambda: land(4), 1),
    "a batch less": (lambda: Path("data/raw/demo/2.csv").unlink(), 0),
}


@pytest.mark.parametrize("what", CHANGES)
def test_after_a_change_the_store_gives_what_a_build_from_nothing_gives(what: str) -> None:
    read_here()
    before = outputs()
    change, expected = CHANGES[what]
    change()
    anew, incremental = read_here(), outputs()
    assert (anew, incremental == from_nothing(read_here), incremental == before) == (expected, True, False)


def test_after_a_change_of_code_the_store_gives_what_a_build_from_nothing_gives() -> None:
    read_in_a_process()
    before = outputs()
    replaced("tasks/cells/queries.py", 'FALSE = ("false"', 'FALSE = ("off", "false"')()
    anew, incremental = read_in_a_process(), outputs()
    assert (anew, incremental == from_nothing(read_in_a_process), incremental == before) == (3, True, False)


def test_another_version_of_a_library_reads_all_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read_here()
    installed = store.installed_version
    monkeypatch.setattr(store, "installed_version", lambda name: "0.1" if name == "duckdb" else installed(name))
    anew, incremental = read_here(), outputs()
    assert (anew, incremental == from_nothing(read_here)) == (3, True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("split: {}", "split: {folds: 4}   # fewer"),
        ("n: {type: integer", "n: {description: how many, type: integer"),
        ("demo/*.csv", "demo/*.*"),
        ("{name: x}", "{name: y, from: x, above: 2}"),
    ],
)
def test_what_no_typed_row_depends_on_reads_nothing_again(old: str, new: str) -> None:
    read_here()
    replaced("configs/demo.yaml", old, new)()
    assert read_here() == 0
