"""What a file is that holds no table."""

from __future__ import annotations

from configs.errors import DataError


class UnreadableFileError(DataError):
    """The file is empty, of another format, damaged, or cannot be read as declared; the text says what was found."""
