"""DFSP without fusion under FedAvg: clients learn words of attributes and objects, and a context, together.

Source: Lu et al., "Decomposed Soft Prompt Guided Fusion Enhancing for Compositional Zero-Shot Learning", CVPR 2023,
arXiv:2211.10681, fusion off; the federation is FedAvg's.
"""

from fedsilo.learners.dfsp import DFSPLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

DFSP = recipe(
    "DFSP",
    "A vector for each attribute and each object behind a learned context, averaged every round.",
    DFSPLearner,
    FedAvgStrategy,
)
