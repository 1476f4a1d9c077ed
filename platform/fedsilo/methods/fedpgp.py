"""FedPGP: a shared context plus a low-rank change of it per client, held to CLIP's own knowledge by a contrast.

Source: Cui, Li, Wang, Shi, "Harmonizing Generalization and Personalization in Federated Prompt Learning", ICML 2024,
arXiv:2405.09771. DP-FPL's tables have FedPGP with `mu: 0`, `rank: 8`, `synchronise: batch`.
"""

from fedsilo.learners.fedpgp import FedPGPLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

FedPGP = recipe(
    "FedPGP",
    "The prompt s + u v: s (`context`) is averaged, the factors u (L, k) and v (k, W) stay with their client.",
    FedPGPLearner,
    FedAvgStrategy,
)
