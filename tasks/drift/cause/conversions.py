"""Changes of unit that feeds are known to make: linear maps, each of a kind of quantity."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import permutations

WORDS = {
    "length": r"mi|miles?|km|kilomet(er|re)s?|m|met(er|re)s?|ft|feet|foot|in|inch(es)?|cm|mm|yd|yards?|nm",
    "mass": r"kg|kilograms?|kilos?|g|grams?|mg|lbs?|pounds?|oz|ounces?|t|tons?|tonnes?",
    "time": r"s|secs?|seconds?|ms|milliseconds?|min|mins|minutes?|h|hr|hrs|hours?|d|days?|us",
    "temperature": r"\u00b0?[cfk]|deg ?[cfk]?|celsius|fahrenheit|kelvin|degrees",
    "volume": r"l|lit(er|re)s?|gal|gallons?|ml|cl",
    "share": r"%|percent|share|fraction|ratio|rate|bps?|basis points",
    "speed": r"mph|kmh|km/h|kph|kn|knots?|m/s",
    "pressure": r"hpa|pa|kpa|bar|mbar|psi|inhg|mmhg|atm",
    "energy": r"j|kj|mj|cal|kcal|k?wh|mwh|joules?|calories",
    "area": r"m2|km2|ha|hectares?|acres?|ft2|sq ?ft|square (feet|met(er|re)s)",
    "concentration": r"[mu\u00b5]?g/d?l|[mu\u00b5]?mol/l",
}
TEN = "any"
LARGE = 7.0  # a factor beyond it, up or down, is more than real changes multiply by
INFINITE = float("inf")
EARTHLY = {"Celsius": (-90.0, 110.0), "Fahrenheit": (-130.0, 230.0), "Kelvin": (180.0, 385.0)}
"""Temperatures that a column has if nobody declares its unit: outdoors, of bodies, of boiling water."""
SAME = 1e-3  # relative difference of factors that are one

UNITS = {
    "length": {
        "millimetres": 1e-3, "centimetres": 1e-2, "inches": 0.0254, "feet": 0.3048, "yards": 0.9144, "metres": 1.0,
        "kilometres": 1e3, "miles": 1609.344, "nautical miles": 1852.0,
    },
    "mass": {
        "milligrams": 1e-6, "carats": 2e-4, "grams": 1e-3, "ounces": 0.028349523, "pounds": 0.45359237,
        "kilograms": 1.0, "stones": 6.35029318, "tonnes": 1e3,
    },
    "time": {
        "milliseconds": 1e-3, "seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86400.0, "weeks": 604800.0,
        "months": 86400 * 365.25 / 12, "years": 86400 * 365.25,
    },
    "volume": {
        "millilitres": 1e-3, "fluid ounces": 0.0295735, "litres": 1.0, "gallons": 3.785412, "barrels": 158.987295,
        "cubic metres": 1e3,
    },
    "pressure": {
        "Pa": 1.0, "hPa": 100.0, "mmHg": 133.322387, "kPa": 1e3, "inHg": 3386.389, "psi": 6894.757, "bar": 1e5,
    },
    "energy": {"J": 1.0, "kJ": 1e3, "kcal": 4184.0, "MJ": 1e6, "kWh": 3.6e6},
    "area": {"square feet": 0.09290304, "square metres": 1.0, "acres": 4046.8564, "hectares": 1e4},
}  # fmt: skip
"""Sizes of units by quantity, in one unit of it: NIST Special Publication 811, appendix B."""


@dataclass(frozen=True)
class Conversion:
    """batch = slope * reference + intercept.

    Attributes
    ----------
    name : str
    slope, intercept : float
    quantity : str
        One of `WORDS`, or `any`.
    most : float or None
        The column must lie between 0 and this.
    """

    name: str
    slope: float
    intercept: float
    quantity: str
    most: float | None = None

    @property
    def near(self) -> bool:
        """Whether a real change could multiply by as much, or cross zero."""
        return self.intercept == 0 and 1 / LARGE < abs(self.slope) < LARGE

    @property
    def slight(self) -> bool:
        """Whether real changes multiply by as little so often that only a declared unit makes it likely."""
        return self.intercept == 0 and 0.7 < self.slope < 1.4

    @property
    def far(self) -> bool:
        """Whether it multiplies by more than real changes do."""
        return self.intercept == 0 and not self.near


def both_ways(names: tuple[str, str], factor: float, quantity: str) -> list[Conversion]:
    """A factor and its inverse."""
    there, back = f"{names[0]} to {names[1]}", f"{names[1]} to {names[0]}"
    return [Conversion(there, factor, 0.0, quantity), Conversion(back, 1 / factor, 0.0, quantity)]


def large_ratios() -> list[Conversion]:
    """From each unit of a quantity to each other one, where the factor is large; factors of ten have names already."""
    return [
        Conversion(f"{one} to {other}", sizes[one] / sizes[other], 0.0, quantity)
        for quantity, sizes in UNITS.items()
        for one, other in permutations(sizes, 2)
        if not 1 / LARGE < sizes[one] / sizes[other] < LARGE
    ]


CONVERSIONS: tuple[Conversion, ...] = (
    *(
        Conversion(f"{'multiplied' if power > 0 else 'divided'} by {10 ** abs(power):,}", 10.0**power, 0.0, TEN)
        for power in (3, -3, 2, -2, 1, -1, 6, -6, 9, -9)
    ),
    Conversion("sign turned", -1.0, 0.0, TEN),
    *both_ways(("feet", "metres"), 0.3048, "length"),
    *both_ways(("inches", "centimetres"), 2.54, "length"),
    *both_ways(("miles", "kilometres"), 1.609344, "length"),
    *both_ways(("nautical miles", "kilometres"), 1.852, "length"),
    *both_ways(("pounds", "kilograms"), 0.45359237, "mass"),
    *both_ways(("gallons", "litres"), 3.785412, "volume"),
    *both_ways(("m/s", "km/h"), 3.6, "speed"),
    *both_ways(("mph", "km/h"), 1.609344, "speed"),
    *both_ways(("m/s", "mph"), 2.236936, "speed"),
    *both_ways(("kcal", "kJ"), 4.184, "energy"),
    *both_ways(("kWh", "MJ"), 3.6, "energy"),
    *both_ways(("carats", "grams"), 0.2, "mass"),
    *both_ways(("mmol/l of glucose", "mg/dl"), 18.0156, "concentration"),
    *both_ways(("mmol/l of cholesterol", "mg/dl"), 38.67, "concentration"),
    *both_ways(("mg/dl of creatinine", "\u00b5mol/l"), 88.42, "concentration"),
    *both_ways(("mmHg", "hPa"), 1.333224, "pressure"),
    Conversion("Celsius to Fahrenheit", 1.8, 32.0, "temperature"),
    Conversion("Fahrenheit to Celsius", 1 / 1.8, -32.0 / 1.8, "temperature"),
    Conversion("Celsius to Kelvin", 1.0, 273.15, "temperature"),
    Conversion("Kelvin to Celsius", 1.0, -273.15, "temperature"),
    Conversion("a share to its complement", -1.0, 1.0, "share", 1.0),
    Conversion("percent to its complement", -1.0, 100.0, "share", 100.0),
    *large_ratios(),
)


def different(conversions: Iterable[Conversion]) -> tuple[Conversion, ...]:
    """The first of those that are one map."""
    found: list[Conversion] = []
    for each in conversions:
        if not any(is_same(each, other) for other in found):
            found.append(each)
    return tuple(found)


def is_same(one: Conversion, other: Conversion) -> bool:
    """Whether two conversions of no more than a factor have the same one; others are what they are."""
    return one.intercept == other.intercept == 0 and abs(one.slope / other.slope - 1) < SAME


@cache
def thought_of(unit: str | None) -> tuple[Conversion, ...]:
    """The conversions that a column of this unit may have gone through; where it is unknown, all that are not slight.

    >>> {each.quantity for each in thought_of("minutes")} == {"any", "time"}
    True
    """
    quantity = quantity_of(unit)
    if quantity is None:
        return different(each for each in CONVERSIONS if not each.slight)
    return different(each for each in CONVERSIONS if each.quantity in {TEN, quantity})


def is_possible(conversion: Conversion, low: float, high: float) -> bool:
    """Whether values between two ends can be of a conversion's first unit: a temperature on earth, a share.

    >>> [is_possible(each, 0.0, 900.0) for each in CONVERSIONS if each.name == "Celsius to Fahrenheit"]
    [False]
    """
    least, most = EARTHLY.get(conversion.name.split(" to ")[0], (-INFINITE, INFINITE))
    if conversion.most is not None:
        least, most = max(least, 0.0), min(most, conversion.most)
    return least <= low <= high <= most


def quantity_of(unit: str | None) -> str | None:
    """The kind of quantity that a declared unit measures."""
    text = (unit or "").strip().lower()
    return next((quantity for quantity, words in WORDS.items() if text and re.fullmatch(words, text)), None)
