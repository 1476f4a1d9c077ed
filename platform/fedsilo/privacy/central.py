"""Central differential privacy of whole clients: clip each update, add Gaussian noise to the mean.

The coordinator is trusted: it sees the clipped updates. What is protected is a client's whole contribution, under
zero-out adjacency (the client's update replaced by nothing), against whoever sees the published shared states.
Every round is counted as if every client took part, so sampling of clients earns no amplification.

Source: McMahan et al., "Learning Differentially Private Recurrent Language Models", ICLR 2018, arXiv:1710.06963;
accounting: Mironov, "Renyi Differential Privacy of the Gaussian Mechanism", CSF 2017, by opacus' RDP accountant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from fedsilo.contracts import Budget, Mechanism, Release, State
from fedsilo.fields import key


@dataclass(frozen=True)
class Central(Mechanism):
    """Clipped updates, all clients alike, Gaussian noise on their mean."""

    uniform = True

    noise_multiplier: float = key(1.0, "Noise deviation over sensitivity, > 0.")
    clip_norm: float = key(1.0, "Largest L2 norm of a client's change of the shared state, > 0.")
    delta: float = key(1e-5, "Delta of the reported (epsilon, delta), in (0, 1).")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        lines = [
            f"{name}: must be > 0, got {value}."
            for name, value in (("noise_multiplier", self.noise_multiplier), ("clip_norm", self.clip_norm))
            if not 0 < value < math.inf
        ]
        if not 0 < self.delta < 1:
            lines.append(f"delta: must be between 0 and 1, got {self.delta}.")
        return lines

    def protect_client(self, upload: State, release: Release) -> State:
        """Returns the upload with its change from the received state scaled down to the clip norm."""
        known = release.reference
        change = {name: tensor - known[name] for name, tensor in upload.items()}
        norm = math.sqrt(sum(float(tensor.double().square().sum()) for tensor in change.values()))
        factor = min(1.0, self.clip_norm / norm) if norm > 0 else 1.0
        return {name: known[name] + factor * tensor for name, tensor in change.items()}

    def protect_mean(self, mean: State, release: Release) -> State:
        """Returns the mean with noise of deviation noise_multiplier * clip_norm / participants per coordinate."""
        deviation = self.noise_multiplier * self.clip_norm / release.participants
        return {
            name: mean[name] + deviation * torch.randn(mean[name].shape, generator=release.generator)
            for name in sorted(mean)
        }

    def spent(self, releases: int) -> Budget | None:
        """Returns the client-level budget after so many published states."""
        from opacus.accountants import RDPAccountant  # imported here: it takes a second and clients never need it

        accountant = RDPAccountant()
        accountant.history = [(self.noise_multiplier, 1.0, releases)]
        return Budget(float(accountant.get_epsilon(delta=self.delta)), self.delta, guaranteed=True, unit="client")
