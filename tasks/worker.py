"""Warm processes for the stages of a run, beside the one that holds DVC and Prefect.

They import the stale stages' libraries while their parent imports DVC and Prefect, or while the one before works, and
keep them from stage to stage. One reads, one validates and is gone, with Great Expectations, when the last one trains.
What ends a process - an exit, a segmentation fault, the kernel when memory runs out - ends such a one, and to its
parent that is a stage that failed. None outlives its parent.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NoReturn

from configs import errors
from configs.errors import HoldfastError, StageFailedError
from tasks.allocation import allocate_large_arrays_apart, give_memory_back
from tasks.stage import import_libraries, run_stage

PATIENCE_SECONDS = 10  # between asking the worker to end and killing it


GROUPS = (("ingest",), ("validate",), ("split", "train", "evaluate", "report"))  # all of STAGES, in the DAG's order
WORKERS = 2  # at a time
PATIENT = 10  # the niceness of imports that nobody waits for yet
RUNNING: ContextVar[StageWorkers | None] = ContextVar("RUNNING", default=None)


@contextlib.contextmanager
def stage_workers(stages: Iterable[str]) -> Iterator[StageWorkers]:
    """Yield the workers that already run in this context, else new ones that live as long as the block.

    Parameters
    ----------
    stages : iterable of str
        The stages to come; new workers import their libraries at once.
    """
    if (running := RUNNING.get()) is not None:
        yield running
        return
    workers = StageWorkers(stages)
    token = RUNNING.set(workers)
    try:
        yield workers
    finally:
        RUNNING.reset(token)
        workers.end()


class StageWorkers:
    """One worker per group of stages, and never more than two: while one works, the next one imports its libraries."""

    def __init__(self, stages: Iterable[str]) -> None:
        expected = set(stages)
        self.workers: dict[tuple[str, ...], StageWorker] = {}
        self.to_come = {group: expected.intersection(group) for group in GROUPS if expected.intersection(group)}
        self.start_next()

    def start_next(self) -> None:
        """Let workers begin with their imports, in the DAG's order."""
        while self.to_come and len(self.workers) < WORKERS:
            group = next(iter(self.to_come))
            stages = self.to_come.pop(group)
            self.workers[group] = StageWorker(tuple(stage for stage in group if stage in stages), bool(self.workers))

    def run(self, stage: str, pipeline: str) -> None:
        """Run one stage in its group's worker; see `StageWorker.call`."""
        (group,) = (group for group in GROUPS if stage in group)
        for earlier in GROUPS[: GROUPS.index(group)]:
            self.to_come.pop(earlier, None)
            if earlier in self.workers:
                self.workers.pop(earlier).end()
        if group not in self.workers:
            self.workers[group] = StageWorker((stage,))
            self.to_come.pop(group, None)
        self.start_next()
        self.workers[group].call(run_stage, stage, pipeline)

    def call(self, work: Callable[..., None], *arguments: str) -> None:
        """Call a function in the worker that began first; see `StageWorker.call`."""
        if not self.workers:
            self.workers[GROUPS[-1]] = StageWorker(("evaluate",))
        self.workers[min(self.workers, key=GROUPS.index)].call(work, *arguments)

    def end(self) -> None:
        """End all workers."""
        while self.workers:
            self.workers.popitem()[1].end()


class StageWorker:
    """A process that does one thing at a time, as it is told to."""

    def __init__(self, stages: tuple[str, ...], patient: bool = False) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, stages, patient), name="holdfast-stages")
        self.is_busy = True  # with its imports, until it has answered once
        self.process.start()
        theirs.close()

    def call(self, work: Callable[..., None], *arguments: str) -> None:
        """Call a function of a module in the worker, in the current directory; return when it is done.

        Raises
        ------
        HoldfastError
            What it raised, of the same class and with the same text.
        StageFailedError
            If it raised anything else, or the process ended.
        """
        self.is_busy = True
        with contextlib.suppress(BrokenPipeError):  # a worker that is gone says so below
            self.connection.send((work, arguments, str(Path.cwd())))
        wait([self.connection, self.process.sentinel])
        try:
            answer: tuple[str, str] | None = self.connection.recv()
        except (EOFError, ConnectionResetError):
            raise StageFailedError(f"{described(work, arguments)}: {self.cause_of_death()}") from None
        self.is_busy = False
        if answer is not None:
            raise error_of(*answer)

    def cause_of_death(self) -> str:
        """Say what ended the process, and what to do where that is known."""
        self.process.join(PATIENCE_SECONDS)
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"its process ended with exit code {code}"
        name = signal.Signals(-code).name
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        advice = (
            "; the kernel does that when memory runs out: give it more, or a smaller split.window" if code == -9 else ""
        )
        return f"its process was ended by {name} at {peak / 1e6:,.0f} MB{advice}"

    def end(self) -> None:
        """Hang up and let the process leave by itself; end it if it is in the middle of something."""
        self.connection.close()
        if self.is_busy:
            self.process.terminate()
        self.process.join(PATIENCE_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def error_of(class_name: str, text: str) -> HoldfastError:
    """Make the error that the worker told of, of the class that `configs.errors` has under that name."""
    error: HoldfastError = getattr(errors, class_name)(text)
    return error


def serve(connection: Connection, stages: tuple[str, ...], patient: bool) -> None:
    """Run stages until the parent hangs up: the worker's whole life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this process
    allocate_large_arrays_apart()
    threading.Thread(target=end_with_parent, daemon=True).start()
    imports = threading.Thread(target=prepare, args=(stages, patient))
    imports.start()
    imports.join()
    with contextlib.suppress(EOFError):
        while True:
            work, arguments, folder = connection.recv()
            connection.send(outcome_of(work, arguments, Path(folder)))
            give_memory_back()
    leave()


def prepare(stages: tuple[str, ...], patient: bool) -> None:
    """Import what the stages need; where they come later, without taking a core from those that are needed first.

    In a thread, since only Linux gives one a priority of its own, and a priority that was lowered cannot be raised.
    """
    if patient and sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PATIENT)
    with contextlib.suppress(Exception):  # a library that is missing or broken is told by the stage that needs it
        import_libraries(stages)


def leave(code: int = 0) -> NoReturn:
    """End this process as an exit does, but for taking apart, for a second, all that was imported."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def end_with_parent() -> None:
    """Leave at once when the parent is gone, so that no orphan goes on writing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def described(work: Callable[..., None], arguments: tuple[str, ...]) -> str:
    """Name a call: `run_stage train flights`."""
    return " ".join([work.__name__, *arguments])


def outcome_of(work: Callable[..., None], arguments: tuple[str, ...], folder: Path) -> tuple[str, str] | None:
    """Call a function; None, or the name of the error's class that `configs.errors` knows, and its text."""
    call = described(work, arguments)
    try:
        with contextlib.chdir(folder):
            work(*arguments)
            require_same_folder(call, folder)
    except HoldfastError as error:
        known = next(kind.__name__ for kind in type(error).__mro__ if hasattr(errors, kind.__name__))
        return known, str(error)
    except SystemExit as error:
        return ("StageFailedError", f"{call} ended its process with exit code {error.code}") if error.code else None
    except Exception as error:
        import traceback

        traceback.print_exc()
        return "StageFailedError", f"{call}: {type(error).__name__}: {error}"
    return None


def require_same_folder(call: str, folder: Path) -> None:
    """Refuse a stage that left the process in another directory."""
    if not Path.cwd().samefile(folder):
        raise StageFailedError(f"{call} left its process in {Path.cwd()}; it must not change directory")
