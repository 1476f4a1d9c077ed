"""pFedMoAP: every client has a context of its own and mixes in those of the clients most like it by a learned gate.

Source: Luo, Chen, Wu, "Mixture of Experts Made Personalized: Federated Prompt Learning for Vision-Language Models",
ICLR 2025, arXiv:2410.10114. The gate never leaves the client. The paper's training: five local epochs, rate 0.002 for
the context and 0.01 for the gate.
"""

from fedsilo.learners.moap import MoAPLearner
from fedsilo.strategies.experts import ExpertsStrategy
from fedsilo.training.recipe_factory import recipe

PFedMoAP = recipe(
    "PFedMoAP",
    "A context and a gate per client, and the contexts of similar clients as experts.",
    MoAPLearner,
    ExpertsStrategy,
)
