"""The noise of DP-FPL where the paper has it, calibrated so that it holds: the sound counterpart of `paper`.

Every example's gradient is clipped, over the shared context and the factors u and v of the private one together, so a
step is one Gaussian mechanism and not three. Batches are Poisson samples, and the accountant counts the steps that are
really made. The client adds the noise on u and v, the coordinator the noise on the mean of the shared context's
gradients.

Adversary: anyone who sees the published shared states, other clients included.
Trusted: the coordinator, as in the paper. It sees clipped gradients without noise.
Guaranteed: the published shared states of a run are together (epsilon, delta) differentially private for one example.

Source: Tran et al., "Privacy-Preserving Personalized Federated Prompt Learning for Multimodal LLMs", ICLR 2025,
arXiv:2501.13904, algorithm 1 and appendix A.2, for what gets noise; Abadi et al., CCS 2016, arXiv:1607.00133, for how.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core import Release, State
from fedsilo.core.config_fields import key
from fedsilo.privacy.clipping_and_noise import add_gaussian_noise
from fedsilo.privacy.mechanism_base import EXAMPLE, POISSON, SHUFFLED, DifferentialPrivacy


@dataclass(frozen=True)
class Rigorous(DifferentialPrivacy):
    """Examples clipped one by one, noise by clients on what they keep, by the coordinator on what they share."""

    unit: str = key(EXAMPLE, "What is protected: a single example.", EXAMPLE)
    clip_norm: float = key(10.0, "Largest L2 norm of an example's gradient over all tensors together.", within="> 0")
    sampling: str = key(
        POISSON, "How batches are made; the paper's shuffled batches get no credit for sampling.", POISSON, SHUFFLED
    )

    def protect_mean(self, mean: State, release: Release) -> State:
        """Adds noise of deviation multiplier * sensitivity / participants to every coordinate of the mean.

        Args:
            mean: The mean over the participants, by tensor.
            release: Number of participants, and the generator of the noise.

        Returns:
            The mean with noise.
        """
        return add_gaussian_noise(mean, self.deviation / release.participants, release.generator)
