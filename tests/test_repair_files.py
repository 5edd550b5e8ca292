"""Repairs where a batch has rows of several files: a folder's, a month's; files of other columns, of other forms."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.sections.source import DeclaredDialect
from tasks import land as land_module
from tasks.batch import RAW, landed_files, name_of
from tasks.land import land, take_in
from tasks.quarantine.limit import TooManyRefusedError
from tasks.quarantine.raw_rows import NotYetReadError, OtherFormatError, compressed, rows_of_file
from tasks.quarantine.repair import RepairError, export_rows, repair
from tasks.quarantine.summary import refused_rows
from tasks.raw_files.dialect import Compression
from tasks.table import FILE, LINE, read_table
from tests.conftest import enter_copy, holdfast_here

SHOP, INCOMING = RAW / "shop", Path("data/incoming/shop")
YAML = """\
owner: {}
source: {path: "data/incoming/shop/*/*", batch: KIND, stop_above: 65%}
time: {column: at, timezone: America/New_York}
target: {name: y}
columns:
  at: {type: timestamp}
  x: {type: float}
  y: {type: float}
drop: [extra, note, _id]
expectations:
  - {expect_column_values_to_be_between: {column: y, min_value: 0}, otherwise: quarantine}
features: {}
encode: {}
split: {folds: 2, holdout: 1 batch}
train: {rounds: 5, audit: warn}
evaluate: {}
drift: {}
retrain: {}
gate: {}
"""
FILES = {
    "2013-01/north.csv": "at,x,y\n2013-01-02,1,1\n2013-01-03,one,2\n2013-02-04,3,-3\n2013-01-05,4,4\n",
    "2013-01/south.csv": "_id;at;note;extra;x;y\n"
    + "".join(f'{row};2013-01-0{row};"a\nb";q;{row};{row}\n' for row in range(1, 8))
    + '8;;"a\nb";q;eight;8\n9;2013-02-09;"c\nd";q;nine;9\n10;2013-02-10;"c\nd";q;10;-1\n',
    "2013-02/nord.csv": "at,x,y\n2013-02-02,1\n2013-02-03,2,2\n2013-01-31,3,3\n\n",
    "2013-02/sud.csv.gz": "at,x,y\n2013-02-05,five,5\n2013-02-06,6,6\n",
    "2013-02/west.jsonl": '{"at": "2013-02-07", "x": "seven", "y": 7}\n{"at": "2013-02-08", "x": 8, "y": 8}\n',
}
CORRECTED: Mapping[tuple[str, int], dict[str, str]] = {
    ("north.csv", 3): {"x": "2"},
    ("north.csv", 4): {"y": "3"},
    ("south.csv", 16): {"at": "2013-02-08", "x": "8", "note": "in one line"},
    ("south.csv", 18): {"x": "9"},
    ("south.csv", 20): {"y": "10"},
    ("nord.csv", 2): {"at": "2013-02-02", "x": "1", "y": "1"},
    ("sud.csv.gz", 2): {"x": "5"},
}


def put(files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (INCOMING / name).parent.mkdir(parents=True, exist_ok=True)
        (INCOMING / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())


def landed(name: str) -> Path:
    """Where a file of the source has landed: in its folder where folders are batches."""
    (file,) = SHOP.rglob(name.rpartition("/")[2])
    return file


def text_of(file: Path) -> str:
    content = file.read_bytes()
    return (gzip.decompress(content) if file.suffix == ".gz" else content).decode()


def path_of(name: str) -> str:
    """The path that a file has landed at, and its name in messages, with its extension."""
    return landed(name).relative_to(SHOP).as_posix()


def declared() -> Any:
    from configs.load import load_pipeline

    return load_pipeline("shop")


def run_stages() -> None:
    """Ingest and validate as `holdfast run` would, so that dvc.lock says what was read."""
    from tasks.ledger import StageOutcome, open_repository, stages_called
    from tasks.stage import STAGES, declaration, run_stage

    declaration.cache_clear()
    with open_repository() as repository, stages_called(run_stage, {s: StageOutcome(s) for s in STAGES}):
        repository.reproduce(["validate@shop"])


@pytest.fixture(scope="module", params=["folder", "month"])
def read_project(
    request: pytest.FixtureRequest, landed_project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project whose batches have rows of several files, with rows that are refused in all of them; read once."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        enter_copy(landed_project, folder, patch)
        Path("params.yaml").write_text("pipelines:\n  - shop\n")
        Path("configs/shop.yaml").write_text(YAML.replace("KIND", request.param))
        put(FILES)
        land(declared())
        run_stages()
    return folder / "project"


@pytest.fixture
def shop(read_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That project to change, as the current directory."""
    return enter_copy(read_project, tmp_path, monkeypatch)


def exported() -> dict[tuple[str, int], dict[str, str]]:
    """The refused rows as they are exported, by name of their file and line."""
    export_rows(declared(), refused_rows(declared()), Path("export.csv"))
    with Path("export.csv").open(newline="") as file:
        return {(Path(row[FILE]).name, int(row[LINE])): row for row in csv.DictReader(file)}


def written(rows: list[dict[str, str]]) -> Path:
    """A file of repairs."""
    with Path("corrected.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return Path("corrected.csv")


def corrected() -> Path:
    return written([row | CORRECTED.get(key, {}) for key, row in exported().items()])


def valid_rows() -> list[tuple[Any, ...]]:
    """Valid rows by batch and file, without their lines: a repair may take fewer lines than the row before."""
    files = sorted(Path("data/valid/shop").iterdir())
    return [(file.stem, *(row[name] for name in (FILE, "at", "x", "y"))) for file in files for row in table(file)]


def table(file: Path) -> list[dict[str, Any]]:
    return list(read_table(file).to_pylist())


def by_hand(name: str, text: str) -> str:
    """A slow, obvious repair: every row that is to be corrected is written anew, the others as they stand."""
    delimiter = ";" if name.endswith("south.csv") else ","
    lines = text.split("\n")
    for (file, line), cells in sorted(CORRECTED.items(), reverse=True):
        if file != Path(name).name:
            continue
        rows = 2 if '"' in lines[line - 1] else 1
        (found,) = csv.reader(io.StringIO("\n".join(lines[line - 1 : line - 1 + rows])), delimiter=delimiter)
        names = lines[0].split(delimiter)
        row = dict(zip(names, found, strict=False)) | cells
        text_of_row = io.StringIO()
        csv.writer(text_of_row, delimiter=delimiter, lineterminator="\n").writerow([row[each] for each in names])
        lines[line - 1 : line - 1 + rows] = [text_of_row.getvalue().removesuffix("\n")]
    return "\n".join(lines)


def test_all_files_are_exported_with_all_columns(shop: Path) -> None:
    rows = exported()
    assert rows.keys() == CORRECTED.keys()
    assert list(next(iter(rows.values())))[6:] == ["at", "x", "y", "_id", "note", "extra"]
    assert (rows["north.csv", 3]["extra"], rows["south.csv", 18]["note"]) == ("", "c\nd")


def test_rows_that_cannot_be_changed_one_by_one_are_told(shop: Path) -> None:
    printed = holdfast_here("quarantine", "shop", "--export", "export.csv")
    assert f"1 rows of {name_of(path_of('west.jsonl'))!r} left out: " in printed.stdout, printed.stderr
    assert "export.csv: 7 rows written" in printed.stdout
    printed = holdfast_here("quarantine", "shop", "--reason", "too_few_columns", "--export", "export.csv")
    assert "export.csv: 1 rows written" in printed.stdout


def test_repaired_files_are_as_corrected_by_hand(shop: Path) -> None:
    counts = {"north.csv": 2, "south.csv": 3, "nord.csv": 1, "sud.csv.gz": 1}
    assert repair(declared(), corrected()) == {name_of(path_of(name)): rows for name, rows in counts.items()}
    assert {name: text_of(landed(name)) for name in FILES} == {
        name: by_hand(name, text) for name, text in FILES.items()
    }


def test_repaired_rows_take_the_place_of_refused_ones_and_the_sum_holds(shop: Path) -> None:
    before = json.loads(Path("metrics/shop/ingest.json").read_text())
    repair(declared(), corrected())
    run_stages()
    after, valid = (json.loads(Path(f"metrics/shop/{stage}.json").read_text()) for stage in ("ingest", "validate"))
    assert before["rows_in"] == after["rows_in"] == after["rows_out"] + after["rows_quarantined"]
    assert (after["rows_quarantined"], valid["rows_quarantined"]) == (1, 0)
    assert [row.file for row in refused_rows(declared())] == [str(landed("west.jsonl"))]
    repaired = valid_rows()
    put({name: by_hand(name, text) for name, text in FILES.items()})
    land(declared(), [path_of(name) for name in FILES if name != "2013-02/west.jsonl"])
    run_stages()
    assert repaired == valid_rows()


def test_only_batches_of_repaired_files_are_made_again(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row | CORRECTED[key] for key, row in exported().items() if key[0] == "north.csv"]
    repair(declared(), written(rows))
    capsys.readouterr()
    run_stages()
    assert "2 batches of 5 files, 1 of them read anew" in capsys.readouterr().out


def test_killed_repair_of_several_files_is_completed_by_the_next(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, copy = corrected(), land_module.copy_unchanged
    copied: list[Path] = []

    def killed_at_the_third(source: Path, target: Path) -> None:
        if len(copied) == 2:
            raise KeyboardInterrupt
        copied.append(target)
        copy(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(land_module, "copy_unchanged", killed_at_the_third)
        repair(declared(), file)
    assert landed("south.csv") in copied  # where lines moved, so that lines of the last run mean others now
    repair(declared(), file)
    assert {name: text_of(landed(name)) for name in FILES} == {
        name: by_hand(name, text) for name, text in FILES.items()
    }
    assert land_module.read_pin(Path(f"{SHOP}.dvc")) == land_module.pin_of(landed_files(SHOP))


def test_repair_killed_before_the_pin_is_pinned_by_the_next(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    file = corrected()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(land_module, "pin_folder", killed)
        repair(declared(), file)
    assert repair(declared(), file) == {}
    assert land_module.read_pin(Path(f"{SHOP}.dvc")) == land_module.pin_of(landed_files(SHOP))


def test_another_repair_after_a_killed_one_waits_for_a_run(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    file = corrected()
    other = Path("other.csv")
    other.write_text(file.read_text() + "\n")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(land_module, "pin_folder", killed)
        repair(declared(), file)
    with pytest.raises(NotYetReadError, match="holdfast run shop"):
        repair(declared(), other)


def test_cell_of_a_column_that_its_file_has_not_is_refused(shop: Path) -> None:
    rows = exported()
    rows["north.csv", 3] |= {"x": "2", "extra": "no"}
    with pytest.raises(RepairError, match=r"line 3 of '.*north' has 'no' in column 'extra', which that file has"):
        repair(declared(), written([*rows.values()]))


def test_file_that_never_landed_is_told(shop: Path) -> None:
    rows = [row | {FILE: f"{SHOP}/2013-01/east.csv", "x": "2"} for row in exported().values()][:1]
    with pytest.raises(RepairError, match="no file '2013-01/east' has landed"):
        repair(declared(), written(rows))


# ---- after a run that `source.stop_above` ended


def stopped() -> None:
    """A further file of which most rows are refused, and the run that it ends."""
    put({"2013-02/zone.csv": "at,x,y\n2013-02-01,a,1\n2013-02-02,b,2\n2013-02-03,3,3\n"})
    land(declared())
    from dvc.exceptions import ReproductionError

    with pytest.raises((TooManyRefusedError, ReproductionError)):
        run_stages()


def test_rows_that_ended_a_run_are_repaired(shop: Path) -> None:
    stopped()
    export_rows(declared(), refused_rows(declared(), stopped=True), Path("export.csv"), stopped=True)
    with Path("export.csv").open(newline="") as file:
        rows = [row | {"x": "7"} for row in csv.DictReader(file)]
    assert repair(declared(), written(rows)) == {name_of(path_of("zone.csv")): 2}
    run_stages()
    assert landed("zone.csv").read_text() == "at,x,y\n2013-02-01,7,1\n2013-02-02,7,2\n2013-02-03,3,3\n"
    assert str(landed("zone.csv")) not in {row.file for row in refused_rows(declared())}


def test_rows_of_an_ended_run_wait_where_other_bytes_have_landed(shop: Path) -> None:
    stopped()
    put({"2013-02/zone2.csv": "at,x,y\n2013-02-01,1,1\n"})
    land(declared())
    with pytest.raises(NotYetReadError, match="holdfast run shop"):
        export_rows(declared(), refused_rows(declared(), stopped=True), Path("export.csv"), stopped=True)


def test_file_that_cannot_be_read_is_told_by_its_landed_path(shop: Path) -> None:
    put({"2013-02/zone.csv": "at,x,y\n"})
    land(declared())
    from tasks.ingest import main
    from tasks.stage import declared_sections

    with pytest.raises(Exception, match=f"holdfast land shop --replace {path_of('zone.csv')}"):
        main(declared().limited_to("ingest", declared_sections("ingest")))


# ---- one file


@given(data=st.data())
def test_file_with_changed_rows_is_what_a_writer_makes_of_all_rows(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cell = st.text(st.sampled_from('ab,"\n;. 7'), max_size=5)
    rows = data.draw(st.lists(st.lists(cell, min_size=3, max_size=3), min_size=2, max_size=8))
    rows = [[f"r{number}{row[0]}", *row[1:]] for number, row in enumerate(rows)]
    changes = data.draw(st.dictionaries(st.integers(0, len(rows) - 1), st.lists(cell, min_size=3, max_size=3)))
    changes = {number: [f"s{row[0]}", *row[1:]] for number, row in changes.items()}
    end, tail = data.draw(st.sampled_from(["\n", "\r\n"])), data.draw(st.sampled_from(["", "\n", "\n\n"]))
    compressions: tuple[Compression, ...] = ("none", "gzip", "zstd")
    compression = data.draw(st.sampled_from(compressions))
    file = tmp_path_factory.mktemp("written") / "f.csv"
    texts = [in_csv(row, end) for row in rows]
    file.write_bytes(compressed(("p,q,r" + end + "".join(texts) + tail).encode(), compression))
    found = rows_of_file(file, DeclaredDialect(delimiter=",", quote='"', header=1, preamble=0, encoding="utf-8"))
    lines = {number: 2 + "".join(texts[:number]).count("\n") for number in range(len(rows))}
    new = "".join(in_csv(changes[number], end) if number in changes else texts[number] for number in range(len(rows)))
    expected = compressed(("p,q,r" + end + new + tail).encode(), compression)
    assert found.changed({lines[number]: row for number, row in changes.items()}) == expected


def in_csv(row: list[str], end: str) -> str:
    """A row as the `csv` module writes it; line ends inside of cells are LF."""
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerow(row)
    return text.getvalue()


def test_last_row_takes_no_footer_with_it(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_bytes(b"a,b\n1,x\n2,y\nexported on Monday,\n\n\x1a")
    rows = rows_of_file(file, DeclaredDialect(footer=1))
    assert rows.changed({3: ["2", "z"]}) == b"a,b\n1,x\n2,z\nexported on Monday,\n\n\x1a"


def test_column_that_stands_twice_stays_as_it_is(tmp_path: Path) -> None:
    from tasks.quarantine.repair import changed_cells

    file = tmp_path / "f.csv"
    file.write_bytes(b"a,b,b\nx,2,3\n")
    rows = rows_of_file(file, DeclaredDialect())
    assert changed_cells(rows, {2: {"a": "x", "b": "3"}}, "f", file) == {}
    assert changed_cells(rows, {2: {"a": "1", "b": "3"}}, "f", file) == {2: ["1", "2", "3"]}


def test_rows_of_one_file_that_cannot_be_changed_are_an_error(shop: Path) -> None:
    only = [row for row in refused_rows(declared()) if row.file.endswith("west.jsonl")]
    with pytest.raises(OtherFormatError, match="this is json_lines"):
        export_rows(declared(), only, Path("export.csv"))


def test_nothing_new_lands_where_nothing_was_killed(shop: Path) -> None:
    pin = Path(f"{SHOP}.dvc").read_bytes()
    assert (take_in("shop", {}), Path(f"{SHOP}.dvc").read_bytes()) == ([], pin)


def test_row_is_left_out_of_a_compressed_file(tmp_path: Path) -> None:
    file = tmp_path / "f.csv.gz"
    file.write_bytes(gzip.compress(b"a,b\n1,x\n2,y\n3,z\n"))
    assert gzip.decompress(rows_of_file(file, DeclaredDialect()).changed({3: None})) == b"a,b\n1,x\n3,z\n"
