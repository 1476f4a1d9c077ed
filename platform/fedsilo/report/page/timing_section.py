"""Time: seconds of each round by stage, clients at work, and the slowest clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from fedsilo.report.number_formats import format_seconds
from fedsilo.report.page.bar_chart import draw_columns, draw_gantt, list_bar_legend
from fedsilo.report.page.cohorts_section import chart_clients_at_work
from fedsilo.report.page.page_data import MethodRecords, PageData
from fedsilo.report.page.page_elements import Chart, HtmlTable
from fedsilo.report.page.rendering import render

NEWEST = 20
"""Rounds whose slowest client is shown."""


def draw_timing(data: PageData) -> Markup:
    """Draws the seconds of each round and of each method by stage.

    Args:
        data: The run's records.

    Returns:
        The section.
    """
    parts = [part for part in data.parts.values() if part.rounds]
    order = [*data.learners[-1:], *parts]  # a method that learns has all stages in their order
    stages = list(dict.fromkeys(stage for part in order for record in part.rounds for stage in _stages(record)))
    if not stages:
        return render("timing", charts=[])
    charts = [_methods(parts, stages)]
    if data.main and data.main.rounds:
        charts.insert(0, _rounds(data.main, stages))
    return render(
        "timing",
        legend=list_bar_legend(stages),
        charts=charts,
        work=chart_clients_at_work(data.main, stages) if data.main else None,
        slowest=_slowest(data.main) if data.main else None,
        numbers=_numbers(parts, stages),
    )


def _stages(record: Mapping[str, object]) -> Mapping[str, float]:
    found = record.get("seconds")
    return found if isinstance(found, Mapping) else {}


def _rounds(part: MethodRecords, stages: Sequence[str]) -> Chart:
    about = f"{part.name}: seconds of each round by stage."
    return Chart(draw_columns([_stages(record) for record in part.rounds], stages, about, format_seconds), about)


def _methods(parts: Sequence[MethodRecords], stages: Sequence[str]) -> Chart:
    """The stages of all rounds, one method after the other, as they run."""
    about = "All methods: their rounds one after the other."
    rows = [(part.name, [step for record in part.rounds for step in _stages(record).items()]) for part in parts]
    return Chart(draw_gantt(rows, stages, about, format_seconds), about)


def _sums(part: MethodRecords, stages: Sequence[str]) -> dict[str, float]:
    return {stage: sum(_stages(record).get(stage, 0.0) for record in part.rounds) for stage in stages}


def _numbers(parts: Sequence[MethodRecords], stages: Sequence[str]) -> HtmlTable:
    body = []
    for part in parts:
        sums = _sums(part, stages)
        whole = sum(sums.values())
        cells = [
            *(format_seconds(sums[stage]) for stage in stages),
            format_seconds(whole),
            format_seconds(whole / len(part.rounds)),
        ]
        body.append([part.name, *cells])
    return HtmlTable(["method", *stages, "together", "a round"], body, "Seconds of each method by stage")


def _slowest(part: MethodRecords) -> HtmlTable | None:
    """The slowest client of each of the newest rounds; None where the records have none."""
    found = [(record["round"], record["slowest"]) for record in part.rounds if record.get("slowest")][-NEWEST:]
    body = [
        [str(round), f"client {slow['client']:02d}", format_seconds(slow["seconds"]), format_seconds(slow["median"])]
        for round, slow in found
    ]
    header = ["round", "slowest", "its seconds", "half of the clients up to"]
    return HtmlTable(header, body, f"{part.name}: who took longest to train") if body else None
