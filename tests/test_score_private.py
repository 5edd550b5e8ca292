"""Private columns in scoring: no value in an output, a manifest, a log or an error; no reason names them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from configs.load import load_pipeline
from tasks.model.bundle import save_bundle
from tasks.scoring.batch import score_files
from tasks.scoring.job import plan_job
from tests.conftest import commit_all
from tests.scorers import COLUMNS, FEATURES, ZONE, fitted, homes

SENTINEL = 918273645
YAML = {
    "owner": {},
    "source": {"path": "data/incoming/homes/*.csv"},
    "time": {"timezone": ZONE},
    "target": {"name": "y"},
    "columns": {**COLUMNS, "y": {"type": "boolean"}},
    "drop": [],
    "expectations": [],
    "features": FEATURES,
    "encode": {},
    "split": {},
    "train": {"task": "binary"},
    "evaluate": {},
    "drift": {},
    "retrain": {},
    "gate": {},
    "score": {"overrides": [{"when": "income > 900000000", "decide": "refer", "name": "high income"}]},
}


@pytest.fixture
def scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What is written and printed of rows with sentinels in a private column."""
    monkeypatch.chdir(tmp_path)
    Path("configs").mkdir()
    Path("configs/homes.yaml").write_text(json.dumps(YAML))  # JSON is YAML
    model, facts = fitted()
    save_bundle(Path("models/homes"), model, homes(), {**facts, "pipeline": "homes"})
    rows = homes(6, seed=3).drop(columns="remark")
    rows["income"] = [str(value) for value in (1.0, SENTINEL, f"{SENTINEL}x", 2.0, "1e999", 3.0)]
    rows.to_csv("in.csv", index=False)
    commit_all(tmp_path)
    pipeline = load_pipeline("homes")
    score_files(plan_job(pipeline, None, Path("in.csv"), Path("out.csv"), 20), pipeline)
    printed = capfd.readouterr()
    return {
        "output": Path("out.csv").read_text(),
        "manifest": Path("out.csv.manifest.json").read_text(),
        "printed": printed.out + printed.err,
    }


@pytest.mark.parametrize("place", ["output", "manifest", "printed"])
def test_no_private_value_is_told(scored: dict[str, str], place: str) -> None:
    assert str(SENTINEL) not in scored[place].replace("900000000", "")
    assert "1e999" not in scored[place]


def test_override_on_a_private_number_is_told_by_its_name(scored: dict[str, str]) -> None:
    assert json.loads(scored["manifest"])["counts"]["decided_by"]["override: high income"] == 1


def test_faults_name_the_private_column_alone(scored: dict[str, str]) -> None:
    assert json.loads(scored["manifest"])["counts"]["faults"] == {
        "not_a_number: income": 1,
        "number_out_of_range: income": 1,
    }


def test_no_reason_names_the_private_column(scored: dict[str, str]) -> None:
    assert "area " in scored["output"]
    assert "income " not in scored["output"].replace("not_a_number: income", "")
