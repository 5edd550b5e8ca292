"""`holdfast monitor` where no Prefect server is configured: it starts one for itself, and retrains itself."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.monitor_cli import tell
from tasks import registry
from tests.conftest import enter_copy, holdfast
from tests.prefect_runs import INCOMING, P, drop_drifted
from tests.registered import declare


@dataclass(frozen=True)
class Alone:
    """A project without a server, what commands printed, in order, and the ledger's tip after each."""

    project: Path
    printed: list[subprocess.CompletedProcess[str]]
    tips: list[str | None]


@pytest.fixture(scope="module")
def alone(versioned_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """Drop a drifted batch and monitor, retraining on drift; monitor again where the source has vanished."""
    with pytest.MonkeyPatch.context() as patch:
        alone = Alone(enter_copy(versioned_project, tmp_path_factory.mktemp("alone"), patch), [], [])
        declare("retrain: {}", "retrain: {on: [drift]}")
        declare("gate: {}", "gate: {margin: 100}")
        drop_drifted("diabetes-3.csv", 0)
        for words in (["--json"], []):
            alone.printed.append(holdfast(alone.project, "monitor", P, *words))
            alone.tips.append(registry.tip(P))
            shutil.rmtree(INCOMING, ignore_errors=True)
    return alone


def test_without_a_server_monitor_retrains_in_its_own_process(alone: Alone) -> None:
    done = alone.printed[0]
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout[done.stdout.index("{\n") :])
    assert told["decision"]["outcome"] == "retrain", told
    assert told["retrain"]["outcome"] == "promoted"


def test_source_that_vanished_fails_after_what_has_landed_was_judged(alone: Alone) -> None:
    done = alone.printed[1]
    assert done.returncode == 1
    assert "data/incoming/diabetes/ is not here, so no new file can land; data/incoming/ has nothing" in done.stderr
    assert alone.tips[0] == alone.tips[1]  # and a second run writes nothing


def test_nothing_to_judge_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    tell(P, None, None, elsewhere=False)
    assert capsys.readouterr().out == f"{P}: nothing that can be judged has landed since the champion was made\n"


def test_deploying_without_a_server_is_refused(alone: Alone) -> None:
    done = holdfast(alone.project, "deploy")
    assert done.returncode == 2
    assert "no Prefect server is configured" in done.stderr
