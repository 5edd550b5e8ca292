"""What a `gate` section may declare, and how its mistakes are told."""

from pathlib import Path

import pytest

from configs.document import parse_document
from configs.load import InvalidPipelineError, pipeline_from

ROOT = Path(__file__).parents[1]
GATES = {
    "flights": "gate: {promote: not_worse, margin: 0.002, slice_margin: 0.01, approval: auto}",
    "diabetes": "gate: {}",
}


def read(name: str, gate: str, *replacements: tuple[str, str]):
    text = (ROOT / f"configs/{name}.yaml").read_text()
    for old, new in ((GATES[name], f"gate: {gate}"), *replacements):
        assert old in text
        text = text.replace(old, new)
    return pipeline_from(parse_document(text, Path(f"configs/{name}.yaml")), name)


def test_empty_gate_has_strong_defaults():
    gate = read("flights", "{}").gate
    assert (gate.promote, gate.margin, gate.slice_margin, gate.approval) == ("not_worse", 0.0, None, "auto")
    assert (gate.protected, gate.twins) == ((), 4)
    assert gate.cost_margin is None
    assert not gate.budgets.model_fields_set


def test_whole_gate_is_read():
    gate = read(
        "flights",
        "{promote: better, twins: 8, cost_margin: 0.5, "
        "protected: [origin], budgets: {fairness: 0.1, size: 20, latency: 1.5, explanation: 0.3, calibration: 0.01}}",
        ("\ntrain: {", "\ntrain: {costs: {false_positive: 5, false_negative: 40, true_positive: -1}, "),
    ).gate
    assert (gate.cost_margin, gate.budgets.latency, gate.protected) == (0.5, 1.5, ("origin",))


@pytest.mark.parametrize(
    ("name", "gate", "told"),
    [
        ("flights", "{protected: [orgin]}", "gate.protected[0]: found 'orgin', expected a column that is declared"),
        ("flights", "{protected: [origin, origin]}", "gate.protected: found 'origin' more than once"),
        ("flights", "{protected: [arr_delay]}", "found the target 'arr_delay'; groups are formed by what is known"),
        ("flights", "{protected: [time_hour]}", "found column 'time_hour' of type timestamp, expected"),
        ("flights", "{budgets: {fairness: 0.1}}", "gate.budgets.fairness: a budget for fairness needs gate.protected"),
        ("diabetes", "{slice_margin: -1}", "gate.slice_margin: found -1, expected"),
        ("flights", "{budgets: {explanation: 2}}", "gate.budgets.explanation: found 2, expected a number that is 1 or"),
        ("flights", "{twins: -1}", "gate.twins: found -1, expected a number that is 0 or more"),
        ("flights", "{cost_margin: 1}", "gate.cost_margin: found a margin for costs, but train.costs declares none"),
        ("flights", "{costs: {false_positive: 1}}", "gate: unknown key 'costs'"),
    ],
)
def test_mistake_of_a_gate_is_told(name, gate, told):
    with pytest.raises(InvalidPipelineError) as caught:
        read(name, gate)
    assert told in str(caught.value)


def test_margin_for_slices_needs_slices():
    with pytest.raises(InvalidPipelineError, match=r"gate\.slice_margin: .*evaluate\.slices names none"):
        read("flights", "{slice_margin: 0.01}", ("evaluate: {slices: [origin, carrier]}", "evaluate: {}"))
