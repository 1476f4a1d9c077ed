"""No privacy mechanism: updates leave clients as they are, nothing is promised."""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.contracts import Budget, Mechanism, Release, State


@dataclass(frozen=True)
class NoMechanism(Mechanism):
    """Nothing is clipped, no noise is added."""

    def protect_client(self, upload: State, release: Release) -> State:
        """Returns the upload unchanged."""
        return upload

    def protect_mean(self, mean: State, release: Release) -> State:
        """Returns the mean unchanged."""
        return mean

    def spent(self, releases: int) -> Budget | None:
        """Returns None: no promise is made."""
        return None
