"""The frozen image tower: pooled features and patch tokens in one forward pass.

The pooled feature is open_clip's own output. Tokens are what the pooled one is made of, in the same joint space: for
a ViT every patch through the last layer norm and the projection; for CLIP's ResNet the attention pool with every
position as a query, of which open_clip's output is the one at the mean position. Towers of other kinds give pooled
features only.

Dimensions: B images, M patches, W tower width, D joint width.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from open_clip.model import ModifiedResNet
from open_clip.modified_resnet import AttentionPool2d
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from fedsilo.backbone.arithmetic import tf32
from fedsilo.backbone.views import Preprocessing
from fedsilo.errors import BackboneError
from fedsilo.finiteness import find_bad_rows

_LOW_PRECISION = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, eq=False, slots=True)
class ImageEncoder:
    """A frozen image tower; picklable, so that it can work in another process.

    Attributes:
        tower: open_clip's image tower, in evaluation mode.
        preprocessing: How an image becomes its input.
        fingerprint: Of the backbone's weights and configuration.
        precision: "fp32", "bf16" or "fp16": of the matrix products; weights stay fp32.
        tf32: Whether a GPU may take fp32 products in TF32.
        device: Where it computes. A tower that is elsewhere is taken there with the first images, so that an encoder
            can be sent from the CPU to a process that has a GPU.
        name: The backbone's name, for messages.
    """

    tower: nn.Module
    preprocessing: Preprocessing
    fingerprint: str
    precision: str = "fp32"
    device: str = "cpu"
    tf32: bool = False
    name: str = ""

    @property
    def gives_tokens(self) -> bool:
        """Whether patch tokens are defined for this tower."""
        return _is_plain_vit(self.tower) or _is_clip_resnet(self.tower)

    def require_tokens(self) -> None:
        """Raises BackboneError when this tower gives no patch tokens."""
        if not self.gives_tokens:
            raise BackboneError(
                f"backbone.name: an image tower of kind {type(self.tower).__name__} with this pooling gives no patch "
                "tokens. Choose a ViT or ResNet of OpenAI's CLIP kind, or a method that reads pooled features only."
            )

    @torch.no_grad()
    def encode(
        self, images: Tensor, tokens: bool = False, name: Callable[[int], str] = "image {}".format
    ) -> tuple[Tensor, Tensor | None]:
        """Returns features, float32, on the CPU, not normalised.

        Args:
            images: (B, 3, height, width) preprocessed images.
            tokens: Whether patch tokens are wanted as well.
            name: Names image i of the batch, for messages.

        Returns:
            Pooled (B, D), and tokens (B, M, D) or None.

        Raises:
            BackboneError: Tokens are wanted of a tower that gives none, or a feature is not finite.
        """
        self.tower.to(self.device)
        pooled, patches = self._features(images.to(self.device), tokens)
        self._require_finite("pooled features", pooled, images, name)
        if patches is not None:
            self._require_finite("patch tokens", patches, images, name)
        return pooled, patches

    def _features(self, images: Tensor, tokens: bool) -> tuple[Tensor, Tensor | None]:
        with tf32(self.tf32), self._arithmetic():
            if not tokens:
                return _as_features(_pooled(self.tower(images))), None
            self.require_tokens()
            pooled, patches = (
                _of_vit(self.tower, images) if _is_plain_vit(self.tower) else _of_resnet(self.tower, images)
            )
        return _as_features(pooled), _as_features(patches)

    def _require_finite(self, what: str, found: Tensor, images: Tensor, name: Callable[[int], str]) -> None:
        bad = find_bad_rows(found)
        if not bad:
            return
        tower = f"the image tower of {self.name or self.fingerprint[:12]} in {self.precision}"
        if not images[bad[0]].isfinite().all():
            remedy = "Its input is not finite either: look at the image and at the model's preprocessing"
        elif self.precision == "fp32":
            remedy = "Use other weights: backbone.pretrained"
        else:
            remedy = "Set backbone.precision: fp32"
        raise BackboneError(
            f"features: {name(bad[0])}: {tower} gives {what} that are not finite or too large, for {len(bad)} of "
            f"{len(images)} images of a batch. {remedy}."
        )

    def _arithmetic(self) -> AbstractContextManager[Any]:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, dtype=_LOW_PRECISION[self.precision])


def _as_features(values: Tensor) -> Tensor:
    return values.float().cpu()


def _pooled(output: Any) -> Tensor:
    # Towers built with `output_tokens` answer (pooled, tokens).
    pooled: Tensor = output[0] if isinstance(output, tuple) else output
    return pooled


def _is_plain_vit(tower: nn.Module) -> bool:
    return (
        isinstance(tower, VisionTransformer)
        and tower.attn_pool is None
        and tower.pool_type in ("tok", "avg")
        and not tower.final_ln_after_pool
    )


def _is_clip_resnet(tower: nn.Module) -> bool:
    return isinstance(tower, ModifiedResNet) and isinstance(tower.attnpool, AttentionPool2d)


def _of_vit(tower: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    seen: list[Tensor] = []
    hook = tower.transformer.register_forward_hook(lambda module, given, output: seen.append(output))
    try:
        pooled = _pooled(tower(images))
    finally:
        hook.remove()
    patches = tower.ln_post(seen[0][:, 1:])
    return pooled, patches if tower.proj is None else patches @ tower.proj


def _of_resnet(tower: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    maps = tower.layer4(tower.layer3(tower.layer2(tower.layer1(tower.stem(images)))))
    rows = maps.flatten(2).transpose(1, 2)
    every = _attention_pool(tower.attnpool, torch.cat([rows.mean(dim=1, keepdim=True), rows], dim=1))
    return every[:, 0], every[:, 1:]


def _attention_pool(pool: Any, rows: Tensor) -> Tensor:
    """Returns (B, 1 + M, D): each of the rows (B, 1 + M, W) as a query over all of them."""
    rows = rows + pool.positional_embedding.to(rows.dtype)
    queries, keys, values = (_split(layer(rows), pool.num_heads) for layer in (pool.q_proj, pool.k_proj, pool.v_proj))
    attended = scaled_dot_product_attention(queries, keys, values)
    return linear(attended.transpose(1, 2).flatten(2), pool.c_proj.weight, pool.c_proj.bias)


def _split(rows: Tensor, heads: int) -> Tensor:
    batch, count, _ = rows.shape
    return rows.view(batch, count, heads, -1).transpose(1, 2)
