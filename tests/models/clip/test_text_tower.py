from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from torch import Tensor, nn

from fedsilo.core.errors import BackboneError
from fedsilo.models.clip import text_tower
from fedsilo.models.clip import tower_attention as attention
from fedsilo.models.clip.class_tokens import embed_class_names
from fedsilo.models.clip.conversion import extract_text_tower
from fedsilo.models.clip.model_names import SHIPPED
from fedsilo.models.clip.text_tower import TextTower, encode_prompts, encode_sequences

NAMES = ("cat", "aquarium_fish", "sweet pepper", "a very long name of a class, with words to spare", "dog", "X-ray 3")
SHIPPED_FOLDER = Path(attention.__file__).with_name(SHIPPED)
TOLERANCE = 1e-5


def names(count: int) -> list[str]:
    return [f"{NAMES[k % len(NAMES)]}{' and more' * (k // len(NAMES) % 3)}" for k in range(count)]


def reference(model: Any, ids: Tensor, context: Tensor, ends: Tensor) -> Tensor:
    """open_clip's own modules over all padded positions, with the context in place of the placeholders."""
    text = getattr(model, "text", model)
    tokens = text.token_embedding(ids)
    length = len(context)
    rows = torch.cat([tokens[:, :1], context.expand(len(ids), -1, -1), tokens[:, 1 + length :]], dim=1)
    rows = text.transformer(rows + text.positional_embedding, attn_mask=text.attn_mask)
    pooled = text.ln_final(rows)[torch.arange(len(ids)), ends]
    if text.text_projection is None:
        return pooled
    return (
        text.text_projection(pooled) if isinstance(text.text_projection, nn.Linear) else pooled @ text.text_projection
    )


def error(value: Tensor, expected: Tensor) -> float:
    return float((value - expected).detach().norm() / expected.detach().norm())


def errors(model: Any, tokenizer: Any, classes: int, length: int) -> tuple[float, float]:
    """Relative errors of features and of the context's gradient against open_clip's path."""
    words, tower = names(classes), extract_text_tower(model)
    ids = tokenizer([f"{'X ' * length}{name.replace('_', ' ')}." for name in words])
    embedding = getattr(model, "text", model).token_embedding.weight
    tokens = embed_class_names(words, tokenizer, embedding, tower.meta.end_token, tower.meta.context_length)
    generator = torch.Generator().manual_seed(classes)
    context = (0.5 * torch.randn(length, tower.width, generator=generator)).requires_grad_()
    expected = reference(model, ids, context, ids.argmax(dim=1))
    weights = torch.randn(expected.shape, generator=generator)
    (expected_gradient,) = torch.autograd.grad((expected * weights).sum(), context)
    features = encode_prompts(tower, tokens, context)
    (gradient,) = torch.autograd.grad((features * weights).sum(), context)
    return error(features, expected), error(gradient, expected_gradient)


def folded(tokenizer: Any) -> Callable[..., Tensor]:
    """Returns the tokenizer onto 5000 ids, end-of-text still the highest: no time goes into large embeddings."""

    def tokenize(texts: list[str], context_length: int = 77) -> Tensor:
        ids: Tensor = tokenizer(texts, context_length=context_length)
        return torch.where(ids == tokenizer.eot_token_id, 4999, ids % 4999)

    return tokenize


@pytest.mark.parametrize(
    ("name", "classes", "length"),
    [
        ("ViT-B-32", 5, 16),
        ("ViT-B-16-quickgelu", 6, 4),
        ("RN50", 3, 1),
        ("ViT-L-14", 2, 16),
        pytest.param("ViT-B-32", 60, 16, marks=pytest.mark.slow),
        pytest.param("ViT-L-14", 20, 1, marks=pytest.mark.slow),
    ],
)
def test_fast_tower_equals_open_clips_path(
    build: Callable[..., Any], tokenizer: Any, name: str, classes: int, length: int
) -> None:
    config = open_clip.get_model_config(name)
    text = {**config["text_cfg"], "vocab_size": 5000}
    model = build(text, embed_dim=config["embed_dim"], quick_gelu=config.get("quick_gelu", False))
    output, gradient = errors(model, folded(tokenizer), classes, length)
    assert output < TOLERANCE
    assert gradient < TOLERANCE


@pytest.mark.skipif(not (SHIPPED_FOLDER / "open_clip_model.safetensors").exists(), reason="the model is not made yet")
@pytest.mark.parametrize(("classes", "length"), [(200, 16), (1, 1), (24, 4)])
def test_fast_tower_equals_open_clips_path_for_the_shipped_model(classes: int, length: int) -> None:
    model = open_clip.create_model(f"local-dir:{SHIPPED_FOLDER}").eval().requires_grad_(False)
    tokenizer = open_clip.get_tokenizer(f"local-dir:{SHIPPED_FOLDER}", bpe_path=str(SHIPPED_FOLDER / "merges.txt.gz"))
    output, gradient = errors(model, tokenizer, classes, length)
    assert output < TOLERANCE
    assert gradient < TOLERANCE


@pytest.mark.parametrize(
    ("custom", "text", "options"),
    [
        (True, {}, {}),
        (False, {"ls_init_value": 0.3}, {}),
        (True, {"proj_bias": True, "norm_kwargs": {"eps": 1e-3}}, {}),
        (True, {"proj_type": "none"}, {}),
        (False, {"act_kwargs": {"approximate": "tanh"}, "mlp_ratio": 3.0}, {}),
        (False, {"pool_type": "eos", "eos_id": 49407}, {"quick_gelu": True}),
        (False, {"layers": 1, "context_length": 40}, {}),
    ],
)
def test_fast_tower_follows_every_option_it_accepts(
    build: Callable[..., Any], custom: bool, text: dict[str, Any], options: dict[str, Any]
) -> None:
    shape = {"vocab_size": 49408, "width": 32, "heads": 4, "layers": 2, **text}
    tokenizer = open_clip.SimpleTokenizer(context_length=shape.get("context_length", 77))
    output, gradient = errors(build(shape, custom=custom, **options), tokenizer, classes=7, length=5)
    assert output < TOLERANCE
    assert gradient < TOLERANCE


@pytest.fixture
def tower(small: Any) -> TextTower:
    return extract_text_tower(small)


@pytest.fixture
def tokens(small: Any, tokenizer: Any) -> Any:
    return embed_class_names(names(40), tokenizer, small.token_embedding.weight, None, 77)


def contexts(count: int, length: int = 4, width: int = 32) -> Tensor:
    return torch.randn(count, length, width, generator=torch.Generator().manual_seed(0))


def test_several_prompts_at_once_equal_each_alone(tower: TextTower, tokens: Any) -> None:
    prompts = contexts(3)
    together = encode_prompts(tower, tokens, prompts)
    assert together.shape == (3, 40, 24)
    for prompt, features in zip(prompts, together, strict=True):
        assert error(encode_prompts(tower, tokens, prompt), features) < 1e-6


@pytest.mark.parametrize("rows", [1, 17, 10_000])
def test_tiling_does_not_change_the_result(
    tower: TextTower, tokens: Any, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = encode_prompts(tower, tokens, contexts(1))
    monkeypatch.setattr(attention, "TILE_ROWS", rows)
    attention.arrange_shared_prefix.cache_clear()
    assert error(encode_prompts(tower, tokens, contexts(1)), expected) < 1e-6
    attention.arrange_shared_prefix.cache_clear()


def test_a_class_does_not_depend_on_the_others(small: Any, tower: TextTower, tokens: Any, tokenizer: Any) -> None:
    alone = embed_class_names(names(40)[7:8], tokenizer, small.token_embedding.weight, None, 77)
    assert (
        error(encode_prompts(tower, alone, contexts(1)[0]), encode_prompts(tower, tokens, contexts(1)[0])[7:8]) < 1e-6
    )


def test_whole_sequences_equal_encode_text(small: Any, tower: TextTower, tokenizer: Any) -> None:
    ids = tokenizer(["a photo of a cat.", "x", "a sketch of a very old lawn mower, seen from above."])
    features = encode_sequences(tower, small.token_embedding(ids), ids.argmax(dim=1))
    assert error(features, small.encode_text(ids)) < TOLERANCE


def test_what_follows_the_end_does_not_matter(small: Any, tower: TextTower, tokenizer: Any) -> None:
    ids = tokenizer(["cat", "a sketch of a lawn mower"])
    rows, ends = small.token_embedding(ids), ids.argmax(dim=1)
    expected = encode_sequences(tower, rows, ends)
    rows[0, int(ends[0]) + 1 :] = 1e4
    assert torch.equal(encode_sequences(tower, rows, ends), expected)


def test_tower_works_on_read_only_memory_without_a_copy(tower: TextTower, tokens: Any) -> None:
    arrays = {name: tensor.numpy().copy() for name, tensor in tower.tensors().items()}
    for array in arrays.values():
        array.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        borrowed = {name: torch.from_numpy(array) for name, array in arrays.items()}
    again = TextTower.from_tensors(tower.meta, borrowed)
    context = contexts(1)[0].requires_grad_()
    features = encode_prompts(again, tokens, context)
    features.sum().backward()
    assert torch.equal(features, encode_prompts(tower, tokens, context))
    for name, tensor in again.tensors().items():
        assert np.shares_memory(tensor.numpy(), arrays[name])
        assert np.array_equal(arrays[name], tower.tensors()[name].numpy())


def test_training_step_needs_no_gradient_of_the_weights(tower: TextTower, tokens: Any) -> None:
    context = contexts(1)[0].requires_grad_()
    encode_prompts(tower, tokens, context).sum().backward()
    assert context.grad is not None
    assert not any(tensor.requires_grad for tensor in tower.tensors().values())


def test_the_same_step_twice_gives_the_same_bits(tower: TextTower, tokens: Any) -> None:
    first, second = (contexts(1)[0].requires_grad_() for _ in range(2))
    for context in (first, second):
        encode_prompts(tower, tokens, context).square().sum().backward()
    assert torch.equal(first.grad, second.grad)  # type: ignore[arg-type]


def test_context_of_another_width_is_refused(tower: TextTower, tokens: Any) -> None:
    with pytest.raises(BackboneError, match="48 numbers, the text tower takes 32"):
        encode_prompts(tower, tokens, contexts(1, width=48)[0])


def test_context_that_leaves_no_room_for_a_name_is_refused(tower: TextTower, tokens: Any) -> None:
    longest = max(tokens.lengths)
    encode_prompts(tower, tokens, contexts(1, length=76 - longest)[0])
    with pytest.raises(BackboneError, match="need 78 positions, the text tower has 77"):
        encode_prompts(tower, tokens, contexts(1, length=77 - longest)[0])


def test_meta_survives_json(tower: TextTower) -> None:
    from dataclasses import asdict

    assert type(tower.meta)(**json.loads(json.dumps(asdict(tower.meta)))) == tower.meta


def test_many_classes_are_encoded_in_parts_with_the_same_result(
    tower: TextTower, tokens: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = torch.randn(2, 3, tower.width, generator=torch.Generator().manual_seed(3))
    parts: list[int] = []
    whole = TextTower.run

    def count(self: TextTower, *given: Any) -> Any:
        features = whole(self, *given)
        parts.append(features.shape[1])
        return features

    monkeypatch.setattr(TextTower, "run", count)
    with torch.no_grad():
        together = encode_prompts(tower, tokens, context)
        monkeypatch.setattr(text_tower, "AT_ONCE", 2)
        apart = encode_prompts(tower, tokens, context)
    assert parts == [len(tokens), *(min(2, len(tokens) - start) for start in range(0, len(tokens), 2))]
    torch.testing.assert_close(apart, together)
    parts.clear()
    encode_prompts(tower, tokens, context.requires_grad_())  # with gradients nothing is split
    assert parts == [len(tokens)]
