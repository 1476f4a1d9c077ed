"""Records one forward of the text tower over `[SOS] context name . [EOT]` for many backward passes.

The forward of one context is kept once, in a shape in which `models.clip.pullback` picks single classes out of it for
single examples. The rows are those of `tower_attention.SharedPrefix`: P prefix rows, then the own rows of all classes,
without padding. For attention alone a class's own rows are padded to those of the longest class, T; padding has weight
0.

Dimensions: L context tokens, P = 1 + L prefix rows, R class rows in all, K classes, T own rows of the longest class, Q
query rows of each class: T, in the last layer 1, the row read out; H heads, d width of a head, W = H d text width, V
width of the MLP, D joint width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.text_tower import TextTower, check_prompts
from fedsilo.models.clip.tower_attention import arrange_shared_prefix
from fedsilo.models.clip.transformer_blocks import ACTIVATIONS

_BLOCKED = float("-inf")


@dataclass(frozen=True, eq=False, slots=True)
class NormRecord:
    """The result of a layer norm before its weight and bias, and its factor.

    Attributes:
        rows: (n, W), each of mean 0 and variance 1.
        inverse: (n, 1), 1 / standard deviation.
    """

    rows: Tensor
    inverse: Tensor


@dataclass(frozen=True, eq=False, slots=True)
class AttentionRecord:
    """Attention as it was computed; queries are divided by sqrt(d) already.

    Attributes:
        prefix_queries: (H, P, d).
        prefix_keys: (H, P, d).
        prefix_values: (H, P, d).
        prefix_weights: (H, P, P); None in the last layer, where the prefix is not read.
        queries: (H, K, Q, d).
        keys: (H, K, T, d).
        values: (H, K, T, d).
        to_prefix: (H, K, Q, P) weights of class rows on the prefix.
        to_own: (H, K, Q, T) weights of class rows on rows of their class.
    """

    prefix_queries: Tensor
    prefix_keys: Tensor
    prefix_values: Tensor
    prefix_weights: Tensor | None
    queries: Tensor
    keys: Tensor
    values: Tensor
    to_prefix: Tensor
    to_own: Tensor


@dataclass(frozen=True, eq=False, slots=True)
class RecordedBlock:
    """One transformer block.

    Attributes:
        norm_1: Layer norm of all P + R rows.
        attended: The attention.
        norm_2: Layer norm of the rows that continue: all P + R, in the last layer the K that are read out.
        slope: (P + R, V) or (K, V) derivative of the activation at its inputs.
    """

    norm_1: NormRecord
    attended: AttentionRecord
    norm_2: NormRecord
    slope: Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Places:
    """The rows of each class.

    Attributes:
        prefix: P.
        lengths: (K,) own rows of each class.
        rows: (K, T) their place among all rows, from P; row P for padding.
        present: (K, T) False for padding.
    """

    prefix: int
    lengths: Tensor
    rows: Tensor
    present: Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Recording:
    """A forward of all classes behind one context.

    Attributes:
        tower: The text tower.
        places: The rows of each class.
        layers: The blocks, first to last.
        norm: The last layer norm, of the K rows read out.
        features: (K, D) class features, not normalised.
    """

    tower: TextTower
    places: Places
    layers: tuple[RecordedBlock, ...]
    norm: NormRecord
    features: Tensor


@torch.no_grad()
def record(tower: TextTower, classes: ClassTokens, context: Tensor) -> Recording:
    """Runs the forward behind a context and keeps about (P + R) * (6 W + V) numbers a layer.

    That is 80 MB for ViT-B-16, 100 classes and 16 context tokens. The features are those of `encode_prompts` up to
    rounding.

    Args:
        tower: The frozen text tower.
        classes: Tokens of the class names, on the tower's device.
        context: (L, W).

    Returns:
        The recording.

    Raises:
        BackboneError: The context has another width than the tower, or is too long for the longest class name.
    """
    check_prompts(tower, classes, context.unsqueeze(0))
    places = _places(classes.lengths, 1 + len(context), context.device)
    positions = arrange_shared_prefix(classes.lengths, places.prefix, context.device).positions
    rows = torch.cat([classes.sos.unsqueeze(0), context, classes.embeddings]) + tower.tensors()["positions"][positions]
    recorder, layers = _Recorder(tower, places), []
    for number in range(tower.meta.layers):
        layer, rows = recorder.block(number, rows)
        layers.append(layer)
    norm, rows = recorder.norm("norm", rows)
    return Recording(tower, places, tuple(layers), norm, recorder.project(rows))


def _places(lengths: tuple[int, ...], prefix: int, device: torch.device) -> Places:
    counts = torch.tensor(lengths, device=device)
    steps = torch.arange(max(lengths), device=device)
    present = steps < counts[:, None]
    rows = prefix + (counts.cumsum(0) - counts)[:, None] + steps
    return Places(prefix, counts, rows.where(present, prefix), present)


class _Recorder:
    """Runs blocks as `TextTower` does, and records them."""

    def __init__(self, tower: TextTower, places: Places) -> None:
        self._tensors, self._meta, self._places = tower.tensors(), tower.meta, places
        self._last = places.lengths - 1
        self._ends = places.rows.gather(1, self._last[:, None])[:, 0]
        own = places.present[:, :, None] & places.present[:, None, :]
        self._blocked = ~own.tril()  # (K, T, T): a row of a class sees itself and those before it

    def norm(self, name: str, rows: Tensor) -> tuple[NormRecord, Tensor]:
        variance, mean = torch.var_mean(rows, dim=1, correction=0, keepdim=True)
        inverse = (variance + self._meta.epsilon).rsqrt_()
        normed = (rows - mean).mul_(inverse)
        return NormRecord(normed, inverse), normed * self._tensors[f"{name}.weight"] + self._tensors[f"{name}.bias"]

    def block(self, number: int, rows: Tensor) -> tuple[RecordedBlock, Tensor]:
        """Returns a block's record and the rows that leave it."""
        name, last = f"blocks.{number}", number == self._meta.layers - 1
        norm_1, inner = self.norm(f"{name}.norm_1", rows)
        attend = self._attend_readout if last else self._attend
        attended, found = attend(self._linear(f"{name}.qkv", inner).view(len(inner), 3, self._meta.heads, -1))
        rows = (rows[self._ends] if last else rows) + self._linear(f"{name}.out", found)
        norm_2, inner = self.norm(f"{name}.norm_2", rows)
        value, slope = _slope(ACTIVATIONS[self._meta.activation], self._linear(f"{name}.fc", inner))
        return RecordedBlock(norm_1, attended, norm_2, slope), rows + self._linear(f"{name}.proj", value)

    def project(self, rows: Tensor) -> Tensor:
        weight = self._tensors.get("projection.weight")
        return rows if weight is None else linear(rows, weight, self._tensors.get("projection.bias"))

    def _linear(self, name: str, rows: Tensor) -> Tensor:
        return linear(rows, self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"])

    def _attend(self, rows: Tensor) -> tuple[AttentionRecord, Tensor]:
        """Returns attention in the prefix and of classes, and its results (P + R, W), from rows (P + R, 3, H, d)."""
        prefix, present = self._places.prefix, self._places.present
        head_queries, head_keys, head_values = _heads(rows[:prefix])
        queries, keys, values = _heads(rows[self._places.rows])
        head_weights = (head_queries @ head_keys.mT).masked_fill_(_later(head_queries), _BLOCKED).softmax(-1)
        to_prefix, to_own = _weights(queries, head_keys, keys, self._blocked)
        to_prefix, to_own = to_prefix.mul_(present[:, :, None]), to_own.mul_(present[:, :, None])
        found = to_prefix @ head_values.unsqueeze(1) + to_own @ values
        joined = [(head_weights @ head_values).transpose(0, 1), found.permute(1, 2, 0, 3)[present]]
        head = head_queries, head_keys, head_values, head_weights
        return AttentionRecord(*head, queries, keys, values, to_prefix, to_own), torch.cat(joined).flatten(1)

    def _attend_readout(self, rows: Tensor) -> tuple[AttentionRecord, Tensor]:
        """Returns the attention of the rows read out alone, and its results (K, W)."""
        head_queries, head_keys, head_values = _heads(rows[: self._places.prefix])
        queries, keys, values = _heads(rows[self._places.rows])
        classes = torch.arange(len(self._last), device=rows.device)
        queries = queries[:, classes, self._last].unsqueeze(2)
        blocked = self._blocked[classes, self._last].unsqueeze(1)
        to_prefix, to_own = _weights(queries, head_keys, keys, blocked)
        found = to_prefix @ head_values.unsqueeze(1) + to_own @ values
        head = head_queries, head_keys, head_values, None
        return AttentionRecord(*head, queries, keys, values, to_prefix, to_own), found[:, :, 0].transpose(0, 1).flatten(
            1
        )


def _heads(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns queries, divided by sqrt(d), keys and values (H, ..., d) of rows (..., 3, H, d)."""
    queries, keys, values = (part.movedim(-2, 0).contiguous() for part in rows.unbind(-3))
    return queries * queries.shape[-1] ** -0.5, keys, values


def _weights(queries: Tensor, head_keys: Tensor, keys: Tensor, blocked: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the weights of class rows on the prefix (H, K, Q, P) and on own rows (H, K, Q, T)."""
    to_prefix = queries @ head_keys.unsqueeze(1).mT
    to_own = (queries @ keys.mT).masked_fill_(blocked, _BLOCKED)
    weights = torch.cat([to_prefix, to_own], dim=-1).softmax(-1)
    return weights[..., : to_prefix.shape[-1]].contiguous(), weights[..., to_prefix.shape[-1] :].contiguous()


def _later(queries: Tensor) -> Tensor:
    """Returns (P, P), whether a row of the prefix comes after another."""
    rows = queries.shape[1]
    return torch.ones(rows, rows, dtype=torch.bool, device=queries.device).triu(1)


def _slope(activation: Callable[[Tensor], Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
    """Returns an elementwise function's value and derivative."""
    with torch.enable_grad():
        rows = rows.requires_grad_()
        value = activation(rows)
        (slope,) = torch.autograd.grad(value, rows, torch.ones_like(value))
    return value.detach(), slope
