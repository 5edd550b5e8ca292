"""Quarantine to the terminal and to a file, and back: corrected rows take the place of refused ones, once."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from configs.sections.source import DeclaredDialect
from tasks import land as land_module
from tasks import registry
from tasks.batch import landed_files
from tasks.quarantine.raw_rows import Layout, NotYetReadError, OtherFormatError, RawRows, rows_of_file
from tasks.quarantine.repair import RepairError, export_rows, repair
from tasks.quarantine.summary import UnknownRefusalError, grouped, refused_rows
from tasks.quarantine.superseded import Superseded, note
from tasks.table import read_batches
from tasks.version.storage import file_md5
from tests.conftest import enter_copy, holdfast
from tests.registered import land_here
from tests.test_cli import HEAVY, imported

RAW = Path("data/raw/diabetes")
INCOMING = Path("data/incoming/diabetes")


def declared() -> Any:
    from configs.load import load_pipeline

    return load_pipeline("diabetes")


def run_stages() -> None:
    """Ingest and validate as `holdfast run` would, so that dvc.lock says what was read."""
    from tasks.ledger import StageOutcome, open_repository, stages_called
    from tasks.stage import STAGES, run_stage

    with open_repository() as repository, stages_called(run_stage, {s: StageOutcome(s) for s in STAGES}):
        repository.reproduce(["validate@diabetes"])


@pytest.fixture(scope="module")
def dirty_project(landed_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose first batch has two rows that cannot be typed, one that does not part, one out of range; read."""
    folder = tmp_path_factory.mktemp("dirty")
    with pytest.MonkeyPatch.context() as patch:
        enter_copy(landed_project, folder, patch)
        source = min(INCOMING.iterdir())
        lines = source.read_text().splitlines()
        lines[5] = "abc," + lines[5].partition(",")[2]
        lines[9] = lines[9] + ",too much"
        lines[20] = "x," + lines[20].partition(",")[2]
        cells = lines[30].split(",")
        cells[lines[0].split(",").index("bmi")] = "999"
        lines[30] = ",".join(cells)
        source.write_text("\r\n".join(lines) + "\r\n")
        land_module.land(declared(), [source.name])
        run_stages()
    return folder / "project"


@pytest.fixture
def dirty(dirty_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That project to change, as the current directory."""
    return enter_copy(dirty_project, tmp_path, monkeypatch)


def raw_file() -> Path:
    return min(RAW.iterdir())


def edited(export: Path, **changes: dict[str, str]) -> Path:
    """The exported rows with other cells in some lines."""
    with export.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        names = list(reader.fieldnames or ())
    for row in rows:
        row.update(changes.get(f"line_{row['_line']}", {}))
    target = export.with_name("corrected.csv")
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return target


def corrected() -> Path:
    export_rows(declared(), refused_rows(declared()), Path("export.csv"))
    return edited(Path("export.csv"), line_6={"age": "50"}, line_31={"bmi": "25.5"})


def test_refused_rows_are_grouped_by_stage_reason_and_column(dirty: Path) -> None:
    groups = grouped(refused_rows(declared()))
    assert [(group.stage, group.reason, group.column, group.rows) for group in groups] == [
        ("ingest", "not_an_integer", "age", 2),
        ("ingest", "too_many_columns", None, 1),
        ("validate", "expect_column_values_to_be_between", "bmi", 1),
    ]
    assert groups[0].example is not None
    assert (groups[0].example.line, groups[0].example.raw.split(",")[0]) == (6, "abc")


def test_unknown_reason_is_told_with_the_nearest(dirty: Path) -> None:
    with pytest.raises(UnknownRefusalError, match="did you mean 'not_an_integer'"):
        refused_rows(declared(), reason="not_an_intger")


def test_command_tells_counts_and_an_example(dirty: Path) -> None:
    printed = holdfast(dirty, "quarantine", "diabetes", "--rows", "1")
    assert printed.returncode == 0, printed.stderr
    assert "not_an_integer" in printed.stdout
    assert f"{raw_file()}:6" in printed.stdout
    assert "4 rows in quarantine" in printed.stdout
    facts = json.loads(holdfast(dirty, "quarantine", "diabetes", "--json").stdout)
    assert (facts["rows"], facts["groups"][0]["batches"]) == (4, {raw_file().stem: 2})


def test_export_has_cells_or_the_text_of_each_row(dirty: Path) -> None:
    export_rows(declared(), refused_rows(declared()), Path("export.csv"))
    with Path("export.csv").open(newline="") as file:
        rows = {row["_line"]: row for row in csv.DictReader(file)}
    assert (rows["6"]["age"], rows["6"]["_raw"], rows["31"]["bmi"]) == ("abc", "", "999")
    assert (rows["10"]["age"], rows["10"]["_raw"].endswith(",too much")) == ("", True)


def test_repair_changes_those_rows_alone(dirty: Path) -> None:
    before = raw_file().read_bytes().split(b"\n")
    assert repair(declared(), corrected()) == {raw_file().stem: 2}
    after = raw_file().read_bytes().split(b"\n")
    assert [number for number, pair in enumerate(zip(before, after, strict=True), 1) if pair[0] != pair[1]] == [6, 31]
    assert after[5].startswith(b"50,")
    assert after[5].endswith(b"\r")


def test_repaired_rows_are_valid_and_the_sum_holds(dirty: Path) -> None:
    rows = read_batches(Path("data/valid/diabetes")).num_rows
    repair(declared(), corrected())
    run_stages()
    metrics = json.loads(Path("metrics/diabetes/validate.json").read_text())
    assert read_batches(Path("data/valid/diabetes")).num_rows == rows + 2
    assert metrics["rows_in"] == metrics["rows_out"] + metrics["rows_quarantined"]
    assert {row.line for row in refused_rows(declared())} == {10, 21}


def test_same_repair_again_does_nothing(dirty: Path) -> None:
    file = corrected()
    repair(declared(), file)
    pin = Path("data/raw/diabetes.dvc").read_bytes()
    assert (repair(declared(), file), Path("data/raw/diabetes.dvc").read_bytes()) == ({}, pin)


@pytest.mark.parametrize("step", ["copy_unchanged", "pin_folder"])
def test_killed_repair_is_completed_by_the_next(dirty: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    file = corrected()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(land_module, step, killed)
        repair(declared(), file)
    repair(declared(), file)
    land_module.land(declared())
    assert raw_file().read_bytes().split(b"\n")[5].startswith(b"50,")
    pin = land_module.read_pin(Path("data/raw/diabetes.dvc"))
    assert pin == land_module.pin_of(landed_files(RAW))


def test_source_with_the_old_bytes_does_not_land_again(dirty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repair(declared(), corrected())
    after = raw_file().read_bytes()
    assert land_module.land(declared()) == []
    assert "not taken: its rows were repaired" in capsys.readouterr().out
    assert raw_file().read_bytes() == after


def test_rows_left_as_exported_are_no_repair(dirty: Path) -> None:
    export_rows(declared(), refused_rows(declared()), Path("export.csv"))
    assert repair(declared(), Path("export.csv")) == {}


def test_row_that_is_not_in_quarantine_is_not_repaired(dirty: Path) -> None:
    text = corrected().read_text().replace(f"{raw_file().stem},6,", f"{raw_file().stem},7,")
    Path("other.csv").write_text(text)
    with pytest.raises(RepairError, match=r"line 7 of '.*' is not in quarantine"):
        repair(declared(), Path("other.csv"))


def test_repair_waits_for_the_run_that_reads_what_landed(dirty: Path) -> None:
    file = corrected()
    repair(declared(), file)
    other = Path("other.csv")
    other.write_text(file.read_text() + "\n")
    with pytest.raises(NotYetReadError, match="holdfast run diabetes"):
        repair(declared(), other)


def test_quarantine_imports_no_pandas(dirty: Path) -> None:
    assert imported(dirty, "quarantine", "diabetes") & set(HEAVY) == set()


def test_retrain_takes_a_repaired_batch_without_being_asked(registered: Path) -> None:
    name = raw_file().name
    corrected_file = Path("corrected") / name
    corrected_file.parent.mkdir()
    corrected_file.write_bytes(raw_file().read_bytes() + raw_file().read_bytes().splitlines(keepends=True)[-1])
    note("diabetes", [Superseded(name, file_md5(raw_file()) or "", "repaired", file_md5(corrected_file))])
    land_module.take_in("diabetes", {name: corrected_file}, [name])
    assert land_here() == [name]
    assert registry.events("diabetes")[-1]["replaced"] == [name]
    assert land_here() == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("age,bmi\n1,2\n", "no column '_batch', '_line'"),
        ("_batch,_line,age\ndiabetes,six,1\n", "no number in _line"),
        ("_batch,_line,age\nBATCH,6,1,2\n", "other columns than the header"),
        ("_batch,_line,age\nBATCH,6,1\n", "are expected"),
        ("_batch,_line,age\nnone,6,1\n", "no batch 'none' has landed"),
        ("_batch,_line,age\nBATCH,6,1\nBATCH,6,2\n", "a second time"),
        ('_batch,_line,age\nBATCH,6,"1\n', "not CSV in UTF-8"),
    ],
)
def test_file_that_is_no_repair_is_refused(dirty: Path, text: str, says: str) -> None:
    before = raw_file().read_bytes()
    Path("bad.csv").write_text(text.replace("BATCH", raw_file().stem))
    with pytest.raises(RepairError, match=says):
        repair(declared(), Path("bad.csv"))
    assert raw_file().read_bytes() == before


def test_missing_file_of_repairs_is_told(fresh_project: Path) -> None:
    result = holdfast(fresh_project, "land", "diabetes", "--repair", "nowhere.csv")
    assert result.returncode == 1
    assert "nowhere.csv: no such file" in result.stderr


def test_quarantine_before_any_run_says_what_to_do(fresh_project: Path) -> None:
    shutil.rmtree("data/quarantine", ignore_errors=True)
    result = holdfast(fresh_project, "quarantine", "diabetes")
    assert (result.returncode, "holdfast run diabetes" in result.stderr) == (1, True)


def test_row_of_many_lines_is_replaced_whole() -> None:
    rows = RawRows(b'a,b\n1,"x\ny"\n2,z\n', (2, 4), Layout(["a", "b"]))
    assert rows.text(2) == '1,"x\ny"'
    assert rows.changed({2: ["1", "q"]}) == b"a,b\n1,q\n2,z\n"


def test_row_left_out_takes_no_other_byte_with_it() -> None:
    rows = RawRows(b"a,b\r\n1,x\r\n2,\xff\n3,y", (2, 3, 4), Layout(["a", "b"]))
    assert rows.changed({2: None}) == b"a,b\r\n2,\xff\n3,y"
    assert rows.changed({4: None, 3: ["2", 'a "b"']}) == b'a,b\r\n1,x\r\n2,"a ""b"""\n'


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"name, age\nAda, 36\nAlan, 41\n", "spaces behind"),
        (("a,b\n" + "\u00e9,1\n" * 4).encode() + ("\u00e9t\u00e9,1\n" * 3).encode("cp1252"), "utf-8 and windows-1252"),
    ],
)
def test_file_that_is_rewritten_to_be_read_has_no_rows_to_change(content: bytes, found: str, tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_bytes(content)
    with pytest.raises(OtherFormatError, match=found):
        rows_of_file(file, DeclaredDialect())
