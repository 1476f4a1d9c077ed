"""The common part of differential privacy mechanisms: keys, clipping, noise for a budget, costs.

The protected unit is a client or an example.

- Unit "client": the change that a client uploads in an exchange is clipped as a whole to `clip_norm`.
- Unit "example": the gradient of every example is clipped to `clip_norm`, over all trained tensors together, and the
sum
  over a batch is divided by a public number, the batch size.

The mechanisms differ in who adds the noise, and where. The module of each one names its adversary, whom it trusts, and
what it guarantees. Common to all:

- Noise and samples are derived from the scenario's seed. The guarantee is that of a run whose seed is secret: a run
  measures what privacy costs. For a real release, `distributed` can draw exact noise from the operating system.
- The number of examples of each client is public: the sampling rate and the number of steps follow from it.
- Batches are Poisson samples or pieces of a shuffled list. The accountants give credit for sampling to Poisson samples
  only. With shuffled batches an example is counted in full, once for every pass over its client's data.
- Guarantees are about updates and shared states. Losses that a trusted coordinator gets, scores of evaluations, and a
  client's private state under unit "client" have no noise: docs/privacy.md lists what of a run may be published.

Source: Abadi et al., "Deep Learning with Differential Privacy", CCS 2016, arXiv:1607.00133; McMahan et al.,
"Learning Differentially Private Recurrent Language Models", ICLR 2018, arXiv:1710.06963.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from fedsilo.core import Budget, ExampleClipping, Mechanism, PrivacyContext, Release, State
from fedsilo.core.config_fields import key
from fedsilo.core.privacy_events import ADJACENCIES, Adjacency, AnyPrivacyEvent, PrivacyEvent
from fedsilo.privacy.clipping_and_noise import add_gaussian_noise, clip_change

CLIENT, EXAMPLE = "client", "example"
POISSON, SHUFFLED = "poisson", "shuffled"
STOP, WARN = "stop", "warn"
LARGEST_BATCH = 4
"""Bound on the sum over a Poisson batch, in expected batches; coordinates beyond it are cut."""
TAIL = 10
"""Bound on a coordinate's noise, in deviations; it is exceeded with probability 1e-23."""


@dataclass(frozen=True)
class DifferentialPrivacy(Mechanism):
    """Clipping, and Gaussian noise for a privacy budget."""

    uniform = True
    facts: ClassVar[PrivacyContext | None] = None
    multiplier: ClassVar[float] = math.nan
    """Noise deviation over the clip norm, once fitted."""
    planned: ClassVar[float] = math.nan
    """The epsilon that the planned run will have spent, once fitted."""

    unit: str = key(CLIENT, "What is protected: a whole client, or a single example.", CLIENT, EXAMPLE)
    adjacency: Adjacency = key(
        "zero_out",
        "Neighbouring data sets replace one unit with an empty one, or with another one (twice the distance).",
        *ADJACENCIES,
    )
    epsilon: float | None = key(
        None, "Epsilon of the run; the noise is solved for it. Or give noise_multiplier.", within="> 0"
    )
    noise_multiplier: float | None = key(
        None, "Noise deviation over clip_norm; its epsilon is counted. Or give epsilon.", within="in [0.001, 1e9]"
    )
    delta: float = key(1e-5, "Delta of the (epsilon, delta) guarantee.", within="in (0, 1)")
    clip_norm: float = key(
        1.0, "Largest L2 norm of a client's change in an exchange, or of an example's gradient.", within="> 0"
    )
    sampling: str = key(
        POISSON,
        "How batches are made: each example by a draw of its own, or pieces of a shuffled list.",
        POISSON,
        SHUFFLED,
    )
    tolerance: float = key(
        0.05,
        "Share of an example's gradient at the class features that may be moved to its most important classes, for "
        "speed; 0: exact. Privacy does not depend on it.",
        within="in [0, 1)",
    )
    budget: float | None = key(
        None, "Epsilon that a run may not exceed; null: `epsilon`, if it is given.", within="> 0"
    )
    on_budget: str = key(STOP, "What happens before a round that would exceed the budget.", STOP, WARN)

    def problems(self) -> list[str]:
        """Lists what is impossible in the fields, one line each."""
        if (self.epsilon is None) == (self.noise_multiplier is None):
            given = "neither is" if self.epsilon is None else "both are"
            return [f"epsilon: give either epsilon or noise_multiplier, {given} given."]
        return []

    def fit(self, facts: PrivacyContext) -> DifferentialPrivacy:
        """Solves the noise for the planned exchanges of a run.

        Args:
            facts: What is public about the run.

        Returns:
            A copy with `multiplier` and `planned` set.

        Raises:
            PrivacyBudgetError: No noise reaches the epsilon, or the least noise spends less.
        """
        from fedsilo.privacy.accounting.privacy_accountant import (
            PrivacyAccountant,  # here: it loads scipy, and clients never fit
        )

        fitted = replace(self)
        _set(fitted, facts=replace(facts, turns=()), federation=facts.federation, multiplier=1.0)
        plan = PrivacyAccountant()
        plan.take(facts.turns, fitted.expenses)
        _set(fitted, multiplier=self.noise_multiplier or fitted._solve_multiplier(plan.candidates()))
        costs = [fitted.cost(one, fitted.multiplier) for one in plan.candidates()]
        _set(fitted, planned=max(costs, default=0.0))
        return fitted

    def _solve_multiplier(self, plans: Sequence[tuple[AnyPrivacyEvent, ...]]) -> float:
        from fedsilo.privacy.accounting.noise_search import solve_for_plans

        assert self.epsilon is not None
        return solve_for_plans(self.epsilon, self.delta, plans, self.restate, self.adjacency)

    @property
    def by_example(self) -> bool:
        """Whether examples are the unit."""
        return self.unit == EXAMPLE

    @property
    def allows_stale(self) -> bool:  # type: ignore[override]
        """Whether updates may be stale: only with clients as the unit, and noise that is not added in shares.

        The change of a stale update is clipped against what the client received, and counts less later. A buffered mean
        holds a
        client's change at most once, with a weight of at most 1 / K, as a synchronous mean does.
        """
        return self.unit == CLIENT and not self.adds_shares

    @property
    def per_batch(self) -> bool:
        """Whether every batch's gradient must be sent: noise on a sum of examples is added before any step."""
        return self.unit == EXAMPLE

    @property
    def sensitivity(self) -> float:
        """Bound of one unit's contribution to a client's upload, as an L2 norm in the upload's units."""
        return self.clip_norm / self.fitted.batch_size if self.unit == EXAMPLE else self.clip_norm

    @property
    def deviation(self) -> float:
        """Noise per coordinate that protects the unit in one client's upload, in the upload's units."""
        return self.multiplier * self.sensitivity

    @property
    def fitted(self) -> PrivacyContext:
        """The context that the mechanism was fitted to."""
        assert self.facts is not None, "fit comes first"
        return self.facts

    @property
    def examples(self) -> ExampleClipping | None:
        """How examples are clipped, where they are the unit."""
        if self.unit != EXAMPLE:
            return None
        return ExampleClipping(self.clip_norm, self.fitted.batch_size, self.sampling == POISSON, self.tolerance)

    @property
    def coordinate_bound(self) -> float | None:
        """The clip norm of a client, or of as many examples as a batch is assumed to hold."""
        return self.clip_norm * (LARGEST_BATCH if self.unit == EXAMPLE else 1)

    @property
    def limit(self) -> float | None:
        """The budget; without one, the epsilon that the noise was solved for."""
        return self.budget if self.budget is not None else self.epsilon

    def protect_private(self, gradients: State, release: Release) -> State:
        """Adds noise to gradients that a client applies itself, where examples are the unit.

        Args:
            gradients: Sums of clipped gradients over the batch size, by tensor.
            release: The generator of the noise.

        Returns:
            The gradients with noise; unchanged where clients are the unit.
        """
        return add_gaussian_noise(gradients, self.deviation, release.generator) if self.unit == EXAMPLE else gradients

    def protect_client(self, upload: State, release: Release) -> State:
        """Clips the change of a client's upload, where clients are the unit.

        Args:
            upload: The upload, by tensor; examples were clipped one by one before.
            release: What the receiver knows of the upload's tensors already.

        Returns:
            The upload with its change clipped as a whole.
        """
        return clip_change(upload, release.reference, self.clip_norm) if self.unit == CLIENT else upload

    def expenses(self, client: int, exchange: int) -> tuple[AnyPrivacyEvent, ...]:
        """Computes what one exchange costs a client that takes part in the whole run.

        Args:
            client: The client's number.
            exchange: Exchange within the round.

        Returns:
            The privacy events. A pass over shuffled data is charged at its first exchange, and the others cost nothing.
        """
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
        """Finds the exchange at which a pass over a client's shuffled data begins.

        Args:
            client: The client's number.
            exchange: Exchange within the round.

        Returns:
            The first exchange of the pass; the exchange itself where there are no passes.
        """
        facts = self.fitted
        if self.unit == CLIENT or self.sampling == POISSON or not facts.gradients:
            return exchange
        return exchange - exchange % max(facts.sizes[client] // facts.batch_size, 1)

    def expense(self, rate: float, count: int) -> AnyPrivacyEvent:
        """Describes releases of the mechanism.

        Args:
            rate: Probability that a unit is in a release, in (0, 1].
            count: Number of releases.

        Returns:
            One privacy event with the fitted noise.
        """
        return PrivacyEvent(self.multiplier, rate, count)

    def cost(self, expenses: Sequence[AnyPrivacyEvent], multiplier: float) -> float:
        """Computes the epsilon of releases under another noise multiplier.

        Args:
            expenses: The releases.
            multiplier: Noise deviation over the clip norm.

        Returns:
            Epsilon at the mechanism's delta and adjacency.
        """
        from fedsilo.privacy.accounting.epsilon_bounds import epsilon

        return epsilon(self.restate(expenses, multiplier), self.delta, self.adjacency).epsilon

    def restate(self, expenses: Sequence[AnyPrivacyEvent], multiplier: float) -> tuple[AnyPrivacyEvent, ...]:
        """Describes the same releases under another noise multiplier.

        Args:
            expenses: The releases.
            multiplier: Noise deviation over the clip norm.

        Returns:
            One privacy event for each of them.
        """
        other = replace(self)
        _set(other, multiplier=multiplier)
        return tuple(other.expense(expense.rate, expense.count) for expense in expenses)

    def guarantee(self, epsilon: float) -> Budget | None:
        """States the guarantee for an epsilon.

        Args:
            epsilon: What the ledger has counted.

        Returns:
            The budget that was spent, with delta and unit; it holds under the module's assumptions.
        """
        return Budget(epsilon, self.delta, guaranteed=True, unit=self.unit)


def _set(mechanism: DifferentialPrivacy, **values: object) -> None:
    """Sets what fitting finds, which are no fields: fields are what a scenario says."""
    for name, value in values.items():
        object.__setattr__(mechanism, name, value)
