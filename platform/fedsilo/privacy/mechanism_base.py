"""What mechanisms of differential privacy have in common: their keys, the noise that a budget takes, what is spent.

Two units can be protected. A *client*: the change that it uploads in an exchange is clipped as a whole. An *example*:
every example's gradient is clipped, by all tensors that it is taken by together, and the sum over a batch is divided
by a public number. Who adds the noise, and where, is what the mechanisms differ in.

A batch is a Poisson sample, for which the accountants know how much hiding in a crowd is worth, or a piece of the
shuffled data, for which they do not: an example is then counted in full, once for every pass over its client's data.
How many examples a client has counts as public throughout: the rate and the number of steps follow from it.

Gaussian noise in floating point (float64), from a seed: this measures what privacy costs, it is no release to the
world. For that the shares of `distributed` can be exact and come from the operating system.

Source: Abadi et al., "Deep Learning with Differential Privacy", CCS 2016, arXiv:1607.00133; McMahan et al.,
"Learning Differentially Private Recurrent Language Models", ICLR 2018, arXiv:1710.06963.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from torch import Tensor

from fedsilo.core import Budget, ExampleClipping, Mechanism, PrivacyContext, Release, State
from fedsilo.core.config_fields import key
from fedsilo.core.errors import ClientError
from fedsilo.core.keyed_draws import KeyedGenerator
from fedsilo.core.privacy_events import ADJACENCIES, Adjacency, AnyPrivacyEvent, PrivacyEvent

CLIENT, EXAMPLE = "client", "example"
POISSON, SHUFFLED = "poisson", "shuffled"
STOP, WARN = "stop", "warn"
LARGEST_BATCH = 4
"""A sum over a Poisson batch is taken to stay within so many expected batches; coordinates beyond are cut."""
TAIL = 10
"""Deviations of noise within which a coordinate stays but for a probability of 1e-23."""
SLACK = 2.0**-20
"""By what a change is clipped shorter than its bound, so that rounding it to fp32 seldom takes it above again."""


@dataclass(frozen=True)
class DifferentialPrivacy(Mechanism):
    """Clipping, and Gaussian noise for a budget."""

    uniform = True
    facts: ClassVar[PrivacyContext | None] = None
    multiplier: ClassVar[float] = math.nan
    """Noise deviation over the clip norm, once fitted."""
    planned: ClassVar[float] = math.nan
    """The epsilon that the planned run will have spent, once fitted."""

    unit: str = key(CLIENT, "Whose presence is hidden: a whole client's, or a single example's.", CLIENT, EXAMPLE)
    adjacency: Adjacency = key(
        "zero_out",
        "What the unit's presence is compared with: nothing in its place, or another one, which is twice as far.",
        *ADJACENCIES,
    )
    epsilon: float | None = key(
        None, "What the run may spend; the noise is solved for it. Or give noise_multiplier.", within="> 0"
    )
    noise_multiplier: float | None = key(
        None, "Noise deviation over clip_norm; what it spends is counted. Or give epsilon.", within="in [0.001, 1e9]"
    )
    delta: float = key(1e-5, "Delta of the (epsilon, delta) guarantee.", within="in (0, 1)")
    clip_norm: float = key(
        1.0, "Largest L2 norm of a client's change in an exchange, or of an example's gradient.", within="> 0"
    )
    sampling: str = key(
        POISSON,
        "How examples come into batches: each by a draw of its own, or by cutting up a shuffled list.",
        POISSON,
        SHUFFLED,
    )
    tolerance: float = key(
        0.05,
        "Share of an example's gradient at the class features that may be moved to the classes that matter to it, for "
        "speed; 0: exact. Privacy does not depend on it.",
        within="in [0, 1)",
    )
    budget: float | None = key(
        None, "Epsilon that a run may not exceed; null: the one that the noise was solved for, if any.", within="> 0"
    )
    on_budget: str = key(STOP, "What happens before a round that would exceed the budget.", STOP, WARN)

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        if (self.epsilon is None) == (self.noise_multiplier is None):
            given = "neither is" if self.epsilon is None else "both are"
            return [f"epsilon: give either epsilon or noise_multiplier, {given} given."]
        return []

    def fit(self, facts: PrivacyContext) -> DifferentialPrivacy:
        """Returns the mechanism with its noise solved for the planned exchanges. Raises PrivacyBudgetError."""
        from fedsilo.privacy.accounting.accountant import (
            PrivacyAccountant,  # here: it loads scipy, and clients never fit
        )

        fitted = replace(self)
        _set(fitted, facts=replace(facts, turns=()), federation=facts.federation, multiplier=1.0)
        plan = PrivacyAccountant()
        plan.take(facts.turns, fitted.expenses)
        _set(fitted, multiplier=self.noise_multiplier or _solved(fitted, plan.candidates()))
        costs = [fitted.cost(one, fitted.multiplier) for one in plan.candidates()]
        _set(fitted, planned=max(costs, default=0.0))
        return fitted

    @property
    def by_example(self) -> bool:
        """Returns whether examples are the unit."""
        return self.unit == EXAMPLE

    @property
    def allows_stale(self) -> bool:  # type: ignore[override]
        """Returns whether a client is the unit: its change is clipped against what it received, and counts less later.

        A buffered mean holds a client's change once at the most, by a weight of at most 1 / K, as a synchronous one.
        """
        return self.unit == CLIENT and not self.adds_shares

    @property
    def per_batch(self) -> bool:
        """Returns whether every batch's gradient must be sent: noise on a sum of examples comes before any step."""
        return self.unit == EXAMPLE

    @property
    def sensitivity(self) -> float:
        """Returns the bound of the unit's contribution to a client's upload, in L2 norm and in the upload's units."""
        return self.clip_norm / self.fitted.batch_size if self.unit == EXAMPLE else self.clip_norm

    @property
    def deviation(self) -> float:
        """Returns the noise per coordinate that hides the unit in one client's upload, in the upload's units."""
        return self.multiplier * self.sensitivity

    @property
    def fitted(self) -> PrivacyContext:
        """Returns what the mechanism was fitted to."""
        assert self.facts is not None, "fit comes first"
        return self.facts

    @property
    def examples(self) -> ExampleClipping | None:
        """Returns how examples are clipped, where they are the unit."""
        if self.unit != EXAMPLE:
            return None
        return ExampleClipping(self.clip_norm, self.fitted.batch_size, self.sampling == POISSON, self.tolerance)

    @property
    def coordinate_bound(self) -> float | None:
        """Returns the clip norm of a client, or of as many examples as a batch is taken to hold."""
        return self.clip_norm * (LARGEST_BATCH if self.unit == EXAMPLE else 1)

    @property
    def limit(self) -> float | None:
        """Returns the budget; the epsilon that the noise was solved for, where none is given."""
        return self.budget if self.budget is not None else self.epsilon

    def protect_private(self, gradients: State, release: Release) -> State:
        """Returns gradients that a client steps along with noise, where examples are the unit; nobody else adds any."""
        return add_gaussian_noise(gradients, self.deviation, release.generator) if self.unit == EXAMPLE else gradients

    def protect_client(self, upload: State, release: Release) -> State:
        """Returns a client's upload with its change clipped as a whole; examples were clipped one by one before."""
        return clip_change(upload, release.reference, self.clip_norm) if self.unit == CLIENT else upload

    def protect_mean(self, mean: State, release: Release) -> State:
        """Returns the mean as it is."""
        return mean

    def expenses(self, client: int, exchange: int) -> tuple[AnyPrivacyEvent, ...]:
        """Returns what one exchange costs a client that takes part in all of the run: a pass costs at its beginning."""
        if self.unit == CLIENT:
            return (self.expense(1.0, 1),)
        facts = self.fitted
        size = facts.sizes[client]
        batches = max(size // facts.batch_size, 1)
        if self.sampling == POISSON:
            steps = 1 if facts.gradients else batches * facts.local_epochs
            return (self.expense(min(facts.batch_size, size) / size, steps),)
        if not facts.gradients:
            return (self.expense(1.0, facts.local_epochs),)
        return (self.expense(1.0, 1),) if self.pass_start(client, exchange) == exchange else ()

    def pass_start(self, client: int, exchange: int) -> int:
        """Returns the exchange that a pass over a client's shuffled data begins with; else the exchange itself."""
        facts = self.fitted
        if self.unit == CLIENT or self.sampling == POISSON or not facts.gradients:
            return exchange
        return exchange - exchange % max(facts.sizes[client] // facts.batch_size, 1)

    def expense(self, rate: float, count: int) -> AnyPrivacyEvent:
        """Returns so many releases of the mechanism, each at a sampling rate."""
        return PrivacyEvent(self.multiplier, rate, count)

    def cost(self, expenses: Sequence[AnyPrivacyEvent], multiplier: float) -> float:
        """Returns the epsilon of releases under another noise."""
        from fedsilo.privacy.accounting.accountants import epsilon

        return epsilon(self.restate(expenses, multiplier), self.delta, self.adjacency).epsilon

    def restate(self, expenses: Sequence[AnyPrivacyEvent], multiplier: float) -> tuple[AnyPrivacyEvent, ...]:
        """Returns the same releases under another noise."""
        other = replace(self)
        _set(other, multiplier=multiplier)
        return tuple(other.expense(expense.rate, expense.count) for expense in expenses)

    def guarantee(self, epsilon: float) -> Budget | None:
        """Returns the guarantee."""
        return Budget(epsilon, self.delta, guaranteed=True, unit=self.unit)


def add_gaussian_noise(state: State, deviation: float, generator: KeyedGenerator) -> dict[str, Tensor]:
    """Returns the tensors with Gaussian noise of a deviation per coordinate, drawn in the order of their names.

    Noise is drawn and added in float64; what is released is the sum, rounded to the tensors' own type.
    """
    return {name: _noisy(state[name], deviation, generator) for name in sorted(state)}


def _noisy(tensor: Tensor, deviation: float, generator: KeyedGenerator) -> Tensor:
    noise = deviation * generator.normal(tensor.shape)
    return (tensor.double() + noise.to(tensor.device)).to(tensor.dtype)


def clip_change(upload: State, known: State, norm: float) -> dict[str, Tensor]:
    """Returns the upload with its change from what is known scaled down, as a whole, to an L2 norm.

    Raises:
        ClientError: The change is not finite: what cannot be measured cannot be bounded.
    """
    change = {name: tensor.double() - known[name].double() for name, tensor in upload.items()}
    result, length, factor, slack = dict(upload), _distance(upload, known), 1.0, SLACK
    if not math.isfinite(length):
        raise ClientError(f"privacy.clip_norm: an update of norm {length} cannot be clipped. Lower the learning rate.")
    while length > norm:  # more than once where rounding beside large numbers has made it longer again
        factor *= norm / length * (1 - slack)
        result = {name: (known[name] + factor * tensor).to(upload[name].dtype) for name, tensor in change.items()}
        length, slack = _distance(result, known), min(2 * slack, 0.5)
    return result


def _distance(upload: State, known: State) -> float:
    """The L2 norm, over all tensors, of the difference of numbers as they are sent."""
    squares = ((tensor.double() - known[name].double()).square().sum() for name, tensor in upload.items())
    return math.sqrt(sum(float(square) for square in squares))


def _solved(mechanism: DifferentialPrivacy, plans: Sequence[tuple[AnyPrivacyEvent, ...]]) -> float:
    """The smallest multiplier under which no client's plan exceeds the epsilon: of the costliest one, and checked."""
    from fedsilo.privacy.accounting.noise_search import solve_multiplier

    target, delta, adjacency = mechanism.epsilon, mechanism.delta, mechanism.adjacency
    assert target is not None
    solved, left = 0.0, sorted(plans, key=_weight)
    while left:
        worst = left.pop()
        solved = max(solved, solve_multiplier(target, delta, partial(mechanism.restate, worst), adjacency))
        left = [plan for plan in left if mechanism.cost(plan, solved) > target]
    return solved or 1.0


def _weight(plan: Sequence[AnyPrivacyEvent]) -> float:
    """What a plan costs to first order: every release by the square of its rate."""
    return sum(expense.count * expense.rate**2 for expense in plan)


def _set(mechanism: DifferentialPrivacy, **values: object) -> None:
    """Sets what fitting finds; no fields, those are what a scenario says."""
    for name, value in values.items():
        object.__setattr__(mechanism, name, value)
