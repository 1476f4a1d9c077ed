"""Faults and notices: repeated rounds, clients that dropped out, and files that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from fedsilo.report.number_formats import list_numbers, pluralize
from fedsilo.report.page.page_data import MethodRecords, PageData
from fedsilo.report.page.page_elements import HtmlTable
from fedsilo.report.page.rendering import render


def draw_faults(data: PageData) -> Markup:
    """Draws the faults that are on record.

    Args:
        data: The run's records.

    Returns:
        The section.
    """
    rows = [row for part in data.learners for row in _list_dropped(part)]
    header = ["round", "method", "clients dropped"]
    dropped = HtmlTable(header, rows, "Clients that dropped out", words=range(3)) if rows else None
    return render("faults", lines=list(_lines(data)), dropped=dropped)


def _lines(data: PageData) -> Iterator[str]:
    if data.result is None:
        yield "The run has not finished: notices of its rounds are written when it does."
    resumed = data.environment.get("resumed")
    if isinstance(resumed, list) and resumed:
        yield f"Resumed {pluralize(len(resumed), 'time')}; notices of the processes before the last are not on record."
    for part in data.learners:
        yield from _list_repeated(part)
    notices = [*data.origin.get("notices", ()), *(data.result or {}).get("notices", ())]
    yield from dict.fromkeys(map(str, notices))
    yield from data.unreadable


def _list_repeated(part: MethodRecords) -> Iterator[str]:
    """Rounds whose releases were repeated with other noise."""
    repeated = sorted({int(charge["round"]) for charge in part.charges if charge.get("attempt", 0)})
    if repeated:
        rounds = list_numbers(repeated)
        yield f"{part.name}: releases made more than once in round {rounds}, each time with other noise."


def _list_dropped(part: MethodRecords) -> list[list[str]]:
    return [
        [str(record["round"]), part.name, list_numbers(list(record["dropped"]))]
        for record in part.rounds
        if record.get("dropped")
    ]
