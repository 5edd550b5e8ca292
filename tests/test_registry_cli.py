"""The commands about versions, and the tools whose names and formats they keep to: git, GTO, DVC."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from configs.load import pipeline_names, read_yaml
from tasks import registry
from tests.conftest import ROOT, holdfast
from tests.registered import run, state_of_user
from tests.test_cli import imported

HEAVY = {"pandas", "numpy", "sklearn", "xgboost", "prefect", "dvc", "gto", "duckdb", "great_expectations"}


def seconds_of_children() -> float:
    """Processor time of ended child processes: unlike the clock it does not grow with what else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def champion() -> str:
    found = registry.champion("diabetes")
    assert found is not None
    return str(found.number)


def test_every_pipeline_is_named_for_dvc_and_gto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    expected = {name: {"path": f"models/{name}", "type": "model"} for name in pipeline_names()}
    assert read_yaml(Path("dvc.yaml"))["artifacts"] == expected


def test_history_says_who_reigned_and_what_was_refused(registered: Path) -> None:
    facts = json.loads(holdfast(registered, "history", "diabetes", "--json").stdout)
    assert [reign["version"] for reign in facts["champions"]] == ["v1.0.0", "v1.1.0"]
    assert facts["champions"][0]["until"] == facts["champions"][1]["since"]
    assert [each["outcome"] for each in facts["versions"]] == ["promoted", "promoted", "refused"]
    assert len(facts["landings"]) == 1
    assert "finer slices" in holdfast(registered, "history", "diabetes").stdout


def test_rollback_goes_to_the_one_before_and_not_twice(registered: Path) -> None:
    assert "v1.0.0 is the champion again" in holdfast(registered, "rollback", "diabetes", "--reason", "worse").stdout
    again = holdfast(registered, "rollback", "diabetes", "--reason", "worse")
    assert (again.returncode, champion()) == (1, "v1.0.0")
    assert "holdfast promote diabetes VERSION" in again.stderr


def test_moving_the_champion_takes_under_two_seconds_and_leaves_the_user_alone(registered: Path) -> None:
    before, start = state_of_user(), seconds_of_children()
    assert holdfast(registered, "promote", "diabetes", "v1.0.0", "--reason", "back to it").returncode == 0
    assert holdfast(registered, "rollback", "diabetes", "--reason", "no").returncode == 0
    assert (seconds_of_children() - start) / 2 < 2
    assert (champion(), state_of_user()) == ("v1.1.0", before)


def test_refused_version_needs_an_override(registered: Path) -> None:
    refused = holdfast(registered, "promote", "diabetes", "v1.2.0", "--reason", "I like it")
    assert (refused.returncode, champion()) == (2, "v1.1.0")
    assert "refused" in refused.stderr
    assert holdfast(registered, "promote", "diabetes", "v1.2.0", "--reason", "I like it", "--override").returncode == 0
    assert champion() == "v1.2.0"


def test_promoting_the_champion_again_does_nothing(registered: Path) -> None:
    tip = registry.tip("diabetes")
    assert holdfast(registered, "promote", "diabetes", "v1.1.0", "--reason", "again").returncode == 0
    assert registry.tip("diabetes") == tip


@pytest.mark.parametrize(
    "arguments",
    [
        ["history", "diabetes"],
        ["rollback", "diabetes", "--reason", "x"],
        ["promote", "diabetes", "v1.0.0", "--reason", "x"],
        ["verify", "diabetes@v1.0.0"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_registry_commands_import_nothing_heavy(registered: Path, arguments: list[str]) -> None:
    assert imported(registered, *arguments) & HEAVY == set()


def test_unknown_version_is_told_with_the_nearest(registered: Path) -> None:
    result = holdfast(registered, "promote", "diabetes", "v1.1.1", "--reason", "x")
    assert result.returncode == 2
    assert "'v1.1.0'" in result.stderr


def test_verify_ends_with_three_where_a_tag_was_moved(registered: Path) -> None:
    assert holdfast(registered, "verify", "diabetes").returncode == 0
    run("git", "tag", "-f", "-a", "-m", "moved", "diabetes@v1.0.0", "diabetes@v1.1.0^{commit}")
    found = holdfast(registered, "verify", "diabetes", "--json")
    assert found.returncode == 3
    assert any(finding["where"].endswith("diabetes@v1.0.0") for finding in json.loads(found.stdout))


def test_version_whose_files_are_gone_is_not_promoted(registered: Path) -> None:
    shutil.rmtree(registered / ".dvc/cache")
    shutil.rmtree(registered.parent / "store")
    result = holdfast(registered, "rollback", "diabetes", "--reason", "x")
    assert (result.returncode, champion()) == (3, "v1.1.0")
    assert "Traceback" not in result.stderr


def test_checkout_writes_a_version_to_a_new_folder(registered: Path) -> None:
    shutil.rmtree(registered / ".dvc/cache")  # the remote has it
    assert holdfast(registered, "checkout", "diabetes@v1.0.0", "--into", "../out").returncode == 0
    record = json.loads(Path("../out/record.json").read_text())
    assert record["version"] == "v1.0.0"
    assert Path("../out/models/diabetes/booster.ubj").is_file()
    assert holdfast(registered, "checkout", "diabetes@v1.0.0", "--into", "../out").returncode == 2


# ---- bad input


def not_a_repository(project: Path) -> None:
    shutil.rmtree(project / ".git")


def no_commits(project: Path) -> None:
    not_a_repository(project)
    run("git", "init", "-q")


def detached_head(project: Path) -> None:
    run("git", "switch", "-q", "--detach")


def shallow_clone(project: Path) -> None:
    run("git", "clone", "-q", "--depth", "1", f"file://{project.parent}/origin.git", "../shallow")
    shutil.rmtree(project / ".git")
    shutil.move("../shallow/.git", ".git")


def no_identity(project: Path) -> None:
    run("git", "config", "user.name", "")
    run("git", "config", "user.email", "")


def dirty_stage(project: Path) -> None:
    path = project / "tasks/train.py"
    path.write_text(path.read_text() + "# edited\n")


def untracked_module(project: Path) -> None:
    (project / "tasks/mine.py").write_text("")


def unnamed_model(project: Path) -> None:
    path = project / "dvc.yaml"
    path.write_text(path.read_text().replace("  diabetes: {path: models/diabetes, type: model}\n", ""))
    run("git", "commit", "-qam", "no name")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (not_a_repository, "git init"),
        (no_commits, "no commit yet"),
        (detached_head, "git switch"),
        (shallow_clone, "git fetch --unshallow"),
        (no_identity, "git config user.name"),
        (dirty_stage, "tasks/train.py"),
        (untracked_module, "tasks/mine.py"),
        (unnamed_model, "artifacts"),
    ],
)
def test_retrain_refuses_before_any_work(registered: Path, spoil: object, says: str) -> None:
    assert callable(spoil)
    spoil(registered)
    result = holdfast(registered, "retrain", "diabetes", "--reason", "x")
    assert result.returncode == 2, result.stderr
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_retrain_without_a_reason_is_refused(registered: Path) -> None:
    assert holdfast(registered, "retrain", "diabetes", "--reason", " ").returncode == 2


# ---- the tools whose names we keep to


def test_gto_shows_what_holdfast_wrote(registered: Path) -> None:
    shown = json.loads(run("gto", "show", "--json"))["diabetes"]
    assert (shown["version"], shown["stage"]) == ("v1.2.0", {"champion": "v1.1.0"})


def test_gto_history_has_the_order_of_the_ledger(registered: Path) -> None:
    told = [row["ref"] for row in json.loads(run("gto", "history", "--json"))][::-1]
    assert told == [
        "diabetes@v1.0.0",
        "diabetes#champion#1",
        "diabetes@v1.1.0",
        "diabetes#champion#2",
        "diabetes@v1.2.0",
    ]


def test_git_checkout_of_a_version_is_a_clean_project(registered: Path) -> None:
    shutil.rmtree(registered / ".dvc/cache")
    run("git", "checkout", "-q", "diabetes@v1.0.0")
    run("dvc", "pull", "-q")
    assert run("dvc", "status").strip() == "Data and pipelines are up to date."
    assert read_yaml(Path("params.yaml"))["pipelines"] == ["diabetes"]


def test_dvc_gets_models_by_version_and_by_stage(registered: Path) -> None:
    run("dvc", "get", "-q", ".", "models/diabetes", "--rev", "diabetes@v1.1.0", "-o", "../by-tag")
    run("dvc", "artifacts", "get", "-q", ".", "diabetes", "--rev", "v1.1.0", "-o", "../by-number")
    run("dvc", "artifacts", "get", "-q", ".", "diabetes", "--stage", "champion", "-o", "../by-stage")
    found = {Path(folder, "booster.ubj").read_bytes() for folder in ("../by-tag", "../by-number", "../by-stage")}
    assert len(found) == 1
    assert subprocess.run(["git", "status", "--porcelain"], capture_output=True, check=True).stdout == b""
