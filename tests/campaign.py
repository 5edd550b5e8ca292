"""A pytest plugin: what the long proofs counted goes into `benchmarks/campaign.md` (`make campaign` loads it).

A proof says what it counted by pytest's own `record_property("kills", 2)`. Numbers of one name are added up over the
cases of a test.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

RECORD = Path(__file__).resolve().parents[1] / "benchmarks" / "campaign.md"
HEAD = """# The long proofs

Written by `make campaign`, which runs the same proofs as `make test` with full counts. Last run: {date}, Python
{python}, {machine}.

| proof | cases | held | counted | seconds |
| --- | ---: | ---: | --- | ---: |
"""


@dataclass
class Proof:
    """What the cases of one test came to."""

    cases: int = 0
    held: int = 0
    seconds: float = 0.0
    counted: dict[str, float] = field(default_factory=dict)

    def add(self, report: pytest.TestReport) -> None:
        """Count one case."""
        self.cases += 1
        self.held += report.passed
        self.seconds += report.duration
        for name, number in report.user_properties:
            self.counted[name] = self.counted.get(name, 0) + float(str(number))


def name_of(node: str) -> str:
    """`kill: run killed at many moments is completed` for the test's node id.

    >>> name_of("tests/test_kill.py::test_killed_run_is_completed[4]")
    'kill: killed run is completed'
    """
    file, _, function = node.partition("[")[0].partition("::")
    return f"{Path(file).stem.removeprefix('test_')}: {function.removeprefix('test_')}".replace("_", " ")


def proofs_of(reports: Iterable[pytest.TestReport]) -> dict[str, Proof]:
    """Add up the cases of each test; one that was skipped, or failed before it began, is a case that does not hold."""
    proofs: dict[str, Proof] = {}
    for report in reports:
        if report.when == "call" or (report.when == "setup" and not report.passed):
            proofs.setdefault(name_of(report.nodeid), Proof()).add(report)
    return proofs


def table(proofs: dict[str, Proof]) -> str:
    """The record's text."""
    machine = f"{platform.system()} {platform.machine()}"
    head = HEAD.format(date=datetime.now(UTC).date(), python=platform.python_version(), machine=machine)
    rows = [
        f"| {name} | {proof.cases} | {proof.held} | "
        f"{', '.join(f'{key} {number:g}' for key, number in proof.counted.items())} | {proof.seconds:,.0f} |\n"
        for name, proof in sorted(proofs.items())
    ]
    return head + "".join(rows)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the record after a whole campaign; a part of it (`-k`) is shown and written nowhere."""
    reports = [report for outcome in ("passed", "failed", "skipped") for report in terminalreporter.getreports(outcome)]
    text = table(proofs_of(report for report in reports if isinstance(report, pytest.TestReport)))
    terminalreporter.write(text)
    if not terminalreporter.config.option.keyword:
        RECORD.write_text(text, encoding="utf-8")
