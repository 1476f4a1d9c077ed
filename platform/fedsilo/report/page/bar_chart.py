"""Bar charts over rounds and over time, whose bars are stacked from parts of several colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from fedsilo.report.page.chart_frame import Frame, choose_ticks, choose_whole_ticks, widen_range
from fedsilo.report.page.line_chart import colour_class
from fedsilo.report.page.page_elements import LegendEntry
from fedsilo.report.page.svg import draw

TOOLTIPS = 80
"""Most bars of a chart for which each part of a bar has a tooltip."""

ROW_HEIGHT = 20.0
"""Height of a row of a Gantt chart, with the space around its bars."""

Stack = Mapping[str, float]
"""Values of a bar's parts by name, from the bottom up."""


def draw_columns(stacks: Sequence[Stack], names: Sequence[str], about: str, write: Callable[[float], str]) -> Markup:
    """Draws one stacked bar for each round.

    Args:
        stacks: A bar for each round, from round 0.
        names: Names of the parts in order; the index of a name chooses its colour.
        about: What the chart shows, for screen readers.
        write: Formats a value.

    Returns:
        The chart.
    """
    count = len(stacks)
    highest = max((sum(stack.values()) for stack in stacks), default=0.0)
    frame = Frame((-0.5, count - 0.5), widen_range([highest], zero=True), left=56.0)
    wide = (frame.width - frame.left - frame.right) / max(1, count)
    elements = [*frame.draw_grid(write), *frame.draw_axis("round", choose_whole_ticks(count - 1))]
    for number, stack in enumerate(stacks):
        foot = 0.0
        for name in names:
            value = stack.get(name, 0.0)
            if value > 0:
                tooltip = f"round {number}, {name}: {write(value)}" if count <= TOOLTIPS else ""
                corners = (frame.x(number) - 0.4 * wide, frame.y(foot + value), 0.8 * wide, frame.y(foot))
                elements.append(draw_bar(corners, names.index(name), tooltip))
            foot += value
    return frame.draw_chart(about, *elements)


def draw_bar(corners: tuple[float, float, float, float], number: int, tooltip: str) -> Markup:
    """Draws a bar.

    Args:
        corners: Left edge, top edge, width and bottom edge, in pixels.
        number: Number of its colour.
        tooltip: What the bar shows; "" for no tooltip.

    Returns:
        The bar.
    """
    left, top, width, foot = corners
    title = [draw("title", tooltip)] if tooltip else []
    size = {"x": left, "y": top, "width": f"{width:.2f}", "height": f"{max(foot - top, 0.2):.2f}"}
    return draw("rect", *title, class_=f"bar {colour_class(number)}", **size)


def draw_gantt(
    rows: Sequence[tuple[str, Sequence[tuple[str, float]]]],
    names: Sequence[str],
    about: str,
    write: Callable[[float], str],
) -> Markup:
    """Draws a Gantt chart. Each row begins where the row above ends.

    Args:
        rows: Name of each row and its steps in order; a step has the name of its part and its seconds.
        names: Names of the parts; the index of a name chooses its colour.
        about: What the chart shows, for screen readers.
        write: Formats a length of time.

    Returns:
        The chart.
    """
    whole = sum(long for _, steps in rows for _, long in steps)
    frame = Frame((0.0, whole or 1.0), (0.0, 1.0), height=ROW_HEIGHT * len(rows) + 46.0, left=92.0, right=20.0)
    elements, at = frame.draw_axis("seconds", choose_ticks(0.0, whole or 1.0, 4)), 0.0
    for number, (title, steps) in enumerate(rows):
        top = frame.top + number * ROW_HEIGHT
        elements.append(draw("text", title, x=frame.left - 6, y=top + 14, class_="tick end"))
        for name, long in steps:
            corners = (frame.x(at), top + 3, frame.x(at + long) - frame.x(at), top + ROW_HEIGHT - 3)
            if long > 0:
                tooltip = f"{title}, {name}: {write(long)}" if len(steps) <= TOOLTIPS else ""
                elements.append(draw_bar(corners, names.index(name), tooltip))
            at += long
    return frame.draw_chart(about, *elements)


def list_bar_legend(names: Sequence[str]) -> list[LegendEntry]:
    """Lists the entries of a bar chart's legend.

    Args:
        names: Names of the parts; the index of a name chooses its colour.

    Returns:
        An entry for each part.
    """
    return [LegendEntry(name, f"bar {colour_class(number)}") for number, name in enumerate(names)]
