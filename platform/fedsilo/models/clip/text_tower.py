"""CLIP's text tower, exact and fast, from plain named tensors.

The tower is frozen: only context vectors in front of the class names are learned. So no token behind the last
end-of-text is ever computed (the mask is causal: they cannot matter), and [SOS] and the context, the same for every
class, are computed once; a class runs only its own few tokens against their keys and values. The last layer computes
only the rows that are read out. The numbers are those of open_clip's path over 77 padded tokens, forward and backward,
up to rounding. The module needs no open_clip, and no weight is ever written: weights may be read-only memory shared
between processes.

Dimensions: K classes, L context tokens, N prompts, S sequences, T tokens, W text width, D joint width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.tower_attention import Arrangement, Sequences, arrange_shared_prefix
from fedsilo.models.clip.transformer_blocks import Blocks

AT_ONCE = 2048
"""Texts that are encoded together where no gradient is taken, so that memory stays bounded in an open world: with the
widths of ViT-L-14 about 0.4 GB."""


@dataclass(frozen=True, slots=True)
class TowerMeta:
    """The facts that the tensors do not contain.

    Attributes:
        heads: Attention heads.
        layers: Transformer blocks, >= 1.
        context_length: Longest sequence, 77 for most.
        activation: Key of `transformer_blocks.ACTIVATIONS`.
        epsilon: Epsilon of every layer norm.
        end_token: Id of the token read out, its first occurrence; None: the highest id of the sequence.
    """

    heads: int
    layers: int
    context_length: int
    activation: str
    epsilon: float
    end_token: int | None = None


class TextTower(Blocks):
    """A frozen causal text transformer.

    Its tensors: those of its blocks (`Blocks`); `positions` (context_length, W); `norm.weight`, `norm.bias`;
    `projection.weight` (D, W), absent where W is D and features are not projected, and `projection.bias`, absent in
    most.
    """

    def __init__(self, meta: TowerMeta, tensors: Mapping[str, Tensor]) -> None:
        """Builds a tower on the given tensors, without a copy.

        Args:
            meta: The facts that the tensors do not contain.
            tensors: Weights by name.
        """
        super().__init__(tensors, meta.heads, meta.activation, meta.epsilon)
        self.meta = meta

    @classmethod
    def from_tensors(cls, meta: TowerMeta, tensors: Mapping[str, Tensor]) -> TextTower:
        """Builds the tower that `tensors` and `meta` describe, without a copy.

        Args:
            meta: The facts that the tensors do not contain.
            tensors: Weights by name.

        Returns:
            The tower.
        """
        return cls(meta, tensors)

    def to(self, device: str | torch.device) -> TextTower:
        """Copies the tower to a device.

        Args:
            device: A torch device, for example "cuda:0".

        Returns:
            The tower on the device.
        """
        return TextTower(self.meta, {name: tensor.to(device) for name, tensor in self._tensors.items()})

    @property
    def width(self) -> int:
        """Returns W, the length of a token's vector."""
        return int(self._tensors["positions"].shape[1])

    def run(self, rows: Tensor, positions: Tensor, arrangement: Arrangement) -> Tensor:
        """Runs the tower over packed rows.

        Args:
            rows: (batch, rows, W) token embeddings.
            positions: (rows,) position of each row in its sequence.
            arrangement: Which rows attend to which, and which are read out.

        Returns:
            Features (batch, K, D) of the rows read out, not normalised.
        """
        rows = rows + self._tensors["positions"][positions]
        for layer in range(self.meta.layers - 1):
            rows = self._block(layer, rows, arrangement)
        rows = self._norm("norm", self._last_block(rows, arrangement))
        projection = self._tensors.get("projection.weight")
        return rows if projection is None else linear(rows, projection, self._tensors.get("projection.bias"))

    def _last_block(self, rows: Tensor, arrangement: Arrangement) -> Tensor:
        name, width = f"blocks.{self.meta.layers - 1}", self.width
        weight, bias = self._tensors[f"{name}.qkv.weight"], self._tensors[f"{name}.qkv.bias"]
        inner = self._norm(f"{name}.norm_1", rows)
        keys, values = self._heads(linear(inner, weight[width:], bias[width:]), 2)
        (queries,) = self._heads(linear(arrangement.readout(inner), weight[:width], bias[:width]), 1)
        return self._finish(name, arrangement.readout(rows), arrangement.attend_readout(queries, keys, values))


def encode_prompts(tower: TextTower, classes: ClassTokens, context: Tensor) -> Tensor:
    """Encodes `[SOS] context name . [EOT]` for every class.

    The features are differentiable in the context and in the classes' embeddings, which may be learned (soft tokens).

    Args:
        tower: The frozen text tower.
        classes: Tokens of the class names, on the tower's device.
        context: (L, W), or (N, L, W) for N prompts at once.

    Returns:
        (K, D), or (N, K, D); not normalised.

    Raises:
        BackboneError: The context has another width than the tower, or is too long for the longest class name.
    """
    prompts = context if context.dim() == 3 else context.unsqueeze(0)
    check_prompts(tower, classes, prompts)
    if len(classes) > AT_ONCE and not torch.is_grad_enabled():
        return torch.cat([encode_prompts(tower, some, context) for some in classes.split(AT_ONCE)], dim=-2)
    layout = arrange_shared_prefix(classes.lengths, 1 + prompts.shape[1], prompts.device)
    start = classes.sos.expand(len(prompts), 1, -1)
    names = classes.embeddings.expand(len(prompts), -1, -1)
    features = tower.run(torch.cat([start, prompts, names], dim=1), layout.positions, layout)
    return features if context.dim() == 3 else features[0]


def encode_sequences(tower: TextTower, embeddings: Tensor, ends: Tensor) -> Tensor:
    """Encodes whole sequences; the tokens behind the last end are not computed.

    For sequences without a common prefix: written prompts, contexts of single classes, a class name in the middle.

    Args:
        tower: The frozen text tower.
        embeddings: (S, T, W) token embeddings without positions, [SOS] first, T at most the context length.
        ends: (S,) int64 position of the token read out in each sequence.

    Returns:
        (S, D), not normalised.
    """
    length = int(ends.max()) + 1
    positions = torch.arange(length, device=embeddings.device)
    return tower.run(embeddings[:, :length], positions, Sequences(ends, length))[:, 0]


def check_prompts(tower: TextTower, classes: ClassTokens, prompts: Tensor) -> None:
    """Checks that prompts fit the tower.

    Args:
        tower: The frozen text tower.
        classes: Tokens of the class names, on the tower's device.
        prompts: (N, L, W).

    Raises:
        BackboneError: Their width is not the tower's, or they leave no room for the longest class name.
    """
    if prompts.shape[-1] != tower.width:
        raise BackboneError(
            f"prompt: its vectors have {prompts.shape[-1]} numbers, the text tower takes {tower.width}. "
            "Use a prompt that was made for this backbone."
        )
    needed = 1 + prompts.shape[1] + max(classes.lengths)
    if needed > tower.meta.context_length:
        raise BackboneError(
            f"prompt: {prompts.shape[1]} context tokens and the {max(classes.lengths)} of class {classes.longest} need "
            f"{needed} positions, the text tower has {tower.meta.context_length}. Shorten the context or its name."
        )
