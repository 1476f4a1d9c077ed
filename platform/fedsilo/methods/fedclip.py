"""FedCLIP: an adapter that weighs the image feature's coordinates is averaged; the class texts stay hand-written.

Source: Lu, Hu, Wang, Xie, "FedCLIP: Fast Generalization and Personalization for CLIP in Federated Learning", IEEE
Data Engineering Bulletin 2023, arXiv:2302.13485. Clients send the adapter, which is averaged by training examples.
"""

from fedsilo.learners.fedclip import FedCLIPLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

FedCLIP = recipe(
    "FedCLIP",
    "One adapter on the image feature for all clients, averaged every round.",
    FedCLIPLearner,
    FedAvgStrategy,
)
