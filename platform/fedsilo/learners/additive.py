"""A shared plus a private context, pooled image features, no optimal transport: FedOTP as in DP-FPL's tables.

With noise this is what older notes of DP-FPL call "full": the private context is trained at full rank, and the noise is
on all of it.

Source: the baseline of Tran et al., ICLR 2025, arXiv:2501.13904.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.models.prompts.additive_learner import AdditiveLearner


@dataclass(frozen=True)
class FedOTPAdditiveLearner(AdditiveLearner):
    """The prompt p_G + p_L, both trained as they are."""
