"""Which dialect a text is in: each candidate reads a sample, and the one whose rows agree best is taken.

A candidate is scored by three shares: records that have the most frequent number of fields, cells that look like one
cell (van den Burg, Nazabal, Sutton: Wrangling messy CSV files, doi:10.1007/s10618-019-00646-y), and well-formed
records. What a second candidate scores beside the first is the doubt.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tasks.raw_files.cell_kinds import is_comment, is_plausible, is_value
from tasks.raw_files.dialect import LineEnds
from tasks.raw_files.grammar import Grammar, with_line_ends

if TYPE_CHECKING:
    from configs.sections.source import DeclaredDialect

SAMPLE = 1 << 16  # bytes that candidates are tried on
MOST_RECORDS = 400
DELIMITERS = (",", ";", "\t", "|", "\x1f", "^", "~", " ")
RARE_DELIMITERS = ":+?#*&!=%$@"
FEW_TEXTS = 3
PRIORS = {b" ": 0.5, b"^": 0.8, b"~": 0.8, b"'": 0.97, b"": 0.9}  # what seldom is a delimiter or a quote
SHARPNESS = 8  # a second candidate of 0.9 times the score leaves a certainty of 0.57, one of 0.7 times 0.94
NEARLY_ALL = 0.95  # of the records
AROUND = 0.25  # what a record above or below all of the usual width weighs: a note about a table is no row of it
SEVERAL_WORDS = 0.5  # of the records: as many as have one number of words are no table
SEPARATOR_LINE = re.compile(rb'"?sep=(.)"?(?:\r\n|\r|\n)', re.IGNORECASE)


@dataclass(frozen=True)
class Trial:
    """A sample as one grammar reads it.

    Attributes
    ----------
    sample : bytes
    grammar : Grammar
    records : list of list of str
        Fields of each record; none where a line is malformed, one that is empty where it is blank.
    begins : list of int
        Where each record begins in the sample, and where the last one ends.
    plausible : list of int
        Fields of each record that are quoted or look like one cell.
    quoted : list of list of bool
        Which fields of each record are quoted.
    """

    sample: bytes
    grammar: Grammar
    records: list[list[str]]
    begins: list[int]
    plausible: list[int]
    quoted: list[list[bool]]

    def line(self, record: int) -> bytes:
        """A record as it stands in the sample, without its line end."""
        return self.sample[self.begins[record] : self.begins[record + 1]].rstrip(b"\r\n")

    @cached_property
    def told(self) -> list[list[str]]:
        """The records that are neither blank nor a comment; all that are not blank where none is left."""
        filled = [record for record in self.records if record != [""]]
        return [record for record in filled if not record or not is_comment(record[0])] or filled

    @cached_property
    def widths(self) -> list[int]:
        """Fields of each of these records, 0 where it is malformed."""
        return list(map(len, self.told))

    @cached_property
    def width(self) -> int:
        """The most frequent number of fields, the greater one where two are as frequent.

        Records of one field above or below all others do not count: they are notes about a table, if there is one.
        """
        widths = Counter(width for width in self.widths[slice(*span(self.widths, lambda width: width > 1))] if width)
        return max(widths, key=lambda width: (widths[width], width), default=1)

    @cached_property
    def share(self) -> float:
        """Share of the records that have that width and are well-formed; of those that are no comments."""
        return self.widths.count(self.width) / max(1, len(self.widths))

    @cached_property
    def agreement(self) -> float:
        """The same share without comments, and with less weight of what stands above or below all of that width.

        Not of what is malformed, or has a quote that is no text elsewhere.
        """
        begin, end = span(self.widths, lambda width: width == self.width)
        around = sum(self.may_be_note(record) for record in self.told[:begin] + self.told[end:])
        return self.widths.count(self.width) / max(1, len(self.told) - around + AROUND * around)

    def may_be_note(self, record: list[str]) -> bool:
        """Whether a record is sound, with any grammar."""
        return bool(record) and (bool(self.grammar.quote) or not any('"' in text for text in record))

    @cached_property
    def score(self) -> float:
        """How well the grammar fits, 0 to 1."""
        if self.width == 1:
            return 0.0
        usual = [number for number, record in enumerate(self.records) if len(record) == self.width]
        plausible = sum(self.plausible[number] for number in usual) / (len(usual) * self.width)
        prior = PRIORS.get(self.grammar.delimiter, 1.0) * PRIORS.get(self.grammar.quote, 1.0)
        return prior * self.agreement**2 * plausible**2 * (self.width - 1) / self.width


def span(widths: Sequence[int], fits: Callable[[int], bool]) -> tuple[int, int]:
    """Where the first and behind the last of some widths stand; all where none does."""
    places = [place for place, width in enumerate(widths) if fits(width)]
    return (places[0], places[-1] + 1) if places else (0, len(widths))


def read_sample(sample: bytes, grammar: Grammar, *, whole: bool) -> Trial:
    """Read a sample's first records; the last one is left out where the sample may cut it."""
    records: list[list[str]] = []
    plausible: list[int] = []
    quotes: list[list[bool]] = []
    begins, place = [0], 0
    while place < len(sample) and len(records) < MOST_RECORDS:
        match = grammar.record.match(sample, place)
        if not whole and (grammar.unfinished.match(sample, place) if match is None else not match["end"]):
            break
        if match is None:
            records.append([])
            plausible.append(0)
            quotes.append([])
            place = end_of_line(sample, place, grammar)
        else:
            fields = grammar.fields(match[0])
            texts = [grammar.plain(field).decode("utf-8", errors="replace") for field in fields]
            quoted = [bool(grammar.quote) and field.startswith(grammar.quote) for field in fields]
            records.append(texts)
            quotes.append(quoted)
            plausible.append(sum(map(operator.or_, quoted, map(is_plausible, texts))))
            place = match.end()
        begins.append(place)
    return Trial(sample, grammar, records, begins, plausible, quotes)


def end_of_line(text: bytes, place: int, grammar: Grammar) -> int:
    """Where the next line begins."""
    match = re.compile(grammar.line_end).search(text, place)
    return match.end() if match else len(text)


def line_ends_of(sample: bytes, grammar: Grammar) -> LineEnds:
    """How lines end outside quotes."""
    outside = grammar.protected.sub(b"x", sample)
    if b"\n" not in outside and b"\r" not in outside:
        outside = sample
    crlf = outside.count(b"\r\n")
    feeds, returns = outside.count(b"\n") - crlf, outside.count(b"\r") - crlf
    if returns and not feeds and not crlf:
        return "cr"
    if returns and misfits(sample, grammar, cr_ends=False) > misfits(sample, grammar, cr_ends=True):
        return "any"
    return ("mixed" if feeds else "crlf") if crlf else "lf"


def misfits(sample: bytes, grammar: Grammar, *, cr_ends: bool) -> int:
    """Records of a sample that are malformed or of an unusual width; all, where most are one field, as any text is."""
    trial = read_sample(sample, with_line_ends(grammar, cr_ends), whole=True)
    if trial.width == 1:
        return len(trial.records)
    return sum(len(record) != trial.width for record in trial.records if record != [""])


def candidates(sample: bytes, declared: DeclaredDialect) -> Iterator[Grammar]:
    """Grammars that a sample may have been written in, the most usual first."""
    found = [text for text in DELIMITERS if text.encode() in sample] or [","]
    delimiters = [declared.delimiter] if declared.delimiter is not None else found
    for delimiter in delimiters:
        for quote in quotes_of(sample, delimiter, declared):
            for escape in escapes_of(sample, quote, declared):
                if len({delimiter, quote, escape} - {""}) == 1 + bool(quote) + bool(escape and escape != quote):
                    yield Grammar(delimiter.encode(), quote.encode(), escape.encode() if escape != quote else b"")


def quotes_of(sample: bytes, delimiter: str, declared: DeclaredDialect) -> list[str]:
    """Quotes that may stand around fields: `'` only where it does, none only where `"` stands, but never around one."""
    if declared.quote is not None:
        return ["" if declared.quote == "none" else declared.quote]
    around = {quote: field_in_quotes(quote.encode(), delimiter.encode()).search(sample) for quote in ('"', "'")}
    is_text = sample.count(b'"') > 1 and not around['"'] and not are_mostly_around(b'"', delimiter.encode(), sample)
    found = ['"', *(["'"] if around["'"] else []), *([""] if is_text else [])]
    return [quote for quote in found if quote not in (delimiter, declared.escape)] or [""]


def field_in_quotes(quote: bytes, delimiter: bytes) -> re.Pattern[bytes]:
    """A field on one line that is quoted as a whole."""
    q, d = re.escape(quote), re.escape(delimiter)
    inside = b"(?:[^\r\n" + q + b"]|" + q + q + b")*+"
    return re.compile(b"(?:^|[\r\n]|" + d + b")" + q + inside + q + b"(?:" + d + b"|[\r\n]|$)")


def are_mostly_around(quote: bytes, delimiter: bytes, sample: bytes) -> bool:
    """Whether most quotes stand in fields that begin and end with one, whatever is between."""
    q, d = re.escape(quote), re.escape(delimiter)
    field = re.compile(b"(?:^|(?<=[\r\n" + d + b"]))" + q + b"[^\r\n" + d + b"]*" + q + b"(?=[\r\n" + d + b"]|$)")
    return 2 * sum(match[0].count(quote) for match in field.finditer(sample)) >= sample.count(quote)


def escapes_of(sample: bytes, quote: str, declared: DeclaredDialect) -> list[str]:
    r"""Escapes that may be used: `\` only where it stands before a quote."""
    if declared.escape is not None:
        return ["" if declared.escape == "none" else declared.escape]
    return ["", "\\"] if quote and b"\\" + quote.encode() in sample else [""]


@dataclass(frozen=True)
class FoundGrammar:
    """The best candidate's reading of the sample, how lines end, how sure that is, and the second choice."""

    trial: Trial
    line_ends: LineEnds
    certainty: float
    second: str | None


def find_grammar(sample: bytes, declared: DeclaredDialect, *, whole: bool) -> FoundGrammar:
    """Try the candidates on a sample, a text of UTF-8 that ends at a line end or is the whole file."""
    trials = []
    for plain in candidates(sample, declared):
        ends = line_ends_of(sample, plain)
        trials.append((read_sample(sample, with_line_ends(plain, ends in ("cr", "any")), whole=whole), ends))
    trials = without_quotes_as_text(without_split_quotes(trials))
    ranked = sorted(trials, key=lambda trial: -trial[0].score)  # stable: the most usual first
    best, ends = ranked[0]
    alone = single_column_score(best)
    if declared.delimiter is None and best.score < alone:
        return as_single_column(sample, best, declared, whole=whole)
    if best.score == 0:
        rare = rare_delimiter(best) if declared.delimiter is None else None
        return FoundGrammar(best, ends, 0.5 if rare else 1.0, rare)
    others = [(doubt(trial, best), difference(trial.grammar, best.grammar)) for trial, _ in ranked[1:]]
    most, second = max([each for each in others if each[0] > 0], default=(0.0, None))
    return FoundGrammar(best, ends, round(1 - most, 2), second)


def doubt(trial: Trial, best: Trial) -> float:
    """How much another reading of a sample speaks against the best one: by its score, and as far as they differ."""
    records, others = (Counter(map(tuple, each.records)) for each in (best, trial))
    alike = (records & others).total() / max(1, len(best.records), len(trial.records))
    return (trial.score / best.score) ** SHARPNESS * (1 - alike)


def without_split_quotes(trials: list[tuple[Trial, LineEnds]]) -> list[tuple[Trial, LineEnds]]:
    """Trials but for those that split fields of another one, in `'`, whose rows nearly all have one smaller width."""
    whole = [
        trial
        for trial, _ in trials
        if trial.grammar.quote == b"'" and trial.share >= NEARLY_ALL and trial.width > 1 and len(trial.records) > 1
    ]
    return [
        (trial, ends)
        for trial, ends in trials
        if not any(
            trial.grammar.quote != b"'"
            and trial.grammar.delimiter == quoted.grammar.delimiter
            and trial.width > quoted.width
            for quoted in whole
        )
    ]


def without_quotes_as_text(trials: list[tuple[Trial, LineEnds]]) -> list[tuple[Trial, LineEnds]]:
    """Trials but for those that take `'` for text where it stands around each name of the header, and fit no better."""
    around = [trial for trial, _ in trials if trial.grammar.quote == b"'" and trial.records and all(trial.quoted[0])]
    return [
        (trial, ends)
        for trial, ends in trials
        if not any(
            trial.grammar.quote != b"'"
            and not any(map(any, trial.quoted))
            and trial.grammar.delimiter == named.grammar.delimiter
            and trial.share <= named.share
            and len(named.quoted[0]) > 1
            for named in around
        )
    ]


def as_single_column(sample: bytes, rejected: Trial, declared: DeclaredDialect, *, whole: bool) -> FoundGrammar:
    """The sample with a delimiter that does not occur in it, in `"` where all of its quotes open and close a field."""
    unused = next((each for each in DELIMITERS if each.encode() not in sample), "\x1e").encode()
    quotes = [rejected.grammar.quote] if declared.quote is not None else [b'"', rejected.grammar.quote]
    for quote in quotes:
        grammar = Grammar(unused, quote)
        ends = line_ends_of(sample, grammar)
        trial = read_sample(sample, with_line_ends(grammar, ends in ("cr", "any")), whole=whole)
        if all(trial.records):
            break
    second = rare_delimiter(trial) or f"delimiter {rejected.grammar.delimiter.decode()!r}"
    return FoundGrammar(trial, ends, 0.5, second)


def rare_delimiter(trial: Trial) -> str | None:
    """A sign that may separate fields of a single column, because nearly all of its texts have it as often.

    Delimiters are in quotes then, as where each line is quoted as a whole. The others are none that is tried: times,
    links and sums hold them too, so that once in a text is not enough.
    """
    texts = [record[0] for record in trial.records if len(record) == 1 and record != [""]]
    if len(texts) < FEW_TEXTS or 2 * sum(map(is_value, texts)) > len(texts):
        return None
    for sign in (*DELIMITERS[:-1], *RARE_DELIMITERS):
        count, often = Counter(text.count(sign) for text in texts).most_common(1)[0]
        if count > (sign in RARE_DELIMITERS) and often >= NEARLY_ALL * len(texts):
            return f"delimiter {sign!r}"
    return None


def single_column_score(trial: Trial) -> float:
    """What a reading as a single column is worth beside a trial: much where the first line has no delimiter."""
    if trial.width == 1:
        return 0.0
    bare = bool(trial.widths) and trial.widths[0] == 1
    if trial.grammar.delimiter == b" ":
        return 1.0 if bare or trial.share <= SEVERAL_WORDS else 0.02
    if bare and (has_numbers_only(trial) or has_sentences_only(trial)):
        return 1.0
    return 0.2 if bare else 0.02


def has_numbers_only(trial: Trial) -> bool:
    """Whether each record of the most frequent width is one number, whose decimals or thousands a comma sets apart."""
    return trial.grammar.delimiter == b"," and all(map(is_value, map(",".join, usual_of(trial))))


def has_sentences_only(trial: Trial) -> bool:
    """Whether a space stands behind each delimiter in records of the most frequent width, and no value does."""
    return all(
        all(cell.startswith(" ") for cell in record[1:]) and not any(map(is_value, record))
        for record in usual_of(trial)
    )


def usual_of(trial: Trial) -> Iterator[list[str]]:
    """Records of the most frequent width."""
    return (record for record in trial.records if len(record) == trial.width)


def difference(grammar: Grammar, other: Grammar) -> str:
    """In what a grammar differs from another."""
    parts = {"delimiter": (grammar.delimiter, other.delimiter), "quote": (grammar.quote, other.quote)}
    parts["escape"] = (grammar.escape, other.escape)
    told = [f"{name} {mine.decode()!r}" if mine else f"no {name}" for name, (mine, its) in parts.items() if mine != its]
    return ", ".join(told)
