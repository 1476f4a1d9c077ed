"""DP-LoRA as in DP-FPL's tables: a shared context plus the low-rank part of a private one, no residual.

Source: the baseline of Tran et al., ICLR 2025, arXiv:2501.13904, after Hu et al., "LoRA", arXiv:2106.09685.
"""

from fedsilo.learners.dplora import DPLoRALearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

DPLoRA = recipe(
    "DPLoRA",
    "The prompt p_G + u u^T p_L.",
    DPLoRALearner,
    FedAvgStrategy,
    headline=10,
    synchronise="batch",
)
