"""Converts an open_clip model into plain tensors, for the fast text tower and for the end of the image tower.

Only towers whose numbers the fast path reproduces are accepted: causal, made of open_clip's own residual blocks, read
out at the end-of-text token. `catalogue.explain_refusal` checks the same in a configuration, before any weight is
fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from open_clip.transformer import QuickGELU, ResidualAttentionBlock, TextTransformer
from torch import Tensor, nn

from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.image_tail import ImageTail, TailMeta
from fedsilo.models.clip.text_tower import TextTower, TowerMeta

_READ_OUT = ("argmax", "eos")
_REMEDY = "Choose a model with CLIP's own causal text tower, for example ViT-B-16"


def extract_text_tower(model: nn.Module) -> TextTower:
    """Converts the text tower of a loaded open_clip model; the tensors share the model's memory.

    Args:
        model: open_clip's CLIP or CustomTextCLIP, or its TextTransformer.

    Returns:
        The text tower.

    Raises:
        BackboneError: The fast path does not reproduce the numbers of this kind of tower.
    """
    text: Any = getattr(model, "text", model)
    if not isinstance(getattr(text, "positional_embedding", None), Tensor):
        raise _refuse("its text tower is not open_clip's own")
    _require_causal(text)
    blocks = list(text.transformer.resblocks)
    if not blocks or any(type(block) is not ResidualAttentionBlock for block in blocks):
        raise _refuse("its text tower has blocks of a special kind")
    tensors = {"positions": text.positional_embedding, **_norm("norm", text.ln_final), **_projection(text)}
    for index, block in enumerate(blocks):
        tensors |= {f"blocks.{index}.{name}": tensor for name, tensor in _block(block)}
    meta = TowerMeta(
        heads=blocks[0].attn.num_heads,
        layers=len(blocks),
        context_length=text.positional_embedding.shape[0],
        activation=_activation(blocks[0].mlp.gelu),
        epsilon=text.ln_final.eps,
        end_token=_end_token(text),
    )
    return TextTower(meta, {name: tensor.detach().float().contiguous() for name, tensor in tensors.items()})


def extract_image_tail(encoder: ImageEncoder, first: int) -> ImageTail:
    """Converts the last blocks of an image tower.

    Args:
        encoder: The image tower.
        first: Number of the first block, from 0.

    Returns:
        The blocks from `first` to the end.

    Raises:
        BackboneError: There is no such block, or the blocks are of a special kind.
    """
    encoder.require_block(first)
    tower: Any = encoder.tower
    blocks = list(tower.transformer.resblocks)
    if any(type(block) is not ResidualAttentionBlock for block in blocks[first:]):
        raise BackboneError("backbone.name: its image tower has blocks of a special kind, which clients cannot run.")
    tensors = {**_norm("norm", tower.ln_post), **({} if tower.proj is None else {"projection": tower.proj})}
    for index in range(first, len(blocks)):
        tensors |= {f"blocks.{index}.{name}": tensor for name, tensor in _block(blocks[index])}
    meta = TailMeta(
        heads=blocks[first].attn.num_heads,
        first=first,
        layers=len(blocks),
        activation=_activation(blocks[first].mlp.gelu),
        epsilon=tower.ln_post.eps,
        averages=tower.pool_type == "avg",
    )
    return ImageTail(meta, {name: tensor.detach().float().contiguous() for name, tensor in tensors.items()})


def _refuse(reason: str) -> BackboneError:
    return BackboneError(f"backbone.name: {reason}. {_REMEDY}.")


def _require_causal(text: Any) -> None:
    mask = getattr(text, "attn_mask", None)
    if mask is None or not torch.equal(mask.isinf(), torch.ones_like(mask, dtype=torch.bool).triu(1)):
        raise _refuse("its text tower is not causal")
    if getattr(text, "cls_emb", None) is not None:
        raise _refuse("its text tower is read out at a class embedding")


def _end_token(text: Any) -> int | None:
    # CLIP unpacks its TextTransformer and prefixes these two names.
    standalone = isinstance(text, TextTransformer)
    pool = text.pool_type if standalone else text.text_pool_type
    if pool not in _READ_OUT:
        raise _refuse(f"its text tower is pooled by {pool!r}")
    if pool == "argmax":
        return None
    return int(text.eos_id if standalone else text.text_eos_id)


def _activation(module: nn.Module) -> str:
    if isinstance(module, QuickGELU):
        return "quick_gelu"
    if isinstance(module, nn.GELU):
        return "gelu_tanh" if module.approximate == "tanh" else "gelu"
    raise _refuse(f"a tower of it has the activation {type(module).__name__}")


def _norm(name: str, norm: Any) -> dict[str, Tensor]:
    return {f"{name}.weight": norm.weight, f"{name}.bias": norm.bias}


def _projection(text: Any) -> dict[str, Tensor]:
    projection = text.text_projection
    if projection is None:
        return {}
    if isinstance(projection, nn.Linear):
        biased = {} if projection.bias is None else {"projection.bias": projection.bias}
        return {"projection.weight": projection.weight, **biased}
    return {"projection.weight": projection.T}


def _block(block: Any) -> Iterator[tuple[str, Tensor]]:
    yield from _norm("norm_1", block.ln_1).items()
    yield from _norm("norm_2", block.ln_2).items()
    yield "qkv.weight", block.attn.in_proj_weight
    yield "qkv.bias", block.attn.in_proj_bias
    yield "fc.weight", block.mlp.c_fc.weight
    yield "fc.bias", block.mlp.c_fc.bias
    yield from _scale_layer("out", block.attn.out_proj, block.ls_1)
    yield from _scale_layer("proj", block.mlp.c_proj, block.ls_2)


def _scale_layer(name: str, layer: nn.Linear, scale: nn.Module) -> Iterator[tuple[str, Tensor]]:
    # A layer scale multiplies the layer's output: it is folded into the layer's rows.
    gamma = getattr(scale, "gamma", None)
    yield f"{name}.weight", layer.weight if gamma is None else gamma[:, None] * layer.weight
    yield f"{name}.bias", layer.bias if gamma is None else gamma * layer.bias
