"""Distributed noise: every client adds a share of the noise inside secure aggregation, so only a noisy sum ever exists.

Adversary: a coordinator that follows the protocol, together with up to `aggregation.colluding` clients; any single
client;
and anyone who sees the published shared states.
Trusted: no one outside the client, as far as the assumptions of secure aggregation hold (`aggregation.secure`).
Guaranteed: the opened sums of a run are together (epsilon, delta) differentially private for one unit.

The sum is a sum of whole numbers. Each client adds an exact discrete Gaussian share to its numbers before masking. The
shares are so large that the shares of the fewest honest clients that an opened sum can hold, threshold minus
max(colluding, 1), give the whole guarantee. Rounding to whole numbers in d coordinates adds less than sqrt(d) ring
units
to the sensitivity, and the noise is scaled for this as well. Gradients that a client applies itself get Gaussian noise
of the client's own.

Source: Kairouz, Liu, Steinke, "The Distributed Discrete Gaussian Mechanism for Federated Learning with Secure
Aggregation", ICML 2021, arXiv:2102.06387.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fedsilo.core import FINEST_SHARE, NoiseShares, Release, State
from fedsilo.core.config_fields import key
from fedsilo.core.privacy_events import AnyPrivacyEvent, DiscretePrivacyEvent
from fedsilo.privacy.clipping_and_noise import add_gaussian_noise
from fedsilo.privacy.mechanism_base import DifferentialPrivacy

FEWEST_SHARES, LARGEST_DIM = 2, 2**26
"""What the accountant assumes; more honest clients and fewer coordinates cost less."""
SEED, SYSTEM = "seed", "system"
ROUNDING = 1.02
"""Factor on the noise of own gradients: rounding in the ring may use up to 2 % of the joint sensitivity."""


@dataclass(frozen=True)
class Distributed(DifferentialPrivacy):
    """Clipping by clients, noise in shares inside the secure sum: no one is trusted, up to the colluding clients."""

    trusts_coordinator = False
    adds_shares = True

    randomness: str = key(
        SEED,
        "Source of noise and samples: the scenario's seed, which is public, so a run can be repeated; or the operating "
        "system, which a real release needs.",
        SEED,
        SYSTEM,
    )

    @property
    def seeded(self) -> bool:
        """Whether noise and samples come from the scenario's seed."""
        return self.randomness == SEED

    @property
    def shares(self) -> NoiseShares:
        """The noise that the sum carries."""
        return NoiseShares(self.multiplier, self.sensitivity, self.seeded)

    def expense(self, rate: float, count: int) -> AnyPrivacyEvent:
        """Describes releases of sums with discrete Gaussian shares, as coarse as the aggregation allows them.

        Args:
            rate: Probability that a unit is in a release, in (0, 1].
            count: Number of releases.

        Returns:
            One privacy event.
        """
        sensitivity = math.sqrt(FEWEST_SHARES) * FINEST_SHARE / self.multiplier
        return DiscretePrivacyEvent(FINEST_SHARE, FEWEST_SHARES, LARGEST_DIM, sensitivity, rate, count)

    def protect_private(self, gradients: State, release: Release) -> State:
        """Adds Gaussian noise to gradients that a client applies itself, where examples are the unit.

        Args:
            gradients: Sums of clipped gradients over the batch size, by tensor.
            release: The generator of the noise.

        Returns:
            The gradients with noise; unchanged where clients are the unit.
        """
        if self.examples is None:
            return gradients
        return add_gaussian_noise(gradients, ROUNDING * self.deviation, release.generator)
