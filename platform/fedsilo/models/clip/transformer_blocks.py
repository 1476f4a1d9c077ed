"""Transformer blocks from plain named tensors: pre-norm residual blocks as in both towers of CLIP.

The module needs no open_clip, and no weight is ever written: weights may be read-only memory shared between processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear, silu

from fedsilo.models.clip.tower_attention import AttentionPattern

Beside = Callable[[int, int, Tensor], Tensor]
"""What is added beside a half of a block: (number of the block, 0 for its attention or 1 for its MLP, the rows that
enter this half) -> rows of the same shape."""


def _quick_gelu(x: Tensor) -> Tensor:
    # x * sigmoid(1.702 x), by the fused kernel of y * sigmoid(y).
    return silu(1.702 * x) / 1.702


def _tanh_gelu(x: Tensor) -> Tensor:
    return gelu(x, approximate="tanh")


ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "gelu": gelu,
    "gelu_tanh": _tanh_gelu,
    "quick_gelu": _quick_gelu,
}


class Blocks:
    """Frozen blocks.

    Their tensors, with W the width and W_m that of the MLP: per block i `blocks.i.norm_1.weight`, `.norm_1.bias`,
    `.qkv.weight` (3W, W), `.qkv.bias`, `.out.weight` (W, W), `.out.bias`, `.norm_2.weight`, `.norm_2.bias`,
    `.fc.weight` (W_m, W), `.fc.bias`, `.proj.weight` (W, W_m), `.proj.bias`.
    """

    def __init__(self, tensors: Mapping[str, Tensor], heads: int, activation: str, epsilon: float) -> None:
        """Builds blocks on the given tensors, without a copy.

        Args:
            tensors: Weights by name, others among them.
            heads: Attention heads.
            activation: Key of `ACTIVATIONS`.
            epsilon: Epsilon of every layer norm.
        """
        self._tensors = dict(tensors)
        self._heads_count, self._activation, self._epsilon = heads, activation, epsilon

    def tensors(self) -> dict[str, Tensor]:
        """Returns all weights by name; shared, not copied."""
        return dict(self._tensors)

    def _block(self, layer: int, rows: Tensor, arrangement: AttentionPattern, beside: Beside | None = None) -> Tensor:
        name, tensors = f"blocks.{layer}", self._tensors
        inner = linear(self._norm(f"{name}.norm_1", rows), tensors[f"{name}.qkv.weight"], tensors[f"{name}.qkv.bias"])
        queries, keys, values = self._heads(inner, 3)
        attended = arrangement.attend(queries, keys, values)
        return self._finish(name, rows, attended, None if beside is None else partial(beside, layer))

    def _finish(
        self, name: str, rows: Tensor, attended: Tensor, beside: Callable[[int, Tensor], Tensor] | None = None
    ) -> Tensor:
        tensors, activate = self._tensors, ACTIVATIONS[self._activation]
        joined, entered = attended.transpose(1, 2).reshape(rows.shape), rows
        rows = rows + linear(joined, tensors[f"{name}.out.weight"], tensors[f"{name}.out.bias"])
        rows = rows if beside is None else rows + beside(0, entered)
        inner = linear(self._norm(f"{name}.norm_2", rows), tensors[f"{name}.fc.weight"], tensors[f"{name}.fc.bias"])
        behind = rows + linear(activate(inner), tensors[f"{name}.proj.weight"], tensors[f"{name}.proj.bias"])
        return behind if beside is None else behind + beside(1, rows)

    def _norm(self, name: str, rows: Tensor) -> Tensor:
        weight = self._tensors[f"{name}.weight"]
        return layer_norm(rows, weight.shape, weight, self._tensors[f"{name}.bias"], self._epsilon)

    def _heads(self, rows: Tensor, parts: int) -> tuple[Tensor, ...]:
        batch, count = rows.shape[:2]
        return rows.view(batch, count, parts, self._heads_count, -1).permute(2, 0, 3, 1, 4).unbind(0)
