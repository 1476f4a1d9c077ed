"""Where the time went: stages of each round, and what is on record of single clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedsilo.report.page.bars import columns, gantt, lying, squares
from fedsilo.report.page.markup import Markup, element, figure, folded, joined, section, table
from fedsilo.report.page.material import Material, Part
from fedsilo.report.page.words import seconds

SLOWEST = 20
"""Clients that are drawn, the slowest ones."""


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
        _clients(material.main) if material.main else Markup(),
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


def _clients(part: Part) -> Markup:
    """The slowest clients, where the records say what single clients took."""
    spent = client_seconds(part)
    if not spent:
        return Markup()
    slowest = sorted(spent.items(), key=lambda one: (-sum(one[1].values()), one[0]))[:SLOWEST]
    stages = list(dict.fromkeys(stage for _, stack in slowest for stage in stack))
    about = f"The slowest clients of {len(spent)}: seconds over all rounds."
    rows = [(f"client {client:02d}", stack) for client, stack in slowest]
    return joined([element("h3", "Clients"), squares(stages), figure(lying(rows, stages, about, seconds), about)])


def client_seconds(part: Part) -> dict[int, dict[str, float]]:
    """Returns what each client took over all rounds, by stage: the sums of `client_seconds` in rounds.jsonl.

    That is a mapping from clients to seconds, or to seconds by stage; records without it say nothing of single clients.
    """
    spent: dict[int, dict[str, float]] = {}
    for record in part.rounds:
        for client, taken in (record.get("client_seconds") or {}).items():
            own = spent.setdefault(int(client), {})
            for stage, value in (taken if isinstance(taken, Mapping) else {"train": taken}).items():
                own[stage] = own.get(stage, 0.0) + float(value)
    return spent
