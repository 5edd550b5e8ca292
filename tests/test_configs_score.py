"""What a `score` section may declare, and how its mistakes are told."""

from __future__ import annotations

import pytest

from configs.load import InvalidPipelineError
from configs.schema import Pipeline, UndeclaredSectionError
from configs.sections.score import Score
from tests.pipelines import make_pipeline
from tests.test_configs_train import HEAD, TARGETS, parse_document, pipeline_from
from tests.test_configs_train import Path as Path_

CALIBRATED = "{calibration: sigmoid, costs: {false_positive: 1, false_negative: 9}}"


def read(score: str, task: str = "binary", train: str = "{}") -> Pipeline:
    others = ", ".join(sorted({*TARGETS.values()} - {TARGETS[task]}))
    text = HEAD.replace("TARGET", TARGETS[task]).replace("DROPPED", others)
    text += (
        f"train: {train if task == 'binary' else f'{{task: {task}}}'}\nfeatures: {{}}\nsplit: {{}}\nscore: {score}\n"
    )
    return pipeline_from(parse_document(text, Path_("configs/shop.yaml")), "shop")


def test_section_may_be_left_out() -> None:
    assert make_pipeline({"a": {"type": "float"}, "y": {"type": "float"}}).score == Score()


def test_section_that_a_stage_does_not_declare_cannot_be_read() -> None:
    limited = make_pipeline({"a": {"type": "float"}, "y": {"type": "float"}}).limited_to("train", ["train"])
    with pytest.raises(UndeclaredSectionError):
        _ = limited.score


def test_whole_section_is_read() -> None:
    score = read(
        '{refer: {cost: 0.5, unfamiliar: true}, margin: 5%, fallback: {value: 0.5, decision: "1"}, '
        'overrides: [{when: "rows > 4", decide: refer, name: large}]}',
        train=CALIBRATED,
    ).score
    assert (score.refer.cost, score.margin, score.fallback.decision) == (0.5, "5%", "1")
    assert score.overrides[0].name == "large"


@pytest.mark.parametrize(
    ("score", "task", "train", "told"),
    [
        ("{refer: {below: 0.8}}", "regression", "{}", "score.refer.below: the task is regression"),
        ("{refer: {below: 0.8}}", "binary", CALIBRATED, "train.costs say what a wrong decision costs"),
        ("{refer: {cost: 0.8}}", "binary", "{}", "score.refer.cost: nothing to compare it with"),
        (
            "{refer: {cost: 1}}",
            "binary",
            "{costs: {false_positive: 1, false_negative: 9}}",
            "score.refer.cost: it is compared with expected costs, which need probabilities",
        ),
        ("{refer: {below: 1.5}}", "binary", "{}", "score.refer.below: found 1.5"),
        ("{margin: 10}", "binary", "{}", "score.margin"),
        ("{fallback: {value: 2}}", "binary", "{}", "score.fallback.value: found 2, expected a probability"),
        ("{fallback: {value: 2}}", "multiclass", "{}", "score.fallback.value: the task is multiclass"),
        (
            "{fallback: {decision: maybe}}",
            "binary",
            "{}",
            "score.fallback.decision: found 'maybe', expected one of '0'",
        ),
        (
            '{overrides: [{when: "rows > 1", decide: "2"}]}',
            "binary",
            "{}",
            "score.overrides[0].decide: found '2', expected one of '0', '1', 'refer'",
        ),
        ('{overrides: [{when: "rows > 1", decide: "1"}]}', "regression", "{}", "expected one of 'accept', 'refer'"),
        (
            '{overrides: [{when: "rows > 1", decide: refer}, {when: "rows > 1", decide: "1"}]}',
            "binary",
            "{}",
            "score.overrides[1]: found 'rows > 1' more than once",
        ),
        ("{overrides: [{when: x}]}", "binary", "{}", "score.overrides[0]: the key 'decide' is missing"),
        ("{overides: []}", "binary", "{}", "did you mean 'overrides'"),
    ],
)
def test_mistake_of_scoring_is_told(score: str, task: str, train: str, told: str) -> None:
    with pytest.raises(InvalidPipelineError) as caught:
        read(score, task, train)
    assert told in str(caught.value)


def test_classes_of_a_category_without_levels_are_known_by_the_model_alone() -> None:
    assert read('{overrides: [{when: "rows > 1", decide: anything}]}', "multiclass").score.overrides
