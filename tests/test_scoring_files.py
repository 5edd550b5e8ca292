"""Scoring files: rows in are rows out, in order; one manifest; nothing half; the same work once."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from configs.errors import CorruptionError
from configs.load import load_pipeline
from tasks import registry
from tasks.cells.columns import MissingColumnError
from tasks.raw_files import UnreadableFileError
from tasks.scoring import scorer
from tasks.scoring.batch import ChangedInputError, score_files
from tasks.scoring.job import Job, NoInputError, OutputError, finished, plan_job
from tasks.scoring.serving import NoModelError, choose, load
from tests.conftest import holdfast

HEADER = "age,sex,bmi,bp,s1,s2,s3,s4,s5,s6"
ROW = "48,1,24.1,87.0,192,103.2,54.0,3.6,4.2905,69"


def diabetes_rows() -> list[str]:
    """The demo's rows without their target."""
    lines = next(Path("data/raw/diabetes").iterdir()).read_text().splitlines()
    assert lines[0] == f"{HEADER},progression"
    return [line.rpartition(",")[0] for line in lines[1:]]


def write(name: str, rows: list[str], header: str = HEADER) -> Path:
    path = Path("in") / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def planned(source: Path, out: str = "out/scored.parquet", **options: Any) -> Job:
    pipeline = load_pipeline("diabetes")
    return plan_job(pipeline, options.pop("version", None), source, Path(out), **options)


def score(source: Path, out: str = "out/scored.parquet", **options: Any) -> pd.DataFrame:
    score_files(planned(source, out, **options), load_pipeline("diabetes"))
    return read(Path(out))


def read(out: Path) -> pd.DataFrame:
    if out.suffix == ".csv":
        return pd.read_csv(out)
    frame = pq.read_table(out).to_pandas()
    return frame.astype(dict.fromkeys(frame.select_dtypes("str"), object)).replace({np.nan: None})


def files_of(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def manifest_of(out: str = "out/scored.parquet") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"{out}.manifest.json").read_text())
    return found


def dirty_rows() -> list[str]:
    """Sound rows between others that cannot be parted, typed, or are strange."""
    rows = diabetes_rows()[:8]
    rows[1] = "48,1,24.1"
    rows[3] = ROW.replace("48", "old")
    rows[5] = ROW + ",7,8"
    rows[6] = ROW.replace("24.1", "99.9")
    return rows


# ---- rows in are rows out


def test_prediction_of_each_row_is_the_models(project: Path) -> None:
    rows = diabetes_rows()
    made = score(write("a.csv", rows))
    frame = pd.read_csv("in/a.csv", dtype={"sex": str})
    expected = load(choose("diabetes")).model.predict(frame)
    assert made["prediction"].to_numpy().tobytes() == np.asarray(expected).tobytes()
    assert made["_line"].tolist() == list(range(2, len(rows) + 2))


def test_rows_that_cannot_be_scored_stand_in_their_place(project: Path) -> None:
    made = score(write("a.csv", dirty_rows()))
    assert made["_line"].tolist() == list(range(2, 10))
    assert made["fault"].tolist() == [
        None,
        "too_few_columns",
        None,
        "not_an_integer: age",
        None,
        "too_many_columns",
        None,
        None,
    ]
    assert made["prediction"].isna().tolist() == made["fault"].notna().tolist()
    assert made["decision"].tolist() == ["accept" if fault is None else "refer" for fault in made["fault"]]


def test_strange_number_is_told_to_be_unfamiliar(project: Path) -> None:
    made = score(write("a.csv", dirty_rows()))
    assert made["unfamiliar"].tolist() == [False, None, False, None, False, None, True, False]
    assert made["unfamiliar_columns"][6] == "bmi"


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.csv.gz"])
def test_each_format_gives_the_same_predictions(project: Path, name: str) -> None:
    rows = diabetes_rows()[:50]
    expected = score(write("plain.csv", rows))["prediction"].tolist()
    frame = pd.read_csv("in/plain.csv", dtype={"sex": str})
    path = Path("in", name)
    if name.endswith("parquet"):
        frame.to_parquet(path)
    elif name.endswith("jsonl"):
        frame.to_json(path, orient="records", lines=True)
    elif name.endswith("gz"):
        path.write_bytes(gzip.compress(Path("in/plain.csv").read_bytes()))
    assert score(path)["prediction"].tolist() == expected


def test_columns_may_stand_in_any_order_between_others(project: Path) -> None:
    rows = diabetes_rows()[:20]
    expected = score(write("a.csv", rows))["prediction"].tolist()
    turned = [",".join(["x", *reversed(row.split(",")), "y"]) for row in rows]
    header = ",".join(["id", *reversed(HEADER.split(",")), "note"])
    assert score(write("b.csv", turned, header))["prediction"].tolist() == expected


def test_folder_is_scored_in_order_of_name(project: Path) -> None:
    rows = diabetes_rows()
    write("b.csv", rows[:3])
    write("a.csv", rows[3:5])
    made = score(Path("in"))
    assert made[["_file", "_line"]].values.tolist() == [["a.csv", 2], ["a.csv", 3], *[["b.csv", n] for n in (2, 3, 4)]]
    assert manifest_of()["input"]["files"]["b.csv"]["rows"] == 3


def test_csv_and_parquet_say_the_same(project: Path) -> None:
    path = write("a.csv", dirty_rows())
    text, table = score(path, "out/scored.csv"), score(path)
    assert text.replace({np.nan: None})["prediction"].tolist() == table["prediction"].tolist()
    assert list(text.columns) == list(table.columns)


def test_header_alone_gives_no_row(project: Path) -> None:
    assert len(score(write("a.csv", []))) == 0
    assert manifest_of()["output"]["rows"] == 0


def test_many_chunks_are_as_one(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("a.csv", dirty_rows() * 40)
    expected = score(path)
    monkeypatch.setitem(sys.modules["tasks.raw_files.blocks"].blocks.__kwdefaults__, "size", 512)
    pd.testing.assert_frame_equal(score(path, "out/again.parquet"), expected)


def test_reasons_stand_in_columns_of_their_own(project: Path) -> None:
    made = score(write("a.csv", dirty_rows()), reasons=2)
    assert list(made.columns)[-2:] == ["reason_1", "reason_2"]
    assert made["reason_1"].notna().tolist() == made["fault"].isna().tolist()


@pytest.mark.parametrize(
    ("on_change", "fault"),
    [("stop", "not_an_integer: age"), ("quarantine", "schema_integer_became_float: age"), ("accept", None)],
)
def test_whole_number_written_as_a_float_is_read_as_ingest_does(
    project: Path, on_change: str, fault: str | None
) -> None:
    yaml = Path("configs/diabetes.yaml")
    yaml.write_text(yaml.read_text().replace("source: {", f"source: {{on_change: {on_change}, "))
    assert score(write("a.csv", [ROW.replace("48", "48.0")]))["fault"].tolist() == [fault]


# ---- the manifest, and the same work once


def test_manifest_says_what_the_output_was_made_of(version: registry.Version) -> None:
    score(write("a.csv", dirty_rows()))
    said = manifest_of()
    assert said["model"]["name"] == "diabetes@v1.0.0"
    assert said["model"]["commit"] == version.commit
    assert said["counts"]["faults"] == {"not_an_integer: age": 1, "too_few_columns": 1, "too_many_columns": 1}
    assert said["counts"]["decisions"] == {"accept": 5, "refer": 3}
    assert said["counts"]["unfamiliar"] == {"rows": 1, "columns": {"bmi": 1}}
    assert pq.read_schema("out/scored.parquet").metadata[b"holdfast.model"] == b"diabetes@v1.0.0"
    assert str(Path.cwd()) not in json.dumps(said)


def test_same_work_gives_the_same_bytes(project: Path) -> None:
    path = write("a.csv", dirty_rows())
    score(path)
    first = [Path("out", name).read_bytes() for name in ("scored.parquet", "scored.parquet.manifest.json")]
    shutil.rmtree("out")
    score(path)
    assert [Path("out", name).read_bytes() for name in ("scored.parquet", "scored.parquet.manifest.json")] == first


def test_finished_work_is_known(project: Path) -> None:
    path = write("a.csv", dirty_rows())
    assert finished(planned(path)) is None
    score(path)
    assert finished(planned(path)) == manifest_of()


def changed_input(path: Path) -> None:
    path.write_text(path.read_text() + ROW + "\n")


def changed_declaration(_path: Path) -> None:
    yaml = Path("configs/diabetes.yaml")
    yaml.write_text(yaml.read_text() + "score: {margin: 5%}\n")


def changed_code(_path: Path) -> None:
    from tasks.closure import ROOT, import_closure  # the code that runs is the one that is hashed

    assert Path("tasks/scoring/batch.py") in import_closure(Path("tasks/scoring/batch.py"), ROOT)
    manifest = manifest_of()
    Path("out/scored.parquet.manifest.json").write_text(json.dumps({**manifest, "key": "of other code"}))


def changed_output(_path: Path) -> None:
    Path("out/scored.parquet").write_bytes(Path("out/scored.parquet").read_bytes()[:-1] + b"x")


def lost_output(_path: Path) -> None:
    Path("out/scored.parquet").unlink()


def torn_manifest(_path: Path) -> None:
    Path("out/scored.parquet.manifest.json").write_text("{")


@pytest.mark.parametrize(
    "change", [changed_input, changed_declaration, changed_code, changed_output, lost_output, torn_manifest]
)
def test_changed_work_is_not_taken_for_done(project: Path, change: Any) -> None:
    path = write("a.csv", dirty_rows())
    score(path)
    change(path)
    assert finished(planned(path)) is None


def test_other_options_are_other_work(project: Path) -> None:
    path = write("a.csv", dirty_rows())
    score(path)
    assert finished(planned(path, reasons=1)) is None


# ---- which model


def test_champion_scores_and_the_workspace_is_not_looked_at(version: registry.Version) -> None:
    rows = diabetes_rows()[:5]
    shutil.rmtree("models")
    assert len(score(write("a.csv", rows))) == 5


def test_without_a_version_the_last_bundle_scores(project: Path) -> None:
    score(write("a.csv", diabetes_rows()[:5]))
    assert manifest_of()["model"]["version"] is None
    assert manifest_of()["model"]["name"] == "models/diabetes"


def test_without_any_model_the_way_to_one_is_told(fresh_project: Path) -> None:
    with pytest.raises(NoModelError, match="holdfast retrain diabetes"):
        planned(write("a.csv", [ROW]))


def test_flipped_bit_of_the_bundle_scores_nothing(project: Path) -> None:
    path, booster = write("a.csv", [ROW]), Path("models/diabetes/booster.ubj")
    data = bytearray(booster.read_bytes())
    data[len(data) // 2] ^= 1
    booster.chmod(0o644)
    booster.write_bytes(data)
    with pytest.raises(CorruptionError, match=r"booster\.ubj: sha256"):
        score(path)
    assert not Path("out").exists()


def test_scorer_of_a_version_scores_one_row(version: registry.Version) -> None:
    row = dict(zip(HEADER.split(","), ROW.split(","), strict=True))
    made = score(write("a.csv", [ROW]))
    assert scorer("diabetes", "v1.0.0").one(row).prediction == made["prediction"][0]


# ---- what is refused before any work


def test_missing_column_is_told_before_any_row_is_scored(project: Path) -> None:
    write("a.csv", diabetes_rows()[:5])
    write("b.csv", [ROW], HEADER.replace("bmi", "BMI"))
    with pytest.raises(MissingColumnError, match=r"in/b.csv: column 'bmi' is missing; did you mean 'BMI'"):
        score(Path("in"))
    assert not Path("out").exists()


def test_column_that_stands_there_twice_is_refused(project: Path) -> None:
    with pytest.raises(MissingColumnError, match="column 'bmi' stands there 2 times"):
        score(write("a.csv", [ROW], HEADER.replace("bp", "bmi")))


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"<!DOCTYPE html><html></html>", "HTML"), (b"", "empty"), (b"PAR1 and then nothing", "Parquet")],
)
def test_file_that_is_no_table_is_refused(project: Path, content: bytes, told: str) -> None:
    path = write("a.csv", [])
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=told):
        score(path)


def test_input_that_is_no_file_is_refused(project: Path) -> None:
    os.mkfifo("pipe")
    Path("empty").mkdir()
    Path("nested/deeper").mkdir(parents=True)
    found = {"pipe": "no regular file", "empty": "holds no file", "nested": "'deeper'", "x": "no such file"}
    for source, told in found.items():
        with pytest.raises(NoInputError, match=told):
            planned(Path(source))


def test_output_that_a_next_run_would_read_is_refused(project: Path) -> None:
    write("a.csv", [ROW])
    path = write("b.csv", [ROW])
    for source, out in ((Path("in"), "in/scored.parquet"), (path, "in/b.csv")):
        with pytest.raises(OutputError, match="lies where the input is read"):
            planned(source, out)


@pytest.mark.parametrize("out", ["scored.xlsx", "scored", "models"])
def test_output_of_another_kind_is_refused(project: Path, out: str) -> None:
    with pytest.raises(OutputError, match=r"Parquet or CSV|is a folder"):
        planned(write("a.csv", [ROW]), out)


def test_file_that_grows_meanwhile_leaves_the_old_output(project: Path) -> None:
    path = write("a.csv", [ROW])
    score(path)
    before = Path("out/scored.parquet").read_bytes()
    path.write_text(path.read_text() + ROW + "\n")
    job = planned(path)
    path.write_text(path.read_text() + ROW + "\n")
    with pytest.raises(ChangedInputError, match=r"in/a\.csv: it was written to"):
        score_files(job, load_pipeline("diabetes"))
    assert Path("out/scored.parquet").read_bytes() == before
    assert files_of("out") == ["scored.parquet", "scored.parquet.manifest.json"]


# ---- kills

WORK = """
import sys, pathlib
from configs.load import load_pipeline
from tasks.scoring.batch import score_files
from tasks.scoring.job import plan_job
pipeline = load_pipeline("diabetes")
job = plan_job(pipeline, None, pathlib.Path("in/a.csv"), pathlib.Path("out/scored.parquet"))
print("ready", flush=True)
score_files(job, pipeline)
"""


def kill_after(seconds: float) -> None:
    """Score in a process of its own, and kill it some time after it has begun."""
    command = [sys.executable, "-c", WORK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("trials", [2, pytest.param(60, marks=pytest.mark.campaign)])
def test_killed_run_leaves_the_old_output_or_the_new_one(project: Path, trials: int) -> None:
    path = write("a.csv", dirty_rows() * 2000)
    new = planned(path)
    score_files(new, load_pipeline("diabetes"))
    expected = Path("out/scored.parquet").read_bytes()
    for trial in range(trials):
        Path("out/scored.parquet").write_bytes(b"old")
        Path("out/scored.parquet.manifest.json").write_text('{"key": "old"}')
        kill_after(0.2 + 3.0 * trial / trials)
        assert Path("out/scored.parquet").read_bytes() in (b"old", expected)
        score_files(new, load_pipeline("diabetes"))
        assert finished(new) is not None
        assert files_of("out") == ["scored.parquet", "scored.parquet.manifest.json"]


# ---- the command


def test_command_scores_once_also_where_the_remote_does_not_answer(version: registry.Version) -> None:
    write("a.csv", dirty_rows())
    subprocess.run(["git", "remote", "add", "origin", "../nowhere.git"], check=True)
    first = holdfast(Path.cwd(), "score", "diabetes", "in/a.csv", "-o", "out/a.csv")
    assert first.returncode == 0, first.stderr
    assert "out/a.csv: 8 rows by diabetes@v1.0.0" in first.stdout
    assert "Going on with the champion that this clone knows" in first.stderr
    second = holdfast(Path.cwd(), "score", "diabetes@v1.0.0", "in/a.csv", "-o", "out/a.csv", "--json")
    assert json.loads(second.stdout)["was_there"] is True


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("diabetes", "in/none.csv", "-o", "o.csv"), 2, "there is no such file"),
        (("diabetes", "in/a.csv", "-o", "o.xlsx"), 2, "let it end in .parquet or .csv"),
        (("diabetes@v9.9.9", "in/a.csv", "-o", "o.csv"), 2, "v9.9.9"),
        (("diabetse", "in/a.csv", "-o", "o.csv"), 2, "did you mean 'diabetes'"),
    ],
)
def test_command_ends_with_the_code_of_the_error(
    version: registry.Version, arguments: tuple[str, ...], code: int, told: str
) -> None:
    write("a.csv", [ROW])
    done = holdfast(Path.cwd(), "score", *arguments)
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
