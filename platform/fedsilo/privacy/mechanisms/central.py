"""Central differential privacy: clients clip, the coordinator adds Gaussian noise to the sum before it is published.

The coordinator is trusted: it sees what clients send without noise. Protected is the unit, a client's whole
contribution or a single example, against whoever sees the published shared states, the other clients among them. What
a client steps along itself, where examples are the unit, gets its noise from the client: its own parameters bear on
all that it sends later.

Source: McMahan et al., "Learning Differentially Private Recurrent Language Models", ICLR 2018, arXiv:1710.06963.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core import Release, State
from fedsilo.privacy.mechanism_base import DifferentialPrivacy, add_gaussian_noise


@dataclass(frozen=True)
class Central(DifferentialPrivacy):
    """Clipped by clients, noise from a coordinator that is trusted."""

    def protect_mean(self, mean: State, release: Release) -> State:
        """Returns the mean with noise of deviation multiplier * sensitivity / participants per coordinate."""
        return add_gaussian_noise(mean, self.deviation / release.participants, release.generator)
