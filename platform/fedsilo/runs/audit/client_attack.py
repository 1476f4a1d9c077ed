"""The attack on whole clients: which clients contributed to a run, told from the shared states of all its rounds.

The attacker of the definition of differential privacy knows everything but the noise and the secret: all data, all
seeds of training, the initial state. So it can compute, round by round and from the shared state that was really
published, what every client would send, clipped as the mechanism promises. What was published is then

    shared[r + 1] - shared[r] = sum over clients j of b[j] change[j, r] + noise,

linear in the coins b[j] in {0, 1}. With a normal prior of the coins' mean and variance, and the noise estimated from
what the changes leave unexplained, the posterior of b is normal, and a coin's score is its log likelihood ratio.

Nothing has to be learnt from other runs, so every shadow run is tried. In each one a fair coin per client says whether
it contributes (`absence.Absence`), which is what the bound of one run needs.

Source: the posterior is ordinary Bayesian linear regression; scoring clients by what they contribute to published sums
as in Andrew et al., "One-shot Empirical Privacy Estimation for Federated Learning", ICLR 2024, arXiv:2302.03098, with
real clients in place of random ones; the bound is Steinke et al.'s, see `bounds`.

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
from fedsilo.privacy.mechanism_base import DifferentialPrivacy, clipped
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
"""How many times what was promised clients may have contributed, 1 to 32: a clip norm may be too large."""
LEAST_NOISE = 1e-12
"""Smallest variance of the noise, as a share of the mean square of what was published: rounding to fp32."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What was published, against what clients would contribute, summed over all coordinates of all rounds.

    Attributes:
        products: (n, n) inner products of the clients' contributions.
        explained: (n,) inner products of contributions and what was published.
        square: Squared length of what was published.
        coordinates: D.
    """

    products: Scores
    explained: Scores
    square: float
    coordinates: int


def why_not(run: Run) -> str:
    """Returns why the clients of a run cannot be attacked, "" where they can."""
    scenario, name = run.scenario, name_of(run.scenario.method)
    if not scenario.method.allows_stale or not scenario.method.uploads:
        return (
            f"method '{name}' does not send the result of a whole round to be merely averaged, so what a client would "
            "contribute cannot be computed from the shared states of the rounds"
        )
    if Schedule(scenario.method, scenario.training, (1,), 0, scenario.pace, scenario.trace).paced:
        return "clients that are late, away or behind contribute in other rounds than the attack reckons with"
    if any(client.deviations for client in run.manifest.clients) or scenario.partition.unseen.classes:
        return "clients with labels of their own, altered images or unseen parties cannot be dealt again"
    return ""


def scores_of(shadow: Run, method: Method, progress: Progress) -> Scores:
    """Returns (n,) log likelihood ratios that a client contributed to a shadow run; higher speaks for it.

    Args:
        shadow: A finished shadow run with the checkpoints of all its rounds.
        method: The audited run's method.
        progress: Told how far the features are.
    """
    return log_ratios(_summed(shadow, method, progress))


def log_ratios(sums: Sums) -> Scores:
    """Returns (n,) log likelihood ratios of b = 1 over b = 0, all other coins being unknown.

    All changes are taken to be as many times as long as what was published makes likeliest, of `SCALES`.
    """
    noise = _noise(sums)
    sums = max((_scaled(sums, scale) for scale in SCALES), key=lambda one: _evidence(one, noise))
    count = len(sums.explained)
    precision = sums.products / noise + np.eye(count) / PRIOR_VARIANCE
    surprise = (sums.explained - sums.products @ np.full(count, PRIOR_MEAN)) / noise
    found: Scores = np.linalg.solve(precision, surprise) / np.diag(np.linalg.inv(precision))
    return found


def _scaled(sums: Sums, scale: float) -> Sums:
    """The sums if clients had contributed so many times what was promised."""
    return replace(sums, products=scale**2 * sums.products, explained=scale * sums.explained)


def _evidence(sums: Sums, noise: float) -> float:
    """The log probability density of what was published, up to a constant: normal, by the prior of the coins."""
    count = len(sums.explained)
    mean = np.full(count, PRIOR_MEAN)
    square = sums.square - 2 * mean @ sums.explained + mean @ sums.products @ mean
    explained = sums.explained - sums.products @ mean
    share = np.eye(count) * noise / PRIOR_VARIANCE + sums.products
    weighed = (square - explained @ np.linalg.solve(share, explained)) / noise
    return float(-0.5 * (weighed + np.linalg.slogdet(share * PRIOR_VARIANCE / noise)[1]))


def _noise(sums: Sums) -> float:
    """The variance of the noise: what the changes, each of any length, leave unexplained."""
    best = np.linalg.lstsq(sums.products, sums.explained, rcond=None)[0]
    left = sums.square - 2 * best @ sums.explained + best @ sums.products @ best
    freedom = max(sums.coordinates - len(best), 1)
    least = max(LEAST_NOISE * sums.square / sums.coordinates, float(np.finfo(np.float64).tiny))
    return max(float(left) / freedom, least)


def guesses(scores: Scores, there: Flags, share: float) -> tuple[int, int]:
    """Returns how many coins are guessed, those with the clearest scores, and how many of the guesses are right.

    Args:
        scores: (m,) of all coins of all trials.
        there: (m,) the coins.
        share: Share of the coins that is guessed, in (0, 1].
    """
    chosen = np.argsort(-np.abs(scores), kind="stable")[: int(share * len(scores))]
    return len(chosen), int(((scores[chosen] > 0) == there[chosen]).sum())


def _summed(shadow: Run, method: Method, progress: Progress) -> Sums:
    scenario = shadow.scenario
    prepared = prepare(scenario, [method], SerialRuntime(scenario.backbone.device), progress)
    rules = ClientRules(scenario.seed, scenario.training, scenario.evaluation.batch_size, scenario.task)
    portions = map(prepared.warehouse.portion, prepared.claims)
    backend = SerialBackend([Client(portion, prepared.model, rules) for portion in portions])
    backend.set_method(method, NoMechanism())
    n = len(prepared.manifest.clients)
    products, explained, square, coordinates = np.zeros((n, n)), np.zeros(n), 0.0, 0
    for published, changes in _rounds(shadow, method, backend, method.initial_shared(prepared.model, scenario.seed)):
        products += changes @ changes.T
        explained += changes @ published
        square, coordinates = square + float(published @ published), coordinates + len(published)
    return Sums(products, explained, square, coordinates)


def _rounds(
    shadow: Run, method: Method, backend: SerialBackend, initial: State
) -> Iterator[tuple[Scores, NDArray[np.float64]]]:
    """Yields, for each round, what was published (d,) and what every client would contribute to it (n, d)."""
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
            sent = _promised(scenario, to_tensors(update.tensors), before)
            changes[update.client] = weight * (vector(sent) - vector(before))
        yield vector(after) - vector(before), changes
        before = after


def _promised(scenario: Scenario, upload: State, known: State) -> State:
    """An upload as the mechanism promises to clip it."""
    mechanism = scenario.privacy
    return clipped(upload, known, mechanism.clip_norm) if isinstance(mechanism, DifferentialPrivacy) else upload


def _weights(scenario: Scenario, sizes: list[int]) -> list[float]:
    """What each participant counts in the mean."""
    alike = scenario.privacy.uniform or scenario.method.uniform
    if alike or getattr(scenario.aggregation, "weights", "examples") == "uniform":
        return [1 / len(sizes)] * len(sizes)
    return [size / sum(sizes) for size in sizes]


def _vector(state: State, names: tuple[str, ...]) -> Scores:
    return np.concatenate([state[name].double().cpu().numpy().ravel() for name in sorted(names)])


def refuse(run: Run) -> None:
    """Raises RunError where the clients of a run cannot be attacked, with the reason."""
    if reason := why_not(run):
        raise RunError(
            f"{run.folder}: unit client: {reason}. Nothing that this audit can do contradicts an epsilon per client "
            "here."
        )
