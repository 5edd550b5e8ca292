"""What Holdfast adds to the computing: its main job beside one plain script, and beside `dvc repro`.

    python benchmarks/overhead.py [--quick] [--rounds N]

Whole processes are measured, in a throw-away copy of this working tree, against a Prefect server that is running
already: bare.py, `holdfast run` and `dvc repro` with nothing made yet; the last two with nothing stale, and with only
the report stale, beside that stage run alone. Each prints one JSON object; then one says, part by part, where an extra,
instrumented run spent its seconds; the last one has the ratios. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BARE = ROOT / "benchmarks" / "bare.py"
PAGE = os.sysconf("SC_PAGE_SIZE")
SERVER_SECONDS = 300  # of a machine that does much else
POLL_SECONDS = 0.2

# What makes the declared job of flights, 20 s for the plain script, one of 60 s or more: text in the YAML, replaced.
LONGER = {
    "flights": {
        r"window: \d+ batches": "window: all",
        r"max_depth: \d+": "max_depth: 10",
        r"learning_rate: [\d.]+": "learning_rate: 0.004",
        r" rounds: \d+": " rounds: 2000",
    },
    "diabetes": {},
}
LONGER_BARE = {
    "flights": ["--window", "all", "--rounds", "2000", "--params", '{"max_depth": 10, "learning_rate": 0.004}'],
    "diabetes": [],
}
AGREEMENT = 1e-3  # of the holdout's score; more, and the plain script no longer does what Holdfast does


@dataclass(frozen=True)
class Cost:
    """What one process and its descendants took.

    Attributes
    ----------
    seconds : float
        Wall time.
    cpu : float
        Seconds of user and system time of all that were waited for.
    peak : float
        Megabytes: the private pages of all processes at one time and the file-backed pages of the largest, or the
        kernel's high-water mark of one process where that is more.
    """

    seconds: float
    cpu: float
    peak: float


def descendants(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def resident(pid: int) -> tuple[int, int]:
    """Private and file-backed pages in memory, in bytes; none of a process that is gone."""
    try:
        _, all_pages, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0, 0
    return (int(all_pages) - int(shared)) * PAGE, int(shared) * PAGE


def high_water(pid: int) -> int:
    """The most pages that a process had in memory so far, in bytes; 0 of one that is gone.

    Not `ru_maxrss`: that counts what the process that started it had in memory, too.
    """
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def watch_memory(pid: int, ended: threading.Event, peaks: list[float]) -> None:
    """Note the memory of a process tree, five times a second, until it has ended."""
    while not ended.wait(POLL_SECONDS):
        processes = descendants(pid)
        pages = [resident(process) for process in processes]
        at_once = sum(own for own, _ in pages) + max(shared for _, shared in pages)
        peaks.append(max(at_once, *map(high_water, processes)) / 1e6)


def measure(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[Cost, str]:
    """Run a command to its end; return what it took and what it printed.

    Raises
    ------
    SystemExit
        If it fails, with the end of what it printed.
    """
    peaks: list[float] = []
    ended = threading.Event()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=output, stderr=errors)
        watcher = threading.Thread(target=watch_memory, args=(process.pid, ended, peaks))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        ended.set()
        watcher.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        printed, said = output.read(), errors.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}\n{printed[-2000:]}\n{said[-4000:]}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, max(peaks, default=0.0)), printed


def isolated_environment(folder: Path) -> dict[str, str]:
    """The environment of all runs: a home of its own, compiled modules kept, nothing phones home."""
    home = folder / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@example.org\n")
    dropped = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PREFECT_API_URL", "OMP_NUM_THREADS")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {
        **kept,
        "HOME": str(home),
        "DVC_SITE_CACHE_DIR": str(home / "dvc"),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        "GX_ANALYTICS_ENABLED": "false",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


def python(*arguments: str) -> list[str]:
    """A command of this environment's Python."""
    return [sys.executable, *arguments]


def holdfast(*arguments: str) -> list[str]:
    """Holdfast's command, with the code of the folder that it runs in."""
    return python("-m", "flows.cli", *arguments)


def copy_project(target: Path, pipeline: str, environment: Mapping[str, str]) -> Path:
    """The working tree with one pipeline, its demo data landed and nothing made of them."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    traces = ("metrics/", "data/raw/", "dvc.lock", "tests/")
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith(traces):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    (target / "params.yaml").write_text(f"pipelines:\n  - {pipeline}\n")
    declared = target / "configs" / f"{pipeline}.yaml"
    for old, new in LONGER[pipeline].items():
        text, changes = re.subn(old, new, declared.read_text())
        if changes != 1:
            sys.exit(f"{declared.name}: {old!r} is there {changes} times; once was expected")
        declared.write_text(text)
    for command in (
        ["git", "init", "-q"],
        python("-m", "tasks.demo"),
        holdfast("land", pipeline),
        ["git", "add", "-A"],
        ["git", "commit", "-q", "-m", "benchmark"],
    ):
        measure(command, target, environment)
    return target


def fresh_copy(project: Path, name: str) -> Path:
    """A copy of a project, beside it."""
    return Path(shutil.copytree(project, project.with_name(name), symlinks=True))


@contextlib.contextmanager
def running_server(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """A Prefect server on a free loopback port, for the block; yields its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    command = python("-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-services")
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=log, stderr=log)
        try:
            wait_for(f"{url}/health", server)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Return when a server answers."""
    deadline = time.monotonic() + SERVER_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(POLL_SECONDS)
    sys.exit("the Prefect server did not start")


@dataclass(frozen=True)
class Bench:
    """One pipeline's measurements: where, and in which environment."""

    pipeline: str
    project: Path
    environment: Mapping[str, str]

    def bare(self) -> tuple[Cost, dict[str, Any]]:
        """The plain script, and what it found."""
        command = python(str(BARE), self.pipeline, *LONGER_BARE[self.pipeline])
        cost, printed = measure(command, self.project, self.environment)
        return cost, json.loads(printed.splitlines()[-1])

    def require_agreement(self, found: Mapping[str, Any], project: Path) -> None:
        """End the benchmark if the plain script's model is not as good as Holdfast's, to the third digit."""
        ours = json.loads((project / "metrics" / self.pipeline / "evaluate.json").read_text())
        value, other = (each["holdout"][ours["metric"]]["value"] for each in (ours, found))
        if abs(value - other) > AGREEMENT * max(1.0, abs(value)):
            sys.exit(f"{self.pipeline}: {ours['metric']} on the holdout is {value} by Holdfast, {other} by bare.py")

    def holdfast(self, project: Path) -> Cost:
        """`holdfast run`."""
        return measure(holdfast("run", self.pipeline), project, self.environment)[0]

    def dvc(self, project: Path) -> Cost:
        """`dvc repro`."""
        return measure(python("-m", "dvc", "repro", "-q"), project, self.environment)[0]

    def cold(self, rounds: int) -> dict[str, list[Cost]]:
        """All three with nothing made yet, one after the other, `rounds` times; the last projects are kept."""
        costs: dict[str, list[Cost]] = {"bare": [], "holdfast run": [], "dvc repro": []}
        for number in range(rounds):
            cost, found = self.bare()
            costs["bare"].append(cost)
            for system, run in (("holdfast run", self.holdfast), ("dvc repro", self.dvc)):
                copy = fresh_copy(self.project, f"{system.split()[0]}-{number}")
                costs[system].append(run(copy))
                self.require_agreement(found, copy)
                if number < rounds - 1:
                    shutil.rmtree(copy)
        return costs

    def nothing_stale(self, project: Path, times: int) -> dict[str, list[Cost]]:
        """Both with nothing stale, in turns."""
        pairs = [(self.holdfast(project), self.dvc(project)) for _ in range(times)]
        return {"holdfast run": [ours for ours, _ in pairs], "dvc repro": [theirs for _, theirs in pairs]}

    def report_stale(self, project: Path, times: int) -> dict[str, list[Cost]]:
        """Both when only the report's code has changed, and the stage alone, in turns."""
        costs: dict[str, list[Cost]] = {"holdfast run": [], "dvc repro": [], "stage report alone": []}
        alone = python("-m", "tasks.report", self.pipeline)
        for _ in range(times):
            touch_report(project)
            costs["holdfast run"].append(self.holdfast(project))
            touch_report(project)
            costs["dvc repro"].append(self.dvc(project))
            costs["stage report alone"].append(measure(alone, project, self.environment)[0])
        return costs

    def parts(self, project: Path, folder: Path) -> dict[str, dict[str, float]]:
        """Seconds by part of one instrumented `holdfast run`, for each of its processes."""
        folder.mkdir()
        (folder / "sitecustomize.py").write_text((ROOT / "benchmarks" / "timers.py").read_text())
        environment = {**self.environment, "PYTHONPATH": str(folder), "HOLDFAST_TIMERS": str(folder)}
        cost, _ = measure(holdfast("run", self.pipeline), project, environment)
        return {
            "whole": {"seconds": cost.seconds},
            **{file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))},
        }


def entry(system: str, workload: str, costs: Sequence[Cost]) -> dict[str, Any]:
    """One system on one workload as it is printed: medians over the runs, and each run's wall time."""
    return {
        "bench": "overhead",
        "system": system,
        "workload": workload,
        "wall_s": round(statistics.median(cost.seconds for cost in costs), 3),
        "cpu_s": round(statistics.median(cost.cpu for cost in costs), 3),
        "peak_mb": round(statistics.median(cost.peak for cost in costs), 1),
        "runs_s": [round(cost.seconds, 3) for cost in costs],
    }


def ratios(entries: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The figures that matter, from the printed entries.

    `cold`, `memory`, `dvc_repro_cold`: over the bare script. `noop`: `holdfast run` over `dvc repro`, nothing stale.
    `report_only`, `report_only_over_dvc`: `holdfast run` with the report stale over that stage alone, over `dvc repro`.
    """
    found = {(each["workload"], each["system"]): each for each in entries}

    def over(workload: str, system: str, other: str, figure: str = "wall_s") -> float:
        return round(float(found[workload, system][figure]) / float(found[workload, other][figure]), 3)

    return {
        "cold": over("cold", "holdfast run", "bare"),
        "memory": over("cold", "holdfast run", "bare", "peak_mb"),
        "noop": over("nothing stale", "holdfast run", "dvc repro"),
        "report_only": over("report stale", "holdfast run", "stage report alone"),
        "report_only_over_dvc": over("report stale", "holdfast run", "dvc repro"),
        "dvc_repro_cold": over("cold", "dvc repro", "bare"),
    }


def warm_up(bench: Bench) -> None:
    """Run each system once, so that none pays for cold files and for modules that are not compiled yet."""
    copy = fresh_copy(bench.project, "warm-up")
    bench.bare()
    bench.holdfast(copy)
    bench.dvc(copy)
    shutil.rmtree(copy)


def touch_report(project: Path) -> None:
    """Make the report stale."""
    with (project / "tasks" / "report.py").open("a") as file:
        file.write("# changed by the benchmark\n")


def run_all(folder: Path, pipeline: str, *, rounds: int, times: int) -> Iterator[dict[str, Any]]:
    """Yield what is printed, the ratios last."""
    environment = isolated_environment(folder)
    with running_server(folder, environment) as url:
        environment["PREFECT_API_URL"] = url
        (folder / "warm").mkdir()
        warm_up(Bench("diabetes", copy_project(folder / "warm" / "project", "diabetes", environment), environment))
        bench = Bench(pipeline, copy_project(folder / "project", pipeline, environment), environment)
        entries = []
        for workload, costs in workloads(bench, folder, rounds, times):
            for system, measured in costs.items():
                entries.append(entry(system, workload, measured))
                yield {**entries[-1], "pipeline": pipeline}
        made = folder / f"holdfast-{rounds - 1}"
        cold = bench.parts(fresh_copy(bench.project, "parts"), folder / "timers-cold")
        yield {"bench": "overhead", "parts": "cold, bare", "bare": bench.bare()[1]["seconds"]}
        yield {"bench": "overhead", "parts": "cold", **cold}
        nothing = bench.parts(made, folder / "timers-nothing")
        yield {"bench": "overhead", "parts": "nothing stale", **nothing}
        touch_report(made)
        yield {"bench": "overhead", "parts": "report stale", **bench.parts(made, folder / "timers-report")}
    yield {"bench": "overhead", "ratios": ratios(entries)}


def workloads(
    bench: Bench, folder: Path, rounds: int, times: int
) -> Iterator[tuple[str, Mapping[str, Sequence[Cost]]]]:
    """Each workload's name, and the costs of each system on it."""
    yield "cold", bench.cold(rounds)
    made = folder / f"holdfast-{rounds - 1}"
    yield "nothing stale", bench.nothing_stale(made, times)
    yield "report stale", bench.report_stale(made, times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="diabetes instead of flights, few repeats")
    parser.add_argument("--rounds", type=int, help="cold runs of each system (2; 1 with --quick)")
    options = parser.parse_args()
    quick = options.quick
    with tempfile.TemporaryDirectory(prefix="holdfast-overhead-") as name:
        for line in run_all(
            Path(name),
            "diabetes" if quick else "flights",
            rounds=options.rounds or (1 if quick else 2),
            times=2 if quick else 5,
        ):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
