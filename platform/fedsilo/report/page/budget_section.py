"""The privacy ledger: what was promised, what was spent, and who added the noise."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from fedsilo.core import Component
from fedsilo.core.registry import name_of
from fedsilo.report.page.line_chart import Line, curves, key
from fedsilo.report.page.markup import Markup, element, figure, folded, joined, section, table
from fedsilo.report.page.page_data import Material, Part, Record
from fedsilo.report.phrases import number, several


def ledger(material: Material) -> Markup:
    """Returns the statement, epsilon over rounds, and what each client spent."""
    scenario = material.scenario
    charged = [part for part in reversed(material.learners) if part.privacy]
    who = [
        _who("Noise", scenario.privacy),
        _who("Sum", scenario.aggregation),
        element("p", _trust(material, bool(charged))),
    ]
    if not charged:
        return section("Privacy ledger", who, element("p", "Nothing is promised, so nothing was charged."))
    return section(
        "Privacy ledger",
        who,
        [_statement(part, part.privacy) for part in charged if part.privacy],
        _curve(material, charged),
        _accountants(charged),
        [_clients(part, part.privacy) for part in charged if part.privacy],
    )


def _who(what: str, component: Component) -> Markup:
    """A component's name and what it says of itself."""
    told = (inspect.getdoc(type(component)) or "").partition("\n")[0]
    return element("p", f"{what}: ", element("b", name_of(component)), f". {told}")


def _trust(material: Material, charged: bool) -> str:
    """What the coordinator sees."""
    mechanism, aggregation = material.scenario.privacy, material.scenario.aggregation
    seen = "only sums of updates" if aggregation.masks else "the update of each client"
    trusted = "It is trusted with what is not protected yet." if mechanism.trusts_coordinator else "It is not trusted."
    drawn = "from the scenario's seed" if mechanism.seeded else "by the operating system"
    return f"The coordinator sees {seen}. {trusted}" + (f" Noise is drawn {drawn}." if charged else "")


def _statement(part: Part, privacy: Record) -> Markup:
    kind = "epsilon" if privacy["guaranteed"] else "a nominal epsilon of"
    return element(
        "p",
        element("b", part.name),
        f": {kind} {_epsilon(privacy['epsilon'])} at delta {privacy['delta']:g} per {privacy['unit']}, "
        f"{several(len(part.charges), 'release')} on record. {privacy['note']}",
    )


def _epsilon(value: float | None) -> str:
    """An epsilon that is infinite is null in the records."""
    return "∞" if value is None else number(value)


def _curve(material: Material, charged: Sequence[Part]) -> Markup:
    """Epsilon after each round, of all methods that have one."""
    drawn = [part for part in charged if part.has("epsilon")]
    if not drawn:
        return Markup()
    lines = [Line(part.name, part.curve("epsilon"), material.look(part)) for part in reversed(drawn)]
    about = "Epsilon after each round, the largest of any client."
    picture = element("div", figure(curves(lines, [], about, number, zero=True), about), class_="pictures")
    return joined([key([(part.name, material.look(part)) for part in drawn]), picture])


def _accountants(charged: Sequence[Part]) -> Markup:
    names = list(dict.fromkeys(name for part in charged for name in (part.privacy or {}).get("by_accountant", {})))
    body = []
    for part in charged:
        bounds = (part.privacy or {}).get("by_accountant", {})
        body.append([part.name, *(_epsilon(bounds[name]) if name in bounds else "" for name in names)])
    if not names:
        return Markup()
    about = "Epsilon by accountant"
    return joined([element("h3", about), table(["method", *names], body, about)])


def _clients(part: Part, privacy: Record) -> Markup:
    """What was charged to each client: how often, at which rate, with how much noise."""
    body = [
        [f"{int(client):02d}", "–" if one["epsilon"] is None else number(one["epsilon"]), _expenses(one["expenses"])]
        for client, one in privacy.get("clients", {}).items()
    ]
    about = f"What each client spent: {part.name}"
    return folded(about, table(["client", "epsilon", "charged"], body, about, words=(0, 2))) if body else Markup()


def _expenses(expenses: Sequence[Record]) -> str:
    return "; ".join(
        ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in expense.items())
        for expense in expenses
    )


def _plain(value: object) -> str:
    return number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
