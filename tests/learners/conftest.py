"""Learners of compositions against plain implementations in fp64: whole padded sequences, one token of a pair each.

They are written from the papers and share no code with the package but the frozen numbers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import dropout, gelu, normalize

from fedsilo.core.batch import Batch, Candidates
from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.image_tail import ImageTail
from fedsilo.models.clip.text_tower import TextTower
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.tasks.classification import Classification
from fedsilo.training.model_sizes import ModelSizes
from fedsilo.training.module_learner import build_skeleton

SEEN = 4
LENGTH = 8
"""Tokens of a padded sequence."""


def double(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def double_tokens(tokens: ClassTokens) -> ClassTokens:
    return ClassTokens(tokens.embeddings.double(), tokens.lengths, tokens.sos.double(), tokens.names)


@pytest.fixture(scope="session")
def pairs_model(toy_model: FrozenModel) -> FrozenModel:
    """All 2 x 3 pairs in fp64; the first four are trained on."""
    parts = {"attribute": np.array([0, 1, 0, 1, 1, 0]), "object": np.array([1, 0, 0, 2, 1, 2])}
    seen = np.arange(6) < SEEN
    assert toy_model.image is not None
    embeddings = torch.cat([toy_model.classes.embeddings, toy_model.classes.embeddings[:2]])
    classes = replace(toy_model.classes, embeddings=embeddings, lengths=(*toy_model.classes.lengths, 2))
    zero_shot = torch.cat([toy_model.zero_shot, toy_model.zero_shot[:1]])
    words = {part: double_tokens(tokens) for part, tokens in toy_model.words.items()}
    return replace(
        toy_model,
        tower=TextTower(toy_model.tower.meta, double(toy_model.tower.tensors())),
        classes=double_tokens(replace(classes, names=(*toy_model.classes.names, 1))),
        zero_shot=zero_shot.double(),
        candidates=Candidates(tuple("abcdef"), parts, seen, toy_model.candidates.words),
        phrases=double(toy_model.phrases),
        image=ImageTail(toy_model.image.meta, double(toy_model.image.tensors())),
        words=words,
    )


@pytest.fixture(scope="session")
def pairs_batch(pairs_model: FrozenModel) -> Batch:
    """Seven images of pairs that are trained on."""
    generator = torch.Generator().manual_seed(21)
    sizes = {"image": (8,), "patches": (4, 8), "hidden.0": (5, 16)}
    inputs = {n: torch.randn(7, *s, generator=generator, dtype=torch.float64) for n, s in sizes.items()}
    return Batch(inputs, {"class": torch.tensor([0, 1, 2, 3, 3, 0, 2])})


def plain_norm(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centred = rows - rows.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt() * weight + bias


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def plain_attention(rows: Tensor, weights: Mapping[str, Tensor], name: str, heads: int, causal: bool) -> Tensor:
    """Self-attention of sequences (n, T, W), head by head."""
    n, length, width = rows.shape
    products = rows @ weights[f"{name}.qkv.weight"].T + weights[f"{name}.qkv.bias"]
    queries, keys, values = (p.reshape(n, length, heads, -1) for p in products.split(width, dim=-1))
    found = []
    for head in range(heads):
        fit = queries[:, :, head] @ keys[:, :, head].transpose(1, 2) / math.sqrt(width // heads)
        if causal:
            fit = fit.masked_fill(torch.ones(length, length).triu(1).bool(), -math.inf)
        found.append(fit.softmax(dim=-1) @ values[:, :, head])
    return torch.cat(found, dim=-1) @ weights[f"{name}.out.weight"].T + weights[f"{name}.out.bias"]


def plain_mlp(rows: Tensor, weights: Mapping[str, Tensor], name: str, activate: Callable[[Tensor], Tensor]) -> Tensor:
    inner = activate(rows @ weights[f"{name}.fc.weight"].T + weights[f"{name}.fc.bias"])
    return inner @ weights[f"{name}.proj.weight"].T + weights[f"{name}.proj.bias"]


def plain_texts(model: FrozenModel, context: Tensor, words: Tensor) -> Tensor:
    """Features (n, D) of `[SOS] context words [EOT] pad`, words (n, P, W), by whole sequences of 8 tokens."""
    weights, tokens = model.tower.tensors(), model.words["attribute"]
    n, width = len(words), words.shape[2]
    start = tokens.sos.expand(n, 1, width)
    end = tokens.embeddings[tokens.lengths[0] - 1].expand(n, 1, width)
    rows = torch.cat([start, context.expand(n, *context.shape), words, end], dim=1)
    place = rows.shape[1] - 1
    rows = torch.cat([rows, torch.full((n, LENGTH - rows.shape[1], width), 0.7, dtype=rows.dtype)], dim=1)
    rows = rows + weights["positions"][:LENGTH]
    for layer in range(model.tower.meta.layers):
        name = f"blocks.{layer}"
        inner = plain_norm(rows, weights[f"{name}.norm_1.weight"], weights[f"{name}.norm_1.bias"])
        rows = rows + plain_attention(inner, weights, name, model.tower.meta.heads, causal=True)
        inner = plain_norm(rows, weights[f"{name}.norm_2.weight"], weights[f"{name}.norm_2.bias"])
        rows = rows + plain_mlp(inner, weights, name, gelu)
    return plain_norm(rows, weights["norm.weight"], weights["norm.bias"])[:, place] @ weights["projection.weight"].T


def plain_bare_words(model: FrozenModel, part: str) -> Tensor:
    tokens, found, first = model.words[part], [], 0
    for length, name in zip(tokens.lengths, tokens.names, strict=True):
        words = tokens.embeddings[first : first + name].unsqueeze(0)
        found.append(plain_texts(model, words.new_zeros(0, words.shape[2]), words))
        first += length
    return torch.cat(found)


def plain_families(model: FrozenModel, params: Mapping[str, Tensor], table: Tensor) -> dict[str, Tensor]:
    """Features of all pairs, attributes and objects under their contexts."""
    number, parts = len(model.candidates.words["attribute"]), model.candidates.parts
    pairs = torch.stack(
        [torch.stack([table[a], table[number + o]]) for a, o in zip(parts["attribute"], parts["object"], strict=True)]
    )
    contexts = {family: params.get(f"contexts.{family}", model.phrases["a photo of"]) for family in FAMILIES}
    return {
        "pair": plain_texts(model, contexts["pair"], pairs),
        "attribute": plain_texts(model, contexts["attribute"], table[:number, None]),
        "object": plain_texts(model, contexts["object"], table[number:, None]),
    }


FAMILIES = ("pair", "attribute", "object")


def plain_cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    picked = torch.stack([row[target] - row.logsumexp(dim=0) for row, target in zip(scores, targets, strict=True)])
    return -picked.mean()


def parts_of(model: FrozenModel, labels: Tensor) -> tuple[Tensor, Tensor]:
    parts = model.candidates.parts
    return torch.from_numpy(parts["attribute"])[labels], torch.from_numpy(parts["object"])[labels]


def cosines(one: Tensor, other: Tensor) -> Tensor:
    return normalize(one, dim=-1) @ normalize(other, dim=-1).T


def started(learner: Any, model: FrozenModel, noise: float = 0.05) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The learner's parameters and buffers in fp64; noise on them, so that nothing is 0 or 1 by chance."""
    generator = torch.Generator().manual_seed(5)
    params = double(learner.init(model, 0, 0))
    moved = {n: p + noise * torch.randn(p.shape, generator=generator, dtype=p.dtype) for n, p in params.items()}
    return moved, double(learner.buffers(model, 0, 0))


def gradients_of(loss: Callable[[Mapping[str, Tensor]], Tensor], params: Mapping[str, Tensor]) -> tuple[Tensor, Any]:
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in params.items()}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        value = loss(leaves)
    found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return value.detach(), dict(zip(leaves, found, strict=True))


def check_training(learner: Any, model: FrozenModel, batch: Batch, plain: Callable[..., Tensor]) -> dict[str, Tensor]:
    """The loss and all gradients of a learner against a plain loss with the same draws, to 1e-5 relative."""
    params, buffers = started(learner, model)
    ours, found = gradients_of(
        lambda leaves: learner.loss(leaves, {n: b.clone() for n, b in buffers.items()}, batch, model, Classification()),
        params,
    )
    theirs, expected = gradients_of(plain, params)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)
    for name, gradient in expected.items():
        largest = float(gradient.abs().max())
        if name.startswith("disentanglers.") and name.endswith("linear.bias"):  # the batch norm takes it away
            assert max(largest, float(found[name].abs().max())) < 1e-12, name
            continue
        assert largest > 1e-7, f"{name} has no gradient"
        torch.testing.assert_close(
            found[name], gradient, rtol=1e-5, atol=1e-5 * largest, msg=lambda text, name=name: f"{name}: {text}"
        )
    return found


def no_drop(shape: Sequence[int], share: float) -> Tensor:
    return torch.ones(tuple(shape), dtype=torch.float64)


def drop(shape: Sequence[int], share: float) -> Tensor:
    """The factors of a dropout, drawn from torch's global generator."""
    return dropout(torch.ones(tuple(shape), dtype=torch.float64), share)


def plain_image(
    model: FrozenModel, params: Mapping[str, Tensor], rows: Tensor, mask: Callable[..., Tensor] = no_drop
) -> tuple[Tensor, Tensor]:
    """Pooled features and patch tokens of a tower with adapters beside each half of its blocks."""
    tail, blocks = model.image, model.image.meta.layers  # type: ignore[union-attr]
    weights = tail.tensors()  # type: ignore[union-attr]

    def adapter(number: int, x: Tensor) -> Tensor:
        inner = (x @ params["adapters.down"][number].T + params["adapters.down_bias"][number]).clamp(min=0)
        inner = inner * mask(inner.shape, 0.1)
        return 0.1 * (inner @ params["adapters.up"][number].T + params["adapters.up_bias"][number])

    for layer in range(blocks):
        name = f"blocks.{layer}"
        inner = plain_norm(rows, weights[f"{name}.norm_1.weight"], weights[f"{name}.norm_1.bias"])
        attended = plain_attention(inner, weights, name, tail.meta.heads, causal=False)  # type: ignore[union-attr]
        rows = rows + attended + adapter(layer, rows)
        inner = plain_norm(rows, weights[f"{name}.norm_2.weight"], weights[f"{name}.norm_2.bias"])
        rows = rows + plain_mlp(inner, weights, name, quick_gelu) + adapter(blocks + layer, rows)
    tokens = plain_norm(rows, weights["norm.weight"], weights["norm.bias"]) @ weights["projection"]
    return tokens[:, 0], tokens[:, 1:]


def plain_batch_norm(rows: Tensor, params: Mapping[str, Tensor], name: str, training: bool) -> Tensor:
    mean, variance = params[f"{name}.running_mean"], params[f"{name}.running_var"]
    if training:
        mean, variance = rows.mean(dim=0), (rows - rows.mean(dim=0)).square().mean(dim=0)
    return (rows - mean) / (variance + 1e-5).sqrt() * params[f"{name}.weight"] + params[f"{name}.bias"]


def plain_disentangler(
    rows: Tensor, params: Mapping[str, Tensor], name: str, training: bool, mask: Callable[..., Tensor] = no_drop
) -> Tensor:
    found = rows @ params[f"{name}.linear.weight"].T + params[f"{name}.linear.bias"]
    found = plain_batch_norm(found, params, f"{name}.norm", training).clamp(min=0)
    return found * mask(found.shape, 0.5)


def count_numbers(learner: Any) -> dict[str, int]:
    """Trained numbers of each part with ViT-L-14 on MIT-States: 1,262 trained pairs of 115 attributes, 245 objects."""
    skeleton = build_skeleton(learner, ModelSizes(1262, 768, 768, 115, 245, 1024, 24))
    counts: Counter[str] = Counter()
    for name, parameter in skeleton.named_parameters():
        counts[name.partition(".")[0]] += parameter.numel()
    return dict(counts)


@pytest.fixture(scope="session")
def plain() -> Any:
    """Returns the plain functions by name."""
    return SimpleNamespace(
        norm=plain_norm,
        quick_gelu=quick_gelu,
        attention=plain_attention,
        mlp=plain_mlp,
        texts=plain_texts,
        bare_words=plain_bare_words,
        families=plain_families,
        cross_entropy=plain_cross_entropy,
        parts=parts_of,
        cosines=cosines,
        started=started,
        check_training=check_training,
        image=plain_image,
        disentangler=plain_disentangler,
        count_numbers=count_numbers,
        drop=drop,
        no_drop=no_drop,
    )
