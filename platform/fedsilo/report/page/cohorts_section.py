"""Clients at work: a Gantt chart of the newest rounds, with a row for the coordinator and one for each client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fedsilo.report.number_formats import format_seconds, pluralize
from fedsilo.report.page.bar_chart import draw_bar
from fedsilo.report.page.chart_frame import Frame, choose_ticks
from fedsilo.report.page.page_data import MethodRecords, Record
from fedsilo.report.page.page_elements import Chart, HtmlTable
from fedsilo.report.page.svg import draw

NEWEST = 3
"""Rounds of the chart, the newest ones."""

MOST = 40
"""Most clients of the chart; those with the longest work are shown."""

ROW_HEIGHT = 15.0
"""Height of a row, with the space around its bars."""


@dataclass(frozen=True, slots=True)
class ClientsAtWork:
    """The work of clients in the newest rounds.

    Attributes:
        remarks: What the chart leaves out, and how time was measured.
        chart: The Gantt chart.
        numbers: Seconds at work by client and stage.
    """

    remarks: str
    chart: Chart
    numbers: HtmlTable


def chart_clients_at_work(part: MethodRecords, stages: Sequence[str]) -> ClientsAtWork | None:
    """Draws when each client was at work.

    Args:
        part: Records of the method.
        stages: Stages of a round; the index of a stage chooses its colour, as in the other charts.

    Returns:
        The chart with its remarks; None where no client's time is on record.
    """
    last = max((line["round"] for line in part.timeline), default=-1)
    lines = [line for line in part.timeline if line["round"] > last - NEWEST]
    took = _sum_seconds(lines)
    if not took:
        return None
    shown = sorted(sorted(took, key=lambda client: (-sum(took[client].values()), client))[:MOST])
    first = min(line["round"] for line in lines)
    about = f"{part.name}: who was at work when, {_rounds(first, last)}."
    return ClientsAtWork(
        remarks=_remarks(lines, len(shown), len(took)),
        chart=Chart(_draw_chart(lines, shown, stages, about), about),
        numbers=_numbers(took, shown, lines),
    )


def _remarks(lines: Sequence[Record], shown: int, clients: int) -> str:
    remarks = ["Clients tell the time by their own machines' clocks."]
    if shown < clients:
        remarks.insert(0, f"The {shown} of {pluralize(clients, 'client')} that were at work longest.")
    if any(line["stage"] == "train" and not line["clients"] for line in lines):
        remarks.append("Updates are masked: of a client's training only the coordinator's wait is on record.")
    if any(line["client_seconds"] and max(_gaps(line)) > 1e-3 for line in lines):
        remarks.append("A bar lasts from a client's first exchange of the round to its last, waiting included.")
    return " ".join(remarks)


def _gaps(line: Record) -> Iterator[float]:
    for began, until, took in zip(line["client_began"], line["client_until"], line["client_seconds"], strict=True):
        yield until - began - took


def _sum_seconds(lines: Sequence[Record]) -> dict[int, dict[str, float]]:
    """Seconds at work by client and stage, over all rounds of the chart."""
    found: dict[int, dict[str, float]] = {}
    for line in lines:
        for client, spent in zip(line["clients"], line["client_seconds"], strict=True):
            own = found.setdefault(int(client), {})
            own[line["stage"]] = own.get(line["stage"], 0.0) + spent
    return found


def _draw_chart(lines: Sequence[Record], clients: Sequence[int], stages: Sequence[str], about: str) -> Markup:
    """Rounds one after the other, each as long as the coordinator measured it."""
    begins, whole = _begins(lines)
    rows = {client: number for number, client in enumerate(clients, 1)}
    high = ROW_HEIGHT * (len(rows) + 1) + 46.0
    frame = Frame((0.0, whole or 1.0), (0.0, 1.0), width=760.0, height=high, left=92.0, right=20.0)
    elements = frame.draw_axis("seconds", choose_ticks(0.0, whole or 1.0, 6))
    elements += [_border(frame, round, at) for round, at in begins.items()]
    for title, row in {"coordinator": 0, **{f"client {client:02d}": row for client, row in rows.items()}}.items():
        elements.append(draw("text", title, x=frame.left - 6, y=_top(frame, row) + 11, class_="tick end"))
    for line in lines:
        at, stage = begins[line["round"]], line["stage"]
        spans = [("coordinator", 0, line["began"], line["until"], line["seconds"])]
        columns = (line["clients"], line["client_began"], line["client_until"], line["client_seconds"])
        spans += [
            (f"client {client:02d}", rows[client], began, until, spent)
            for client, began, until, spent in zip(*columns, strict=True)
            if client in rows
        ]
        for who, row, began, until, spent in spans:
            left, right = frame.x(at + max(began, 0.0)), frame.x(min(at + max(until, 0.0), whole))
            words = f"{who}, round {line['round']}, {stage}: {format_seconds(spent)}"
            top = _top(frame, row)
            elements.append(
                draw_bar((left, top + 2, max(right - left, 0.5), top + ROW_HEIGHT - 2), stages.index(stage), words)
            )
    return frame.draw_chart(about, *elements)


def _top(frame: Frame, row: int) -> float:
    return frame.top + row * ROW_HEIGHT


def _begins(lines: Sequence[Record]) -> tuple[dict[int, float], float]:
    """Seconds at which each round begins in the chart, and at which the last one ends."""
    begins: dict[int, float] = {}
    at = 0.0
    for round in dict.fromkeys(line["round"] for line in lines):
        begins[round] = at
        at += max(line["until"] for line in lines if line["round"] == round)
    return begins, at


def _border(frame: Frame, round: int, at: float) -> Markup:
    title = draw("title", f"round {round}")
    x = frame.x(at)
    return draw("g", title, draw("line", x1=x, x2=x, y1=frame.top, y2=frame.height - frame.bottom, class_="grid"))


def _numbers(took: Mapping[int, Mapping[str, float]], clients: Sequence[int], lines: Sequence[Record]) -> HtmlTable:
    stages = list(dict.fromkeys(line["stage"] for line in lines if line["clients"]))
    body = [
        [f"client {client:02d}", *(format_seconds(took[client].get(stage, 0.0)) for stage in stages)]
        for client in clients
    ]
    return HtmlTable(["client", *stages], body, "Seconds at work by client and stage")


def _rounds(first: int, last: int) -> str:
    return f"round {last}" if first == last else f"rounds {first} to {last}"
