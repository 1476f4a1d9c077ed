"""pFedPrompt: PromptFL's shared context, and in every client attention over the features of its own training images.

Source: Guo, Guo, Wang, "pFedPrompt: Learning Personalized Prompt for Vision-Language Models in Federated Learning",
WWW 2023. Only the context is sent.
"""

from fedsilo.learners.pfedprompt import PFedPromptLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

PFedPrompt = recipe(
    "PFedPrompt",
    "One context for all clients, and each client's own training images to compare with.",
    PFedPromptLearner,
    FedAvgStrategy,
)
