"""A stage's code hash covers every project module that it can load, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.closure import code_hash, import_closure

FILES = {
    "configs/__init__.py": "",
    "configs/errors.py": "",
    "tasks/__init__.py": "",
    "tasks/split.py": "import json\nfrom tasks import folds\nif TYPE_CHECKING:\n    from tasks.typed import Only\n",
    "tasks/folds.py": "def fold():\n    from configs.errors import DataError\n    import tasks.late\n",
    "tasks/late.py": "from tasks.split import again\n",
    "tasks/typed.py": "",
    "tasks/other.py": "",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_closure_follows_imports_inside_functions_and_circles(project: Path) -> None:
    found = [path.as_posix() for path in import_closure(Path("tasks/split.py"), project)]
    expected = ["configs/__init__.py", "configs/errors.py", "tasks/__init__.py", "tasks/folds.py", "tasks/late.py"]
    assert found == [*expected, "tasks/split.py"]


BLOCKS = """
class A:
    async def run(self):
        with open("x"):
            import tasks.a
        for _ in ():
            pass
        else:
            import tasks.b
try:
    import tasks.c
except OSError:
    import tasks.d
else:
    import tasks.e
finally:
    import tasks.f
match 1:
    case 2:
        import tasks.g
if 1:
    pass
elif 2:
    while True:
        import tasks.h
"""


def test_closure_follows_imports_in_every_kind_of_block(project: Path) -> None:
    for name in "abcdefgh":
        (project / f"tasks/{name}.py").touch()
    (project / "tasks/blocks.py").write_text(BLOCKS)
    found = {path.stem for path in import_closure(Path("tasks/blocks.py"), project)}
    assert found == {*"abcdefgh", "blocks", "__init__"}


@pytest.mark.parametrize(
    ("file", "changes"), [("tasks/late.py", True), ("tasks/other.py", False), ("tasks/typed.py", False)]
)
def test_code_hash_changes_with_what_is_reached(project: Path, file: str, changes: bool) -> None:
    before = code_hash(Path("tasks/split.py"), project)
    (project / file).write_text("x = 1\n")
    import_closure.cache_clear()
    assert (code_hash(Path("tasks/split.py"), project) != before) is changes


def test_closure_of_ingest_has_what_it_really_loads() -> None:
    found = {path.as_posix() for path in import_closure(Path("tasks/ingest.py"))}
    assert {
        "tasks/ingest.py",
        "tasks/raw_files/records.py",
        "tasks/cells/values.py",
        "configs/schema.py",
        "tasks/__init__.py",
    } <= found
