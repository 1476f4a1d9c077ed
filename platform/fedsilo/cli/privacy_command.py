"""`fedsilo privacy`: what noise is worth, and what it takes, without a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from fedsilo.cli.output import line, seldom, show, show_json, spelled
from fedsilo.cli.privacy_plan import foresee
from fedsilo.cli.run_commands import Json, Overrides
from fedsilo.core.errors import PrivacyBudgetError

if TYPE_CHECKING:
    from fedsilo.core.privacy_events import Adjacency, AnyPrivacyEvent
    from fedsilo.privacy.accounting.accountants import Spent

MEANINGS = {
    "closed form": "exact, everybody is in every release",
    "without sampling": "no credit for sampling",
    "never sampled": "in no release but for a chance of at most delta",
    "pld": "privacy loss distributions",
    "rdp": "Renyi differential privacy",
}


OF_RELEASES = ("target", "noise_multiplier", "delta", "releases", "rate", "adjacency")
"""Parameters of the command that say what a scenario says by itself."""
EVERY_S = 5.0
"""From one line of progress to the next, seconds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Releases whose noise is still open.

    Attributes:
        expenses: Everything that is released, from the noise multiplier and how many releases were made.
        releases: How many are planned.
        delta: In (0, 1).
        adjacency: What neighbours are.
        words: The releases in words, for titles.
        extra: What else the JSON document says of them.
    """

    expenses: Callable[[float, int], Sequence[AnyPrivacyEvent]]
    releases: int
    delta: float
    adjacency: Adjacency
    words: str
    extra: Mapping[str, Any] = field(default_factory=dict)


def privacy(  # noqa: PLR0913, the arguments of a command are its options
    context: typer.Context,
    scenario: Annotated[
        Path | None, typer.Argument(metavar="[SCENARIO]", help="Scenario file: what will it spend?")
    ] = None,
    changes: Overrides = None,
    target: Annotated[float | None, typer.Option("--epsilon", help="Find the noise for this epsilon.")] = None,
    noise_multiplier: Annotated[
        float | None, typer.Option(help="Find the epsilon of this noise: deviation over the bound of a contribution.")
    ] = None,
    delta: Annotated[float, typer.Option(help="Delta, in (0, 1).")] = 1e-5,
    releases: Annotated[int, typer.Option(help="How many noisy sums are released.")] = 1,
    rate: Annotated[float, typer.Option(help="Probability to be in a release, drawn independently; 1: always.")] = 1.0,
    adjacency: Annotated[
        str, typer.Option(help="zero_out: a contribution is left out; replace: it is another one.")
    ] = "zero_out",
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw epsilon over releases.")] = None,
    json: Json = False,
) -> None:
    """Say what noise is worth in epsilon, what epsilon takes in noise, or what a scenario will spend."""
    if scenario is not None:
        _refuse_options_of_releases(context)
        foresee(scenario, changes or (), plot, json)
        return
    from fedsilo.core.privacy_events import PrivacyEvent

    words = f"{releases:,} release{'s'[: releases != 1]}, " + ("all in each" if rate == 1 else f"sampled at {rate}")
    plan = Plan(
        expenses=lambda multiplier, made: [PrivacyEvent(multiplier, rate, made)],
        releases=releases,
        delta=delta,
        adjacency=_adjacency(adjacency),
        words=words,
        extra={"rate": rate},
    )
    answer(plan, target, noise_multiplier, plot, json)


def answer(plan: Plan, target: float | None, multiplier: float | None, plot: Path | None, json: bool) -> None:
    """Prints, and draws where asked for, what a plan spends: at a multiplier, or at the one that a target takes.

    Raises:
        PrivacyBudgetError: Not exactly one of target and multiplier is given, or no noise is enough.
    """
    from fedsilo.core.privacy_events import MOST_RELEASES, abridge

    if (target is None) == (multiplier is None):
        raise PrivacyBudgetError("privacy: needs one of --epsilon and --noise-multiplier: say one, the other is found.")
    if not 1 <= plan.releases <= MOST_RELEASES:
        raise PrivacyBudgetError(f"privacy: --releases must be from 1 to 1e15, got {abridge(plan.releases)}.")
    from fedsilo.privacy.accounting.accountants import epsilon

    multiplier = _multiplier(plan, target or 0.0) if multiplier is None else multiplier + 0.0  # no -0
    spent = epsilon(plan.expenses(multiplier, plan.releases), plan.delta, plan.adjacency)
    if plot:
        _draw(plan, multiplier, target, plot)
    if json:
        show_json(_document(plan, multiplier, spent))
        return
    show(_table(plan, spent))
    line(f"noise multiplier {multiplier:.6g}   epsilon {_number(spent.epsilon)} at delta {plan.delta}")
    if plot:
        line(f"picture: {plot}")


def _refuse_options_of_releases(context: typer.Context) -> None:
    """Refuses options that would be passed over without a word.

    Raises:
        PrivacyBudgetError: There is one.
    """
    sources = {name: context.get_parameter_source(name) for name in OF_RELEASES}
    typed = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    if typed:
        options = ", ".join(f"--{'epsilon' if name == 'target' else name.replace('_', '-')}" for name in typed)
        raise PrivacyBudgetError(
            f"privacy: {options}: for releases without a scenario; the scenario has its own. Leave out the one or the "
            "other, or change a key, say privacy.epsilon=3."
        )


def _multiplier(plan: Plan, target: float) -> float:
    """The least noise for a target; 0 where the releases spend no more than that under none."""
    from fedsilo.privacy.accounting.accountants import quick_epsilon
    from fedsilo.privacy.accounting.noise_search import multiplier_for

    def expenses(noise: float) -> Sequence[AnyPrivacyEvent]:
        return plan.expenses(noise, plan.releases)

    if target > 0 and quick_epsilon(expenses(0.0), plan.delta, plan.adjacency) <= target < math.inf:
        return 0.0
    write = seldom(EVERY_S)

    def tried(noise: float, spent: float) -> None:
        write(f"looking for the noise multiplier: {noise:.6g} spends epsilon {_number(spent)}")

    return multiplier_for(target, plan.delta, expenses, plan.adjacency, tried)


def _adjacency(word: str) -> Adjacency:
    from fedsilo.core.privacy_events import ADJACENCIES

    for adjacency in ADJACENCIES:
        if word == adjacency:
            return adjacency
    raise PrivacyBudgetError(f"privacy: --adjacency must be {' or '.join(ADJACENCIES)}, got {word!r}.")


def _table(plan: Plan, spent: Spent) -> Table:
    table = Table(title=f"{plan.words}, {plan.adjacency}", title_justify="left")
    table.add_column("accountant")
    table.add_column("epsilon", justify="right")
    table.add_column("what it is")
    for name, bound in sorted(spent.by_accountant.items(), key=lambda entry: entry[1]):
        style = "bold" if bound == spent.epsilon else None
        table.add_row(name, _number(bound), MEANINGS[name], style=style)
    return table


def _number(value: float) -> str:
    return "no bound" if math.isinf(value) else f"{value:.4f}" if 0.1 <= value < 1e4 else f"{value:.4g}"


def _document(plan: Plan, multiplier: float, spent: Spent) -> dict[str, Any]:
    return {
        "noise_multiplier": spelled(multiplier),
        "epsilon": spelled(spent.epsilon),
        "delta": plan.delta,
        "releases": plan.releases,
        **plan.extra,
        "adjacency": plan.adjacency,
        "by_accountant": {name: spelled(bound) for name, bound in spent.by_accountant.items()},
    }


def _draw(plan: Plan, multiplier: float, target: float | None, path: Path) -> None:
    from fedsilo.privacy.accounting.epsilon_curve import spending_curve
    from fedsilo.report.figures.budget_figure import draw_spending

    write = seldom(EVERY_S)

    def expenses(made: int) -> Sequence[AnyPrivacyEvent]:
        write(f"counting for the picture: epsilon of {made:,} of {plan.releases:,} releases")
        return plan.expenses(multiplier, made)

    curve = spending_curve(expenses, plan.releases, plan.delta, plan.adjacency)
    title = f"epsilon {_number(curve[-1].spent.epsilon)} with noise of {multiplier:.4g} times the bound"
    draw_spending(curve, path, title, f"{plan.words}, {plan.adjacency}", target)
