"""The doctor names what is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks import doctor
from tests.conftest import holdfast


def test_fit_machine_ends_with_zero(project: Path) -> None:
    result = holdfast(project, "doctor")
    assert result.returncode == 0, result.stdout
    assert "NOT OK" not in result.stdout


def test_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    finding = doctor.program("git")
    assert not finding.fit
    assert "install git" in finding.found


def test_other_library_version_is_named(project: Path) -> None:
    text = Path("configs/libraries.yaml").read_text()
    Path("configs/libraries.yaml").write_text(text.replace('joblib: {"3.', 'joblib: {"2.'))
    assert "joblib" in doctor.libraries().found
    assert holdfast(project, "doctor").returncode == 4


def test_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    finding = doctor.prefect_server()
    assert not finding.fit
    assert "PREFECT_API_URL" in finding.found


@pytest.mark.skipif(os.getuid() == 0, reason="root writes everywhere")
def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert not doctor.writable_with_locks(tmp_path).fit
