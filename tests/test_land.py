"""Landing: each new file once, for good, pinned; whatever is killed, missing or changed on the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.errors import HoldfastError
from tasks import land as land_module
from tasks.batch import BatchNameError, landed_files
from tasks.land import ImmutableBatchError, IncompleteRawError, SourceChangedError, SourceError, land, require_source
from tasks.raw_files import UnreadableFileError
from tests.pipelines import make_pipeline

ROOT = Path(__file__).resolve().parents[1]
INCOMING, RAW = Path("data/incoming/demo"), Path("data/raw/demo")
PIN = Path("data/raw/demo.dvc")
DEMO = make_pipeline({"a": {"type": "integer"}})


@pytest.fixture(scope="module")
def empty_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    (folder / "data/incoming/demo").mkdir(parents=True)
    shutil.copy(ROOT / ".gitignore", folder)
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(autouse=True)
def repository(empty_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    shutil.copytree(empty_repository, folder)
    monkeypatch.chdir(folder)
    put("2013-01.csv", "a\n1\n")
    put("2013-02.csv", "a\n2\n")
    return folder


def put(name: str, text: str) -> Path:
    (INCOMING / name).write_text(text)
    return INCOMING / name


def landed() -> dict[str, str]:
    return {file.name: file.read_text() for file in sorted(RAW.iterdir())}


def no_dvc(_folder: Path) -> None:
    raise AssertionError("DVC was called")


def test_new_files_land_and_are_pinned() -> None:
    assert land(DEMO) == ["2013-01", "2013-02"]
    assert landed() == {"2013-01.csv": "a\n1\n", "2013-02.csv": "a\n2\n"}
    assert PIN.read_text() == (
        "outs:\n- md5: 25ba268ac418a8d9a8a71e678cf769d6.dir\n  size: 8\n  nfiles: 2\n  hash: md5\n  path: demo\n"
    )


def test_landing_makes_the_folder_for_the_pipelines_own_code_once() -> None:
    package = Path("configs/demo/__init__.py")
    land(DEMO)
    assert "`demo`" in package.read_text()
    package.write_text("# mine")
    land(DEMO)
    assert package.read_text() == "# mine"


def test_pin_is_dvcs_own() -> None:
    land(DEMO)
    assert land_module.read_pin(PIN) == land_module.pin_of(landed_files(RAW))


def test_landing_touches_no_gitignore_and_no_index(repository: Path) -> None:
    land(DEMO)
    status = subprocess.run(["git", "status", "--short", "-uall"], capture_output=True, text=True, check=True).stdout
    assert [line for line in status.splitlines() if "data" in line] == ["?? data/raw/demo.dvc"]


def test_second_landing_changes_nothing_and_calls_no_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    land(DEMO)
    before = PIN.stat().st_mtime_ns
    monkeypatch.setattr(land_module, "pin_folder", no_dvc)
    assert (land(DEMO), PIN.stat().st_mtime_ns) == ([], before)


def test_new_file_alone_is_new() -> None:
    land(DEMO)
    put("2013-03.csv", "a\n3\n")
    assert (land(DEMO), sorted(landed())) == (["2013-03"], ["2013-01.csv", "2013-02.csv", "2013-03.csv"])


def test_other_bytes_under_a_landed_name_are_refused() -> None:
    land(DEMO)
    put("2013-01.csv", "a\n9\n")
    put("2013-03.csv", "a\n3\n")
    with pytest.raises(ImmutableBatchError, match=r"holdfast land demo --replace 2013-01\.csv"):
        land(DEMO)
    assert landed() == {"2013-01.csv": "a\n1\n", "2013-02.csv": "a\n2\n"}


def test_landed_batch_is_replaced_when_asked_for() -> None:
    land(DEMO)
    before = PIN.read_text()
    put("2013-01.csv", "a\n9\n")
    assert land(DEMO, replace=["2013-01.csv"]) == ["2013-01"]
    assert (landed()["2013-01.csv"], PIN.read_text() != before) == ("a\n9\n", True)


def test_replacing_what_is_not_landed_is_refused() -> None:
    with pytest.raises(SourceError, match="no file of that name among the landed files"):
        land(DEMO, replace=["2013-01.csv"])


def test_renamed_file_does_not_land_twice(capsys: pytest.CaptureFixture[str]) -> None:
    land(DEMO)
    (INCOMING / "2013-01.csv").rename(INCOMING / "january.csv")
    assert land(DEMO) == []
    assert "january.csv not taken: data/raw/demo/2013-01.csv has the same bytes" in capsys.readouterr().out


def test_file_twice_in_the_source_lands_once() -> None:
    put("again.csv", "a\n1\n")
    assert land(DEMO) == ["2013-01", "2013-02"]


@pytest.mark.parametrize("name", ["2013-01.csv.gz", "2013-01.txt", unicodedata.normalize("NFD", "é.csv"), "É.csv"])
def test_two_names_for_one_batch_are_refused(name: str) -> None:
    put(unicodedata.normalize("NFC", "é.csv"), "a\n5\n")
    put(name, "a\n6\n")
    pipeline = make_pipeline({"a": {"type": "integer"}}, source={"path": "data/incoming/demo/*"})
    with pytest.raises(BatchNameError, match="would both be batch"):
        land(pipeline)
    assert not RAW.exists()


def test_one_name_in_two_folders_is_refused() -> None:
    (INCOMING / "more").mkdir()
    put("more/2013-01.csv", "a\n6\n")
    with pytest.raises(BatchNameError, match="would both land as"):
        land(make_pipeline({"a": {"type": "integer"}}, source={"path": "data/incoming/**/*.csv"}))


@pytest.mark.parametrize("name", ["a\nb.csv", "a\\b.csv", "x" * 201 + ".csv"])
def test_unfit_name_is_refused(name: str) -> None:
    put(name, "a\n5\n")
    with pytest.raises(BatchNameError, match="name"):
        land(DEMO)


def test_spaces_and_emoji_in_a_name_are_fine() -> None:
    put("Jänner 🛫.csv", "a\n5\n")
    assert "Jänner 🛫" in land(DEMO)


def test_source_without_a_file_names_the_glob_and_what_is_there() -> None:
    for name in ("2013-01", "2013-02"):
        (INCOMING / f"{name}.csv").rename(INCOMING / f"{name}.txt")
    with pytest.raises(
        SourceError, match=r"'data/incoming/demo/\*.csv' matches no file; data/incoming/demo/ has '2013-01.txt'"
    ):
        land(DEMO)


def test_empty_source_after_landing_is_nothing_new() -> None:
    land(DEMO)
    shutil.rmtree(INCOMING)
    assert land(DEMO) == []


def test_folder_of_the_source_that_is_gone_is_told() -> None:
    require_source(DEMO)
    for file in INCOMING.iterdir():
        file.unlink()
    require_source(DEMO)  # what has landed may be taken away
    shutil.rmtree(INCOMING)
    with pytest.raises(SourceError, match=r"data/incoming/demo/ is not here, so no new file can land; data/\S+ has "):
        require_source(DEMO)


def test_directory_in_the_source_is_refused() -> None:
    (INCOMING / "folder.csv").mkdir()
    with pytest.raises(SourceError, match="is a directory"):
        land(DEMO)


def test_fifo_in_the_source_is_refused_without_waiting() -> None:
    os.mkfifo(INCOMING / "pipe.csv")
    with pytest.raises(SourceError, match="is a FIFO"):
        land(DEMO)


@pytest.mark.parametrize(
    ("target", "message"),
    [("/etc/hostname", "out of the repository"), ("loop.csv", "cannot be read"), ("gone", "cannot be read")],
)
def test_bad_link_in_the_source_is_refused(target: str, message: str) -> None:
    (INCOMING / "loop.csv").symlink_to(target)
    with pytest.raises(SourceError, match=message):
        land(DEMO)


def test_link_inside_the_repository_lands_as_a_file() -> None:
    Path("elsewhere.csv").write_text("a\n5\n")
    (INCOMING / "link.csv").symlink_to("../../../elsewhere.csv")
    land(DEMO)
    assert (RAW / "link.csv").is_symlink() is False
    assert landed()["link.csv"] == "a\n5\n"


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08", b"<html>404</html>", b"PAR1"])
def test_what_is_no_csv_does_not_land(content: bytes) -> None:
    (INCOMING / "bad.csv").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"data/incoming/demo/bad.csv: "):
        land(DEMO)
    assert not RAW.exists()


def test_hidden_file_is_no_batch() -> None:
    put(".2013-03.csv", "a\n3\n")
    assert land(DEMO) == ["2013-01", "2013-02"]


def test_file_that_grows_while_copied_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fstat, calls = os.fstat, []

    def growing(descriptor: int) -> os.stat_result:
        calls.append(descriptor)
        if len(calls) == 2:
            put("2013-01.csv", "a\n1\n2\n")
        return fstat(descriptor)

    monkeypatch.setattr(land_module.os, "fstat", growing)
    with pytest.raises(SourceChangedError, match="from 4 to 6 bytes"):
        land_module.copy_unchanged(INCOMING / "2013-01.csv", RAW / "2013-01.csv")
    assert list(RAW.iterdir()) == []


def killed(*_arguments: object) -> None:
    raise KeyboardInterrupt


def land_killed_at(function: str, end: Callable[..., None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(land_module, function, end)
        with pytest.raises(KeyboardInterrupt):
            land(DEMO)


def test_landing_killed_before_the_pin_is_finished_by_the_next() -> None:
    land(DEMO)
    put("2013-03.csv", "a\n3\n")
    land_killed_at("pin_folder", killed)
    (RAW / ".2013-04.csv.abc.tmp").write_text("half")
    land(DEMO)
    assert land_module.read_pin(PIN) == land_module.pin_of(landed_files(RAW))
    assert len(landed()) == 3


def test_landing_killed_between_copies_is_finished_by_the_next() -> None:
    copy = land_module.copy_unchanged

    def second_is_killed(source: Path, target: Path) -> None:
        copy(source, target) if source.name == "2013-01.csv" else killed()

    land_killed_at("copy_unchanged", second_is_killed)
    assert (land(DEMO), len(landed())) == (["2013-02"], 2)
    assert land_module.read_pin(PIN) == land_module.pin_of(landed_files(RAW))


@pytest.mark.parametrize("missing", [["2013-01.csv"], ["2013-01.csv", "2013-02.csv"]])
def test_source_fills_a_clone_and_the_pin_stays(missing: list[str]) -> None:
    land(DEMO)
    before = PIN.read_bytes()
    for name in missing:
        (RAW / name).unlink()
    land(DEMO)
    assert (len(landed()), PIN.read_bytes()) == (2, before)


def test_clone_that_the_source_cannot_fill_is_never_pinned_anew() -> None:
    land(DEMO)
    before = PIN.read_bytes()
    shutil.rmtree(RAW)
    (INCOMING / "2013-01.csv").unlink()
    put("2013-03.csv", "a\n3\n")
    with pytest.raises(IncompleteRawError, match=r"dvc pull --force data/raw/demo\.dvc"):
        land(DEMO)
    assert PIN.read_bytes() == before


def test_edited_batch_is_never_pinned_anew() -> None:
    land(DEMO)
    before = PIN.read_bytes()
    (RAW / "2013-01.csv").write_text("a\n9\n")
    (INCOMING / "2013-01.csv").unlink()
    put("2013-03.csv", "a\n3\n")
    with pytest.raises(IncompleteRawError, match="missing or edited"):
        land(DEMO)
    assert PIN.read_bytes() == before


def test_lost_cache_does_not_stop_landing() -> None:
    land(DEMO)
    shutil.rmtree(".dvc/cache")
    put("2013-03.csv", "a\n3\n")
    assert land(DEMO) == ["2013-03"]


def test_landing_killed_before_the_first_pin_is_finished_without_the_source() -> None:
    land_killed_at("pin_folder", killed)
    shutil.rmtree(INCOMING)
    assert (land(DEMO), land_module.read_pin(PIN)) == ([], land_module.pin_of(landed_files(RAW)))


def test_interrupted_landing_never_pins_fewer_batches() -> None:
    land(DEMO)
    before = PIN.read_bytes()
    put("2013-03.csv", "a\n3\n")
    land_killed_at("pin_folder", killed)
    for name in ("2013-01.csv", "2013-02.csv"):
        (RAW / name).unlink()
        (INCOMING / name).unlink()
    with pytest.raises(IncompleteRawError):
        land(DEMO)
    assert PIN.read_bytes() == before


def test_every_refusal_is_a_holdfast_error() -> None:
    classes = (
        BatchNameError,
        ImmutableBatchError,
        IncompleteRawError,
        UnreadableFileError,
        SourceChangedError,
        SourceError,
    )
    assert all(issubclass(error, HoldfastError) for error in classes)


# ---- folders of files

FOLDERS = make_pipeline(
    {"a": {"type": "integer"}}, source={"path": "data/incoming/demo/*/*.csv", "batch": "folder", "stop_above": "100%"}
)


def put_in(folder: str, name: str, text: str) -> None:
    (INCOMING / folder).mkdir(exist_ok=True)
    put(f"{folder}/{name}", text)


def test_folders_land_as_they_are_and_are_pinned() -> None:
    put_in("2013-01", "a.csv", "a\n1\n")
    put_in("2013-01", "b.csv", "a\n2\n")
    put_in("2013-02", "a.csv", "a\n3\n")
    assert land(FOLDERS) == ["2013-01/a", "2013-01/b", "2013-02/a"]
    assert list(landed_files(RAW)) == ["2013-01/a.csv", "2013-01/b.csv", "2013-02/a.csv"]
    assert land_module.read_pin(PIN) == land_module.pin_of(landed_files(RAW))
    assert land(FOLDERS) == []


def test_file_that_comes_later_into_a_landed_folder_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    put_in("2013-01", "b.csv", "a\n1\n")
    land(FOLDERS)
    put_in("2013-01", "a.csv", "a\n2\n")
    assert land(FOLDERS) == ["2013-01/a"]
    told = "land: data/incoming/demo/2013-01/a.csv: a further file of batch '2013-01', which is made again\n"
    assert capsys.readouterr().out.endswith(told)


def test_landed_file_of_a_folder_does_not_change_unless_it_is_named() -> None:
    put_in("2013-01", "a.csv", "a\n1\n")
    land(FOLDERS)
    put_in("2013-01", "a.csv", "a\n2\n")
    with pytest.raises(ImmutableBatchError, match=r"holdfast land demo --replace 2013-01/a\.csv"):
        land(FOLDERS)
    assert land(FOLDERS, ["2013-01/a.csv"]) == ["2013-01/a"]
    assert (RAW / "2013-01/a.csv").read_text() == "a\n2\n"


def test_two_folders_of_one_name_do_not_land() -> None:
    wide = make_pipeline(
        {"a": {"type": "integer"}}, source={"path": "data/incoming/*/*/*.csv", "batch": "folder", "stop_above": "100%"}
    )
    for parent in ("demo", "other"):
        Path(f"data/incoming/{parent}/2013").mkdir(parents=True)
        Path(f"data/incoming/{parent}/2013/a.csv").write_text("a\n1\n")
    with pytest.raises(BatchNameError, match=r"would both land as '2013/a\.csv'"):
        land(wide)


def test_killed_landing_of_a_folder_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    put_in("2013-01", "a.csv", "a\n1\n")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(land_module, "pin_folder", killed)
        land(FOLDERS)
    (RAW / "2013-01/.a.csv.1-x.tmp").write_text("half")
    land(FOLDERS)
    assert land_module.read_pin(PIN) == land_module.pin_of(landed_files(RAW))
