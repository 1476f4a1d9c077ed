"""DP-FPL: a shared context plus a private one that is trained by low-rank factors, so that noise hurts it less.

In every batch each client takes the gradient by p_G, u and v, steps p_L along the recombined gradients of u and v, and
sends the gradient by p_G; the server steps p_G along the mean. Noise is the scenario's: `privacy.mode: paper` is the
published one, `rigorous` its sound counterpart.

Source: Tran, Sun, Patterson, Milanova, "Privacy-Preserving Personalized Federated Prompt Learning for Multimodal
LLMs", ICLR 2025, arXiv:2501.13904, algorithm 1. Clients with few batches repeat them, where the code cuts all
clients to the shortest.
"""

from fedsilo.learners.dpfpl import DPFPLLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

DPFPL = recipe(
    "DPFPL",
    "The prompt p_G + u v + r, whose value is p_G + p_L for any factors.",
    DPFPLLearner,
    FedAvgStrategy,
    headline=10,
    synchronise="batch",
)
