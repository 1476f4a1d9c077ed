"""PromptFolio: class features are a fixed mixture of those of a shared and of a private context.

Source: Pan, Huang, Shi, "Federated Learning from Vision-Language Foundation Models: Theoretical Analysis and Method",
NeurIPS 2024, arXiv:2409.19610. The shared context is averaged by training examples.
"""

from fedsilo.learners.promptfolio import PromptFolioLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

PromptFolio = recipe(
    "PromptFolio",
    "A shared and a private context, mixed in the space of class features.",
    PromptFolioLearner,
    FedAvgStrategy,
)
