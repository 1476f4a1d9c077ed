"""Small learned layers over named tensors: attention, layer norm, gated feed-forward. No module holds any state.

A layer's tensors carry its name and a dot in front, so that several layers lie in one state; `*_names` lists them and
`*_start` draws them: weights from U(-1/sqrt(n), 1/sqrt(n)) for n inputs, as `torch.nn.Linear` does, biases 0.

Dimensions: Q queries, S sources, E width of the layer, C width of the sources, h heads, d = E / h.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear

from fedsilo.contracts import State

_ATTENTION = ("query.weight", "query.bias", "key.weight", "value.weight", "value.bias", "out.weight", "out.bias")
_NORM = ("weight", "bias")
_GATED = ("in.weight", "in.bias", "out.weight", "out.bias")


def random_weight(outputs: int, inputs: int, generator: torch.Generator) -> Tensor:
    """Returns a linear layer's weight (outputs, inputs) before training."""
    return (2 * torch.rand(outputs, inputs, generator=generator) - 1) / math.sqrt(inputs)


def attention_names(name: str) -> tuple[str, ...]:
    """Returns the names of an attention's tensors. Keys have no bias: softmax would take it away."""
    return tuple(f"{name}.{part}" for part in _ATTENTION)


def attention_start(name: str, width: int, source: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Returns an attention's tensors before training, for queries of `width` E and sources of width `source` C."""
    inputs = {"query": width, "key": source, "value": source, "out": width}
    weights = {f"{name}.{part}.weight": random_weight(width, n, generator) for part, n in inputs.items()}
    return weights | {f"{name}.{part}.bias": torch.zeros(width) for part in ("query", "value", "out")}


def attend(
    tensors: State, name: str, queries: Tensor, sources: Tensor, heads: int, scaling: float | None = None
) -> Tensor:
    """Returns multi-head attention of queries to sources, as `torch.nn.MultiheadAttention` defines it.

    Args:
        tensors: Where the layer's tensors are.
        name: The layer's name in it.
        queries: (..., Q, E).
        sources: (..., S, C), keys and values; leading dimensions broadcast with those of the queries.
        heads: h, a divisor of E.
        scaling: Factor of the products of queries and keys in front of the softmax; 1 / sqrt(d) by default.

    Returns:
        (..., Q, E).
    """

    def projected(part: str, rows: Tensor) -> Tensor:
        weight, bias = tensors[f"{name}.{part}.weight"], tensors.get(f"{name}.{part}.bias")
        return linear(rows, weight, bias).view(*rows.shape[:-1], heads, -1)

    asked, keys, values = projected("query", queries), projected("key", sources), projected("value", sources)
    # einsum and not the fused attention: it broadcasts many queries over many sets of sources without copying either.
    products = torch.einsum("...qhd,...shd->...hqs", asked, keys)
    fit = products / math.sqrt(asked.shape[-1]) if scaling is None else products * scaling
    mixed = torch.einsum("...hqs,...shd->...qhd", fit.softmax(dim=-1), values)
    return linear(mixed.flatten(-2), tensors[f"{name}.out.weight"], tensors[f"{name}.out.bias"])


def norm_names(name: str) -> tuple[str, ...]:
    """Returns the names of a layer norm's tensors."""
    return tuple(f"{name}.{part}" for part in _NORM)


def norm_start(name: str, width: int) -> dict[str, Tensor]:
    """Returns a layer norm's tensors before training."""
    return {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}


def norm(tensors: State, name: str, rows: Tensor) -> Tensor:
    """Returns the layer norm of rows (..., E)."""
    weight = tensors[f"{name}.weight"]
    return layer_norm(rows, weight.shape, weight, tensors[f"{name}.bias"])


def gated_names(name: str) -> tuple[str, ...]:
    """Returns the names of a gated feed-forward layer's tensors."""
    return tuple(f"{name}.{part}" for part in _GATED)


def gated_start(name: str, width: int, inner: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Returns a gated feed-forward layer's tensors before training, `inner` wide between its two products."""
    return {
        f"{name}.in.weight": random_weight(2 * inner, width, generator),
        f"{name}.in.bias": torch.zeros(2 * inner),
        f"{name}.out.weight": random_weight(width, inner, generator),
        f"{name}.out.bias": torch.zeros(width),
    }


def gated(tensors: State, name: str, rows: Tensor) -> Tensor:
    """Returns a feed-forward layer with GEGLU of rows (..., E): out(a * gelu(b)), (a, b) = in(rows).

    Source: Shazeer, "GLU Variants Improve Transformer", arXiv:2002.05202.
    """
    value, gate = linear(rows, tensors[f"{name}.in.weight"], tensors[f"{name}.in.bias"]).chunk(2, dim=-1)
    return linear(value * gelu(gate), tensors[f"{name}.out.weight"], tensors[f"{name}.out.bias"])
