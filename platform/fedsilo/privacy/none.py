"""No privacy mechanism: updates leave clients as they are, nothing is promised."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedsilo.contracts import Mechanism, State


@dataclass(frozen=True)
class NoMechanism(Mechanism):
    """Nothing is clipped, no noise is added."""

    def protect_client(self, shared: State, upload: State) -> State:
        """Returns the upload unchanged."""
        return upload

    def protect_mean(self, shared: State, mean: State, participants: int, generator: torch.Generator) -> State:
        """Returns the mean unchanged."""
        return mean

    def spent(self, releases: int) -> tuple[float, float] | None:
        """Returns None: no promise is made."""
        return None
