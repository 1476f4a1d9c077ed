"""Tables of an audit for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from fedsilo.report.terminal.cells import cell

AUDIT_LEGEND = (
    "in %; success: balanced, mean over classes, 50 is guessing; in brackets what guessing gives, 95 times of 100\n"
    "TPR at 1 % FPR: members found where 1 % of the others are taken for members; epsilon >=: one example's, at 95 % "
    "confidence; of at most: had every guess been right"
)


def audit_table(document: Mapping[str, Any]) -> Table:
    """Draws the table of an audit of single examples.

    Args:
        document: The audit's document.

    Returns:
        A row per attack: success, AUC, TPR at 1 % FPR, the lower bound on epsilon, its largest possible value, and the
        claimed epsilon.
    """
    shuffled = ", membership shuffled" if document["shuffled"] else ""
    title = (
        f"{cell(document['run'])}: membership inference, {document['view']} view{shuffled} "
        f"({document['members']} members, {document['non_members']} others, {document['shadows']} shadow runs)"
    )
    rates = {"success": "success", "AUC": "auc", "TPR at 1 % FPR": "tpr_at_low_fpr"}
    rows = [
        (attack["attack"], [_with_chance(attack, rate) for rate in rates.values()], attack["epsilon"])
        for attack in document["attacks"]
    ]
    return _table(title, rates, rows, document["claim"])


CLIENTS_LEGEND = (
    "right: coins that were guessed, in %, 50 is guessing; in brackets what guessing gives, 95 times of 100\n"
    "epsilon >=: one client's, at 95 % confidence; of at most: had every guess been right"
)


def clients_audit_table(document: Mapping[str, Any]) -> Table:
    """Draws the table of an audit of whole clients.

    Args:
        document: The audit's document.

    Returns:
        One row: correct guesses, the lower bound on a client's epsilon, its largest possible value, and the claimed
        epsilon.
    """
    shuffled = ", coins tossed again" if document["shuffled"] else ""
    title = (
        f"{cell(document['run'])}: which clients contributed, by the shared states of all rounds{shuffled} "
        f"({document['clients']} clients, {document['shadows']} shadow runs)"
    )
    right = _in_percent(*(document[part] / document["coins"] for part in ("right", "chance_low", "chance_high")))
    return _table(title, ["right"], [("likelihood ratio", [right], document["epsilon"])], document["claim"])


def _table(
    title: str,
    rates: Iterable[str],
    rows: Iterable[tuple[str, Sequence[str], Mapping[str, Any]]],
    claim: Mapping[str, Any] | None,
) -> Table:
    """A row per attack: name, rates, lower bound on epsilon, largest possible bound, claimed epsilon."""
    table = Table(title=title, title_justify="left")
    for column in ("attack", *rates, "epsilon >=", "of at most", "claimed epsilon"):
        table.add_column(column, justify="left" if column == "attack" else "right")
    for attack, found, bound in rows:
        table.add_row(attack, *found, f"{bound['epsilon']:.2f}", f"{bound['most']:.2f}", _format_claim(claim))
    return table


def _with_chance(attack: Mapping[str, Any], rate: str) -> str:
    return _in_percent(*(attack[part][rate] for part in ("rates", "chance_low", "chance_high")))


def _in_percent(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f} ({100 * low:.0f} to {100 * high:.0f})"


def _format_claim(claim: Mapping[str, Any] | None) -> str:
    if claim is None:
        return "none"
    epsilon = "infinite" if claim["epsilon"] is None else f"{claim['epsilon']:.3g}"
    return f"{epsilon} per {claim['unit']}" + ("" if claim["guaranteed"] else ", nominal")
