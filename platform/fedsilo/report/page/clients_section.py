"""Headline metric of each client over rounds: a small chart per client, or a heat map of many clients."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from fedsilo.report.number_formats import capitalize_first, pluralize
from fedsilo.report.page.chart_frame import Frame
from fedsilo.report.page.heatmap import draw_colour_scale, draw_heat_map
from fedsilo.report.page.line_chart import ChartLine, Level, Points, draw_level, draw_line, list_line_legend
from fedsilo.report.page.page_data import PageData
from fedsilo.report.page.page_elements import HtmlTable
from fedsilo.report.page.rendering import render
from fedsilo.report.page.svg import draw
from fedsilo.report.terminal.run_tables import describe_client

MOST_SMALL = 60
"""Most clients that have a small chart each; more clients are rows of a heat map."""


def draw_clients(data: PageData) -> Markup:
    """Draws the headline metric of every client on its own test images.

    Args:
        data: The run's records.

    Returns:
        The section.
    """
    title = f"{capitalize_first(data.measures.headline.words)} of each client"
    found = data.main.read_client_curves() if data.main else {}
    if not found:
        return render("clients", title=title, measured=False)
    floor = data.floor.read_last_scores() if data.floor else {}
    few = len(found) <= MOST_SMALL
    return render(
        "clients",
        title=title,
        measured=True,
        method=data.method,
        legend=list_line_legend([(data.method, 0)], ["zero_shot"] if floor else []),
        small_charts=_small_charts(data, found, floor) if few else [],
        heat_map=None if few else _heat_map(data, found),
        numbers=_numbers(data),
    )


def _small_charts(
    data: PageData, found: Mapping[int, Points], floor: Mapping[int, float | None]
) -> list[dict[str, str]]:
    """A small chart for each client, all in the same scale."""
    values = [value for points in found.values() for _, value in points if value is not None]
    values += [value for value in floor.values() if value is not None]
    y_range = (math.floor(10 * min(values)) / 10, math.ceil(10 * max(values)) / 10) if values else (0.0, 1.0)
    last = max((position for points in found.values() for position, _ in points), default=0.0)
    frame = Frame((0.0, max(last, 1.0)), y_range, 170.0, 100.0, left=38.0, bottom=8.0, top=8.0, right=6.0)
    return [_small_chart(data, frame, client, points, floor.get(client)) for client, points in found.items()]


def _small_chart(data: PageData, frame: Frame, client: int, points: Points, floor: float | None) -> dict[str, str]:
    name, metric = _name(data, client), data.measures.headline
    last = points[-1][1]
    value = metric.shown(last)
    about = f"{name}: {value}" + ("" if floor is None else f", zero-shot {metric.shown(floor)}")
    elements = [
        draw("text", metric.tick(v), x=frame.left - 5, y=frame.y(v) + 4, class_="tick end") for v in frame.y_range
    ]
    elements += [
        draw("line", x1=frame.left, x2=frame.width - frame.right, y1=frame.y(v), y2=frame.y(v), class_="grid")
        for v in frame.y_range
    ]
    elements += [draw_level(frame, Level("zero_shot", floor), metric.tick)] if floor is not None else []
    elements.append(draw_line(frame, ChartLine(data.method, points), metric.tick))
    gain = "" if floor is None or last is None else f" ({metric.difference(last - floor)})"
    return {"name": name, "value": value, "gain": gain, "svg": frame.draw_chart(about, *elements)}


def _name(data: PageData, client: int) -> str:
    """A client's number and kind, such as "03 sketch, unseen"."""
    if data.manifest is None or client >= len(data.manifest.clients):
        return f"{client:02d}"
    return f"{client:02d} {describe_client(data.manifest.clients[client])}"


def _heat_map(data: PageData, found: Mapping[int, Points]) -> dict[str, object]:
    values = _grid(found)
    measured = values[~np.isnan(values)]
    low, high = (float(measured.min()), float(measured.max())) if measured.size else (0.0, 1.0)
    metric = data.measures.headline
    clients = pluralize(len(found), "client")
    about = (
        f"{capitalize_first(metric.words)} of {clients} over rounds, from {metric.shown(low)} to {metric.shown(high)}"
    )
    return {
        "about": about,
        "svg": draw_heat_map(values, low, high, about),
        "colours": draw_colour_scale(low, high),
        "low": metric.tick(low),
        "high": metric.tick(high),
        "lighter": "better" if metric.higher else "worse",
    }


def _grid(found: Mapping[int, Points]) -> NDArray[np.float64]:
    """Values (clients, rounds); nan where nothing was measured."""
    last = round(max(position for points in found.values() for position, _ in points))
    values = np.full((max(found) + 1, last + 1), np.nan)
    for client, points in found.items():
        for position, value in points:
            values[client, round(position)] = np.nan if value is None else value
    return values


def _numbers(data: PageData) -> HtmlTable:
    """A row per client, with the last value of zero-shot and of each method."""
    parts = [*([data.floor] if data.floor else []), *reversed(data.learners)]
    last = {part.name: part.read_last_scores() for part in parts if part.scores}
    metric = data.measures.headline
    numbers = sorted({client for scores in last.values() for client in scores})
    body = [[_name(data, c), *(metric.shown(scores.get(c)) for scores in last.values())] for c in numbers]
    return HtmlTable(["client", *last], body, f"{capitalize_first(metric.words)} of each client in the last evaluation")
