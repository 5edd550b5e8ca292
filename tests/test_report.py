from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tasks.report import (
    UnbalancedRowsError,
    Written,
    account,
    expectation_table,
    model_card,
    page,
    plots,
)
from tasks.reporting.model_facts import training_facts
from tasks.reporting.plots import Scale, bar_plot, interval_plot, learning_curves, spread, ticks
from tests.references import fetched_references
from tests.report_facts import TARGET, evaluation, leak_audit, metrics, validation, written

HOSTILE = "<script>alert('x')</script>|`*\""


class Page(HTMLParser):
    """Tags with their attributes, and text, of a page; fails on tags that are not closed in order."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.said = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def shown():
    return Page(page("owner@example.org", TARGET, written()))


def test_every_tag_is_closed_in_order(shown):
    assert shown.open == []


def test_page_states_the_sum_of_rows(shown):
    text = " ".join(shown.said.split())
    assert "1,000 rows in = 950 valid (600 to train on + 300 held out + 50 outside) + 50 in quarantine" in text


def test_page_states_score_interval_folds_and_verdict(shown):
    text = " ".join(shown.said.split())
    assert "ROC AUC 0.6800 (95% interval 0.6500 to 0.7100) on 300 rows that training never saw" in text
    assert "0.7000 ± 0.0200 over 2 folds" in text
    assert "Earned. The model has earned its complexity." in text


def test_page_fetches_nothing_and_runs_nothing(shown):
    html = page("owner@example.org", TARGET, written())
    assert fetched_references(html) == []
    assert not {"script", "iframe", "img", "object", "embed"} & {tag for tag, _ in shown.tags}


def test_every_plot_says_what_it_shows(shown):
    assert all(svg.get("aria-label") and svg.get("role") == "img" for svg in shown.named("svg"))
    assert len(shown.named("svg")) == 9


def test_every_table_head_has_a_scope(shown):
    assert all(cell.get("scope") in {"row", "col"} for cell in shown.named("th"))


def test_links_lead_to_sections(shown):
    targets = {section["id"] for section in shown.named("section")}
    assert {link["href"].removeprefix("#") for link in shown.named("a")} == targets


def hostile_facts():
    broken = copy.deepcopy(metrics())
    broken["ingest"]["reasons"] = {HOSTILE: 10}
    broken["train"]["leak_audit"] = leak_audit(name=HOSTILE)
    found = evaluation(level=HOSTILE, feature=HOSTILE)
    found["verdict"] = HOSTILE
    return written(metrics=broken, validation=validation(HOSTILE), evaluation=found)


def test_markup_in_names_and_levels_stays_text():
    html = page(HOSTILE, {**TARGET, "name": HOSTILE}, hostile_facts())
    assert not Page(html).named("script")
    assert "alert('x')" in Page(html).said


def test_markup_in_names_stays_text_in_the_model_card():
    card = model_card(HOSTILE, {**TARGET, "name": HOSTILE}, hostile_facts())
    assert "\\<script\\>" in card
    assert "<script" not in card.replace("\\<", "")


def test_same_facts_give_the_same_bytes():
    assert page("a", TARGET, written()) == page("a", TARGET, written())


def test_page_is_small_and_names_no_place():
    html = page("a", TARGET, written())
    assert len(html.encode()) < 100_000
    assert str(Path.cwd()) not in html


def test_regression_without_slices_and_expectations_is_shown():
    found = evaluation()
    score = {"value": 55.3, "low": 50.1, "high": 60.2, "reason": None}
    found |= {
        "task": "regression",
        "metric": "rmse",
        "greater_is_better": False,
        "slices": [],
        "holdout": {"rmse": score},
        "decisions": None,
    }
    found["target_mean"] = {"train": 150.2, "holdout": 149.9}
    html = page(None, {**TARGET, "above": None}, written(evaluation=found, validation={"batches": []}))
    assert "RMSE 55.30 (95% interval 50.10 to 60.20)" in html
    assert "No slice is declared" in html
    assert "No expectation is declared" in html


def test_undefined_holdout_score_is_shown_as_such():
    found = evaluation()
    undefined = {"value": None, "low": None, "high": None, "reason": "not defined: one class"}
    found["holdout"] = {"roc_auc": undefined}
    found["baselines"] = {
        name: {**rung, **undefined, "gain": None, "gain_low": None, "gain_high": None}
        for name, rung in found["baselines"].items()
    }
    found["out_of_fold"] |= {"shift": None, "shift_in_std": None}
    assert "not defined: one class" in page("a", TARGET, written(evaluation=found))


@pytest.mark.parametrize(
    ("stage", "key", "where"),
    [
        ("ingest", "rows_in", "ingest: rows in"),
        ("validate", "rows_quarantined", "validate: rows in"),
        ("validate", "rows_in", "validate: rows in"),
    ],
)
def test_lost_rows_are_refused(stage, key, where):
    broken = metrics()
    broken[stage][key] += 1
    with pytest.raises(UnbalancedRowsError, match=where):
        account(broken)


def test_rows_lost_between_stages_are_refused():
    broken = metrics()
    broken["split"]["rows"]["train"] -= 1
    with pytest.raises(UnbalancedRowsError, match="950 and 949 should be equal; 1 rows"):
        account(broken)


def test_expectations_add_up_over_batches():
    first, second = expectation_table(validation())
    assert (first["rows"], first["failed"], first["batches"]) == (40, ["2020-01", "2020-02"], 2)
    assert (second["rows"], second["failed"]) == (0, [])


PLOTS = ["ladder", "fold_ladder", "slices", "folds", "curves", "split", "importance", "calibration", "confusion"]


@pytest.mark.parametrize("name", PLOTS)
def test_plot_is_well_formed_and_inside_its_box(name):
    root = ET.fromstring(plots(written())[name])
    width, height = (float(part) for part in root.get("viewBox").split()[2:])
    circles = [(float(mark.get("cx")), float(mark.get("cy"))) for mark in root.iter("circle")]
    lines = [(float(mark.get("x2")), float(mark.get("y2"))) for mark in root.iter("line")]
    assert all(0 <= x <= width and 0 <= y <= height for x, y in circles + lines)


def test_interval_plot_leaves_out_what_is_not_defined():
    entries = [
        {"name": "a", "value": None, "low": None, "high": None},
        {"name": "b", "value": 0.5, "low": 0.4, "high": 0.6},
    ]
    assert interval_plot(entries, "t", "l").count("<circle") == 1
    assert interval_plot(entries[:1], "t", "l") == ""


def test_plots_of_one_value_do_not_divide_by_zero():
    assert "<circle" in interval_plot([{"name": "a", "value": 0.0, "low": 0.0, "high": 0.0}], "t", "l")
    assert "<rect" in bar_plot([{"name": "a", "value": 0.0, "note": "nothing"}], "t", "l")
    assert "<polyline" in learning_curves([("fold 0", [0.5])], [1], "t", "l")


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.7, 12.1), (0.6321, 0.6324), (0, 336776), (1e-9, 3e-9), (5, 5)])
def test_ticks_are_few_and_inside(low, high):
    found = ticks(low, high)
    slack = (high - low) * 1e-6
    assert 1 <= len(found) <= 7
    assert all(low - slack <= tick <= high + slack for tick in found)


def test_scale_places_ends_at_ends():
    scale = Scale(10, 20, 100, 300)
    assert (scale(10), scale(15), scale(20)) == (100, 200, 300)


def test_labels_keep_their_distance():
    assert spread([10.0, 10.0, 10.0], 5.0) == [10.0, 15.0, 20.0]


def said(facts) -> str:
    return " ".join(Page(page("a", TARGET, facts)).said.split())


def test_page_shows_what_the_leak_audit_found(shown):
    text = " ".join(shown.said.split())
    assert "warned 1 finding: dep_delay tells the target" in text
    assert "auc 0.9910" in text
    assert "auc value 0.5000" in text


def test_page_without_an_audit_says_so():
    facts = metrics()
    del facts["train"]["leak_audit"]
    assert "Training wrote no leak audit" in said(written(metrics=facts))


def test_page_shows_the_ladder_on_the_folds(shown):
    text = " ".join(shown.said.split())
    assert "Better thanthe rung below by" in text
    assert "0.61000.6000 to 0.6200" in text
    assert "Removing noise costs nothing" in text


def test_page_shows_decisions_and_their_cost(shown):
    text = " ".join(shown.said.split())
    assert "by the more probable class (0.5000). A decision costs 0.4000 on average" in text
    assert "40 of 60 rows that are 1 were decided to be 1" in text


def test_training_facts_name_what_is_declared():
    train = {"monotone": {"age": "increasing"}, "weight": "exposure", "balance": True}
    decision = {"rule": "a threshold", "threshold": 0.1, "costs": [["decision", 0.25]]}
    facts = dict(
        training_facts(
            {"calibration": "isotonic", "decision": decision, "device": "cuda"}, {"params": {"train": train}}
        )
    )
    assert facts["Weights of rows"] == "the column exposure and classes weigh alike"
    assert facts["Monotone"] == "age increasing"
    assert facts["Calibration"] == "isotonic, learned on out-of-fold rows"
    assert facts["Decision"] == "a threshold, from a probability of 0.1000"
    assert facts["Trees grown on"] == "cuda"


def several_classes() -> Written:
    found, facts = evaluation(), metrics()
    facts["train"]["classes"] = ["ash", "beech", "oak"]
    importance = {**found["explanation"]["features"][0], "class": "oak"}
    names = {"classes": ["ash", "beech", "oak"], "rule": None, "threshold": None, "cost_per_row": None}
    found |= {
        "task": "multiclass",
        "metric": "log_loss",
        "greater_is_better": False,
        "target_mean": None,
        "holdout": {"log_loss": {"value": 0.5, "low": 0.4, "high": 0.6, "reason": None}},
        "classes": [{"name": name, "train": 0.3, "holdout": 0.35, "predicted": 0.33} for name in names["classes"]],
        "decisions": {**names, "confusion": [[50, 1, 2], [3, 60, 4], [5, 6, 70]]},
        "explanation": {**found["explanation"], "features": [importance], "bias": [0.1, 0.2, 0.3]},
        "slices": [{**entry, "target_mean": None} for entry in found["slices"]],
    }
    return written(metrics=facts, evaluation=found)


def test_several_classes_are_shown_with_their_mistakes():
    text = " ".join(Page(page("a", {**TARGET, "above": None}, several_classes())).said.split())
    assert "the probability of each of ash, beech and oak" in text
    assert "oakbeech67.4%" in text
    assert "raises oak" in text
    assert "How probable the likeliest class was said to be" in text


def test_model_card_tells_of_several_classes():
    card = model_card("a", {**TARGET, "above": None}, several_classes())
    assert "- ash: 30.0% of the training rows, 35.0% of the holdout." in card
    assert "raises the probability of oak" in card
    assert "warned: 1 finding" in card


def test_many_classes_have_no_confusion_table_but_mistakes():
    facts = several_classes()
    names = [f"class {number}" for number in range(40)]
    counts = [[5 if row == column else int(row == column + 1) for column in range(40)] for row in range(40)]
    facts.evaluation["decisions"] |= {"classes": names, "confusion": counts}
    text = said(facts)
    assert "were decided to be" not in text
    assert "class 1class 0116.7%" in text
