"""FedOTP as in DP-FPL's tables: a shared plus a private context, pooled image features, no optimal transport.

Only the name is FedOTP's: the comparison of two prompts with all patches is `fedotp`.

Source: the baseline of Tran et al., ICLR 2025, arXiv:2501.13904.
"""

from fedsilo.learners.additive import FedOTPAdditiveLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

FedOTPAdditive = recipe(
    "FedOTPAdditive",
    "The prompt p_G + p_L, both trained as they are.",
    FedOTPAdditiveLearner,
    FedAvgStrategy,
    headline=10,
    synchronise="batch",
)
