"""The noise of DP-FPL as it was published, with a nominal epsilon: for comparison only, not a guarantee.

With T rounds, N clients, batches of B examples and clip norm C:
sigma_L = sqrt(T ln(1/delta)) / epsilon * C / B on the gradients that a client applies to its own parameters,
sigma_G = sigma_L / N on the mean of the gradients that clients send. A method without own parameters gets sigma_L on
what clients send and nothing on the mean (appendix A.2; the authors' code adds both).

Why the epsilon is nominal: the gradient of a batch's mean is clipped to C, and one example can move it by 2 C, not by
C / B; the constants of the composition theorem are left out; the several gradients of a batch are counted once. The
ledger counts what the same noise does guarantee, for one example replaced by another.

Trusted: the coordinator, where clients have own parameters: their clipped gradients reach it without noise.

Source: Tran et al., "Privacy-Preserving Personalized Federated Prompt Learning for Multimodal LLMs", ICLR 2025,
arXiv:2501.13904, section 4 and appendix A.2; the sound epsilon is the closed form of composed
Gaussians (`accounting.gaussian_releases`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from fedsilo.core import Budget, Mechanism, PrivacyContext, Release, State
from fedsilo.core.config_fields import key
from fedsilo.core.privacy_events import AnyPrivacyEvent, PrivacyEvent
from fedsilo.privacy.clipping_and_noise import add_gaussian_noise


@dataclass(frozen=True)
class Paper(Mechanism):
    """Gradients of a batch's mean clipped, noise as DP-FPL calibrates it; the epsilon is nominal."""

    uniform = True
    adjacency = "replace"
    facts: ClassVar[PrivacyContext | None] = None

    epsilon: float = key(0.4, "Nominal epsilon of an example; the paper has 0.4, 0.2, 0.1, 0.05, 0.01.", within="> 0")
    delta: float = key(1e-5, "Delta that it is stated at.", within="in (0, 1)")
    clip_norm: float = key(10.0, "Largest L2 norm of each gradient of a batch.", within="> 0")

    @property
    def per_batch(self) -> bool:
        """True: the noise is for one gradient of one batch."""
        return True

    def fit(self, facts: PrivacyContext) -> Paper:
        """Fixes the deviations for a run.

        Args:
            facts: What is public about the run.

        Returns:
            A copy with its deviations fixed.
        """
        fitted = replace(self)
        object.__setattr__(fitted, "facts", replace(facts, turns=()))  # no field: fields are what a scenario says
        object.__setattr__(fitted, "federation", facts.federation)
        return fitted

    @property
    def deviation(self) -> float:
        """sigma_L per coordinate, in units of the gradient."""
        facts = self._fitted()
        return math.sqrt(facts.rounds * math.log(1 / self.delta)) / self.epsilon * self.clip_norm / facts.batch_size

    def protect_private(self, gradients: State, release: Release) -> State:
        """Clips each gradient and adds noise of sigma_L.

        Args:
            gradients: Gradients of the batch's mean, by tensor.
            release: The generator of the noise.

        Returns:
            The gradients with noise.
        """
        return add_gaussian_noise(self._clipped(gradients), self.deviation, release.generator)

    def protect_client(self, upload: State, release: Release) -> State:
        """Clips each gradient of an upload.

        Args:
            upload: Gradients of the batch's mean, by tensor.
            release: The generator of the noise.

        Returns:
            The clipped gradients; with noise of sigma_L where the mean will get none.
        """
        clipped = self._clipped(upload)
        if self._fitted().personal:
            return clipped
        return add_gaussian_noise(clipped, self.deviation, release.generator)

    def protect_mean(self, mean: State, release: Release) -> State:
        """Adds noise of sigma_G to the mean, where clients added none.

        Args:
            mean: The mean over the participants, by tensor.
            release: Number of participants, which is N, and the generator of the noise.

        Returns:
            The mean with noise; unchanged where clients added theirs.
        """
        if not self._fitted().personal:
            return mean
        return add_gaussian_noise(mean, self.deviation / release.participants, release.generator)

    def expenses(self, client: int, exchange: int) -> tuple[AnyPrivacyEvent, ...]:
        """Computes what an exchange costs in truth, with one example replaced by another: the sound side of the ledger.

        Every gradient that an example enters is a Gaussian mechanism with deviation sigma_L; the clipped mean of a
        batch is at
        most C from zero, whichever example it holds. For the mean over clients both numbers are divided by N. An
        example is in
        one batch of every pass over its client's data.

        Args:
            client: The client's number.
            exchange: Exchange within the round.

        Returns:
            The privacy events, at the first exchange of a pass.
        """
        if self.pass_start(client, exchange) != exchange:
            return ()
        return (PrivacyEvent(self.deviation / self.clip_norm, 1.0, self._fitted().streams),)

    def pass_start(self, client: int, exchange: int) -> int:
        """Finds the exchange at which a pass over a client's data begins.

        Args:
            client: The client's number.
            exchange: Exchange within the round.

        Returns:
            The first exchange of the pass.
        """
        facts = self._fitted()
        return exchange - exchange % max(facts.sizes[client] // facts.batch_size, 1)

    def guarantee(self, epsilon: float) -> Budget:
        """States the nominal budget, with a note on what holds for the steps as they are computed.

        Args:
            epsilon: What the ledger has counted.

        Returns:
            The nominal budget, marked as not guaranteed.
        """
        streams = self._fitted().streams
        gradients = "gradient is" if streams == 1 else f"{streams} gradients are"
        note = (
            f"The published calibration, which does not hold: a batch's {gradients} clipped as a mean, so one example "
            f"can move each by {2 * self.clip_norm:g}, not {self.clip_norm:g}/{self._fitted().batch_size}. "
            f"What this noise guarantees when one example is replaced is epsilon {epsilon:.3g}."
        )
        return Budget(self.epsilon, self.delta, guaranteed=False, unit="example", note=note)

    def _fitted(self) -> PrivacyContext:
        assert self.facts is not None, "fit comes first"
        return self.facts

    def _clipped(self, gradients: State) -> dict[str, Tensor]:
        """Clips each tensor by itself: the paper's clipping of g_G, g_u and g_v."""
        factors = {
            name: self.clip_norm / max(float(g.double().norm()), self.clip_norm) for name, g in gradients.items()
        }
        return {name: gradients[name] * factor for name, factor in factors.items()}
