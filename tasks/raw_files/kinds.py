"""What the first bytes of a file say it is, where it is not a table that is read here."""

from __future__ import annotations

import codecs
import re

from tasks.raw_files.errors import UnreadableFileError

GZIP, ZSTD, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"

FOREIGN = {  # how other formats begin
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"PK\x05\x06": "an empty zip archive",
    b"\xd0\xcf\x11\xe0\xa1\xb1": "an old Excel workbook",
    b"BZh": "bzip2-compressed data",
    b"\xfd7zXZ\x00": "xz-compressed data",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a rar archive",
    b"\x04\x22\x4d\x18": "lz4-compressed data",
    b"PARE": "an encrypted Parquet file",
    b"SQLite format 3": "an SQLite database",
    b"%PDF-": "a PDF document",
    b"{\\rtf": "an RTF document",
    b"Obj\x01": "an Avro file",
    b"ORC\x0a": "an ORC file",
    b"ARROW1\x00": "an Arrow file",
    b"FEA1": "a Feather file",
    b"\x89HDF\r\n": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"$FL2": "an SPSS file",
    b"<stata_dta>": "a Stata file",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"\x7fELF": "a program",
    b"version https://git-lfs": "a git-lfs pointer, not the data themselves",
    b"/annex/objects/": "a git-annex pointer, not the data themselves",
    b"outs:\n- md5": "a pointer of DVC, not the data themselves",
    codecs.BOM_UTF32_LE: "text in UTF-32",
    codecs.BOM_UTF32_BE: "text in UTF-32",
}
PICKLE = re.compile(rb"\x80[\x02-\x05][\x8c\x95c(\]}]")
MARKUP = re.compile(rb"\s*<(!doctype|html|\?xml|head|body|!--|svg|table)\b", re.IGNORECASE)
ARFF = re.compile(rb"\s*(%[^\r\n]*\s+)*@relation\b", re.IGNORECASE)
DOCUMENT = re.compile(rb"\s*(\{\s*[\"}]|\[\s*[\[{\"\]])")
EXPECTED = "CSV text, JSON lines, a JSON array or Parquet is expected"


def refuse_foreign(head: bytes) -> None:
    """Refuse content that begins as a format does that is not read here; JSON is left to `json_lines` and `json_array`.

    Raises
    ------
    UnreadableFileError
        Says what the content is; the caller adds the file.
    """
    if not head:
        raise UnreadableFileError("the file is empty; a header and at least one row are expected")
    kinds = [kind for magic, kind in FOREIGN.items() if head.startswith(magic)]
    if head[257:262] == b"ustar":
        kinds.append("a tar archive")
    if PICKLE.match(head):
        kinds.append("a Python pickle")
    if MARKUP.match(head.removeprefix(codecs.BOM_UTF8)):
        kinds.append("an HTML or XML page")
    if ARFF.match(head):
        kinds.append("an ARFF file of Weka")
    if kinds:
        raise UnreadableFileError(f"this is {kinds[0]}; {EXPECTED}")


def refuse_binary(text: bytes) -> None:
    """Refuse decoded text that is none: more than a tenth of it are control characters."""
    controls = text.translate(None, bytes(byte for byte in range(256) if byte >= 32 or byte in b"\t\n\r"))
    if len(controls) * 10 > len(text) and len(set(controls)) > 2:
        raise UnreadableFileError(f"this is binary data of no known format; {EXPECTED}")


def looks_like_json(text: bytes) -> bool:
    """Whether text begins as a JSON object or array does."""
    return DOCUMENT.match(text) is not None
