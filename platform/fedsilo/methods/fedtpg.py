"""FedTPG: clients learn one network that writes the context from the class names at hand; the server averages it.

Source: Qiu et al., "Federated Text-driven Prompt Generation for Vision-Language Models", ICLR 2024,
arXiv:2310.06123. Clients count alike in the average. The paper's training: SGD 0.003, momentum 0.9, weight decay 1e-5,
cosine decay (`training.schedule`), one pass a round.
"""

from fedsilo.learners.fedtpg import FedTPGLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

FedTPG = recipe(
    "FedTPG",
    "One prompt generator for all clients, averaged every round.",
    FedTPGLearner,
    FedAvgStrategy,
    count_alike=True,
)
