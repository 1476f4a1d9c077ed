"""Bars of stacked parts over rounds and over time."""

from __future__ import annotations

import re

import pytest

from fedsilo.report.page.bar_chart import draw_gantt


def test_a_timeline_goes_on_where_the_row_above_ends() -> None:
    picture = draw_gantt(
        [("a", [("train", 1.0), ("evaluate", 2.0)]), ("b", [("train", 1.0)])], ["train", "evaluate"], "x", str
    )
    found = re.findall(r'<rect class="bar (c\d)" x="([0-9.]+)" y="([0-9.]+)" width="([0-9.]+)"', picture)
    looks, lefts, tops, widths = zip(*found, strict=True)
    assert looks == ("c0", "c1", "c0")
    assert float(tops[0]) == float(tops[1]) < float(tops[2])
    for number in (0, 1):
        assert float(lefts[number]) + float(widths[number]) == pytest.approx(float(lefts[number + 1]), abs=0.1)
    assert float(widths[1]) == pytest.approx(2 * float(widths[0]), abs=0.1)
