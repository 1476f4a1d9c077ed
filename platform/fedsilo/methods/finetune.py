"""PromptFL with local fine-tuning: before each evaluation a client trains the shared context further, for itself.

Source: the comparison "PromptFL+FT" of FedOTP, arXiv:2403.00041.
"""

from fedsilo.learners.coop import CoOpLearner
from fedsilo.strategies.finetune import FineTuneStrategy
from fedsilo.training.recipe_factory import recipe

FineTune = recipe(
    "FineTune",
    "One context for all clients, averaged every round; each client tunes it before it is evaluated.",
    CoOpLearner,
    FineTuneStrategy,
)
