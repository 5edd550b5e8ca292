"""The raw reader: any table file in, rows of text with their lines out, in memory that does not grow with the file.

It knows nothing of declared columns. Every record of a file is either a row of a chunk's `texts` or one of its
`refused`, exactly once; what stands above the first record, and a declared footer, is counted in the dialect.
"""

from tasks.raw_files.asked import AskedColumns
from tasks.raw_files.dialect import Dialect
from tasks.raw_files.errors import UnreadableFileError
from tasks.raw_files.reader import RawFile, open_raw, read_raw, refuse_unreadable
from tasks.raw_files.rows import RawChunk, RawTable, RefusedRecord, column_alias

__all__ = [
    "AskedColumns",
    "Dialect",
    "RawChunk",
    "RawFile",
    "RawTable",
    "RefusedRecord",
    "UnreadableFileError",
    "column_alias",
    "open_raw",
    "read_raw",
    "refuse_unreadable",
]
