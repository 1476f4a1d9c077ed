"""Progress of a run for the terminal."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fedsilo.core.metrics import LOCAL, NEIGHBOUR, WORST, Measures
from fedsilo.report.number_formats import format_bytes, format_seconds
from fedsilo.report.results.progress_overview import RUNNING, STOPPED, MethodProgress, Overview

DASH = "–"
TITLES = ("round", "loss", "local", "worst", "neighbours", "epsilon", "up", "down", "a round", "again", "lost")
"""Columns beside the method. "again" counts repeated rounds, "lost" counts clients that dropped out."""

MEASURED = {"local": LOCAL, "worst": WORST, "neighbours": NEIGHBOUR}
"""Columns of the headline metric, with the view that each one shows."""

WIDE, SECONDARY = 104, {"neighbours", "down", "a round"}
"""A terminal of at least WIDE columns shows the columns in SECONDARY too."""


def overview_table(overview: Overview, width: int = WIDE) -> RenderableType:
    """Draws the table of all methods, with a title above and lines on the newest round below.

    Args:
        overview: The run's progress.
        width: Columns of the terminal; a narrow one gets fewer columns of the table.

    Returns:
        Table and lines.
    """
    table = Table(
        title=Text(_title(overview)), title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.add_column("method", overflow="fold", min_width=9)
    rows = [_cells(course, overview.measures) for course in overview.courses]
    private = any(course.last.get("epsilon") is not None for course in overview.courses)
    left_out = (set() if private else {"epsilon"}) | (set() if width >= WIDE else SECONDARY)
    titles = [title for title in TITLES if title not in left_out]
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    for course, cells in zip(overview.courses, rows, strict=True):
        table.add_row(course.name, *(cells.get(title, DASH) for title in titles))
    if overview.chance is not None:
        table.add_row(
            "chance",
            *(overview.measures.headline.shown(overview.chance) if title == "local" else "" for title in titles),
        )
    return Group(table, *(Text(line) for line in newest_lines(overview)))


def newest_lines(overview: Overview) -> list[str]:
    """Describes the newest round, and how to continue a run that has stopped.

    Args:
        overview: The run's progress.

    Returns:
        The lines.
    """
    lines, current = [], overview.current
    if current is not None and current.last.get("seconds"):
        stages = ", ".join(f"{stage} {_short(took)}" for stage, took in current.last["seconds"].items())
        lines.append(f"{current.name}, round {current.last['round']}: {stages}")
    if current is not None and current.slowest:
        slow = ", ".join(f"client {client:02d} {_short(took)}" for client, took in current.slowest)
        lines.append(f"slowest in training: {slow}")
    if overview.state == STOPPED:
        lines.append("No process works on this run. `fedsilo resume` with its folder continues it.")
    return lines


def progress_line(overview: Overview) -> str:
    """Describes the newest round in one line, for output that is no terminal.

    Args:
        overview: The run's progress.

    Returns:
        The line; "" before the first round.
    """
    current = overview.current
    if current is None:
        return ""
    loss, local = current.last.get("loss"), current.measured.get(overview.measures.local)
    parts = [f"{current.name} {current.finished}/{current.planned}"]
    parts += [] if loss is None else [f"loss {loss:.3g}"]
    parts += [] if local is None else [f"local {overview.measures.headline.shown(local)}"]
    return f"{overview.run}: " + ", ".join(parts + ([_left(overview)] if _left(overview) else []))


def _title(overview: Overview) -> str:
    current = overview.current
    parts = [overview.run, overview.state]
    if overview.state == RUNNING and current is None:
        parts.append("no round has finished yet")
    elif current is not None:
        parts.append(f"{current.name} round {current.finished} of {current.planned}")
    return "   ".join(parts + ([_left(overview)] if _left(overview) else []))


def _left(overview: Overview) -> str:
    return "" if overview.left_s is None else f"about {format_seconds(overview.left_s)} left"


def _cells(course: MethodProgress, measures: Measures) -> dict[str, str]:
    rounds = f"{course.finished}/{course.planned}"
    if not course.finished:
        return {"round": rounds}
    return {
        "round": rounds,
        "loss": _number(course.last.get("loss")),
        **{title: measures.headline.shown(course.measured.get(measures.of(view))) for title, view in MEASURED.items()},
        "epsilon": _epsilon(course),
        "up": format_bytes(course.upload_bytes),
        "down": format_bytes(course.download_bytes),
        "a round": _short(course.pace_s),
        "again": str(course.retried),
        "lost": str(course.dropped),
    }


def _short(took: float) -> str:
    """A time with hundredths of a second at most."""
    return f"{took:.2f} s" if took < 10 else format_seconds(took)


def _number(value: Any) -> str:
    return DASH if value is None else f"{value:.3g}"


def _epsilon(course: MethodProgress) -> str:
    spent = course.last.get("epsilon")
    if spent is None:
        return DASH
    return f"{spent:.3g}" + (f" of {course.budget:g}" if course.budget is not None else "")
