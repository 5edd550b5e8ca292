"""What a model is computed with: how many threads, and whether trees are grown on CUDA."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Literal

from configs.errors import EnvironmentMismatchError

if TYPE_CHECKING:
    import xgboost

    Threads = int | Callable[[], int] | None

Device = Literal["cpu", "cuda"]
CELLS_PER_THREAD = 500_000  # rows times features; with fewer, threads wait for each other longer than they work


class NoCudaError(EnvironmentMismatchError):
    """CUDA is asked for, and XGBoost finds none that it can use."""


def thread_count() -> int:
    """Threads to compute with: OMP_NUM_THREADS, or as many as there are cores.

    It changes how long a result takes, never the result, so it is asked of the environment and stored nowhere.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Crew:
    """The threads of one fit: as many as it may have now, and no more than its table keeps busy."""

    def __init__(self, threads: Threads, cells: int) -> None:
        self.threads = threads
        self.useful = max(1, cells // CELLS_PER_THREAD)
        self.at_work = 0

    def count(self) -> int:
        """How many threads to compute with now."""
        allowed = self.threads() if callable(self.threads) else self.threads or thread_count()
        self.at_work = max(1, min(allowed, self.useful))
        return self.at_work

    def lead(self, booster: xgboost.Booster) -> None:
        """Tell XGBoost when the number has changed. It changes no bit of the trees."""
        before = self.at_work
        if callable(self.threads) and self.count() != before:
            booster.set_param({"nthread": self.at_work})


def device_taken(asked: Literal["cpu", "cuda", "auto"]) -> Device:
    """Say what trees are grown on here.

    Parameters
    ----------
    asked : {"cpu", "cuda", "auto"}
        `auto` is CUDA where it works, else the CPU.

    Raises
    ------
    NoCudaError
        If CUDA is asked for and does not work. XGBoost itself would warn and go on with the CPU.
    """
    if asked == "cpu":
        return "cpu"
    missing = why_no_cuda()
    if missing is None:
        return "cuda"
    if asked == "auto":
        return "cpu"
    raise NoCudaError(
        f"train: `device: cuda` is declared, and XGBoost cannot grow a tree on it here: {missing}. Run where there is "
        "an NVIDIA GPU and its driver, or declare `device: cpu`, or `auto`, which takes what there is and records it."
    )


@cache
def why_no_cuda() -> str | None:
    """Grow one tiny tree on CUDA, once per process: what stands against it, or None where it works.

    Asking XGBoost is the only sure way: a GPU may be there without a driver, or with one that is too old.
    """
    import numpy as np
    import xgboost

    if not xgboost.build_info().get("USE_CUDA"):
        return f"XGBoost {xgboost.__version__} was built without CUDA"
    with xgboost.config_context(verbosity=0):
        rows = xgboost.DMatrix(np.zeros((2, 1), dtype=np.float32), label=[0.0, 1.0])
        trial = xgboost.Booster({"device": "cuda", "tree_method": "hist", "verbosity": 0}, [rows])
        try:
            trial.update(rows, 0)
        except xgboost.core.XGBoostError as error:
            return str(error).strip().splitlines()[0]
    taken = json.loads(trial.save_config())["learner"]["generic_param"]["device"]
    return None if taken.startswith("cuda") else "it finds no GPU and falls back to the CPU"
