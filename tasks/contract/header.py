"""How the header of a file differs from the declared columns, and what becomes of the batch then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NamedTuple

from configs.errors import DataError
from tasks.cells.values import OnChange


class HeaderError(DataError):
    """The columns of a raw file are not the declared ones."""


class HeaderChange(NamedTuple):
    """One name of a header that is not as declared: `column` as the YAML, or the file where it is new, has it."""

    kind: str
    column: str
    detail: str


@dataclass(frozen=True)
class HeaderDifference:
    """A header beside the declared columns.

    Attributes
    ----------
    names : tuple of str
        The header.
    twice, new, lost : tuple of str
        Names that stand there more than once, that are neither declared nor dropped, that are declared and not there.
    renamed : dict of str to str
        Declared names that are lost, and the one new name that differs from it in case and outer spaces alone.
    order : tuple of str
        The declared columns in the order of the file, which is free.
    """

    names: tuple[str, ...]
    twice: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()

    def complaints(self) -> list[str]:
        """What is not as declared, in words, the nearest name beside each."""
        return [
            *(f"column {name!r} stands there {self.names.count(name)} times" for name in self.twice),
            *(f"column {name!r} is declared, but missing{nearest(name, self.new)}" for name in self.lost),
            *(f"column {name!r} is neither declared nor dropped{nearest(name, self.lost)}" for name in self.new),
        ]

    def changes(self) -> list[HeaderChange]:
        """What is not as declared, name by name: renamed, lost, new."""
        found = {*self.renamed.values()}
        return [
            *(HeaderChange("schema_renamed_column", name, f"is {new!r} here") for name, new in self.renamed.items()),
            *(
                HeaderChange("schema_lost_column", name, f"is declared, but missing{nearest(name, self.new)}")
                for name in self.lost
                if name not in self.renamed
            ),
            *(
                HeaderChange("schema_new_column", name, f"is neither declared nor dropped{nearest(name, self.lost)}")
                for name in self.new
                if name not in found
            ),
        ]

    def position(self, name: str) -> int | None:
        """Where a declared column stands in the header, under this name or its other spelling; None where nowhere."""
        name = self.renamed.get(name, name)
        return self.names.index(name) if name in self.names else None


def compare_header(names: Sequence[str], columns: Iterable[str], drop: Iterable[str]) -> HeaderDifference:
    """Compare a header with the declared columns.

    >>> compare_header(("ID", "n"), ("id", "n"), ()).renamed
    {'id': 'ID'}
    """
    columns, drop = list(columns), list(drop)
    lost = tuple(name for name in columns if name not in names)
    new = tuple(dict.fromkeys(name for name in names if name not in {*columns, *drop}))
    return HeaderDifference(
        names=tuple(names),
        twice=tuple(sorted({name for name in names if names.count(name) > 1})),
        new=new,
        lost=lost,
        renamed=respelled(lost, new),
        order=tuple(name for name in names if name in columns),
    )


def reordered(orders: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The batches whose columns stand in another order than the first batch's, those aside that only one of them has.

    >>> reordered({"a": ["x", "y"], "b": ["y"], "c": ["y", "x"]})
    ('c',)
    """
    first = next(iter(orders.values()), ())
    return tuple(
        batch
        for batch, order in orders.items()
        if [name for name in order if name in first] != [name for name in first if name in order]
    )


def respelled(lost: Sequence[str], new: Sequence[str]) -> dict[str, str]:
    """Lost names that one new name spells in another case or with outer spaces; none where that is not one to one."""
    plain = {name: name.strip().casefold() for name in (*lost, *new)}
    pairs = {name: [other for other in new if plain[other] == plain[name]] for name in lost}
    taken = [others[0] for others in pairs.values() if others]
    return {name: others[0] for name, others in pairs.items() if len(others) == 1 and taken.count(others[0]) == 1}


def refuse_header(found: HeaderDifference, on_change: OnChange, needed: Iterable[str | None]) -> None:
    """Refuse a header that ends the run.

    Parameters
    ----------
    found : HeaderDifference
    on_change : {"stop", "quarantine", "accept"}
        Names that stand there twice end it in any case: nobody can say which of the two is meant.
    needed : iterable of str or None
        Columns that no batch can do without: where changes are accepted, these must be there all the same.

    Raises
    ------
    HeaderError
        Says which names are twice, missing, or unknown, and the nearest one.
    """
    gone = [name for name in found.lost if name in {*needed} and name not in found.renamed]
    if found.twice or (on_change == "stop" and (found.lost or found.new)) or (on_change == "accept" and gone):
        raise HeaderError(f"{'; '.join(found.complaints())}. The header has: {', '.join(map(repr, found.names))}")


def nearest(name: str, candidates: Sequence[str]) -> str:
    """Hint at the candidate that looks most alike, case and spaces aside; nothing where none does."""
    plain = {candidate.strip().lower(): candidate for candidate in candidates}
    close = get_close_matches(name.strip().lower(), plain, n=1)
    return f" (did you mean {plain[close[0]]!r}?)" if close else ""
