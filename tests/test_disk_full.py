"""A full disk while files are written: an error that says where, nothing half written, and the next run goes on.

No test can fill a disk of the machine it runs on. A limit on the size of files makes the same system calls fail at the
same places, with another errno.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from tests.conftest import run_python

LIMIT = 300_000  # bytes
BIG = Path("data/incoming/diabetes/big.csv")
ROWS = 40_000
LIMITED = (
    "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0})); sys.argv = sys.argv[1:]; "
)
LIMITED += "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"


def on_a_full_disk(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a module where no file can become larger than `LIMIT`."""
    return run_python(Path.cwd(), "-c", LIMITED.format(LIMIT), *words, check=False)


def write_big() -> None:
    """A batch that is larger than the disk, as CSV and as Parquet."""
    dice = random.Random(0)
    header = "age,sex,bmi,bp,s1,s2,s3,s4,s5,s6,progression\n"
    lines = (
        f"{dice.randrange(20, 80)},1," + ",".join(f"{dice.uniform(20, 70):.5f}" for _ in range(9)) for _ in range(ROWS)
    )
    BIG.write_text(header + "\n".join(lines) + "\n")


def files_under(*folders: str) -> dict[str, bytes]:
    """What lies in some folders, half-written files too."""
    found = [path for folder in folders for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    return {str(path): path.read_bytes() for path in found}


def require_told(done: subprocess.CompletedProcess[str], where: str) -> None:
    """An exit code of an error, and one sentence that names the file."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "too large" in done.stderr
    assert where in done.stderr


def test_landing_on_a_full_disk_lands_nothing_and_is_completed(fresh_project: Path) -> None:
    write_big()
    before = files_under("data/raw")
    require_told(on_a_full_disk("flows.cli", "land", "diabetes"), "data/raw/diabetes/")
    assert files_under("data/raw") == before
    assert "landed: big" in run_python(fresh_project, "-m", "flows.cli", "land", "diabetes").stdout


def test_ingest_on_a_full_disk_shows_no_half_file_and_is_completed(project: Path) -> None:
    write_big()
    run_python(project, "-m", "flows.cli", "land", "diabetes")
    before = files_under("data/typed", "data/quarantine", "metrics")
    require_told(on_a_full_disk("tasks.ingest", "diabetes"), "typed.parquet")
    assert files_under("data/typed", "data/quarantine", "metrics") == before
    assert list(Path(".holdfast").rglob(".*.tmp")) == []
    run_python(project, "-m", "tasks.ingest", "diabetes")
    assert Path("data/typed/diabetes/big.parquet").exists()
