"""The noise of DP-FPL as it was published, with a nominal epsilon. Compare with it; promise nothing by it.

T rounds, N clients, batches of B, clip norm C:
sigma_L = sqrt(T ln(1/delta)) / epsilon * C / B on the gradients that a client steps its own parameters along,
sigma_G = sigma_L / N on the mean of the gradients that clients send. A method without own parameters gets sigma_L on
what clients send and nothing on the mean (appendix A.2; the authors' code adds both).

Why the epsilon is nominal: what is clipped to C is the gradient of a batch's mean, and one example can move that by
2 C, not by C / B; the constants of the composition theorem are left out; the several gradients of a batch are counted
once. The ledger counts what the same noise does guarantee. Clients' clipped gradients reach the coordinator without
noise where they have own parameters: it is trusted.

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
from fedsilo.privacy.mechanism_base import add_gaussian_noise


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
        """Returns True: the noise is for one gradient of one batch."""
        return True

    def fit(self, facts: PrivacyContext) -> Paper:
        """Returns the mechanism with its deviations fixed."""
        fitted = replace(self)
        object.__setattr__(fitted, "facts", replace(facts, turns=()))  # no field: fields are what a scenario says
        object.__setattr__(fitted, "federation", facts.federation)
        return fitted

    @property
    def deviation(self) -> float:
        """Returns sigma_L, per coordinate, in units of the gradient."""
        facts = self._fitted()
        return math.sqrt(facts.rounds * math.log(1 / self.delta)) / self.epsilon * self.clip_norm / facts.batch_size

    def protect_private(self, gradients: State, release: Release) -> State:
        """Returns each gradient clipped, with noise of sigma_L."""
        return add_gaussian_noise(self._clipped(gradients), self.deviation, release.generator)

    def protect_client(self, upload: State, release: Release) -> State:
        """Returns each gradient clipped; with noise of sigma_L where there will be none on the mean."""
        clipped = self._clipped(upload)
        if self._fitted().personal:
            return clipped
        return add_gaussian_noise(clipped, self.deviation, release.generator)

    def protect_mean(self, mean: State, release: Release) -> State:
        """Returns the mean with noise of sigma_G, where clients added none; N is those who took part."""
        if not self._fitted().personal:
            return mean
        return add_gaussian_noise(mean, self.deviation / release.participants, release.generator)

    def expenses(self, client: int, exchange: int) -> tuple[AnyPrivacyEvent, ...]:
        """Returns what an exchange costs in truth, one example exchanged for another: the sound side of the ledger.

        Every gradient that an example enters is a Gaussian mechanism with deviation sigma_L; a batch's mean is within
        C of nothing, with one example or another. Of the mean over clients both are divided by N. An example is in
        one batch of every pass over its client's data.
        """
        if self.pass_start(client, exchange) != exchange:
            return ()
        return (PrivacyEvent(self.deviation / self.clip_norm, 1.0, self._fitted().streams),)

    def pass_start(self, client: int, exchange: int) -> int:
        """Returns the exchange that a pass over a client's data begins with."""
        facts = self._fitted()
        return exchange - exchange % max(facts.sizes[client] // facts.batch_size, 1)

    def guarantee(self, epsilon: float) -> Budget:
        """Returns the nominal budget; its note says what holds for the steps as they are computed."""
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
        """Each tensor by itself: the paper's clipping of g_G, g_u and g_v."""
        factors = {
            name: self.clip_norm / max(float(g.double().norm()), self.clip_norm) for name, g in gradients.items()
        }
        return {name: gradients[name] * factor for name, factor in factors.items()}
