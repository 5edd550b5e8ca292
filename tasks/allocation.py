"""How this process asks for memory, and gives it back: what is freed must not count beside what is needed next."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # as GNU's <malloc.h> numbers them
LARGE = 1 << 20  # bytes
POOLS = 2


def allocate_large_arrays_apart() -> None:
    """Let GNU's C library map each large array by itself, and keep few pools, so that freed ones go back at once.

    By itself it raises, up to 32 MB, the size from which it does so, and keeps a pool per thread: what a stage freed
    then lay scattered beside what the next one needed, a seventh of a run's memory (benchmarks/README.md).
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such switches
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, LARGE)
        library.mallopt(M_ARENA_MAX, POOLS)


def give_memory_back() -> None:
    """Return freed pages to the system, or what one step has freed would count beside what the next one needs."""
    gc.collect()
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()
    with contextlib.suppress(OSError, AttributeError):  # a C library other than GNU's keeps what it likes
        ctypes.CDLL(None).malloc_trim(0)
