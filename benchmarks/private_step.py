"""What a private step costs: the clipped sum of 32 examples' own gradients, against one gradient of their mean.

Four ways to the same gradients by one context: the loop over examples (each its own forward and backward; a few are
timed and scaled), torch's batched backward over one forward (`compute_dense_gradients`), and
`compute_context_gradients` with all pairs of an example and a class (tolerance 0, the worst case) or with those pairs
only that a tolerance leaves. Every private way ends with the joint clip; the tolerance's line says how many pairs were
kept and what that did to the gradients. A ratio is the median of those to the steps without privacy right before and
after, so that what else the machine does hits both.

ViT-B-16's text tower with random weights, 100 classes, 16 context tokens, batch 32, CPU. What is kept depends on how
peaked predictions are, which random weights do not tell. So the last projection is replaced by one that whitens the
classes, and images are put where a trained CLIP has them: cosine 0.75 between two classes, 0.18 on average between an
image and a class with a deviation of 0.025 over the wrong classes, the right one 0.09 higher, temperature 100. That
gives an accuracy of about 85 % and a mean largest probability of about 0.75; what is kept is printed for many such
images and for the batch. A made-up tower does not tell what a tolerance does to the gradients of a trained one, so it
is also tried on the shipped fedsilo-tiny and its emblems (24 classes), at the start and after training.

Before that, a small network, which no text tower is behind: by opacus, by vmap, one by one (`private_network.py`).

Run: python benchmarks/private_step.py [--repetitions 3] [--threads 1] [--looped 4] [--only network]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import mean, median

import torch
from private_network import compare_network
from text_tower import BATCH, CLASSES, CONTEXT, MODEL
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize, one_hot

from fedsilo.core import Batch
from fedsilo.core.batch import CLASS, IMAGE, named
from fedsilo.data.datasets.emblems import Emblems
from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.clip.class_tokens import embed_class_names
from fedsilo.models.clip.conversion import extract_text_tower
from fedsilo.models.clip.loading import load
from fedsilo.models.clip.recorded_forward import record
from fedsilo.models.clip.text_tower import TextTower
from fedsilo.models.clip.weights import create
from fedsilo.models.prompts.frozen_model import FrozenModel, draw_context
from fedsilo.simulation.frozen_parts import frozen_model
from fedsilo.training.per_example.clipping import sum_clipped
from fedsilo.training.per_example.context_gradients import (
    compute_context_gradients,
    compute_dense_gradients,
    encode_texts,
)
from fedsilo.training.per_example.logit_gradients import compute_cotangents
from fedsilo.training.per_example.reference_loop import loop_over_examples
from fedsilo.training.per_example.selection import select

GOAL, TOLERANCES = 4.0, (0.2, 0.1, 0.05, 0.02)
MEMORY_MB = 64
SCALE, BETWEEN_CLASSES, TO_CLASSES, SPREAD, MARGIN = 100.0, 0.75, 0.18, 0.025, 0.09
MADE_UP, EMBLEMS, STEPS, RATE = 1024, 256, 150, 0.02


@dataclass(frozen=True, eq=False, slots=True)
class Setting:
    """A frozen model, a context (1, L, W) and its images."""

    model: FrozenModel
    context: Tensor
    batch: Batch

    def losses(self, texts: Tensor, batch: Batch) -> Tensor:
        """Returns the loss of each example, from (1, K, D)."""
        return cross_entropy(self.model.score(batch.inputs[IMAGE], texts[0]), batch.targets[CLASS], reduction="none")

    def first(self, count: int) -> Setting:
        return replace(self, batch=self.batch.take(slice(count)))

    def peakedness(self) -> str:
        """Returns how sure the model is of its images, and what tolerances keep of them."""
        with torch.no_grad():
            texts = self.model.text_features(self.context)[0]
            found = self.model.score(self.batch.inputs[IMAGE], texts).softmax(dim=1)
        residual = (found - one_hot(self.batch.targets[CLASS], len(texts))).unsqueeze(2)  # images have length 1
        kept = [f"{select(residual, t).kept.sum(dim=1).float().mean():.1f} at {t}" for t in (0.0, *TOLERANCES)]
        right = (found.argmax(dim=1) == self.batch.targets[CLASS]).float().mean()
        return (
            f"accuracy {100 * right:.0f} %, mean largest probability {found.amax(dim=1).mean():.2f}, "
            f"pairs kept {', '.join(kept)}"
        )


def batch_of(images: Tensor, labels: Tensor) -> Batch:
    return Batch({IMAGE: images}, {CLASS: labels})


def clip_like() -> Setting:
    """Returns ViT-B-16's shapes with the geometry of a trained CLIP."""
    generator = torch.Generator().manual_seed(0)
    loaded, tokenizer = create(Backbone(MODEL, "random"), seed=0)
    tower = extract_text_tower(loaded)
    tokens = embed_class_names(
        CLASSES, tokenizer, loaded.token_embedding.weight.detach(), None, tower.meta.context_length
    )
    context = draw_context(CONTEXT, tower.width, generator)
    tensors = tower.tensors()
    rows = record(tower, tokens, context).norm.rows * tensors["norm.weight"] + tensors["norm.bias"]
    centre = rows.mean(dim=0)
    classes, sizes, directions = torch.linalg.svd(rows - centre, full_matrices=False)
    classes, sizes, directions = classes[:, :-1], sizes[:-1], directions[:-1]  # centred: one direction is empty
    width = len(tensors["projection.weight"])
    basis = torch.linalg.qr(torch.randn(width, width, generator=generator)).Q
    common, apart, rest = basis[:, 0], basis[:, 1 : 1 + len(sizes)], basis[:, 1 + len(sizes) :]
    # A class's feature is sqrt(0.75) of what all have in common and sqrt(0.25) of its own direction.
    weight = (1 - BETWEEN_CLASSES) ** 0.5 * apart @ (directions / sizes[:, None])
    bias = BETWEEN_CLASSES**0.5 * common - weight @ centre
    tower = TextTower(tower.meta, {**tensors, "projection.weight": weight, "projection.bias": bias})
    labels = torch.randint(len(CLASSES), (MADE_UP,), generator=generator)
    cosines = SPREAD * torch.randn(MADE_UP, len(CLASSES), generator=generator) + MARGIN * one_hot(labels, len(CLASSES))
    images = TO_CLASSES / BETWEEN_CLASSES**0.5 * common + cosines @ classes @ apart.T / (1 - BETWEEN_CLASSES) ** 0.5
    other = normalize(torch.randn(MADE_UP, rest.shape[1], generator=generator), dim=1) @ rest.T
    images += (1 - images.square().sum(dim=1, keepdim=True)).sqrt() * other
    model = FrozenModel(tower, tokens, SCALE, torch.zeros(len(CLASSES), width), named(tuple(CLASSES)))
    return Setting(model, context.unsqueeze(0), batch_of(images, labels))


def emblems() -> Setting:
    """Returns the shipped backbone at a random context, and drawn images."""
    loaded, data = load(Backbone(), 0), Emblems().load(0)
    chosen = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:EMBLEMS].tolist()
    pixels = [loaded.images.preprocessing.plain(data.train.fetch(number)) for number in chosen]
    pooled, _ = loaded.images.encode(torch.stack(pixels))
    labels = torch.from_numpy(data.train.labels[chosen].copy())
    model = frozen_model(loaded, data.classes, data.template)
    context = draw_context(CONTEXT, model.width, torch.Generator().manual_seed(0))
    return Setting(model, context.unsqueeze(0), batch_of(pooled, labels))


def trained(at: Setting) -> Setting:
    """Returns the setting after some steps of descent."""
    context = at.context.clone().requires_grad_()
    optimizer = torch.optim.SGD([context], lr=RATE, momentum=0.9)
    for step in range(STEPS):
        part = torch.randperm(EMBLEMS, generator=torch.Generator().manual_seed(step))[:BATCH]
        optimizer.zero_grad()
        batch = batch_of(at.batch.inputs[IMAGE][part], at.batch.targets[CLASS][part])
        at.losses(at.model.text_features(context), batch).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return replace(at, context=context.detach())


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """What a way gives: each example's gradient (B, L W), pairs kept (B,), and how long it took."""

    gradients: Tensor
    kept: Tensor
    seconds: float

    def clipped(self, clip_norm: float) -> Tensor:
        return sum_clipped({"context": self.gradients}, clip_norm)[0]["context"]


def plain(at: Setting) -> Step:
    """Returns the step without privacy: one gradient, of the mean."""
    started = time.perf_counter()
    context = at.context.clone().requires_grad_()
    loss = at.losses(at.model.text_features(context), at.batch).mean()
    (gradient,) = torch.autograd.grad(loss, context)
    return Step(gradient.flatten(1), torch.zeros(0), time.perf_counter() - started)


def looped(at: Setting, examples: int) -> Step:
    """Returns the gradients of the first examples, the time scaled to all."""
    batch = at.batch.take(slice(examples))
    started = time.perf_counter()
    _, found = loop_over_examples(
        lambda leaves, one: at.losses(at.model.text_features(leaves["context"]), one).mean(),
        {"context": at.context},
        batch,
    )
    seconds = (time.perf_counter() - started) * len(at.batch) / examples
    return Step(found["context"].flatten(1), torch.zeros(0), seconds)


def dense(at: Setting) -> Step:
    """Returns the gradients by torch's batched backward; that its cotangents need texts is not counted twice."""
    with torch.no_grad():
        texts = at.model.text_features(at.context)
    started = time.perf_counter()
    _, asked = compute_cotangents(at.losses, texts, at.batch)
    found = compute_dense_gradients(at.model.tower, at.model.classes, at.context, asked, memory_mb=MEMORY_MB)
    sum_clipped({"context": found}, 1.0)
    return Step(found.flatten(1), torch.zeros(0), time.perf_counter() - started)


def ours(at: Setting, tolerance: float) -> Step:
    started = time.perf_counter()
    texts = encode_texts(at.model.tower, at.model.classes, at.context)
    _, asked = compute_cotangents(at.losses, texts.features, at.batch)
    found = compute_context_gradients(texts, asked, tolerance=tolerance, memory_mb=MEMORY_MB)
    sum_clipped({"context": found.gradients}, 1.0)
    return Step(found.gradients.flatten(1), found.kept[:, 0], time.perf_counter() - started)


def errors(found: Tensor, exact: Tensor) -> Tensor:
    """Returns the relative error of each example."""
    return (found - exact).norm(dim=1) / exact.norm(dim=1)


def describe(found: Step, exact: Step) -> str:
    """Returns what a tolerance kept and what it did to the gradients and to the clipped sum at the median norm."""
    wrong, clip_norm = errors(found.gradients, exact.gradients), float(exact.gradients.norm(dim=1).median())
    kept = found.kept.float()
    released = [each.clipped(clip_norm) for each in (found, exact)]
    total = float((released[0] - released[1]).norm() / released[1].norm())
    return (
        f"pairs kept {kept.mean():.1f} ({int(kept.min())} to {int(kept.max())}); gradient error median "
        f"{100 * wrong.median():.1f} %, largest {100 * wrong.max():.1f} %, clipped sum {100 * total:.1f} %"
    )


def compare(at: Setting, repetitions: int, examples: int) -> None:
    """Prints every way's time, and over that of the step without privacy."""
    ways: dict[str, Callable[[], Step]] = {
        f"loop over examples ({examples} of {BATCH} timed)": lambda: looped(at, examples),
        "torch's batched backward": lambda: dense(at),
        "ours, all pairs (tolerance 0)": lambda: ours(at, 0.0),
    }
    ways |= {f"ours, tolerance {tolerance}": lambda t=tolerance: ours(at, t) for tolerance in TOLERANCES}
    runs: dict[str, list[Step]] = {name: [] for name in ways}
    ratios: dict[str, list[float]] = {name: [] for name in ways}
    base = [plain(at).seconds for _ in range(2)][1:]  # masks are made once per run, not per step
    for _ in range(repetitions):
        for name, way in ways.items():
            runs[name].append(way())
            base.append(plain(at).seconds)
            ratios[name].append(runs[name][-1].seconds / mean(base[-2:]))
    print(f"{'without privacy':<38} {median(base):8.3f} s {1:7.2f}x")
    *_, exact = runs["ours, all pairs (tolerance 0)"]
    for name, steps in runs.items():
        ratio = median(ratios[name])
        verdict = f"   goal {GOAL:g}x {'met' if ratio <= GOAL else 'MISSED'}" if "ours, tolerance" in name else ""
        print(f"{name:<38} {median(step.seconds for step in steps):8.3f} s {ratio:7.2f}x{verdict}")
        if verdict:
            print(f"{'':<4}{describe(steps[-1], exact)}")
    *_, loop = runs[f"loop over examples ({examples} of {BATCH} timed)"]
    *_, batched = runs["torch's batched backward"]
    by_loop = errors(exact.gradients[:examples], loop.gradients).max()
    by_torch = errors(exact.gradients, batched.gradients).max()
    print(f"largest relative error with all pairs: {by_loop:.1e} against the loop, {by_torch:.1e} against torch's")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="torch threads; a client has 1 by default")
    parser.add_argument("--looped", type=int, default=4, help="examples of the loop that are timed")
    parser.add_argument("--only", choices=["network"], help="the small network alone")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    compare_network(10 * chosen.repetitions)
    if chosen.only == "network":
        return
    at = clip_like()
    print(
        f"{MODEL}'s text tower, {len(CLASSES)} classes, {CONTEXT} context tokens, batch {BATCH}, fp32, CPU, "
        f"{chosen.threads} thread(s), median of {chosen.repetitions} repetitions, load {os.getloadavg()[0]:.1f}\n"
        f"{MADE_UP} made-up images: {at.peakedness()}"
    )
    compare(at.first(BATCH), chosen.repetitions, chosen.looped)
    start = emblems()
    for title, at in (("at the start", start), (f"after {STEPS} steps", trained(start))):
        print(f"fedsilo-tiny on {EMBLEMS} emblems, 24 classes, {title}: {at.peakedness()}")
        exact = ours(at, 0.0)
        for tolerance in TOLERANCES:
            print(f"{'':<4}tolerance {tolerance}: {describe(ours(at, tolerance), exact)}")


if __name__ == "__main__":
    main()
