"""FedPHA: a private context of the client's own length learns beside a shared one, kept apart from it and in its space.

Source: Fang et al., "FedPHA: Federated Prompt Learning for Heterogeneous Client Adaptation", ICML 2025 (PMLR 267). The
shared context is averaged by training examples.
"""

from fedsilo.learners.fedpha import FedPHALearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

FedPHA = recipe(
    "FedPHA",
    "A shared context and a private one of any length, which alone predicts.",
    FedPHALearner,
    FedAvgStrategy,
)
