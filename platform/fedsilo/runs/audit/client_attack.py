"""The attack on whole clients: from the shared states of all rounds it infers which clients contributed to a run.

The attacker in the definition of differential privacy knows everything except the noise and the secret: all data, all
seeds of training, the initial state. So for each round it can compute, from the published shared state, what every
client would send, clipped as the mechanism promises. The published change of the shared state is then

    shared[r + 1] - shared[r] = sum over clients j of b[j] change[j, r] + noise,

which is linear in the coins b[j] in {0, 1}. With a normal prior that has the coins' mean and variance, and the noise
estimated from the residual of the changes, the posterior of b is normal. The score of a coin is its log likelihood
ratio.

The attack learns nothing from other runs, so every shadow run is a trial. In each one a fair coin per client decides
whether the client contributes (`absent_clients.Absence`), as the bound of one run requires.

Source: the posterior is ordinary Bayesian linear regression; clients are scored by their contributions to published
sums as in Andrew et al., "One-shot Empirical Privacy Estimation for Federated Learning", ICLR 2024, arXiv:2302.03098,
with real clients in the place of random ones; the bound is from Steinke et al., see `binomial_bounds`.

Dimensions: n clients, D coordinates of all uploads of a run together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fedsilo.config.sections import Scenario
from fedsilo.core import ClientTask, Method, Progress, State
from fedsilo.core.errors import RunError
from fedsilo.core.registry import name_of
from fedsilo.core.state import to_arrays, to_tensors
from fedsilo.privacy.clipping_and_noise import clip_change
from fedsilo.privacy.mechanism_base import DifferentialPrivacy
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.audited_images import Flags
from fedsilo.runs.audit.model_scores import Scores
from fedsilo.simulation.client import Client, ClientRules
from fedsilo.simulation.preparation import prepare
from fedsilo.simulation.schedule import Schedule
from fedsilo.simulation.serial import SerialBackend, SerialRuntime
from fedsilo.storage.checkpoints import Checkpoints

PRIOR_MEAN, PRIOR_VARIANCE = 0.5, 0.25
SCALES = tuple(2.0 ** (step / 2) for step in range(11))
"""Factors, 1 to 32, by which contributions may be larger than promised: a clip norm may be too large."""
LEAST_NOISE = 1e-12
"""Smallest variance of the noise, as a share of the mean square of what was published, for rounding to fp32."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Inner products of what was published with what clients would contribute, over all coordinates of all rounds.

    Attributes:
        products: Inner products (n, n) of the clients' contributions.
        explained: Inner products (n,) of the contributions with what was published.
        square: Squared norm of what was published.
        coordinates: Number of coordinates, D.
    """

    products: Scores
    explained: Scores
    square: float
    coordinates: int


def explain_refusal(run: Run) -> str:
    """Checks whether the clients of a run can be attacked.

    Args:
        run: The run.

    Returns:
        The reason why not; "" where they can.
    """
    scenario, name = run.scenario, name_of(run.scenario.method)
    if not scenario.method.allows_stale or not scenario.method.uploads:
        return (
            f"method '{name}' does not just average the results of whole rounds, so a client's contribution cannot "
            "be computed from the shared states of the rounds"
        )
    if Schedule(scenario.method, scenario.training, (1,), 0, scenario.stragglers, scenario.availability).timed:
        return "clients that are late, offline or stale contribute in other rounds than the attack assumes"
    if any(client.deviations for client in run.manifest.clients) or scenario.partition.unseen.classes:
        return "clients with their own labels, altered images, unseen clients or unseen classes cannot be dealt again"
    return ""


def score_clients(shadow: Run, method: Method, progress: Progress) -> Scores:
    """Scores the clients of a shadow run.

    Args:
        shadow: A finished shadow run with the checkpoints of all its rounds.
        method: The audited run's method.
        progress: Called while features are computed: progress(stage, done, total).

    Returns:
        Log likelihood ratios (n,) that a client contributed; a higher value speaks for it.
    """
    return compute_log_ratios(_sum_contributions(shadow, method, progress))


def compute_log_ratios(sums: Sums) -> Scores:
    """Computes the log likelihood ratio of b = 1 over b = 0 for each client, with all other coins unknown.

    All changes are scaled by the factor in `SCALES` that makes the published states most likely.

    Args:
        sums: Inner products of a run.

    Returns:
        Log likelihood ratios (n,).
    """
    noise = _noise(sums)
    sums = max((_scale(sums, scale) for scale in SCALES), key=lambda one: _evidence(one, noise))
    count = len(sums.explained)
    precision = sums.products / noise + np.eye(count) / PRIOR_VARIANCE
    surprise = (sums.explained - sums.products @ np.full(count, PRIOR_MEAN)) / noise
    found: Scores = np.linalg.solve(precision, surprise) / np.diag(np.linalg.inv(precision))
    return found


def _scale(sums: Sums, scale: float) -> Sums:
    """The sums for contributions that are `scale` times as long."""
    return replace(sums, products=scale**2 * sums.products, explained=scale * sums.explained)


def _evidence(sums: Sums, noise: float) -> float:
    """Log probability density of what was published under the prior of the coins, up to a constant."""
    count = len(sums.explained)
    mean = np.full(count, PRIOR_MEAN)
    square = sums.square - 2 * mean @ sums.explained + mean @ sums.products @ mean
    explained = sums.explained - sums.products @ mean
    share = np.eye(count) * noise / PRIOR_VARIANCE + sums.products
    weighed = (square - explained @ np.linalg.solve(share, explained)) / noise
    return float(-0.5 * (weighed + np.linalg.slogdet(share * PRIOR_VARIANCE / noise)[1]))


def _noise(sums: Sums) -> float:
    """Variance of the noise: what the changes, each with a free factor, leave unexplained."""
    best = np.linalg.lstsq(sums.products, sums.explained, rcond=None)[0]
    left = sums.square - 2 * best @ sums.explained + best @ sums.products @ best
    freedom = max(sums.coordinates - len(best), 1)
    least = max(LEAST_NOISE * sums.square / sums.coordinates, float(np.finfo(np.float64).tiny))
    return max(float(left) / freedom, least)


def guess_coins(scores: Scores, there: Flags, share: float) -> tuple[int, int]:
    """Guesses the coins with the clearest scores.

    Args:
        scores: Scores (m,) of all coins of all trials.
        there: The coins (m,).
        share: Share of the coins that is guessed, in (0, 1].

    Returns:
        Number of guesses, and number of correct guesses.
    """
    chosen = np.argsort(-np.abs(scores), kind="stable")[: int(share * len(scores))]
    return len(chosen), int(((scores[chosen] > 0) == there[chosen]).sum())


def _sum_contributions(shadow: Run, method: Method, progress: Progress) -> Sums:
    scenario = shadow.scenario
    prepared = prepare(scenario, [method], SerialRuntime(scenario.backbone.device), progress)
    rules = ClientRules(scenario.seed, scenario.training, scenario.evaluation.batch_size, scenario.task)
    portions = map(prepared.warehouse.portion, prepared.claims)
    backend = SerialBackend([Client(portion, prepared.model, rules) for portion in portions])
    backend.set_method(method, NoMechanism())
    n = len(prepared.manifest.clients)
    products, explained, square, coordinates = np.zeros((n, n)), np.zeros(n), 0.0, 0
    for published, changes in _rounds(
        shadow, method, backend, method.initial_shared(prepared.model.seen_only(), scenario.seed)
    ):
        products += changes @ changes.T
        explained += changes @ published
        square, coordinates = square + float(published @ published), coordinates + len(published)
    return Sums(products, explained, square, coordinates)


def _rounds(
    shadow: Run, method: Method, backend: SerialBackend, initial: State
) -> Iterator[tuple[Scores, NDArray[np.float64]]]:
    """Yields for each round what was published (d,), and what every client would contribute to it (n, d)."""
    scenario, sizes = shadow.scenario, shadow.manifest.training_sizes
    schedule = Schedule(method, scenario.training, sizes, scenario.seed)
    checkpoints = Checkpoints(shadow.folder / "checkpoints", scenario.training.rounds)
    vector, before = partial(_vector, names=method.uploads), to_tensors(to_arrays(initial))
    for round in range(scenario.training.rounds):
        after = checkpoints.of(round).shared
        participants = schedule.participants(round)
        tasks = {c: ClientTask(round, 0, to_arrays(method.download(before, c))) for c in participants}
        weights = _weights(scenario, [sizes[client] for client in participants])
        changes = np.zeros((len(sizes), len(vector(before))))
        for weight, update in zip(weights, backend.train(tasks), strict=True):
            sent = _clip(scenario, to_tensors(update.tensors), before)
            changes[update.client] = weight * (vector(sent) - vector(before))
        yield vector(after) - vector(before), changes
        before = after


def _clip(scenario: Scenario, upload: State, known: State) -> State:
    """An upload as the mechanism promises to clip it."""
    mechanism = scenario.privacy
    return clip_change(upload, known, mechanism.clip_norm) if isinstance(mechanism, DifferentialPrivacy) else upload


def _weights(scenario: Scenario, sizes: list[int]) -> list[float]:
    """Weight of each participant in the mean."""
    alike = scenario.privacy.uniform or scenario.method.uniform
    if alike or getattr(scenario.aggregation, "weights", "examples") == "uniform":
        return [1 / len(sizes)] * len(sizes)
    return [size / sum(sizes) for size in sizes]


def _vector(state: State, names: tuple[str, ...]) -> Scores:
    return np.concatenate([state[name].double().cpu().numpy().ravel() for name in sorted(names)])


def refuse(run: Run) -> None:
    """Refuses a run whose clients cannot be attacked.

    Args:
        run: The run.

    Raises:
        RunError: The clients cannot be attacked; the error has the reason.
    """
    if reason := explain_refusal(run):
        raise RunError(
            f"{run.folder}: unit client: {reason}. This audit cannot contradict an epsilon per client of this run."
        )
