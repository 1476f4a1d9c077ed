"""DP-FPL's noise where the paper has it, calibrated so that it holds: the sound counterpart of `paper`.

Every example's gradient is clipped, jointly over the shared context and the factors u and v of the private one, so a
step is one Gaussian mechanism and not three; batches are Poisson samples; the accountant counts the steps that are
really made. The client adds the noise on u and v, the coordinator, which is trusted as in the paper, the noise on the
mean of the shared context's gradients.

Source: Tran et al., "Privacy-Preserving Personalized Federated Prompt Learning for Multimodal LLMs", ICLR 2025,
arXiv:2501.13904, algorithm 1 and appendix A.2, for what gets noise; Abadi et al., CCS 2016, arXiv:1607.00133, for how.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core import Release, State
from fedsilo.core.config_fields import key
from fedsilo.privacy.mechanism_base import EXAMPLE, POISSON, SHUFFLED, DifferentialPrivacy, add_gaussian_noise


@dataclass(frozen=True)
class Rigorous(DifferentialPrivacy):
    """Examples clipped one by one, noise from clients on what they keep, from the coordinator on what they share."""

    unit: str = key(EXAMPLE, "Whose presence is hidden: a single example's.", EXAMPLE)
    clip_norm: float = key(10.0, "Largest L2 norm of an example's gradient by all tensors together.", within="> 0")
    sampling: str = key(
        POISSON, "How examples come into batches; the paper's shuffled ones are counted in full.", POISSON, SHUFFLED
    )

    def protect_mean(self, mean: State, release: Release) -> State:
        """Returns the mean with noise of deviation multiplier * sensitivity / participants per coordinate."""
        return add_gaussian_noise(mean, self.deviation / release.participants, release.generator)
