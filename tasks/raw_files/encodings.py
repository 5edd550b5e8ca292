"""Which encoding a text is in, and the text as UTF-8, in a stream.

The rules are few, because a wrong guess mangles text in silence: a byte order mark; the zeros of UTF-16; valid UTF-8;
and Windows-1252, of which ISO-8859-1 is a part, where what stands beyond ASCII reads as letters of western words.
Anything else must be declared.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from tasks.raw_files.errors import UnreadableFileError

MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
UTF8, WESTERN, LATIN = "utf-8", "windows-1252", "iso-8859-1"
SURE_ENOUGH = 0.5  # to decode by; below it a text is UTF-8 with a few damaged lines, or refused
SURE_ABOVE = 0.4  # where a line is meant that may be the header, which cannot be set aside
ABOVE = 20  # lines
FEW = 5  # lines
SEVERAL = 3  # lines that make a second encoding, not a few damaged bytes
ONE_BYTE = (WESTERN, LATIN)
HIGH_BYTES = bytes(range(128, 256))
HIGH = re.compile(rb"[\x80-\xff]")
MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")  # in Windows-1252
WORD = re.compile(rb"[A-Za-z\x80-\xff]+")
TYPOGRAPHIC = (
    b"\x80\x82\x84\x85\x86\x87\x89\x8b\x91\x92\x93\x94\x95\x96\x97\x99\x9b\xa0\xab\xb0\xbb"  # signs in Windows-1252
)
SPELLED = re.compile(rb"[^\x00-\x7f" + TYPOGRAPHIC + rb"]")
LOW_QUOTES = re.compile(rb"\x84[^\x84\x93\r\n]*\x93|\x82[^\x82\x91\r\n]*\x91")  # as in German
LETTER = rb"[A-Za-z\x8a\x8c\x8e\x9a\x9c\x9e\x9f\xc0-\xff]"
INSIDE = rb"[\x80\x85-\x87\x89\x96\x97\x99\xa2\xa3\xa5\xb2\xb3\xb5\xb9\xba\xbc-\xbf]"
MISPLACED_SIGN = re.compile(  # an opening quote or a bullet behind a letter, a closing quote before one, any in a word
    rb"(?<=" + LETTER + rb")[\x82\x84\x8b\x91\x93\x95]"
    rb"|[\x94\x9b](?=" + LETTER + rb")"
    rb"|(?<=" + LETTER + rb")" + INSIDE + rb"(?=" + LETTER + rb")"
)
ODD_WORD = re.compile(  # letters that no western language has in one word, or there: Windows-1250 taken for 1252
    rb".*[\x81\x8d\x8f\x90\x9d]"  # no letter at all
    rb"|(?=.*[\xd8\xf8]).*[\xe1\xec\xed\xef\xf1\xf2\xf9\xfa\xfd]"  # an o with a stroke beside an accent: Czech
    rb"|(?=.*\xe8).*[\x9a\x9e\xe1\xe6\xed\xfa\xfd]|\xe8[a-z]"  # a grave e beside an acute vowel, or first: Slovak
    rb"|.*[\xec\xf9][a-z\xe0-\xff]"  # a grave i or u that is not last
    rb"|(?=.*[\xd5\xf5]).*[\xe1\xe9\xed\xf3\xfa]|(?=.*\xfb).*[\xe1\xed\xf3\xf6\xfc]"  # Hungarian
    rb"|.*i\xe6$|[\xd0\xf0]|.*[a-z]\x9f|.*[a-z]\xfe[a-z]",  # Croatian, Polish, Romanian
    re.DOTALL,
)
SOME_ODD, MANY_ODD = 0.05, 0.1  # shares of the words beyond ASCII; the first, where it is not a single one
LETTERS = frozenset(
    "\u00e0\u00e1\u00e2\u00e3\u00e4\u00e5\u00e6\u00e7\u00e8\u00e9\u00ea\u00eb\u00ec\u00ed\u00ee\u00ef"
    "\u00f1\u00f2\u00f3\u00f4\u00f5\u00f6\u00f8\u00f9\u00fa\u00fb\u00fc\u00df"
)
SIGNS = frozenset(
    "\u201a\u201e\u2020\u2021\u2022\u2030\u2039\u203a"
    "\u20ac\u00a3\u00a7\u00b0\u00b1\u00b2\u00b3\u00b5\u00bd\u00ab\u00bb\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u00a0\u00ba\u00aa\u00a9\u00ae\u2122"
)


@dataclass(frozen=True)
class FoundEncoding:
    """An encoding, how sure it is, what it would be otherwise, the length of a byte order mark, and a second encoding.

    The second one, `other`, is that of some of the lines; None where there is one encoding.
    """

    name: str
    certainty: float = 1.0
    second: str | None = None
    mark: int = 0
    other: str | None = None


def find_encoding(head: bytes, others: Sequence[bytes] = ()) -> FoundEncoding:
    """Encoding of a text, from its first bytes and, where there are some, from samples of the rest.

    Raises
    ------
    UnreadableFileError
        If it is none that is told with any certainty.
    """
    return find_marked(head) or find_utf16(head) or find_unmarked(head, others)


def find_marked(head: bytes) -> FoundEncoding | None:
    """The encoding that a byte order mark tells."""
    found = (FoundEncoding(name, mark=len(mark)) for mark, name in MARKS if head.startswith(mark))
    return next(found, None)


def find_unmarked(head: bytes, others: Sequence[bytes]) -> FoundEncoding:
    """UTF-8, a one-byte encoding, or both in one file.

    Raises
    ------
    UnreadableFileError
        If neither is told with any certainty.
    """
    samples = [b"" if cut_at_the_end(head) else head, *others]
    legacy = [line for sample in samples for line in sample.splitlines() if HIGH.search(line) and not is_utf8(line)]
    if not legacy:
        return FoundEncoding(UTF8)
    valid = validity([head, *others])
    found = western(legacy)
    if found.certainty >= SURE_ENOUGH and min(len(legacy), sum(valid)) >= SEVERAL:
        return two_encodings(valid, found.name)
    if sum(valid) > len(valid) / 2:
        return FoundEncoding(UTF8, 0.9, f"{WESTERN} in some lines")
    above = not any(valid) and not all(map(is_utf8, head.splitlines()[:ABOVE]))
    if found.certainty >= (SURE_ABOVE if above else SURE_ENOUGH):
        return found
    if len(legacy) <= max(FEW, sum(sample.count(b"\n") for sample in samples) // 20):
        return FoundEncoding(UTF8, 0.5, f"{found.name}, or a few damaged bytes")
    raise UnreadableFileError(
        f"the text is in no encoding that can be told: {len(legacy)} of the first lines are not UTF-8, and as "
        f"{found.name} they would hold {shown_characters(legacy, found.name)}. Save it as UTF-8, or declare "
        "source.dialect.encoding"
    )


def find_utf16(head: bytes) -> FoundEncoding | None:
    """UTF-16 without a mark: zeros stand at every other place, and nearly only there."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if even + odd < max(2, len(head) // 20):
        return None
    for zeros, others, name in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if others * 20 <= zeros and "\n" in (text := head.decode(name, errors="replace")):
            return FoundEncoding(name, 0.9 if "\ufffd" in text[:-1] else 0.99, "binary data")
    return None


def is_utf8(content: bytes) -> bool:
    """Whether bytes are UTF-8."""
    try:
        codecs.utf_8_decode(content, "strict", True)
    except UnicodeDecodeError:
        return False
    return True


def cut_at_the_end(content: bytes) -> bool:
    """Whether bytes are UTF-8, but for a character that the end may cut."""
    try:
        codecs.utf_8_decode(content, "strict", False)
    except UnicodeDecodeError:
        return False
    return True


def validity(samples: Iterable[bytes]) -> list[bool]:
    """Whether each line beyond ASCII is UTF-8."""
    return [is_utf8(line) for sample in samples for line in sample.splitlines() if HIGH.search(line)]


def two_encodings(valid: list[bool], legacy: str) -> FoundEncoding:
    """The encoding of most lines, and that of the others; of as many, the one that comes first is the base."""
    doubled = 2 * sum(valid)
    base = UTF8 if doubled > len(valid) or (doubled == len(valid) and valid[0]) else legacy
    return FoundEncoding(base, 0.7, f"encoding {base} throughout", other=legacy if base == UTF8 else UTF8)


def western(lines: list[bytes]) -> FoundEncoding:
    """Windows-1252 or ISO-8859-1, as sure as several lines read as western words or have its typographic signs."""
    name, second = (LATIN, WESTERN) if any(map(UNDEFINED.search, lines)) else (WESTERN, LATIN)
    certainty = western_share(lines, name) * (1 - 0.5 ** len(lines))
    return FoundEncoding(name, round(certainty, 2), f"encoding {second}")


def western_share(lines: list[bytes], name: str) -> float:
    """How well what is beyond ASCII reads as letters in words, or as signs that stand where such signs do."""
    content = b"\n".join(lines)
    high = [char for char in content.decode(name) if ord(char) > 127]
    known = sum(char.lower() in LETTERS or char in SIGNS for char in high)
    if name == WESTERN:
        known -= len(MISPLACED_SIGN.findall(LOW_QUOTES.sub(lambda quoted: quoted[0][:-1] + b" ", content)))
    spelled = b"\n".join(filter(SPELLED.search, lines))
    words = [word for word in WORD.findall(spelled) if HIGH.search(word)]
    foreign = sum(map(is_foreign, words)) / max(1, len(words))
    odd = sum(ODD_WORD.match(word) is not None for word in words)
    if odd > (SOME_ODD if odd > 1 else MANY_ODD) * len(words):
        return 0.0
    return (0.95 if spelled else 0.9) * max(0.0, known / len(high)) * (1 - foreign)


def is_foreign(word: bytes) -> bool:
    """Whether most of a word is beyond ASCII; signs around it do not count where it has letters of ASCII."""
    bare = word.strip(TYPOGRAPHIC)
    measured = bare if not bare or bare.translate(None, HIGH_BYTES) else word
    return len(HIGH.findall(measured)) > max(1, (len(measured) + 1) // 2)


def shown_characters(lines: list[bytes], encoding: str) -> str:
    """The first few different characters beyond ASCII."""
    characters = [char for char in b"".join(lines).decode(encoding) if ord(char) > 127]
    return ", ".join(map(repr, list(dict.fromkeys(characters))[:5]))


def escape_undecoded(error: UnicodeError) -> tuple[str, int]:
    """Put lone surrogates where bytes are no text: they are no UTF-8, so that their record is refused."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("holdfast.escape", escape_undecoded)


def as_utf8(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The text as UTF-8, piece by piece; UTF-8 itself is not looked at."""
    if encoding == UTF8:
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder(encoding)("holdfast.escape")
    try:
        for piece in pieces:
            if text := decoder.decode(piece):
                yield text.encode("utf-8", errors="surrogatepass")
        if text := decoder.decode(b"", True):
            yield text.encode("utf-8", errors="surrogatepass")
    except UnicodeError as error:  # such as UTF-16 without the mark that tells its byte order
        raise UnreadableFileError(f"the text is not in {encoding} ({error})") from error


@cache
def taken_for(encoding: str) -> re.Pattern[bytes]:
    """Decoded text of a one-byte encoding, that may be UTF-8 in the file: `\u00c3\u00a9` for `\u00e9`."""
    lead, behind = ("|".join(decoded_bytes(encoding, span)) for span in (range(0xC2, 0xF5), range(0x80, 0xC0)))
    return re.compile(f"(?:{lead})(?:{behind})".encode("latin-1"))


def decoded_bytes(encoding: str, span: range) -> Iterator[str]:
    """Each byte's character as UTF-8, written as latin-1 for a pattern."""
    for byte in span:
        char = bytes([byte]).decode(encoding, errors="ignore").encode("utf-8").decode("latin-1")
        if char:
            yield re.escape(char)


def was_utf8(record: bytes, encoding: str) -> bool:
    """Whether a record that was decoded from a one-byte encoding is UTF-8 in the file."""
    try:
        written = record.decode("utf-8").encode(encoding)
    except UnicodeError:
        return False
    return HIGH.search(written) is not None and is_utf8(written)
