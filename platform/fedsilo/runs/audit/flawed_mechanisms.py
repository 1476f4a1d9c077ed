"""Mechanisms with a known fault, to test whether an audit finds it. They claim what `central` claims, and break it.

fedsilo run scenarios/privacy/clients.yaml privacy.mode=fedsilo.runs.audit.flawed_mechanisms:NoNoise
fedsilo audit RUN --unit client
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fedsilo.core import ExampleClipping, Release, State
from fedsilo.privacy.clipping_and_noise import clip_change
from fedsilo.privacy.mechanisms.central import Central

LOOSE = 10
"""Factor by which the clip norm of `LooseClip` is too large."""


@dataclass(frozen=True)
class NoNoise(Central):
    """Clips as it claims and adds no noise."""

    def protect_mean(self, mean: State, release: Release) -> State:
        """Adds no noise to the mean.

        Args:
            mean: The mean of the updates.
            release: The release.

        Returns:
            The mean unchanged.
        """
        return mean

    def protect_private(self, gradients: State, release: Release) -> State:
        """Adds no noise to gradients of private parameters.

        Args:
            gradients: The gradients.
            release: The release.

        Returns:
            The gradients unchanged.
        """
        return gradients


@dataclass(frozen=True)
class LooseClip(Central):
    """Adds the noise that it claims, and clips at ten times the norm that it claims."""

    @property
    def examples(self) -> ExampleClipping | None:
        """How examples are clipped: at a norm that is too large."""
        clipping = super().examples
        return clipping and replace(clipping, norm=LOOSE * clipping.norm)

    def protect_client(self, upload: State, release: Release) -> State:
        """Clips a client's upload at a norm that is too large.

        Args:
            upload: The upload.
            release: The release.

        Returns:
            The clipped upload.
        """
        return upload if self.by_example else clip_change(upload, release.reference, LOOSE * self.clip_norm)
