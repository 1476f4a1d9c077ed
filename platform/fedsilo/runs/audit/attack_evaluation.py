"""An attack tried out: on the audited run for its success, on shadow runs for what it says of epsilon.

Half of the shadow runs teach the attack, the other half are *trials*, whose membership it does not get to see. On them
the thresholds are chosen that are then used on the audited run, and from them comes the bound on epsilon: their
membership was drawn by fair coins, which that of the audited run was not. For the audited run itself the attack learns
from all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fedsilo.core.seeds import numpy_generator
from fedsilo.runs.audit.audited_images import Flags, Population
from fedsilo.runs.audit.binomial_bounds import rates_bound
from fedsilo.runs.audit.epsilon_bound import CONFIDENCE, Coins, OneRun, proved
from fedsilo.runs.audit.model_scores import Observation, Scores
from fedsilo.runs.audit.roc import Judged, Rates, best_threshold, by_chance, curve, rates, thinned

PERMUTATIONS = 1000
GUESSED = (0.02, 0.1, 0.5)
"""Shares of the canaries that the one-run bound guesses: half of them, the highest scores, in, and the lowest out."""


class Fitted(Protocol):
    """An attack that has learned."""

    def scores(self, seen: Observation, population: Population) -> Scores:
        """Returns (n,) scores; higher speaks for membership."""
        ...


class Attack(Protocol):
    """A way to tell members from others."""

    @property
    def name(self) -> str:
        """Returns its name, for people."""
        ...

    @property
    def decides_at(self) -> float | None:
        """Returns the score above which it calls an example a member; None: it has to be chosen on trials."""
        ...

    def fit(self, references: Sequence[Observation], population: Population) -> Fitted:
        """Returns the attack that has learned from runs whose membership it knows."""
        ...


@dataclass(frozen=True, slots=True)
class FromRates:
    """What epsilon the audited run's rates would exclude, were each of its examples a trial of its own.

    Attributes:
        epsilon: The number.
        threshold: The score that was the limit, chosen on the trials.
        true_positives: Members above it.
        false_positives: Others above it.
    """

    epsilon: float
    threshold: float
    true_positives: int
    false_positives: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What an attack found.

    Attributes:
        attack: Its name.
        rates: On the audited run.
        threshold: The score from which on it said "member" for the success rate.
        chance_low: 2.5 % of permutations of membership give less, for each rate.
        chance_high: 2.5 % give more.
        p_value: Share of permutations with at least this success, the run itself counted among them.
        epsilon: From the trials.
        if_independent: From the audited run's rates.
        roc: Points (false positive rate, true positive rate) of the curve.
    """

    attack: str
    rates: Rates
    threshold: float
    chance_low: Rates
    chance_high: Rates
    p_value: float
    epsilon: OneRun
    if_independent: FromRates
    roc: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What all attacks get to see.

    Attributes:
        population: The rows.
        target: The audited run.
        shadows: The shadow runs.
        delta: At which epsilon is asked for.
        seed: Of permutations.
        shuffle: Whether membership of everything that is judged is dealt anew by chance, which no attack can tell.
    """

    population: Population
    target: Observation
    shadows: Sequence[Observation]
    delta: float
    seed: int
    shuffle: bool = False

    @property
    def references(self) -> Sequence[Observation]:
        """Returns the shadow runs that teach."""
        return self.shadows[::2]

    @property
    def trials(self) -> Sequence[Observation]:
        """Returns those that are tried."""
        return self.shadows[1::2]

    def on_target(self, fitted: Fitted) -> Judged:
        """Returns the audited run's examples: comparable ones, really trained on or not at all."""
        found = self._scored(fitted, self.target, self.population.comparable & self.target.sound)
        return found.shuffled(self._control(0)) if self.shuffle else found

    def on_trials(self, fitted: Fitted) -> Judged:
        """Returns such examples of all trials."""
        found = _joined(self._scored(fitted, seen, self.population.comparable & seen.sound) for seen in self.trials)
        return found.shuffled(self._control(1)) if self.shuffle else found

    def canaries(self, fitted: Fitted) -> Judged:
        """Returns the canaries of all trials, in a batch or not: epsilon is about what a client holds."""
        found = _joined(self._scored(fitted, seen, seen.canaries) for seen in self.trials)
        # Not a permutation inside classes: how many of a class are in is told by the coins, and by the models.
        return found.tossed(self._control(2)) if self.shuffle else found

    def _scored(self, fitted: Fitted, seen: Observation, rows: Flags) -> Judged:
        return Judged(fitted.scores(seen, self.population)[rows], seen.members[rows], self.population.labels[rows])

    def _control(self, number: int) -> np.random.Generator:
        return numpy_generator(self.seed, "audit shuffle", step=number)


def judge(attack: Attack, evidence: Evidence, among: int = 1) -> Finding:
    """Returns what an attack finds.

    Args:
        attack: The attack.
        evidence: What it gets to see.
        among: Attacks that are tried; their bounds on epsilon hold together, so that the best of them can be said.
    """
    half = attack.fit(evidence.references, evidence.population)
    trials, canaries = evidence.on_trials(half), evidence.canaries(half)
    target = evidence.on_target(attack.fit(evidence.shadows, evidence.population))
    threshold = best_threshold(trials) if attack.decides_at is None else attack.decides_at
    found = rates(target, threshold)
    low, high, p_value = _chance(target, threshold, found, evidence.seed)
    return Finding(
        attack=attack.name,
        rates=found,
        threshold=threshold,
        chance_low=low,
        chance_high=high,
        p_value=p_value,
        epsilon=_one_run(canaries, len(evidence.trials), evidence.delta, among),
        if_independent=_from_rates(target, trials, evidence.delta),
        roc=thinned(*curve(target.scores, target.members)),
    )


def _joined(parts: Iterable[Judged]) -> Judged:
    every = list(parts)
    return Judged(
        np.concatenate([part.scores for part in every]),
        np.concatenate([part.members for part in every]),
        np.concatenate([part.labels for part in every]),
    )


def _chance(target: Judged, threshold: float, found: Rates, seed: int) -> tuple[Rates, Rates, float]:
    """The middle 95 % of what permuted membership gives, and the share that is as successful as what was found."""
    generator = numpy_generator(seed, "audit permutations")
    table = np.array(
        [(one.success, one.auc, one.tpr_at_low_fpr) for one in by_chance(target, threshold, PERMUTATIONS, generator)]
    )
    low, high = (Rates(*map(float, np.quantile(table, end, axis=0))) for end in (0.025, 0.975))
    as_good = int((table[:, 0] >= found.success).sum())
    return low, high, (1 + as_good) / (1 + PERMUTATIONS)


def _one_run(canaries: Judged, runs: int, delta: float, among: int) -> OneRun:
    """The best bound over the shares that are guessed; all of them, by all attacks, share the chance of error."""
    total, order = len(canaries.scores), np.argsort(canaries.scores, kind="stable")
    tried = []
    for share in GUESSED:
        each = int(share * total / 2)
        right = int(canaries.members[order[total - each :]].sum() + (~canaries.members[order[:each]]).sum())
        tried.append((2 * each, right))
    return proved(Coins(total, runs, delta), tried, among)


def _from_rates(target: Judged, trials: Judged, delta: float) -> FromRates:
    """At the threshold that would have given most, had the trials been as many examples as there are."""
    members, others = int(target.members.sum()), int((~target.members).sum())
    false, true = curve(trials.scores, trials.members)
    expected = rates_bound(np.floor(true * members), members, np.ceil(false * others), others, delta, CONFIDENCE)
    best = int(expected.argmax())
    threshold = float(np.append(np.inf, np.unique(trials.scores)[::-1])[best])
    above = target.scores >= threshold
    hits, misses = int(above[target.members].sum()), int(above[~target.members].sum())
    bound = float(rates_bound(hits, members, misses, others, delta, CONFIDENCE))
    return FromRates(bound, threshold, hits, misses)
