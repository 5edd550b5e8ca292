"""Changes of unit that feeds are known to make: linear maps, each of a kind of quantity."""

from __future__ import annotations

import re
from dataclasses import dataclass

WORDS = {
    "length": r"mi|miles?|km|kilomet(er|re)s?|m|met(er|re)s?|ft|feet|foot|in|inch(es)?|cm|mm|yd|yards?|nm",
    "mass": r"kg|kilograms?|kilos?|g|grams?|mg|lbs?|pounds?|oz|ounces?|t|tons?|tonnes?",
    "time": r"s|secs?|seconds?|ms|milliseconds?|min|mins|minutes?|h|hr|hrs|hours?|d|days?|us",
    "temperature": r"\u00b0?[cfk]|deg ?[cfk]?|celsius|fahrenheit|kelvin|degrees",
    "volume": r"l|lit(er|re)s?|gal|gallons?|ml|cl",
    "share": r"%|percent|share|fraction|ratio|rate|bps?|basis points",
    "speed": r"mph|kmh|km/h|kph|kn|knots?|m/s",
    "pressure": r"hpa|pa|kpa|bar|mbar|psi|inhg|mmhg|atm",
}
TEN = "any"


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
        return self.intercept == 0 and 1 / 7 < abs(self.slope) < 7


def both_ways(names: tuple[str, str], factor: float, quantity: str) -> list[Conversion]:
    """A factor and its inverse."""
    there, back = f"{names[0]} to {names[1]}", f"{names[1]} to {names[0]}"
    return [Conversion(there, factor, 0.0, quantity), Conversion(back, 1 / factor, 0.0, quantity)]


CONVERSIONS: tuple[Conversion, ...] = (
    *(
        Conversion(f"{'multiplied' if power > 0 else 'divided'} by {10 ** abs(power):,}", 10.0**power, 0.0, TEN)
        for power in (3, -3, 2, -2, 1, -1, 6, -6, 9, -9)
    ),
    Conversion("sign turned", -1.0, 0.0, TEN),
    *both_ways(("minutes", "seconds"), 60.0, "time"),
    *both_ways(("hours", "seconds"), 3600.0, "time"),
    *both_ways(("days", "hours"), 24.0, "time"),
    *both_ways(("days", "minutes"), 1440.0, "time"),
    *both_ways(("days", "seconds"), 86400.0, "time"),
    *both_ways(("feet", "metres"), 0.3048, "length"),
    *both_ways(("inches", "centimetres"), 2.54, "length"),
    *both_ways(("inches", "millimetres"), 25.4, "length"),
    *both_ways(("miles", "kilometres"), 1.609344, "length"),
    *both_ways(("nautical miles", "kilometres"), 1.852, "length"),
    *both_ways(("pounds", "kilograms"), 0.45359237, "mass"),
    *both_ways(("ounces", "grams"), 28.349523, "mass"),
    *both_ways(("gallons", "litres"), 3.785412, "volume"),
    *both_ways(("m/s", "km/h"), 3.6, "speed"),
    *both_ways(("mph", "km/h"), 1.609344, "speed"),
    *both_ways(("bar", "psi"), 14.503774, "pressure"),
    *both_ways(("inHg", "hPa"), 33.863887, "pressure"),
    *both_ways(("mmHg", "hPa"), 1.333224, "pressure"),
    Conversion("Celsius to Fahrenheit", 1.8, 32.0, "temperature"),
    Conversion("Fahrenheit to Celsius", 1 / 1.8, -32.0 / 1.8, "temperature"),
    Conversion("Celsius to Kelvin", 1.0, 273.15, "temperature"),
    Conversion("Kelvin to Celsius", 1.0, -273.15, "temperature"),
    Conversion("a share to its complement", -1.0, 1.0, "share", 1.0),
    Conversion("percent to its complement", -1.0, 100.0, "share", 100.0),
)


def thought_of(unit: str | None) -> tuple[Conversion, ...]:
    """The conversions that a column of this unit may have gone through: all, where it is unknown.

    >>> {each.quantity for each in thought_of("minutes")} == {"any", "time"}
    True
    """
    quantity = quantity_of(unit)
    if quantity is None:
        return CONVERSIONS
    return tuple(each for each in CONVERSIONS if each.quantity in {TEN, quantity})


def quantity_of(unit: str | None) -> str | None:
    """The kind of quantity that a declared unit measures."""
    text = (unit or "").strip().lower()
    return next((quantity for quantity, words in WORDS.items() if text and re.fullmatch(words, text)), None)
