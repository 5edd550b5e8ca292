"""Where Arrow's columns lie while a file is read: its own pools keep pages by thread, and threads free each other's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def arrow_pages_used_again() -> Iterator[None]:
    """Let Arrow ask the C library for memory meanwhile, which keeps pages of a block as `pages_used_again` says.

    >>> import pyarrow as pa
    >>> usual = pa.default_memory_pool().backend_name
    >>> with arrow_pages_used_again():
    ...     pa.default_memory_pool().backend_name
    'system'
    >>> pa.default_memory_pool().backend_name == usual
    True
    """
    import pyarrow as pa

    usual = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(usual)
