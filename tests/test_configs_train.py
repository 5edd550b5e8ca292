"""What `train` and `features.transformer` may declare, and how their mistakes are told."""

from pathlib import Path

import pytest

from configs.document import parse_document
from configs.load import InvalidPipelineError, pipeline_from

HEAD = """
owner: {}
source: {path: "data/incoming/shop/*.csv"}
time: {column: sold_at}
target: {name: TARGET}
columns:
  sold_at: {type: timestamp}
  price: {type: float}
  shop: {type: category}
  rows: {type: integer}
  kind: {type: category}
  sold: {type: boolean}
  paid: {type: float}
drop: [DROPPED]
expectations: []
encode: {}
evaluate: {}
drift: {}
retrain: {}
gate: {}
"""
TARGETS = {"binary": "sold", "multiclass": "kind", "regression": "paid"}


def read(train="{}", task="binary", features="{}", split="{}", dropped=""):
    target = TARGETS[task]
    others = sorted({*TARGETS.values()} - {target} | {dropped} - {""})
    text = HEAD.replace("TARGET", target).replace("DROPPED", ", ".join(others))
    declared = train if task == "binary" else f"{{task: {task}, {train[1:]}"
    text += f"train: {declared}\nfeatures: {features}\nsplit: {split}\n"
    return pipeline_from(parse_document(text, Path("configs/shop.yaml")), "shop")


def told(*arguments, **declared):
    with pytest.raises(InvalidPipelineError) as caught:
        read(*arguments, **declared)
    return str(caught.value)


@pytest.mark.parametrize(
    ("task", "costs"),
    [
        ("binary", "{false_positive: 1, false_negative: 9, true_positive: -2}"),
        ("binary", "{matrix: [[0, 1], [9, -2]]}"),
        ("multiclass", "{matrix: [[0, 1, 2], [1, 0, 1], [5, 5, -1]]}"),
        ("regression", "{over: 1, under: 3}"),
    ],
)
def test_costs_of_the_task_are_read(task, costs):
    assert read(f"{{costs: {costs}}}", task).train.costs.model_fields_set


@pytest.mark.parametrize(
    ("task", "costs", "text"),
    [
        ("binary", "{false_positive: 1}", "train.costs: costs of the task binary need 'false_positive' and 'false_neg"),
        ("binary", "{true_positive: 1}", "need 'false_positive' and 'false_negative'"),
        ("binary", "{over: 1, under: 2}", "found 'over', 'under'; costs of the task binary are 'false_positive'"),
        ("binary", "{false_positive: 1, false_negative: 2, matrix: [[0, 1], [2, 0]]}", "found both 'matrix' and "),
        ("binary", "{matrix: [[0, 1, 2], [1, 0, 1], [2, 2, 0]]}", "found 3 rows of 3 costs, expected as many rows as"),
        ("binary", "{matrix: [[0, 1], [2]]}", "train.costs.matrix: found 2 rows of 1 or 2 costs"),
        ("binary", "{matrix: []}", "train.costs.matrix: found 0 rows of no costs"),
        ("binary", "{matrix: [[0, 1], [3, 3]]}", "train.costs.matrix[1][0]: found 3, expected more than what being"),
        ("multiclass", "{matrix: [[0, 1], [1, 0]]}", "for 3 or more classes"),
        (
            "multiclass",
            "{matrix: [[0, 1, 1], [1, 0, 0], [1, 1, 0]]}",
            "train.costs.matrix[1][2]: found 0, expected more",
        ),
        ("multiclass", "{false_positive: 1, false_negative: 2}", "costs of the task multiclass are 'matrix'"),
        ("regression", "{false_positive: 1, false_negative: 1}", "costs of the task regression are 'over', 'under'"),
        ("regression", "{over: 1}", "need 'over' and 'under'"),
        ("regression", "{over: 1, under: 0}", "found a cost of 0; both `over` and `under` cost something"),
        (
            "binary",
            "{false_positive: 1, false_negative: 2, true_negative: 1}",
            "train.costs.false_positive: found 1, expected more than what being right about such a row costs, 1",
        ),
        (
            "binary",
            "{false_positive: 1, false_negative: -2}",
            "train.costs.false_negative: found -2, expected more than",
        ),
        ("binary", "{false_positve: 1}", "did you mean 'false_positive'?"),
    ],
)
def test_mistake_of_costs_is_told(task, costs, text):
    assert text in told(f"{{costs: {costs}}}", task)


def test_mistake_is_told_with_its_line():
    assert told("{costs: {over: 1, under: 2}}").startswith("configs/shop.yaml:21:")


@pytest.mark.parametrize(
    ("weight", "text"),
    [
        ("row", "train.weight: found 'row', expected a column that is declared under columns; did you mean 'rows'?"),
        ("shop", "found column 'shop' of type category, expected integer or float"),
        ("sold", "found the target 'sold'"),
        ("sold_at", "by which rows are split"),
    ],
)
def test_mistake_of_a_weight_is_told(weight, text):
    assert text in told(f"{{weight: {weight}}}")


def test_group_is_no_weight():
    assert "train.weight: found 'rows', by which rows are split" in told(
        "{weight: rows}", split="{kind: group, group: rows}"
    )


def test_weight_is_no_feature():
    assert read("{weight: rows}").feature_columns == ("price", "shop")


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("balance: true", "train.balance: the task is regression"),
        ("calibration: isotonic", "train.calibration: the task is regression"),
    ],
)
def test_regression_has_no_classes(declared, text):
    assert text in told(f"{{{declared}}}", "regression")


@pytest.mark.parametrize("name", ["price", "rows", "sold_at_hour", "twice"])
def test_numeric_feature_has_a_direction(name):
    features = '{parts: {sold_at: [hour]}, sql: {twice: "price * 2"}}'
    assert read(f"{{monotone: {{{name}: increasing}}}}", features=features).train.monotone == {name: "increasing"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("shop", "found column 'shop' of type category, expected integer or float or decimal or boolean"),
        ("prise", "found 'prise', expected a numeric feature; did you mean 'price'?; they are 'price', 'rows'"),
        ("sold", "found 'sold', which is no feature; expected one of 'price', 'rows'"),
        ("paid", "train.monotone.paid: found 'paid', which is no feature"),
    ],
)
def test_mistake_of_a_direction_is_told(name, text):
    assert text in told(f"{{monotone: {{{name}: decreasing}}}}")


def test_classes_have_no_direction():
    assert "train.monotone: the task is multiclass" in told("{monotone: {price: increasing}}", "multiclass")


# ---- the transformer's file


@pytest.fixture
def code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs/shop").mkdir(parents=True)
    return tmp_path / "configs/shop/weather.py"


def test_transformer_that_is_there_is_accepted(code):
    code.write_text("class Climate: pass\n")
    assert read(features="{transformer: weather.Climate}").features.transformer == "weather.Climate"


def test_transformer_alone_is_a_feature(code):
    code.write_text("class Climate: pass\n")
    monotone = "{monotone: {warmth: increasing}}"  # a column of the transformer: nobody knows yet
    assert read(monotone, features="{transformer: weather.Climate}", dropped="price, rows, shop").train.monotone


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        (
            "class Climate: pass",
            "wether.Climate",
            "there is no configs/shop/wether.py; did you mean 'weather'?; modules",
        ),
        ("class Climate: pass", "weather.Climte", "defines no 'Climte'; did you mean 'Climate'?"),
        ("class Climate(:", "weather.Climate", "configs/shop/weather.py:1 is not Python: invalid syntax"),
    ],
)
def test_mistake_of_a_transformer_is_told(code, text, name, expected):
    code.write_text(text)
    assert expected in told(features=f"{{transformer: {name}}}")


@pytest.mark.parametrize(
    "text",
    [
        "from elsewhere import Climate",
        "Climate = make()",
        "if True:\n    class Climate: pass",
        "from elsewhere import *",
    ],
)
def test_name_may_be_defined_in_any_way(code, text):
    code.write_text(text)
    assert read(features="{transformer: weather.Climate}")


def test_code_outside_of_the_repository_is_refused(code, tmp_path_factory):
    outside = tmp_path_factory.mktemp("elsewhere") / "weather.py"
    outside.write_text("class Climate: pass\n")
    code.symlink_to(outside)
    assert "found a link that leads out of the repository" in told(features="{transformer: weather.Climate}")


def test_reading_a_yaml_runs_no_code(code):
    code.write_text("raise SystemExit('run')\nclass Climate: pass\n")
    assert read(features="{transformer: weather.Climate}")
