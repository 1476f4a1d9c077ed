"""PromptFL with FedAMP: each client keeps its own context and is drawn to a mixture of similar ones.

Source: Huang et al., "Personalized Cross-Silo Federated Learning on Non-IID Data", AAAI 2021, arXiv:2007.03797, for the
prompt of PromptFL, arXiv:2208.11625.
"""

from fedsilo.learners.coop import CoOpLearner
from fedsilo.strategies.fedamp import FedAMPStrategy
from fedsilo.training.recipe_factory import recipe

FedAMP = recipe(
    "FedAMP",
    "A context per client, known to the server, which draws those together that are alike.",
    CoOpLearner,
    FedAMPStrategy,
)
