"""Simulated time: the headline metric over it, and who was late or away; where the scenario simulates any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core import Measures
from fedsilo.report.page.line_chart import Line, curves, key
from fedsilo.report.page.markup import Markup, element, figure, folded, section, table
from fedsilo.report.page.page_data import Material, Part
from fedsilo.report.phrases import listed, number


def pacing(material: Material) -> Markup:
    """Returns the section; nothing where no time is simulated."""
    parts = [part for part in material.learners if part.has("clock_s") and part.evaluated]
    if not parts:
        return Markup()
    metric = material.measures.headline
    about = f"Local {metric.words}, mean over clients, over simulated seconds"
    lines = [Line(part.name, _points(part), material.look(part)) for part in parts]
    drawn = curves(lines, [], about, metric.tick, along="simulated seconds")
    return section(
        "Simulated time",
        element("p", f"{_rule(material.scenario.pace)} Time is simulated and follows from the scenario alone."),
        key([(part.name, material.look(part)) for part in reversed(parts)], []),
        element("div", figure(drawn, about), class_="pictures"),
        element("div", [_sums(part) for part in reversed(parts)]),
        folded(f"Rounds of {parts[-1].name}", _rounds(parts[-1])),
    )


def _rule(pace: StragglerPolicy) -> str:
    limit = "" if pace.deadline_s is None else f", each for {pace.deadline_s:g} s at the most"
    if pace.buffered:
        return f"Clients work all the time{limit}; a round is the server's step after so many updates."
    return f"A round waits for the clients that it wants{limit}."


def _points(part: Part) -> list[tuple[float, float | None]]:
    return [(float(record["clock_s"]), record[part.measures.local]) for record in part.evaluated]


def _sums(part: Part) -> Markup:
    counts = {name: sum(len(record.get(name) or ()) for record in part.rounds) for name in ("late", "offline")}
    empty = sum(not record["participants"] for record in part.rounds)
    text = (
        f"{part.name}: {number(part.rounds[-1]['clock_s'])} simulated seconds; {counts['late']} times a client was "
        f"late or not needed, {counts['offline']} times offline; {empty} rounds without an update."
    )
    return element("p", text)


def _rounds(part: Part) -> Markup:
    header = ["round", "ends at s", "took s", "clients", "late", "offline", "staleness", "local"]
    return table(header, [_row(record, part.measures) for record in part.rounds], "Rounds in simulated time")


def _row(record: Mapping[str, Any], measures: Measures) -> list[str]:
    clients = [listed(found) if found else "–" for found in map(record.get, ("participants", "late", "offline"))]
    staleness = record.get("staleness")
    behind = ", ".join(map(str, staleness)) if isinstance(staleness, list) and staleness else "–"
    times = [number(value) if isinstance(value := record.get(name), (int, float)) else "–" for name in CLOCKS]
    return [str(record["round"]), *times, *clients, behind, measures.headline.shown(record.get(measures.local))]


CLOCKS = ("clock_s", "simulated_s")
