"""When each client was at work in the newest rounds: a row for the coordinator and one for every client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fedsilo.report.page.bar_chart import box
from fedsilo.report.page.line_chart import Frame, ticks
from fedsilo.report.page.markup import Markup, element, figure, folded, joined, table
from fedsilo.report.page.page_data import Part
from fedsilo.report.phrases import seconds, several

NEWEST = 3
"""Rounds that are drawn, the newest ones."""

MOST = 40
"""Clients that are drawn, those who were at work longest."""

HIGH = 15.0
"""Height of a row with the room around it."""

Record = Mapping[str, Any]


def attendance(part: Part, stages: Sequence[str]) -> Markup:
    """Returns the picture with its words; nothing where no client's time is on record.

    Args:
        part: The method.
        stages: Stages of a round; their place gives the colour, as in the other pictures.
    """
    last = max((line["round"] for line in part.timeline), default=-1)
    lines = [line for line in part.timeline if line["round"] > last - NEWEST]
    took = _took(lines)
    if not took:
        return Markup()
    shown = sorted(sorted(took, key=lambda client: (-sum(took[client].values()), client))[:MOST])
    first = min(line["round"] for line in lines)
    about = f"{part.name}: who was at work when, {_rounds(first, last)}."
    picture = figure(_picture(lines, shown, stages, about), about)
    return joined(
        [
            element("h3", "Clients at work"),
            element("p", _words(lines, len(shown), len(took)), class_="faint"),
            element("div", picture, class_="scroll whole wide", role="region", aria_label=about, tabindex=0),
            folded("The same as numbers", _numbers(took, shown, lines)),
        ]
    )


def _words(lines: Sequence[Record], shown: int, clients: int) -> str:
    told = ["Clients tell the time by their own machines' clocks."]
    if shown < clients:
        told.insert(0, f"The {shown} of {several(clients, 'client')} that were at work longest.")
    if any(line["stage"] == "train" and not line["clients"] for line in lines):
        told.append("Updates are masked: of a client's training only the coordinator's wait is on record.")
    if any(line["client_seconds"] and max(_gaps(line)) > 1e-3 for line in lines):
        told.append("A bar lasts from a client's first exchange of the round to its last, waiting included.")
    return " ".join(told)


def _gaps(line: Record) -> Iterator[float]:
    for began, until, took in zip(line["client_began"], line["client_until"], line["client_seconds"], strict=True):
        yield until - began - took


def _took(lines: Sequence[Record]) -> dict[int, dict[str, float]]:
    """Seconds at work by client and stage, over all the rounds that are drawn."""
    found: dict[int, dict[str, float]] = {}
    for line in lines:
        for client, spent in zip(line["clients"], line["client_seconds"], strict=True):
            own = found.setdefault(int(client), {})
            own[line["stage"]] = own.get(line["stage"], 0.0) + spent
    return found


def _picture(lines: Sequence[Record], clients: Sequence[int], stages: Sequence[str], about: str) -> Markup:
    """Rounds one after the other, each as long as the coordinator saw it."""
    begins, whole = _begins(lines)
    rows = {client: number for number, client in enumerate(clients, 1)}
    high = HIGH * (len(rows) + 1) + 46.0
    frame = Frame((0.0, whole or 1.0), (0.0, 1.0), width=760.0, height=high, left=92.0, right=20.0)
    drawn = frame.below("seconds", ticks(0.0, whole or 1.0, 6))
    drawn += [_border(frame, round, at) for round, at in begins.items()]
    for title, row in {"coordinator": 0, **{f"client {client:02d}": row for client, row in rows.items()}}.items():
        drawn.append(element("text", title, x=frame.left - 6, y=_top(frame, row) + 11, class_="tick end"))
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
            words = f"{who}, round {line['round']}, {stage}: {seconds(spent)}"
            top = _top(frame, row)
            drawn.append(box((left, top + 2, max(right - left, 0.5), top + HIGH - 2), stages.index(stage), words))
    return frame.picture(about, *drawn)


def _top(frame: Frame, row: int) -> float:
    return frame.top + row * HIGH


def _begins(lines: Sequence[Record]) -> tuple[dict[int, float], float]:
    """Where each round begins in the picture, and where the last one ends, seconds."""
    begins: dict[int, float] = {}
    at = 0.0
    for round in dict.fromkeys(line["round"] for line in lines):
        begins[round] = at
        at += max(line["until"] for line in lines if line["round"] == round)
    return begins, at


def _border(frame: Frame, round: int, at: float) -> Markup:
    title = element("title", f"round {round}")
    x = frame.x(at)
    return element("g", title, element("line", x1=x, x2=x, y1=frame.top, y2=frame.height - frame.bottom, class_="grid"))


def _numbers(took: Mapping[int, Mapping[str, float]], clients: Sequence[int], lines: Sequence[Record]) -> Markup:
    stages = list(dict.fromkeys(line["stage"] for line in lines if line["clients"]))
    body = [
        [f"client {client:02d}", *(seconds(took[client].get(stage, 0.0)) for stage in stages)] for client in clients
    ]
    return table(["client", *stages], body, "Seconds at work by client and stage")


def _rounds(first: int, last: int) -> str:
    return f"round {last}" if first == last else f"rounds {first} to {last}"
