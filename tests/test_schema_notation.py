"""`holdfast schema` where a file is written otherwise overnight: what changed, what to declare, what is accepted."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from configs.load import check_pipeline
from configs.sections.columns import Column
from flows.schema_cli import app
from tasks.contract.notation import Proposal, SeenCells, are_many, is_widening, typed

RAW = Path("data/raw/homes")
YAML = """\
owner: {}
source: {path: "data/incoming/homes/*.csv"}
time: {}
target: {name: price}
columns:
  price: {type: float}   # in full
  rooms: {type: integer}
  fresh: {type: boolean}
  sold: {type: date}
  at: {type: timestamp}
  cost: {type: decimal, scale: 2}
  kind: {type: category}
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
Cell = Callable[[int], str]
AS_DECLARED: dict[str, Cell] = {
    "price": lambda row: f"{row * 1234.5}",
    "rooms": lambda row: f"{row * 431}",
    "fresh": lambda row: ["true", "no"][row % 2],
    "sold": lambda row: f"2013-{row % 12 + 1:02}-{row % 28 + 1:02}",
    "at": lambda row: f"2013-{row % 12 + 1:02}-{row % 28 + 1:02} 10:{row:02}:00",
    "cost": lambda row: f"{row}.25",
    "kind": lambda row: ["flat", "maison d\u00e9labr\u00e9e"][row % 2],
}
COMMAS = str.maketrans(",.", ".,")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    RAW.mkdir(parents=True)
    Path("configs/homes").mkdir(parents=True)
    Path("configs/homes/__init__.py").touch()
    Path("params.yaml").write_text("pipelines: [homes]\n")
    Path("configs/homes.yaml").write_text(YAML)
    put("a")


def text(delimiter: str = ",", **others: Cell) -> str:
    """A table of 40 rows, some of its columns otherwise."""
    cells = AS_DECLARED | others
    rows = [[*cells], *([cell(row) for cell in cells.values()] for row in range(1, 41))]
    quoted = [[f'"{each}"' if delimiter in each else each for each in row] for row in rows]
    return "".join(f"{delimiter.join(row)}\n" for row in quoted)


def put(
    name: str, delimiter: str = ",", encoding: str = "utf-8", others: dict[str, Cell] | None = None, **more: Cell
) -> None:
    (RAW / f"{name}.csv").write_bytes(text(delimiter, **(others or {}), **more).encode(encoding))


def schema(*options: str) -> Result:
    return CliRunner().invoke(app, ["homes", *options], catch_exceptions=False, env={"COLUMNS": "400"})


def found(*options: str) -> list[dict[str, Any]]:
    return list(json.loads(schema("--json", *options).output))


WIDER = [
    ({"price": lambda row: f"{row * 1234.5:,}"}, 'thousands: ","'),
    ({"rooms": lambda row: f"{row * 431:,}"}, 'thousands: ","'),
    ({"rooms": lambda row: f"{row * 431:,}".replace(",", " ")}, 'thousands: " "'),
    ({"price": lambda row: f"{row}.5 kg"}, "marks: [kg]"),
    ({"price": lambda row: f"-${row}.5"}, 'marks: ["$"]'),
    ({"rooms": lambda row: f" {row}"}, 'marks: [" "]'),
    ({"price": lambda row: "N/A" if row == 3 else f"{row}"}, 'nulls: ["", "N/A"]'),
    ({"sold": lambda row: "-" if row == 3 else "2013-01-02"}, 'nulls: ["", "-"]'),
    ({"rooms": lambda row: "unknown" if row < 5 else f"{row}"}, 'nulls: ["", unknown]'),
    ({"fresh": lambda row: ["true", "NULL"][row % 2]}, 'nulls: ["", NULL]'),
    ({"rooms": lambda row: f"{row}.5"}, "type: float"),
    ({"rooms": lambda row: f"{row}.0" if row % 2 else f"{row}"}, "type: float"),
    ({"cost": lambda row: f"{row}.255"}, "scale: 3"),
]


@pytest.mark.parametrize(("others", "keys"), WIDER)
def test_notation_that_reads_more_is_told_accepted_and_fits_all_batches(others: dict[str, Cell], keys: str) -> None:
    put("b", others=others)
    (told,) = found()
    assert (told["kind"], told["column"], told["batches"]) == ("schema_other_notation", *others, ["b"])
    assert told["found"].endswith(f"; declare {keys}")
    assert (schema("--accept").exit_code, schema().exit_code) == (0, 0)
    assert "# in full" in Path("configs/homes.yaml").read_text()


OTHER = [
    ({"price": lambda row: f"{row * 1.5}".replace(".", ",")}, 'decimal: ","', {"decimal": ","}),
    (
        {"price": lambda row: f"{row * 1234.5:,.2f}".translate(COMMAS)},
        'decimal: ",", thousands: "."',
        {"decimal": ",", "thousands": "."},
    ),
    ({"cost": lambda row: f"{row},25"}, 'decimal: ","', {"decimal": ","}),
    ({"sold": lambda row: f"{row % 28 + 1}.{row % 12 + 1}.2013"}, 'format: "%d.%m.%Y"', {"format": "%d.%m.%Y"}),
    ({"sold": lambda row: "20130204" if row % 2 else "20131231"}, 'format: "%Y%m%d"', {"format": "%Y%m%d"}),
    (
        {"sold": lambda row: f"2013-{row % 12 + 1:02}-01 00:00:00"},
        'format: "%Y-%m-%d %H:%M:%S"',
        {"format": "%Y-%m-%d %H:%M:%S"},
    ),
    ({"sold": lambda row: f"2013-01-{row % 28 + 1:02}T10:00:00Z"}, "type: timestamp", {"type": "timestamp"}),
    ({"at": lambda row: f"{1370000000 + row * 999}"}, 'format: "epoch_s"', {"format": "epoch_s"}),
    ({"at": lambda row: f"1/{row % 28 + 1}/2013 10:00"}, 'format: "%m/%d/%Y %H:%M"', {"format": "%m/%d/%Y %H:%M"}),
]


@pytest.mark.parametrize(("others", "keys", "declared"), OTHER)
def test_notation_that_reads_none_of_the_earlier_batches_stays_open(
    others: dict[str, Cell], keys: str, declared: dict[str, str]
) -> None:
    put("b", others=others)
    (name,), (told,) = others, found()
    assert (told["column"], told["found"].rpartition("; ")[2]) == (name, f"declare {keys}")
    result = schema("--accept")
    assert (result.exit_code, f"'{name}': 'b' would be read with {keys}, which does not read 'a'" in result.output) == (
        1,
        True,
    )
    assert Path("configs/homes.yaml").read_text() == YAML
    assert (schema("--accept", "--batch", "b").exit_code, schema("--batch", "b").exit_code) == (0, 0)
    column = check_pipeline("homes").columns[name]
    assert {key: getattr(column, key) for key in declared} == declared


UNSURE = [
    ({"price": lambda row: f"{row},234"}, 'decimal: "," or thousands: ",": as other numbers; say which'),
    ({"price": lambda row: f"{row}.5%"}, 'marks: ["%"] reads 5% as 5; declare it if that is what was meant before'),
    ({"price": lambda row: f"{row}.5k"}, "no declaration was found that reads them"),
    ({"price": lambda row: f"{row}.5" if row % 2 else f"{row},5"}, "no declaration was found that reads them"),
    ({"price": lambda row: f"{row} kg" if row % 2 else f"{row} lb"}, "no declaration was found that reads them"),
    ({"fresh": lambda row: ["Ja", "Nein"][row % 2]}, "else declare it as category"),
    ({"sold": lambda row: f"0{row % 9 + 1}/0{row % 9 + 1}/2013"}, "read them alike; declare date and the right format"),
]


@pytest.mark.parametrize(("others", "why"), UNSURE)
def test_what_nobody_can_say_is_told_and_never_written(others: dict[str, Cell], why: str) -> None:
    put("b", others=others)
    (told,) = found()
    assert why in told["found"]
    result = schema("--accept", "--batch", "b")
    assert (result.exit_code, why in result.output, Path("configs/homes.yaml").read_text()) == (1, True, YAML)


def test_comparison_says_what_accepting_would_write_and_what_it_would_not() -> None:
    put("b", rooms=lambda row: f"{row * 431:,}", price=lambda row: f"{row},5")
    lines = [line.strip() for line in schema("--diff").output.splitlines()]
    assert "column 'rooms': thousands: \",\"" in lines
    assert any(line.startswith("column 'price': 'b' would be read with") for line in lines)


def test_many_different_cells_are_no_few(tmp_path: Path) -> None:
    cells = SeenCells(Column(type="float"), "UTC")
    cells.take(pa.chunked_array([[f"{number},5" for number in range(300_000)]]))
    cells.judge()
    assert (cells.refused, cells.proposal) == (300_000, Proposal({"decimal": ","}))
    assert (cells.read, cells.unread) == ({}, {})


def test_ways_that_contradict_each_other_are_not_accepted() -> None:
    put("b", rooms=lambda row: f"{row * 431:,}")
    put("c", rooms=lambda row: f"{row * 431:,}".replace(",", " "))
    result = schema("--accept")
    assert (result.exit_code, Path("configs/homes.yaml").read_text()) == (1, YAML)
    assert 'column \'rooms\': thousands: "," in some, thousands: " " in c' in result.output


def test_widest_of_several_ways_is_accepted() -> None:
    put("b", cost=lambda row: f"{row}.2555", price=lambda row: f"${row}")
    put("c", cost=lambda row: f"{row}.255", price=lambda row: "-" if row == 3 else f"{row} kg")
    assert (schema("--accept").exit_code, schema().exit_code) == (0, 0)
    price = check_pipeline("homes").columns["price"]
    assert (price.marks, price.nulls, check_pipeline("homes").columns["cost"].scale) == (("$", "kg"), ("", "-"), 4)


def test_what_other_files_told_is_held_of_a_file_that_leaves_it_open() -> None:
    put("b", price=lambda row: f"{row},5")
    put("c", price=lambda row: f"{row},234")
    put("d", price=lambda row: f"{row},75")
    (told,) = found()
    assert (told["batches"], told["found"].rpartition("; ")[2]) == (["b", "c", "d"], 'declare decimal: ","')


def test_single_broken_cell_of_a_small_file_is_no_change() -> None:
    put("b", rooms=lambda row: "1o" if row == 3 else f"{row}")
    (RAW / "b.csv").write_text((RAW / "b.csv").read_text() + "1,2\n")
    assert (schema().exit_code, "as configs/homes.yaml declares" in schema().output) == (0, True)


def test_broken_cell_hides_no_other_notation() -> None:
    put("b", price=lambda row: "abc1" if row == 7 else f"{row},5")
    (told,) = found()
    assert told["found"].endswith('declare decimal: "," (reads all but 1 of 40)')


def test_single_broken_cells_are_no_change_of_notation() -> None:
    Path("configs/homes.yaml").write_text(YAML.replace("type: integer", "type: integer, max: 100000"))
    lines = [f"{row * 1.5},{'1o' if row == 3 else row},true,2013-01-02,2013-01-02,1,x" for row in range(1, 400)]
    (RAW / "b.csv").write_text("\n".join([",".join(AS_DECLARED), *lines]) + "\n")
    assert (schema().exit_code, schema().output.count("schema_other_notation")) == (0, 0)


def test_cells_beyond_the_bounds_are_told_as_that() -> None:
    Path("configs/homes.yaml").write_text(YAML.replace("type: integer", "type: integer, max: 20000"))
    put("b", rooms=lambda row: f"{row * 1000}")
    (told,) = found()
    assert (told["column"], told["found"].rpartition("; ")[2]) == ("rooms", "beyond the declared bounds")
    assert "20 of 40 cells are refused (above_max), such as '21000'" in told["found"]


def test_private_cells_are_not_shown() -> None:
    private = YAML.replace("  price:", "  pin: {type: integer, private: true}\n  price:").replace(
        "drop: {}", "drop: [pin]"
    )
    Path("configs/homes.yaml").write_text(private)
    (RAW / "a.csv").unlink()
    put("b", pin=lambda row: f"secret{row}")
    assert "secret" not in schema().output + schema("--accept").output


# ---- how files are written


@pytest.mark.parametrize(("delimiter", "encoding", "told"), [(";", "utf-8", "';'"), (",", "cp1252", "windows-1252")])
def test_other_dialect_that_is_detected_is_told_and_harmless(delimiter: str, encoding: str, told: str) -> None:
    for name in "bc":
        put(name)
    put("d", delimiter, encoding)
    (each,) = found()
    assert (each["kind"], each["batches"], each["is_change"], told in each["found"]) == ("dialect", ["d"], False, True)
    assert schema().exit_code == 0


def test_declared_delimiter_that_is_another_is_told_with_what_to_declare() -> None:
    Path("configs/homes.yaml").write_text(YAML.replace('csv"}', 'csv", dialect: {delimiter: ","}}'))
    put("b", ";")
    (told,) = found()
    assert (told["kind"], told["batches"]) == ("unreadable_records", ["b"])
    assert 'declare source.dialect: {delimiter: ";"}, or leave delimiter out: it is detected then' in told["found"]
    assert (schema("--accept").exit_code, "source.dialect" in schema("--accept").output) == (1, True)


def test_declared_encoding_that_is_another_is_told_with_what_to_declare() -> None:
    Path("configs/homes.yaml").write_text(YAML.replace('csv"}', 'csv", dialect: {encoding: utf-8}}'))
    put("b", encoding="cp1252")
    told = next(each for each in found() if each["kind"] == "unreadable_records")
    assert "20 of 40 records are no row (not_utf8 20), as in line 2" in told["found"]
    assert "declare source.dialect: {encoding:" in told["found"]


def test_file_that_is_no_table_is_told_beside_the_others() -> None:
    with zipfile.ZipFile(RAW / "b.csv", "w") as file:
        file.writestr("sheet.xml", "<x/>")
    put("c", rooms=lambda row: f"{row}.5")
    assert [(each["kind"], each["batches"]) for each in found()] == [
        ("unreadable", ["b"]),
        ("schema_other_notation", ["c"]),
    ]
    result = schema("--accept")
    assert (result.exit_code, check_pipeline("homes").columns["rooms"].type) == (1, "float")


# ---- what is proposed


TEXTS = st.lists(
    st.from_regex(r"[+-]?[0-9]{1,4}([.,' ][0-9]{1,3}){0,2}( ?(kg|%|\$|k))?|NA|-|x", fullmatch=True), min_size=1
)
COLUMNS: st.SearchStrategy[Column] = st.builds(
    lambda type_, separators, marks: Column(
        type=type_,
        decimal="." if type_ == "integer" else separators[0],
        thousands=separators[1],
        marks=marks,
        scale=1 if type_ == "decimal" else None,
    ),
    st.sampled_from(["integer", "float", "decimal"]),
    st.sampled_from([(".", None), (",", None), (".", ","), (",", "."), (".", " ")]),
    st.sampled_from([(), ("$",)]),
)


def proposal_of(texts: list[str], column: Column) -> Proposal | None:
    cells = SeenCells(column, "UTC")
    cells.take(pa.chunked_array([texts]))
    cells.judge()
    return cells.proposal


@settings(max_examples=40, deadline=None)
@given(TEXTS, COLUMNS)
def test_proposed_declaration_leaves_single_cells_at_the_most(texts: list[str], column: Column) -> None:
    proposal = proposal_of(texts, column)
    if proposal is None or not proposal.keys:
        return
    changed = column.model_copy(update=dict(proposal.keys))
    given_texts = [each for each in texts if each not in changed.nulls]
    refused = typed(pa.array(given_texts, pa.string()), changed, "UTC")[1]
    assert not are_many(len(refused), len(texts))


@settings(max_examples=40, deadline=None)
@given(TEXTS, COLUMNS)
def test_widening_declaration_reads_all_that_was_read_as_the_same(texts: list[str], column: Column) -> None:
    proposal = proposal_of(texts, column)
    if proposal is None or not is_widening(column, proposal.keys):
        return
    before = typed(pa.array(texts, pa.string()), column, "UTC")[0].to_pylist()
    after = typed(pa.array(texts, pa.string()), column.model_copy(update=dict(proposal.keys)), "UTC")[0].to_pylist()
    assert [new for old, new in zip(before, after, strict=True) if old is not None] == [
        old for old in before if old is not None
    ]
