"""Faults of a feed and changes of the world, put into batches of `tests/drift_worlds.py`; each from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from tasks.drift.cause import BatchContext, Cause, habits_of, triage
from tasks.drift.profile import Declared, Profile, make_profile, observe
from tests.drift_worlds import World

REFERENCE = 12  # batches
MONTHS = 9  # of flights, and the batch is the tenth


@dataclass(frozen=True)
class History:
    """A world, its reference batches, and what was made of them."""

    world: World
    frames: tuple[pd.DataFrame, ...]
    profile: Profile
    context: BatchContext
    first: int


@dataclass(frozen=True)
class Injected:
    """A batch with a fault: its rows in the file's order, and what a triage is to say."""

    frame: pd.DataFrame
    kinds: tuple[str, ...]
    columns: tuple[str, ...] = ()


def as_table(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)


def history_of(
    world: World, seed: int, batches: int = REFERENCE, *, habits: bool = True, sample: int = 20_000
) -> History:
    """A world's reference, from a seed."""
    first = 0 if world.name == "flights" else int(np.random.default_rng([seed, 6]).integers(0, 52))
    batches = MONTHS if world.name == "flights" else batches
    frames = tuple(world.batch(first + week, np.random.default_rng([seed, 7, week])) for week in range(batches))
    tables = [(f"week-{number:02}", as_table(frame)) for number, frame in enumerate(frames)]
    roles = dict.fromkeys(frames[0].columns, "feature")
    profile = make_profile(tables, Declared("demo", roles, world.time), rows=sample)
    found = tuple(habits_of(name, table, world.time) for name, table in tables) if habits else ()
    return History(world, frames, profile, BatchContext(time=world.time, owner="ops@example.org", habits=found), first)


def next_batch(history: History, seed: int, later: int = 0) -> pd.DataFrame:
    """The batch after the reference, as the world gives it."""
    week = len(history.frames) + later
    return history.world.batch(history.first + week, np.random.default_rng([seed, 8, week]))


def told(history: History, frame: pd.DataFrame) -> tuple[Cause, ...]:
    """What the triage says of a batch."""
    table = as_table(frame)
    return triage(observe(table, history.profile.grid), table, history.profile, None, history.context)


def is_right(injected: Injected, causes: tuple[Cause, ...]) -> bool:
    """Whether the first cause is of the injected kind, and names its columns."""
    if not causes or causes[0].kind not in injected.kinds:
        return False
    return not injected.columns or {*injected.columns} <= {*causes[0].columns}


# Where a fault is: in all rows, in those from a moment on, or in those of one site.
ALL, LATER, SITE = "all rows", "the later part", "one site"


def rows_at(frame: pd.DataFrame, world: World, random: np.random.Generator, where: str) -> np.ndarray:
    if where == ALL:
        return np.ones(len(frame), dtype=bool)
    if where == LATER:
        return np.arange(len(frame)) >= int(len(frame) * random.uniform(0.3, 0.65))
    sites = frame[world.site].value_counts()
    return (frame[world.site] == random.choice(sites.index[sites > 0.08 * len(frame)])).to_numpy()


def changed(frame: pd.DataFrame, column: str, rows: np.ndarray, values: object) -> pd.DataFrame:
    """The frame, with other values in some rows of a column."""
    kind = object if frame[column].dtype == object or frame[column].dtype == "str" else None
    found = frame[column].to_numpy(dtype=kind, copy=True)
    found = found.astype(np.result_type(found, np.asarray(values))) if kind is None else found
    found[rows] = np.asarray(values, dtype=kind)[rows] if np.ndim(values) else values
    return frame.assign(**{column: found})


def unit_change(frame, world, random, where, history):
    rows = rows_at(frame, world, random, where)
    if world.celsius and random.random() < 0.3:
        column = str(random.choice(world.celsius))
        return Injected(
            changed(frame, column, rows, (frame[column] * 1.8 + 32).round(1).to_numpy()), ("unit_change",), (column,)
        )
    column = str(random.choice(world.positive))
    factor = float(random.choice([1000, 0.001, 100, 0.01, 60, 1 / 60, 3600, 0.3048, 2.54, 1.609344, 0.45359237, 25.4]))
    values = frame[column].to_numpy(dtype=float) * factor
    values = values.round(2) if factor > 1 and random.random() < 0.5 else values
    return Injected(changed(frame, column, rows, values), ("unit_change",), (column,))


def stuck_sensor(frame, world, random, where, history):
    column = str(random.choice(world.measured))
    rows = np.flatnonzero(rows_at(frame, world, random, where) & frame[column].notna().to_numpy())
    start = int(random.uniform(0.0, 0.4) * len(rows))
    stuck = rows[start : start + max(60, int(random.uniform(0.4, 1.0) * (len(rows) - start)))]
    mask = np.zeros(len(frame), dtype=bool)
    mask[stuck] = True
    return Injected(changed(frame, column, mask, float(frame[column].iloc[stuck[0]])), ("stuck_sensor",), (column,))


def null_word(frame, world, random, where, history):
    column = str(
        random.choice([*world.words, *(name for name in world.gappy if frame[name].dtype in ("object", "str"))])
    )
    rows = rows_at(frame, world, random, where)
    missing = frame[column].isna().to_numpy()
    rows = rows & (missing if missing.sum() > 20 else random.random(len(frame)) < 0.08)
    return Injected(
        changed(frame, column, rows, str(random.choice(["NULL", "n/a", "None", "nan", "-"]))),
        ("null_token",),
        (column,),
    )


def null_number(frame, world, random, where, history):
    gappy = [name for name in world.gappy if frame[name].dtype not in ("object", "str")]
    column = str(random.choice([*gappy, *world.positive]))
    rows = rows_at(frame, world, random, where)
    missing = frame[column].isna().to_numpy()
    rows = rows & (missing if missing.sum() > 20 else random.random(len(frame)) < 0.05)
    return Injected(
        changed(frame, column, rows, float(random.choice([-999, -1, -9999, 999999, -99]))), ("null_token",), (column,)
    )


def empty_column(frame, world, random, where, history):
    column = str(random.choice([*world.positive, *world.words]))
    rows = rows_at(frame, world, random, where)
    if column == world.site:
        rows = np.ones(len(frame), dtype=bool)
    empty = None if frame[column].dtype in ("object", "str") else np.nan
    return Injected(changed(frame, column, rows, empty), ("empty_column",), (column,))


def encoding_break(frame, world, random, where, history):
    if not world.accented:
        return None
    column = str(random.choice(world.accented))
    rows = rows_at(frame, world, random, where if column != world.site else LATER)
    how = {
        "as cp1252": lambda text: text.encode().decode("cp1252", "replace"),
        "as latin-1": lambda text: text.encode().decode("latin-1"),
        "lost": lambda text: text.encode("latin-1", "replace").decode("utf-8", "replace"),
        "upper": str.upper,
        "spaced": lambda text: f"{text} ",
        "without accents": lambda text: text.encode("ascii", "ignore").decode(),
    }
    name = str(random.choice([*how]))
    values = np.array([how[name](text) for text in frame[column].fillna("")], dtype=object)
    return Injected(changed(frame, column, rows, values), ("encoding_break",), (column,))


def late_partition(frame, world, random, where, history):
    if where == SITE or world.time is None:
        late = (rows_at(frame, world, random, SITE)) & (np.arange(len(frame)) > random.uniform(0.3, 0.6) * len(frame))
        if world.time is None:
            late = np.arange(len(frame)) > random.uniform(0.05, 0.15) * len(frame)
        return Injected(frame[~late].reset_index(drop=True), ("late_partition",))
    seconds = frame[world.time].astype("int64").to_numpy()
    place = (seconds - seconds.min()) / (seconds.max() - seconds.min())
    cut = random.uniform(0.3, 0.8) if where == ALL else random.uniform(0.15, 0.4)
    gone = place > cut if where == ALL else (place > cut) & (place < cut + random.uniform(0.3, 0.45))
    return Injected(frame[~gone].reset_index(drop=True), ("late_partition",))


def duplicate_load(frame, world, random, where, history):
    if where == ALL and random.random() < 0.5:
        earlier = history.frames[int(random.integers(0, len(history.frames)))]
        return Injected(earlier.copy(), ("duplicate_load",))
    rows = rows_at(frame, world, random, where)
    return Injected(pd.concat([frame, frame[rows]], ignore_index=True), ("duplicate_load",))


def shuffled_columns(frame, world, random, where, history):
    one, other = world.crossed[int(random.integers(0, len(world.crossed)))]
    rows = rows_at(frame, world, random, where if world.site not in (one, other) else LATER)
    first, second = frame[one].to_numpy(), frame[other].to_numpy()
    crossed = changed(frame, one, rows, second)
    return Injected(changed(crossed, other, rows, first), ("shuffled_columns",), (one, other))


def time_zone_slip(frame, world, random, where, history):
    if not world.rhythm:
        return None
    rows = rows_at(frame, world, random, where)
    hours = float(random.choice([-8, -6, -5, -4, -1, 1, 2, 3, 5.5, 8, 9, 10]))
    moved = frame[world.time] + pd.to_timedelta(np.where(rows, hours, 0.0), unit="h")
    return Injected(
        frame.assign(**{world.time: moved.astype(frame[world.time].dtype)}), ("time_zone_slip",), (world.time,)
    )


def is_spread(frame, world, column):
    """Whether each site has several levels: one that is renamed alone is no code list that changed."""
    return column != world.site and frame.groupby(world.site)[column].nunique().min() > 1


def category_recode(frame, world, random, where, history):
    column = str(random.choice(world.words))
    rows = rows_at(frame, world, random, where if is_spread(frame, world, column) else LATER)
    levels = sorted(frame[column].dropna().unique())
    names = {
        level: f"{'K' if random.random() < 0.5 else 'code '}{100 + place}"
        for place, level in enumerate(random.permutation(levels))
    }
    return Injected(
        changed(frame, column, rows, frame[column].map(names).to_numpy(dtype=object)), ("category_recode",), (column,)
    )


def type_break(frame, world, random, where, history):
    column = str(random.choice(world.words))
    rows = rows_at(frame, world, random, where if is_spread(frame, world, column) else LATER)
    levels = sorted(frame[column].dropna().unique())
    names = {level: str(place) for place, level in enumerate(random.permutation(levels))}
    found = changed(frame, column, rows, frame[column].map(names).to_numpy(dtype=object))
    return Injected(found, ("type_break", "category_recode"), (column,))


FAULTS: dict[str, Callable[..., Injected | None]] = {
    each.__name__: each
    for each in (
        unit_change, stuck_sensor, null_word, null_number, empty_column, encoding_break, late_partition, duplicate_load,
        shuffled_columns, time_zone_slip, category_recode, type_break,
    )
}  # fmt: skip


def unchanged(frame, world, random, history):
    return frame


def mean_shift(frame, world, random, history):
    column = str(random.choice([*world.measured, *world.celsius]))
    return frame.assign(
        **{column: (frame[column] + random.choice([-1, 1]) * random.uniform(0.3, 2.0) * frame[column].std()).round(2)}
    )


def large_jump(frame, world, random, history):
    column = str(random.choice(world.measured))
    return frame.assign(**{column: (frame[column] + random.uniform(3, 6) * frame[column].std()).round(2)})


def scaling(frame, world, random, history):
    column = str(random.choice(world.positive))
    return frame.assign(**{column: (frame[column] * np.exp(random.normal(0, 0.5))).round(3)})


def more_spread(frame, world, random, history):
    column = str(random.choice(world.measured))
    middle = frame[column].median()
    return frame.assign(**{column: (middle + random.uniform(1.5, 3) * (frame[column] - middle)).round(2)})


def mix_change(frame, world, random, history):
    column = str(random.choice([*world.words, world.site]))
    level = random.choice(frame[column].dropna().unique())
    weights = np.where(frame[column] == level, random.uniform(2, 5), 1.0)
    return resampled(frame, weights, random)


def resampled(frame, weights, random):
    """Fewer rows, by weights, in their order: no row comes twice."""
    kept = np.sort(random.choice(len(frame), size=int(0.6 * len(frame)), replace=False, p=weights / weights.sum()))
    return frame.iloc[kept].reset_index(drop=True)


def new_customers(frame, world, random, history):
    column = str(random.choice([*world.words]))
    rows = random.random(len(frame)) < random.uniform(0.1, 0.4)
    found = changed(
        frame, column, rows, random.choice(["Neustadt", "Brno", "zone X", "T99"], len(frame)).astype(object)
    )
    number = str(random.choice(world.measured))
    return changed(found, number, rows, (found[number] * random.uniform(0.6, 1.5)).round(2).to_numpy())


def trend(frame, world, random, history):
    column = str(random.choice([*world.measured, *world.celsius]))
    grown = frame[column] + np.linspace(0, random.uniform(0.7, 2), len(frame)) * frame[column].std()
    return frame.assign(**{column: grown.round(2)})


def season(frame, world, random, history):
    return next_batch(
        history,
        int(random.integers(2**31)),
        later=int(random.integers(0, 3) if world.name == "flights" else random.integers(8, 30)),
    )


def fewer_rows(frame, world, random, history):
    return resampled(resampled(frame, np.ones(len(frame)), random), np.ones(int(0.6 * len(frame))), random)


def heavy_tail(frame, world, random, history):
    column = str(random.choice(world.positive))
    rows = random.random(len(frame)) < 0.05
    return changed(frame, column, rows, (frame[column] * random.lognormal(1.5, 1.0, len(frame))).round(2).to_numpy())


def more_missing(frame, world, random, history):
    column = str(random.choice(world.gappy))
    rows = random.random(len(frame)) < random.uniform(0.1, 0.4)
    return changed(frame, column, rows, None if frame[column].dtype in ("object", "str") else np.nan)


def quiet_days(frame, world, random, history):
    place = np.arange(len(frame)) / len(frame)
    start = random.uniform(0.1, 0.6)
    kept = ~((place > start) & (place < start + 0.28)) | (random.random(len(frame)) < 0.15)
    return frame[kept].reset_index(drop=True)


def later_hours(frame, world, random, history):
    if not world.rhythm:
        return None
    hour = frame[world.time].dt.hour.to_numpy()
    return resampled(frame, np.where(hour >= 16, random.uniform(2, 4), 1.0), random)


def more_zeros(frame, world, random, history):
    column = str(random.choice([name for name in frame if frame[name].dtype.kind in "if"]))
    return changed(frame, column, random.random(len(frame)) < random.uniform(0.2, 0.5), 0)


def cap(frame, world, random, history):
    column = str(random.choice(world.measured))
    return frame.assign(
        **{column: frame[column].clip(upper=round(float(frame[column].quantile(random.uniform(0.6, 0.9))), 1))}
    )


def replaced_level(frame, world, random, history):
    column = str(random.choice(world.words))
    level = random.choice(frame[column].dropna().unique())
    return changed(frame, column, (frame[column] == level).to_numpy(), "Successor Ltd")


def dearer(frame, world, random, history):
    return frame.assign(
        **{name: (frame[name] * random.uniform(1.05, 1.4)).round(2) for name in world.money or world.positive}
    )


def fading_level(frame, world, random, history):
    level = random.choice(frame[world.site].dropna().unique())
    kept = (frame[world.site] != level) | (random.random(len(frame)) > np.linspace(0, 1.2, len(frame)))
    return frame[kept].reset_index(drop=True)


def other_market(frame, world, random, history):
    """All numbers move at once, each by some part of its spread, and the site's shares with them."""
    moved = {name: (frame[name] * np.exp(random.normal(0, 0.25))).round(2) for name in world.positive}
    weights = (
        frame[world.site]
        .map({level: random.uniform(0.3, 3) for level in frame[world.site].unique()})
        .to_numpy(dtype=float)
    )
    return resampled(frame.assign(**moved), weights, random)


REAL: dict[str, Callable[..., pd.DataFrame | None]] = {
    each.__name__: each
    for each in (
        unchanged, mean_shift, large_jump, scaling, more_spread, mix_change, new_customers, trend, season, fewer_rows,
        heavy_tail, more_missing, quiet_days, later_hours, more_zeros, cap, replaced_level, dearer, fading_level,
        other_market,
    )
}  # fmt: skip


# ---- others, that the rules were not made for


def decimal_comma_lost(frame, world, random, where, history):
    """A hundred times as much, in rows here and there."""
    column = str(random.choice(world.positive))
    rows = rows_at(frame, world, random, where) & (random.random(len(frame)) < random.uniform(0.2, 0.5))
    return Injected(changed(frame, column, rows, frame[column].to_numpy() * 100), ("unit_change",), (column,))


def milliseconds(frame, world, random, where, history):
    """Moments that were written in milliseconds and read as seconds."""
    if world.time is None:
        return None
    stamps = frame[world.time].astype("int64").to_numpy()
    stamps = np.where(rows_at(frame, world, random, where), stamps // 1000, stamps)
    moved = pd.Series(pd.to_datetime(stamps, unit="us", utc=True)).astype(frame[world.time].dtype)
    return Injected(frame.assign(**{world.time: moved}), ("unit_change",), (world.time,))


def half_again(frame, world, random, where, history):
    """The first half, or a stretch of it, stands there twice."""
    rows = np.arange(len(frame)) < len(frame) // 2
    rows &= rows_at(frame, world, random, where) if where == SITE else rows
    return Injected(pd.concat([frame[rows], frame], ignore_index=True), ("duplicate_load",))


def stale_rows(frame, world, random, where, history):
    """An earlier batch's rows with this one's dates."""
    earlier = history.frames[-int(random.integers(1, 4))]
    if world.time is not None:
        weeks = (frame[world.time].min() - earlier[world.time].min()).round("7D")
        earlier = earlier.assign(**{world.time: (earlier[world.time] + weeks).astype(frame[world.time].dtype)})
    return Injected(earlier.reset_index(drop=True), ("duplicate_load",))


def one_level_in_capitals(frame, world, random, where, history):
    column = str(random.choice([name for name in world.words if frame[name].dropna().iloc[0].upper() != "A"]))
    levels = frame[column].value_counts()
    level = str(random.choice(levels.index[levels > 0.03 * len(frame)]))
    renamed = level.lower() if level.upper() == level else level.upper()
    rows = (frame[column] == level).to_numpy() & (rows_at(frame, world, random, where) if where == LATER else True)
    return Injected(changed(frame, column, rows, renamed), ("encoding_break",), (column,))


def dummy_rows(frame, world, random, where, history):
    """A tenth of the rows is one row again and again, at its own moments: a test system's."""
    rows = random.random(len(frame)) < 0.1
    found = frame
    for name in frame.columns.drop([world.time] if world.time else []):
        found = changed(found, name, rows, frame[name].iloc[0])
    return Injected(found, ("stuck_sensor", "duplicate_load"))


OTHER_FAULTS: dict[str, Callable[..., Injected | None]] = {
    each.__name__: each
    for each in (decimal_comma_lost, milliseconds, half_again, stale_rows, one_level_in_capitals, dummy_rows)
}


def price_rise(frame, world, random, history):
    """All that is paid, by a tenth."""
    return frame.assign(**{name: (frame[name] * 1.1).round(2) for name in world.money or world.positive})


def dearer_money(frame, world, random, history):
    """One price by a rate of exchange."""
    column = str((world.money or world.positive)[0])
    return frame.assign(**{column: (frame[column] * 1.08).round(2)})


def holiday(frame, world, random, history):
    """A day with a tenth of its rows."""
    if world.time is None:
        return None
    days = frame[world.time].dt.day_of_year.to_numpy()
    day = random.choice(np.unique(days))
    return frame[(days != day) | (random.random(len(frame)) < 0.1)].reset_index(drop=True)


def campaign(frame, world, random, history):
    """More rows on one side of a number, such as young customers."""
    column = str(random.choice([name for name in frame if frame[name].dtype.kind in "if"]))
    low = (frame[column] < frame[column].quantile(0.3)).to_numpy()
    return resampled(frame, np.where(low, random.uniform(2, 4), 1.0), random)


def new_product(frame, world, random, history):
    """A new level whose share grows from nothing, with numbers of its own."""
    column, number = str(random.choice(world.words)), str(random.choice(world.measured))
    rows = random.random(len(frame)) < np.linspace(0, random.uniform(0.3, 0.6), len(frame))
    found = changed(frame, column, rows, "Aurora")
    return changed(found, number, rows, (found[number] * random.uniform(0.7, 1.4)).round(2).to_numpy())


def warm_days(frame, world, random, history):
    """A stretch in which a number lies higher by its spread, or twice that."""
    column = str(random.choice([*world.measured, *world.celsius]))
    place, start = np.arange(len(frame)) / len(frame), random.uniform(0.1, 0.5)
    rows = (place > start) & (place < start + random.uniform(0.2, 0.4))
    more = frame[column] + random.uniform(1, 2) * frame[column].std()
    return changed(frame, column, rows, more.round(2).to_numpy())


OTHER_REAL: dict[str, Callable[..., pd.DataFrame | None]] = {
    each.__name__: each for each in (price_rise, dearer_money, holiday, campaign, new_product, warm_days)
}


def injected(history: History, name: str, seed: int, where: str = ALL) -> Injected | None:
    """The next batch with a fault; None where the world cannot have it."""
    kinds = FAULTS if name in FAULTS else OTHER_FAULTS
    random = np.random.default_rng([seed, 9 if kinds is FAULTS else 11, sorted(kinds).index(name)])
    return kinds[name](next_batch(history, seed), history.world, random, where, history)


def shifted(history: History, name: str, seed: int) -> pd.DataFrame | None:
    """The next batch with a real shift; None where the world cannot have it."""
    kinds = REAL if name in REAL else OTHER_REAL
    random = np.random.default_rng([seed, 10 if kinds is REAL else 12, sorted(kinds).index(name)])
    return kinds[name](next_batch(history, seed), history.world, random, history)


def without_habits(history: History) -> History:
    return replace(history, context=replace(history.context, habits=()))
