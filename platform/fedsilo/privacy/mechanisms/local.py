"""Local differential privacy: each client adds all of its noise before an update leaves it.

Adversary: everyone outside the client, the coordinator included.
Trusted: only the client itself.
Guaranteed: the updates that a client sends in a run are together (epsilon, delta) differentially private for one unit.

Where examples are the unit, every gradient that a client applies or sends is noisy, including gradients of private
parameters such as the low-rank factors of DP-FPL. Everything computed from them is post-processing. So clients may
train
for whole rounds and send the result. A mean over n clients has n times the variance that the same guarantee needs with
a
trusted coordinator.

Source: Abadi et al., "Deep Learning with Differential Privacy", CCS 2016, arXiv:1607.00133, run by each client.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core import Release, State
from fedsilo.privacy.clipping_and_noise import add_gaussian_noise
from fedsilo.privacy.mechanism_base import CLIENT, TAIL, DifferentialPrivacy


@dataclass(frozen=True)
class LocalNoise(DifferentialPrivacy):
    """Clipping and noise by each client."""

    trusts_coordinator = False

    @property
    def per_batch(self) -> bool:
        """False: the noise is in every step, whatever is sent in the end."""
        return False

    @property
    def coordinate_bound(self) -> float | None:
        """A bound on what is sent, noise included; None for the result of a round, which has no bound."""
        clean = super().coordinate_bound
        if clean is None or not (self.unit == CLIENT or self.fitted.gradients):
            return None
        return clean + TAIL * self.deviation

    def protect_client(self, upload: State, release: Release) -> State:
        """Clips an upload and adds noise to it.

        Args:
            upload: The upload, by tensor.
            release: What the receiver knows already, and the generator of the noise.

        Returns:
            The upload with noise; unchanged where it results from steps that had their noise.
        """
        if not (self.unit == CLIENT or self.fitted.gradients):
            return upload
        return add_gaussian_noise(super().protect_client(upload, release), self.deviation, release.generator)
