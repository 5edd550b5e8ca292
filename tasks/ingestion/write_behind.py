"""Calls that are made in order in a thread of their own, a few behind their caller: writing waits for nobody."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

BEHIND = 1  # calls that may wait for the one that is being made


class WriteBehind:
    """Makes calls one after the other, beside their caller; used in a `with` block, whose end waits for the last one.

    What a call raises is raised where a later one is asked for, or at the end of the block; after that none is made.

    Examples
    --------
    >>> written: list[int] = []
    >>> with WriteBehind() as behind:
    ...     for number in range(3):
    ...         behind(written.append, number)
    >>> written
    [0, 1, 2]
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __call__(self, call: Callable[[Any], None], value: Any) -> None:
        """Make a call soon; wait while too many are waiting."""
        while len(self._waiting) > BEHIND:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(call, value))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while self._waiting and error is None:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)
