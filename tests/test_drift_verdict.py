"""The verdict on a batch, from landed file to drift.json: what is quiet, drifts, is broken, or is refused."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from configs.errors import CorruptionError, DataError
from tasks.atomic import read_json
from tasks.drift.champion import ForeignProfileError, NoProfileError
from tasks.drift.outputs import write_outputs
from tasks.drift.profile import OtherFormatError
from tasks.drift.verdict import judge_batch
from tasks.model.bundle import canonical, sha256
from tests.drift_shop import ROWS, WEEKS, make_shop, name_of, pipeline_here, sales, write

NEW = WEEKS + 1
FOLDER = Path("profiles/shop")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(autouse=True)
def here(shop, tmp_path, monkeypatch):
    """A copy to change, as the current directory."""
    shutil.copytree(shop, tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")


def judged(frame, batch="new"):
    write(frame, batch)
    return judge_batch(pipeline_here(), batch).verdict


def changed(**columns):
    """A new week, some of its columns changed."""
    frame = sales(NEW)
    return frame.assign(**{name: change(frame[name]) for name, change in columns.items()})


def alarms(verdict):
    return {(finding.column, finding.test) for finding in verdict.findings if finding.alarmed}


# ---- the three parts


def test_quiet_week_is_quiet():
    found = judged(sales(NEW))
    assert (found.drifted, found.material, found.cause) == (False, False, "none")
    assert found.sentence == "no drift"


def test_batch_of_the_dag_is_judged_like_one_that_has_just_landed():
    first = judge_batch(pipeline_here(), name_of(WEEKS - 1)).verdict
    again = judged(sales(WEEKS - 1))
    assert first.findings == again.findings
    assert (first.hashes.batch, first.rows) == (again.hashes.batch, again.rows)


def test_shift_of_what_the_model_leans_on_is_material():
    found = judged(changed(price=lambda price: price + 10))
    assert (found.drifted, found.material, found.cause) == (True, True, "changed_world")
    assert ("price", "distribution") in alarms(found)
    assert found.findings[0].moved > 0.1


def test_shift_of_what_the_model_hardly_reads_is_not_material():
    found = judged(changed(size=lambda size: size + 3))
    assert (found.drifted, found.material) == (True, False)
    assert found.cause == "changed_world"


def test_unit_change_is_a_broken_feed():
    found = judged(changed(price=lambda price: price * 100))
    assert found.cause == "broken_feed"
    assert (found.causes[0].kind, found.causes[0].columns, found.causes[0].owner) == (
        "unit_change",
        ("price",),
        "ops@example.org",
    )


def test_most_material_column_comes_first():
    found = judged(changed(price=lambda price: price + 10, size=lambda size: size + 10))
    assert next(finding.column for finding in found.findings if finding.role == "feature") == "price"


def test_verdict_names_champion_budget_and_hashes():
    found = judged(sales(NEW))
    assert found.champion == "workspace"
    assert (found.budget.known_by, round(found.budget.batches, 1)) == ("times", 52.2)
    assert found.hashes.batch == sha256(Path("data/raw/shop/new.csv").read_bytes())
    assert found.hashes.profile == sha256((FOLDER / "profile.json").read_bytes())


def test_verdict_and_outputs_have_the_same_bytes_again():
    contents = []
    for _ in range(2):
        write(sales(NEW), "new")
        found = judge_batch(pipeline_here(), "new")
        folder = write_outputs(found.verdict, found.cells)
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]


def test_labels_that_are_not_due_wait():
    text = Path("configs/shop.yaml").read_text()
    Path("configs/shop.yaml").write_text(text.replace("{name: returned}", "{name: returned, known_after: 30d}"))
    write(sales(NEW), "new")
    found = judge_batch(pipeline_here(), "new", as_of=datetime(2020, 4, 13, tzinfo=UTC)).verdict
    assert (found.loss.rows, found.loss.waiting) == (0, ROWS)
    assert any("Concept drift is not tested" in note for note in found.notes)


def test_batch_without_labels_is_judged_by_the_rest():
    found = judged(changed(returned=lambda values: [None] * len(values)))
    assert found.loss.off is not None
    assert not found.drifted


def test_test_of_all_columns_is_told_to_be_off_without_a_sample():
    text = Path("configs/shop.yaml").read_text()
    Path("configs/shop.yaml").write_text(text.replace("{resamples: 100}", "{resamples: 100, profile: {rows: 0}}"))
    from tasks import evaluate
    from tests.drift_shop import run_stages

    run_stages(evaluate)
    found = judged(sales(NEW))
    assert "profile: {rows: 0}" in found.multivariate.off
    assert any("The multivariate test is off" in note for note in found.notes)


def test_private_value_stands_in_no_output():
    frame = changed(customer=lambda values: values * 0 + 987123)
    write(frame, "new")
    found = judge_batch(pipeline_here(), "new")
    folder = write_outputs(found.verdict, found.cells)
    assert not any("987123" in path.read_text() for path in folder.iterdir())


# ---- bad batches


def test_file_without_a_row_is_a_broken_feed():
    found = judged(sales(NEW).iloc[:0])
    assert (found.cause, found.rows, found.causes[0].kind) == ("broken_feed", 0, "unreadable")
    assert "a header and no row" in found.causes[0].evidence


def test_one_row_gets_a_verdict():
    found = judged(sales(NEW).iloc[:1])
    assert found.rows == 1
    assert not found.drifted


def test_column_that_is_all_null_is_a_broken_feed():
    found = judged(changed(stars=lambda values: np.nan))
    assert found.drifted
    assert (found.cause, found.causes[0].columns) == ("broken_feed", ("stars",))


def test_category_that_became_a_number_is_told():
    found = judged(changed(shop=lambda values: values.map({"north": 1, "south": 2, "west": 3})))
    assert ("shop", "new_levels") in alarms(found)
    assert found.cause == "broken_feed"


def test_missing_column_is_a_broken_feed():
    found = judged(sales(NEW).drop(columns="price"))
    assert (found.cause, found.causes[0].kind) == ("broken_feed", "unreadable")
    assert "price" in found.causes[0].evidence


def test_constant_column_of_a_batch_is_told():
    assert ("size", "distribution") in alarms(judged(changed(size=lambda values: 40)))


def test_integers_beyond_doubles_are_judged():
    found = judged(changed(size=lambda values: values + 2**53))
    assert ("size", "range") in alarms(found)


def test_dates_where_numbers_were_are_a_broken_feed():
    found = judged(changed(price=lambda values: "2020-01-06"))
    assert (found.cause, found.causes[0].kind) == ("broken_feed", "refused_rows")
    assert f"{ROWS:,} of {ROWS:,} rows" in found.causes[0].evidence


def test_rows_that_validation_refuses_are_judged_where_they_are_most():
    text = Path("configs/shop.yaml").read_text()
    rule = (
        "[{expect_column_values_to_be_between: {column: price, min_value: 0, max_value: 200}, otherwise: quarantine}]"
    )
    Path("configs/shop.yaml").write_text(text.replace("expectations: {}", f"expectations: {rule}"))
    found = judged(changed(price=lambda price: price * 100))
    assert found.rows == ROWS
    assert [cause.kind for cause in found.causes[:2]] == ["refused_rows", "unit_change"]


def test_unknown_batch_is_an_error_that_names_the_nearest():
    with pytest.raises(DataError, match=r"no batch '2020-3'.*'2020-03'"):
        judge_batch(pipeline_here(), "2020-3")


# ---- bad profiles


def rewrite(**facts):
    """Change what profile.json says, with a checksum that is right again."""
    content = json.loads((FOLDER / "profile.json").read_bytes())
    del content["checksum"]
    content = {**content, **facts}
    (FOLDER / "profile.json").write_bytes(canonical({**content, "checksum": sha256(canonical(content))}))


def test_profile_that_is_not_there_is_told():
    shutil.rmtree(FOLDER)
    with pytest.raises(NoProfileError, match=r"profiles/shop: missing.*holdfast run shop"):
        judge_batch(pipeline_here(), name_of(0))


def test_profile_of_another_pipeline_is_refused():
    rewrite(pipeline="homes")
    with pytest.raises(ForeignProfileError, match="is of the pipeline homes, expected shop"):
        judge_batch(pipeline_here(), name_of(0))


def test_profile_of_another_model_is_refused():
    rewrite(hashes={"model": "0" * 64})
    with pytest.raises(ForeignProfileError, match=r"is of the model 0+, expected"):
        judge_batch(pipeline_here(), name_of(0))


def test_profile_of_another_format_is_refused():
    rewrite(format=99)
    with pytest.raises(OtherFormatError, match="format 99"):
        judge_batch(pipeline_here(), name_of(0))


@pytest.mark.parametrize("name", ["profile.json", "counts.parquet", "sample.parquet"])
def test_one_flipped_bit_of_a_profile_is_refused(name):
    data = bytearray((FOLDER / name).read_bytes())
    data[len(data) // 2] ^= 1
    (FOLDER / name).write_bytes(data)
    with pytest.raises(CorruptionError, match=name):
        judge_batch(pipeline_here(), name_of(0))


def test_document_of_a_real_batch_is_valid_by_the_schema():
    from jsonschema import Draft202012Validator

    from tasks.drift.document import json_schema

    write(changed(price=lambda price: price * 100), "new")
    found = judge_batch(pipeline_here(), "new")
    folder = write_outputs(found.verdict, found.cells)
    Draft202012Validator(json_schema()).validate(read_json(folder / "drift.json"))
