"""FedCLIP's learner: an adapter that weighs the image feature's coordinates; the class texts stay hand-written.

Source: Lu, Hu, Wang, Xie, "FedCLIP: Fast Generalization and Personalization for CLIP in Federated Learning", IEEE
Data Engineering Bulletin 2023, arXiv:2302.13485. The adapter is A(f) = softmax(W2 tanh(W1 f)); an image is scored by
the normalised A(f) * f.

Reconstruction: f enters as the image tower gives it, not normalised; W1 and W2 are square and without biases.

Dimensions: b images, K classes, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fedsilo.core.batch import CLASS, IMAGE, Batch, Columns
from fedsilo.core.config_fields import key
from fedsilo.core.frozen import Frozen
from fedsilo.core.seeds import torch_generator
from fedsilo.core.task import Task
from fedsilo.core.types import State
from fedsilo.models.prompts.cross_attention import draw
from fedsilo.training.module_learner import ModuleLearner, Sizes

CROSS_ENTROPY, CONTRASTIVE = "cross_entropy", "contrastive"


class Adapter(nn.Module):
    """A(f) * f for image features f (b, D)."""

    def __init__(self, width: int) -> None:
        """Makes an adapter of features of D numbers."""
        super().__init__()
        self.hidden = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, pooled: Tensor) -> Tensor:
        """Returns the weighed features (b, D), not normalised."""
        weighing: Tensor = self.out(torch.tanh(self.hidden(pooled))).softmax(dim=-1)
        return weighing * pooled


@dataclass(frozen=True)
class FedCLIPLearner(ModuleLearner):
    """One adapter on the image feature."""

    objective: str = key(
        CROSS_ENTROPY,
        "'cross_entropy' over all classes, or the paper's 'contrastive': the images of a batch against their texts, "
        "both ways; images of one class are then each other's negatives.",
        CROSS_ENTROPY,
        CONTRASTIVE,
    )

    @property
    def separable(self) -> bool:
        """Returns whether examples of a batch do not meet: not in the contrastive objective."""
        return self.objective == CROSS_ENTROPY

    def module(self, sizes: Sizes) -> nn.Module:
        """Returns the adapter."""
        return nn.ModuleDict({"adapter": Adapter(sizes.joint)})

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Returns two random (D, D) weights, so that the adapter's weighing is close to even and f nearly itself."""
        module = self.module(Sizes.of(frozen))
        draw(module, torch_generator(seed, "adapter"))
        return {name: parameter.detach() for name, parameter in module.named_parameters()}

    def call(self, module: nn.Module, inputs: Columns, frozen: Frozen, buffers: State) -> Tensor:
        """Returns the scaled cosine of each adapted image with each class's hand-written prompt."""
        return frozen.score(_adapted(module, inputs), frozen.zero_shot)

    def loss(self, params: State, buffers: State, batch: Batch, frozen: Frozen, task: Task) -> Tensor:
        """Returns the loss that `objective` names."""
        if self.objective == CROSS_ENTROPY:
            return super().loss(params, buffers, batch, frozen, task)
        adapted = self.representation(params, buffers, batch.inputs, frozen)
        scores = frozen.score(adapted, frozen.zero_shot[batch.targets[CLASS]])
        partners = torch.arange(len(scores), device=scores.device)
        return (cross_entropy(scores, partners) + cross_entropy(scores.T, partners)) / 2

    def representation(self, params: State, buffers: State, inputs: Columns, frozen: Frozen) -> Tensor:
        """Returns the adapted features (b, D)."""
        return self.run(lambda module: _adapted(module, inputs), params, frozen)


def _adapted(module: nn.Module, inputs: Columns) -> Tensor:
    adapted: Tensor = module.get_submodule("adapter")(inputs[IMAGE])
    return adapted
