"""The headline metric and the loss over rounds: of all methods, and of each client."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fedsilo.core.metrics import GLOBAL, LOCAL, NEW, UNSEEN, WORST
from fedsilo.report.page.heatmap import heat_map, scale
from fedsilo.report.page.line_chart import MARKED, Frame, Level, Line, Points, across, curves, key, stroke
from fedsilo.report.page.markup import Markup, element, figure, folded, joined, section, table
from fedsilo.report.page.page_data import Material, Part
from fedsilo.report.phrases import number, several
from fedsilo.report.terminal.run_tables import kind_of

MOST_SMALL = 60
"""Clients up to which each one has a curve of its own; beyond, they are rows of a heat map."""

VIEWS = {
    WORST: "Worst client",
    UNSEEN: "Unseen clients: they never train",
    NEW: "New classes: not trained on",
    GLOBAL: "Global: all clients' test images",
}


def overall(material: Material) -> Markup:
    """Returns the curves of all methods."""
    learners = [part for part in material.learners if part.evaluated]
    title = f"{material.measures.headline.words.capitalize()} over rounds"
    if not learners:
        return section(title, element("p", "No round has been measured yet."))
    names = [(part.name, material.look(part)) for part in reversed(learners)]
    levels = [level.name for level in _levels(material, material.measures.local)]
    marked = max(len(part.rounds) for part in learners) <= MARKED
    return section(
        title,
        element("p", "Rounds are numbered from 0." + " Point at a mark to read its value." * marked),
        key(names, levels),
        element("div", list(_pictures(material, learners)), class_="pictures"),
        folded("The same as numbers", _numbers(learners)),
    )


def _pictures(material: Material, learners: Sequence[Part]) -> Iterator[Markup]:
    measures, metric = material.measures, material.measures.headline
    local, tick = measures.local, metric.tick
    levels = _levels(material, local)
    yield _curves(material, learners, local, levels, f"Local {metric.words}, mean over clients", tick)
    closer = [level for level in levels if level.name != "chance"]
    if len(levels) > len(closer) and len(learners[-1].rounds) > 1:
        yield _curves(material, learners, local, closer, "The same from nearby, without chance", tick)
    others = {LOCAL + other.name: f"Local {other.words}, mean over clients" for other in measures.metrics[1:]}
    for measure, about in ({measures.of(view): what for view, what in VIEWS.items()} | others).items():
        measured = [part for part in learners if sum(r.get(measure) is not None for r in part.rounds) > 1]
        if measured:
            own = [level for level in _levels(material, measure) if level.name == "zero_shot"]
            yield _curves(material, measured, measure, own, about, measures.metric(measure).tick)
    trained = [part for part in learners if part.has("loss")]
    if trained:
        yield _curves(material, trained, "loss", [], "Training loss", number)


def _levels(material: Material, measure: str) -> list[Level]:
    """Zero-shot and chance, where there are such."""
    found = [record.get(measure) for record in material.floor.evaluated] if material.floor else []
    levels = [Level("zero_shot", value) for value in found[-1:] if value is not None]
    return levels + ([] if material.chance is None else [Level("chance", material.chance)])


def _curves(
    material: Material,
    parts: Sequence[Part],
    measure: str,
    levels: Sequence[Level],
    about: str,
    write: Callable[[float], str],
) -> Markup:
    lines = [Line(part.name, part.curve(measure), material.look(part)) for part in parts]
    ends = (f"{line.name} {write(line.points[-1][1])}" for line in lines if line.points[-1][1] is not None)
    return figure(curves(lines, levels, f"{about}. At the end: {', '.join(ends)}.", write), about)


def _numbers(learners: Sequence[Part]) -> Markup:
    """Local headline metric and loss of all methods, round by round."""
    rounds = max(len(part.rounds) for part in learners)
    parts = list(reversed(learners))
    header = ["round", *(f"{part.name}: {what}" for part in parts for what in ("local", "loss"))]
    body = [[str(n), *(cell for part in parts for cell in _cells(part, n))] for n in range(rounds)]
    return table(header, body, f"Local {learners[0].measures.headline.words} and loss by round")


def _cells(part: Part, number_of_round: int) -> tuple[str, str]:
    if number_of_round >= len(part.rounds):
        return "", ""
    record = part.rounds[number_of_round]
    loss = record.get("loss")
    return part.measures.headline.shown(record.get(part.measures.local)), "–" if loss is None else f"{loss:.4f}"


def clients(material: Material) -> Markup:
    """Returns every client's headline metric on its own test images."""
    part = material.main
    title = f"{material.measures.headline.words.capitalize()} of each client"
    found = part.of_clients() if part else {}
    if not found:
        return section(title, element("p", "No client has been measured yet."))
    floor = material.floor.last() if material.floor else {}
    drawn = _small(material, found, floor) if len(found) <= MOST_SMALL else _heat(material, found)
    return section(
        title,
        element("p", f"{material.method} on each client's own test images."),
        drawn,
        folded("All methods as numbers, last evaluation", _last(material)),
    )


def _small(material: Material, found: Mapping[int, Points], floor: Mapping[int, float | None]) -> Markup:
    """A small picture for each client, all in one scale."""
    values = [value for points in found.values() for _, value in points if value is not None]
    values += [value for value in floor.values() if value is not None]
    coordinate_bound = (math.floor(10 * min(values)) / 10, math.ceil(10 * max(values)) / 10) if values else (0.0, 1.0)
    last = max((position for points in found.values() for position, _ in points), default=0.0)
    frame = Frame((0.0, max(last, 1.0)), coordinate_bound, 170.0, 100.0, left=38.0, bottom=8.0, top=8.0, right=6.0)
    drawn = [_one(material, frame, client, points, floor.get(client)) for client, points in found.items()]
    legend = key([(material.method, 0)], ["zero_shot"] if floor else [])
    return joined([legend, element("div", drawn, class_="smalls")])


def _one(material: Material, frame: Frame, client: int, points: Points, floor: float | None) -> Markup:
    name = _name(material, client)
    ended = points[-1][1]
    metric = material.measures.headline
    about = f"{name}: {metric.shown(ended)}" + ("" if floor is None else f", zero-shot {metric.shown(floor)}")
    drawn = [
        element("text", metric.tick(value), x=frame.left - 5, y=frame.y(value) + 4, class_="tick end")
        for value in frame.y_range
    ]
    drawn += [
        element("line", x1=frame.left, x2=frame.width - frame.right, y1=frame.y(v), y2=frame.y(v), class_="grid")
        for v in frame.y_range
    ]
    drawn += [across(frame, Level("zero_shot", floor), metric.tick)] if floor is not None else []
    drawn.append(stroke(frame, Line(material.method, points), metric.tick))
    gain = "" if floor is None or ended is None else f" ({metric.difference(ended - floor)})"
    caption = element("figcaption", name, element("br"), element("b", metric.shown(ended)), gain)
    return element("figure", caption, frame.picture(about, *drawn))


def _name(material: Material, client: int) -> str:
    """Such as "03 sketch, unseen"."""
    if material.manifest is None or client >= len(material.manifest.clients):
        return f"{client:02d}"
    return f"{client:02d} {kind_of(material.manifest.clients[client])}"


def _heat(material: Material, found: Mapping[int, Points]) -> Markup:
    values = _grid(found)
    measured = values[~np.isnan(values)]
    low, high = (float(measured.min()), float(measured.max())) if measured.size else (0.0, 1.0)
    metric = material.measures.headline
    clients = several(len(found), "client")
    about = f"{metric.words.capitalize()} of {clients} over rounds, from {metric.shown(low)} to {metric.shown(high)}"
    caption = element(
        "figcaption", f"One row per client, one column per round; lighter is {'better' if metric.higher else 'worse'}."
    )
    picture = element("div", heat_map(values, low, high, about), class_="wide")
    return element(
        "figure",
        element("div", picture, class_="scroll whole", role="region", aria_label=about, tabindex=0),
        scale(low, high, metric.tick),
        caption,
    )


def _grid(found: Mapping[int, Points]) -> NDArray[np.float64]:
    """(clients, rounds) values, nan where nothing was measured."""
    last = round(max(position for points in found.values() for position, _ in points))
    values = np.full((max(found) + 1, last + 1), np.nan)
    for client, points in found.items():
        for position, value in points:
            values[client, round(position)] = np.nan if value is None else value
    return values


def _last(material: Material) -> Markup:
    """A row per client: zero-shot's value and each method's."""
    parts = [*([material.floor] if material.floor else []), *reversed(material.learners)]
    last = {part.name: part.last() for part in parts if part.scores}
    metric = material.measures.headline
    numbers = sorted({client for scores in last.values() for client in scores})
    body = [[_name(material, c), *(metric.shown(scores.get(c)) for scores in last.values())] for c in numbers]
    return table(["client", *last], body, f"{metric.words.capitalize()} of each client in the last evaluation")
