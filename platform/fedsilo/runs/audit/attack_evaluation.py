"""Evaluates an attack: its success on the audited run, and the lower bound on epsilon from shadow runs.

Half of the shadow runs train the attack. The other half are *trials*, whose membership the attack does not see. The
trials choose the thresholds for the audited run, and they give the bound on epsilon, because fair coins decided their
membership; the membership of the audited run was not decided by coins. For the audited run itself the attack is trained
on all shadow runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fedsilo.core.seeds import numpy_generator
from fedsilo.runs.audit.attack_protocol import Attack, Fitted
from fedsilo.runs.audit.audited_images import Flags, Population
from fedsilo.runs.audit.binomial_bounds import rates_bound
from fedsilo.runs.audit.epsilon_bound import CONFIDENCE, Coins, OneRun, prove_bound
from fedsilo.runs.audit.model_scores import Observation
from fedsilo.runs.audit.roc import (
    Rates,
    ScoredExamples,
    compute_curve,
    compute_rates,
    find_threshold,
    permute_rates,
    thin,
)

PERMUTATIONS = 1000
GUESSED = (0.02, 0.1, 0.5)
"""Shares of the canaries that the one-run bound guesses: the highest scores as members, the lowest as others."""


@dataclass(frozen=True, slots=True)
class FromRates:
    """Epsilon that the audited run's rates would exclude if each of its images were an independent trial.

    Attributes:
        epsilon: The value.
        threshold: Score of the threshold, chosen on the trials.
        true_positives: Members above the threshold.
        false_positives: Other images above the threshold.
    """

    epsilon: float
    threshold: float
    true_positives: int
    false_positives: int


@dataclass(frozen=True, slots=True)
class AttackResult:
    """The result of an attack.

    Attributes:
        attack: Name of the attack.
        rates: Its rates on the audited run.
        threshold: Score above which an image is called a member, for the success rate.
        chance_low: For each rate, the value that 2.5 % of permutations of membership fall below.
        chance_high: For each rate, the value that 2.5 % of permutations exceed.
        p_value: Share of permutations with at least this success; the run itself counts as one.
        epsilon: Lower bound on epsilon from the trials.
        if_independent: Epsilon from the audited run's rates, which is no bound.
        roc: Points (false positive rate, true positive rate) of the ROC curve.
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
    """The data that all attacks receive.

    Attributes:
        population: The rows.
        target: The audited run.
        shadows: The shadow runs.
        delta: Delta of the bound on epsilon.
        seed: Seed of the permutations.
        shuffle: Whether all evaluated membership is replaced by chance, as a control: no attack can then succeed.
    """

    population: Population
    target: Observation
    shadows: Sequence[Observation]
    delta: float
    seed: int
    shuffle: bool = False

    @property
    def references(self) -> Sequence[Observation]:
        """Shadow runs that train the attack."""
        return self.shadows[::2]

    @property
    def trials(self) -> Sequence[Observation]:
        """Shadow runs on which the attack is tried."""
        return self.shadows[1::2]

    def score_target(self, fitted: Fitted) -> ScoredExamples:
        """Scores the comparable images of the audited run that were trained on, or not at all.

        Args:
            fitted: The attack after training.

        Returns:
            Scores with the true membership.
        """
        found = self._score(fitted, self.target, self.population.comparable & self.target.sound)
        return found.permute_members(self._control(0)) if self.shuffle else found

    def score_trials(self, fitted: Fitted) -> ScoredExamples:
        """Scores the comparable images of all trials that were trained on, or not at all.

        Args:
            fitted: The attack after training.

        Returns:
            Scores with the true membership.
        """
        found = _join(self._score(fitted, seen, self.population.comparable & seen.sound) for seen in self.trials)
        return found.permute_members(self._control(1)) if self.shuffle else found

    def score_canaries(self, fitted: Fitted) -> ScoredExamples:
        """Scores the canaries of all trials.

        Canaries that were in no batch count too, because epsilon is about what a client holds.

        Args:
            fitted: The attack after training.

        Returns:
            Scores with the true membership.
        """
        found = _join(self._score(fitted, seen, seen.canaries) for seen in self.trials)
        # Not a permutation within classes: the models reveal how many images of a class are in, and so do the coins.
        return found.toss_members(self._control(2)) if self.shuffle else found

    def _score(self, fitted: Fitted, seen: Observation, rows: Flags) -> ScoredExamples:
        return ScoredExamples(
            fitted.scores(seen, self.population)[rows], seen.members[rows], self.population.labels[rows]
        )

    def _control(self, number: int) -> np.random.Generator:
        return numpy_generator(self.seed, "audit shuffle", step=number)


def judge(attack: Attack, evidence: Evidence, among: int = 1) -> AttackResult:
    """Evaluates an attack.

    Args:
        attack: The attack.
        evidence: The data that it receives.
        among: Number of attacks that are evaluated. Their bounds on epsilon hold together, so the best one can be
            reported.

    Returns:
        The result.
    """
    half = attack.fit(evidence.references, evidence.population)
    trials, canaries = evidence.score_trials(half), evidence.score_canaries(half)
    target = evidence.score_target(attack.fit(evidence.shadows, evidence.population))
    threshold = find_threshold(trials) if attack.decides_at is None else attack.decides_at
    found = compute_rates(target, threshold)
    low, high, p_value = _chance(target, threshold, found, evidence.seed)
    return AttackResult(
        attack=attack.name,
        rates=found,
        threshold=threshold,
        chance_low=low,
        chance_high=high,
        p_value=p_value,
        epsilon=_one_run(canaries, len(evidence.trials), evidence.delta, among),
        if_independent=_from_rates(target, trials, evidence.delta),
        roc=thin(*compute_curve(target.scores, target.members)),
    )


def _join(parts: Iterable[ScoredExamples]) -> ScoredExamples:
    every = list(parts)
    return ScoredExamples(
        np.concatenate([part.scores for part in every]),
        np.concatenate([part.members for part in every]),
        np.concatenate([part.labels for part in every]),
    )


def _chance(target: ScoredExamples, threshold: float, found: Rates, seed: int) -> tuple[Rates, Rates, float]:
    """The middle 95 % of the rates of permuted membership, and the share of permutations that are as successful."""
    generator = numpy_generator(seed, "audit permutations")
    table = np.array(
        [
            (one.success, one.auc, one.tpr_at_low_fpr)
            for one in permute_rates(target, threshold, PERMUTATIONS, generator)
        ]
    )
    low, high = (Rates(*map(float, np.quantile(table, end, axis=0))) for end in (0.025, 0.975))
    as_good = int((table[:, 0] >= found.success).sum())
    return low, high, (1 + as_good) / (1 + PERMUTATIONS)


def _one_run(canaries: ScoredExamples, runs: int, delta: float, among: int) -> OneRun:
    """The best bound over the shares that are guessed. All shares and all attacks divide the error probability."""
    total, order = len(canaries.scores), np.argsort(canaries.scores, kind="stable")
    tried = []
    for share in GUESSED:
        each = int(share * total / 2)
        right = int(canaries.members[order[total - each :]].sum() + (~canaries.members[order[:each]]).sum())
        tried.append((2 * each, right))
    return prove_bound(Coins(total, runs, delta), tried, among)


def _from_rates(target: ScoredExamples, trials: ScoredExamples, delta: float) -> FromRates:
    """Uses the threshold with the largest epsilon on the trials, scaled to the number of images of the audited run."""
    members, others = int(target.members.sum()), int((~target.members).sum())
    false, true = compute_curve(trials.scores, trials.members)
    expected = rates_bound(np.floor(true * members), members, np.ceil(false * others), others, delta, CONFIDENCE)
    best = int(expected.argmax())
    threshold = float(np.append(np.inf, np.unique(trials.scores)[::-1])[best])
    above = target.scores >= threshold
    hits, misses = int(above[target.members].sum()), int(above[~target.members].sum())
    bound = float(rates_bound(hits, members, misses, others, delta, CONFIDENCE))
    return FromRates(bound, threshold, hits, misses)
