"""Adapters beside the halves of a tower's blocks: nothing before training, and in the right place afterwards."""

from typing import Any

import pytest
import torch

from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.clip.conversion import extract_image_tail
from fedsilo.models.clip.image_adapters import ImageAdapters
from fedsilo.models.clip.loading import load


@pytest.fixture(scope="module")
def shipped() -> Any:
    encoder = load(Backbone(device="cpu")).images
    size = encoder.preprocessing.height
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    return extract_image_tail(encoder, 0), encoder.hidden(images, 0)


def test_fresh_adapters_change_no_bit_of_the_shipped_tower(shipped: Any) -> None:
    tail, rows = shipped
    adapters = ImageAdapters(tail.width, tail.meta.layers, 64, 0.1)
    for found, frozen in zip(
        tail.read(tail.run(rows, 0, adapters.beside())), tail.read(tail.run(rows, 0)), strict=True
    ):
        assert torch.equal(found, frozen)


def test_each_half_of_each_block_has_its_own_adapter_that_reads_what_enters_the_half(toy_model: Any) -> None:
    tail = toy_model.image
    rows = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))
    entered: list[tuple[int, int, torch.Tensor]] = []

    def watch(block: int, half: int, given: torch.Tensor) -> torch.Tensor:
        entered.append((block, half, given))
        return torch.full_like(given, 0.5 if half else 0.25)

    first = tail.block(0, rows, watch)
    assert [(block, half) for block, half, _ in entered] == [(0, 0), (0, 1)]
    assert torch.equal(entered[0][2], rows)
    plain: list[torch.Tensor] = []
    tail.block(0, rows, lambda block, half, given: plain.append(given) or torch.zeros_like(given))
    torch.testing.assert_close(entered[1][2], plain[1] + 0.25, rtol=0, atol=1e-6)
    inner = tail.block(0, rows, lambda block, half, given: torch.full_like(given, 0.0 if half else 0.25))
    torch.testing.assert_close(first, inner + 0.5, rtol=0, atol=1e-6)


def test_weights_of_an_adapter_are_those_of_its_block_and_half() -> None:
    torch.manual_seed(0)
    adapters = ImageAdapters(6, 3, 4, 0.0)
    assert float(adapters.down.detach().abs().max()) <= 1 / 6**0.5
    assert float(adapters.down.detach().std()) == pytest.approx(1 / 18**0.5, rel=0.2)
    with torch.no_grad():
        adapters.up.normal_()
        adapters.up_bias.normal_()
    rows = torch.randn(2, 6)
    for block in range(3):
        for half in (0, 1):
            number = 3 * half + block
            inner = torch.relu(rows @ adapters.down[number].T + adapters.down_bias[number])
            expected = 0.1 * (inner @ adapters.up[number].T + adapters.up_bias[number])
            torch.testing.assert_close(adapters.beside()(block, half, rows), expected)
