"""PromptFL: clients learn one context together by FedAvg.

Source: Guo et al., "PromptFL: Let Federated Participants Cooperatively Learn Prompts Instead of Models", IEEE TMC 2024,
arXiv:2208.11625. Averaging weights clients by training examples.
"""

from fedsilo.learners.coop import CoOpLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

PromptFL = recipe(
    "PromptFL",
    "One context for all clients, averaged every round.",
    CoOpLearner,
    FedAvgStrategy,
)
