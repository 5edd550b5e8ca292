"""What a verdict leaves behind: a document with a schema, metrics for Prometheus, and a page."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from prometheus_client.parser import text_string_to_metric_families

from tasks.atomic import read_json, write_json
from tasks.drift.document import SCHEMA, Verdict, as_text, json_schema
from tasks.drift.outputs import folder_of, history, write_outputs
from tasks.drift.page import page, ranked_columns
from tasks.drift.prometheus import exposition
from tasks.drift.thresholds import Finding
from tasks.drift.told import finding_part
from tests.browser import open_page
from tests.drift_verdicts import CELLS, cause, finding, verdict


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def metrics(found: Verdict) -> dict[tuple[str, ...], float]:
    """Value of each sample by its name and its labels' values, the pipeline aside."""
    families = text_string_to_metric_families(exposition(found))
    samples = [sample for family in families for sample in family.samples]
    return {(s.name, *(v for k, v in sorted(s.labels.items()) if k != "pipeline")): s.value for s in samples}


# ---- drift.json


def test_schema_in_docs_is_that_of_the_models():
    assert SCHEMA.read_text() == as_text(json_schema())


def test_schema_is_one():
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {
            "findings": (),
            "causes": (),
            "materiality": None,
            "family": None,
            "multivariate": None,
            "loss": None,
            "estimate": None,
        },
        {"start": None, "end": None, "owner": None, "widened": "by 40%", "notes": ("a", "b"), "rows": 0},
    ],
)
def test_document_is_valid_by_the_schema(facts):
    Draft202012Validator(json_schema()).validate(verdict(**facts).as_json())


def test_schema_refuses_a_document_without_a_verdict():
    document = verdict().as_json()
    del document["material"]
    with pytest.raises(ValidationError, match="'material' is a required property"):
        Draft202012Validator(json_schema()).validate(document)


def test_document_comes_back_as_it_was():
    assert Verdict.model_validate(json.loads(json.dumps(verdict().as_json()))) == verdict()


@settings(deadline=None)
@given(st.floats(), st.floats())
def test_no_number_breaks_the_json(statistic, moved):
    written = json.dumps(verdict(findings=(finding(statistic=statistic, moved=moved),)).as_json(), allow_nan=False)
    (read,) = json.loads(written)["findings"]
    assert read["statistic"] == (statistic if math.isfinite(statistic) else None)


def test_multiple_of_no_expected_distance_is_null():
    quiet = Finding("origin", "feature", "range", 1e300, 0.01, 1e300, 0.3, alarmed=False, excess=0.4)
    told = finding_part(quiet, None)
    assert (told.statistic, told.threshold, told.excess) == (None, None, 0.4)


# ---- drift.prom


def test_metrics_say_what_the_verdict_says():
    found = metrics(verdict())
    assert found["holdfast_drift_material",] == 1
    assert found["holdfast_drift_broken_feed",] == 0
    assert found["holdfast_drift_rows",] == 29_000
    assert found["holdfast_drift_statistic", "distance", "distribution"] == 8.0
    assert found["holdfast_drift_alarmed", "origin", "distribution"] == 0
    assert found["holdfast_drift_batch_info", "2013-07", "flights@v1.2.0", "ops@example.org"] == 1
    assert found["holdfast_drift_batch_end_timestamp_seconds",] == 1375326000


def test_broken_feed_is_a_metric_of_its_own():
    assert metrics(verdict(cause="broken_feed"))["holdfast_drift_broken_feed",] == 1


def test_what_has_no_value_has_no_line():
    found = verdict(estimate=None, end=None, findings=(finding(effect=math.nan),))
    names = {name for name, *_ in metrics(found)}
    assert "holdfast_drift_estimated_performance" not in names
    assert "holdfast_drift_batch_end_timestamp_seconds" not in names
    assert "holdfast_drift_effect" not in names
    assert "holdfast_drift_statistic" in names


def test_label_holds_whatever_a_column_is_called():
    name = 'a "b"\\c\nd'
    assert metrics(verdict(findings=(finding(name),)))["holdfast_drift_statistic", name, "distribution"] == 8.0


# ---- page


def test_page_escapes_what_the_data_say():
    evil = "<script>alert(1)</script>"
    made = page(verdict(batch=evil, findings=(finding(evil),), causes=(cause(evidence=evil),)), {evil: []}, [])
    assert "<script" not in made
    assert "&lt;script&gt;" in made


def test_page_fetches_nothing(tmp_path):
    (tmp_path / "index.html").write_text(page(verdict(), CELLS, history(verdict(), tmp_path)), encoding="utf-8")
    document, asked = open_page(tmp_path / "index.html", tmp_path / "profile")
    assert "Material drift." in document
    assert asked == []


def test_page_begins_with_the_most_material_column():
    made = page(verdict(), CELLS, [])
    assert ranked_columns(verdict()) == ["distance", "origin"]
    assert made.index("<figcaption>distance") < made.index("<figcaption>origin")


def test_page_tells_what_was_not_tested():
    assert "the multivariate test is off" in page(verdict(notes=("the multivariate test is off",)), CELLS, [])


@pytest.mark.parametrize(
    ("facts", "headline"),
    [
        ({"cause": "broken_feed"}, "Broken feed."),
        ({}, "Material drift."),
        ({"material": False}, "Drift that does not matter."),
        ({"material": False, "drifted": False, "cause": "none"}, "No drift."),
    ],
)
def test_page_begins_with_the_verdict(facts, headline):
    assert f"<b>{headline}</b>" in page(verdict(**facts), CELLS, [])


# ---- files


def test_outputs_lie_under_reports_by_batch():
    folder = write_outputs(verdict(), CELLS)
    assert folder == Path("reports/flights/drift/2013-07")
    assert sorted(path.name for path in folder.iterdir()) == ["drift.json", "drift.prom", "index.html"]
    assert Verdict.model_validate(read_json(folder / "drift.json")) == verdict()


def test_outputs_lie_where_they_are_asked_for(tmp_path):
    assert write_outputs(verdict(), CELLS, tmp_path / "there") == tmp_path / "there"
    assert (tmp_path / "there/drift.prom").is_file()
    assert not Path("reports").exists()


def test_same_verdict_has_the_same_bytes():
    contents = [{path.name: path.read_bytes() for path in write_outputs(verdict(), CELLS).iterdir()} for _ in range(2)]
    assert contents[0] == contents[1]


def test_history_is_of_one_profile_in_order_of_batch():
    for batch, excess in (("2013-09", 0.5), ("2013-06", 1.5)):
        family = verdict().family.model_copy(update={"surprise": 3 * excess})
        write_outputs(verdict(batch=batch, family=family, drifted=excess > 1), CELLS)
    other = verdict().hashes.model_copy(update={"profile": "e" * 64})
    write_outputs(verdict(batch="2013-08", hashes=other), CELLS)
    found = history(verdict(), folder_of("flights"))
    assert [(past.batch, past.excess, past.alarmed) for past in found] == [
        ("2013-06", 1.5, True),
        ("2013-07", 4.0, True),
        ("2013-09", 0.5, False),
    ]


def test_history_does_without_documents_of_another_form():
    write_json(folder_of("flights") / "2013-05/drift.json", {"format": 99})
    assert [past.batch for past in history(verdict(), folder_of("flights"))] == ["2013-07"]
