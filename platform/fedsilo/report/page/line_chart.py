"""Pictures as SVG that take the page's colours: lines over rounds, with what they are compared with.

A picture is as wide as a phone, so that its words stay legible there; wider pages show several beside each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedsilo.report.page.markup import Markup, element

MARKED = 40
"""Points of a line up to which each one has a mark that tells its value."""

SHAPES = ("", "7 3", "2 2.5", "9 3 2 3", "4 2", "1 3")
"""Dashes by which lines are told apart without their colours."""

Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a picture.

    Attributes:
        name: What it is.
        points: Position and value in order; None is a gap.
        look: Number of its colour and dashes, 0 for the method of the scenario.
    """

    name: str
    points: Points
    look: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """A value that others are compared with, drawn across.

    Attributes:
        name: "zero_shot" or "chance".
        value: Where it lies.
    """

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the values of a picture lie in it.

    Attributes:
        x_range: First and last position.
        y_range: What is at the foot and what at the top.
        width: Of the picture, in pixels of a page that is not enlarged.
        height: The same.
        left: Room for numbers beside the values.
        bottom: Room for numbers below the positions.
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
        """Where a position lies from the left."""
        low, high = self.x_range
        part = (position - low) / (high - low) if high > low else 0.5
        return self.left + part * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Where a value lies from the top."""
        low, high = self.y_range
        part = (value - low) / (high - low) if high != low else 0.5
        return self.height - self.bottom - part * (self.height - self.top - self.bottom)

    def picture(self, about: str, *content: Markup) -> Markup:
        """The SVG with all that is in it; `about` is read to those who do not see it."""
        return element(
            "svg",
            element("title", about),
            *content,
            viewBox=f"0 0 {self.width:g} {self.height:g}",
            role="img",
            aria_label=about,
        )

    def grid(self, write: Callable[[float], str]) -> list[Markup]:
        """Lines across at round values, with the values as `write` puts them."""
        drawn = []
        for value in ticks(*self.y_range):
            at = self.y(value)
            drawn.append(element("line", x1=self.left, x2=self.width - self.right, y1=at, y2=at, class_="grid"))
            drawn.append(element("text", write(value), x=self.left - 6, y=at + 4, class_="tick end"))
        return drawn

    def below(self, word: str, positions: Sequence[float]) -> list[Markup]:
        """Numbers of positions below the picture, and what they count."""
        base = self.height - self.bottom
        row = [element("text", f"{p:g}", x=self.x(p), y=base + 15, class_="tick middle") for p in positions]
        middle = (self.left + self.width - self.right) / 2
        return [
            element("line", x1=self.left, x2=self.width - self.right, y1=base, y2=base, class_="axis"),
            *row,
            element("text", word, x=middle, y=base + 31, class_="tick middle"),
        ]


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Returns at most about `count` round numbers from `low` to `high`."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(part * size for part in (1, 2, 5, 10) if part * size >= raw * 0.999)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def whole_ticks(last: int, count: int = 6) -> list[float]:
    """Returns at most about `count` whole numbers from 0 to `last`."""
    return [tick for tick in ticks(0.0, float(last), min(count, max(1, last))) if tick == int(tick)]


def span(values: Sequence[float], room: float = 0.06, zero: bool = False) -> tuple[float, float]:
    """Returns a range that holds all values with some room around them; from 0 on where `zero` says so."""
    low, high = (0.0 if zero else min(values)), max(values)
    margin = room * (high - low) or abs(high) * 0.1 or 1.0
    return (0.0 if zero else low - margin), high + margin


def curves(
    lines: Sequence[Line],
    levels: Sequence[Level],
    about: str,
    write: Callable[[float], str],
    zero: bool = False,
    along: str = "round",
) -> Markup:
    """Returns a picture of lines over rounds.

    Args:
        lines: What is drawn, the most important last; one value at least.
        levels: What they are compared with.
        about: What the picture shows.
        write: Puts a value into words, for example "71.5 %".
        zero: Whether values begin at 0.
        along: What positions count.
    """
    values = [value for line in lines for _, value in line.points if value is not None]
    values += [level.value for level in levels]
    last = max((position for line in lines for position, _ in line.points), default=0.0)
    frame = Frame((0.0, max(last, 1.0)), span(values, zero=zero))
    drawn = [*frame.grid(write), *frame.below(along, whole_ticks(round(last)))]
    drawn += [across(frame, level, write) for level in levels]
    drawn += [stroke(frame, line, write) for line in lines]
    return frame.picture(about, *drawn)


def across(frame: Frame, level: Level, write: Callable[[float], str]) -> Markup:
    """Returns a level as a line from side to side."""
    at = frame.y(level.value)
    told = element("title", f"{level.name}: {write(level.value)}")
    return element(
        "g",
        told,
        element("line", x1=frame.left, x2=frame.width - frame.right, y1=at, y2=at, class_=f"level {level.name}"),
    )


def stroke(frame: Frame, line: Line, write: Callable[[float], str]) -> Markup:
    """Returns a line with its marks; a value between two gaps has a mark and no line."""
    pieces, inside = [], False
    for position, value in line.points:
        if value is not None:
            pieces.append(f"{'L' if inside else 'M'}{frame.x(position):.1f} {frame.y(value):.1f}")
        inside = value is not None
    path = element("path", d="".join(pieces), class_=f"line {look(line.look)}", stroke_dasharray=dashes(line.look))
    return element("g", element("title", line.name), path, *_marks(frame, line, write))


def _marks(frame: Frame, line: Line, write: Callable[[float], str]) -> list[Markup]:
    found = [(position, value) for position, value in line.points if value is not None]
    if len(found) > MARKED:
        return []
    size = 3.0 if line.look == 0 else 2.2
    return [
        element(
            "circle",
            element("title", f"{line.name}, round {position:g}: {write(value)}"),
            cx=frame.x(position),
            cy=frame.y(value),
            r=size,
            class_=f"mark {look(line.look)}",
        )
        for position, value in found
    ]


def look(number: int) -> str:
    """Returns the class of a colour."""
    return f"c{number % len(SHAPES)}"


def dashes(number: int) -> str | None:
    """Returns the dashes of a line, None for an unbroken one."""
    return SHAPES[number % len(SHAPES)] or None


def key(names: Sequence[tuple[str, int]], levels: Sequence[str] = ()) -> Markup:
    """Returns the legend: a piece of each line beside its name."""
    pieces = [(name, f"line {look(number)}", dashes(number)) for name, number in names]
    pieces += [(name, f"level {name}", None) for name in levels]
    entries = [
        element(
            "li",
            element(
                "svg",
                element("line", x1=0, x2=30, y1=6, y2=6, class_=kind, stroke_dasharray=broken),
                viewBox="0 0 30 12",
                class_="key",
                aria_hidden="true",
            ),
            name,
        )
        for name, kind, broken in pieces
    ]
    return element("ul", entries, class_="legend")
