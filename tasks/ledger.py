"""DVC's graph of a pipeline: what is stale and why, and reproducing it.

DVC alone decides what is stale and keeps its locks, its run cache and `dvc.lock`. What differs from `dvc repro` is one
thing: where DVC would start `python -m tasks.<stage> <pipeline>` as a process, the stage's function is called, here or
in one warm process: importing pandas, scikit-learn, XGBoost and Great Expectations anew for each stage is dear.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.errors import ConfigError, DataError, HoldfastError, StageFailedError
from tasks.atomic import write_text
from tasks.stage import LIBRARIES, STAGES, run_stage
from tasks.worker import require_same_folder

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

    StageWork = Callable[[], None]
    StageCall = Callable[[str, str], None]


class LedgerBusyError(HoldfastError):
    """Another process writes to the same DVC repository."""


@dataclass(frozen=True)
class Reason:
    """Why a stage is stale: `kind` is data, code, parameter, library, command, output, or first run."""

    kind: str
    what: str


@dataclass(frozen=True)
class StagePlan:
    """What `holdfast plan` says of one stage. `after` names stale stages before it, whose outputs may change."""

    stage: str
    reasons: tuple[Reason, ...]
    after: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """`runs`, `may run` or `unchanged`."""
        if self.reasons:
            return "runs"
        return "may run" if self.after else "unchanged"


@dataclass
class StageOutcome:
    """What happened to one stage: whether it ran or came from the run cache, and for how many seconds."""

    stage: str
    outcome: str = "unchanged"
    seconds: float = 0.0
    computed: bool = field(default=False, repr=False)


def open_repository() -> Repo:
    """DVC's repository of the current directory.

    Raises
    ------
    ConfigError
        If the directory is no DVC repository.
    """
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    silence_dvc()
    try:
        return Repo()
    except NotDvcRepoError as error:
        raise ConfigError(
            f"{Path.cwd()}: no DVC repository here. Run `dvc init`, or go to the project's root."
        ) from error


def silence_dvc() -> None:
    """Keep DVC's own progress off the terminal; its errors come back as exceptions."""
    import logging

    os.environ["DVC_NO_ANALYTICS"] = "1"
    logging.getLogger("dvc").setLevel(logging.CRITICAL)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn what DVC raises, of its locks or of a stage, into an error that says what to do."""
    from dvc.exceptions import DvcException

    try:
        yield
    except DvcException as error:
        raise explanation(error) from error


def explanation(error: BaseException) -> HoldfastError:
    """The HoldfastError among an error's causes, or one that says what DVC's innermost cause means here."""
    from dvc.lock import LockError

    chain = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    for link in chain:
        if isinstance(link, HoldfastError):
            return link
    innermost = chain[-1]
    if isinstance(innermost, LockError):
        return LedgerBusyError(
            f"another process works in this DVC repository. Wait for it, then run again. {innermost}"
        )
    return StageFailedError(f"{error}: {type(innermost).__name__}: {innermost}")


def nodes_of(repository: Repo) -> dict[str, Stage]:
    """All nodes of DVC's graph by address (`train@flights`, `data/raw/flights.dvc`), from one read of its files."""
    return {str(node.addressing): node for node in repository.index.stages}


def short_name(stage: Stage) -> str:
    """`train` for `train@flights`; a `.dvc` file keeps its path."""
    return str(stage.addressing).partition("@")[0]


def require_raw_data(nodes: dict[str, Stage], pipeline: str) -> None:
    """Refuse raw data that are missing or are not the bytes that were landed.

    DVC itself would pin whatever it finds in the folder; a landed batch is immutable.
    """
    pin = f"data/raw/{pipeline}.dvc"
    if pin not in nodes:
        raise DataError(f"{pin}: nothing has landed yet. Run `holdfast land {pipeline}` (`make data` for the demos).")
    for out, status in nodes[pin]._status(nodes[pin].outs).items():
        raise DataError(
            f"{out}: {status} since it was landed and pinned in {pin}. Restore it with `dvc checkout {pin}` "
            f"(after `dvc pull {pin}` if it is in a remote), or land the changed files with `holdfast land {pipeline}`."
        )


def raw_data_is_missing(pipeline: str) -> bool:
    """Whether landed batches are pinned here but are not in the workspace, as in a fresh clone."""
    return Path(f"data/raw/{pipeline}.dvc").exists() and not Path(f"data/raw/{pipeline}").is_dir()


def fetch_raw_data(pipeline: str) -> None:
    """Bring landed batches back, from DVC's cache or from its remote.

    Raises
    ------
    DataError
        If neither has them, or no remote is configured.
    """
    from dvc.exceptions import DvcException

    pin = f"data/raw/{pipeline}.dvc"
    repository = open_repository()
    (node,) = repository.stage.collect(pin)
    bring = repository.pull if node.outs[0].changed_cache() else repository.checkout
    try:
        bring([pin])
    except DvcException as error:
        raise DataError(
            f"{pin}: the batches that it pins are neither here nor in a DVC remote. Configure the remote that has "
            f"them (`dvc remote add`), or land them again: `holdfast land {pipeline}`."
        ) from error


# ---- what is stale, and why


def plan_stages(pipeline: str) -> list[StagePlan]:
    """Say for each stage whether it would run and why; nothing runs and nothing is written."""
    repository = open_repository()
    plans: list[StagePlan] = []
    with explained(), repository.lock:
        nodes = nodes_of(repository)
        require_raw_data(nodes, pipeline)
        for stage in STAGES:
            stale_before = tuple(plan.stage for plan in plans if plan.verdict == "runs")
            plans.append(StagePlan(stage, tuple(reasons_of(nodes[f"{stage}@{pipeline}"])), stale_before))
    return plans


def has_never_run(pipeline: str) -> bool:
    """Whether dvc.lock has no entry for a pipeline: the cheapest question, without DVC."""
    lock = Path("dvc.lock")
    return not lock.exists() or f"  {STAGES[0]}@{pipeline}:\n" not in lock.read_text(encoding="utf-8")


def stale_stages(pipeline: str) -> list[str]:
    """The stages that run or may run; the cheap question before anything else is imported."""
    if raw_data_is_missing(pipeline) or (has_never_run(pipeline) and Path(f"data/raw/{pipeline}.dvc").exists()):
        return list(STAGES)
    return [plan.stage for plan in plan_stages(pipeline) if plan.verdict != "unchanged"]


def reasons_of(stage: Stage) -> list[Reason]:
    """Compare a stage with its entry in dvc.lock, dependency by dependency."""
    from dvc.dependency.param import ParamsDependency

    if not any(dep.hash_info for dep in stage.deps):
        return [Reason("first run", "dvc.lock has no entry for it")]
    reasons = [Reason("command", str(stage.cmd))] if stage.changed_stage() else []
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency):
            reasons += parameter_reasons(dep)
        else:
            kind = "code" if str(dep).endswith((".py", ".j2")) else "data"
            reasons += [Reason(kind, f"{path} ({status})") for path, status in dep.status().items()]
    for out in stage.outs:
        reasons += [Reason("output", f"{path} ({status})") for path, status in out.status().items()]
    return reasons


def parameter_reasons(dep: Any) -> list[Reason]:
    """What changed in a params file: the innermost keys, with the value in dvc.lock and the value now."""
    before = dep.hash_info.value or {}
    now = dep.read_params()
    path = os.path.relpath(dep.fs_path)
    kind = "library" if Path(path) == LIBRARIES else "parameter"
    return [Reason(kind, f"{path}: {change}") for change in changed_values(before, now)]


def changed_values(before: Any, now: Any, key: str = "") -> list[str]:
    """`key: old -> new` for each innermost difference of two nested mappings.

    >>> changed_values({"train": {"seed": 7, "rounds": 500}}, {"train": {"seed": 8, "rounds": 500}})
    ['train.seed: 7 -> 8']
    """
    if before == now:
        return []
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return [f"{key}: {before!r} -> {now!r}"]
    changes = []
    for name in [*now, *(name for name in before if name not in now)]:
        inner = f"{key}.{name}" if key else str(name)
        changes += changed_values(before.get(name), now.get(name), inner)
    return changes


# ---- reproducing


def reproduce(
    pipeline: str, around: Callable[[str, StageWork], None], call: StageCall = run_stage
) -> list[StageOutcome]:
    """Let DVC walk one pipeline's graph; each stale stage is handed to `around` as a name and a function to call.

    Parameters
    ----------
    pipeline : str
        A pipeline of params.yaml.
    around : callable (stage, work) -> None
        Calls `work()` exactly once; a Prefect task in the train flow.
    call : callable (stage, pipeline) -> None
        Runs a stage's function: in this process, or in a warm one beside it (`tasks.worker`).

    Returns
    -------
    list of StageOutcome
        The stages in the order of the DAG: `ran`, `from the run cache` or `unchanged`.

    Raises
    ------
    HoldfastError
        What the stage raised; or StageFailedError, LedgerBusyError.
    """
    from dvc.repo import lock_repo

    repository = open_repository()
    outcomes = {stage: StageOutcome(stage) for stage in STAGES}

    def reproduce_if_stale(stage: Stage, **options: Any) -> Stage | None:
        if not stage.cmd or not (options["force"] or stage.changed(upstream=options["upstream"])):
            return None
        outcome = outcomes[short_name(stage)]
        around(outcome.stage, lambda: reproduce_stage(stage, outcome, options))
        return stage

    mend_record_of_running_stages(repository)
    with explained(), lock_written_whole(), stages_called(call, outcomes), lock_repo(repository):
        remove_empty_run_entries(repository)
        require_raw_data(nodes_of(repository), pipeline)  # under one lock with the walk, so that files are read once
        repository.reproduce([f"{STAGES[-1]}@{pipeline}"], repro_fn=reproduce_if_stale)
    return list(outcomes.values())


def reproduce_stage(stage: Stage, outcome: StageOutcome, options: dict[str, Any]) -> None:
    """Reproduce one stale stage as DVC does, dump its entry of dvc.lock, and time it."""
    start = time.perf_counter()
    stage.reproduce(**options)
    stage.dump(update_pipeline=False)
    outcome.seconds = time.perf_counter() - start
    outcome.outcome = "ran" if outcome.computed else "from the run cache"


@contextlib.contextmanager
def lock_written_whole() -> Iterator[None]:
    """Let DVC rewrite dvc.lock after each stage atomically, read it with its fast parser, and dump what changed only.

    DVC writes in place, so a killed run could leave half a file; it reads with the parser that keeps comments, which
    dvc.lock has none of, at six times the cost; and it dumps the entries of all stages to write one, which takes a
    second with two pipelines. The bytes are the same.
    """
    import dvc.dvcfile
    from dvc.utils.serialize import load_yaml

    modify_in_place = dvc.dvcfile.modify_yaml

    @contextlib.contextmanager
    def modify(path: str, fs: Any = None) -> Iterator[Any]:
        file = Path(path)
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        content = load_yaml(path, fs=fs) if text else {}
        before = dict(content.get("stages", {}))
        yield content
        write_text(file, dumped(content, before, text))

    dvc.dvcfile.modify_yaml = modify
    try:
        yield
    finally:
        dvc.dvcfile.modify_yaml = modify_in_place


def dumped(content: dict[str, Any], before: dict[str, Any], text: str) -> str:
    """Text of dvc.lock as DVC dumps it: the entries that are the very objects `before` held keep theirs.

    Parameters
    ----------
    content : dict
        What dvc.lock shall hold.
    before : dict of stage to entry
        What `text` was read as.
    text : str
        What dvc.lock holds.
    """
    from dvc.utils.serialize import dumps_yaml

    head, entries = entries_of(text)
    if list(content) != ["schema", "stages"] or entries.keys() != before.keys():
        return str(dumps_yaml(content))
    for name, entry in content["stages"].items():
        if entry is not before.get(name):
            head, alone = entries_of(dumps_yaml({**content, "stages": {name: entry}}))
            entries[name] = alone[name]
    return head + "".join(entries[name] for name in content["stages"])


def entries_of(text: str) -> tuple[str, dict[str, str]]:
    r"""Part the text of dvc.lock into what stands above the stages' entries, and each entry by its stage.

    >>> entries_of("schema: '2.0'\nstages:\n  split@a:\n    cmd: x\n  train@a:\n    cmd: y\n")[1]
    {'split@a': '  split@a:\n    cmd: x\n', 'train@a': '  train@a:\n    cmd: y\n'}
    """
    head, *entries = re.split(r"^(?=  \S)", text, flags=re.MULTILINE)
    return head, {entry.partition(":\n")[0].strip(): entry for entry in entries}


def mend_record_of_running_stages(repository: Repo) -> None:
    """Remove DVC's `rwlock` where a killed process left it cut off; DVC itself would refuse to run for ever.

    Whoever writes the file holds its lock, so a cut-off one that is not locked has no writer. What is lost are the
    claims of stages that run at this moment; DVC's other lock still lets one process at a time decide.
    """
    from dvc.lock import make_lock

    record = Path(str(repository.tmp_dir), "rwlock")
    with make_lock(f"{record}.lock", tmp_dir=str(repository.tmp_dir)):
        try:
            json.loads(record.read_text(encoding="utf-8")) if record.exists() else None
        except ValueError:
            record.unlink()
            print(f"{os.path.relpath(record)}: cut off by a killed process; removed", flush=True)


def remove_empty_run_entries(repository: Repo) -> None:
    """Remove the folders of DVC's run cache that a killed process left empty: DVC itself would fail on them for ever.

    It makes a run's folder before its file. To be called under DVC's lock, so that nobody is between the two.
    """
    for folder in Path(repository.stage_cache.cache_dir).glob("*/*"):
        with contextlib.suppress(OSError):  # it is not empty
            folder.rmdir()


@contextlib.contextmanager
def stages_called(call: StageCall, outcomes: dict[str, StageOutcome]) -> Iterator[None]:
    """Put a call of the stage's function in the place where DVC starts its command."""
    import dvc.stage.run as dvc_run

    start_process = dvc_run.cmd_run

    def call_stage(stage: Stage, dry: bool = False, run_env: dict[str, str] | None = None) -> None:
        outcomes[short_name(stage)].computed = True
        words = shlex.split(stage.cmd)
        is_ours = len(words) == 4 and words[:2] == ["python", "-m"] and words[2] in {f"tasks.{name}" for name in STAGES}
        if dry or run_env or not is_ours:
            start_process(stage, dry=dry, run_env=run_env)
        else:
            call_as_command(stage, call, words[2].removeprefix("tasks."), words[3])

    dvc_run.cmd_run = call_stage
    try:
        yield
    finally:
        dvc_run.cmd_run = start_process


def call_as_command(stage: Stage, call: StageCall, name: str, pipeline: str) -> None:
    """Call a stage's function; whatever it raises, an exit, or a changed directory is the failure of a command."""
    from dvc.stage.exceptions import StageCmdFailedError

    folder = Path(stage.wdir)
    try:
        with contextlib.chdir(folder):
            call(name, pipeline)
            require_same_folder(name, folder)
    except SystemExit as error:
        if error.code:
            raise StageCmdFailedError(stage.cmd, error.code) from error
    except Exception as error:
        raise StageCmdFailedError(stage.cmd, getattr(error, "exit_code", 1)) from error
