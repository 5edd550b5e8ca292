"""What `drift` and the drift profile may declare, and how their mistakes are told."""

from pathlib import Path

import pytest

from configs.document import parse_document
from configs.load import InvalidPipelineError, pipeline_from
from configs.sections.drift import YEAR, per_day

ROOT = Path(__file__).parents[1]


def read(drift="{}", evaluate="{slices: [sex], slice_rows: 20}"):
    text = (ROOT / "configs/diabetes.yaml").read_text()
    for old, new in (
        ("drift: {}", f"drift: {drift}"),
        ("evaluate: {slices: [sex], slice_rows: 20}", f"evaluate: {evaluate}"),
    ):
        assert old in text
        text = text.replace(old, new)
    return pipeline_from(parse_document(text, Path("configs/diabetes.yaml")), "diabetes")


def test_empty_drift_has_strong_defaults():
    pipeline = read(evaluate="{}")
    drift = pipeline.drift
    assert (drift.false_alarms, drift.batches, drift.owner) == ("1 per quarter", None, None)
    assert pipeline.evaluate.profile.rows == 20_000


def test_whole_drift_is_read():
    text = (
        "{false_alarms: 2 per year, batches: 1 per day, effect_floor: {shift: 0.1, mix: 0}, owner: night@example.org}"
    )
    drift = read(text).drift
    assert (drift.batches, drift.owner) == ("1 per day", "night@example.org")
    assert (drift.effect_floor.shift, drift.effect_floor.mix, drift.effect_floor.missing) == (0.1, 0.0, 0.005)


def test_profile_without_a_sample_is_declared():
    assert read(evaluate="{profile: {rows: 0}}").evaluate.profile.rows == 0


@pytest.mark.parametrize(
    ("rate", "expected"), [("1 per day", 1.0), ("14 per week", 2.0), ("24 per hour", 576.0), ("1 per year", 1 / YEAR)]
)
def test_rate_is_read_per_day(rate, expected):
    assert per_day(rate) == pytest.approx(expected)


def test_a_year_has_twelve_months_and_four_quarters():
    assert per_day("12 per year") == pytest.approx(per_day("1 per month"))
    assert per_day("4 per year") == pytest.approx(per_day("1 per quarter"))


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"drift": "{batches: daily}"}, "drift.batches: found 'daily'; a cadence is a number per hour, day"),
        ({"drift": "{batches: 0 per day}"}, "drift.batches: found '0 per day'; a cadence is"),
        ({"drift": "{effect_floor: {shift: -0.1}}"}, "drift.effect_floor.shift: found -0.1, expected"),
        ({"drift": "{effect_floor: {mix: 2}}"}, "drift.effect_floor.mix: found 2, expected a number that is 1 or"),
        ({"drift": "{effect_floor: {shift: .nan}}"}, "drift.effect_floor.shift"),
        ({"drift": "{floor: 0.1}"}, "drift: unknown key 'floor'"),
        (
            {"drift": "{false_alarms: 1 per week, batches: 1 per month}"},
            "drift.false_alarms: found '1 per week', but drift.batches says '1 per month': every batch could alarm",
        ),
        (
            {"drift": "{false_alarms: 12 per year, batches: 1 per month}"},
            "drift.false_alarms: found '12 per year', but drift.batches says '1 per month'",
        ),
        ({"evaluate": "{profile: {rows: 20001}}"}, "evaluate.profile.rows: found 20001, expected"),
        ({"evaluate": "{profile: {rows: 199}}"}, "evaluate.profile.rows: found 199, expected 200 or more"),
        ({"evaluate": "{profile: 0}"}, "evaluate.profile: found 0, expected"),
    ],
)
def test_mistake_about_drift_is_told(sections, told):
    with pytest.raises(InvalidPipelineError) as caught:
        read(**sections)
    assert told in str(caught.value)
