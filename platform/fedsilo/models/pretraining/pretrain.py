"""Contrastive pretraining: symmetric InfoNCE on the pooled token, and half of one on the mean of the patch tokens.

Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (CLIP), ICML 2021,
arXiv:2103.00020.

Dimensions: b pairs of a batch, t longest caption, w width of a word's vector.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip.model import CLIP
from torch import Tensor

from fedsilo.core.seeds import numpy_generator, torch_generator
from fedsilo.data.emblems.drawing import Emblem
from fedsilo.models.pretraining.captions import Caption, write_caption
from fedsilo.models.pretraining.towers import MEAN, STD, Speller, encode_images, encode_words
from fedsilo.models.pretraining.training_images import PictureArray, shift_randomly

LENGTHS = (4, 4, 8, 16)
"""Limits on words or vectors in front of the name; each batch has one of them."""


@dataclass(frozen=True, slots=True)
class PretrainingRecipe:
    """Length and speed of a training.

    Attributes:
        pictures: Pictures, drawn once and used in every epoch.
        steps: Optimizer steps.
        batch: Pairs a step.
        rate: Highest learning rate of AdamW, reached after `warm_up` steps, then a cosine down to 0.
        warm_up: Steps of rising rate.
        decay: Weight decay of the matrices.
        patches: Weight of the loss on the patch tokens.
        seed: Seed of everything.
    """

    pictures: int = 36_000
    steps: int = 3_000
    batch: int = 128
    rate: float = 1e-3
    warm_up: int = 200
    decay: float = 0.05
    patches: float = 0.5
    seed: int = 0


def contrast(similarity: Tensor, true: Tensor) -> Tensor:
    """Computes the symmetric InfoNCE loss.

    Args:
        similarity: (b, b) scaled similarity of picture i and caption j.
        true: (b, b) whether caption j is true of picture i; off the diagonal such a pair is no negative.

    Returns:
        The loss, shape ().
    """
    pairs = torch.eye(len(true), dtype=torch.bool)
    similarity = similarity.masked_fill(true & ~pairs, -math.inf)
    target = torch.arange(len(true))
    cross_entropy = torch.nn.functional.cross_entropy
    return 0.5 * (cross_entropy(similarity, target) + cross_entropy(similarity.T, target))


def match_captions(emblems: list[Emblem], captions: list[Caption]) -> Tensor:
    """Compares all facts of each caption with each emblem.

    Args:
        emblems: b emblems.
        captions: b captions.

    Returns:
        (b, b) whether caption j is true of emblem i.
    """
    facts = np.array([(e.label, e.colour, e.texture, e.domain) for e in emblems])
    said = np.array([caption.says for caption in captions])
    agrees = (facts[:, None, :] == said[None, :, :]) | (said[None, :, :] < 0)
    return torch.from_numpy(agrees.all(axis=2))


def to_pixels(pictures: PictureArray) -> Tensor:
    """Normalises pictures for the model.

    Args:
        pictures: (b, 64, 64, 3) uint8.

    Returns:
        (b, 3, 64, 64) float32.
    """
    scaled = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return (scaled - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def draw_vectors(ids: Tensor, width: int, generator: torch.Generator) -> Tensor:
    """Draws normal vectors, with a deviation of each caption's own between 0.01 and 0.3.

    Learned contexts begin at 0.02 and grow; the tower should recognise the class name behind either.

    Args:
        ids: (b, t) token numbers; only their shape is read.
        width: w.
        generator: Source of the draws.

    Returns:
        (b, t, w).
    """
    spread = 0.01 * 30 ** torch.rand(len(ids), 1, 1, generator=generator)
    return spread * torch.randn(*ids.shape, width, generator=generator)


@dataclass(frozen=True, slots=True)
class PretrainingBatch:
    """The batch of one step.

    Attributes:
        pixels: (b, 3, 64, 64) pictures, normalised.
        ids: (b, t) token numbers of captions.
        vectors: (b, t, w) vectors at the places where a caption has no word.
        true: (b, b) whether caption j is true of picture i.
    """

    pixels: Tensor
    ids: Tensor
    vectors: Tensor
    true: Tensor


def compute_loss(model: CLIP, batch: PretrainingBatch, patches: float) -> Tensor:
    """Computes the loss of one batch.

    Args:
        model: The model, in fp32.
        batch: The batch.
        patches: Weight of the loss on the patch tokens.

    Returns:
        The loss, shape ().
    """
    pooled, tokens = encode_images(model, batch.pixels)
    words = encode_words(model, batch.ids, batch.vectors)
    scale = model.logit_scale.exp()
    # The mean of the tokens is not normalised, so that patches gain by agreeing with one another.
    on_patches = contrast(scale * tokens.mean(dim=1) @ words.T, batch.true)
    return contrast(scale * pooled @ words.T, batch.true) + patches * on_patches


def make_optimizer(model: CLIP, recipe: PretrainingRecipe) -> torch.optim.AdamW:
    """Makes AdamW over the parameters that are trained, with weight decay on the matrices alone.

    Args:
        model: The model, in fp32.
        recipe: Learning rate and weight decay.

    Returns:
        The optimizer.
    """
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    decayed = [p for name, p in trained if p.ndim >= 2 and "embedding" not in name]
    others = [p for name, p in trained if p.ndim < 2 or "embedding" in name]
    groups = [{"params": decayed, "weight_decay": recipe.decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98))


def schedule_rate(step: int, recipe: PretrainingRecipe) -> float:
    """Computes the learning rate of a step.

    Args:
        step: Number of the step, from 0.
        recipe: Steps and highest rate.

    Returns:
        The learning rate.
    """
    if step < recipe.warm_up:
        return recipe.rate * (step + 1) / recipe.warm_up
    done = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
    return recipe.rate * 0.5 * (1 + math.cos(math.pi * done))


def make_batches(
    emblems: Sequence[Emblem], pictures: PictureArray, speller: Speller, width: int, recipe: PretrainingRecipe
) -> Iterator[PretrainingBatch]:
    """Yields the batch of each step; every picture once an epoch, in a new view and with a new caption.

    Args:
        emblems: The emblems on the pictures.
        pictures: (n, 64, 64, 3) uint8.
        speller: Converts captions into token numbers.
        width: w.
        recipe: Number and size of batches, and the seed.

    Yields:
        The batches.
    """
    views = numpy_generator(recipe.seed, "pretraining views")
    words = numpy_generator(recipe.seed, "pretraining captions")
    noise = torch_generator(recipe.seed, "pretraining vectors")
    for chosen in draw_orders(len(emblems), recipe):
        shown = [emblems[at] for at in chosen]
        # One limit for the batch: the text tower runs as long as the longest caption.
        longest = LENGTHS[words.integers(len(LENGTHS))]
        captions = [write_caption(emblem, longest, words) for emblem in shown]
        ids = speller.spell([caption.words for caption in captions])
        pixels = to_pixels(shift_randomly(pictures[chosen], views))
        yield PretrainingBatch(pixels, ids, draw_vectors(ids, width, noise), match_captions(shown, captions))


def draw_orders(count: int, recipe: PretrainingRecipe) -> Iterator[NDArray[np.int64]]:
    """Yields the positions of each step's pictures.

    Args:
        count: Number of pictures.
        recipe: Number and size of batches, and the seed.

    Yields:
        (b,) positions.
    """
    generator, left = numpy_generator(recipe.seed, "pretraining order"), recipe.steps
    while left > 0:
        order = generator.permutation(count)
        starts = range(0, count - recipe.batch + 1, recipe.batch)[:left]
        yield from (order[at : at + recipe.batch] for at in starts)
        left -= len(starts)


def train(
    model: CLIP,
    feed: Iterable[PretrainingBatch],
    recipe: PretrainingRecipe,
    after_step: Callable[[int, float, float], None],
) -> None:
    """Trains the model in place.

    Args:
        model: The model, with fresh weights.
        feed: The batch of each step.
        recipe: Length and speed.
        after_step: Called with the step from 1, its loss and the seconds since the start.
    """
    optimizer, start = make_optimizer(model, recipe), time.monotonic()
    for step, batch in enumerate(feed):
        for group in optimizer.param_groups:
            group["lr"] = schedule_rate(step, recipe)
        loss = compute_loss(model, batch, recipe.patches)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        after_step(step + 1, loss.item(), time.monotonic() - start)
