"""Coordinates, axes and ticks of the page's charts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fedsilo.report.page.svg import draw


@dataclass(frozen=True, slots=True)
class Frame:
    """Maps positions and values to pixels of a chart, and draws its axes.

    Attributes:
        x_range: First and last position.
        y_range: Value at the bottom and value at the top.
        width: Width of the chart, in pixels of a page that is not enlarged.
        height: Height of the chart, in the same pixels.
        left: Room to the left of the values, for the vertical axis.
        bottom: Room below the positions, for the horizontal axis.
        top: Room above the values.
        right: Room to the right of the values.
    """

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    width: float = 360.0
    height: float = 230.0
    left: float = 46.0
    bottom: float = 36.0
    top: float = 10.0
    right: float = 12.0

    def x(self, position: float) -> float:
        """Maps a position to pixels.

        Args:
            position: A position, usually within `x_range`.

        Returns:
            Pixels from the left edge.
        """
        low, high = self.x_range
        part = (position - low) / (high - low) if high > low else 0.5
        return self.left + part * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Maps a value to pixels.

        Args:
            value: A value, usually within `y_range`.

        Returns:
            Pixels from the top edge.
        """
        low, high = self.y_range
        part = (value - low) / (high - low) if high != low else 0.5
        return self.height - self.bottom - part * (self.height - self.top - self.bottom)

    def draw_chart(self, about: str, *content: Markup) -> Markup:
        """Draws the whole chart.

        Args:
            about: What the chart shows, for screen readers.
            *content: The elements of the chart.

        Returns:
            The `svg` element.
        """
        box = f"0 0 {self.width:g} {self.height:g}"
        return draw("svg", draw("title", about), *content, viewBox=box, role="img", aria_label=about)

    def draw_grid(self, write: Callable[[float], str]) -> list[Markup]:
        """Draws horizontal grid lines at round values.

        Args:
            write: Formats a value.

        Returns:
            Lines and their labels.
        """
        elements = []
        for value in choose_ticks(*self.y_range):
            at = self.y(value)
            elements.append(draw("line", x1=self.left, x2=self.width - self.right, y1=at, y2=at, class_="grid"))
            elements.append(draw("text", write(value), x=self.left - 6, y=at + 4, class_="tick end"))
        return elements

    def draw_axis(self, word: str, positions: Sequence[float]) -> list[Markup]:
        """Draws the horizontal axis.

        Args:
            word: What the axis counts.
            positions: Positions that get a number.

        Returns:
            The line, the numbers and the word.
        """
        base = self.height - self.bottom
        row = [draw("text", f"{p:g}", x=self.x(p), y=base + 15, class_="tick middle") for p in positions]
        middle = (self.left + self.width - self.right) / 2
        return [
            draw("line", x1=self.left, x2=self.width - self.right, y1=base, y2=base, class_="axis"),
            *row,
            draw("text", word, x=middle, y=base + 31, class_="tick middle"),
        ]


def choose_ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Chooses round numbers for an axis.

    Args:
        low: Smallest number.
        high: Largest number.
        count: How many numbers to return, approximately, at most.

    Returns:
        Round numbers in [low, high], ascending; `low` alone where the range is empty.
    """
    if not high > low:
        return [low]
    raw = (high - low) / count
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(part * size for part in (1, 2, 5, 10) if part * size >= raw * 0.999)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def choose_whole_ticks(last: int, count: int = 6) -> list[float]:
    """Chooses whole numbers for an axis of rounds.

    Args:
        last: Largest number, at least 0.
        count: How many numbers to return, approximately, at most.

    Returns:
        Whole numbers in [0, last], ascending.
    """
    return [tick for tick in choose_ticks(0.0, float(last), min(count, max(1, last))) if tick == int(tick)]


def widen_range(values: Sequence[float], room: float = 0.06, zero: bool = False) -> tuple[float, float]:
    """Chooses the range of an axis.

    Args:
        values: Values that the range contains; at least one.
        room: Share of the range that is added on each side.
        zero: Whether the range begins at 0.

    Returns:
        Smallest and largest value of the axis.
    """
    low, high = (0.0 if zero else min(values)), max(values)
    margin = room * (high - low) or abs(high) * 0.1 or 1.0
    return (0.0 if zero else low - margin), high + margin
