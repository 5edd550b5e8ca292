"""How a file is written: what was found, how sure that is, and what else it could be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Format = Literal["csv", "json_lines", "json_array", "parquet"]
Compression = Literal["none", "gzip", "zstd"]
Spaces = Literal["", "behind", "runs", "aligned", "around"]
LineEnds = Literal["lf", "crlf", "mixed", "cr", "any"]


@dataclass(frozen=True)
class Dialect:
    r"""How a file is written.

    Attributes
    ----------
    format : csv, json_lines, json_array or parquet
        `csv` is any text with one separator between fields.
    compression : none, gzip or zstd
    encoding : str
        Python's name of the text's encoding; empty for Parquet.
    other_encoding : str or None
        That of some of the lines, where the encoding changes in the file.
    delimiter : str
        One character between fields; empty where the format has none.
    spaces : behind, runs, aligned, around or empty
        Spaces that belong to the delimiter: one behind each, runs of them (of tabs too, if fields are quoted) that are
        one delimiter, as many on either side as align the columns, or any beside delimiters and quotes.
    quote, escape : str or None
        What stands around a field, and before a character that is meant literally; None where nothing does. A quote
        inside quotes may be written twice in either case.
    line_ends : lf, crlf, mixed, cr or any
        `mixed` is LF and CRLF; `any` is CR alone as well.
    preamble : int
        Lines above the header.
    header_lines : int
        Records that make the header; 0 where there is none and columns are named c1, c2, ...
    footer : int
        Records at the end that were declared to be no rows.
    trailing_delimiter : bool
        Whether each row ends in one more delimiter, behind which nothing stands.
    certainty : float, 0 to 1
        Of the least certain of what was detected; 1 for what was declared.
    second : str or None
        What that would be otherwise.
    decimal, thousands : mapping of column to text
        Columns of a sample whose numbers have another decimal separator than `.`, or a separator of thousands.
    notes : tuple of str
        What a reader of the data should know. More may come while the file is read.
    """

    format: Format = "csv"
    compression: Compression = "none"
    encoding: str = ""
    other_encoding: str | None = None
    delimiter: str = ""
    spaces: Spaces = ""
    quote: str | None = None
    escape: str | None = None
    line_ends: LineEnds = "lf"
    preamble: int = 0
    header_lines: int = 0
    footer: int = 0
    trailing_delimiter: bool = False
    certainty: float = 1.0
    second: str | None = None
    decimal: Mapping[str, str] = field(default_factory=dict)
    thousands: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
