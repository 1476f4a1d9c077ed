"""Local noise: each client adds all of its noise before anything leaves it; nobody else is trusted.

Where examples are the unit, every gradient that a client steps along or sends is noisy, the low-rank factors of
DP-FPL's private context as much as its shared context: all that follows from them is processing of what is protected
already. So clients may also train for whole rounds and send the result. A mean over n clients has n times the
variance that the same guarantee takes from a trusted coordinator.

Source: Abadi et al., "Deep Learning with Differential Privacy", CCS 2016, arXiv:1607.00133, run by each client.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core import Release, State
from fedsilo.privacy.mechanism_base import CLIENT, TAIL, DifferentialPrivacy, add_gaussian_noise


@dataclass(frozen=True)
class LocalNoise(DifferentialPrivacy):
    """Clipped and made noisy by each client."""

    trusts_coordinator = False

    @property
    def per_batch(self) -> bool:
        """Returns False: the noise is in every step, whatever is sent in the end."""
        return False

    @property
    def coordinate_bound(self) -> float | None:
        """Returns a bound on what is sent, noise included; None for the outcome of a round, which nothing bounds."""
        clean = super().coordinate_bound
        if clean is None or not (self.unit == CLIENT or self.fitted.gradients):
            return None
        return clean + TAIL * self.deviation

    def protect_client(self, upload: State, release: Release) -> State:
        """Returns the upload with noise; as it is where it comes from steps that had theirs."""
        if not (self.unit == CLIENT or self.fitted.gradients):
            return upload
        return add_gaussian_noise(super().protect_client(upload, release), self.deviation, release.generator)
