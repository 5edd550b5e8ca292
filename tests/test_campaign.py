"""The record of the long proofs counts each case."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import campaign

pytest_plugins = ["pytester"]


@pytest.fixture
def record(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(campaign, "RECORD", pytester.path / "campaign.md")
    pytester.makepyfile(
        test_walls="""
        import pytest
        @pytest.mark.parametrize("case", [1, 2, 3])
        def test_wall_stands(case, record_property):
            record_property("stones", case)
            assert case != 2
        """
    )
    return pytester.path / "campaign.md"


def test_record_adds_up_the_cases_of_a_test(pytester: pytest.Pytester, record: Path) -> None:
    pytester.inline_run(plugins=[campaign])
    assert "| walls: wall stands | 3 | 2 | stones 6 | 0 |" in record.read_text()


def test_part_of_a_campaign_writes_no_record(pytester: pytest.Pytester, record: Path) -> None:
    pytester.inline_run("-k", "wall", plugins=[campaign])
    assert not record.exists()
