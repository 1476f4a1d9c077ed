"""Activations in front of a block, and the end of the tower that goes on from them, against the whole tower."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from open_clip.transformer import VisionTransformer
from torch import nn

from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.clip.conversion import extract_image_tail
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.loading import load
from fedsilo.models.clip.views import Preprocessing


def images(size: int) -> torch.Tensor:
    return torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(0))


def random_vit(**options: Any) -> ImageEncoder:
    torch.manual_seed(1)
    sizes: dict[str, Any] = {
        "image_size": 16, "patch_size": 8, "width": 24, "layers": 3, "heads": 3, "mlp_ratio": 2, "output_dim": 10,
    }  # fmt: skip
    tower = VisionTransformer(**{**sizes, **options}).eval()
    for parameter in tower.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)  # norms and biases are ones and zeros otherwise
    return ImageEncoder(tower, Preprocessing(16, 16, (0.5,) * 3, (0.5,) * 3), "weights", name="random")


TOWERS: dict[str, Any] = {
    "shipped": lambda: load(Backbone(device="cpu")).images,
    "random": random_vit,
    "layer scale, mean of the patches": lambda: random_vit(ls_init_value=0.3, pool_type="avg"),
}


@pytest.mark.parametrize("name", TOWERS)
def test_the_tail_gives_what_the_tower_gives_from_every_block_with_gradient(name: str) -> None:
    encoder = TOWERS[name]()
    seen = images(encoder.preprocessing.height)
    pooled, patches = encoder.encode(seen, tokens=True)
    layers = len(encoder.tower.transformer.resblocks)
    for first in (0, 1, layers - 1):
        tail = extract_image_tail(encoder, first)
        rows = encoder.hidden(seen, first).requires_grad_()
        assert rows.shape == (3, 1 + patches.shape[1], tail.tensors()["norm.weight"].shape[0])
        found, tokens = tail.read(tail.run(rows, first))
        torch.testing.assert_close(found, pooled, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(tokens, patches, rtol=1e-5, atol=1e-5)

        own = rows.detach().clone().requires_grad_()
        behind = own
        for block in encoder.tower.transformer.resblocks[first:]:
            behind = block(behind)
        expected = encoder.tower._pool(behind)[0]
        expected = expected if encoder.tower.proj is None else expected @ encoder.tower.proj
        weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2))
        (gradient,) = torch.autograd.grad((found * weights).sum(), rows)
        (through,) = torch.autograd.grad((expected * weights).sum(), own)
        torch.testing.assert_close(gradient, through, rtol=1e-4, atol=1e-5)
        assert gradient.abs().max() > 0


def test_a_tail_begins_at_any_later_block_too() -> None:
    encoder = random_vit()
    tail, rows = extract_image_tail(encoder, 1), encoder.hidden(images(16), 2)
    torch.testing.assert_close(tail.read(tail.run(rows, 2))[0], encoder.encode(images(16))[0], rtol=1e-5, atol=1e-5)
    assert not [name for name in tail.tensors() if name.startswith("blocks.0.")], "blocks that no client runs stay here"


def test_columns_are_those_that_are_asked_for_and_no_others() -> None:
    encoder = random_vit()
    found = encoder.columns(images(16), {"image", "hidden.2", "hidden.0", "pixels"})
    assert set(found) == {"image", "hidden.0", "hidden.2"}
    assert torch.equal(found["hidden.2"], encoder.hidden(images(16), 2))
    assert encoder.columns(images(16), {"pixels"}) == {}


@pytest.mark.parametrize(
    ("tower", "block", "words"),
    [
        (None, 3, r"^backbone.name: the image tower of random has blocks 0 to 2, .* block 3\. Choose a block"),
        (
            nn.Flatten(),
            0,
            r"^backbone.name: an image tower of kind Flatten .* has no transformer block 0 .* Choose a ViT",
        ),
    ],
)
def test_a_block_that_there_is_not_is_refused_in_one_line(tower: Any, block: int, words: str) -> None:
    encoder = random_vit()
    if tower is not None:
        encoder = ImageEncoder(tower, encoder.preprocessing, "weights")
    for refused in (
        lambda: encoder.hidden(images(16), block),
        lambda: encoder.require([f"hidden.{block}"]),
        lambda: extract_image_tail(encoder, block),
    ):
        with pytest.raises(BackboneError, match=words) as caught:
            refused()
        assert "\n" not in str(caught.value)
