# ruff: noqa: E501 - tables of columns read better in one line each
"""Made-up tables that look like real ones, a batch of a week or a month at a time, each world drawn from a seed.

A world is drawn once (its levels, shares, rhythms, sizes), and then gives a batch for any week. Nothing in
`tasks/drift/cause` knows of them: `rides` and `loans` were written before the rules were tried on any world, and the
rules were tried on the others alone.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

WEEK = 7 * 86_400
FIRST = 1_577_664_000  # Monday, 2019-12-30, in seconds
PLACES = (
    "Zürich", "Genève", "Köln", "Málaga", "Århus", "Łódź", "São Paulo", "Düsseldorf", "Orléans", "Coruña", "Berlin",
    "Paris", "Madrid", "Oslo", "Lyon", "Turin", "Bergen", "Porto", "Gent", "Basel", "Besançon", "Göteborg", "Kraków",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """One made-up source of batches.

    Attributes
    ----------
    name : str
    batch : function of (week, generator) to DataFrame
    time : str or None
        The column of time.
    site : str
        The category whose levels have feeds of their own.
    positive : tuple of str
        Numbers above 0 that have a unit.
    Celsius : tuple of str
    measured : tuple of str
        Numbers of which a value seldom comes back.
    words : tuple of str
        Categories with stable levels.
    accented : tuple of str
        Those with letters beyond ASCII.
    gappy : tuple of str
        Columns with missing values.
    crossed : tuple of pairs
        Columns that may be mistaken for each other, and are not alike.
    rhythm : bool
        Whether hours of the week differ.
    money : tuple of str
    """

    name: str
    batch: Callable[[int, np.random.Generator], pd.DataFrame]
    time: str | None
    site: str
    positive: tuple[str, ...]
    celsius: tuple[str, ...]
    measured: tuple[str, ...]
    words: tuple[str, ...]
    accented: tuple[str, ...]
    gappy: tuple[str, ...]
    crossed: tuple[tuple[str, str], ...]
    rhythm: bool
    money: tuple[str, ...] = ()


def shares(random, count, skew=1.0):
    """Shares of levels, few of them frequent."""
    raw = 1.0 / np.arange(1, count + 1) ** skew * random.uniform(0.7, 1.3, count)
    return raw / raw.sum()


def drawn(random, levels, share, rows):
    return np.array(levels, dtype=object)[random.choice(len(levels), size=rows, p=share)]


def holes(random, values, share):
    values = np.array(values, dtype=object if np.asarray(values).dtype == object else float)
    values[random.random(len(values)) < share] = None if values.dtype == object else np.nan
    return values


def moments(random, week, rows, hours, days):
    """Times in a week, by weights of hours and days, to the second, ascending."""
    weights = np.outer(days, hours).ravel()
    hour = random.choice(168, size=rows, p=weights / weights.sum())
    return np.sort(FIRST + week * WEEK + hour * 3600 + random.integers(0, 3600, rows))


def stamps(seconds, zone="UTC"):
    """Moments of a zone's own clocks; an hour that these leave out is the next one."""
    local = pd.to_datetime(seconds, unit="s").tz_localize(
        zone, ambiguous=np.zeros(len(seconds), dtype=bool), nonexistent="shift_forward"
    )
    return local.as_unit("us")


def autocorrelated(random, rows, ratio, sd, start=0.0):
    noise = random.normal(0, sd * np.sqrt(1 - ratio**2), rows)
    found = np.empty(rows)
    level = start
    for place in range(rows):
        level = ratio * level + noise[place]
        found[place] = level
    return found


def shop(seed: int) -> World:
    made = np.random.default_rng([seed, 1])
    hours = 0.05 + np.exp(-0.5 * ((np.arange(24) - made.uniform(11, 16)) / made.uniform(2.5, 4)) ** 2)
    days = made.uniform(0.7, 1.4, 7)
    size, sites = int(made.integers(1200, 3500)), [f"S{place}" for place in range(1, 6)]
    site_share, towns = shares(made, 5, 0.4), list(made.permutation(PLACES)[:18])
    town_share, price, spread = shares(made, 18, 0.7), made.uniform(2, 4), made.uniform(0.4, 0.9)
    week_sd = made.uniform(0.01, 0.06)

    def batch(week, random):
        rows = int(size * np.exp(random.normal(0, 0.06)) * (1 + 0.15 * np.sin(2 * np.pi * week / 52)))
        site = drawn(random, sites, site_share, rows)
        value = random.lognormal(price + random.normal(0, week_sd), spread, rows).round(2)
        quantity = np.where(random.random(rows) < 0.25, 0, 1 + random.negative_binomial(2, 0.4, rows))
        customer = (2 * week + np.minimum(random.zipf(1.6, rows), 400)).astype(int)
        return pd.DataFrame(
            {
                "ordered_at": stamps(moments(random, week, rows, hours, days)),
                "site": site,
                "town": drawn(random, towns, town_share, rows),
                "customer": np.array([f"c{each:05}" for each in customer], dtype=object),
                "payment": holes(
                    random, drawn(random, ["card", "cash", "invoice", "voucher"], [0.6, 0.2, 0.15, 0.05], rows), 0.04
                ),
                "price": value,
                "quantity": quantity,
                "discount": np.where(random.random(rows) < 0.7, 0.0, random.beta(2, 8, rows)).round(3),
                "weight": random.lognormal(0.2, 0.7, rows).round(3),
                "delivery_minutes": random.gamma(6, 12, rows).round(1),
                "rating": holes(random, random.choice(5, rows, p=[0.05, 0.05, 0.15, 0.35, 0.4]) + 1.0, 0.15),
            }
        )

    return World(
        "shop", batch, "ordered_at", "site", ("price", "weight", "delivery_minutes"), (), ("price", "weight", "delivery_minutes"),
        ("payment", "town", "site"), ("town",), ("payment", "rating"),
        (("price", "delivery_minutes"), ("site", "payment"), ("weight", "delivery_minutes"), ("town", "payment")), True, ("price",),
    )  # fmt: skip


def sensors(seed: int) -> World:
    made = np.random.default_rng([seed, 2])
    places, steps = list(made.permutation(PLACES[:12])[:5]), int(made.choice([336, 504, 672]))
    offset, height = made.normal(0, 2, 5), made.normal(0, 8, 5)
    season, mean, slow = made.uniform(6, 12), made.uniform(6, 16), made.uniform(0.9, 0.98)

    def batch(week, random):
        parts = []
        second = FIRST + week * WEEK + np.arange(steps) * (WEEK // steps)
        day = 2 * np.pi * (second % 86_400) / 86_400
        front = random.normal(0, 2.0) + autocorrelated(random, steps, 0.995, 2.0)
        for place in range(5):
            air = mean + offset[place] + season * np.sin(2 * np.pi * (week - 16) / 52) - 4 * np.cos(day) + front
            air = air + autocorrelated(random, steps, slow, 1.0)
            wet = autocorrelated(random, steps, 0.97, 1.0) > 1.1
            parts.append(
                pd.DataFrame(
                    {
                        "measured_at": stamps(second),
                        "station": np.full(steps, places[place], dtype=object),
                        "air_temperature": air.round(1),
                        "humidity": np.clip(
                            70 - 1.2 * (air - mean) + autocorrelated(random, steps, 0.95, 9.0), 5, 100
                        ).round(0),
                        "rain": np.where(wet, random.gamma(0.8, 1.5, steps), 0.0).round(1),
                        "pressure": (1013 + height[place] + autocorrelated(random, steps, 0.995, 7.0)).round(1),
                        "battery": (12.6 + 0.2 * np.sin(day) + autocorrelated(random, steps, 0.99, 0.1)).round(2),
                        "cars": random.poisson(
                            np.exp(2.5 + 1.2 * np.sin(day - 2) + autocorrelated(random, steps, 0.9, 0.3))
                        ),
                        "wind": np.abs(autocorrelated(random, steps, 0.93, 4.0)).round(2),
                        "status": np.where(autocorrelated(random, steps, 0.98, 1.0) > 1.5, "service", "ok").astype(
                            object
                        ),
                        "firmware": np.full(steps, f"v{1 + place % 2}.{place}", dtype=object),
                    }
                )
            )
        frame = pd.concat(parts, ignore_index=True).sort_values(["measured_at", "station"], ignore_index=True)
        frame["wind"] = holes(random, frame["wind"], 0.03)
        frame["humidity"] = holes(random, frame["humidity"], 0.05)
        return frame

    return World(
        "sensors", batch, "measured_at", "station", ("pressure", "battery", "wind"), ("air_temperature",),
        ("air_temperature", "pressure", "wind"), ("station", "firmware"), ("station",), ("wind", "humidity"),
        (("air_temperature", "humidity"), ("pressure", "humidity"), ("station", "firmware"), ("battery", "pressure")), False,
    )  # fmt: skip


def clinic(seed: int) -> World:
    made = np.random.default_rng([seed, 3])
    hours = np.zeros(24)
    hours[8:18] = made.uniform(0.5, 1.5, 10)
    days = np.concatenate([made.uniform(0.8, 1.2, 5), [0.0, 0.0]])
    size, wards = int(made.integers(800, 2500)), ["north", "south", "east", "west", "children"]
    codes, insurers = (
        [f"{letter}{number:02}" for letter in "EIJKM" for number in range(8)],
        ["AOK", "Barmer", "DAK", "HEK", "Privé"],
    )
    code_share, insurer_share, ward_share = shares(made, 40, 0.8), shares(made, 5, 0.6), shares(made, 5, 0.3)
    doctors, towns = (
        [f"Dr. {name}" for name in ("Müller", "Ölmez", "Weiß", "Núñez", "Smith", "Jones", "Rossi")],
        list(PLACES[:9]),
    )

    def batch(week, random):
        rows = int(size * np.exp(random.normal(0, 0.08)))
        ward = drawn(random, wards, ward_share, rows)
        age = np.where(
            ward == "children", random.integers(0, 17, rows), np.clip(random.normal(55, 18, rows), 18, 99)
        ).round()
        height = np.where(age < 17, 80 + 5.2 * age, 172) + random.normal(0, 8, rows)
        return pd.DataFrame(
            {
                "admitted": stamps(moments(random, week, rows, hours, days), "Europe/Zurich"),
                "ward": ward,
                "doctor": drawn(random, doctors, shares(np.random.default_rng(seed), 7, 0.3), rows),
                "town": drawn(random, towns, np.full(9, 1 / 9), rows),
                "diagnosis": drawn(random, codes, code_share, rows),
                "insurer": drawn(random, insurers, insurer_share, rows),
                "smoker": holes(random, drawn(random, ["yes", "no"], [0.22, 0.78], rows), 0.08),
                "age": age.astype(int),
                "height": height.round(1),
                "weight": (22 * (height / 100) ** 2 * np.exp(random.normal(0, 0.18, rows))).round(1),
                "fever": (36.9 + random.gamma(1.2, 0.6, rows)).round(1),
                "systolic": (100 + 0.5 * age + random.normal(0, 13, rows)).round().astype(int),
                "glucose": holes(random, random.lognormal(4.6, 0.25, rows).round(1), 0.2),
                "waiting": random.gamma(2, 18 * np.exp(random.normal(0, 0.1)), rows).round(0),
                "cost": np.where(random.random(rows) < 0.3, 0.0, random.lognormal(5.5, 1.1, rows)).round(2),
            }
        )

    return World(
        "clinic", batch, "admitted", "ward", ("height", "weight", "glucose", "waiting", "cost"), ("fever",),
        ("height", "weight", "glucose"), ("ward", "insurer", "doctor"), ("doctor", "town"), ("smoker", "glucose"),
        (("height", "weight"), ("systolic", "age"), ("ward", "insurer"), ("glucose", "waiting"), ("doctor", "town")), True, ("cost",),
    )  # fmt: skip


def rides(seed: int) -> World:
    made = np.random.default_rng([seed, 4])
    hours = (
        0.15
        + np.exp(-0.5 * ((np.arange(24) - 8.5) / 1.5) ** 2)
        + 1.2 * np.exp(-0.5 * ((np.arange(24) - 18) / 2.2) ** 2)
    )
    days = np.array([1, 1, 1, 1.1, 1.3, 1.2, 0.8]) * made.uniform(0.9, 1.1, 7)
    size, zones = int(made.integers(1500, 4000)), [f"{place} {number}" for place in PLACES[:15] for number in (1, 2, 3)]
    zone_share, vendors = shares(made, 45, 0.6), ["A", "B", "C", "D"]

    def batch(week, random):
        rows = int(size * np.exp(random.normal(0, 0.1)))
        distance = random.lognormal(1.1 + random.normal(0, 0.03), 0.75, rows)
        minutes = 4 + distance * random.lognormal(0.9, 0.3, rows)
        fare = 3.2 + 1.9 * distance + 0.3 * minutes
        return pd.DataFrame(
            {
                "started": stamps(moments(random, week, rows, hours, days), "America/New_York"),
                "vendor": drawn(random, vendors, [0.4, 0.3, 0.2, 0.1], rows),
                "zone": drawn(random, zones, zone_share, rows),
                "payment": drawn(random, ["crédit", "cash", "app"], [0.55, 0.15, 0.3], rows),
                "driver": np.array([f"{each:04}" for each in random.integers(0, 300, rows)], dtype=object),
                "distance": distance.round(2),
                "duration": (60 * minutes).round().astype(int),
                "fare": (np.round(fare * 2) / 2),
                "tip": np.where(random.random(rows) < 0.45, 0.0, fare * random.beta(3, 14, rows)).round(2),
                "passengers": random.choice(6, rows, p=[0.02, 0.7, 0.14, 0.06, 0.04, 0.04]),
                "battery_share": holes(random, random.beta(4, 2, rows), 0.06),
                "rating": holes(random, (5 - random.gamma(0.7, 0.5, rows)).clip(1, 5).round(1), 0.3),
            }
        )

    return World(
        "rides", batch, "started", "vendor", ("distance", "duration", "fare", "battery_share"), (), ("distance", "duration", "battery_share"),
        ("vendor", "payment", "zone"), ("zone", "payment"), ("battery_share", "rating"),
        (("distance", "duration"), ("fare", "distance"), ("vendor", "payment"), ("tip", "passengers")), True, ("fare", "tip"),
    )  # fmt: skip


def loans(seed: int) -> World:
    made = np.random.default_rng([seed, 5])
    branches, size = list(PLACES[:6]), int(made.integers(700, 2000))
    purposes = ["car", "home improvement", "debt", "study", "wedding", "other", "café"]
    branch_share, purpose_share, income = shares(made, 6, 0.2), shares(made, 7, 0.7), made.uniform(10.2, 10.8)

    def batch(month, random):
        rows = int(size * np.exp(random.normal(0, 0.1)))
        earned = random.lognormal(income + 0.002 * month, 0.5, rows)
        amount = 500 * np.ceil(earned * random.beta(2, 5, rows) / 500)
        return pd.DataFrame(
            {
                "branch": drawn(random, branches, branch_share, rows),
                "purpose": drawn(random, purposes, purpose_share, rows),
                "employment": holes(
                    random, drawn(random, ["employed", "self", "retired", "none"], [0.7, 0.15, 0.1, 0.05], rows), 0.05
                ),
                "grade": drawn(random, list("ABCDE"), [0.15, 0.3, 0.3, 0.18, 0.07], rows),
                "income": earned.round(0),
                "amount": amount,
                "interest": np.clip(0.04 + random.gamma(3, 0.015, rows) + random.normal(0, 0.002), 0.01, 0.4).round(4),
                "term_months": random.choice([12, 24, 36, 48, 60], rows, p=[0.1, 0.2, 0.35, 0.2, 0.15]),
                "age_years": np.clip(random.normal(41, 12, rows), 18, 85).astype(int),
                "late_payments": np.where(random.random(rows) < 0.8, 0, random.poisson(2, rows)),
                "savings": holes(random, random.lognormal(8, 1.4, rows).round(2), 0.12),
            }
        )

    return World(
        "loans", batch, None, "branch", ("income", "interest", "savings", "age_years"), (), ("income", "savings", "interest"),
        ("branch", "purpose", "grade"), ("branch", "purpose"), ("employment", "savings"),
        (("income", "savings"), ("age_years", "term_months"), ("grade", "employment"), ("branch", "purpose")), False, ("income", "savings"),
    )  # fmt: skip


@cache
def flights_frame() -> pd.DataFrame:
    """The demo's flights, typed as configs/flights.yaml declares them; half of the rows, for speed."""
    from tasks.demo import flights as packaged

    months = [pd.read_csv(io.BytesIO(content)).iloc[::2] for content in packaged().values()]
    frame = pd.concat(months, ignore_index=True)
    hours = pd.to_datetime(frame["time_hour"], utc=True).dt.tz_convert("America/New_York").dt.as_unit("us")
    texts = {
        name: frame[name].astype(object).where(frame[name].notna(), None)
        for name in ("carrier", "tailnum", "origin", "dest")
    }
    numbers = {name: frame[name] for name in ("arr_delay", "air_time", "distance", "sched_dep_time", "hour", "minute")}
    return pd.DataFrame({"month": frame["month"], "time_hour": hours, **texts, **numbers})


def flights(seed: int) -> World:
    """Months of flights as they were; a seed draws rows of the month, and nothing else."""

    def batch(month, random):
        found = flights_frame()
        found = found[found["month"] == month % 12 + 1].drop(columns="month")
        return found[random.random(len(found)) < 0.5].sort_values("time_hour", kind="stable").reset_index(drop=True)

    return World(
        "flights", batch, "time_hour", "origin", ("air_time", "distance"), (), ("arr_delay", "air_time"),
        ("carrier", "origin"), (), ("arr_delay", "air_time"), (("air_time", "distance"), ("carrier", "dest"), ("minute", "distance")),
        True,
    )  # fmt: skip


TRIED = (shop, sensors, clinic)  # the rules were tried on these
UNSEEN = (rides, loans)  # and not on these
