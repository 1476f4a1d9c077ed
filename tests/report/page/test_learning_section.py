"""Curves of all methods over rounds."""

from __future__ import annotations

from tests.report.conftest import Made
from tests.report.page.conftest import drawn, tree


def test_chance_and_zero_shot_are_lines_of_the_overall_picture(made: Made) -> None:
    titles = [title.text or "" for title in tree(drawn(made())).iter("title")]
    assert "zero_shot: 40 %" in titles
    assert "chance: 25 %" in titles
    assert "promptfl, round 3: 53 %" in titles
    assert "local, round 3: 48 %" in titles
    assert not [title for title in titles if title.startswith("zero_shot, round")]  # it is no curve
