from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from fedsilo.core.errors import BackboneError
from fedsilo.models.clip.catalogue import explain_refusal
from fedsilo.models.clip.conversion import extract_text_tower

SHAPE = {"vocab_size": 64, "width": 16, "heads": 2, "layers": 1, "context_length": 12}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ({"no_causal_mask": True}, "not causal"),
        ({"pool_type": "last"}, "pooled by 'last'"),
        ({"pool_type": "first"}, "pooled by 'first'"),
        ({"embed_cls": True}, "class embedding"),
        ({"qk_norm": True}, "special kind"),
        ({"scale_heads": True}, "special kind"),
        ({"block_type": "custom"}, "special kind"),
    ],
)
def test_tower_of_another_kind_is_refused_by_configuration_and_by_its_modules(
    build: Callable[..., Any], text: dict[str, Any], reason: str
) -> None:
    shape = {**SHAPE, **text}
    assert reason in explain_refusal({"text_cfg": shape})
    with pytest.raises(BackboneError, match=reason):
        extract_text_tower(build(shape, custom=True))


def test_mask_that_is_not_causal_is_refused(build: Callable[..., Any]) -> None:
    model = build(SHAPE)
    model.attn_mask = torch.zeros(12, 12)
    with pytest.raises(BackboneError, match="not causal"):
        extract_text_tower(model)


def test_unknown_activation_is_refused(build: Callable[..., Any]) -> None:
    model = build(SHAPE)
    model.transformer.resblocks[0].mlp.gelu = nn.ReLU()
    with pytest.raises(BackboneError, match="activation ReLU"):
        extract_text_tower(model)


def test_module_that_is_no_clip_is_refused() -> None:
    with pytest.raises(BackboneError, match="not open_clip's own"):
        extract_text_tower(nn.Linear(2, 2))


def test_tower_shares_the_models_memory(build: Callable[..., Any]) -> None:
    model = build(SHAPE)
    block = model.transformer.resblocks[0]
    found = extract_text_tower(model).tensors()["blocks.0.fc.weight"]
    assert found.data_ptr() == block.mlp.c_fc.weight.data_ptr()
