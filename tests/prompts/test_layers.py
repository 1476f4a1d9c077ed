"""Layers over named tensors against torch's own modules."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu

from fedsilo.prompts.layers import (
    attend,
    attention_names,
    attention_start,
    gated,
    gated_names,
    gated_start,
    norm,
    norm_names,
    norm_start,
    random_weight,
)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def shaken(tensors: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """No tensor at a special value, so that a forgotten bias would be seen."""
    return {name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator) for name, tensor in tensors.items()}


def torch_attention(tensors: dict[str, Tensor], width: int, source: int, heads: int) -> torch.nn.MultiheadAttention:
    module = torch.nn.MultiheadAttention(width, heads, kdim=source, vdim=source, batch_first=True)
    with torch.no_grad():
        parts = {"q_proj_weight": "query", "k_proj_weight": "key", "v_proj_weight": "value"}
        for theirs, ours in parts.items():
            getattr(module, theirs).copy_(tensors[f"a.{ours}.weight"])
        zero = torch.zeros(width)
        module.in_proj_bias.copy_(torch.cat([tensors["a.query.bias"], zero, tensors["a.value.bias"]]))
        module.out_proj.weight.copy_(tensors["a.out.weight"])
        module.out_proj.bias.copy_(tensors["a.out.bias"])
    return module


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_is_torchs_own(generator: torch.Generator, heads: int) -> None:
    tensors = shaken(attention_start("a", 8, 6, generator), generator)
    queries, sources = torch.randn(3, 5, 8, generator=generator), torch.randn(3, 7, 6, generator=generator)
    expected, _ = torch_attention(tensors, 8, 6, heads)(queries, sources, sources, need_weights=False)
    torch.testing.assert_close(attend(tensors, "a", queries, sources, heads), expected)


def test_attention_with_a_factor_of_its_own_is_that_of_scaled_queries(generator: torch.Generator) -> None:
    tensors = shaken(attention_start("a", 8, 6, generator), generator)
    queries, sources = torch.randn(3, 5, 8, generator=generator), torch.randn(3, 7, 6, generator=generator)
    by_ten = {**tensors, **{name: 20 * tensors[name] for name in ("a.query.weight", "a.query.bias")}}
    expected = attend(by_ten, "a", queries, sources, 2)
    torch.testing.assert_close(attend(tensors, "a", queries, sources, 2, scaling=10.0), expected)


def test_attention_broadcasts_queries_over_sets_of_sources(generator: torch.Generator) -> None:
    tensors = shaken(attention_start("a", 8, 8, generator), generator)
    queries, sources = torch.randn(3, 8, generator=generator), torch.randn(4, 2, 8, generator=generator)
    together = attend(tensors, "a", queries[:, None, None], sources, 2)
    assert together.shape == (3, 4, 1, 8)
    for b in range(3):
        for k in range(4):
            torch.testing.assert_close(together[b, k], attend(tensors, "a", queries[b : b + 1], sources[k], 2))


def test_norm_and_gated_layer_are_what_they_say(generator: torch.Generator) -> None:
    tensors = shaken(norm_start("n", 6) | gated_start("f", 6, 5, generator), generator)
    rows = torch.randn(4, 6, generator=generator)
    module = torch.nn.LayerNorm(6)
    module.load_state_dict({"weight": tensors["n.weight"], "bias": tensors["n.bias"]})
    torch.testing.assert_close(norm(tensors, "n", rows), module(rows).detach())
    inner = rows @ tensors["f.in.weight"].T + tensors["f.in.bias"]
    expected = (inner[:, :5] * gelu(inner[:, 5:])) @ tensors["f.out.weight"].T + tensors["f.out.bias"]
    torch.testing.assert_close(gated(tensors, "f", rows), expected)


def test_the_names_listed_are_the_tensors_drawn(generator: torch.Generator) -> None:
    assert set(attention_names("a")) == set(attention_start("a", 8, 6, generator))
    assert set(norm_names("n")) == set(norm_start("n", 8))
    assert set(gated_names("f")) == set(gated_start("f", 8, 16, generator))


def test_weights_start_within_torchs_bounds(generator: torch.Generator) -> None:
    weight = random_weight(200, 25, generator)
    assert weight.shape == (200, 25)
    assert 0.195 < float(weight.abs().max()) <= 0.2
    assert abs(float(weight.std()) - 0.2 / 3**0.5) < 0.005
