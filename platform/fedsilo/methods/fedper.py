"""PromptFL with FedPer: the first vectors of the context are averaged, the others stay with their client.

Source: Arivazhagan et al., "Federated Learning with Personalization Layers", 2019, arXiv:1912.00818; the first half of
a context's vectors is shared in the comparisons of FedOTP, arXiv:2403.00041, for the prompt of PromptFL,
arXiv:2208.11625.
"""

from fedsilo.learners.split_context import SplitContextLearner
from fedsilo.strategies.fedper import FedPerStrategy
from fedsilo.training.recipe_factory import recipe

FedPer = recipe(
    "FedPer",
    "One context whose first vectors are shared and whose last ones are each client's own.",
    SplitContextLearner,
    FedPerStrategy,
)
