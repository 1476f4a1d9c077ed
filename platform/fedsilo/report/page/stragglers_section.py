"""Simulated time: the headline metric over simulated seconds, and late or offline clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core import Measures
from fedsilo.report.number_formats import format_number, list_numbers
from fedsilo.report.page.line_chart import ChartLine, draw_curves, list_line_legend
from fedsilo.report.page.page_data import MethodRecords, PageData
from fedsilo.report.page.page_elements import Chart, HtmlTable
from fedsilo.report.page.rendering import render

CLOCKS = ("clock_s", "simulated_s")


def draw_stragglers(data: PageData) -> Markup:
    """Draws the headline metric over simulated seconds, and how often clients were late or offline.

    Args:
        data: The run's records.

    Returns:
        The section; empty where the scenario simulates no time.
    """
    parts = [part for part in data.learners if part.has("clock_s") and part.evaluated]
    if not parts:
        return Markup()
    metric = data.measures.headline
    about = f"Local {metric.words}, mean over clients, over simulated seconds"
    lines = [ChartLine(part.name, _points(part), data.style_of(part)) for part in parts]
    return render(
        "stragglers",
        rule=_rule(data.scenario.stragglers),
        legend=list_line_legend([(part.name, data.style_of(part)) for part in reversed(parts)]),
        chart=Chart(draw_curves(lines, [], about, metric.tick, along="simulated seconds"), about),
        totals=[_totals(part) for part in reversed(parts)],
        method=parts[-1].name,
        rounds=_rounds(parts[-1]),
    )


def _rule(stragglers: StragglerPolicy) -> str:
    limit = "" if stragglers.deadline_s is None else f", each for {stragglers.deadline_s:g} s at the most"
    if stragglers.buffered:
        return f"Clients work all the time{limit}; a round is the server's step after so many updates."
    return f"A round waits for the clients that it wants{limit}."


def _points(part: MethodRecords) -> list[tuple[float, float | None]]:
    return [(float(record["clock_s"]), record[part.measures.local]) for record in part.evaluated]


def _totals(part: MethodRecords) -> str:
    counts = {name: sum(len(record.get(name) or ()) for record in part.rounds) for name in ("late", "offline")}
    empty = sum(not record["participants"] for record in part.rounds)
    clock = format_number(part.rounds[-1]["clock_s"])
    return (
        f"{part.name}: {clock} simulated seconds; {counts['late']} times a client was "
        f"late or not needed, {counts['offline']} times offline; {empty} rounds without an update."
    )


def _rounds(part: MethodRecords) -> HtmlTable:
    header = ["round", "ends at s", "took s", "clients", "late", "offline", "staleness", "local"]
    return HtmlTable(header, [_row(record, part.measures) for record in part.rounds], "Rounds in simulated time")


def _row(record: Mapping[str, Any], measures: Measures) -> list[str]:
    clients = [list_numbers(found) if found else "–" for found in map(record.get, ("participants", "late", "offline"))]
    staleness = record.get("staleness")
    behind = ", ".join(map(str, staleness)) if isinstance(staleness, list) and staleness else "–"
    times = [format_number(value) if isinstance(value := record.get(name), (int, float)) else "–" for name in CLOCKS]
    return [str(record["round"]), *times, *clients, behind, measures.headline.shown(record.get(measures.local))]
