"""A block from named tensors, against torch's own layer."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from fedsilo.models.clip.tower_attention import FullAttention
from fedsilo.models.clip.transformer_blocks import ACTIVATIONS, Blocks

NAMES = {
    "norm_1": "norm1",
    "qkv": "self_attn.in_proj_",
    "out": "self_attn.out_proj",
    "norm_2": "norm2",
    "fc": "linear1",
    "proj": "linear2",
}
"""Parts of a block, and their names in torch's layer."""

FORMULAS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2,
    "gelu_tanh": lambda x: x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))) / 2,
    "quick_gelu": lambda x: x / (1 + torch.exp(-1.702 * x)),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_block_computes_what_the_layer_of_torch_computes(activation: str) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = nn.TransformerEncoderLayer(
        *(8, 2, 20), dropout=0, activation=FORMULAS[activation], batch_first=True, norm_first=True, layer_norm_eps=1e-3
    ).double()
    for parameter in layer.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    weights = layer.state_dict()
    tensors = {
        f"blocks.3.{part}.{kind}": weights[f"{name}{kind}" if name.endswith("_") else f"{name}.{kind}"]
        for part, name in NAMES.items()
        for kind in ("weight", "bias")
    }
    rows = torch.randn(4, 5, 8, generator=generator, dtype=torch.float64)
    blocks = Blocks(tensors, heads=2, activation=activation, epsilon=1e-3)
    torch.testing.assert_close(blocks._block(3, rows, FullAttention()), layer(rows), rtol=1e-10, atol=1e-10)


def test_what_stands_beside_a_half_reads_the_rows_that_enter_it_and_is_added() -> None:
    """With weights of zero a block adds only the bias of its MLP, so what stands beside it is seen."""
    sizes = {"qkv": (12, 4), "out": (4, 4), "fc": (6, 4), "proj": (4, 6)}
    tensors = {f"blocks.1.{name}.weight": torch.zeros(size) for name, size in sizes.items()}
    tensors |= {f"blocks.1.{name}.bias": torch.zeros(size[0]) for name, size in sizes.items()}
    tensors |= {f"blocks.1.norm_{n}.{kind}": torch.ones(4) for n in (1, 2) for kind in ("weight", "bias")}
    tensors["blocks.1.proj.bias"] = torch.ones(4)
    seen: list[tuple[int, int, Tensor]] = []

    def beside(block: int, half: int, entered: Tensor) -> Tensor:
        seen.append((block, half, entered.clone()))
        return torch.full_like(entered, 10.0 ** (half + 1))

    rows = torch.arange(12.0).view(1, 3, 4)
    found = Blocks(tensors, heads=2, activation="gelu", epsilon=1e-5)._block(1, rows, FullAttention(), beside)
    assert torch.equal(found, rows + 111)
    assert [where[:2] for where in seen] == [(1, 0), (1, 1)]
    assert torch.equal(seen[0][2], rows)
    assert torch.equal(seen[1][2], rows + 10)
