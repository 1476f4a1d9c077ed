"""The attack on whole clients: sums with known coins, and a small run with sound and flawed mechanisms."""

import numpy as np
import pytest

from fedsilo.runs.audit.client_attack import Sums, compute_log_ratios, guess_coins


def sums(
    noise: float, seed: int = 0, clients: int = 40, size: int = 400, times: float = 1.0
) -> tuple[Sums, np.ndarray]:
    """One round of clients that have much in common, the coins of a half of them heads.

    Their contributions are so many times as long as was promised.
    """
    generator = np.random.default_rng(seed)
    changes = generator.normal(size=(clients, size)) / 20 + generator.normal(size=size) / 20
    there = generator.random(clients) < 0.5
    published = times * (there @ changes) + noise * generator.normal(size=size)
    return Sums(changes @ changes.T, changes @ published, float(published @ published), size), there


def test_without_noise_every_coin_is_told() -> None:
    found, there = sums(0.0)
    assert np.array_equal(compute_log_ratios(found) > 0, there)


def test_with_noise_the_scores_are_the_likelihood_ratios_of_the_clearest_coins() -> None:
    """Of one client alone the ratio is known: (x . c - |c|^2 / 2) / noise^2."""
    generator = np.random.default_rng(1)
    change, noise = generator.normal(size=(1, 5000)), 40.0
    published = change[0] + noise * generator.normal(size=5000)
    one = Sums(change @ change.T, change @ published, float(published @ published), 5000)
    exact = (published @ change[0] - change[0] @ change[0] / 2) / noise**2
    assert compute_log_ratios(one)[0] == pytest.approx(exact, rel=0.05)


def test_much_noise_leaves_guessing() -> None:
    tried = [sums(100.0, seed) for seed in range(20)]
    every, right = guess_coins(
        np.concatenate([compute_log_ratios(found) for found, _ in tried]),
        np.concatenate([there for _, there in tried]),
        1.0,
    )
    assert every == 800
    assert 0.43 < right / every < 0.57


@pytest.mark.parametrize(("times", "least"), [(10.0, 0.95), (3.0, 0.8), (1.0, 0.55)])
def test_contributions_that_are_too_long_are_told_by_their_length(times: float, least: float) -> None:
    """As behind a clip norm ten times too large, under noise that would hide those that were promised.

    Were their length taken to be the promised one, all that the clients have in common would speak for each of them.
    """
    tried = [sums(5.0, seed, clients=8, size=4000, times=times) for seed in range(10)]
    every, right = guess_coins(
        np.concatenate([compute_log_ratios(found) for found, _ in tried]),
        np.concatenate([there for _, there in tried]),
        1.0,
    )
    assert right / every >= least


def test_the_clearest_are_guessed_first() -> None:
    scores, there = np.array([5.0, -0.1, -4.0, 0.2]), np.array([True, True, False, False])
    assert guess_coins(scores, there, 0.5) == (2, 2)
    assert guess_coins(scores, there, 1.0) == (4, 2)
