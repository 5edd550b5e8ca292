"""Tables on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def table_of(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    """A plain table; what the user wrote is shown as it is, never as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=box.SIMPLE, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def show(table: Table) -> None:
    """Print a table, as wide as it needs where nobody looks through a terminal."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 160).print(table)
