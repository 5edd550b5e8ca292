"""How this process asks for memory, and gives it back: what is freed must not count beside what is needed next."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from collections.abc import Iterator

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # as GNU's <malloc.h> numbers them
LARGE = 1 << 20  # bytes
LARGEST, KEPT = 1 << 25, 1 << 26  # bytes: the largest size that may be mapped apart, and what may lie unused meanwhile
USUALLY_KEPT = 1 << 17  # bytes
POOLS = 2


def allocate_large_arrays_apart() -> None:
    """Let GNU's C library map each large array by itself, and keep few pools, so that freed ones go back at once.

    By itself it raises, up to 32 MB, the size from which it does so, and keeps a pool per thread: what a stage freed
    then lay scattered beside what the next one needed, a seventh of a run's memory (benchmarks/README.md).
    """
    allocate(M_MMAP_THRESHOLD, LARGE)
    allocate(M_TRIM_THRESHOLD, USUALLY_KEPT)
    allocate(M_ARENA_MAX, POOLS)


@contextlib.contextmanager
def pages_used_again() -> Iterator[None]:
    """While blocks of one size come and go, keep the pages of one for the next.

    To have a page made costs as much as to copy a few: a seventh of ingestion's time.
    """
    allocate(M_MMAP_THRESHOLD, LARGEST)
    allocate(M_TRIM_THRESHOLD, KEPT)
    try:
        yield
    finally:
        allocate_large_arrays_apart()


def allocate(switch: int, value: int) -> None:
    """Turn a switch of GNU's C library; another one has no such switches."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(switch, value)


def give_memory_back() -> None:
    """Return freed pages to the system, or what one step has freed would count beside what the next one needs."""
    gc.collect()
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()
    with contextlib.suppress(OSError, AttributeError):  # a C library other than GNU's keeps what it likes
        ctypes.CDLL(None).malloc_trim(0)
