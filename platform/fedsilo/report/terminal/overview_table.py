"""How far a run is, as people read it in a terminal."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fedsilo.core.metrics import LOCAL, NEIGHBOUR, WORST, Measures
from fedsilo.report.phrases import format_bytes, format_seconds
from fedsilo.report.results.progress_overview import RUNNING, STOPPED, Course, Overview

DASH = "–"
TITLES = ("round", "loss", "local", "worst", "neighbours", "epsilon", "up", "down", "a round", "again", "lost")
"""Columns beside the method: again is rounds made again, lost is clients that dropped out."""

MEASURED = {"local": LOCAL, "worst": WORST, "neighbours": NEIGHBOUR}
"""Columns of the headline metric, with whose images it is measured on."""

WIDE, SECONDARY = 104, {"neighbours", "down", "a round"}
"""Columns of a terminal from which on all of these are in the table."""


def overview_table(overview: Overview, width: int = WIDE) -> RenderableType:
    """Returns the table of all methods with a line above and lines on the newest round below.

    Args:
        overview: How far the run is.
        width: Columns of the terminal; in a narrow one there is less in the table.
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
    """Returns what is told of the newest round, and what to do with a run that stands still."""
    told, current = [], overview.current
    if current is not None and current.last.get("seconds"):
        stages = ", ".join(f"{stage} {_short(took)}" for stage, took in current.last["seconds"].items())
        told.append(f"{current.name}, round {current.last['round']}: {stages}")
    if current is not None and current.slowest:
        slow = ", ".join(f"client {client:02d} {_short(took)}" for client, took in current.slowest)
        told.append(f"slowest in training: {slow}")
    if overview.state == STOPPED:
        told.append("nobody is at work on it. `fedsilo resume` with its folder goes on.")
    return told


def progress_line(overview: Overview) -> str:
    """Returns the newest round in one line, for where there is no terminal; "" before the first."""
    current = overview.current
    if current is None:
        return ""
    loss, local = current.last.get("loss"), current.measured.get(overview.measures.local)
    told = [f"{current.name} {current.finished}/{current.planned}"]
    told += [] if loss is None else [f"loss {loss:.3g}"]
    told += [] if local is None else [f"local {overview.measures.headline.shown(local)}"]
    return f"{overview.run}: " + ", ".join(told + ([_left(overview)] if _left(overview) else []))


def _title(overview: Overview) -> str:
    current = overview.current
    told = [overview.run, overview.state]
    if overview.state == RUNNING and current is None:
        told.append("no round has finished yet")
    elif current is not None:
        told.append(f"{current.name} round {current.finished} of {current.planned}")
    return "   ".join(told + ([_left(overview)] if _left(overview) else []))


def _left(overview: Overview) -> str:
    return "" if overview.left_s is None else f"about {format_seconds(overview.left_s)} left"


def _cells(course: Course, measures: Measures) -> dict[str, str]:
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
    """A time of which hundredths of a second are enough."""
    return f"{took:.2f} s" if took < 10 else format_seconds(took)


def _number(value: Any) -> str:
    return DASH if value is None else f"{value:.3g}"


def _epsilon(course: Course) -> str:
    spent = course.last.get("epsilon")
    if spent is None:
        return DASH
    return f"{spent:.3g}" + (f" of {course.budget:g}" if course.budget is not None else "")
