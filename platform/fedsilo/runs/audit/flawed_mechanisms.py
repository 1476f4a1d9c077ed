"""Mechanisms with a known fault, to see whether an audit finds it. They claim what `central` claims, and break it.

fedsilo run scenarios/privacy/clients.yaml privacy.mode=fedsilo.runs.audit.flawed_mechanisms:NoNoise
fedsilo audit RUN --unit client
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fedsilo.core import ExampleClipping, Release, State
from fedsilo.privacy.clipping_and_noise import clip_change
from fedsilo.privacy.mechanisms.central import Central

LOOSE = 10
"""By what the clip norm of `LooseClip` is too large."""


@dataclass(frozen=True)
class NoNoise(Central):
    """Clips as it says and adds no noise."""

    def protect_mean(self, mean: State, release: Release) -> State:
        """Returns the mean without noise."""
        return mean

    def protect_private(self, gradients: State, release: Release) -> State:
        """Returns gradients without noise."""
        return gradients


@dataclass(frozen=True)
class LooseClip(Central):
    """Adds the noise that it says and clips at ten times the norm that it says."""

    @property
    def examples(self) -> ExampleClipping | None:
        """Returns how examples are clipped: not enough."""
        clipping = super().examples
        return clipping and replace(clipping, norm=LOOSE * clipping.norm)

    def protect_client(self, upload: State, release: Release) -> State:
        """Returns a client's upload clipped, not enough."""
        return upload if self.by_example else clip_change(upload, release.reference, LOOSE * self.clip_norm)
