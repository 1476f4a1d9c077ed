"""Coordinates and ticks of charts."""

from __future__ import annotations

import pytest

from fedsilo.report.page.chart_frame import Frame, choose_ticks, choose_whole_ticks


def test_values_lie_where_the_axis_says() -> None:
    frame = Frame((0, 10), (0, 1), 100, 100, left=20, bottom=20, top=10, right=10)
    assert (frame.x(0), frame.x(10), frame.y(0), frame.y(1)) == (20, 90, 80, 10)
    assert Frame((0, 0), (5, 5)).y(5) == Frame((0, 1), (0, 1)).y(0.5)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.61, 0.8, [0.65, 0.7, 0.75, 0.8]), (3, 3, [3]), (0, 17, [0, 5, 10, 15])],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert choose_ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("last", [0, 1, 2, 7, 199])
def test_rounds_are_whole(last: int) -> None:
    found = choose_whole_ticks(last)
    assert found == [int(tick) for tick in found]
    assert found[0] == 0
    assert max(found) <= last
    assert len(found) <= 8
