"""The second stage: a new text tower is fitted to the finished image tower, on captions of words alone.

The first stage puts random vectors into captions, so that the image tower learns from names behind any text. Its text
tower ends up ignoring everything in front of a name: a learned context has no effect until its effect appears suddenly,
and averaging such contexts gives chance. A tower that was trained on words only reacts to a context from the first step
on, and still starts near zero-shot level.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from open_clip.model import CLIP
from torch import Tensor

from fedsilo.core.seeds import numpy_generator
from fedsilo.data.emblems.drawing import Emblem
from fedsilo.models.pretraining.captions import write_caption
from fedsilo.models.pretraining.pretrain import (
    LENGTHS,
    PretrainingRecipe,
    contrast,
    draw_orders,
    make_optimizer,
    match_captions,
    schedule_rate,
    to_pixels,
)
from fedsilo.models.pretraining.towers import Speller, encode_images, encode_words
from fedsilo.models.pretraining.training_images import PictureArray

TEXT_RECIPE = PretrainingRecipe(pictures=24_000, steps=800, batch=256, warm_up=50, decay=0.02)


@torch.no_grad()
def encode_pictures(model: CLIP, pictures: PictureArray) -> tuple[Tensor, Tensor]:
    """Encodes all pictures.

    Args:
        model: The model, in fp32.
        pictures: (n, 64, 64, 3) uint8.

    Returns:
        Pooled features and means of the patch tokens, (n, d) each.
    """
    parts = [encode_images(model, to_pixels(pictures[at : at + 250])) for at in range(0, len(pictures), 250)]
    return torch.cat([pooled for pooled, _ in parts]), torch.cat([tokens.mean(dim=1) for _, tokens in parts])


def replace_text_tower(model: CLIP, fresh: CLIP) -> None:
    """Gives a model the text tower of another one and freezes everything else.

    Args:
        model: The model, changed in place.
        fresh: The model with the new text tower.
    """
    state = fresh.state_dict()
    for name, weight in model.named_parameters():
        weight.requires_grad_(not name.startswith("visual.") and name != "logit_scale")
        if weight.requires_grad:
            weight.data.copy_(state[name])


def fit_text(
    model: CLIP,
    looks: tuple[Tensor, Tensor],
    emblems: Sequence[Emblem],
    speller: Speller,
    recipe: PretrainingRecipe,
    after_step: Callable[[int, float, float], None],
) -> None:
    """Trains the parameters that are not frozen, in place, by the loss of the first stage.

    Args:
        model: The model after `replace_text_tower`.
        looks: Result of `encode_pictures` for the pictures.
        emblems: The emblems on the pictures.
        speller: Converts captions into token numbers.
        recipe: Length and speed.
        after_step: Called with the step from 1, its loss and the seconds since the start.
    """
    words, start = numpy_generator(recipe.seed, "pretraining text"), time.monotonic()
    optimizer = make_optimizer(model, recipe)
    for step, chosen in enumerate(draw_orders(len(emblems), recipe)):
        shown = [emblems[at] for at in chosen]
        longest = LENGTHS[words.integers(len(LENGTHS))]
        captions = [write_caption(emblem, longest, words, vectors=0.0) for emblem in shown]
        ids, true = speller.spell([caption.words for caption in captions]), match_captions(shown, captions)
        names = encode_words(model, ids, torch.zeros(*ids.shape, model.token_embedding.embedding_dim))
        pooled, patches = (model.logit_scale.exp() * feature[chosen] @ names.T for feature in looks)
        loss = contrast(pooled, true) + recipe.patches * contrast(patches, true)
        for group in optimizer.param_groups:
            group["lr"] = schedule_rate(step, recipe)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        after_step(step + 1, loss.item(), time.monotonic() - start)
