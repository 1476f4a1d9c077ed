"""Attention and the gated layer against torch's own modules."""

import pytest
import torch
from torch import nn
from torch.nn.functional import gelu

from fedsilo.models.prompts.cross_attention import Attention, GatedFeedForward, draw


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def shaken(module: nn.Module, generator: torch.Generator) -> nn.Module:
    """Weights drawn, and no tensor at a special value, so that a forgotten bias would be seen."""
    draw(module, generator)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return module.requires_grad_(False)


def torch_attention(ours: Attention, width: int, source: int, heads: int) -> nn.MultiheadAttention:
    module = nn.MultiheadAttention(width, heads, kdim=source, vdim=source, batch_first=True)
    parts = {"q_proj_weight": ours.query, "k_proj_weight": ours.key, "v_proj_weight": ours.value}
    with torch.no_grad():
        for theirs, layer in parts.items():
            getattr(module, theirs).copy_(layer.weight)
        module.in_proj_bias.copy_(torch.cat([ours.query.bias, torch.zeros(width), ours.value.bias]))
        module.out_proj.weight.copy_(ours.out.weight)
        module.out_proj.bias.copy_(ours.out.bias)
    return module


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_is_torchs_own(generator: torch.Generator, heads: int) -> None:
    ours = shaken(Attention(8, 6, heads), generator)
    queries, sources = torch.randn(3, 5, 8, generator=generator), torch.randn(3, 7, 6, generator=generator)
    expected, _ = torch_attention(ours, 8, 6, heads)(queries, sources, sources, need_weights=False)
    torch.testing.assert_close(ours(queries, sources), expected)


def test_attention_with_a_factor_of_its_own_is_that_of_scaled_queries(generator: torch.Generator) -> None:
    plain, scaled = shaken(Attention(8, 6, 2), generator), Attention(8, 6, 2, scaling=10.0)
    scaled.load_state_dict(plain.state_dict())
    queries, sources = torch.randn(3, 5, 8, generator=generator), torch.randn(3, 7, 6, generator=generator)
    for part in (plain.query.weight, plain.query.bias):
        part.mul_(20)
    torch.testing.assert_close(scaled(queries, sources), plain(queries, sources))


def test_attention_broadcasts_queries_over_sets_of_sources(generator: torch.Generator) -> None:
    layer = shaken(Attention(8, 8, 2), generator)
    queries, sources = torch.randn(3, 8, generator=generator), torch.randn(4, 2, 8, generator=generator)
    together = layer(queries[:, None, None], sources)
    assert together.shape == (3, 4, 1, 8)
    for b in range(3):
        for k in range(4):
            torch.testing.assert_close(together[b, k], layer(queries[b : b + 1], sources[k]))


def test_the_gated_layer_is_geglu(generator: torch.Generator) -> None:
    layer = shaken(GatedFeedForward(6, 5), generator)
    rows = torch.randn(4, 6, generator=generator)
    entry = layer.get_submodule("in")
    inner = rows @ entry.weight.T + entry.bias
    expected = (inner[:, :5] * gelu(inner[:, 5:])) @ layer.out.weight.T + layer.out.bias
    torch.testing.assert_close(layer(rows), expected)


def test_weights_start_within_torchs_bounds_and_biases_at_zero(generator: torch.Generator) -> None:
    layer = nn.Linear(25, 200)
    draw(layer, generator)
    assert 0.195 < float(layer.weight.detach().abs().max()) <= 0.2
    assert abs(float(layer.weight.detach().std()) - 0.2 / 3**0.5) < 0.005
    assert not layer.bias.detach().any()
    again = nn.Linear(25, 200)
    draw(again, torch.Generator().manual_seed(3))
    assert torch.equal(layer.weight, again.weight)
