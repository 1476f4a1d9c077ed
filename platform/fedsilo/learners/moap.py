"""pFedMoAP's learner: a context, and a gate that mixes in the contexts of other clients.

Source: Luo, Chen, Wu, "Mixture of Experts Made Personalized: Federated Prompt Learning for Vision-Language Models",
ICLR 2025, arXiv:2410.10114. Per class, the gate attends from the image to the text features of all experts, the own
context among them; a score is sim(image, mixed text) + lambda sim(image, own text). The experts, other contexts, come
as the buffer `experts`, from the strategy of the same name; without any the learner is CoOp.

The gate is the released code's. It sees every (D / P)-th coordinate of the normalised features. Products of queries
and keys are multiplied by 10 before the softmax, not divided by sqrt(d). The mixed text is compared with the image in
these P coordinates; neither of the two is normalised again. Biases of the gate start at 0, there at random.

Dimensions: b images, K classes, E experts of others, D joint width, P width of the gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from fedsilo.core.batch import IMAGE, Columns
from fedsilo.core.config_fields import key
from fedsilo.core.errors import BackboneError
from fedsilo.core.frozen import Frozen
from fedsilo.core.seeds import torch_generator
from fedsilo.core.types import State
from fedsilo.models.prompts.context_learner import PromptLearner
from fedsilo.models.prompts.cross_attention import Attention, draw

CONTEXT, EXPERTS, GATE = "context", "experts", "gate."


@dataclass(frozen=True)
class MoAPLearner(PromptLearner):
    """A context and a gate over contexts of others."""

    local_weight: float = key(0.5, "Lambda: weight of the client's own text beside the mixed one.", within=">= 0")
    heads: int = key(8, "Attention heads of the gate; they divide its width.", within=">= 1")
    gate_width: int = key(128, "Coordinates of a feature that the gate sees, evenly spaced.", within=">= 1")
    scaling: float = key(
        10.0, "Factor of the gate's products of queries and keys; 1 / sqrt(gate_width / heads) is usual.", within="> 0"
    )
    gate_learning_rate_factor: float = key(
        5.0, "Learning rate of the gate over training.optimizer.learning_rate, that of the context.", within="> 0"
    )

    @property
    def personal(self) -> tuple[str, ...]:
        """Returns the gate's parameters."""
        return self.names()[1:]

    @property
    def mixed(self) -> str:
        """Returns the context."""
        return CONTEXT

    def problems(self) -> list[str]:
        """Lists impossible values of the fields."""
        lines = super().problems()
        if self.heads > 0 and self.gate_width % self.heads:
            lines.append(f"heads: {self.heads} do not divide gate_width {self.gate_width}. Choose a divisor of it.")
        return lines

    @property
    def rate_factors(self) -> Mapping[str, float]:
        """Returns the gate's factor for each of its tensors."""
        return dict.fromkeys(self.personal, self.gate_learning_rate_factor)

    def names(self) -> tuple[str, ...]:
        """Names the parameters: the context and the gate's parameters."""
        with torch.device("meta"):
            gate = Attention(self.heads, self.heads, self.heads)
        return (CONTEXT, *(GATE + name for name, _ in gate.named_parameters()))

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Draws the context, as in PromptFL, and the gate; the same start for every client.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            The context (L, W) and the gate's weights by name.

        Raises:
            BackboneError: The heads do not divide the gate's width.
        """
        width = self._width(frozen.zero_shot)
        if width % self.heads:
            raise BackboneError(
                f"method.heads: {self.heads} heads do not divide the joint width {width}, which is smaller than "
                "method.gate_width. Choose a divisor of it."
            )
        gate = self._gate(width)
        draw(gate, torch_generator(seed, "gate"))
        weights = {GATE + name: parameter.detach() for name, parameter in gate.named_parameters()}
        return {CONTEXT: self.start(frozen, seed), **weights}

    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        """Adds the scores of the mixed text and of the own text.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            training: Whether the scores are for a training step.

        Returns:
            Scores (b, K); those of the own text alone where there are no experts.
        """
        own = self.text(frozen, params[CONTEXT])
        plain = frozen.score(inputs[IMAGE], own)
        experts = buffers.get(EXPERTS)
        if experts is None or not len(experts):
            return plain
        with torch.no_grad():
            others = self.texts(frozen, experts)
        images = self._seen(normalize(inputs[IMAGE], dim=-1))
        by_class = self._seen(torch.cat([own.unsqueeze(0), others]).transpose(0, 1))
        weights = {name.removeprefix(GATE): params[name] for name in self.personal}
        with torch.device("meta"):
            gate = self._gate(images.shape[-1])
        mixed = torch.func.functional_call(gate, weights, (images[:, None, None], by_class)).squeeze(-2)
        return frozen.scale * torch.einsum("bp,bkp->bk", images, mixed) + self.local_weight * plain

    def _gate(self, width: int) -> nn.Module:
        return Attention(width, width, self.heads, self.scaling)

    def _seen(self, features: Tensor) -> Tensor:
        """Selects evenly spaced coordinates (..., P) of features (..., D)."""
        width = self._width(features)
        return features[..., :: features.shape[-1] // width][..., :width]

    def _width(self, features: Tensor) -> int:
        """Computes P: the key's value, or D where features have fewer coordinates."""
        return min(self.gate_width, features.shape[-1])
