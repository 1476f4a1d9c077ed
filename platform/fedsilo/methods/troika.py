"""Troika under FedAvg: clients learn three families of prompts, disentanglers and cross-modal traction together.

Source: Huang et al., "Troika: Multi-Path Cross-Modal Traction for Compositional Zero-Shot Learning", CVPR 2024,
arXiv:2303.15230; the federation is FedAvg's, which averages the running statistics of batch norms as well.
"""

from fedsilo.learners.troika import TroikaLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

Troika = recipe(
    "Troika",
    "Prompts of pairs, attributes and objects that attend to the patches of an image, averaged every round.",
    TroikaLearner,
    FedAvgStrategy,
)
