"""Small references for the tests of drift: batches of a few columns of each kind, made by a seed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tasks.drift.profile import Declared, make_profile

ROLES = {"age": "feature", "fare": "feature", "port": "feature", "late": "target"}


def batch(seed, rows=500, shift=0.0, **columns):
    random = np.random.default_rng(seed)
    made = {
        "age": random.integers(18, 90, rows),
        "fare": pa.array(random.lognormal(3 + shift, 1.0, rows), mask=random.random(rows) < 0.1),
        "port": pa.array(np.array(["EWR", "JFK", "LGA"])[random.choice(3, rows, p=[0.5, 0.3, 0.2])]),
        "late": random.random(rows) < 0.2,
    }
    return pa.table({**made, **columns})


def chunks(batches=20, rows=500, first=0):
    return [(f"2013-{number:03}", batch(number, rows)) for number in range(first, first + batches)]


def profile(batches=20, size=500, **options):
    return make_profile(chunks(batches, size), Declared("ships", ROLES), **options)
