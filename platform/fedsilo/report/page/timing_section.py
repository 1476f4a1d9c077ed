"""Where the time went: stages of each round, and what is on record of single clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedsilo.report.page.bar_chart import columns, gantt, squares
from fedsilo.report.page.cohorts_section import attendance
from fedsilo.report.page.markup import Markup, element, figure, folded, joined, section, table
from fedsilo.report.page.page_data import Material, Part
from fedsilo.report.phrases import seconds

NEWEST = 20
"""Rounds whose slowest client is told."""


def timeline(material: Material) -> Markup:
    """Returns the seconds of each round by stage, and of each method."""
    parts = [part for part in material.parts.values() if part.rounds]
    order = [*material.learners[-1:], *parts]  # a method that learns has all stages in their order
    stages = list(dict.fromkeys(stage for part in order for record in part.rounds for stage in _stages(record)))
    if not stages:
        return section("Time", element("p", "No round has finished yet."))
    pictures = [_methods(parts, stages)]
    if material.main and material.main.rounds:
        pictures.insert(0, _rounds(material.main, stages))
    return section(
        "Time",
        element(
            "p", "Wall time by stage, as the coordinator saw it; writing checkpoints and preparation are not in it."
        ),
        squares(stages),
        element("div", pictures, class_="pictures"),
        attendance(material.main, stages) if material.main else Markup(),
        _slowest(material.main) if material.main else Markup(),
        folded("The same as numbers", _numbers(parts, stages)),
    )


def _stages(record: Mapping[str, object]) -> Mapping[str, float]:
    found = record.get("seconds")
    return found if isinstance(found, Mapping) else {}


def _rounds(part: Part, stages: Sequence[str]) -> Markup:
    about = f"{part.name}: seconds of each round by stage."
    return figure(columns([_stages(record) for record in part.rounds], stages, about, seconds), about)


def _methods(parts: Sequence[Part], stages: Sequence[str]) -> Markup:
    """One method after the other, as they run: the stages of all their rounds."""
    about = "All methods: their rounds one after the other."
    rows = [(part.name, [step for record in part.rounds for step in _stages(record).items()]) for part in parts]
    return figure(gantt(rows, stages, about, seconds), about)


def _sums(part: Part, stages: Sequence[str]) -> dict[str, float]:
    return {stage: sum(_stages(record).get(stage, 0.0) for record in part.rounds) for stage in stages}


def _numbers(parts: Sequence[Part], stages: Sequence[str]) -> Markup:
    body = []
    for part in parts:
        sums = _sums(part, stages)
        whole = sum(sums.values())
        cells = [*(seconds(sums[stage]) for stage in stages), seconds(whole), seconds(whole / len(part.rounds))]
        body.append([part.name, *cells])
    return table(["method", *stages, "together", "a round"], body, "Seconds of each method by stage")


def _slowest(part: Part) -> Markup:
    """Who was slowest in the newest rounds, where the records tell."""
    told = [(record["round"], record["slowest"]) for record in part.rounds if record.get("slowest")][-NEWEST:]
    if not told:
        return Markup()
    body = [
        [str(round), f"client {found['client']:02d}", seconds(found["seconds"]), seconds(found["median"])]
        for round, found in told
    ]
    heading = element("h3", "Slowest clients")
    about = f"{part.name}: who took longest to train"
    return joined([heading, table(["round", "slowest", "its seconds", "half of the clients up to"], body, about)])
