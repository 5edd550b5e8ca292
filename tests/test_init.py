"""`holdfast init`: a pipeline is added whole or not at all, nothing is overwritten, and it runs as it was drafted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from configs.load import pipeline_names, read_yaml
from tasks.atomic import read_json
from tasks.drafting.listing import UnlistableError, with_artifact, with_pipeline
from tasks.drafting.pipeline_name import NamelessError, name_for
from tasks.drafting.placing import AlreadyThereError, home_of, inside_repository, place
from tests.conftest import ROOT, holdfast, holdfast_here, run_python
from tests.drafted_files import FILES

TEXT = "owner: {}\n"
STOPPED = """
import os, signal, sys
from pathlib import Path
from tasks.drafting import placing
writes, stop_at, real = 0, int(sys.argv[1]), placing.write_text
def write_text(path, text):
    global writes
    writes += 1
    if writes == stop_at:
        {stop}
    real(path, text)
placing.write_text = write_text
placing.place("owner: {{}}\\n", "homes", placing.home_of(Path(sys.argv[2]), "homes"))
"""
KILLED = STOPPED.format(stop="os.kill(os.getpid(), signal.SIGKILL)")
FULL = STOPPED.format(stop="raise OSError(28, 'No space left on device', str(path))")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a project that a draft is placed among."""
    folder = tmp_path / "project"
    (folder / "configs").mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    """A file outside the project."""
    file = tmp_path / "homes.csv"
    file.write_text("a,b\n1,2\n")
    return file


def tree(folder: Path) -> dict[str, str]:
    """All files with their text, hidden ones left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".holdfast" not in path.parts
    }


def test_draft_is_placed_whole(bare: Path, homes: Path) -> None:
    place(TEXT, "homes", home_of(homes, "homes"))
    written = {name: text for name, text in tree(bare).items() if name not in ("params.yaml", "dvc.yaml")}
    assert set(written) == {"configs/homes.yaml", "configs/homes/__init__.py", "data/incoming/homes/homes.csv"}
    assert pipeline_names() == ("flights", "diabetes", "homes")
    assert read_yaml(Path("dvc.yaml"))["artifacts"]["homes"] == {"path": "models/homes", "type": "model"}


@pytest.mark.parametrize("file", ["params.yaml", "dvc.yaml"])
def test_one_line_is_added(bare: Path, homes: Path, file: str) -> None:
    before = Path(file).read_text().splitlines()
    place(TEXT, "homes", home_of(homes, "homes"))
    after = Path(file).read_text().splitlines()
    (added,) = [line for line in after if "homes" in line]
    assert [line for line in after if line != added] == before


@pytest.mark.parametrize("write", [1, 2, 3])
def test_killed_init_is_completed_by_the_next(bare: Path, homes: Path, write: int) -> None:
    run_python(bare, "-c", KILLED, str(write), str(homes), check=False, PYTHONPATH=str(ROOT))
    assert "homes" not in pipeline_names()
    place(TEXT, "homes", home_of(homes, "homes"))
    assert tree(bare) == tree_after_one_run(bare, homes)


def tree_after_one_run(bare: Path, homes: Path) -> dict[str, str]:
    """What an undisturbed run makes of a project."""
    other = bare.with_name("undisturbed")
    (other / "configs").mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, other)
    run_python(other, "-c", STOPPED.format(stop="pass"), "0", str(homes), PYTHONPATH=str(ROOT))
    return tree(other)


@pytest.mark.parametrize("write", [1, 2, 3])
def test_failed_init_takes_everything_back(bare: Path, homes: Path, write: int) -> None:
    before = tree(bare)
    result = run_python(bare, "-c", FULL, str(write), str(homes), check=False, PYTHONPATH=str(ROOT))
    assert "No space left" in result.stderr
    assert tree(bare) == before


def test_two_at_once_lose_no_line(bare: Path, homes: Path) -> None:
    code = "import sys\nfrom pathlib import Path\nfrom tasks.drafting.placing import home_of, place\n"
    code += "place('owner: {}\\n', sys.argv[1], home_of(Path(sys.argv[2]), sys.argv[1]))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen([sys.executable, "-c", code, f"homes-{number}", str(homes)], env=environment)
        for number in range(4)
    ]
    assert [process.wait(timeout=120) for process in started] == [0] * 4
    assert {f"homes-{number}" for number in range(4)} < {*pipeline_names()}


@pytest.mark.parametrize(
    ("name", "path", "told"),
    [
        ("flights", "nothing", "lists 'flights' already"),
        ("homes", "configs/homes.yaml", "is there already"),
        ("homes", "data/raw/homes.dvc", "have landed there"),
        ("homes", "data/incoming/homes/old.csv", "has other files already"),
        ("homes", "data/incoming/homes/homes.csv", "has other files already"),
    ],
)
def test_nothing_is_overwritten(bare: Path, homes: Path, name: str, path: str, told: str) -> None:
    (bare / path).parent.mkdir(parents=True, exist_ok=True)
    (bare / path).write_text("mine")
    before = tree(bare)
    with pytest.raises(AlreadyThereError, match=told):
        place(TEXT, name, home_of(homes, name))
    assert tree(bare) == before


def source_of(path: str, name: str = "homes") -> str:
    return home_of(inside_repository(Path(path)), name).source


def test_file_of_a_folder_stands_for_its_folder(bare: Path) -> None:
    folder = bare / "data/incoming/homes"
    folder.mkdir(parents=True)
    for number in (1, 2):
        (folder / f"{number}.csv").write_text("a,b\n1,2\n")
    assert source_of("data/incoming/homes/1.csv") == "data/incoming/homes/*.csv"


def test_file_beside_other_headers_stands_alone(bare: Path) -> None:
    folder = bare / "data/incoming/homes"
    folder.mkdir(parents=True)
    for number in (1, 2):
        (folder / f"{number}.csv").write_text(f"a,b{number}\n1,2\n")
    assert source_of("data/incoming/homes/1.csv") == "data/incoming/homes/1.csv"


def test_name_with_brackets_is_no_pattern(bare: Path) -> None:
    (bare / "x[1].csv").write_text("a,b\n1,2\n")
    source = source_of("x[1].csv")
    assert list(Path().glob(source)) == [Path("x[1].csv")]


def test_link_out_of_the_repository_is_copied(bare: Path, homes: Path) -> None:
    (bare / "homes.csv").symlink_to(homes)
    home = home_of(inside_repository(Path("homes.csv")), "homes")
    assert home.copy == Path("data/incoming/homes/homes.csv")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("homes.csv", "homes"),
        ("data/incoming/homes/2013-01.csv", "homes"),
        ("/mnt/Bank Marketing (full).csv.gz", "bank-marketing-full"),
        ("2013-01.csv", "data-2013-01"),
        ("x" * 80 + ".csv", "x" * 64),
        ("Ünïcode_Data.CSV", "unicode-data"),
    ],
)
def test_name_is_made_of_the_file(file: str, name: str) -> None:
    assert name_for(Path(file)) == name


@pytest.mark.parametrize("file", ["数据.csv", "libraries.csv", "---.csv"])
def test_file_without_a_legal_name_asks_for_one(file: str) -> None:
    with pytest.raises(NamelessError, match="--name"):
        name_for(Path(file))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pipelines:\n- a\n- b # last\n# end\n", "pipelines:\n- a\n- b # last\n- new\n# end\n"),
        ("pipelines: [a, b]   # mine\nother: 1\n", "pipelines: [a, b, new]   # mine\nother: 1\n"),
        ("pipelines:\n    -   a", "pipelines:\n    -   a\n    -   new\n"),
        ("pipelines: []\n", "pipelines: [new]\n"),
    ],
)
def test_pipeline_is_listed_in_the_file_s_own_style(before: str, after: str) -> None:
    assert with_pipeline(before, "new") == after


def test_list_of_an_unknown_style_is_left_alone() -> None:
    with pytest.raises(UnlistableError, match="add `- new` under pipelines"):
        with_pipeline("{pipelines: [a]}\n", "new")


@pytest.mark.parametrize(
    "before",
    [
        "stages: {}\n",
        "artifacts: \n  a:\n    path: x\n  # end\nstages: {}\n",
        "artifacts:\n  a: {path: x}\nplots: []\n",
    ],
)
def test_artifact_is_added_to_what_is_there(before: str) -> None:
    after = with_artifact(before, "new")
    assert set(before.splitlines()) < set(after.splitlines())


def test_other_artifact_of_the_name_is_kept() -> None:
    with pytest.raises(UnlistableError, match="another artifact"):
        with_artifact("artifacts:\n  new: {path: elsewhere}\n", "new")


def write_file(folder: Path, name: str) -> tuple[Path, str]:
    """One of the files, beside a project, and the column to predict."""
    make, target = FILES[name]
    file = folder / f"{name}.csv"
    file.write_bytes(make())
    return file, target


def test_mistyped_target_changes_nothing(fresh_project: Path, tmp_path: Path) -> None:
    file, _ = write_file(tmp_path, "iris")
    result = holdfast_here("init", str(file), "--target", "specie")
    assert (result.returncode, "did you mean 'species'" in result.stderr) == (1, True)
    status = ["git", "status", "--porcelain", "-u", "--ignored=no"]
    assert subprocess.run(status, cwd=fresh_project, check=True, capture_output=True, text=True).stdout == ""


def test_second_init_of_a_name_is_refused(fresh_project: Path, tmp_path: Path) -> None:
    file, target = write_file(tmp_path, "iris")
    assert holdfast_here("init", str(file), "--target", target).returncode == 0
    before = (fresh_project / "configs/iris.yaml").read_bytes()
    result = holdfast_here("init", str(file), "--target", target)
    assert (result.returncode, "lists 'iris' already" in result.stderr) == (2, True)
    assert (fresh_project / "configs/iris.yaml").read_bytes() == before


def test_file_is_named_from_where_the_command_is_called(fresh_project: Path) -> None:
    file, target = write_file(fresh_project / "data", "iris")
    result = holdfast(fresh_project / "data", "init", file.name, "--target", target, PYTHONPATH=str(fresh_project))
    assert result.returncode == 0, result.stderr
    assert read_yaml(fresh_project / "configs/iris.yaml")["source"] == {"path": "data/iris.csv"}


def land_drafted(file: Path, target: str) -> str:
    """Draft, check and land a pipeline; return its name."""
    name = file.stem
    steps = (("init", str(file), "--target", target), ("check", name), ("land", name))
    for step in steps:
        result = holdfast_here(*step)
        assert result.returncode == 0, result.stderr
    return name


def test_drafted_pipeline_runs_to_its_report(fresh_project: Path, tmp_path: Path) -> None:
    from tasks.ledger import reproduce

    name = land_drafted(*write_file(tmp_path, "visits"))
    reproduce(name, around=lambda _stage, work: work())
    assert read_json(Path("metrics/visits/evaluate.json"))["metric"] == "rmse"
    assert Path("reports/visits/index.html").is_file()


@pytest.mark.campaign
@pytest.mark.parametrize("name", FILES)
def test_every_drafted_pipeline_runs(name: str, fresh_project: Path, tmp_path: Path) -> None:
    land_drafted(*write_file(tmp_path, name))
    made = run_python(fresh_project, "-m", "dvc", "repro", "-q", f"report@{name}", check=False)
    assert made.returncode == 0, made.stdout + made.stderr
