"""What went wrong, or should be known: rounds done again, clients that dropped out, notices."""

from __future__ import annotations

from collections.abc import Iterator

from fedsilo.report.page.markup import Markup, element, section, table
from fedsilo.report.page.page_data import Material, Part
from fedsilo.report.phrases import listed, several


def faults(material: Material) -> Markup:
    """Returns what is on record of faults; that there were none where there is nothing."""
    lines = list(_lines(material))
    told = [element("ul", [element("li", line) for line in lines])] if lines else []
    dropped = [row for part in material.learners for row in _dropped(part)]
    missing = (
        [table(["round", "method", "clients dropped"], dropped, "Clients that dropped out", words=range(3))]
        if dropped
        else []
    )
    if not told and not missing:
        return section("Faults and notices", element("p", "Nothing was tried again, nobody dropped out."))
    return section("Faults and notices", told, missing)


def _lines(material: Material) -> Iterator[str]:
    if material.result is None:
        yield "The run has not finished: notices of its rounds are written when it does."
    resumed = material.environment.get("resumed")
    if isinstance(resumed, list) and resumed:
        yield f"Resumed {several(len(resumed), 'time')}; notices of the processes before the last are not on record."
    for part in material.learners:
        yield from _again(part)
    notices = [*material.origin.get("notices", ()), *(material.result or {}).get("notices", ())]
    yield from dict.fromkeys(map(str, notices))
    yield from material.unreadable


def _again(part: Part) -> Iterator[str]:
    """Rounds whose releases were made more than once, with other noise."""
    again = sorted({int(charge["round"]) for charge in part.charges if charge.get("attempt", 0)})
    if again:
        yield f"{part.name}: releases made more than once in round {listed(again)}, each time with other noise."


def _dropped(part: Part) -> list[list[str]]:
    return [
        [str(record["round"]), part.name, listed(list(record["dropped"]))]
        for record in part.rounds
        if record.get("dropped")
    ]
