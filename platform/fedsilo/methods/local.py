"""Local CoOp: every client learns a context alone; nothing is shared, nothing is sent.

Source: Zhou et al., "Learning to Prompt for Vision-Language Models", IJCV 2022, arXiv:2109.01134, run per client.
"""

from fedsilo.learners.coop import CoOpLearner
from fedsilo.strategies.local import LocalStrategy
from fedsilo.training.recipe_factory import recipe

Local = recipe(
    "Local",
    "One context per client, trained on its own images for as many epochs as the federated methods get.",
    CoOpLearner,
    LocalStrategy,
)
