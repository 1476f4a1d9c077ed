"""The frozen image tower: pooled features and patch tokens in one forward pass, or activations in front of a block.

The pooled feature is open_clip's own output. Tokens are what the pooled one is made of, in the same joint space: for
a ViT every patch through the last layer norm and the projection; for CLIP's ResNet the attention pool with every
position as a query, of which open_clip's output is the one at the mean position. Towers of other kinds give pooled
features only.

Dimensions: B images, M patches, T tokens of the tower (the class token and the patches), W tower width, D joint width.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from open_clip.model import ModifiedResNet
from open_clip.modified_resnet import AttentionPool2d
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from fedsilo.core.batch import IMAGE, PATCHES, block_of, group_encoded_columns
from fedsilo.core.errors import BackboneError
from fedsilo.core.finiteness import find_bad_rows
from fedsilo.models.clip.precision import tf32
from fedsilo.models.clip.views import Preprocessing

_ORDINARY_PIXELS = 1e3
"""Far more than any deviation of real images makes of a pixel in [0, 1]."""

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
        pixel_keys: Keys of the scenario that its preprocessing is from, with their values, for messages.
    """

    tower: nn.Module
    preprocessing: Preprocessing
    fingerprint: str
    precision: str = "fp32"
    device: str = "cpu"
    tf32: bool = False
    name: str = ""
    pixel_keys: str = ""

    @property
    def gives_tokens(self) -> bool:
        """Whether patch tokens are defined for this tower."""
        return _is_plain_vit(self.tower) or _is_clip_resnet(self.tower)

    def require(self, columns: Iterable[str]) -> None:
        """Raises BackboneError when this tower does not give one of the columns."""
        for column in columns:
            block = block_of(column)
            if column == PATCHES:
                self.require_tokens()
            if block is not None:
                self.require_block(block)

    def require_block(self, block: int) -> None:
        """Raises BackboneError when this tower has no such transformer block, counted from 0."""
        if not _is_plain_vit(self.tower):
            raise BackboneError(
                f"backbone.name: an image tower of kind {type(self.tower).__name__} with this pooling has no "
                f"transformer block {block} to read activations in front of. Choose a ViT of OpenAI's CLIP kind, or a "
                "learner that reads features or pixels."
            )
        blocks = len(self.tower.transformer.resblocks)  # type: ignore[union-attr, arg-type]
        if not 0 <= block < blocks:
            raise BackboneError(
                f"backbone.name: the image tower of {self.name or self.fingerprint[:12]} has blocks 0 to {blocks - 1}, "
                f"the learner reads activations in front of block {block}. Choose a block that there is."
            )

    def require_tokens(self) -> None:
        """Raises BackboneError when this tower gives no patch tokens."""
        if not self.gives_tokens:
            raise BackboneError(
                f"backbone.name: an image tower of kind {type(self.tower).__name__} with this pooling gives no patch "
                "tokens. Choose a ViT or ResNet of OpenAI's CLIP kind, or a method that reads pooled features only."
            )

    def columns(
        self, images: Tensor, wanted: Collection[str], name: Callable[[int], str] = "image {}".format
    ) -> dict[str, Tensor]:
        """Returns the columns of images that this tower computes, by name, float32, on the CPU.

        Args:
            images: (B, 3, height, width) preprocessed images.
            wanted: Names of columns; those that need no tower are passed over.
            name: Names image i of the batch, for messages.

        Raises:
            BackboneError: The tower does not give what is wanted, or a number is not finite.
        """
        found: dict[str, Tensor] = {}
        for group in group_encoded_columns(wanted):
            block = block_of(group[0])
            if block is not None:
                found[group[0]] = self.hidden(images, block, name)
                continue
            pooled, patches = self.encode(images, PATCHES in group, name)
            found |= {IMAGE: pooled} if patches is None else {IMAGE: pooled, PATCHES: patches}
        return found

    @torch.no_grad()
    def hidden(self, images: Tensor, block: int, name: Callable[[int], str] = "image {}".format) -> Tensor:
        """Returns the activations (B, T, W) that enter a transformer block, float32, on the CPU.

        Args:
            images: (B, 3, height, width) preprocessed images.
            block: Number of the block, from 0.
            name: Names image i of the batch, for messages.

        Raises:
            BackboneError: The tower has no such block, or an activation is not finite.
        """
        self.require_block(block)
        tower: Any = self.tower.to(self.device)
        with tf32(self.tf32), self._arithmetic():
            rows = tower._embeds(images.to(self.device))
            for earlier in tower.transformer.resblocks[:block]:
                rows = earlier(rows)
        self._require_finite(f"activations in front of block {block}", rows, images, name)
        return _as_features(rows)

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
        given = images[bad[0]]
        if self.pixel_keys and not given.abs().max() <= _ORDINARY_PIXELS:
            remedy = f"Its input is out of all proportion: set {self.pixel_keys} to null or to the data set's own"
        elif not given.isfinite().all():
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
