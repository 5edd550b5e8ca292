"""Dirty files as other programs export them: short tables under long preambles, notes, comments, rules, totals."""

from __future__ import annotations

from typing import Any

from tests.dirty_files import PEOPLE, DirtyFile, people, text

DAYS = [("day", "item", "sold"), *((f"2024-05-0{day}", "tea", f"{day}.5") for day in range(1, 5))]
LONG_PREAMBLE = "".join(f"{key}: {value}\n" for key, value in zip("abcdefghi", range(9), strict=True)) + "\n"


def exported() -> list[DirtyFile]:
    """All of them."""
    return [*short_tables(), *padded(), *commented(), *ruled(), *single_columns(), *quoted_throughout(), *spaced()]


def days(name: str, content: str, **expected: Any) -> DirtyFile:
    """A file that holds four days of sales."""
    return DirtyFile(name, content.encode(), **{"names": DAYS[0], "rows": DAYS[1:], **expected})


def short_tables() -> list[DirtyFile]:
    """Fewer rows than lines above or below them."""
    hours = [(f"2024-05-01 0{hour}:00", f"{hour}", f"{hour}.5", f"9{hour}") for hour in range(8)]
    return [
        days("preamble-longer-than-table.csv", LONG_PREAMBLE + text(DAYS), dialect={"delimiter": ",", "preamble": 10}),
        days(
            "preamble-with-other-delimiters.csv",
            "Sales, by day\nMade: 01.05.2024, 10:00\nBy: a; b\nFor: c\n\n" + text(DAYS, ";"),
            dialect={"delimiter": ";", "preamble": 5},
        ),
        days(
            "footer-longer-than-table.csv",
            text(DAYS, ";") + "".join(f"Note {number}: see page {number}\n" for number in range(6)),
            refused=[(line, "footer") for line in range(6, 12)],
            dialect={"delimiter": ";"},
        ),
        DirtyFile(
            "logger.csv",
            b'"TOA","X1","X1","77","std","prog"\n"AT","N","T","H"\n"TS","RN","C","%"\n"","","Avg","Max"\n'
            + text(hours).encode(),
            names=("AT TS", "N RN", "T C Avg", "H % Max"),
            rows=list(hours),
            dialect={"preamble": 1, "header_lines": 3},
        ),
        DirtyFile(
            "two-header-lines-with-a-gap.csv",
            b";people\nday;number\n"
            + text([(f"3{day % 2}.12.20{day}", f"{day}00") for day in range(10, 18)], ";").encode(),
            names=("day", "people number"),
            rows=[(f"3{day % 2}.12.20{day}", f"{day}00") for day in range(10, 18)],
            dialect={"header_lines": 2},
        ),
        DirtyFile(
            "first-row-of-words.csv",
            b",a,b\nx,unknown,7\n" + b"y,1,2\n" * 6,
            names=("", "a", "b"),
            rows=[("x", "unknown", "7"), *[("y", "1", "2")] * 6],
            dialect={"header_lines": 1},
        ),
        DirtyFile(
            "years-backwards.csv",
            b"unit\t2020 \t2019 \t2018 \nDE\t1.5 \t: \t2.5 \nFR\t1.0 \t2.0 \t3.0 \n",
            names=("unit", "2020 ", "2019 ", "2018 "),
            rows=[("DE", "1.5 ", ": ", "2.5 "), ("FR", "1.0 ", "2.0 ", "3.0 ")],
            dialect={"header_lines": 1},
        ),
        DirtyFile(
            "some-years.csv",
            b";1985;1993;2000;2005\na;1;2;3;4\nb;5;6;7;8\n",
            names=("", "1985", "1993", "2000", "2005"),
            rows=[("a", "1", "2", "3", "4"), ("b", "5", "6", "7", "8")],
        ),
    ]


def padded() -> list[DirtyFile]:
    """Lines that a spreadsheet fills up with delimiters."""
    above = ",Payments of the year,,,\n,Period:,13,,\n,Start:,4 May,,\n,,,,\n"
    rows = [("", f"{number}", "Arup", f"{number}.50", f"0{number} May") for number in range(1, 9)]
    table = [("", "id", "vendor", "amount", "paid"), *rows]
    return [
        DirtyFile(
            "padded-keys.csv",
            (above + text(table)).encode(),
            names=table[0],
            rows=list(rows),
            dialect={"preamble": 4},
        ),
        DirtyFile(
            "padded-values-above-names.csv",
            b"Account : 7;No : 9;;\nBalance;1 234,56;;\n" + text([row[1:] for row in table], ";").encode(),
            names=table[0][1:],
            rows=[row[1:] for row in rows],
            dialect={"preamble": 2, "header_lines": 1},
        ),
        DirtyFile(
            "names-over-names.csv",
            b"area,,2019,,2020,\n,,sold,cost,sold,cost\n" + b"a,b,1,2,3,4\n" * 4,
            names=("", "", "sold", "cost", "sold", "cost"),
            rows=[("a", "b", "1", "2", "3", "4")] * 4,
            dialect={"preamble": 1},
        ),
        days(
            "padded-sources.csv",
            text(DAYS) + ',,\nSource: the till,,\n"* not yet final, may change",,\n',
            refused=[(6, "footer"), (7, "footer"), (8, "footer")],
        ),
        days(
            "padded-note-below-total.csv",
            text(DAYS) + "Total,,12.0\nNote: without tax,,\n",
            refused=[(6, "totals_row"), (7, "footer")],
        ),
        days("total-in-spanish.csv", text(DAYS) + "TOTALES,,12.0\n", refused=[(6, "totals_row")]),
        days("sparse-last-row.csv", text(DAYS) + "Landing page,,\n", rows=[*DAYS[1:], ("Landing page", "", "")]),
        days("empty-last-rows.csv", text(DAYS) + ",,\n,,\n", rows=[*DAYS[1:], *[("", "", "")] * 2]),
        DirtyFile(
            "text-and-remark.csv",
            b"word,remark\nSource: well,\nNote: sound,\n",
            names=("word", "remark"),
            rows=[("Source: well", ""), ("Note: sound", "")],
            declared={"header": 1},
        ),
    ]


def commented() -> list[DirtyFile]:
    """Comments between rows."""
    return [
        days(
            "more-comments-than-rows.csv",
            "# a\n# b\n" + "# between\n# again\n".join(text([row]) for row in DAYS),
            refused=[(line, "comment") for line in (4, 5, 7, 8, 10, 11, 13, 14)],
            dialect={"delimiter": ",", "preamble": 2},
        ),
        days(
            "comment-with-delimiters.csv",
            text(DAYS[:3]) + "# a, b, c, d\n" + text(DAYS[3:]),
            refused=[(4, "comment")],
        ),
        DirtyFile(
            "numbers-with-a-hash.csv",
            b"#id,name\n#1,a\n#2\n#3,c\n",
            names=("#id", "name"),
            rows=[("#1", "a"), ("#3", "c")],
            refused=[(3, "too_few_columns")],
            declared={"preamble": 0},
        ),
    ]


def ruled() -> list[DirtyFile]:
    """A rule below the header."""
    return [
        days(
            "rule-below-header.csv",
            text([DAYS[0], ("---", "----", "-----"), *DAYS[1:]]) + text(DAYS[:1]),
            refused=[(7, "repeated_header")],
            dialect={"header_lines": 2, "certainty": 0.95},
            note="a rule stands below the header",
        ),
        people(
            "markdown.md",
            "| name | age | city |\n|:-----|----:|------|\n"
            + "".join(f"| {name} | {age} | {city} |\n" for name, age, city in PEOPLE[1:]),
            names=("", " name ", " age ", " city "),
            rows=[("", f" {name} ", f" {age} ", f" {city} ") for name, age, city in PEOPLE[1:]],
            dialect={"header_lines": 2, "trailing_delimiter": True},
        ),
        DirtyFile(
            "dashes-for-nothing.csv",
            b"a,b\n-,-\n1,2\n3,4\n",
            names=("a", "b"),
            rows=[("-", "-"), ("1", "2"), ("3", "4")],
        ),
    ]


def single_columns() -> list[DirtyFile]:
    """One name above texts that hold what may separate cells."""
    return [
        DirtyFile(name, (f"{header}\n" + "".join(f"{row}\n" for row in rows)).encode(), **expected)
        for name, header, rows, expected in (
            ("full-names.csv", "name", ["Ada King", "Alan Turing"] * 12, {"second": "delimiter ' '"}),
            ("moments.csv", "at", [f"2024-05-0{day} 10:00:00" for day in range(1, 9)] * 3, {"second": "delimiter ' '"}),
            ("decimals-alone.csv", "price", ["1,25", "10,50", "7,00"], {"second": "delimiter ','"}),
            ("thousands-alone.csv", "count", ["68,527.00", "1,000.50"], {"second": "delimiter ','"}),
            ("two-word-header.csv", "first name", ["Ada", "Alan", "Grace"], {"second": "delimiter ' '"}),
            ("colons.csv", "a:b:c", ["1:2:3", "x:y:z", "4:5:6"], {"second": "delimiter ':'"}),
        )
        for expected in (
            {"names": (header,), "rows": [(row,) for row in rows], "dialect": {**expected, "certainty": 0.5}},
        )
    ]


def quoted_throughout() -> list[DirtyFile]:
    """Fields in quotes with quotes inside that are not written twice: no text with quotes around it."""
    return [
        DirtyFile(
            "quotes-in-quotes.csv",
            b'id;said\n1;"a "b" c"\n2;"d "e" f"\n3;plain\n',
            names=("id", "said"),
            rows=[("3", "plain")],
            refused=[(2, "misplaced_quote"), (3, "misplaced_quote")],
            dialect={"quote": '"'},
        ),
        DirtyFile(
            "names-in-quotes.tsv",
            b'id\ttitle\n1\t"The Clown" and his dogs\n2\tPoor "Pierrot"\n3\tSmoke\n',
            names=("id", "title"),
            rows=[("1", '"The Clown" and his dogs'), ("2", 'Poor "Pierrot"'), ("3", "Smoke")],
            dialect={"quote": None},
        ),
        DirtyFile("weka.arff", b"% made by hand\n@RELATION iris\n@data\n1,a\n", error="an ARFF file of Weka"),
    ]


def spaced() -> list[DirtyFile]:
    """Spaces beside delimiters and quotes that nothing aligns."""
    rows = [(f"{number}", f"n{number}", f"x, {number}") for number in range(12)]
    return [
        DirtyFile(
            name,
            (header + "".join(line.format(*row) for row in rows)).encode(),
            names=("id", "name", "note"),
            rows=list(rows),
            dialect={"delimiter": ",", "spaces": "around"},
            note="spaces stand beside delimiters",
        )
        for name, header, line in (
            ("spaces-on-both-sides.csv", '"id" , "name" , "note"\n', '"{}" , "{}" , "{}"\n'),
            ("spaces-before-delimiters.csv", '"id" ,"name" ,"note"\n', '"{}" ,"{}" ,"{}"\n'),
            ("spaces-before-quotes.csv", "id,name,note\n", '{}, "{}",  "{}"\n'),
            ("spaces-behind-quotes.csv", "id,name,note\n", '{},"{}"  ,"{}"\n'),
            ("spaces-at-line-ends.csv", '"id","name","note" \n', '"{}","{}","{}" \n'),
        )
    ] + [
        DirtyFile(
            "spaces-around-semicolons.csv",
            b"a ; b\n" + b"".join(b"%d ; %d\n" % (number, number * 3) for number in range(12)),
            names=("a", "b"),
            rows=[(f"{number}", f"{number * 3}") for number in range(12)],
            dialect={"spaces": "around"},
        ),
        DirtyFile(
            "one-row-with-spaces.csv",
            b'"a" , "b"\n"1" , "2"',
            names=("a", "b"),
            rows=[("1", "2")],
            dialect={"spaces": "around"},
        ),
        DirtyFile(
            "lines-in-quotes.csv",
            b'"id,name"\n' + b'"1,a"\n' * 6,
            names=("id,name",),
            rows=[("1,a",)] * 6,
            refused=[],
            dialect={"certainty": 0.5, "second": "delimiter ','"},
        ),
    ]
