import math

import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import norm

from fedsilo.contracts import Release, State
from fedsilo.privacy.central import Central
from fedsilo.privacy.none import NoMechanism
from fedsilo.seeds import torch_generator


def exact_epsilon(noise_multiplier: float, releases: int, delta: float) -> float:
    """The exact curve of composed Gaussians (Balle & Wang 2018): mu = sqrt(T) / z."""
    mu = math.sqrt(releases) / noise_multiplier

    def gap(epsilon: float) -> float:
        upper = norm.cdf(mu / 2 - epsilon / mu)
        return float(upper - math.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu) - delta)

    return float(brentq(gap, 0, 200))


@pytest.mark.parametrize(("noise", "releases"), [(1.0, 1), (2.0, 10), (5.0, 100)])
def test_the_reported_epsilon_is_an_upper_bound_and_not_far_above_the_exact_one(noise: float, releases: int) -> None:
    spent = Central(noise_multiplier=noise, clip_norm=1.0, delta=1e-5).spent(releases)
    assert spent is not None
    exact = exact_epsilon(noise, releases, 1e-5)
    assert exact <= spent.epsilon <= 1.2 * exact + 0.05


def test_more_rounds_cost_more_and_more_noise_costs_less() -> None:
    def epsilon(noise: float, releases: int) -> float:
        spent = Central(noise_multiplier=noise).spent(releases)
        assert spent is not None
        return spent.epsilon

    assert epsilon(1, 1) < epsilon(1, 2) < epsilon(1, 50)
    assert epsilon(2, 10) < epsilon(1, 10)


def knowing(reference: State) -> Release:
    return Release(reference, 1, torch.Generator())


def test_a_client_s_change_is_clipped_as_a_whole_and_small_ones_are_left_alone() -> None:
    shared = {"a": torch.ones(3), "b": torch.zeros(2, 2)}
    upload = {"a": torch.tensor([1.0, 1.0, 4.0]), "b": torch.full((2, 2), 2.0)}
    clipped = Central(clip_norm=1.0).protect_client(upload, knowing(shared))
    change = {name: clipped[name] - shared[name] for name in shared}
    assert math.isclose(sum(float((c**2).sum()) for c in change.values()), 1.0, rel_tol=1e-5)
    assert torch.allclose(change["a"] * 5, upload["a"] - shared["a"], atol=1e-5)
    small = {"a": shared["a"] + 0.1, "b": shared["b"]}
    kept = Central(clip_norm=1.0).protect_client(small, knowing(shared))
    assert all(torch.allclose(kept[name], small[name]) for name in small)


def test_the_noise_has_the_stated_deviation_and_its_own_stream_per_round() -> None:
    mechanism = Central(noise_multiplier=2.0, clip_norm=3.0)
    mean = {"a": torch.zeros(200_000)}

    def noise(round: int) -> torch.Tensor:
        release = Release(mean, 10, torch_generator(0, "central noise", round=round))
        return mechanism.protect_mean(mean, release)["a"]

    assert float(noise(0).std()) == pytest.approx(0.6, rel=0.02)
    assert abs(float(noise(0).mean())) < 0.01
    assert abs(float((noise(0) * noise(1)).mean())) < 0.01
    assert torch.equal(noise(3), noise(3))


def test_impossible_values_are_refused() -> None:
    problems = Central(noise_multiplier=0.0, clip_norm=-1.0, delta=2.0).problems()
    assert [line.split(":")[0] for line in problems] == ["noise_multiplier", "clip_norm", "delta"]


def test_without_a_mechanism_nothing_is_promised_or_changed() -> None:
    mechanism, state = NoMechanism(), {"a": torch.ones(2)}
    assert mechanism.protect_client(state, knowing(state)) is state
    assert mechanism.spent(5) is None
