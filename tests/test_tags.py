"""GTO's grammar, as GTO itself reads it."""

from __future__ import annotations

import gto.versions
import pytest
from gto.tag import parse_name
from hypothesis import example, given
from hypothesis import strategies as st

from configs.schema import PIPELINE_NAME
from tasks.registry import tags
from tasks.registry.tags import PipelineNameError, SemVer, VersionNumberError

numbers = st.builds(SemVer, *[st.integers(0, 10**6)] * 3)
near_tags = st.from_regex(r"\A[a-zA-Z0-9_/.=-]{0,8}(#[a-z!/-]{0,8}|@v?[0-9.]{0,7}|@deprecated)?(!?)(#[0-9]{0,4})?\Z")


@given(near_tags)
@example("flights@v1.2.0")
@example("flights#champion#3")
@example("flights#champion!#4")
@example("flights@v1.2.0!#5")
@example("late-flights#champion")
@example("flights@v01.2.0")
@example("flights@deprecated#2")
def test_tag_names_are_read_as_gto_reads_them(name: str) -> None:
    theirs, ours = parse_name(name, raise_on_fail=False), tags.parse(name)
    if ours is None:
        assert not {"version", "stage"} & theirs.keys() or ":" in theirs["name"]  # a folder before the name: never ours
        return
    assert (ours.pipeline, ours.stage, ours.counter) == (theirs["name"], theirs.get("stage"), theirs.get("counter", 0))
    assert str(ours.version) == str(theirs.get("version"))
    assert ours.undone == (theirs["action"].value in {"deregister", "unassign"})


@given(numbers)
def test_version_number_survives_being_written(number: SemVer) -> None:
    assert SemVer.parse(str(number)) == SemVer.parse(str(number).removeprefix("v")) == number


@given(numbers, numbers)
def test_version_numbers_are_ordered_as_gto_orders_them(one: SemVer, other: SemVer) -> None:
    assert (one < other) == (gto.versions.SemVer(str(one)) < gto.versions.SemVer(str(other)))


@given(numbers, st.sampled_from(["major", "minor", "patch"]))
def test_bumped_number_is_gtos(number: SemVer, part: tags.Bump) -> None:
    assert str(number.bumped(part)) == str(getattr(gto.versions.SemVer(str(number)), f"bump_{part}")().version)


@pytest.mark.parametrize("text", ["", "v1", "1.2", "v1.2.3.4", "v01.2.3", "latest", "v1.2.٣", "v1.2.3\n", "v1.2.3-rc1"])
def test_other_text_is_no_version_number(text: str) -> None:
    with pytest.raises(VersionNumberError, match=r"such as 'v1\.2\.0'"):
        SemVer.parse(text)


@pytest.mark.parametrize("name", ["", "Flights", "a.b", "a/b", "a--b", "-a", "a#b", "a@b", "../x", "é", "a\n", "a*"])
def test_name_that_means_something_to_git_is_refused(name: str) -> None:
    with pytest.raises(PipelineNameError, match="not the name of a pipeline"):
        tags.version_tag(name, tags.FIRST)


@given(st.from_regex(r"\A[a-z0-9-]{1,8}\Z") | st.text(max_size=6))
def test_pipeline_names_are_those_of_the_configuration(name: str) -> None:
    assert bool(tags.PIPELINE.fullmatch(name)) == bool(PIPELINE_NAME.fullmatch(name))
