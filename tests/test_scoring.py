"""Scoring in memory: one row, many rows and the estimator agree to the last bit; who decides, and what is told."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.cells.columns import MissingColumnError
from tasks.features import PARTS as PARTS_OF_SERIES
from tasks.model.model_matrix import model_matrix
from tasks.scoring.one_row import PART_OF
from tasks.scoring.overrides import UnknownDecisionError
from tasks.sql import ExpressionError
from tests.scorers import COLUMNS, SIZES, Scorer, homes, scorer_of, target_of

TASKS = ("binary", "multiclass", "regression")
PLAIN = {
    "city": "Ulm",
    "area": 81.5,
    "rooms": 3,
    "fee": 12.5,
    "garden": True,
    "lifts": 1,
    "yield": 0.25,
    "sold_at": "2013-05-04 18:30:00",
    "built": "1995-02-03",
    "income": 51_000.0,
}


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as a caller would have them: plain Python values."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def bits(values: Any) -> bytes:
    return np.asarray(values, dtype=np.float64).tobytes()


def estimator_says(scorer: Any, frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    model = scorer.model
    if model.task == "regression":
        return np.asarray(model.predict(frame))
    made = model.predict_proba(frame)
    return made[:, 1] if model.task == "binary" else made


def value_of(row: Any, task: str) -> Any:
    return row.prediction if task == "regression" else row.probability


# ---- equality


@pytest.mark.parametrize("task", TASKS)
def test_one_row_has_the_bits_of_the_estimator(task: str) -> None:
    scorer, frame = scorer_of(task), homes(60, seed=5)
    made = [value_of(scorer.one(row), task) for row in rows_of(frame)]
    assert bits(made) == bits(estimator_says(scorer, frame))


@pytest.mark.parametrize("task", TASKS)
def test_many_rows_have_the_bits_of_the_estimator(task: str) -> None:
    scorer, frame = scorer_of(task), homes(60, seed=6)
    made = scorer.frame(frame)
    expected = estimator_says(scorer, frame)
    assert bits(made.prediction if task == "regression" else made.probabilities) == bits(expected)


@pytest.mark.parametrize("task", TASKS)
def test_prediction_is_what_the_estimator_predicts(task: str) -> None:
    scorer, frame = scorer_of(task), homes(60, seed=7)
    assert scorer.frame(frame).prediction.tolist() == scorer.model.predict(frame).tolist()


@pytest.mark.parametrize("task", TASKS)
def test_one_row_has_the_matrix_of_a_frame(task: str) -> None:
    scorer, frame = scorer_of(task), homes(40, seed=11)
    frame.loc[:3, "city"] = ["Rome", "-", None, "Ulm"]
    made = [scorer.reader.typed(row) for row in rows_of(frame)]
    matrix = np.concatenate([scorer.reader.matrix(typed, scorer.reader.computed(typed)) for typed in made])
    names = scorer.model["booster"].feature_names_in_.tolist()
    assert matrix.tobytes() == model_matrix(scorer.model.features_in(frame)[names]).tobytes()


@pytest.mark.parametrize("nulls", [[], ["-"]])
def test_categoricals_have_the_bits_of_texts(nulls: list[str]) -> None:
    scorer, frame = scorer_of(), homes(60, seed=6)
    frame["city"] = pd.Series([*nulls, *frame["city"][len(nulls) :]], dtype="str")
    levels = frame.assign(city=frame["city"].astype("category"))
    assert bits(scorer.model.scores(levels)) == bits(scorer.model.scores(frame.astype({"city": object})))


TEXT = st.one_of(st.sampled_from(["Bonn", "Kiel", "Ulm", "-", "", "Köln"]), st.integers(-5, 5), st.none())
FLOAT = st.one_of(
    st.floats(-1e6, 1e6),
    st.integers(-1000, 1000),
    st.none(),
    st.sampled_from(["7", "-0.5", "1e3", "1e-320", "0x1F", "+5", " 5", "nan", "1_000", "inf", float("inf"), True]),
    st.floats(1, 1e9).map(lambda value: f"{value:.7g}"),
)
WHOLE = st.one_of(
    st.integers(-10, 2**63 - 1),
    st.none(),
    st.sampled_from(
        ["7", "007", "-1", "+3", "7.0", "7.5", "9" * 20, 2**64, 3.0, 3.5, np.int32(4), float("nan"), False]
    ),
)
TIME = st.one_of(
    st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)),
    st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.datetimes(datetime(2010, 1, 1), datetime(2016, 1, 1)).map(lambda time: time.isoformat(" ", "seconds")),
    st.sampled_from(
        [
            "2013-03-10 02:30:00",  # the clock was put over it
            "2013-11-03 01:30:00",  # happened twice
            "2013-11-03T01:30",
            "2013-05-04",
            "2013-05-04 18:30:00+02:00",
            "2013-05-04 18:30:00.25",
            "2013-02-30 10:00:00",
            "2013-05-04 24:00:00",
            "soon",
            None,
            date(2013, 5, 4),
            np.datetime64("2013-05-04T10:00"),
            pd.Timestamp("2013-05-04 10:00", tz="Asia/Tokyo"),
        ]
    ),
)
DAY = st.one_of(
    st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(date.isoformat),
    st.sampled_from([None, "", "2013-02-30", "1995-02-03 10:00:00", datetime(1995, 2, 3), "3.2.1995"]),
)
ROWS = st.fixed_dictionaries(
    {
        "city": TEXT,
        "area": FLOAT,
        "rooms": WHOLE,
        "fee": st.one_of(st.floats(-100, 100), st.sampled_from(["1.25", "1.255", "7", None, 3])),
        "garden": st.one_of(st.booleans(), st.none(), st.sampled_from(["true", "No", "0", "maybe", 1, np.True_])),
        "lifts": WHOLE,
        "yield": FLOAT,
        "sold_at": TIME,
        "built": DAY,
        "income": FLOAT,
    }
)


@cache
def scorer_that_refers(task: str) -> Scorer:
    """One for all examples, with rules before the model."""
    overrides = [{"when": "rooms > 4 AND hour(sold_at) < 9", "decide": "refer"}]
    return scorer_of(task, overrides=overrides, refer={"unfamiliar": True})


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=ROWS)
def test_any_row_alone_is_scored_as_in_a_frame(task: str, row: dict[str, Any]) -> None:
    scorer = scorer_that_refers(task)
    alone = scorer.one(row)
    framed = scorer.frame(pd.DataFrame({name: [value] for name, value in row.items()})).row(0)
    assert bits(np.array(value_of(alone, task), dtype=float)) == bits(np.array(value_of(framed, task), dtype=float))
    assert (alone.fault is None) == (framed.fault is None)  # which of several faults is told is open
    assert alone._replace(fault=None) == framed._replace(fault=None)


@pytest.mark.parametrize("part", sorted(PART_OF))
@given(time=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))
@settings(max_examples=50, deadline=None)
def test_part_of_a_moment_is_pandas_part(part: str, time: datetime) -> None:
    assert float(PART_OF[part](time)) == float(PARTS_OF_SERIES[part](pd.Series([time])).iloc[0])


def test_more_columns_change_nothing() -> None:
    scorer = scorer_of()
    assert scorer.one({**PLAIN, "remark": "?", "other": object()}) == scorer.one(PLAIN)


def test_target_is_not_needed_and_not_read() -> None:
    scorer = scorer_of()
    assert scorer.one({**PLAIN, "y": "rubbish"}) == scorer.one(PLAIN)


def test_missing_column_is_told_with_the_nearest() -> None:
    with pytest.raises(MissingColumnError, match=r"'rooms' is missing.*did you mean 'room'"):
        scorer_of().one({**{name: value for name, value in PLAIN.items() if name != "rooms"}, "room": 3})


def test_threads_score_as_one_does() -> None:
    from concurrent.futures import ThreadPoolExecutor

    scorer, rows = scorer_of(), rows_of(homes(80, seed=8))
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(scorer.one, rows))
    assert made == [scorer.one(row) for row in rows]


# ---- faults


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"rooms": "many"}, "not_an_integer: rooms"),
        ({"sold_at": "2013-03-10 02:30:00"}, "nonexistent_local_time: sold_at"),
        ({"garden": [1]}, "wrong_type: garden"),
        ({"area": float("inf")}, "infinite_value"),
        ({"area": 1e300, "rooms": 1}, "infinite_feature"),
    ],
)
def test_row_that_cannot_be_scored_falls_back_with_its_fault(change: dict[str, Any], fault: str) -> None:
    scored = scorer_of(fallback={"value": 0.5, "decision": "1"}).one({**PLAIN, **change})
    assert (scored.fault, scored.probability, scored.decision) == (fault, 0.5, "1")
    assert (scored.prediction, scored.decided_by) == (None, "fallback")


def test_fault_tells_no_value() -> None:
    assert "secret" not in repr(scorer_of().one({**PLAIN, "income": "secret"}))


def test_bad_rows_among_many_leave_the_others_as_they_are() -> None:
    scorer, frame = scorer_of(), homes(50, seed=9)
    expected = scorer.frame(frame)
    frame.loc[[3, 17, 49], "area"] = [np.inf, -np.inf, 1e300]
    made = scorer.frame(frame)
    good = [row for row in range(50) if row not in (3, 17, 49)]
    assert [made.row(place) for place in good] == [expected.row(place) for place in good]
    assert made.fault[[3, 17, 49]].tolist() == ["infinite_value", "infinite_value", "infinite_feature"]


def test_regression_falls_back_on_the_declared_value() -> None:
    assert scorer_of("regression", fallback={"value": 7.5}).one({**PLAIN, "rooms": "x"}).prediction == 7.5


# ---- unfamiliar


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ({}, ()),
        ({"city": "Rome"}, ("city",)),
        ({"city": None}, ()),  # was missing in training too
        ({"area": 1000.0}, ("area",)),
        ({"area": 155.0}, ()),  # within a tenth of the range beyond it
        ({"area": None}, ("area",)),
        ({"rooms": 50, "city": "Rome"}, ("city", "rooms")),
        ({"income": 1e9}, ()),  # private: its range is not kept
        ({"income": None}, ("income",)),
        ({"sold_at": "2033-05-04 18:30:00"}, ()),  # time goes on
        ({"lifts": None}, ()),  # means zero
    ],
)
def test_row_is_unfamiliar_by_the_columns_that_training_has_not_seen(change: Any, columns: tuple[str, ...]) -> None:
    assert scorer_of().one({**PLAIN, **change}).unfamiliar == columns


def test_margin_is_a_share_of_the_range() -> None:
    assert scorer_of(margin="0%").one({**PLAIN, "area": 155.0}).unfamiliar == ("area",)


def test_training_rows_are_familiar() -> None:
    assert not scorer_of().frame(homes()).unfamiliar


def test_no_private_number_is_in_the_manifest() -> None:
    assert "income" not in scorer_of().served.manifest["seen"]["ranges"]


def test_bundle_of_before_knows_levels_alone() -> None:
    from tasks.scoring.row_scorer import Scorer
    from tests.scorers import declared, served

    old = Scorer(served()._replace(manifest={}), declared())
    assert old.one({**PLAIN, "city": "Rome", "area": 1e5, "rooms": None}).unfamiliar == ("city",)


# ---- decisions


def test_model_decides_by_the_declared_costs() -> None:
    scorer, frame = scorer_of(), homes(200, seed=3)
    made = scorer.frame(frame)
    threshold = scorer.model.decision_.threshold
    assert threshold == pytest.approx(0.2)
    assert made.decision.tolist() == ["1" if p >= threshold else "0" for p in made.probabilities]


def test_rows_of_low_probability_are_referred() -> None:
    from tests.scorers import Scorer, served

    declared = make_free_of_costs({"below": 0.8})
    made = Scorer(served(), declared).frame(homes(200, seed=3))
    likely = np.maximum(made.probabilities, 1 - made.probabilities)
    assert ((made.decision == "refer") == (likely < 0.8)).all()
    assert 0 < (made.decided_by == "low_confidence").sum() < 200


def make_free_of_costs(refer: dict[str, Any]) -> Any:
    from tests.scorers import declared

    return declared().model_copy(update={"score": declared(refer=refer).score})


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_rows_are_referred_where_deciding_costs_more(task: str) -> None:
    scorer = scorer_of(task, refer={"cost": 0.3})
    made = scorer.frame(homes(200, seed=3))
    p = made.probabilities
    both = np.column_stack([1 - p, p]) if task == "binary" else p
    cheapest = (both @ np.array(scorer.model.decision_.matrix)).min(axis=1)
    clear = np.abs(cheapest - 0.3) > 1e-9
    assert ((made.decision == "refer") == (cheapest > 0.3))[clear].all()
    assert 0 < (made.decision == "refer").sum() < 200


def test_unfamiliar_rows_are_referred_where_declared() -> None:
    strange = {**PLAIN, "city": "Rome"}
    assert scorer_of(refer={"unfamiliar": True}).one(strange).decided_by == "unfamiliar"
    assert scorer_of().one(strange).decided_by == "model"


def test_override_comes_before_the_person_and_the_first_one_holds() -> None:
    overrides = [
        {"when": "rooms > 4", "decide": "1", "name": "large homes"},
        {"when": "rooms > 3 OR city = 'Rome'", "decide": "0"},
    ]
    scorer = scorer_of(overrides=overrides, refer={"unfamiliar": True})
    by = [scorer.one({**PLAIN, "city": "Rome", "rooms": rooms})[2:4] for rooms in (5, 4)]
    assert by == [("1", "override: large homes"), ("0", "override: rooms > 3 OR city = 'Rome'")]


def test_override_of_a_null_condition_does_not_hold() -> None:
    scorer = scorer_of(overrides=[{"when": "rooms > 4", "decide": "1"}])
    assert scorer.one({**PLAIN, "rooms": None}).decided_by == "model"


def test_override_may_read_a_column_that_the_model_does_not() -> None:
    scorer = scorer_of(overrides=[{"when": "remark = 'sold'", "decide": "refer"}])
    assert scorer.one({**PLAIN, "remark": "sold"}).decision == "refer"
    with pytest.raises(MissingColumnError, match="'remark' is missing"):
        scorer.one(PLAIN)


@pytest.mark.parametrize("when", ["y = true", "count(*) > 1", "(SELECT 1) = 1", "read_text('x') = ''", "1 = 1"])
def test_condition_that_is_not_about_one_row_is_refused(when: str) -> None:
    with pytest.raises(ExpressionError, match=r"score\.overrides\[0\]\.when"):
        scorer_of(overrides=[{"when": when, "decide": "refer"}])


def test_decision_for_no_class_of_the_model_is_refused() -> None:
    with pytest.raises(
        UnknownDecisionError, match=r"overrides\[0\].decide: found 'huge'; .*'large', 'medium', 'small'"
    ):
        scorer_of("multiclass", overrides=[{"when": "rooms > 4", "decide": "huge"}])


def test_classes_are_decided_on_by_name() -> None:
    assert {*scorer_of("multiclass").frame(homes()).decision} <= {*SIZES}


# ---- reasons


@pytest.mark.parametrize("task", TASKS)
def test_reasons_are_the_largest_contributions(task: str) -> None:
    from tasks.evaluation.explain import tree_contributions

    scorer, frame = scorer_of(task), homes(20, seed=4)
    features = scorer.model.features_in(frame)[scorer.model["booster"].feature_names_in_.tolist()]
    contributions, _ = tree_contributions(scorer.model.booster, features)
    made = scorer.frame(frame, reasons=2)
    for place in range(20):
        told = contributions[place]
        if task == "multiclass":
            told = told[scorer.policy.decisions.index(made.prediction[place])]
        shown = {name: value for name, value in zip(features.columns, told, strict=False) if name != "income"}
        expected = sorted(shown, key=lambda name: -abs(shown[name]))[:2]
        assert [reason.feature for reason in made.reasons[place]] == expected


def test_reasons_of_one_row_are_those_of_many() -> None:
    scorer, frame = scorer_of(), homes(5, seed=4)
    assert [scorer.one(row, reasons=3).reasons for row in rows_of(frame)] == scorer.frame(frame, reasons=3).reasons


def test_no_reason_names_what_is_made_of_a_private_column() -> None:
    scorer, frame = scorer_of("regression"), homes(100, seed=4)
    assert scorer.hidden == {"income"}
    told = {reason.feature for row in scorer.frame(frame, reasons=50).reasons for reason in row}
    assert told
    assert "income" not in told


def test_every_column_of_the_homes_is_there() -> None:
    assert {*PLAIN, "remark"} == {*COLUMNS}
    assert target_of(homes(), "binary").mean() == pytest.approx(0.5, abs=0.1)
