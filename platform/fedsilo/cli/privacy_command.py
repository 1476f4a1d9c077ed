"""`fedsilo privacy`: the epsilon of a noise, and the noise for an epsilon, without a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from fedsilo.cli.output import limit_rate, line, show, show_json, spell_infinity
from fedsilo.cli.privacy_plan import foresee
from fedsilo.cli.run_commands import Json, Overrides
from fedsilo.core.errors import PrivacyBudgetError

if TYPE_CHECKING:
    from fedsilo.core.privacy_events import Adjacency, AnyPrivacyEvent
    from fedsilo.privacy.accounting.epsilon_bounds import AccountedEpsilon

MEANINGS = {
    "closed form": "exact, every unit is in every release",
    "without sampling": "no credit for sampling",
    "never sampled": "in no release except with probability delta at most",
    "pld": "privacy loss distributions",
    "rdp": "Renyi differential privacy",
}


OF_RELEASES = ("target", "noise_multiplier", "delta", "releases", "rate", "adjacency")
"""Parameters of the command that a scenario has itself."""
EVERY_S = 5.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """Releases for which a noise multiplier is sought.

    Attributes:
        expenses: Returns all releases for a noise multiplier and a number of releases.
        releases: Number of planned releases.
        delta: Delta, in (0, 1).
        adjacency: Definition of neighbouring data sets.
        words: Description of the releases, for titles.
        extra: More entries of the JSON document.
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
        Path | None, typer.Argument(metavar="[SCENARIO]", help="Scenario file whose epsilon is computed.")
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
        str, typer.Option(help="zero_out: one contribution is left out; replace: it is replaced by another one.")
    ] = "zero_out",
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw epsilon over releases.")] = None,
    json: Json = False,
) -> None:
    """Compute the epsilon of a noise, the noise for an epsilon, or what a scenario will spend.

    Args:
        context: Context of the command line, for the options that were given.
        scenario: Scenario file; None to compute from the options.
        changes: `key.path=value` texts that override the file.
        target: Epsilon whose noise is sought.
        noise_multiplier: Noise multiplier whose epsilon is sought.
        delta: Delta, in (0, 1).
        releases: Number of noisy sums that are released.
        rate: Probability to be in a release, in (0, 1].
        adjacency: Definition of neighbouring data sets.
        plot: PNG to write; None for no figure.
        json: Whether to print JSON.
    """
    if scenario is not None:
        _refuse_options_of_releases(context)
        foresee(scenario, changes or (), plot, json)
        return
    from fedsilo.core.privacy_events import PrivacyEvent

    words = f"{releases:,} release{'s'[: releases != 1]}, " + ("all in each" if rate == 1 else f"sampled at {rate}")
    plan = ReleasePlan(
        expenses=lambda multiplier, made: [PrivacyEvent(multiplier, rate, made)],
        releases=releases,
        delta=delta,
        adjacency=_adjacency(adjacency),
        words=words,
        extra={"rate": rate},
    )
    answer(plan, target, noise_multiplier, plot, json)


def answer(plan: ReleasePlan, target: float | None, multiplier: float | None, plot: Path | None, json: bool) -> None:
    """Prints and optionally draws what a plan spends with a given noise multiplier, or with the one for a target.

    Args:
        plan: The releases.
        target: Epsilon whose noise is sought; None where `multiplier` is given.
        multiplier: Noise multiplier; None where `target` is given.
        plot: PNG to write; None for no figure.
        json: Whether to print JSON.

    Raises:
        PrivacyBudgetError: Not exactly one of `target` and `multiplier` is given, or no noise is enough.
    """
    from fedsilo.core.privacy_events import MOST_RELEASES, abridge

    if (target is None) == (multiplier is None):
        raise PrivacyBudgetError("privacy: needs one of --epsilon and --noise-multiplier; the other is computed.")
    if not 1 <= plan.releases <= MOST_RELEASES:
        raise PrivacyBudgetError(f"privacy: --releases must be from 1 to 1e15, got {abridge(plan.releases)}.")
    from fedsilo.privacy.accounting.epsilon_bounds import epsilon

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
    """Refuses options that a scenario would silently ignore. Raises PrivacyBudgetError where there is one."""
    sources = {name: context.get_parameter_source(name) for name in OF_RELEASES}
    typed = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    if typed:
        options = ", ".join(f"--{'epsilon' if name == 'target' else name.replace('_', '-')}" for name in typed)
        raise PrivacyBudgetError(
            f"privacy: {options}: only without a scenario, because the scenario has its own values. Leave out the "
            "options or the scenario, or change a key, for example privacy.epsilon=3."
        )


def _multiplier(plan: ReleasePlan, target: float) -> float:
    """The least noise for a target; 0 where the releases spend no more than that without noise."""
    from fedsilo.privacy.accounting.epsilon_bounds import quick_epsilon
    from fedsilo.privacy.accounting.noise_search import solve_multiplier

    def expenses(noise: float) -> Sequence[AnyPrivacyEvent]:
        return plan.expenses(noise, plan.releases)

    if target > 0 and quick_epsilon(expenses(0.0), plan.delta, plan.adjacency) <= target < math.inf:
        return 0.0
    write = limit_rate(EVERY_S)

    def show_progress(noise: float, spent: float) -> None:
        write(f"looking for the noise multiplier: {noise:.6g} spends epsilon {_number(spent)}")

    return solve_multiplier(target, plan.delta, expenses, plan.adjacency, show_progress)


def _adjacency(word: str) -> Adjacency:
    from fedsilo.core.privacy_events import ADJACENCIES

    for adjacency in ADJACENCIES:
        if word == adjacency:
            return adjacency
    raise PrivacyBudgetError(f"privacy: --adjacency must be {' or '.join(ADJACENCIES)}, got {word!r}.")


def _table(plan: ReleasePlan, spent: AccountedEpsilon) -> Table:
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


def _document(plan: ReleasePlan, multiplier: float, spent: AccountedEpsilon) -> dict[str, Any]:
    return {
        "noise_multiplier": spell_infinity(multiplier),
        "epsilon": spell_infinity(spent.epsilon),
        "delta": plan.delta,
        "releases": plan.releases,
        **plan.extra,
        "adjacency": plan.adjacency,
        "by_accountant": {name: spell_infinity(bound) for name, bound in spent.by_accountant.items()},
    }


def _draw(plan: ReleasePlan, multiplier: float, target: float | None, path: Path) -> None:
    from fedsilo.privacy.accounting.epsilon_curve import trace_epsilon
    from fedsilo.report.figures.budget_figure import draw_spending

    write = limit_rate(EVERY_S)

    def expenses(made: int) -> Sequence[AnyPrivacyEvent]:
        write(f"counting for the picture: epsilon of {made:,} of {plan.releases:,} releases")
        return plan.expenses(multiplier, made)

    curve = trace_epsilon(expenses, plan.releases, plan.delta, plan.adjacency)
    title = f"epsilon {_number(curve[-1].spent.epsilon)} with noise of {multiplier:.4g} times the bound"
    draw_spending(curve, path, title, f"{plan.words}, {plan.adjacency}", target)
