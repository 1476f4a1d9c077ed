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
from fedsilo.training.model_sizes import ModelSizes
from fedsilo.training.module_learner import ModuleLearner

CROSS_ENTROPY, CONTRASTIVE = "cross_entropy", "contrastive"


class Adapter(nn.Module):
    """A(f) * f for image features f (b, D)."""

    def __init__(self, width: int) -> None:
        """Builds the adapter.

        Args:
            width: D, numbers of a feature.
        """
        super().__init__()
        self.hidden = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, pooled: Tensor) -> Tensor:
        """Weighs the coordinates of features.

        Args:
            pooled: Image features (b, D).

        Returns:
            A(f) * f, (b, D), not normalised.
        """
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

    def module(self, sizes: ModelSizes) -> nn.Module:
        """Builds the adapter.

        Args:
            sizes: Sizes of the frozen model: K, D and W.

        Returns:
            The module with the adapter.
        """
        return nn.ModuleDict({"adapter": Adapter(sizes.joint)})

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Draws W1 and W2, so that the weights of coordinates begin almost equal and A(f) * f is nearly parallel to f.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            Two weights (D, D) by name.
        """
        module = self.module(ModelSizes.of(frozen))
        draw(module, torch_generator(seed, "adapter"))
        return {name: parameter.detach() for name, parameter in module.named_parameters()}

    def call(self, module: nn.Module, inputs: Columns, frozen: Frozen, buffers: State) -> Tensor:
        """Scores adapted images by the hand-written prompts.

        Args:
            module: The module with its weights in place.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            buffers: All buffers by name.

        Returns:
            Scaled cosines (b, K).
        """
        return frozen.score(_adapt(module, inputs), frozen.zero_shot)

    def loss(self, params: State, buffers: State, batch: Batch, frozen: Frozen, task: Task) -> Tensor:
        """Computes the loss that `objective` names.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            batch: The examples (b, ...).
            frozen: The frozen model.
            task: The task.

        Returns:
            The mean loss, shape ().
        """
        if self.objective == CROSS_ENTROPY:
            return super().loss(params, buffers, batch, frozen, task)
        adapted = self.representation(params, buffers, batch.inputs, frozen)
        scores = frozen.score(adapted, frozen.zero_shot[batch.targets[CLASS]])
        partners = torch.arange(len(scores), device=scores.device)
        return (cross_entropy(scores, partners) + cross_entropy(scores.T, partners)) / 2

    def representation(self, params: State, buffers: State, inputs: Columns, frozen: Frozen) -> Tensor:
        """Adapts the image features.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.

        Returns:
            A(f) * f, (b, D).
        """
        return self.run(lambda module: _adapt(module, inputs), params, frozen)


def _adapt(module: nn.Module, inputs: Columns) -> Tensor:
    adapted: Tensor = module.get_submodule("adapter")(inputs[IMAGE])
    return adapted
