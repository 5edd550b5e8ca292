"""A zoo of dirty files: each with what it is read as, row by row, or why it is refused.

Every file is made here from a few lines; `write(folder)` puts them where a person can look at them:

    python -m tests.dirty_files FOLDER
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sqlite3
import struct
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

Row = tuple[str | None, ...]

PEOPLE = [("name", "age", "city"), ("Ada", "36", "London"), ("Alan", "41", "Wilmslow"), ("Grace", "85", "Arlington")]
FRENCH = [
    ("nom", "\u00e2ge", "ville"),
    ("Ren\u00e9e", "36", "Orl\u00e9ans"),
    ("Fran\u00e7ois", "41", "N\u00eemes"),
    ("No\u00ebl", "85", "B\u00e8gles"),
]


@dataclass(frozen=True)
class DirtyFile:
    """A file and what must come of it.

    Attributes
    ----------
    name : str
        File name, told from the others.
    content : bytes
    rows : list of tuple of str
        Expected rows.
    refused : list of (line, reason)
    names : tuple of str
    dialect : dict
        Attributes of the dialect that must be found.
    declared : dict
        What is declared of it.
    error : str
        Where the file is refused as a whole, what the message must hold.
    note : str
        What one of the dialect's notes must hold.
    """

    name: str
    content: bytes
    rows: list[Row] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    names: tuple[str, ...] = PEOPLE[0]
    dialect: dict[str, Any] = field(default_factory=dict)
    declared: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    note: str = ""


def text(rows: Iterable[Iterable[str]], delimiter: str = ",", end: str = "\n") -> str:
    """Rows joined as they are."""
    return "".join(delimiter.join(row) + end for row in rows)


def people(name: str, content: str | bytes, **expected: Any) -> DirtyFile:
    """A file that holds the people, all of them unless said otherwise."""
    written = content.encode() if isinstance(content, str) else content
    return DirtyFile(name, written, **{"rows": PEOPLE[1:], **expected})


def encodings() -> list[DirtyFile]:
    """Text in other encodings."""
    plain = text(FRENCH)
    french = {"rows": FRENCH[1:], "names": FRENCH[0]}
    found = [
        people(f"{encoding}.csv", mark + plain.encode(encoding), dialect={"encoding": found}, **french)
        for encoding, found, mark in (
            ("utf-8", "utf-8", b""),
            ("utf-8-sig", "utf-8", b""),
            ("utf-16-le", "utf-16-le", b"\xff\xfe"),
            ("utf-16-be", "utf-16-be", b"\xfe\xff"),
            ("utf-16-le", "utf-16-le", b""),
            ("utf-16-be", "utf-16-be", b""),
            ("iso-8859-1", "windows-1252", b""),
        )
    ]
    found = [
        people(f"{number}-{each.name}", each.content, dialect=each.dialect, **french)
        for number, each in enumerate(found)
    ]
    euro = [
        ("item", "price", "note"),
        ("caf\u00e9", "3 \u20ac", "\u201cna\u00efve\u201d"),
        ("th\u00e9", "2 \u20ac", "l\u2019eau"),
    ]
    signs = [
        ("id", "said"),
        *((str(number), "\u201cq\u201d \u2013 \u201eso\u201c\u2026 \u20ac") for number in range(5)),
    ]
    later = [("Andr\u00e9", "7", "S\u00e8te"), ("Zo\u00e9", "8", "N\u00eemes"), ("L\u00e9a", "9", "\u201cici\u201d")]
    half = plain.encode() + "Andr\u00e9,7,Sète\n".encode("cp1252")
    other_half = text(FRENCH * 2).encode("cp1252") + "Andr\u00e9,7,Sète\n".encode()
    repeated = [(5, "repeated_header"), (9, "other_encoding")]
    return [
        *found,
        people(
            "windows-1252.csv",
            text(euro).encode("cp1252"),
            rows=euro[1:],
            names=euro[0],
            dialect={"encoding": "windows-1252"},
        ),
        people(
            "typographic-1252.csv",
            text(signs).encode("cp1252"),
            rows=signs[1:],
            names=signs[0],
            dialect={"encoding": "windows-1252", "second": "encoding iso-8859-1"},
        ),
        people(
            "signs-in-words-850.csv", ("name,age\n" + "K\u00f6ln,1\n" * 9).encode("cp850"), error="no encoding that can"
        ),
        *(
            people(
                f"half-{first}-half-{then}.csv",
                plain.encode(first) + text(later).encode(then),
                dialect={"encoding": first, "other_encoding": then, "certainty": 0.7},
                note=f"3 lines are in {then}, the first is line 5",
                **french | {"rows": [*FRENCH[1:], *later]},
            )
            for first, then in (("utf-8", "windows-1252"), ("windows-1252", "utf-8"))
        ),
        people("utf-8-then-1252.csv", half, refused=[(5, "not_utf8")], note="line 5", **french),
        people("1252-then-utf-8.csv", other_half, **french | {"rows": FRENCH[1:] * 2}, refused=repeated, note="line 9"),
        people(
            "letters-in-the-header-alone.csv",
            "name,stra\u00dfe,jahr\nAnn,1,2\nBob,3,4\n".encode("cp1252"),
            rows=[("Ann", "1", "2"), ("Bob", "3", "4")],
            names=("name", "stra\u00dfe", "jahr"),
            dialect={"encoding": "windows-1252"},
        ),
        people("damaged-header.csv", b"na\xffme,age\nAnn,1\nBob,2\n", error="the header is not in utf-8"),
        people("one-bad-byte.csv", text(PEOPLE).encode() + b"Al\xffn,1,x\n", refused=[(5, "not_utf8")]),
        people(
            "cyrillic-1251.csv",
            "\u0438\u043c\u044f,\u0433\u043e\u0440\u043e\u0434\n".encode("cp1251")
            + "\u0418\u0432\u0430\u043d,\u041c\u043e\u0441\u043a\u0432\u0430\n".encode("cp1251") * 9,
            error="no encoding that can be told",
        ),
        people(
            "shift-jis-declared.csv",
            "\u540d\u524d,\u5e74\n\u592a\u90ce,7\n".encode("shift_jis"),
            rows=[("\u592a\u90ce", "7")],
            names=("\u540d\u524d", "\u5e74"),
            declared={"encoding": "shift_jis"},
        ),
        people(
            "ascii-declared.csv",
            b"a,b\n1,2\n3,\xe9\n",
            rows=[("1", "2")],
            names=("a", "b"),
            refused=[(3, "not_decodable")],
            declared={"encoding": "ascii"},
        ),
        people("utf-16-cut.csv", text(PEOPLE).encode("utf-16-le") + b"x", refused=[(5, "not_decodable")]),
        people("utf-32.csv", text(PEOPLE).encode("utf-32"), error="UTF-32"),
        people("mark-in-a-row.csv", "a,b\n\ufeff1,2\n", rows=[], refused=[(2, "inner_mark")], names=("a", "b")),
        people("nul-bytes.csv", text(PEOPLE) + "A\0,1,x\n", refused=[(5, "nul_byte")]),
        people(
            "nul-hole.csv",
            text(PEOPLE).encode() + bytes(512) + b"\n" + b"Zoe,1,x\n",
            rows=[*PEOPLE[1:], ("Zoe", "1", "x")],
            refused=[(5, "nul_byte")],
        ),
    ]


def delimiters() -> list[DirtyFile]:
    """Other delimiters, quotes and escapes."""
    found = [
        people(f"delimiter-{ord(each)}.csv", text(PEOPLE, each), dialect={"delimiter": each}) for each in ",;\t| \x1f^"
    ]
    money = [("item", "price", "sum"), ("tea", "1,50", "1.234,50"), ("milk", "0,99", "12.345,00")]
    quoted = [("id", "said"), ("1", 'a "word", said'), ("2", "plain"), ("3", "two\nlines")]
    return [
        *found,
        people("declared-delimiter.csv", text(PEOPLE, ":"), declared={"delimiter": ":"}),
        people("wide-delimiter.csv", text(PEOPLE, "\u00a6"), declared={"delimiter": "\u00a6"}),
        people("sep-line.csv", "sep=;\r\n" + text(PEOPLE, ";", "\r\n"), dialect={"delimiter": ";", "preamble": 1}),
        people(
            "decimal-comma.csv",
            text(money, ";"),
            rows=money[1:],
            names=money[0],
            dialect={"decimal": {"price": ",", "sum": ","}, "thousands": {"sum": "."}},
        ),
        people(
            "thousands.csv",
            'a,b\n"1,234,567",x\n"12,345.50",y\n',
            rows=[("1,234,567", "x"), ("12,345.50", "y")],
            names=("a", "b"),
            dialect={"thousands": {"a": ","}},
        ),
        people(
            "doubled-quotes.csv",
            'id,said\n1,"a ""word"", said"\n2,plain\n3,"two\nlines"\n',
            rows=quoted[1:],
            names=quoted[0],
        ),
        people(
            "escaped-quotes.csv",
            'id,said\n1,"a \\"word\\", said"\n2,plain\n3,"two\nlines"\n',
            rows=quoted[1:],
            names=quoted[0],
            dialect={"escape": "\\"},
        ),
        people(
            "escapes-that-stand-for-themselves.csv",
            'id,path\n1,"C:\\temp, \\"D:\\new\\""\n2,\\N\n3,"a\\\\"\n',
            rows=[("1", 'C:\\temp, "D:\\new"'), ("2", "\\N"), ("3", "a\\")],
            names=("id", "path"),
            dialect={"escape": "\\"},
        ),
        people(
            "single-quoted-header.tsv",
            "'name'\t'age'\t'city'\n" + text(PEOPLE[1:], "\t"),
            dialect={"delimiter": "\t", "quote": "'"},
        ),
        people(
            "single-quotes.csv",
            "id,said\n1,'a, b'\n2,'c, d'\n3,'e, f'\n",
            rows=[("1", "a, b"), ("2", "c, d"), ("3", "e, f")],
            names=quoted[0],
            dialect={"quote": "'"},
        ),
        *(
            people(
                f"single-quotes-{name}.csv",
                header + "".join(f"{number},'a,b',1\n" for number in range(9)),
                rows=[(str(number), "a,b", "1") for number in range(9)],
                names=names,
                dialect={"quote": "'"},
            )
            for name, header, names in (
                ("with-header", "id,said,n\n", ("id", "said", "n")),
                ("without-header", "", ("c1", "c2", "c3")),
            )
        ),
        people(
            "apostrophes-beside-single-quotes.csv",
            "id,said,n\n1,'it's so, isn't it',2\n2,rock'n'roll,3\n3,'O''Hara, S.',4\n4,dogs' tails,5\n"
            + "".join(f"{number},'don't, please',1\n" for number in range(5, 9)),
            rows=[
                ("1", "it's so, isn't it", "2"),
                ("2", "rock'n'roll", "3"),
                ("3", "O'Hara, S.", "4"),
                *((str(number), "don't, please", "1") for number in range(5, 9)),
            ],
            names=("id", "said", "n"),
            refused=[(5, "misplaced_quote")],
            dialect={"quote": "'"},
        ),
        people(
            "apostrophes.csv",
            "id,said,n\n1,'t is,2\n2,rock 'n' roll,3\n3,'cause,4\n4,dogs',5\n",
            rows=[("1", "'t is", "2"), ("2", "rock 'n' roll", "3"), ("3", "'cause", "4"), ("4", "dogs'", "5")],
            names=("id", "said", "n"),
            dialect={"quote": '"'},
        ),
        people(
            "no-quotes.csv",
            'size,n\n5" pipe,1\n6" pipe,2\n',
            rows=[('5" pipe', "1"), ('6" pipe', "2")],
            names=("size", "n"),
            dialect={"quote": None},
        ),
        people(
            "quote-none-declared.csv", 'a,b\n"1,2\n', rows=[('"1', "2")], names=("a", "b"), declared={"quote": "none"}
        ),
    ]


def quotes() -> list[DirtyFile]:
    """Quotes that are misplaced."""
    after = "".join(f"P{number},{number},x\n" for number in range(30))
    rows = [(f"P{number}", str(number), "x") for number in range(30)]
    bad = [
        ("stray-quote", 'A"b,1,x\n'),
        ("never-closed", '"Ab,1,x\n'),
        ("text-behind-quote", '"A"b,1,x\n'),
        ("quote-inside-quotes", '"A "b" c",1,x\n'),
        ("space-before-quote", 'A, "1",x\n'),
        ("backslash-where-doubled", '"A \\"b\\" c",1,x\n'),
    ]
    return [
        people(
            f"{name}.csv",
            'name,age,city\n"Q",1,x\n' + line + after,
            rows=[("Q", "1", "x"), *rows],
            refused=[(3, "misplaced_quote")],
        )
        for name, line in bad[:5]
    ]


def lines() -> list[DirtyFile]:
    """Line ends."""
    mixed = "name,age,city\r\nAda,36,London\nAlan,41,Wilmslow\r\nGrace,85,Arlington"
    any_end = "name,age,city\r\nAda,36,London\rAlan,41,Wilmslow\nGrace,85,Arlington\r"
    paragraph = [("Ada", "36", "Lon\u2028don"), ("Alan", "41", "Wilms\x85low"), ("Grace", "85", "Arl\x0bington")]
    return [
        people("crlf.csv", text(PEOPLE, end="\r\n"), dialect={"line_ends": "crlf"}),
        people("cr.csv", text(PEOPLE, end="\r"), dialect={"line_ends": "cr"}),
        people("mixed.csv", mixed, dialect={"line_ends": "mixed"}),
        people("any.csv", any_end, dialect={"line_ends": "any"}),
        people("stray-cr.csv", text(PEOPLE) + "A\rb,1,x\n", refused=[(5, "stray_cr")]),
        people(
            "stray-cr-behind-a-field-of-two-lines.csv",
            'name,age\nAnn,1\nBob,2\nA,"1\n2",\rx\nCy,3\n',
            rows=[("Ann", "1"), ("Bob", "2"), ("Cy", "3")],
            names=("name", "age"),
            refused=[(4, "misplaced_quote"), (5, "misplaced_quote")],
            declared={"quote": '"'},
        ),
        people(
            "many-stray-crs.csv",
            'name,age\na\rb\n"Ann","1"\na\rb\n"Bob","2"\na\rb\n"Cy","3"\n',
            rows=[("Ann", "1"), ("Bob", "2"), ("Cy", "3")],
            names=("name", "age"),
            refused=[(2, "stray_cr"), (4, "stray_cr"), (6, "stray_cr")],
        ),
        people("no-end.csv", text(PEOPLE).rstrip("\n")),
        people("blank-lines.csv", text(PEOPLE).replace("Alan", "\nAlan") + "\n\n\n", refused=[(3, "blank_line")]),
        people("ctrl-z.csv", text(PEOPLE, end="\r\n") + "\x1a", note="Ctrl-Z"),
        people("line-separator.csv", text([PEOPLE[0], *paragraph]), rows=paragraph),
        people(
            "newline-in-quotes.csv",
            'name,age,city\n"Ada\nL.",36,"Lon\r\ndon"\nAlan,41\n',
            rows=[("Ada\nL.", "36", "Lon\r\ndon")],
            refused=[(5, "too_few_columns")],
        ),
    ]


def layouts() -> list[DirtyFile]:
    """What stands around a table."""
    plain = text(PEOPLE)
    numbers = "".join(f"{number},{number * 2}\n" for number in range(1, 9))
    number_rows = [(str(number), str(number * 2)) for number in range(1, 9)]
    three_rows = [(first, second, "x") for first, second in number_rows]
    threes = text(three_rows)
    ab: dict[str, Any] = {"names": ("a", "b"), "rows": number_rows}
    cars = [(f"{number}.0", str(number * 7), "?" if number == 2 else ".5", "1", f"a  {number}") for number in range(6)]
    return [
        people("comments.csv", "# made by a tool\n# on a day, at an hour\n" + plain, dialect={"preamble": 2}),
        people(
            "comments-above-few-rows.csv",
            "# made by a tool\n# in 2020\n\na,b\n1,2\n3,4\n",
            names=("a", "b"),
            rows=[("1", "2"), ("3", "4")],
            dialect={"delimiter": ",", "preamble": 3},
        ),
        people("hash-header.csv", "#" + plain, names=("#name", "age", "city")),
        people(
            "title.csv", "People of computing\n\n" + plain, dialect={"preamble": 2}, note="2 lines above the header"
        ),
        people("padded-blank-and-title.csv", ",,\nPeople of computing,,\n" + plain, dialect={"preamble": 2}),
        people("padded-title.csv", "People of computing,,\n" + plain, dialect={"preamble": 1}),
        people(
            "preamble-with-commas.csv",
            "Report of 2020\nGenerated, by X\n\na,b,c\n" + threes,
            names=("a", "b", "c"),
            rows=three_rows,
            dialect={"preamble": 3, "certainty": 0.8},
            note="3 lines above the header",
        ),
        people(
            "preamble-of-words.csv",
            "Report of 2020\nGenerated, by X\n\n" + plain + text(PEOPLE[1:]),
            rows=PEOPLE[1:] * 2,
            dialect={"preamble": 3},
        ),
        people(
            "header-lacks-a-name.csv",
            "a,b\n" + threes,
            names=("a", "b"),
            rows=[],
            refused=[(line, "too_many_columns") for line in range(2, 10)],
        ),
        people("declared-preamble.csv", "a,b,c\n" + plain, declared={"preamble": 1}),
        people(
            "no-header.csv",
            numbers,
            names=("c1", "c2"),
            rows=number_rows,
            dialect={"header_lines": 0},
            note="no header",
        ),
        people("declared-no-header.csv", text(PEOPLE[1:]), names=("c1", "c2", "c3"), declared={"header": 0}),
        people(
            "numbers-as-quoted-names.csv",
            '"","16.5","17"\n' + text((f'"{first}"', first, second) for first, second in number_rows),
            names=("", "16.5", "17"),
            rows=[(first, first, second) for first, second in number_rows],
        ),
        people("year-header.csv", "2011,2012\n" + numbers, names=("2011", "2012"), rows=number_rows),
        people(
            "units.csv",
            "length,mass\nm,kg\n" + numbers,
            names=("length m", "mass kg"),
            rows=number_rows,
            dialect={"header_lines": 2},
        ),
        people("repeated-header.csv", plain + plain, rows=PEOPLE[1:] * 2, refused=[(5, "repeated_header")]),
        people("footer.csv", plain + "\n(3 rows)\n", refused=[(5, "blank_line"), (6, "footer")]),
        people("declared-footer.csv", plain + "x,y,z\nend\n", declared={"footer": 2}, dialect={"footer": 2}),
        people("joined-with-marks.csv", ("\ufeff" + plain) * 2, rows=PEOPLE[1:] * 2, refused=[(5, "repeated_header")]),
        people(
            "joined-without-header.csv",
            plain + "\ufeff" + text(PEOPLE[1:]) + "C,1,x\n",
            rows=[*PEOPLE[1:], *PEOPLE[2:], ("C", "1", "x")],
            refused=[(5, "inner_mark")],
        ),
        people(
            "joined-in-another-order.csv",
            plain + "city,name,age\nOslo,Kari,5\n",
            error="line 5 is the header in another order",
        ),
        people("total-recall.csv", plain + "Total Recall,,\n", rows=[*PEOPLE[1:], ("Total Recall", "", "")]),
        people("totals-apart.csv", plain + "\nTotal,162,-\n", refused=[(5, "blank_line"), (6, "totals_row")]),
        people("total-of-a-list.csv", plain + "Total,162,x\n", rows=[*PEOPLE[1:], ("Total", "162", "x")]),
        people("totals.csv", plain + "Total,162,\n", refused=[(5, "totals_row")]),
        people(
            "two-tables.csv",
            plain + "\nx,y\n1,2\n",
            refused=[(5, "blank_line"), (6, "too_few_columns"), (7, "too_few_columns")],
        ),
        people(
            "ragged.csv",
            plain + "A,1\nB,2,x,y\n,,\n",
            rows=[*PEOPLE[1:], ("", "", "")],
            refused=[(5, "too_few_columns"), (6, "too_many_columns")],
        ),
        people("trailing-delimiter.csv", plain.replace("\n", ",\n"), dialect={"trailing_delimiter": True}),
        people(
            "trailing-in-rows.csv",
            plain.replace("\n", ",\n").replace("city,", "city", 1),
            dialect={"trailing_delimiter": True},
        ),
        people("trailing-in-header.csv", plain.replace("city\n", "city,\n")),
        people(
            "row-names.csv",
            '"a","b"\n' + "".join(f'"{number}",{number},"x"\n' for number in range(1, 9)),
            names=("", "a", "b"),
            rows=[(str(number), str(number), "x") for number in range(1, 9)],
            dialect={"second": "a last column without a name"},
            note="as R writes it",
        ),
        people("trailing-once.csv", plain + "A,1,x,\n", refused=[(5, "too_many_columns")]),
        people("duplicate-names.csv", "a,a\n" + numbers, **ab | {"names": ("a", "a")}, note="more than once"),
        people("empty-name.csv", "a,\n" + numbers, **ab | {"names": ("a", "")}),
        people(
            "odd-names.csv", '__index_level_0__,"a\nb"\n' + numbers, **ab | {"names": ("__index_level_0__", "a\nb")}
        ),
        people("one-column.csv", "name\nAda\nAlan\n", rows=[("Ada",), ("Alan",)], names=("name",)),
        people(
            "words.csv",
            "name\nJohn Smith\nAda King\nX Y\n",
            rows=[("John Smith",), ("Ada King",), ("X Y",)],
            names=("name",),
        ),
        people(
            "sentences.csv",
            "text\nwell, well\nyes, sir\nno\n",
            rows=[("well, well",), ("yes, sir",), ("no",)],
            names=("text",),
            dialect={"second": "delimiter ','"},
        ),
        people("declared-header-missing.csv", "a,b\n1,2\n", declared={"header": 3}, error="declared to have 3 records"),
        people(
            "declared-utf-16-without-mark.csv", text(PEOPLE), declared={"encoding": "utf-16"}, error="not in utf-16"
        ),
        people("header-only.csv", "name,age,city\n", rows=[]),
        people(
            "spaces.csv",
            text(PEOPLE, ", "),
            dialect={"delimiter": ",", "spaces": "behind"},
            note="a space stands behind",
        ),
        people(
            "spaces-and-quotes.csv",
            'name, said, n\nAda, "well, well", 1\nAlan, "say ""so""", 2\nGrace, , 3\n',
            names=("name", "said", "n"),
            rows=[("Ada", "well, well", "1"), ("Alan", 'say "so"', "2"), ("Grace", "", "3")],
            dialect={"quote": '"', "spaces": "behind"},
        ),
        people(
            "spaces-declared.csv",
            'name, "said", n\nAda, "well, well", 1\nAlan,x, 2\n',
            names=("name", "said", "n"),
            rows=[("Ada", "well, well", "1")],
            refused=[(3, "too_few_columns")],
            declared={"delimiter": ", ", "quote": '"'},
            dialect={"delimiter": ",", "spaces": "behind"},
            note="a space stands behind",
        ),
        people(
            "spaces-behind-some.csv",
            "name, age\nAda,36\nAlan, 41\n",
            names=("name", " age"),
            rows=[("Ada", "36"), ("Alan", " 41")],
            dialect={"spaces": ""},
        ),
        people(
            "fixed-width.txt",
            "".join(f"{name:<8}{age:>5}   {city}   \n" for name, age, city in PEOPLE),
            dialect={"delimiter": " ", "spaces": "runs"},
            note="runs of spaces are one delimiter",
        ),
        people(
            "numbers-in-runs-and-quoted-names.txt",
            "".join(f'{size:<9}{count}   {share}  1\t"{name}"\n' for size, count, share, _, name in cars),
            names=("c1", "c2", "c3", "c4", "c5"),
            rows=cars,
            dialect={"delimiter": " ", "quote": '"', "spaces": "runs", "header_lines": 0},
        ),
        people(
            "words-in-runs.tsv",
            "a\tb\n" + "".join(f"see  page {number}\tx\n" for number in range(1, 7)),
            names=("a", "b"),
            rows=[(f"see  page {number}", "x") for number in range(1, 7)],
            dialect={"delimiter": "\t", "spaces": ""},
        ),
        people(
            "aligned.csv",
            "".join(f"{name + ',':<10}{age:>5}, {city}\n" for name, age, city in PEOPLE),
            dialect={"delimiter": ",", "spaces": "aligned"},
            note="spaces align the columns",
        ),
        people(
            "aligned.tsv",
            "".join(f"{name:<9}\t{age:>5}\t{city:<10}\n" for name, age, city in PEOPLE),
            dialect={"delimiter": "\t", "spaces": "aligned"},
        ),
        people(
            "aligned-quotes.csv",
            'name,            said,          n\n"Ada",           "well,   well", 10\n'
            '"Grace \\"G\\"",   "so  ",          9\n"Alan",          "",              4\n',
            names=("name", "said", "n"),
            rows=[("Ada", "well,   well", "10"), ('Grace "G"', "so  ", "9"), ("Alan", "", "4")],
            dialect={"quote": '"', "escape": "\\", "spaces": "aligned"},
        ),
        people(
            "query-client.txt",
            " name  | age |   city    \n-------+-----+-----------\n"
            " Ada   |  36 | London    \n Alan  |  41 | Wilmslow  \n Grace |  85 | Arlington \n(3 rows)\n",
            refused=[(2, "too_few_columns"), (6, "footer")],
            dialect={"delimiter": "|", "spaces": "aligned"},
        ),
        people(
            "double-spaces.csv",
            "name,said\nAda,so  it  is\nAlan,  no\n",
            names=("name", "said"),
            rows=[("Ada", "so  it  is"), ("Alan", "  no")],
            dialect={"spaces": ""},
        ),
        people(
            "misplaced-quote-in-header.csv", 'name,"age,city\nAda,36,London\n', error="the header has a misplaced quote"
        ),
        people("10000-columns.csv", ",".join(f"c{number}" for number in range(10_000)) + "\n", error="10000 columns"),
        people("blank.csv", "\n\n\n", error="no header and no row"),
        *broken_headers(),
        *spreadsheets(),
        *several_tables(),
    ]


def broken_headers() -> list[DirtyFile]:
    """Headers that are not written as the rows are."""
    rows = text(PEOPLE[1:] * 3)
    all_rows = PEOPLE[1:] * 3
    return [
        people(
            "quote-opens-in-header.csv",
            'name,"age,"city"\n' + rows,
            names=("name", '"age', "city"),
            rows=all_rows,
            note="the header has misplaced quotes",
        ),
        people(
            "quote-and-delimiter-in-header.csv",
            'name,"age"city\n' + rows,
            error="the header has a misplaced quote: 'name,\"age\"city'",
        ),
        people(
            "quote-and-delimiter-in-header-of-words.csv",
            '"name"city\n' + "".join(f"{name},{city}\n" for name, _, city in all_rows),
            error="the header has a misplaced quote",
        ),
        people(
            "quote-inside-a-name.csv",
            '# a tool\n\nname,age,"city\n'.replace(',"city', ',c"ity') + rows,
            names=("name", "age", 'c"ity'),
            rows=all_rows,
            dialect={"preamble": 2, "quote": '"'},
            note="names are read as they stand",
        ),
        people(
            "title-with-a-quote.csv", 'The "people" of computing\n' + text(PEOPLE) + rows, rows=PEOPLE[1:] + all_rows
        ),
        people(
            "header-in-another-delimiter.csv",
            "name;age;city\n" + rows,
            names=("c1", "c2", "c3"),
            rows=all_rows,
            dialect={"header_lines": 0, "certainty": 0.5, "second": "a header above, with ';' between its names"},
            note="may be the header: ';' stands between its 3 names",
        ),
        people(
            "header-lacks-a-delimiter.csv",
            "nameage,city,x\n" + rows.replace("\n", ",x,y\n"),
            names=("nameage", "city", "x"),
            rows=[],
            refused=[(line, "too_many_columns") for line in range(2, 11)],
            note="9 of the first 9 rows have 5 fields where the header has 3",
        ),
        people(
            "title-or-half-a-header.csv",
            "nameage,city\n" + rows.replace("\n", ",x\n"),
            names=("c1", "c2", "c3", "c4"),
            rows=[(*row, "x") for row in all_rows],
            dialect={"preamble": 1, "certainty": 0.7, "second": "a header in the line above the rows"},
        ),
        people(
            "names-without-cells.csv",
            "name,age,city,approve,reject\n" + rows,
            names=("name", "age", "city", "approve", "reject"),
            rows=[],
            refused=[(line, "too_few_columns") for line in range(2, 11)],
            note="9 of the first 9 rows have 3 fields where the header has 5",
        ),
        people(
            "names-without-cells-in-quotes.csv",
            '"name","age","city","approve","reject"\n'
            + "".join(f'"{name}","{age}","{city}"\n' for name, age, city in all_rows),
            rows=all_rows,
            dialect={"certainty": 0.7, "second": "cells that are missing elsewhere"},
            note="'approve', 'reject' are no columns",
        ),
        people(
            "nameless-without-cells-in-quotes.csv",
            '"name","","age","city"\n' + "".join(f'"{name}","{age}","{city}"\n' for name, age, city in all_rows),
            names=("name", "", "age", "city"),
            rows=[],
            refused=[(line, "too_few_columns") for line in range(2, 11)],
        ),
        people(
            "loose-ends-in-rows-alone.csv",
            text(PEOPLE).replace("\n", ",\n").replace("city,", "city", 1),
            dialect={"certainty": 0.7, "second": "a name that the header lacks, and a last column that is empty"},
            note="the header does not",
        ),
        people(
            "blank-behind-the-last-delimiter.csv",
            '"name";"age";"city"\n' + "".join(f'"{name}";"{age}";"{city}";"\n"\n' for name, age, city in PEOPLE[1:]),
            dialect={"trailing_delimiter": True},
        ),
        people(
            "last-column-empty-without-header.csv",
            "".join(f"{number},{number * 2},\n" for number in range(5)) + "5,10,x\n",
            names=("c1", "c2", "c3"),
            rows=[*((str(number), str(number * 2), "") for number in range(5)), ("5", "10", "x")],
        ),
    ]


def spreadsheets() -> list[DirtyFile]:
    """What a sheet has beside its table: headings over groups of columns, and titles and notes with delimiters."""
    numbers = [(str(number), str(number + 10), f"{number}.5", "ok") for number in range(1, 9)]
    grouped = 'id,Staff,,Note\n,Count,"Full\ntime",\n' + text(numbers)
    two = [(first, second) for first, second, *_ in numbers]
    return [
        people(
            "group-headings.csv",
            grouped,
            names=("id", "Staff Count", "Staff Full\ntime", "Note"),
            rows=numbers,
            dialect={"header_lines": 2, "certainty": 0.8},
            note="the header has 2 lines",
        ),
        people(
            "group-headings-of-two-levels.csv",
            "id,Staff,,,,Note\n,Boys,,Girls,,\n,Count,Share,Count,Share,\n"
            + text((*row[:3], *row[1:]) for row in numbers),
            names=("id", "Staff Boys Count", "Staff Boys Share", "Staff Girls Count", "Staff Girls Share", "Note"),
            rows=[(*row[:3], *row[1:]) for row in numbers],
            dialect={"header_lines": 3},
        ),
        people(
            "sparse-first-row.csv",
            "id,a,b\nx,,\n" + text(row[:3] for row in numbers),
            names=("id", "a", "b"),
            rows=[("x", "", ""), *(row[:3] for row in numbers)],
            dialect={"header_lines": 1},
        ),
        people(
            "padded-title-of-two-columns.csv",
            "Summary of the year,\n,\na,b\n" + text(two),
            names=("a", "b"),
            rows=two,
            dialect={"preamble": 2},
        ),
        people(
            "padding-below.csv",
            "title\n\n" + text(PEOPLE) + ",,\n" * 3,
            rows=[*PEOPLE[1:], *[("", "", "")] * 3],
            dialect={"preamble": 2},
            note="rows that hold nothing: 3 of the first 6, from line 7 on",
        ),
        people(
            "padded-notes.csv",
            text(PEOPLE) + ",,\n,,\nAges are those at death,,\nSource: a book of some kind,,\n",
            refused=[(line, "footer") for line in (5, 6, 7, 8)],
        ),
        people(
            "padded-words.csv",
            text(PEOPLE) + ",,\nLinus,,\n",
            rows=[*PEOPLE[1:], ("", "", ""), ("Linus", "", "")],
        ),
        people(
            "sentences-in-a-sparse-column.csv",
            text(PEOPLE) + "One who wrote the first,,\n",
            rows=[*PEOPLE[1:], ("One who wrote the first", "", "")],
        ),
    ]


def several_tables() -> list[DirtyFile]:
    """Two tables in one file."""
    plain, more = text(PEOPLE) + text(PEOPLE[1:] * 2), [(*row, "x") for row in PEOPLE[1:] * 3]
    rows = PEOPLE[1:] * 3
    return [
        people(
            "wider-table-below.csv",
            plain + "name,age,city,more\n" + text(more),
            rows=rows,
            refused=[(line, "too_many_columns") for line in range(11, 21)],
            note="10 of the first 19 rows have 4 fields where the header has 3",
        ),
        people(
            "narrow-table-above.csv",
            text([row[:2] for row in PEOPLE[:1] + rows]) + "name,age,city,more\n" + text(more),
            names=("name", "age"),
            rows=[row[:2] for row in rows],
            refused=[(line, "too_many_columns") for line in range(11, 21)],
        ),
        people(
            "values-with-names-above.csv",
            "key,value\nlatitude,48.1\nlongitude,11.5\naltitude,520\nyear,2020\nmonth,7\n\n"
            + "name,age,city,more\n"
            + text(more * 4),
            names=("name", "age", "city", "more"),
            rows=more * 4,
            dialect={"preamble": 7},
        ),
        people(
            "header-once-more-in-other-quotes.csv",
            plain.replace("age", '"age"', 1) + "name,age,city\n" + text(PEOPLE[1:]) + '"name","age","city"\n',
            rows=rows + PEOPLE[1:],
            refused=[(11, "repeated_header"), (15, "repeated_header")],
        ),
        people(
            "title-above-the-next-table.csv",
            plain + "Kay,,\n,,\nThe second table,,\n,,\nname,age,city\n" + text(PEOPLE[1:]),
            rows=[*rows, ("Kay", "", ""), *PEOPLE[1:]],
            refused=[(12, "title"), (13, "title"), (14, "title"), (15, "repeated_header")],
        ),
        people(
            "sparse-row-above-the-next-table.csv",
            plain + "Kay,,\nname,age,city\n" + text(PEOPLE[1:]),
            rows=[*rows, ("Kay", "", ""), *PEOPLE[1:]],
            refused=[(12, "repeated_header")],
        ),
    ]


def compressed() -> list[DirtyFile]:
    """Compressed text."""
    plain = text(PEOPLE).encode()
    packed = gzip.compress(plain, mtime=0)
    zstd = pa.compress(plain, codec="zstd", asbytes=True)
    return [
        people("gzip.csv", packed, dialect={"compression": "gzip"}),
        people("gzip.csv.gz", packed, dialect={"compression": "gzip"}),
        people("two-members.csv.gz", gzip.compress(plain[:20]) + gzip.compress(plain[20:]) + bytes(64)),
        people("zstd.csv.zst", zstd, dialect={"compression": "zstd"}),
        people(
            "gzip-utf-16.csv.gz", gzip.compress(text(PEOPLE, ";").encode("utf-16")), dialect={"encoding": "utf-16-le"}
        ),
        people("gzip-cut.csv.gz", packed[:-9], error="gzip data are cut"),
        people("gzip-flipped.csv.gz", packed[:-6] + b"\x00" + packed[-5:], error="gzip data are damaged"),
        people("gzip-and-garbage.csv.gz", packed + b"garbage", error="gzip data are damaged"),
        people("gzip-of-gzip.csv.gz", gzip.compress(packed), error="inside compressed data"),
        people("gzip-of-html.csv.gz", gzip.compress(b"<html></html>"), error="HTML"),
        people("gzip-of-nothing.csv.gz", gzip.compress(b""), error="empty"),
        people("zstd-cut.csv.zst", zstd[:-5], error="zstd data are cut"),
        people("bzip2.csv", bz2.compress(plain), error="bzip2"),
        people("xz.csv", lzma.compress(plain), error="xz"),
    ]


def json_lines() -> list[DirtyFile]:
    """JSON lines."""
    lines = '{"name": "Ada", "age": 36, "city": "London"}\n{"age": 41, "name": "Alan", "city": "Wilmslow"}\n'
    rows: list[Row] = [("Ada", "36", "London"), ("Alan", "41", "Wilmslow")]
    dialect = {"format": "json_lines"}
    return [
        people("plain.jsonl", lines, rows=rows, dialect=dialect),
        people("misnamed.csv", lines, rows=rows, dialect=dialect),
        people("lines.jsonl.gz", gzip.compress(lines.encode()), rows=rows, dialect={**dialect, "compression": "gzip"}),
        people(
            "values.jsonl",
            '{"a": 1.10, "b": null}\n{"a": 12345678901234567890, "b": true}\n{"b": {"x": [1, "\u00e9"]}}\n',
            names=("a", "b"),
            rows=[("1.10", None), ("12345678901234567890", "true"), (None, '{"x":[1,"\u00e9"]}')],
        ),
        people(
            "bad.jsonl",
            lines + '{"name": "x"\n[1]\n\n{"name": "a", "name": "b"}\n7\n{"name": "Grace"}\n\n',
            rows=[*rows, ("Grace", None, None)],
            refused=[
                (3, "not_json"),
                (4, "not_an_object"),
                (5, "blank_line"),
                (6, "duplicate_key"),
                (7, "not_an_object"),
            ],
        ),
        people("array.json", '[{"name": "Ada"}]', rows=[("Ada",)], names=("name",), dialect={"format": "json_array"}),
        people(
            "array.csv",
            '[\n  {\n    "name": "Ada",\n    "age": 36\n  },\n  {"age": 41, "city": null}\n]\n',
            names=("name", "age", "city"),
            rows=[("Ada", "36", None), (None, "41", None)],
        ),
        people(
            "bad-array.json",
            '[{"name": "Ada"},\n 7, [1],\n {"name": 1, "name": 2}, {"name": "x\x01"}, {}]',
            names=("name",),
            rows=[("Ada",)],
            refused=[
                (2, "not_an_object"),
                (2, "not_an_object"),
                (3, "duplicate_key"),
                (3, "not_json"),
                (3, "not_an_object"),
            ],
        ),
        people("cut-array.json", '[{"name": "Ada"},\n {"name": "Alan"}', error="line 2: found the end of the file"),
        people("two-arrays.json", '[{"name": "Ada"}]\n[{"name": "Alan"}]', error="line 2: '\\[' stands behind the end"),
        people("broken-array.json", '[{"name": "Ada"},\n {"name" "Alan"}]', error="line 2: no JSON"),
        people("comma-array.json", '[{"name": "Ada"},\n]', error="line 2: no JSON"),
        people("arrays.json", '[["name"], ["Ada"]]', error="JSON, but neither one object per line nor an array"),
        people("error-page.csv", '{"error": "not found"}', error="JSON, but neither one object per line nor an array"),
        people("indented.json", '{\n  "name": "Ada"\n}\n', error="JSON, but neither one object per line nor an array"),
        people("one-object.jsonl", '{"name": "Ada"}\n', rows=[("Ada",)], names=("name",)),
    ]


def parquet_bytes(**columns: Any) -> bytes:
    """A Parquet file."""
    sink = io.BytesIO()
    parquet.write_table(pa.table(columns), sink)
    return sink.getvalue()


def parquets() -> list[DirtyFile]:
    """Parquet, sound and damaged."""
    whole = parquet_bytes(
        n=[1, None, 2**60], x=[1.5, 1e300, None], t=[True, False, None], s=["a", "", None], l=[[1], [], None]
    )
    rows: list[Row] = [
        ("1", "1.5", "true", "a", "[1]"),
        (None, "1e+300", "false", "", "[]"),
        (str(2**60), None, None, None, None),
    ]
    names = ("n", "x", "t", "s", "l")
    return [
        people("typed.parquet", whole, rows=rows, names=names, dialect={"format": "parquet"}),
        people("parquet.csv", whole, rows=rows, names=names),
        people("broken-footer.parquet", whole[:-8] + b"\xff\xff\xff\x7fPAR1", error="Parquet file is cut or damaged"),
        people("cut.parquet", whole[: len(whole) // 2], error="Parquet file is cut or damaged"),
        people("magic-alone.parquet", b"PAR1", error="Parquet file is cut or damaged"),
    ]


def foreign() -> list[DirtyFile]:
    """Other formats under the name of a CSV."""
    archive, tape = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("table.csv", text(PEOPLE))
    with tarfile.open(fileobj=tape, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("table.csv"), io.BytesIO())
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "db")
        with sqlite3.connect(place) as database:
            database.execute("CREATE TABLE a (b)")
        database.close()
        sqlite = place.read_bytes()
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    kinds = [
        ("empty", b"", "empty"),
        ("html", b"<!DOCTYPE html>\n<html><body>502</body></html>", "HTML"),
        ("xml", b'<?xml version="1.0"?>\n<a/>', "HTML or XML"),
        ("zip", archive.getvalue(), "zip archive or an Excel workbook"),
        ("tar", tape.getvalue(), "tar archive"),
        ("sqlite", sqlite, "SQLite"),
        ("git-lfs", pointer, "git-lfs pointer"),
        ("dvc", b"outs:\n- md5: 0\n  path: a.csv\n", "pointer of DVC"),
        ("pdf", b"%PDF-1.7\n", "PDF"),
        ("pickle", b"\x80\x04\x95\x00", "pickle"),
        (
            "noise",
            struct.pack("<400I", *((number * 2654435761) % 2**32 for number in range(400))),
            "this is|no encoding|binary",
        ),
    ]
    return [people(f"{name}.csv", content, error=error) for name, content, error in kinds]


def all_files() -> list[DirtyFile]:
    """The zoo."""
    return [
        *encodings(),
        *delimiters(),
        *quotes(),
        *lines(),
        *layouts(),
        *compressed(),
        *json_lines(),
        *parquets(),
        *foreign(),
    ]


def write(folder: Path) -> None:
    """Write all files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in all_files():
        (folder / file.name).write_bytes(file.content)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
