"""PromptFL with FedProx: local training is held near the shared context it began with.

Source: Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020, arXiv:1812.06127, for the prompt of
PromptFL, arXiv:2208.11625.
"""

from fedsilo.learners.coop import CoOpLearner
from fedsilo.strategies.fedprox import FedProxStrategy
from fedsilo.training.recipe_factory import recipe

FedProx = recipe(
    "FedProx",
    "One context for all clients, averaged every round, with a proximal term in local training.",
    CoOpLearner,
    FedProxStrategy,
)
