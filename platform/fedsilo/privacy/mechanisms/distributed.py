"""Distributed noise: every client adds a share of it inside secure aggregation, so only a noisy sum ever exists.

The sum is of whole numbers. Each client's share is an exact discrete Gaussian in these numbers, added before masking,
and so large that the shares of the fewest honest clients that a published sum can hold, threshold minus colluding
ones, suffice alone. Rounding to whole numbers moves the sum by less than sqrt(d) more than the unit does, which the
noise is scaled for as well. What a client steps along itself gets ordinary noise of its own.

Source: Kairouz, Liu, Steinke, "The Distributed Discrete Gaussian Mechanism for Federated Learning with Secure
Aggregation", ICML 2021, arXiv:2102.06387.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fedsilo.core import FINEST_SHARE, NoiseShares, Release, State
from fedsilo.core.config_fields import key
from fedsilo.core.privacy_events import AnyPrivacyEvent, DiscretePrivacyEvent
from fedsilo.privacy.mechanism_base import DifferentialPrivacy, add_gaussian_noise

FEWEST_SHARES, LARGEST_DIM = 2, 2**26
"""What the accountant reckons with; more honest clients and fewer coordinates cost less."""
SEED, SYSTEM = "seed", "system"
ROUNDING = 1.02
"""By what the noise on own gradients is larger: rounding in the ring may take up to 2 % of the joint sensitivity."""


@dataclass(frozen=True)
class Distributed(DifferentialPrivacy):
    """Clipped by clients, noise in shares inside the secure sum: no one is trusted, up to the colluding clients."""

    trusts_coordinator = False
    adds_shares = True

    randomness: str = key(
        SEED,
        "Where noise and samples come from: the scenario's seed, which everybody knows, so that a run repeats, or the "
        "operating system, as a real release wants it.",
        SEED,
        SYSTEM,
    )

    @property
    def seeded(self) -> bool:
        """Returns whether noise and samples come from the scenario's seed."""
        return self.randomness == SEED

    @property
    def shares(self) -> NoiseShares:
        """Returns the noise that the sum shall carry."""
        return NoiseShares(self.multiplier, self.sensitivity, self.seeded)

    def expense(self, rate: float, count: int) -> AnyPrivacyEvent:
        """Returns so many releases of sums with discrete Gaussian shares, as coarse as the aggregation allows them."""
        sensitivity = math.sqrt(FEWEST_SHARES) * FINEST_SHARE / self.multiplier
        return DiscretePrivacyEvent(FINEST_SHARE, FEWEST_SHARES, LARGEST_DIM, sensitivity, rate, count)

    def protect_private(self, gradients: State, release: Release) -> State:
        """Returns gradients that a client steps along with noise, where examples are the unit."""
        if self.examples is None:
            return gradients
        return add_gaussian_noise(gradients, ROUNDING * self.deviation, release.generator)
