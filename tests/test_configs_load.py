"""The door: what a valid YAML becomes, what a name may be, what a stage may read."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configs.document import DocumentError, parse_document
from configs.errors import ConfigError
from configs.load import (
    InvalidPipelineError,
    UnknownPipelineError,
    check_pipeline,
    load_pipeline,
    pipeline_from,
    pipeline_names,
    read_yaml,
)
from configs.schema import Pipeline, UndeclaredSectionError
from configs.sections.columns import Column
from configs.sections.expectations import Expectation
from configs.sections.values import format_duration, parse_duration

ROOT = Path(__file__).parent.parent
FLIGHTS = (ROOT / "configs/flights.yaml").read_text()
SMALLEST = (ROOT / "docs/configuration.md").read_text().split("```yaml\n")[1].split("```")[0]  # as users are shown it


def pipeline(text: str) -> Pipeline:
    """Read a text as `configs/homes.yaml`."""
    return pipeline_from(parse_document(text, Path("configs/homes.yaml")), "homes")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder with one pipeline, `homes`."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/homes.yaml").write_text(SMALLEST)
    (tmp_path / "params.yaml").write_text("pipelines: [homes, house-prices]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["flights", "diabetes"])
def test_demo_is_valid(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert check_pipeline(name).name == name


def test_smallest_yaml_has_sound_defaults(repository):
    homes = load_pipeline("homes")
    assert (homes.task, homes.metric, homes.split_kind) == ("regression", "rmse", "stratified")
    assert (homes.feature_columns, homes.encoded_columns, homes.input_columns) == (("rooms",), (), ("rooms",))
    assert (homes.owner, homes.drop, homes.expectations) == (None, (), ())
    assert (homes.split.holdout, homes.split.gap, homes.train.rounds) == ("20%", timedelta(0), 1000)


def test_flights_derived_properties_follow_its_yaml():
    flights = pipeline(FLIGHTS)
    categories = ("carrier", "flight", "tailnum", "origin", "dest")
    numbers = ("sched_dep_time", "sched_arr_time")
    features = (*numbers, *categories, "distance", "hour", "minute")
    assert (flights.task, flights.metric, flights.split_kind) == ("binary", "roc_auc", "time")
    assert flights.feature_columns == features
    assert flights.encoded_columns == categories
    assert flights.input_columns == ("time_hour", *features)


@pytest.mark.parametrize(
    ("columns", "target", "task"),
    [
        ("y: {type: float}", "name: y", "regression"),
        ("y: {type: integer}", "name: y", "regression"),
        ("y: {type: boolean}", "name: y", "binary"),
        ("y: {type: category}", "name: y", "binary"),
        ("y: {type: integer}", "name: late, from: y, above: 3", "binary"),
    ],
)
def test_task_follows_target(columns, target, task):
    text = SMALLEST.replace("price: {type: float}", columns).replace("name: price", target)
    assert pipeline(text).task == task


def test_columns_that_are_no_features_are_left_out():
    text = SMALLEST.replace(
        "rooms: {type: integer}",
        "rooms: {type: integer}, sold: {type: date}, note: {type: text}, street: {type: category}, id: {type: integer}",
    )
    text = text.replace("drop: {}", "drop: [id]").replace("split: {}", "split: {kind: group, group: street}")
    assert pipeline(text).feature_columns == ("rooms",)


def test_input_columns_hold_what_sql_names_in_any_case():
    columns = 'rooms: {type: integer}, note: {type: text}, "a b": {type: text}, other: {type: text}'
    text = SMALLEST.replace("rooms: {type: integer}", columns)
    text = text.replace("features: {}", """features: {sql: {x: 'length(NOTE)', y: 'length("A b") + price'}}""")
    assert pipeline(text).input_columns == ("rooms", "note", "a b")


def test_expectation_is_read_from_its_written_form():
    expectation = pipeline(FLIGHTS).expectations[1]
    arguments = {"column": "distance", "min_value": 1, "max_value": 6000}
    assert expectation == Expectation(
        name="expect_column_values_to_be_between", arguments=arguments, otherwise="quarantine"
    )


def test_pipeline_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        pipeline(SMALLEST).train.seed = 1  # type: ignore[misc]


def test_limited_pipeline_reads_what_its_stage_declares():
    limited = pipeline(FLIGHTS).limited_to("split", ["columns", "time", "target", "train", "split"])
    assert isinstance(limited, Pipeline)
    assert (limited.name, limited.split.folds, limited.split_kind, limited.task) == ("homes", 5, "time", "binary")
    assert limited.columns["distance"] == Column(type="integer", unit="miles")


@pytest.mark.parametrize(
    "name", ["train", "drop", "feature_columns", "encoded_columns", "input_columns", "task", "metric"]
)
def test_limited_pipeline_refuses_undeclared_sections(name):
    limited = pipeline(FLIGHTS).limited_to("ingest", ["source", "time", "columns"])
    with pytest.raises(
        UndeclaredSectionError, match=r"stage ingest reads the section .* under params of ingest in dvc\.yaml"
    ):
        getattr(limited, name)


def test_limited_pipeline_holds_no_undeclared_section():
    limited = pipeline(FLIGHTS).limited_to("ingest", ["source"])
    assert set(limited.model_dump()) == {"source"}


def test_limited_pipeline_refuses_unknown_section():
    with pytest.raises(ConfigError, match=r"dvc\.yaml: stage ingest declares 'colums', which no pipeline's YAML has"):
        pipeline(SMALLEST).limited_to("ingest", ["colums"])


def test_limited_pipeline_has_no_other_attribute():
    assert not hasattr(pipeline(SMALLEST).limited_to("ingest", ["source"]), "no_such_thing")


BAD_NAMES = [
    "",
    "Flights",
    "a.b",
    "a/b",
    "../etc",
    "a#1",
    "a@v1",
    "-a",
    "a-",
    "a--b",
    "1a",
    "a b",
    "é",
    "a\n",
    "a\0",
    "x" * 65,
    "libraries",
]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("read", [check_pipeline, load_pipeline])
def test_name_that_could_be_misread_is_refused(name, read, repository):
    with pytest.raises(UnknownPipelineError, match="is no name of a pipeline"):
        read(name)


def test_unlisted_name_gets_nearest_and_list(repository):
    with pytest.raises(
        UnknownPipelineError, match=r"'home' is not listed; did you mean 'homes'\? Known are 'homes', 'h"
    ):
        check_pipeline("home")


def test_listed_name_without_file_gets_file(repository):
    with pytest.raises(UnknownPipelineError, match=r"configs/house-prices\.yaml: there is no such file"):
        check_pipeline("house-prices")


@pytest.mark.parametrize("text", ["pipelines: []", "pipelines: homes", "a: 1", "pipelines: [1]", "pipelines: [a, a]"])
def test_params_without_a_list_of_names_is_refused(text, repository):
    (repository / "params.yaml").write_text(text)
    with pytest.raises(ConfigError):
        pipeline_names()


def test_configuration_that_links_out_of_the_repository_is_refused(repository, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "homes.yaml"
    outside.write_text(SMALLEST)
    (repository / "configs/homes.yaml").unlink()
    (repository / "configs/homes.yaml").symlink_to(outside)
    with pytest.raises(ConfigError, match="leads out of the repository, to"):
        load_pipeline("homes")


def test_source_that_links_out_of_the_repository_is_refused(repository, tmp_path_factory):
    (repository / "data").symlink_to(tmp_path_factory.mktemp("outside"))
    with pytest.raises(InvalidPipelineError, match=r"homes\.yaml:2:16: source\.path: found a link that leads out"):
        load_pipeline("homes")


def test_symlink_loop_is_refused(repository):
    (repository / "configs/homes.yaml").unlink()
    (repository / "configs/homes.yaml").symlink_to("homes.yaml")
    with pytest.raises(ConfigError, match=r"in a circle|cannot be read|no such file"):
        load_pipeline("homes")


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.campaign)])
def test_truncated_yaml_is_valid_or_told(step, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, file = FLIGHTS.encode(), Path("configs/flights.yaml")
    file.parent.mkdir()
    for length in range(0, len(content), step):
        file.write_bytes(content[:length])
        assert outcome(lambda: load_pipeline("flights"), str(file)) in {"valid", "told"}, length


EDITS = st.lists(st.tuples(st.integers(0, len(FLIGHTS.encode())), st.integers(0, 8), st.binary(max_size=4)), max_size=3)


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EDITS)
def test_edited_bytes_are_valid_or_told(repository, edits):
    content, file = FLIGHTS.encode(), Path("configs/homes.yaml")
    for start, cut, inserted in edits:
        content = content[:start] + inserted + content[start + cut :]
    file.write_bytes(content)
    assert outcome(lambda: load_pipeline("homes"), str(file)) in {"valid", "told"}


def outcome(read: Callable[[], object], file: str) -> str:
    """How a pipeline is read; any other exception than the one with a line per mistake fails the test."""
    try:
        read()
    except DocumentError as error:
        return "told" if all(line.startswith(f"{file}:") for line in str(error).splitlines()) else str(error)
    return "valid"


VALUES_OF_FLIGHTS = read_yaml(ROOT / "configs/flights.yaml")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
PLACES = """owner source source.path time time.column time.timezone target target.name target.from target.above
target.known_after columns columns.hour columns.hour.type columns.hour.nulls drop expectations features features.parts
features.parts.time_hour features.sql features.sql.is_evening encode encode.target encode.smooth split split.kind
split.folds split.gap split.group split.holdout split.window train train.task train.metric train.params
train.params.max_depth evaluate evaluate.slices drift drift.false_alarms retrain retrain.on retrain.schedule gate
gate.margin gate.slice_margin other.key split.other"""


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(PLACES.split()), VALUES), min_size=1, max_size=3))
def test_any_value_anywhere_is_valid_or_told(replacements):
    values = deepcopy(VALUES_OF_FLIGHTS)
    for place, value in replacements:
        put(values, tuple(place.split(".")), value)
    assert outcome(lambda: pipeline(json.dumps(values)), "configs/homes.yaml") in {"valid", "told"}  # JSON is YAML


def put(values: object, path: tuple[str, ...], value: object) -> None:
    """Set a value below a mapping, if there still is one."""
    if isinstance(values, dict) and len(path) == 1:
        values[path[0]] = value
    elif isinstance(values, dict):
        put(values.setdefault(path[0], {}), path[1:], value)


def test_loading_imports_no_heavy_library():
    heavy = ("pandas", "numpy", "duckdb", "great_expectations", "dvc", "prefect")
    code = (
        "import sys; from configs.load import load_pipeline; load_pipeline('flights');"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout == "[]\n"


@given(st.integers(0, 36500 * 1440))
def test_duration_survives_writing(minutes):
    assert parse_duration(format_duration(timedelta(minutes=minutes))) == timedelta(minutes=minutes)


def test_dvc_yaml_is_read_by_the_same_door():
    assert set(read_yaml(ROOT / "dvc.yaml")["stages"]) == {"ingest", "validate", "split", "train", "evaluate", "report"}
