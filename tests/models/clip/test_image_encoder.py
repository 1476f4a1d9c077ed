from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from open_clip.model import ModifiedResNet
from torch import Tensor, nn

from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.views import Preprocessing

VIT = {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16}
TEXT = {"vocab_size": 64, "width": 16, "heads": 2, "layers": 1, "context_length": 12}
PLAIN = Preprocessing(32, 32, (0.5,) * 3, (0.5,) * 3)


def images(count: int = 3, size: int = 32) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def vit(build: Callable[..., Any]) -> Callable[..., ImageEncoder]:
    def make(precision: str = "fp32", **options: Any) -> ImageEncoder:
        tower = build(TEXT, vision_cfg={**VIT, **options}).visual
        return ImageEncoder(tower, PLAIN, "weights", precision)

    return make


@pytest.fixture
def resnet(build: Callable[..., Any]) -> ImageEncoder:
    tower = build(TEXT, vision_cfg={"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 32}).visual
    assert isinstance(tower, ModifiedResNet)
    for block in (tower.layer1, tower.layer2, tower.layer3, tower.layer4):
        nn.init.constant_(block[0].bn3.weight, 0.7)
    return ImageEncoder(tower, Preprocessing(64, 64, (0.5,) * 3, (0.5,) * 3), "weights")


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"pool_type": "avg"}, {"output_tokens": True}, {"no_ln_pre": True, "ls_init_value": 0.2}]
)
def test_pooled_feature_of_a_vit_is_open_clips_own(
    vit: Callable[..., ImageEncoder], options: dict[str, Any], tokens: bool
) -> None:
    encoder = vit(**options)
    own = encoder.tower(images())
    pooled, patches = encoder.encode(images(), tokens)
    assert torch.equal(pooled, own[0] if isinstance(own, tuple) else own)
    assert (patches is None) != tokens


def test_vit_tokens_are_the_projected_patches(vit: Callable[..., ImageEncoder]) -> None:
    encoder = vit()
    pooled, patches = encoder.encode(images(), tokens=True)
    assert patches is not None
    assert patches.shape == (3, 16, 24)
    tower: Any = encoder.tower
    rows = tower.ln_post(tower.transformer(tower._embeds(images()))) @ tower.proj
    torch.testing.assert_close(torch.cat([pooled[:, None], patches], dim=1), rows)


def test_mean_of_the_tokens_is_the_feature_of_a_mean_pooled_vit(vit: Callable[..., ImageEncoder]) -> None:
    pooled, patches = vit(pool_type="avg").encode(images(), tokens=True)
    assert patches is not None
    torch.testing.assert_close(patches.mean(dim=1), pooled)


def test_pooled_feature_of_a_resnet_is_open_clips_own(resnet: ImageEncoder) -> None:
    own = resnet.tower(images(size=64))
    torch.testing.assert_close(resnet.encode(images(size=64))[0], own, rtol=0, atol=0)
    torch.testing.assert_close(resnet.encode(images(size=64), tokens=True)[0], own, rtol=1e-5, atol=1e-6)


def test_resnet_tokens_are_the_attention_pool_with_every_position_as_query(resnet: ImageEncoder) -> None:
    _, patches = resnet.encode(images(size=64), tokens=True)
    assert patches is not None
    assert patches.shape == (3, 4, 24)
    tower: Any = resnet.tower
    pool = tower.attnpool
    maps = tower.layer4(tower.layer3(tower.layer2(tower.layer1(tower.stem(images(size=64))))))
    rows = maps.flatten(2).permute(2, 0, 1)
    rows = torch.cat([rows.mean(0, keepdim=True), rows]) + pool.positional_embedding[:, None]
    for position in range(4):
        expected, _ = F.multi_head_attention_forward(
            rows[1 + position : 2 + position],
            rows,
            rows,
            rows.shape[2],
            pool.num_heads,
            None,
            torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias]),
            None,
            None,
            False,
            0.0,
            pool.c_proj.weight,
            pool.c_proj.bias,
            training=False,
            need_weights=False,
            use_separate_proj_weight=True,
            q_proj_weight=pool.q_proj.weight,
            k_proj_weight=pool.k_proj.weight,
            v_proj_weight=pool.v_proj.weight,
        )
        torch.testing.assert_close(patches[:, position], expected[0])


@pytest.mark.parametrize(
    "options",
    [{"attentional_pool": True, "attn_pooler_heads": 4}, {"final_ln_after_pool": True}],
)
def test_tower_of_another_kind_gives_pooled_features_and_refuses_tokens(
    vit: Callable[..., ImageEncoder], options: dict[str, Any]
) -> None:
    encoder = vit(**options)
    assert not encoder.gives_tokens
    assert torch.equal(encoder.encode(images())[0], encoder.tower(images()))
    with pytest.raises(BackboneError, match="VisionTransformer with this pooling gives no patch tokens"):
        encoder.encode(images(), tokens=True)


class Convolutions(nn.Module):
    """A tower that is neither a ViT nor CLIP's ResNet."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.mean(dim=(2, 3))


def test_unknown_tower_gives_pooled_features_only() -> None:
    encoder = ImageEncoder(Convolutions(), PLAIN, "weights")
    assert encoder.encode(images())[0].shape == (3, 3)
    with pytest.raises(BackboneError, match="Convolutions"):
        encoder.encode(images(), tokens=True)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_is_close_and_float32_at_the_end(vit: Callable[..., ImageEncoder], precision: str) -> None:
    exact, rough = vit().encode(images(), True), vit(precision).encode(images(), True)
    for fine, coarse in zip(exact, rough, strict=True):
        assert fine is not None
        assert coarse is not None
        assert coarse.dtype == torch.float32
        error = float((fine - coarse).norm() / fine.norm())
        assert 1e-5 < error < 3e-2


def test_features_can_stand_in_a_training_step(vit: Callable[..., ImageEncoder]) -> None:
    pooled, _ = vit().encode(images())
    weights = torch.ones(24, requires_grad=True)
    (pooled @ weights).sum().backward()
    assert weights.grad is not None


def test_encoder_works_after_a_trip_to_another_process(vit: Callable[..., ImageEncoder]) -> None:
    encoder = vit()
    again: ImageEncoder = pickle.loads(pickle.dumps(encoder))
    for here, there in zip(encoder.encode(images(), True), again.encode(images(), True), strict=True):
        assert here is not None
        assert there is not None
        assert torch.equal(here, there)
