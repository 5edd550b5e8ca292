"""Which of the known rows bear on a model and on its contest: history grows, and a retrain must not cost all of it.

Where `split` holds out and trains on the newest batches, as many as declared, older ones are outside whatever they
hold: a model of the newest batches alone is the same to the last bit. A contest also asks about older rows that neither
model was trained on, the nearest first, as many as are held out at most: it needs as many batches as have those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from configs.schema import Pipeline
    from tasks.replay.arrivals import Arrival
    from tasks.replay.known import Known


def reached(known: Known, pipeline: Pipeline) -> Known:
    """What a training looks at; all that is known where older batches could bear on it."""
    wanted = batches_looked_at(pipeline)
    if wanted is None or not is_in_turn(known.arrived):
        return known
    whole = {each.batch for each in known.whole}
    full = [bool(each.labelled) and each.batch in whole for each in known.arrived]
    return newest(known, enough(full, wanted))


def contested(known: Known, challenger: Known, held_out: int, trained: Mapping[str, int]) -> Known:
    """What a contest looks at.

    Parameters
    ----------
    known : Known
    challenger : Known
        What it was trained on: `reached`.
    held_out : int
        Rows that the challenger holds out: of older ones no more are asked.
    trained : mapping of batch to int
        Rows that the champion was trained on, of which the contest must not ask.
    """
    if challenger == known:
        return known
    older = known.arrived[: len(known.arrived) - len(challenger.arrived)]
    free = [(each.labelled or 0) - trained.get(each.batch, 0) for each in older]
    return newest(known, len(challenger.arrived) + enough(free, held_out))


def batches_looked_at(pipeline: Pipeline) -> int | None:
    """How many of the newest batches the split can hold out or train on; None where it does not count batches."""
    split = pipeline.split
    sizes = [text.split() for text in (split.holdout, split.window)]
    counts = [int(size[0]) for size in sizes if len(size) == 2]  # `2 batches`, not 20%, 90d or all
    by_time = pipeline.split_kind == "time" and split.group is None
    return sum(counts) if by_time and len(counts) == len(sizes) else None


def is_in_turn(arrived: Sequence[Arrival]) -> bool:
    """Whether batches follow each other in time as they do by name, and each row tells its own time and target."""
    after = all(one.last < other.first and one.batch < other.batch for one, other in pairwise(arrived))
    return after and all(each.labelled is not None and not each.untimed for each in arrived)


def enough(sizes: Sequence[int], wanted: int) -> int:
    """How many of the last sizes add up to what is wanted; all where they do not.

    >>> enough([5, 1, 0, 2], 3), enough([1], 2)
    (3, 1)
    """
    total, taken = 0, 0
    for size in reversed(sizes):
        if total >= wanted:
            break
        total, taken = total + size, taken + 1
    return taken


def newest(known: Known, count: int) -> Known:
    """The newest batches of what is known."""
    names = {each.batch for each in known.arrived[len(known.arrived) - count :]}
    whole, part = (tuple(each for each in side if each.batch in names) for side in (known.whole, known.part))
    return replace(known, whole=whole, part=part)
