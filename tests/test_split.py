import json
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.errors import ConfigError, DataError
from configs.schema import Pipeline
from tasks.split import (
    HOLDOUT,
    OUTSIDE,
    TRAIN,
    DeclaredSplit,
    FoldError,
    declared_split,
    embargo,
    load_split,
    main,
    needed_columns,
    rows_of,
    split_rows,
)
from tasks.splitting.folds import (
    TooFewRowsError,
    group_codes,
    latest_share,
    microseconds,
    nearest_prefix,
    order_keys,
    strata,
    stratified_folds,
    stratified_share,
    time_and_group_folds,
    time_blocks,
)
from tasks.splitting.holdout import HoldoutError
from tasks.splitting.split_checks import (
    CostMatrixError,
    EmbargoError,
    MissingTimeError,
    OneGroupError,
    WeightError,
    refuse_costs,
    refuse_weights,
)
from tasks.stage import declaration, run_stage
from tasks.table import read_table, to_frame, write_table
from tasks.target import OneClassError

ROOT = Path(__file__).resolve().parents[1]
DAY = 86_400_000_000  # microseconds


def declared(*, split=None, known_after="0m", task="binary", time="at", time_type="timestamp", train=None):
    target = {"name": "late", "from": "delay", "above": 30.0, "known_after": known_after}
    names = {"regression": "delay", "multiclass": "kind"}
    return Pipeline.model_validate(
        {
            "name": "shop",
            "owner": "shop@example.org",
            "source": {"path": "data/incoming/*.csv"},
            "time": {"column": time} if time else {},
            "target": target if task == "binary" else {"name": names[task], "known_after": known_after},
            "columns": {
                "at": {"type": time_type},
                "delay": {"type": "float"},
                "who": {"type": "category"},
                "weight": {"type": "float"},
                "kind": {"type": "category"},
            },
            **{name: {} for name in ("features", "encode", "evaluate", "drift", "retrain", "gate")},
            "train": {**(train or {}), **({"task": task} if task == "multiclass" else {})},
            "drop": [],
            "expectations": [],
            "split": split or {},
        }
    )


def valid_rows(days=60, per_day=4, seed=0):
    """Rows of some days in monthly batches: ties within an hour, both classes on every day, three rows per group."""
    rng = np.random.default_rng(seed)
    at = pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(np.repeat(np.arange(days), per_day), unit="D")
    at = pd.Series(at + pd.to_timedelta(rng.integers(0, 3, days * per_day) * 8, unit="h")).astype("datetime64[us, UTC]")
    frame = pd.DataFrame({"at": at, "delay": rng.choice([10.0, 20.0, 40.0, 50.0], days * per_day)})
    frame.insert(0, "_batch", frame["at"].dt.strftime("%Y-%m"))
    frame["_line"] = frame.groupby("_batch").cumcount() + 2
    frame["who"] = [f"g{number // 3}" for number in rng.permutation(len(frame))]
    return frame


def assigned(frame, pipeline):
    return split_rows(rows_of(frame, pipeline), pipeline)


SPLITS = [
    declared(split={"kind": "time", "folds": 3, "gap": "1d", "holdout": "1 batch"}, known_after="12h"),
    declared(split={"kind": "time", "folds": 4, "holdout": "20%", "window": "30d"}),
    declared(split={"kind": "time", "folds": 2, "holdout": "1 batch", "window": "1 batch"}),
    declared(split={"kind": "stratified", "folds": 4, "holdout": "30%"}),
    declared(split={"kind": "stratified", "folds": 4, "holdout": "1 batch"}, task="regression"),
    declared(split={"kind": "group", "group": "who", "folds": 3, "holdout": "20%"}),
    declared(split={"kind": "group", "group": "who", "folds": 3, "holdout": "20%"}, task="regression"),
    declared(split={"kind": "group", "group": "who", "folds": 3, "holdout": "1 batch"}),
    declared(split={"kind": "time", "group": "who", "folds": 3, "gap": "1d", "holdout": "1 batch"}),
    declared(split={"kind": "time", "group": "who", "folds": 3, "holdout": "30%"}, task="regression"),
]
TIMED, GROUPED = [*SPLITS[:3], *SPLITS[8:]], SPLITS[5:]


@pytest.mark.parametrize("pipeline", SPLITS)
def test_split_does_not_depend_on_the_order_of_rows(pipeline):
    frame = valid_rows()
    shuffled = frame.sample(frac=1, random_state=3)
    names = ["_batch", "_line"]
    there, here = assigned(frame, pipeline), assigned(shuffled, pipeline)
    pd.testing.assert_frame_equal(
        there.sort_values(names, ignore_index=True), here.sort_values(names, ignore_index=True)
    )


@pytest.mark.parametrize("pipeline", SPLITS)
def test_parts_and_validation_folds_partition_the_rows(pipeline):
    frame = valid_rows()
    table = assigned(frame, pipeline)
    splitter = declared_split(table, frame, pipeline)
    validated = np.concatenate([valid for _, valid in splitter.split()])
    is_train = (table["part"] == TRAIN).to_numpy()
    assert table["part"].isin([TRAIN, HOLDOUT, OUTSIDE]).all()
    assert (table["fold"][~is_train] == -1).all()
    assert sorted(validated) == np.flatnonzero(table["fold"][is_train] >= 0).tolist()
    assert splitter.get_n_splits() == pipeline.split.folds
    assert all(not set(train) & set(valid) for train, valid in splitter.split())


@pytest.mark.parametrize("pipeline", TIMED)
def test_no_training_row_is_later_than_the_gap_before_validation_and_holdout(pipeline):
    frame = valid_rows()
    table = assigned(frame, pipeline)
    at = frame["at"]
    apart = embargo(pipeline)
    train_at = at[table["part"] == TRAIN].reset_index(drop=True)
    assert (train_at + apart <= at[table["part"] == HOLDOUT].min()).all()
    for train, valid in declared_split(table, frame, pipeline).split():
        assert train_at[train].max() + apart <= train_at[valid].min()


@pytest.mark.parametrize("pipeline", SPLITS[:3])
def test_rows_of_one_instant_stay_together(pipeline):
    frame = valid_rows()
    table = assigned(frame, pipeline)
    assert table.groupby(frame["at"])[["part", "fold"]].nunique().max().max() == 1


@pytest.mark.parametrize("pipeline", GROUPED)
def test_group_is_never_on_both_sides(pipeline):
    frame = valid_rows()
    table = assigned(frame, pipeline)
    groups = {part: {*frame["who"][table["part"] == part]} for part in (TRAIN, HOLDOUT)}
    trained = frame["who"][table["part"] == TRAIN].to_numpy()
    assert groups[HOLDOUT]
    assert not groups[TRAIN] & groups[HOLDOUT]
    for train, valid in declared_split(table, frame, pipeline).split():
        assert not {*trained[train]} & {*trained[valid]}


def test_holdout_by_time_and_group_takes_some_groups_and_all_new_ones():
    frame, pipeline = valid_rows(days=120), SPLITS[8]
    frame["who"] = [f"g{number % 40}" for number in range(len(frame))]
    frame.loc[frame.index[-8:], "who"] = "new"
    table = assigned(frame, pipeline)
    last = frame["_batch"] == frame["_batch"].max()
    held = {*frame["who"][table["part"] == HOLDOUT]}
    assert "new" in held
    assert 0.2 < (table["part"] == HOLDOUT)[last].mean() < 0.5
    assert {*table["reason"][last]} == {"", "group"}
    assert {*table["reason"][~last & frame["who"].isin(held)]} <= {"group", "gap"}


def test_fold_by_time_and_group_validates_its_groups_and_those_not_seen_before():
    times, who = np.array([*np.repeat(np.arange(4), 6), 3]), np.array([*"abcdef" * 4, "X"], dtype=object)
    fold = time_and_group_folds(times, who, folds=3, seed=1)
    dealt = [{*who[fold == number]} for number in range(3)]
    assert [len(groups) for groups in dealt] == [2, 2, 3]
    assert {*"abcdefX"} == set.union(*dealt)
    assert fold[-1] == 2
    assert (fold[:6] == -1).all()


def test_stratified_folds_and_holdout_have_the_shares_of_the_whole():
    frame = valid_rows()
    table = assigned(frame, SPLITS[3])
    late = frame["delay"] > 30
    for chosen in [table["part"] == HOLDOUT, *(table["fold"] == fold for fold in range(4))]:
        assert abs(late[chosen].mean() - late.mean()) < 0.02


def test_rows_keep_their_side_when_a_batch_is_added():
    pipeline = declared(split={"kind": "stratified", "folds": 2, "holdout": "30%"})
    frame = valid_rows()
    first = frame[frame["_batch"] == "2013-01"].reset_index(drop=True)
    before, after = assigned(first, pipeline), assigned(frame, pipeline)
    moved = before["part"] != after["part"][: len(first)]
    assert moved.mean() < 0.1


def test_seed_changes_the_draw():
    frame = valid_rows()
    parts = [
        assigned(frame, declared(split={"kind": "stratified", "folds": 2, "seed": seed}))["part"] for seed in (1, 2)
    ]
    assert not parts[0].equals(parts[1])


def test_row_without_target_is_outside_with_the_reason():
    frame = valid_rows()
    frame.loc[0, "delay"] = None
    table = assigned(frame, declared(split={"kind": "time", "folds": 2}))
    assert table.loc[0, ["part", "fold", "reason"]].tolist() == [OUTSIDE, -1, "no_target"]


def test_row_without_group_is_outside():
    frame = valid_rows()
    frame.loc[5, "who"] = None
    assert assigned(frame, SPLITS[5])["reason"][5] == "no_group"


def test_window_of_batches_leaves_older_rows_outside():
    frame = valid_rows(days=90)
    table = assigned(frame, declared(split={"kind": "time", "folds": 2, "holdout": "1 batch", "window": "1 batch"}))
    assert table.groupby(frame["_batch"])["part"].unique().explode().to_dict() == {
        "2013-01": OUTSIDE,
        "2013-02": TRAIN,
        "2013-03": HOLDOUT,
    }
    assert set(table["reason"][frame["_batch"] == "2013-01"]) == {"before_window"}


def test_window_of_days_counts_back_from_the_holdout():
    frame = valid_rows(days=59)
    table = assigned(frame, declared(split={"kind": "time", "folds": 2, "holdout": "1 batch", "window": "7d"}))
    start = frame["at"][table["part"] == HOLDOUT].min()
    assert frame["at"][table["part"] == TRAIN].min() >= start - timedelta(days=7)
    assert (table["part"] == TRAIN).sum() == 28


def test_split_by_time_without_declared_kind_and_by_date():
    frame = valid_rows()
    frame["at"] = frame["at"].dt.date
    pipeline = declared(split={"folds": 3, "gap": "1d"}, time_type="date")
    table = assigned(frame, pipeline)
    train, holdout = (frame["at"][table["part"] == part] for part in (TRAIN, HOLDOUT))
    assert train.max() + timedelta(days=1) <= holdout.min()


@pytest.mark.parametrize(
    ("split", "days", "error", "said"),
    [
        ({"kind": "time", "holdout": "2 batches"}, 59, HoldoutError, "2 batches of 2 with usable rows"),
        ({"kind": "time", "gap": "90d"}, 59, HoldoutError, "no row is left to train on.*split.gap"),
        ({"kind": "time", "holdout": "1 batch"}, 32, FoldError, "fold 0 of 5"),
        ({"kind": "time", "folds": 100}, 30, FoldError, "different instants for 101 blocks"),
        (
            {"kind": "time", "folds": 3, "gap": "20d"},
            59,
            EmbargoError,
            "split.gap: a target is used 20d after.*is 160h long",
        ),
        ({"kind": "time", "group": "who", "folds": 90}, 60, FoldError, "groups for 90 folds"),
        ({"kind": "stratified", "folds": 100}, 20, FoldError, "64 rows for 100 folds"),
        ({"kind": "group", "group": "who", "folds": 50}, 30, FoldError, "groups for 50 folds"),
        ({"kind": "stratified", "window": "7d"}, 30, None, ""),
    ],
)
def test_split_that_cannot_be_made_says_why(split, days, error, said):
    frame, pipeline = valid_rows(days=days), declared(split=split)
    if split.get("holdout") == "1 batch":
        frame.loc[frame["_batch"] == "2013-01", "delay"] = [50.0, *[10.0] * (31 * 4 - 1)]
    if error is None:
        assert set(assigned(frame, pipeline)["reason"]) == {"", "before_window"}
        return
    with pytest.raises(error, match=said):
        assigned(frame, pipeline)


def test_fold_without_positives_is_refused():
    frame = valid_rows()
    frame["delay"] = np.where(np.arange(len(frame)) < 2, 50.0, 10.0)
    frame.loc[frame.index[-3:], "delay"] = 50.0
    with pytest.raises(FoldError, match=r"fold 0 of 5: \d+ rows, all of class 0, are left to validate on"):
        assigned(frame, declared(split={"kind": "time"}))


def test_holdout_of_one_class_is_refused():
    frame = valid_rows(days=59)
    frame.loc[frame["_batch"] == "2013-02", "delay"] = 10.0
    with pytest.raises(HoldoutError, match="112 rows, all of class 0, are left in the holdout"):
        assigned(frame, declared(split={"kind": "time", "holdout": "1 batch"}))


def test_row_without_time_is_refused_with_key_and_remedy():
    frame = valid_rows()
    frame.loc[1, "at"] = pd.NaT
    with pytest.raises(MissingTimeError, match=r"1 of 240 rows have no 'at'.*line 3 of 2013-01.*not_be_null") as caught:
        assigned(frame, declared(split={"kind": "time", "folds": 2}))
    assert caught.value.key == ("time", "column")


@pytest.mark.parametrize("kind", ["group", "time"])
def test_group_of_one_value_is_refused(kind):
    frame = valid_rows().assign(who="g1")
    with pytest.raises(OneGroupError, match="'who' is 'g1' in all 240 rows") as caught:
        assigned(frame, declared(split={"kind": kind, "group": "who"}))
    assert caught.value.key == ("split", "group")


@pytest.mark.parametrize(
    ("known_after", "gap", "key"), [("90d", "1d", ("target", "known_after")), ("0m", "90d", ("split", "gap"))]
)
def test_delay_longer_than_the_history_is_refused_at_its_key(known_after, gap, key):
    with pytest.raises(HoldoutError, match="no row is left to train on") as caught:
        assigned(valid_rows(), declared(split={"kind": "time", "gap": gap}, known_after=known_after))
    assert caught.value.key == key


def test_delay_longer_than_a_fold_is_refused_at_its_key():
    with pytest.raises(EmbargoError, match=r"used 13d after its row's time .*fold 0 of 3 is 304h long") as caught:
        assigned(valid_rows(days=80), declared(split={"kind": "time", "folds": 3}, known_after="13d"))
    assert caught.value.key == ("target", "known_after")


@pytest.mark.parametrize(
    ("weight", "found"), [(0.0, "is 0"), (-2.0, "is -2"), (np.nan, "has no value"), (np.inf, "is inf")]
)
def test_weight_that_is_not_above_zero_is_refused(weight, found):
    frame, pipeline = valid_rows().assign(weight=1.0), declared(train={"weight": "weight"})
    frame.loc[4, "weight"] = weight
    train = np.ones(len(frame), dtype=bool)
    with pytest.raises(WeightError, match=f"'weight' {found} in line 6 of 2013-01") as caught:
        refuse_weights(frame, train, pipeline)
    assert caught.value.key == ("train", "weight")
    refuse_weights(frame, train & (frame.index != 4), pipeline)


def test_costs_of_another_number_of_classes_are_refused():
    pipeline = declared(task="multiclass", train={"costs": {"matrix": [[0.0, 1.0], [1.0, 0.0]]}})
    frame = valid_rows().assign(kind="a")
    frame["kind"] = [*"abc" * 80]
    with pytest.raises(
        CostMatrixError, match=r"found 2 rows of 2 costs, expected 3 rows of 3.*'a', 'b', 'c'"
    ) as caught:
        refuse_costs(rows_of(frame, pipeline), pipeline)
    assert caught.value.key == ("train", "costs", "matrix")


def lacking_class_c(*, late):
    """Rows of three classes, of which the third is only in the early or only in the late rows."""
    frame = valid_rows()
    has_all = (np.arange(len(frame)) > 150) == late
    frame["kind"] = np.where(has_all, [*"abc" * 80], [*"ab" * 120])
    return frame


def test_holdout_without_a_class_is_refused_where_the_metric_needs_all():
    pipeline = declared(task="multiclass", split={"kind": "time", "folds": 2}, train={"metric": "roc_auc"})
    with pytest.raises(HoldoutError, match="none of class 'c', are left in the holdout"):
        assigned(lacking_class_c(late=False), pipeline)


def test_holdout_without_a_class_serves_a_metric_that_needs_not_all():
    pipeline = declared(task="multiclass", split={"kind": "time", "folds": 2}, train={"metric": "log_loss"})
    assert (assigned(lacking_class_c(late=False), pipeline)["part"] == HOLDOUT).sum() == 48


def test_class_missing_from_what_a_fold_trains_on_is_refused():
    pipeline = declared(task="multiclass", split={"kind": "time", "folds": 2})
    with pytest.raises(FoldError, match=r"fold 0 of 2: .*none of class 'c', are left to train on") as caught:
        assigned(lacking_class_c(late=True), pipeline)
    assert caught.value.key == ("split", "folds")


def test_target_of_one_class_is_refused_before_any_split():
    with pytest.raises(OneClassError):
        assigned(valid_rows().assign(delay=1.0), declared())


def test_batches_out_of_order_in_time_are_refused():
    frame = valid_rows(days=59)
    frame["_batch"] = frame["_batch"].map({"2013-01": "new", "2013-02": "earlier"})
    with pytest.raises(HoldoutError, match="'earlier' is later than 'new'"):
        assigned(frame, declared(split={"kind": "time", "holdout": "1 batch"}))


def test_stray_early_row_of_the_holdout_is_named():
    frame = valid_rows(days=59)
    frame.loc[frame.index[-1], "at"] = pd.Timestamp("2008-05-01", tz="UTC")
    with pytest.raises(HoldoutError, match="line 113 of 2013-02 at 2008-05-01T00:00:00"):
        assigned(frame, declared(split={"kind": "time", "holdout": "1 batch"}))


@pytest.mark.parametrize("split", [{"kind": "time"}, {"kind": "group"}, {"kind": "stratified", "window": "7d"}])
def test_split_that_lacks_a_declaration_is_refused(split):
    with pytest.raises(ConfigError, match=r"time\.column|split\.group"):
        assigned(valid_rows(), declared(split=split, time=None))


def write_valid(folder, frame):
    import pyarrow as pa

    for batch, rows in frame.groupby("_batch"):
        table = pa.Table.from_pandas(rows.drop(columns="_batch"), preserve_index=False)
        write_table(table, folder / f"data/valid/shop/{batch}.parquet")


def test_stage_writes_the_table_and_counts_that_add_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pipeline = declared(split={"kind": "time", "folds": 3, "gap": "1d", "holdout": "1 batch"})
    frame = valid_rows()
    frame.loc[0, "delay"] = None
    write_valid(tmp_path, frame)
    main(pipeline)
    first = (tmp_path / "data/split/shop.parquet").read_bytes()
    main(pipeline)
    metrics = json.loads((tmp_path / "metrics/shop/split.json").read_text())
    written = read_table(tmp_path / "data/split/shop.parquet")
    assert (tmp_path / "data/split/shop.parquet").read_bytes() == first
    assert written.schema.names == ["_batch", "_line", "part", "fold"]
    assert str(written.schema.field("fold").type) == "int16"
    pd.testing.assert_frame_equal(load_split(pipeline), to_frame(written))
    assert sum(metrics["rows"][part] for part in (TRAIN, HOLDOUT, OUTSIDE)) == len(frame)
    assert sum(metrics["rows"]["outside_reasons"].values()) == metrics["rows"][OUTSIDE]
    start = frame["at"][frame["_batch"] == "2013-03"].min()
    close = int(((frame["_batch"] != "2013-03") & (frame["at"] + timedelta(days=1) > start)).sum())
    assert metrics["rows"]["outside_reasons"] == {"gap": close, "no_target": 1}
    assert [fold["fold"] for fold in metrics["folds"]] == [0, 1, 2]


SHOP = """\
owner: {}
source: {path: data/incoming/*.csv}
time: {column: at}
target: {name: delay}
columns: {at: {type: timestamp}, delay: {type: float}, who: {type: category}, kg: {type: float}, size: {type: float}}
split:
  SPLIT
train: {weight: kg}
""" + "".join(f"{name}: {{}}\n" for name in ("features", "encode", "evaluate", "drift", "retrain", "gate"))


@pytest.mark.parametrize(
    ("split", "weight", "said"),
    [
        ("kind: group\n  group: who\n  folds: 90", 1.0, r"9: split\.folds: \d+ groups for 90 folds"),
        ("kind: time\n  holdout: 9 batches", 1.0, r"8: split\.holdout: 9 batches of 2"),
        ("kind: stratified", 0.0, r"8: train\.weight: 'kg' is 0 in line 2 of 2013-01"),
        ("kind: time\n  folds: 60", 1.0, r"8: split\.folds: \d+ different instants for 61 blocks"),
    ],
)
def test_refusal_begins_with_file_and_line_of_its_key(split, weight, said, tmp_path, monkeypatch):
    declaration.cache_clear()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/shop.yaml").write_text(SHOP.replace("SPLIT", split) + "drop: []\nexpectations: []\n")
    for name in ("dvc.yaml", "configs/libraries.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    write_valid(tmp_path, valid_rows(days=50, per_day=1 if "60" in split else 4).assign(kg=weight))
    with pytest.raises(DataError, match=rf"^configs/shop\.yaml:{said}"):
        run_stage("split", "shop")


def test_stage_reads_only_the_columns_that_it_needs():
    assert needed_columns(declared(split={"kind": "time"})) == ["_line", "at", "delay"]


def test_splitter_refuses_other_rows_than_it_was_declared_for():
    with pytest.raises(FoldError, match="3 rows to split"):
        list(DeclaredSplit(np.array([0, 1]), None, timedelta(0)).split(np.zeros((3, 1))))


def test_splitter_serves_as_cv_of_scikit_learn():
    from sklearn.dummy import DummyRegressor
    from sklearn.model_selection import check_cv, cross_val_score

    groups = np.array([*"abacbc"], dtype=object)
    splitter = DeclaredSplit(np.array([-1, -1, 0, 0, 1, 1]), np.arange(6) * DAY, timedelta(days=1), groups)
    X, y = np.zeros((6, 1)), np.array([1.0, 1, 3, 3, 5, 5])
    scores = cross_val_score(DummyRegressor(), X, y, cv=splitter, scoring="neg_mean_absolute_error")
    assert check_cv(splitter) is splitter
    assert [train.tolist() for train, _ in splitter.split(X, y)] == [[1], [0, 2]]
    np.testing.assert_allclose(scores, [-2.0, -3.0])


@given(st.lists(st.integers(0, 12), min_size=1, max_size=40), st.integers(2, 6))
@settings(max_examples=100, deadline=None)
def test_blocks_of_time_are_ordered_whole_and_all_there(times, blocks):
    instants = np.array(times)
    if len(set(times)) < blocks:
        with pytest.raises(TooFewRowsError):
            time_blocks(instants, blocks)
        return
    found = time_blocks(instants, blocks)
    assert sorted(set(found.tolist())) == list(range(blocks))
    assert all(np.unique(found[instants == instant]).size == 1 for instant in instants)
    assert (np.diff(found[np.argsort(instants, kind="stable")]) >= 0).all()


@given(st.lists(st.integers(0, 3), min_size=4, max_size=60), st.integers(2, 4), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_stratified_folds_differ_by_one_row_per_stratum(classes, folds, seed):
    stratum = np.array(classes)
    keys = order_keys(pd.Series(["b"] * len(stratum)), pd.Series(range(len(stratum))), seed)
    counts = np.zeros((4, folds), dtype=int)
    np.add.at(counts, (stratum, stratified_folds(stratum, keys, folds)), 1)
    assert np.ptp(counts, axis=1).max() <= 1
    assert np.ptp(counts.sum(axis=0)) <= 1


def test_blocks_of_distinct_instants_are_equal():
    assert np.bincount(time_blocks(np.arange(30), 6)).tolist() == [5] * 6


def test_latest_share_never_takes_all():
    assert latest_share(np.array([1, 2]), 0.99).tolist() == [False, True]


def test_prefix_nearest_to_the_share_is_taken():
    assert [nearest_prefix(np.array([2, 2, 6]), share) for share in (0.01, 0.31, 0.99)] == [1, 2, 2]


def test_stratum_of_one_row_is_never_drawn():
    keys = np.arange(5, dtype=np.uint64)
    assert stratified_share(np.array([0, 0, 0, 0, 1]), keys, 0.5).tolist() == [True, True, False, False, False]


def test_order_of_rows_is_uniform_and_without_twins():
    keys = order_keys(pd.Series(["a", "b"]).repeat(20_000), pd.Series([*range(20_000)] * 2), 7)
    assert len(np.unique(keys)) == 40_000
    assert np.bincount((keys >> np.uint64(60)).astype(int)).min() > 2_200


def test_tenths_of_a_number_are_equal_and_ties_whole():
    assert np.bincount(strata(np.arange(100.0)[::-1], "regression")).tolist() == [10] * 10
    assert np.unique(strata(np.array([1.0] * 7 + [2.0] * 3), "regression")).tolist() == [0, 7]


def test_microseconds_of_a_missing_time_is_the_least():
    times = pd.Series(pd.to_datetime(["1970-01-01 00:00:01", None], utc=True)).astype("datetime64[us, UTC]")
    assert microseconds(times).tolist() == [1_000_000, np.iinfo(np.int64).min]


def test_groups_are_numbered_in_order_of_text():
    assert group_codes(["b", "a", "b"]).tolist() == [1, 0, 1]
