"""VP-CMJL under FedAvg: clients learn text prototypes and visual prototypes of attributes and objects together.

Source: "Visual Proxy and Cross-Modal Joint Learning for Compositional Zero-Shot Learning", arXiv:2501.13859; the
federation is FedAvg's, which averages the running statistics of batch norms as well.
"""

from fedsilo.learners.vp_cmjl import VPCMJLLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

VPCMJL = recipe(
    "VPCMJL",
    "Text and visual prototypes of attributes, objects and pairs, averaged every round.",
    VPCMJLLearner,
    FedAvgStrategy,
)
