"""`fedsilo privacy SCENARIO`: the epsilon of a scenario by client and round, before it is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from fedsilo.cli.output import limit_rate, line, remark, show, show_json, spell_infinity
from fedsilo.core.errors import PrivacyBudgetError

if TYPE_CHECKING:
    from fedsilo.config.sections import Scenario
    from fedsilo.simulation.noise_calibration import Outlook

EVERY_S = 5.0
"""Seconds between two lines of progress."""
MOST_ROUNDS = 100_000
"""Most rounds that are counted before a run, in less than a minute."""
MANY_ROUNDS = 5_000
"""With at least so many rounds the command prints at once that it has begun."""


def foresee(scenario: Path, changes: Sequence[str], plot: Path | None, json: bool) -> None:
    """Prints and optionally draws what a scenario's method will spend.

    Args:
        scenario: Scenario file.
        changes: `key.path=value` texts that override the file.
        plot: PNG to write; None for no figure.
        json: Whether to print JSON.

    Raises:
        PrivacyBudgetError: The scenario's mechanism guarantees nothing, or the scenario has too many rounds.
    """
    from fedsilo.config.scenario_reading import read

    checked = read(scenario, changes)
    if checked.training.rounds > MOST_ROUNDS:
        raise PrivacyBudgetError(
            f"{scenario}: training.rounds: {checked.training.rounds:g} rounds are too many to count before a run. "
            f"Use at most {MOST_ROUNDS:,}."
        )
    ahead = _predict(checked)
    if not ahead.curve:
        raise PrivacyBudgetError(
            f"{scenario}: its privacy mechanism guarantees nothing. Set privacy.mode, for example to central."
        )
    from fedsilo.simulation.noise_calibration import describe_guarantees

    if plot:
        _draw(ahead, checked.name, plot)
    if json:
        show_json(_document(ahead))
        return
    show(_table(ahead, checked.name))
    for text in describe_guarantees([ahead.mechanism]):
        line(text)
    line(
        "bounds: "
        + ", ".join(f"{name} {bound:.4g}" for name, bound in sorted(_bounds(ahead).items(), key=lambda x: x[1]))
    )
    if ahead.guarantee.note:
        line(f"nominal epsilon {ahead.guarantee.epsilon:g}. {ahead.guarantee.note}")
    if plot:
        line(f"picture: {plot}")


def _predict(checked: Scenario) -> Outlook:
    """The predicted expenses of a scenario, with progress on standard error."""
    from fedsilo.simulation.noise_calibration import plan_privacy
    from fedsilo.simulation.preparation import partition_of
    from fedsilo.simulation.schedule import Schedule

    _, manifest = partition_of(checked)
    sizes = manifest.training_sizes
    rules = (checked.method, checked.training, sizes, checked.seed, checked.stragglers, checked.availability)
    if checked.training.rounds > MANY_ROUNDS:
        remark(f"counting what {checked.training.rounds:,} rounds spend, the noise for it first; it can take a minute.")
    write = limit_rate(EVERY_S)
    return plan_privacy(
        checked.privacy,
        Schedule(*rules),
        lambda what, done, total: write(f"counting epsilon: {what} {done:,} of {total:,}"),
    )


def _table(ahead: Outlook, name: str) -> Table:
    table = Table(title=f"{name}: what each client will have spent", title_justify="left")
    for column in ("clients", "releases", "rate", "epsilon"):
        table.add_column(column, justify="left" if column == "clients" else "right")
    for group in ahead.groups:
        numbers = ", ".join(map(str, group.clients[:8])) + (", ..." if len(group.clients) > 8 else "")
        count = sum(expense.count for expense in group.expenses)
        rates = ", ".join(sorted({f"{expense.rate:.3g}" for expense in group.expenses}))
        table.add_row(numbers, str(count), rates, f"{group.epsilon:.4g}")
    return table


def _bounds(ahead: Outlook) -> dict[str, float]:
    """The bound of every accountant, and of opacus, for the client that spends most."""
    from fedsilo.privacy.accounting.opacus_check import opacus_epsilon

    worst = max(ahead.groups, key=lambda group: group.epsilon)
    other = opacus_epsilon(worst.expenses, ahead.mechanism.delta, ahead.mechanism.adjacency)
    return {**ahead.curve[-1].spent.by_accountant, "opacus": other}


def _document(ahead: Outlook) -> dict[str, Any]:
    worst, mechanism = ahead.curve[-1].spent, ahead.mechanism
    return {
        "epsilon": spell_infinity(worst.epsilon),
        "delta": worst.delta,
        "noise_multiplier": getattr(mechanism, "multiplier", None),
        "adjacency": mechanism.adjacency,
        "by_accountant": {name: spell_infinity(bound) for name, bound in _bounds(ahead).items()},
        "clients": {str(client): spell_infinity(group.epsilon) for group in ahead.groups for client in group.clients},
        "rounds": [{"rounds": point.releases, "epsilon": spell_infinity(point.spent.epsilon)} for point in ahead.curve],
    }


def _draw(ahead: Outlook, name: str, path: Path) -> None:
    from fedsilo.report.figures.budget_figure import draw_spending
    from fedsilo.simulation.noise_calibration import describe_guarantees

    title = f"{name}: epsilon {ahead.curve[-1].spent.epsilon:.4g} after {ahead.curve[-1].releases} rounds"
    subtitle = " ".join(
        text.partition(": epsilon")[0].removeprefix("privacy: ") for text in describe_guarantees([ahead.mechanism])
    )
    draw_spending(ahead.curve, path, title, subtitle, ahead.mechanism.limit, "rounds")
