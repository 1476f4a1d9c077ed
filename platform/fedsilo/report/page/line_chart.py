"""Line charts over rounds, as SVG that uses the page's colours.

A chart is as wide as a phone, so that its text stays legible there; wider pages show several charts side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fedsilo.report.page.chart_frame import Frame, choose_whole_ticks, widen_range
from fedsilo.report.page.page_elements import LegendEntry
from fedsilo.report.page.svg import draw

MARKED = 40
"""Most points of a line for which every point has a mark that shows its value."""

DASHES = ("", "7 3", "2 2.5", "9 3 2 3", "4 2", "1 3")
"""Dash patterns, so that lines can be distinguished without their colours."""

Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A line of a chart.

    Attributes:
        name: What the line shows.
        points: Position and value in order; None is a gap.
        style: Number of its colour and dash pattern, 0 for the scenario's method.
    """

    name: str
    points: Points
    style: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """A reference value, drawn as a horizontal line.

    Attributes:
        name: "zero_shot" or "chance".
        value: The value.
    """

    name: str
    value: float


def draw_curves(
    lines: Sequence[ChartLine],
    levels: Sequence[Level],
    about: str,
    write: Callable[[float], str],
    zero: bool = False,
    along: str = "round",
) -> Markup:
    """Draws lines over rounds or seconds.

    Args:
        lines: The lines, the most important one last; at least one value in all.
        levels: Reference values.
        about: What the chart shows, for screen readers.
        write: Formats a value, for example as "71.5 %".
        zero: Whether the vertical axis begins at 0.
        along: What the horizontal axis counts.

    Returns:
        The chart.
    """
    values = [value for line in lines for _, value in line.points if value is not None]
    values += [level.value for level in levels]
    last = max((position for line in lines for position, _ in line.points), default=0.0)
    frame = Frame((0.0, max(last, 1.0)), widen_range(values, zero=zero))
    elements = [*frame.draw_grid(write), *frame.draw_axis(along, choose_whole_ticks(round(last)))]
    elements += [draw_level(frame, level, write) for level in levels]
    elements += [draw_line(frame, line, write) for line in lines]
    return frame.draw_chart(about, *elements)


def draw_level(frame: Frame, level: Level, write: Callable[[float], str]) -> Markup:
    """Draws a reference value from side to side.

    Args:
        frame: The chart's coordinates.
        level: The reference value.
        write: Formats a value.

    Returns:
        The line with a tooltip.
    """
    at = frame.y(level.value)
    tooltip = draw("title", f"{level.name}: {write(level.value)}")
    line = draw("line", x1=frame.left, x2=frame.width - frame.right, y1=at, y2=at, class_=f"level {level.name}")
    return draw("g", tooltip, line)


def draw_line(frame: Frame, line: ChartLine, write: Callable[[float], str], marked: bool = True) -> Markup:
    """Draws a line with its marks. A value between two gaps has a mark and no line.

    Args:
        frame: The chart's coordinates.
        line: The line.
        write: Formats a value.
        marked: Whether points have marks.

    Returns:
        The line with tooltips.
    """
    pieces, inside = [], False
    for position, value in line.points:
        if value is not None:
            pieces.append(f"{'L' if inside else 'M'}{frame.x(position):.1f} {frame.y(value):.1f}")
        inside = value is not None
    style = f"line {colour_class(line.style)}"
    path = draw("path", d="".join(pieces), class_=style, stroke_dasharray=dash_pattern(line.style))
    return draw("g", draw("title", line.name), path, *(_marks(frame, line, write) if marked else []))


def _marks(frame: Frame, line: ChartLine, write: Callable[[float], str]) -> list[Markup]:
    found = [(position, value) for position, value in line.points if value is not None]
    if len(found) > MARKED:
        return []
    size = 3.0 if line.style == 0 else 2.2
    return [
        draw(
            "circle",
            draw("title", f"{line.name}, round {position:g}: {write(value)}"),
            cx=frame.x(position),
            cy=frame.y(value),
            r=size,
            class_=f"mark {colour_class(line.style)}",
        )
        for position, value in found
    ]


def colour_class(number: int) -> str:
    """Chooses the CSS class of a colour.

    Args:
        number: Number of the line or bar, from 0.

    Returns:
        "c0" to "c5".
    """
    return f"c{number % len(DASHES)}"


def dash_pattern(number: int) -> str | None:
    """Chooses the dash pattern of a line.

    Args:
        number: Number of the line, from 0.

    Returns:
        The pattern as SVG writes it, None for a solid line.
    """
    return DASHES[number % len(DASHES)] or None


def list_line_legend(names: Sequence[tuple[str, int]], levels: Sequence[str] = ()) -> list[LegendEntry]:
    """Lists the entries of a line chart's legend.

    Args:
        names: Name and style number of each line.
        levels: Names of the reference values.

    Returns:
        An entry for each line, then one for each reference value.
    """
    entries = [LegendEntry(name, f"line {colour_class(number)}", dash_pattern(number)) for name, number in names]
    return entries + [LegendEntry(name, f"level {name}") for name in levels]
