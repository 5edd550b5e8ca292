"""Calls that are made behind their caller: in order, few at a time, and none is lost in silence."""

from __future__ import annotations

from threading import Event

import pytest

from tasks.ingestion.write_behind import BEHIND, WriteBehind


def test_calls_are_made_in_order_and_all_before_the_end() -> None:
    made: list[int] = []
    with WriteBehind() as behind:
        for number in range(50):
            behind(made.append, number)
    assert made == list(range(50))


def test_no_more_calls_wait_than_are_allowed() -> None:
    go, asked, most = Event(), [0], [0]

    def call(number: int) -> None:
        go.wait()
        most[0] = max(most[0], asked[0] - number)

    with WriteBehind() as behind:
        for number in range(20):
            if number == BEHIND + 1:  # one is being made, the others wait
                go.set()
            behind(call, number)
            asked[0] = number + 1
    assert most[0] <= BEHIND + 2


def test_what_a_call_raises_is_raised_soon_and_ends_the_calls() -> None:
    made: list[int] = []

    def call(number: int) -> None:
        if number == 1:
            raise OSError("No space left on device")
        made.append(number)

    with pytest.raises(OSError, match="No space left"), WriteBehind() as behind:
        for number in range(100):
            behind(call, number)
    assert 0 in made
    assert len(made) <= BEHIND + 2


def test_error_of_the_caller_is_not_hidden() -> None:
    with pytest.raises(KeyError), WriteBehind() as behind:
        behind([].append, 1)
        raise KeyError
