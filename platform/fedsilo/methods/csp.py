"""CSP under FedAvg: clients learn one vector for each attribute and each object together.

Source: Nayak, Yu, Bach, "Learning to Compose Soft Prompts for Compositional Zero-Shot Learning", ICLR 2023,
arXiv:2204.03574; the federation is FedAvg's.
"""

from fedsilo.learners.csp import CSPLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

CSP = recipe(
    "CSP",
    "A vector for each attribute and each object behind a written context, averaged every round.",
    CSPLearner,
    FedAvgStrategy,
)
