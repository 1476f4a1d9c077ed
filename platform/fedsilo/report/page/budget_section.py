"""Privacy ledger: the guarantee, what each client spent, and which component adds the noise."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from markupsafe import Markup

from fedsilo.core import Component
from fedsilo.core.registry import name_of
from fedsilo.report.number_formats import format_number, pluralize
from fedsilo.report.page.line_chart import ChartLine, draw_curves, list_line_legend
from fedsilo.report.page.page_data import MethodRecords, PageData, Record
from fedsilo.report.page.page_elements import Chart, HtmlTable
from fedsilo.report.page.rendering import render


def draw_ledger(data: PageData) -> Markup:
    """Draws the guarantee of each method, epsilon over rounds, and what each client spent.

    Args:
        data: The run's records.

    Returns:
        The section.
    """
    mechanism, aggregation = data.scenario.privacy, data.scenario.aggregation
    private = [(part, part.privacy) for part in reversed(data.learners) if part.privacy]
    curves = [part for part, _ in private if part.has("epsilon")]
    return render(
        "ledger",
        components=[_describe("Noise", mechanism), _describe("Sum", aggregation)],
        seen="only sums of updates" if aggregation.masks else "the update of each client",
        trusted=mechanism.trusts_coordinator,
        noise_source="from the scenario's seed" if mechanism.seeded else "by the operating system",
        guarantees=[(part.name, _guarantee(part, privacy)) for part, privacy in private],
        legend=list_line_legend([(part.name, data.style_of(part)) for part in curves]),
        chart=_chart(data, curves),
        accountants=_accountants(private),
        clients=[table for part, privacy in private if (table := _clients(part, privacy)).rows],
    )


def _describe(what: str, component: Component) -> tuple[str, str, str]:
    """The role of a component, its name, and the summary of its docstring."""
    summary = (inspect.getdoc(type(component)) or "").partition("\n")[0]
    return what, name_of(component), summary


def _guarantee(part: MethodRecords, privacy: Record) -> str:
    kind = "epsilon" if privacy["guaranteed"] else "a nominal epsilon of"
    return (
        f"{kind} {_epsilon(privacy['epsilon'])} at delta {privacy['delta']:g} per {privacy['unit']}, "
        f"{pluralize(len(part.charges), 'release')} on record. {privacy['note']}"
    )


def _epsilon(value: float | None) -> str:
    """An epsilon as text. The records write an infinite one as null."""
    return "∞" if value is None else format_number(value)


def _chart(data: PageData, parts: Sequence[MethodRecords]) -> Chart | None:
    """Epsilon after each round, of all methods that record it."""
    if not parts:
        return None
    lines = [ChartLine(part.name, part.read_curve("epsilon"), data.style_of(part)) for part in reversed(parts)]
    about = "Epsilon after each round, the largest of any client."
    return Chart(draw_curves(lines, [], about, format_number, zero=True), about)


def _accountants(private: Sequence[tuple[MethodRecords, Record]]) -> HtmlTable | None:
    names = list(dict.fromkeys(name for _, privacy in private for name in privacy.get("by_accountant", {})))
    body = []
    for part, privacy in private:
        bounds = privacy.get("by_accountant", {})
        body.append([part.name, *(_epsilon(bounds[name]) if name in bounds else "" for name in names)])
    return HtmlTable(["method", *names], body, "Epsilon by accountant") if names else None


def _clients(part: MethodRecords, privacy: Record) -> HtmlTable:
    """What was charged to each client: how often, at which sampling rate, with how much noise."""
    body = [
        [
            f"{int(client):02d}",
            "–" if one["epsilon"] is None else format_number(one["epsilon"]),
            _expenses(one["expenses"]),
        ]
        for client, one in privacy.get("clients", {}).items()
    ]
    return HtmlTable(["client", "epsilon", "charged"], body, f"What each client spent: {part.name}", words=(0, 2))


def _expenses(expenses: Sequence[Record]) -> str:
    return "; ".join(
        ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in expense.items())
        for expense in expenses
    )


def _plain(value: object) -> str:
    return format_number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
