"""`holdfast schema`: how landed batches differ from the YAML, and the YAML that has the new contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from configs.load import check_pipeline, read_yaml
from configs.schema import Pipeline
from flows.schema_cli import app
from tasks.contract.accepted import NewContract, UnacceptableError, edited

RAW = Path("data/raw/homes")
YAML = """\
# What a home costs.
owner: {}
source:   {path: "data/incoming/homes/*.csv"}   # from the agency
time: {}
target: {name: price}
columns:
  # asked for by the agency
  price: {type: float, unit: 'EUR'}   # in full
  rooms: {type: integer}
  kind: {type: category, levels: [flat, house]}   # as in the deed

# nothing below is about columns
drop: [note]   # free text
expectations: {}
features: {}
encode: {}
split:   {holdout: 20%}
train: {}
evaluate: {}
drift: {}
retrain: {}
gate: {}
"""
SOUND = "price,rooms,kind\n1.5,3,flat\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    RAW.mkdir(parents=True)
    Path("configs/homes").mkdir(parents=True)
    Path("configs/homes/__init__.py").touch()
    Path("params.yaml").write_text("pipelines: [homes]\n")
    Path("configs/homes.yaml").write_text(YAML)


def put(text: str, name: str = "a") -> None:
    (RAW / f"{name}.csv").write_text(text)


def schema(*options: str) -> Result:
    return CliRunner().invoke(app, ["homes", *options], catch_exceptions=False)


def declared() -> Pipeline:
    return check_pipeline("homes")


def yaml_of() -> str:
    return Path("configs/homes.yaml").read_text()


def test_batches_as_declared_end_with_0() -> None:
    put(SOUND)
    result = schema("--diff")
    assert (result.exit_code, "1 batches are as configs/homes.yaml declares" in result.output) == (0, True)


def test_another_order_is_told_and_ends_with_0() -> None:
    put("rooms,kind,price\n3,flat,1.5\n")
    put("kind,price,rooms\nflat,1.5,3\n", "b")
    result = schema()
    assert (result.exit_code, "schema_reordered" in result.output) == (0, True)


def test_each_difference_is_a_row_and_ends_with_1() -> None:
    put(SOUND)
    put("price,Rooms,kind,built\n1.5,3.0,barn,1999-01-01\n", "b")
    put("price,rooms,kind\n1.5,3.0,flat\n1.5,4.0,flat\n", "c")
    result = schema("--json")
    found = {(each["kind"], each["column"]): (each["found"], each["batches"]) for each in json.loads(result.output)}
    assert result.exit_code == 1
    assert found == {
        ("schema_renamed_column", "rooms"): ("'Rooms'", ["b"]),
        ("schema_new_column", "built"): ("looks like date", ["b"]),
        ("schema_integer_became_float", "rooms"): ("floats, such as '3.0'", ["b", "c"]),
        ("schema_new_level", "kind"): ("'barn'", ["b"]),
    }


def test_only_the_named_batch_is_compared() -> None:
    put(SOUND)
    put("price,rooms\n1,2\n", "b")
    assert [schema("--batch", name).exit_code for name in ("a", "b")] == [0, 1]


def test_unknown_batch_is_refused_with_the_nearest() -> None:
    from configs.errors import DataError

    put(SOUND, "2013-01")
    with pytest.raises(DataError, match="no batch '2013-1'; did you mean '2013-01'"):
        schema("--batch", "2013-1")


def test_accepted_contract_makes_all_batches_fit() -> None:
    put("price,ROOMS,built,kind\n1.5,3,1999-01-01,barn\n2,4,NA,flat\n")
    assert schema("--accept").exit_code == 0
    assert schema("--diff").exit_code == 0
    columns = declared().columns
    assert (columns["built"].type, columns["built"].nulls) == ("date", ("NA",))
    assert (columns["kind"].levels, list(columns)) == (("flat", "house", "barn"), ["price", "ROOMS", "kind", "built"])


def test_accepting_keeps_comments_and_every_other_line() -> None:
    put("price,rooms,kind,built\n1.5,3,flat,1\n")
    schema("--accept")
    added = "  built: {type: integer}\n"
    assert yaml_of().replace(added, "") == YAML
    assert yaml_of().index(added) == YAML.index("\n# nothing below")


def test_column_that_some_batches_lack_goes_to_drop() -> None:
    put(SOUND)
    put("price,kind,built\n1.5,flat,1\n", "b")
    schema("--accept")
    assert ("rooms" in declared().columns, declared().drop) == (False, ("note", "rooms", "built"))
    assert "# free text" in yaml_of()


def test_where_changes_are_accepted_a_column_that_some_lack_is_declared() -> None:
    Path("configs/homes.yaml").write_text(YAML.replace('*.csv"}', '*.csv", on_change: accept}'))
    put(SOUND)
    put("price,rooms,kind,built\n1.5,3,flat,1\n", "b")
    schema("--accept")
    assert ("built" in declared().columns, declared().drop) == (True, ("note",))


def test_integers_that_became_floats_are_declared_as_floats() -> None:
    put("price,rooms,kind\n1.5,3.0,flat\n")
    schema("--accept")
    assert declared().columns["rooms"].type == "float"


def test_contract_without_its_target_is_not_written() -> None:
    put("rooms,kind\n3,flat\n")
    with pytest.raises(UnacceptableError, match=r"nothing was written.*\n.*target\.name: found 'price'"):
        schema("--accept")
    assert yaml_of() == YAML


def test_name_that_is_spelled_in_two_ways_stays_open() -> None:
    put(SOUND)
    put("price,Rooms,kind\n1,2,flat\n", "b")
    result = schema("--accept")
    assert (result.exit_code, "not spelled alike" in result.output, yaml_of()) == (1, True, YAML)


def test_private_levels_are_neither_shown_nor_written() -> None:
    text = YAML.replace("levels: [flat, house]", "levels: [flat, house], private: true").replace("[note]", "[kind]")
    Path("configs/homes.yaml").write_text(text)
    put("price,rooms,kind\n1.5,3,barn\n")
    results = [schema("--json"), schema("--accept")]
    assert ["barn" in result.output for result in results] == [False, False]
    assert ([result.exit_code for result in results], yaml_of()) == ([1, 1], text)


@pytest.mark.parametrize(
    "columns",
    [
        "columns: {price: {type: float}, rooms: {type: integer}}\n",
        "columns:\n    price:\n        type: float\n    rooms:\n        type: integer\n",
        "columns:\n  price:\n    type: float   # full\n    nulls:\n      - ''\n      - NA\n  rooms: {type: integer}\n",
    ],
)
def test_any_style_of_yaml_keeps_its_lines(columns: str) -> None:
    text = YAML[: YAML.index("columns:")] + columns + YAML[YAML.index("\n# nothing below") :]
    file = Path("configs/homes.yaml")
    file.write_text(edited(text, NewContract(declare={"built": {"type": "date"}}, drop=("late",)), file))
    assert [*declared().columns] == ["price", "rooms", "built"]
    assert read_yaml(file)["drop"] == ["note", "late"]
    kept = [line for line in text.splitlines() if line not in (columns.strip(), "drop: [note]   # free text")]
    assert [line for line in kept if line not in yaml_of().splitlines()] == []


def test_section_that_shares_its_line_is_refused() -> None:
    text = "{owner: {}, columns: {price: {type: float}}, drop: []}\n"
    with pytest.raises(UnacceptableError, match="shares its line"):
        edited(text, NewContract(declare={"built": {"type": "date"}}), Path("configs/homes.yaml"))
