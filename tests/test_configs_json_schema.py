"""What editors complete and what people read come from the same models as what is checked."""

import json
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from configs import json_schema, reference
from configs.document import DocumentError, parse_document
from configs.load import pipeline_from, read_yaml

ROOT = Path(__file__).parent.parent
SCHEMA = json.loads(json_schema.FILE.read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
FLIGHTS = read_yaml(ROOT / "configs/flights.yaml")
SECTIONS = [section for section in FLIGHTS if section != "name"]


def test_schema_file_is_what_the_models_say():
    text = json_schema.as_text(json_schema.json_schema())
    assert json_schema.FILE.read_text() == text, "run `python -m configs.json_schema`"


def test_reference_is_what_the_models_say():
    assert reference.FILE.read_text() == reference.reference(), "run `python -m configs.reference`"


def test_reference_names_every_key():
    text = reference.FILE.read_text()
    keys = {key for model in SCHEMA["$defs"].values() for key in model["properties"] if not key.startswith("expect_")}
    assert [key for key in keys - {"otherwise"} if f"{key}`" not in text] == []


def test_smallest_yaml_of_the_reference_is_valid():
    text = reference.INTRODUCTION.split("```yaml\n")[1].split("```")[0]
    assert pipeline_from(parse_document(text, Path("configs/homes.yaml")), "homes").task == "regression"


def test_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", ["flights", "diabetes"])
def test_demo_validates_as_written(name):
    assert list(VALIDATOR.iter_errors(read_yaml(ROOT / f"configs/{name}.yaml"))) == []


@pytest.mark.parametrize("section", SECTIONS)
def test_schema_requires_each_section(section):
    assert not VALIDATOR.is_valid({key: value for key, value in FLIGHTS.items() if key != section})


@pytest.mark.parametrize("section", [section for section in SECTIONS if section not in {"source", "target", "columns"}])
def test_schema_lets_a_section_stand_empty(section):
    assert VALIDATOR.is_valid({**FLIGHTS, section: {}})


@pytest.mark.parametrize(
    "expectation",
    [
        "expect_column_to_exist",
        {},
        {"otherwise": "stop"},
        {"expect_nothing": {}},
        {"expect_column_to_exist": {}},
        {"expect_column_to_exist": {"column": "hour", "colum": 1}},
        {"expect_column_to_exist": {"column": "hour"}, "expect_column_values_to_be_unique": {"column": "hour"}},
        {"expect_column_to_exist": {"column": "hour"}, "otherwise": "quarantine"},
        {"name": "expect_column_to_exist", "arguments": {"column": "hour"}},
    ],
)
def test_schema_refuses_what_the_loader_refuses(expectation):
    values = {**FLIGHTS, "expectations": [expectation]}
    assert not VALIDATOR.is_valid(values)
    with pytest.raises(DocumentError):
        read(values)


def read(values: object) -> None:
    """Read values as a YAML file would be."""
    pipeline_from(parse_document(json.dumps(values), Path("configs/x.yaml")), "x")


WORDS: list[object] = [
    7,
    0.5,
    True,
    None,
    "",
    "14d",
    "1 batch",
    "30%",
    "all",
    "6 batches",
    "2 per week",
    "time",
    "group",
]
WORDS += ["stratified", "manual", "schedule", "auto", "better", "rmse", "binary", "regression", "hour", "origin", "UTC"]
SETTINGS = [(section, key) for section in ("split", "train", "evaluate", "drift", "retrain", "gate", "encode", "time")
            for key in SCHEMA["$defs"][section.capitalize()]["properties"]]  # fmt: skip


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(SETTINGS), st.sampled_from(WORDS), st.booleans()), min_size=1, max_size=2))
def test_schema_accepts_what_the_loader_accepts(replacements):
    values = deepcopy(FLIGHTS)
    for (section, key), word, in_list in replacements:
        values[section][key] = [word] if in_list else word
    try:
        read(values)
    except DocumentError:
        return
    assert list(VALIDATOR.iter_errors(values)) == []
