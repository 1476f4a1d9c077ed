"""Bars over rounds, and bars that lie: stacked, each part told apart by colour and by order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fedsilo.report.page.line_chart import Frame, look, span, ticks, whole_ticks
from fedsilo.report.page.markup import Markup, element

TOLD = 80
"""Bars up to which each part of one tells its value."""

HIGH = 20.0
"""Height of a lying bar with the room around it."""

Stack = Mapping[str, float]
"""Parts of a bar by name, from its foot on."""


def columns(stacks: Sequence[Stack], names: Sequence[str], about: str, write: Callable[[float], str]) -> Markup:
    """Returns a picture with a bar per round.

    Args:
        stacks: A bar for each round from 0 on.
        names: The parts in order; their place gives the colour.
        about: What the picture shows.
        write: Puts a value into words.
    """
    count = len(stacks)
    highest = max((sum(stack.values()) for stack in stacks), default=0.0)
    frame = Frame((-0.5, count - 0.5), span([highest], zero=True), left=56.0)
    wide = (frame.width - frame.left - frame.right) / max(1, count)
    drawn = [*frame.grid(write), *frame.below("round", whole_ticks(count - 1))]
    for number, stack in enumerate(stacks):
        foot = 0.0
        for name in names:
            value = stack.get(name, 0.0)
            if value > 0:
                told = f"round {number}, {name}: {write(value)}" if count <= TOLD else ""
                corners = (frame.x(number) - 0.4 * wide, frame.y(foot + value), 0.8 * wide, frame.y(foot))
                drawn.append(box(corners, names.index(name), told))
            foot += value
    return frame.picture(about, *drawn)


def box(corners: tuple[float, float, float, float], number: int, told: str) -> Markup:
    """Returns a rectangle.

    Args:
        corners: Its left, its top, its width, and where its foot is.
        number: Number of its colour.
        told: What it is; "" where that is told elsewhere.
    """
    left, top, width, foot = corners
    title = [element("title", told)] if told else []
    size = {"x": left, "y": top, "width": f"{width:.2f}", "height": f"{max(foot - top, 0.2):.2f}"}
    return element("rect", *title, class_=f"bar {look(number)}", **size)


def gantt(
    rows: Sequence[tuple[str, Sequence[tuple[str, float]]]],
    names: Sequence[str],
    about: str,
    write: Callable[[float], str],
) -> Markup:
    """Returns a picture of what happened when: a row for each name, which begins where the one above ends.

    Args:
        rows: Name and steps in order, each the name of a part and how long it took.
        names: The parts; their place gives the colour.
        about: What the picture shows.
        write: Puts a length into words.
    """
    whole = sum(long for _, steps in rows for _, long in steps)
    frame = Frame((0.0, whole or 1.0), (0.0, 1.0), height=HIGH * len(rows) + 46.0, left=92.0, right=20.0)
    drawn, at = frame.below("seconds", ticks(0.0, whole or 1.0, 4)), 0.0
    for number, (title, steps) in enumerate(rows):
        top = frame.top + number * HIGH
        drawn.append(element("text", title, x=frame.left - 6, y=top + 14, class_="tick end"))
        for name, long in steps:
            corners = (frame.x(at), top + 3, frame.x(at + long) - frame.x(at), top + HIGH - 3)
            if long > 0:
                drawn.append(box(corners, names.index(name), f"{title}, {name}: {write(long)}" * (len(steps) <= TOLD)))
            at += long
    return frame.picture(about, *drawn)


def squares(names: Sequence[str]) -> Markup:
    """Returns the legend: a square of each colour beside its name."""
    entries = [
        element(
            "li",
            element(
                "svg",
                element("rect", x=0, y=0, width=12, height=12, class_=f"bar {look(number)}"),
                viewBox="0 0 12 12",
                class_="square",
                aria_hidden="true",
            ),
            name,
        )
        for number, name in enumerate(names)
    ]
    return element("ul", entries, class_="legend")
