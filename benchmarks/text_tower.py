"""How much faster a prompt's training step is on the fast text tower and cached features than the plain way.

The plain step is that of the released prompt-learning code: the image tower on the batch, and open_clip's text tower
on every class name padded to 77 tokens, forward and backward to the learned context. Ours encodes no image (features
are computed once) and no token that cannot matter. Both compute the same numbers: the errors are printed with the
ratios. A third line has soft class tokens: the embeddings of the
class names are learned as well, so both ways also go backward to them.

ViT-B-16 with random weights, 100 classes, 16 context tokens, batch 32, CPU. Plain and ours alternate and
their medians are compared, so that what else the machine does hits both; with more threads than free cores neither
number means anything, and the short steps suffer most.

Run: python benchmarks/text_tower.py [--repetitions 3] [--threads 1]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.clip.class_tokens import ClassTokens, embed_class_names, format_name
from fedsilo.models.clip.conversion import extract_text_tower
from fedsilo.models.clip.text_tower import TextTower, encode_prompts
from fedsilo.models.clip.weights import create

MODEL, CONTEXT, BATCH = "ViT-B-16", 16, 32
GOALS = {"text tower alone": 12.0, "whole training step": 25.0, "soft class tokens": 12.0}
CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
""".split()  # noqa: SIM905 (a list of 100 lines says no more)


@dataclass(frozen=True, eq=False, slots=True)
class Setting:
    """One model, one context, one batch, for both ways."""

    model: Any
    ids: Tensor
    tower: TextTower
    classes: ClassTokens
    context: Tensor
    images: Tensor
    labels: Tensor
    soft: Tensor | None = None
    """(R, W) the class tokens where they are learned."""

    @property
    def learned(self) -> tuple[Tensor, ...]:
        return (self.context,) if self.soft is None else (self.context, self.soft)


def setting() -> Setting:
    generator = torch.Generator().manual_seed(0)
    model, tokenizer = create(Backbone(MODEL, "random"), seed=0)
    tower = extract_text_tower(model)
    ids = tokenizer([f"{'X ' * CONTEXT}{format_name(name)}." for name in CLASSES])
    classes = embed_class_names(CLASSES, tokenizer, model.token_embedding.weight, None, tower.meta.context_length)
    context = (0.02 * torch.randn(CONTEXT, tower.width, generator=generator)).requires_grad_()
    images = torch.randn(BATCH, 3, 224, 224, generator=generator)
    labels = torch.randint(len(CLASSES), (BATCH,), generator=generator)
    return Setting(model, ids, tower, classes, context, images, labels)


def plain_text(at: Setting) -> Tensor:
    """Returns (K, D) class features by open_clip's path over 77 tokens, with the context put in by hand."""
    model = at.model
    tokens = model.token_embedding(at.ids)
    if at.soft is not None:
        owner = torch.arange(len(CLASSES)).repeat_interleave(torch.tensor(at.classes.lengths))
        place = torch.cat([1 + CONTEXT + torch.arange(length) for length in at.classes.lengths])
        tokens = tokens.detach().index_put((owner, place), at.soft)
    context = at.context.expand(len(tokens), -1, -1)
    rows = torch.cat([tokens[:, :1], context, tokens[:, 1 + CONTEXT :]], dim=1) + model.positional_embedding
    rows = model.ln_final(model.transformer(rows, attn_mask=model.attn_mask))
    features: Tensor = rows[torch.arange(len(rows)), at.ids.argmax(dim=1)] @ model.text_projection
    return features


def fast_text(at: Setting) -> Tensor:
    classes = at.classes if at.soft is None else at.classes.with_embeddings(at.soft)
    return encode_prompts(at.tower, classes, at.context)


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """A step behind the image tower: logits (B, K), gradient by all that is learned, and how long it took."""

    logits: Tensor
    gradient: Tensor
    seconds: float


def step(at: Setting, features: Tensor, text: Callable[[Setting], Tensor]) -> Step:
    started = time.perf_counter()
    scale = at.model.logit_scale.exp()
    logits = scale * normalize(features, dim=-1) @ normalize(text(at), dim=-1).T
    found = torch.autograd.grad(cross_entropy(logits, at.labels), at.learned)
    return Step(logits.detach(), torch.cat(found), time.perf_counter() - started)


@dataclass(frozen=True, eq=False, slots=True)
class Repetition:
    """Both ways once, one after the other; ours several times, being short."""

    image_seconds: float
    plain: Step
    ours: tuple[Step, ...]


def repeat(at: Setting) -> Repetition:
    started = time.perf_counter()
    with torch.no_grad():
        features = at.model.encode_image(at.images)
    image_seconds = time.perf_counter() - started
    ours = [step(at, features, fast_text) for _ in range(2)]
    plain = step(at, features, plain_text)
    ours += [step(at, features, fast_text) for _ in range(2)]
    return Repetition(image_seconds, plain, tuple(ours))


def relative_error(value: Tensor, reference: Tensor) -> float:
    return float((value - reference).norm() / reference.norm())


def show(title: str, slow: float, fast: float) -> None:
    ratio, goal = slow / fast, GOALS[title]
    verdict = f"goal {goal:.0f}x {'met' if ratio >= goal else 'MISSED'}"
    print(f"{title:<20} {slow:8.2f} s {fast:8.3f} s {ratio:7.1f}x   {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="torch threads; a client has 1 by default")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    at = setting()
    step(at, torch.zeros(BATCH, 512), fast_text)  # masks are made once per run, not per step
    rounds = [repeat(at) for _ in range(chosen.repetitions)]
    words = replace(at, soft=at.classes.embeddings.detach().clone().requires_grad_())
    soft = [repeat(words) for _ in range(chosen.repetitions)]
    print(
        f"{MODEL}, random weights, {len(CLASSES)} classes, {CONTEXT} context tokens, batch {BATCH}, fp32, "
        f"CPU, {chosen.threads} thread(s), median of {chosen.repetitions} alternating repetitions"
    )
    print(f"{'':<20} {'plain':>10} {'ours':>10} {'ratio':>8}")
    ours = median(each.seconds for one in rounds for each in one.ours)
    show("text tower alone", median(one.plain.seconds for one in rounds), ours)
    show("whole training step", median(one.plain.seconds + one.image_seconds for one in rounds), ours)
    learned = median(each.seconds for one in soft for each in one.ours)
    show("soft class tokens", median(one.plain.seconds for one in soft), learned)
    both = [*rounds, *soft]
    logits = max(relative_error(each.logits, one.plain.logits) for one in both for each in one.ours)
    gradient = max(relative_error(each.gradient, one.plain.gradient) for one in both for each in one.ours)
    print(f"relative error of ours: logits {logits:.1e}, gradient {gradient:.1e}")


if __name__ == "__main__":
    main()
