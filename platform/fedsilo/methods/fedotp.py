"""FedOTP: a shared and a private context per client, compared with image patches by optimal transport.

Source: Li, Huang, Wang, Shi, "Global and Local Prompts Cooperation via Optimal Transport for Federated Learning",
CVPR 2024, arXiv:2403.00041. Only the shared context is sent; it is averaged by training examples. Both are trained
together in the local epochs, and all clients begin with the same pair.

Where the released code and this differ, beside what `learners.fedotp` says: the optimizer is fresh for every client and
round (there, one momentum buffer goes from client to client).
"""

from fedsilo.learners.fedotp import FedOTPLearner
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.recipe_factory import recipe

FedOTP = recipe(
    "FedOTP",
    "A shared and a private context, scored by the transport of patches to both.",
    FedOTPLearner,
    FedAvgStrategy,
)
