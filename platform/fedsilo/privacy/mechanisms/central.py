"""Central differential privacy: clients clip, the coordinator adds Gaussian noise to the sum before it is published.

Adversary: anyone who sees the published shared states, other clients included.
Trusted: the coordinator. It sees what clients send, without noise.
Guaranteed: the published shared states of a run are together (epsilon, delta) differentially private for one unit.

Where examples are the unit, a client adds noise itself to the gradients that it applies to its own parameters, because
these parameters influence everything that it sends later.

Source: McMahan et al., "Learning Differentially Private Recurrent Language Models", ICLR 2018, arXiv:1710.06963.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core import Release, State
from fedsilo.privacy.clipping_and_noise import add_gaussian_noise
from fedsilo.privacy.mechanism_base import DifferentialPrivacy


@dataclass(frozen=True)
class Central(DifferentialPrivacy):
    """Clipping by clients, noise by a trusted coordinator."""

    def protect_mean(self, mean: State, release: Release) -> State:
        """Adds noise of deviation multiplier * sensitivity / participants to every coordinate of the mean.

        Args:
            mean: The mean over the participants, by tensor.
            release: Number of participants, and the generator of the noise.

        Returns:
            The mean with noise.
        """
        return add_gaussian_noise(mean, self.deviation / release.participants, release.generator)
