"""How one chunk of a raw file becomes typed rows and refused ones, as the contract and the columns say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from configs.errors import DataError
from configs.sections.columns import Column
from tasks.arrow_arrays import flag_array, number_array
from tasks.cells.values import OnChange, TypedCells, is_number, read_as, type_cells, typed_schema
from tasks.contract.header import HeaderChange, HeaderDifference
from tasks.quarantine.rows import Refusal
from tasks.raw_files import AskedColumns, RawChunk, column_alias
from tasks.table import LINE

if TYPE_CHECKING:
    import pyarrow as pa


class ContractError(DataError):
    """Cells are not what the contract says: new levels of a category, or integers that are written as floats."""


@dataclass(frozen=True)
class Reading:
    """How the chunks of one file become typed rows.

    Attributes
    ----------
    batch, file : str
        Its name and where it lies, for the quarantine.
    columns : mapping of str to Column
        What to read, in the order of the result.
    header : HeaderDifference
        Where the columns stand.
    timezone : str
        Zone of timestamps without an offset.
    on_change : {"stop", "quarantine", "accept"}
        What becomes of rows that are not as the contract says.
    """

    batch: str
    file: str
    columns: Mapping[str, Column]
    header: HeaderDifference
    timezone: str
    on_change: OnChange

    def refused(self, line: int, column: str | None, reason: str, detail: str, raw: str) -> Refusal:
        """One refused row of this file."""
        return Refusal(self.batch, self.file, line, column, reason, detail, raw)

    def refuses_all(self) -> HeaderChange | None:
        """Why no row of the file is let in, None where the header does not forbid it."""
        changes = self.header.changes() if self.on_change == "quarantine" else []
        return changes[0] if changes else None

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Names of a chunk's columns, by those of the declared ones that the file has."""
        places = {name: self.header.position(name) for name in self.columns}
        return {name: column_alias(place) for name, place in places.items() if place is not None}

    def asked(self) -> AskedColumns:
        """The columns that are read, and as what."""
        given = {alias: self.columns[name] for name, alias in self.aliases.items()}
        numbers = {alias: column.nulls for alias, column in given.items() if is_number(read_as(column))}
        return AskedColumns({alias: read_as(column) for alias, column in given.items()}, numbers)

    def texts(self, chunk: RawChunk) -> pa.Table:
        """Cells of the declared columns, in their order; null in a column that the file has not."""
        import pyarrow as pa

        nothing = pa.chunked_array([pa.nulls(len(chunk.lines), pa.string())])
        return pa.table(
            {name: chunk.texts.column(self.aliases[name]) if name in self.aliases else nothing for name in self.columns}
        )

    def typed(self, chunk: RawChunk) -> TypedCells:
        """Cells of a chunk as their declared types."""
        again = chunk.reread
        reread = None if again is None else lambda name: again(self.aliases[name])
        return type_cells(self.texts(chunk), self.columns, self.timezone, self.on_change, reread)


@dataclass(frozen=True)
class TypedChunk:
    """A chunk after typing: its typed rows with `_line`, its refused rows in order of line, what was told of cells."""

    typed: pa.Table
    refused: list[Refusal]
    cells: TypedCells | None


def type_chunk(chunk: RawChunk, reading: Reading) -> TypedChunk:
    """Type the rows of one chunk.

    Raises
    ------
    ContractError
        If a level is new and changes stop the run.
    """
    refused = [reading.refused(each.line, None, each.reason, each.detail, each.raw) for each in chunk.refused]
    if (change := reading.refuses_all()) is not None:
        refused += [
            reading.refused(int(line), change.column, change.kind, f"column {change.column!r} {change.detail}", raw)
            for line, raw in zip(chunk.lines, map(chunk.raw, range(len(chunk.lines))), strict=True)
        ]
        return TypedChunk(stored_schema(reading.columns).empty_table(), in_order(refused), None)
    cells = reading.typed(chunk)
    if reading.on_change == "stop":
        refuse_new_levels(cells, chunk)
    refused += [
        reading.refused(int(chunk.lines[row]), column, reason, detail, chunk.raw(row))
        for row, (column, reason, detail) in cells.refused.items()
    ]
    return TypedChunk(sound_rows(cells, chunk), in_order(refused), cells)


def in_order(refused: list[Refusal]) -> list[Refusal]:
    """Refused rows in order of line."""
    return sorted(refused, key=lambda each: each.line)


def sound_rows(cells: TypedCells, chunk: RawChunk) -> pa.Table:
    """The rows that were typed, with their lines."""
    import numpy as np

    typed = cells.values.append_column(LINE, number_array(chunk.lines))
    if cells.refused:
        sound = np.ones(typed.num_rows, dtype=bool)
        sound[list(cells.refused)] = False
        typed = with_levels_anew(typed.filter(flag_array(sound)))
    return typed.combine_chunks()


def with_levels_anew(rows: pa.Table) -> pa.Table:
    """Rows whose dictionaries hold the levels of these rows alone, in order of appearance."""
    import pyarrow as pa

    for place, field in enumerate(rows.schema):
        if pa.types.is_dictionary(field.type):
            texts = rows.column(place).cast(pa.string())
            rows = rows.set_column(place, field.name, texts.dictionary_encode())
    return rows


def category_names(columns: Mapping[str, Column]) -> list[str]:
    """Columns of few texts, as far as is declared."""
    return [name for name, column in columns.items() if column.type == "category"]


def refuse_new_levels(cells: TypedCells, chunk: RawChunk) -> None:
    """End the run at a level that is not declared."""
    for name, change in cells.changes.items():
        if change.kind == "schema_new_level" and change.cells:
            raise ContractError(
                f"{chunk.lines[change.row]}: column {name!r} has levels that are not declared: "
                f"{', '.join(map(repr, change.texts))}"
            )


def stored_schema(columns: Mapping[str, Column]) -> pa.Schema:
    """Arrow types of a typed batch: the declared columns and `_line`."""
    import pyarrow as pa

    return typed_schema(columns).append(pa.field(LINE, pa.int64()))
