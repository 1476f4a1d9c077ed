"""How much faster VP-CMJL trains and is evaluated here than by a plain loop that does what the released code does.

The plain step runs the image tower on the batch and the text tower on every prompt of the three families, padded to 8
tokens, forward and backward. Ours reads image features that are computed once, or, with adapters, the tokens in front
of the tower's first block; of a pair's prompt it runs the tokens behind the shared prefix, and an attribute once for
all its pairs. With adapters the image tower is trained: only the text side can be saved, so a line says how long the
tower's own forward and backward take.
An evaluation encodes the texts once; the plain loop encodes them for every batch (one batch is measured and counted as
often as there are batches), and the image tower runs in it.

Random weights, CPU, six logits and all gradients compared. Plain and ours alternate and medians are compared, so that
what else the machine does hits both.

Run: python benchmarks/compositions.py [--model ViT-B-16] [--settings 16,12,83,16 115,245,1262,32] [--threads 1]
A setting is attributes,objects,seen pairs,batch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, normalize

from fedsilo.core.batch import Batch, Candidates
from fedsilo.learners.vp_cmjl import VPCMJLLearner
from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.conversion import extract_image_tail, extract_text_tower
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.views import Preprocessing
from fedsilo.models.clip.weights import create
from fedsilo.models.prompts.compositions import FAMILIES, PARTS, PairNumbers
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.tasks.classification import Classification
from fedsilo.training.model_sizes import ModelSizes

LENGTH, CONTEXT = 8, 3
"""Tokens of a padded prompt, and of its context."""
GOALS = {(83, False): 10.0, (1262, False): 4.0, (83, True): 1.1, (1262, True): 1.25}
EVALUATION_GOAL = 50.0


@dataclass(frozen=True, slots=True)
class Sizes:
    attributes: int
    objects: int
    pairs: int
    batch: int


@dataclass(frozen=True, eq=False, slots=True)
class Setting:
    """One model and one batch of one data set's sizes, for both ways."""

    model: Any
    encoder: ImageEncoder
    frozen: FrozenModel
    learner: VPCMJLLearner
    state: Mapping[str, Tensor]
    buffers: Mapping[str, Tensor]
    images: Tensor
    labels: Tensor
    inputs: Mapping[str, Tensor]


def setting(model: Any, sizes: Sizes, adapters: bool) -> Setting:
    text, generator = getattr(model, "text", model), torch.Generator().manual_seed(0)
    size = model.visual.image_size if isinstance(model.visual.image_size, int) else model.visual.image_size[0]
    encoder = ImageEncoder(model.visual, Preprocessing(size, size, (0.5,) * 3, (0.5,) * 3), "random", name="random")
    every = torch.randperm(sizes.attributes * sizes.objects, generator=generator)[: sizes.pairs].numpy()
    parts = {"attribute": every // sizes.objects, "object": every % sizes.objects}
    embedding, context = text.token_embedding.weight.detach(), torch.randn(CONTEXT, text.positional_embedding.shape[1])
    words = {}
    for part, count in zip(PARTS, (sizes.attributes, sizes.objects), strict=True):
        ids = torch.randint(300, len(embedding) - 2, (count,), generator=generator)
        rows = torch.stack([embedding[ids], embedding[-1].expand(count, -1)], dim=1).flatten(0, 1)
        words[part] = ClassTokens(rows, (2,) * count, embedding[-2].clone(), (1,) * count)
    names = {part: tuple(map(str, range(len(tokens)))) for part, tokens in words.items()}
    candidates = Candidates(tuple(map(str, every)), parts, np.ones(sizes.pairs, dtype=bool), names)
    width, scale = int(model.visual.output_dim), float(model.logit_scale.exp().detach())
    frozen = FrozenModel(
        extract_text_tower(model), words["attribute"], scale, torch.zeros(sizes.pairs, width), candidates,
        phrases={"a photo of": 0.02 * context}, image=extract_image_tail(encoder, 0) if adapters else None, words=words,
    )  # fmt: skip
    learner = VPCMJLLearner(adapters=adapters, dropout=0.0, adapter_dropout=0.0)
    drawn = learner.init(frozen, 0, 0)
    moved = {n: p + 0.01 * torch.randn(p.shape, generator=generator) for n, p in drawn.items()}
    images = torch.randn(sizes.batch, 3, size, size, generator=generator)
    labels = torch.randint(sizes.pairs, (sizes.batch,), generator=generator)
    with torch.no_grad():
        inputs = {"hidden.0": encoder.hidden(images, 0)} if adapters else {"image": model.encode_image(images)}
    return Setting(
        model, encoder, frozen, learner, moved, learner.buffers(frozen, 0, 0), images, labels, inputs
    )  # fmt: skip


def plain_texts(at: Setting, context: Tensor, words: Tensor) -> Tensor:
    """Features (n, D) of whole prompts of 8 tokens, words (n, P, W), by open_clip's own transformer."""
    text, tokens = getattr(at.model, "text", at.model), at.frozen.words["attribute"]
    count, vectors, width = words.shape
    start, end = tokens.sos.expand(count, 1, width), tokens.embeddings[-1].expand(count, 1, width)
    rest = tokens.sos.new_zeros(count, LENGTH - 2 - CONTEXT - vectors, width)
    rows = torch.cat([start, context.expand(count, -1, -1), words, end, rest], dim=1)
    rows = rows + text.positional_embedding[:LENGTH]
    rows = text.ln_final(text.transformer(rows, attn_mask=text.attn_mask[:LENGTH, :LENGTH]))
    projection = text.text_projection
    features = rows[:, 1 + CONTEXT + vectors]
    return projection(features) if isinstance(projection, torch.nn.Module) else features @ projection


def plain_families(at: Setting, module: Any) -> dict[str, Tensor]:
    pairs, table, count = PairNumbers.of(at.frozen), module.table, len(at.frozen.words["attribute"])
    both = torch.stack([table[pairs.attribute], table[count + pairs.object]], dim=1)
    words = (both, table[:count, None], table[count:, None])
    return {f: plain_texts(at, module.contexts[f], w) for f, w in zip(FAMILIES, words, strict=True)}


def plain_image(at: Setting, module: Any) -> Tensor:
    if not at.learner.adapters:
        with torch.no_grad():
            found: Tensor = at.model.encode_image(at.images)
        return found
    tower, beside = at.model.visual, module.adapters.beside()
    rows = at.encoder.hidden(at.images, 0)
    for number, block in enumerate(tower.transformer.resblocks):
        rows = rows + block.ls_1(block.attention(q_x=block.ln_1(rows))) + beside(number, 0, rows)
        rows = rows + block.ls_2(block.mlp(block.ln_2(rows))) + beside(number, 1, rows)
    pooled: Tensor = tower.ln_post(rows)[:, 0]
    return pooled if tower.proj is None else pooled @ tower.proj


def cosines(one: Tensor, other: Tensor) -> Tensor:
    return normalize(one, dim=-1) @ normalize(other, dim=-1).T


def plain_logits(at: Setting, module: Any) -> list[Tensor]:
    """The six logits, text first; pairs, attributes and objects of each."""
    image, texts, scale = plain_image(at, module), plain_families(at, module), at.frozen.scale
    found = [scale * cosines(image, texts["pair"])]
    for part in PARTS:
        decomposed, weights = module.attention[f"text_{part}"](image, texts[part])
        found.append(scale * (cosines(decomposed, texts[part]) + weights))
    pairs = PairNumbers.of(at.frozen)
    both = [module.proxies["attribute"][pairs.attribute], module.proxies["object"][pairs.object]]
    found.append(scale * cosines(image, module.composer(torch.cat(both, dim=1))))
    for part in PARTS:
        found.append(scale * cosines(module.disentanglers[f"visual_{part}"](image), module.proxies[part]))
    return found


@torch.no_grad()
def compare_logits(at: Setting, module: Any) -> float:
    """The largest relative error of our six logits."""
    torch.manual_seed(0)
    expected = plain_logits(at, module)
    torch.manual_seed(0)
    pairs, weights = PairNumbers.of(at.frozen), {**at.state, **{n: b.clone() for n, b in at.buffers.items()}}
    sides: Any = at.learner.run(
        lambda ours: at.learner.compute_logits(ours, at.inputs, at.frozen, pairs), weights, at.frozen, training=True
    )
    found = [getattr(sides[side], family) for side in ("text", "visual") for family in FAMILIES]
    return max(error(z, y) for z, y in zip(found, expected, strict=True))


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """What a step gives, and how long it took."""

    gradients: Tensor
    seconds: float


def plain_step(at: Setting, module: Any) -> Step:
    torch.manual_seed(0)  # dropout of the disentanglers
    started, pairs = time.perf_counter(), PairNumbers.of(at.frozen)
    logits = plain_logits(at, module)
    targets = (at.labels, pairs.attribute[at.labels], pairs.object[at.labels])
    loss = sum(cross_entropy(z, y) for z, y in zip(logits, targets * 2, strict=True))
    text, visual = logits[0].log_softmax(dim=1), logits[3].log_softmax(dim=1)
    loss = loss + kl_div(visual, text, reduction="batchmean", log_target=True)
    found = torch.autograd.grad(loss, list(module.parameters()))
    return Step(torch.cat([g.flatten() for g in found]), time.perf_counter() - started)


def our_step(at: Setting) -> Step:
    torch.manual_seed(0)
    started = time.perf_counter()
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in at.state.items()}
    buffers = {name: tensor.clone() for name, tensor in at.buffers.items()}
    batch = Batch(at.inputs, {"class": at.labels})
    loss = at.learner.loss(leaves, buffers, batch, at.frozen, Classification())
    found = torch.autograd.grad(loss, list(leaves.values()))
    return Step(torch.cat([g.flatten() for g in found]), time.perf_counter() - started)


def tower_step(at: Setting, module: Any) -> float:
    """Seconds of the adapted image tower's own forward and backward."""
    started = time.perf_counter()
    torch.autograd.grad(plain_image(at, module).sum(), list(module.adapters.parameters()))
    return time.perf_counter() - started


def fill(at: Setting) -> Any:
    """Builds the learner's module with the setting's weights, in training mode."""
    module = at.learner.module(ModelSizes.of(at.frozen))
    module.load_state_dict({**at.state, **at.buffers})
    return module.train()


@torch.no_grad()
def evaluate(at: Setting, images: int, batch: int) -> tuple[float, float, float]:
    """Seconds of an evaluation of all images over all pairs, plain and ours, and the largest error of our scores."""
    module, batches = fill(at).eval(), -(-images // batch)
    started = time.perf_counter()
    logits = plain_logits(at, module)
    each = [z.softmax(dim=1) for z in logits]
    pairs = PairNumbers.of(at.frozen)
    expected = sum(p + a[:, pairs.attribute] + o[:, pairs.object] for p, a, o in (tuple(each[:3]), tuple(each[3:])))
    plain = (time.perf_counter() - started) * batches
    started = time.perf_counter()
    for _ in range(batches):
        scores = at.learner.scores(at.state, at.buffers, at.inputs, at.frozen)
    ours = time.perf_counter() - started
    return plain, ours, error(scores, torch.as_tensor(expected))


def error(value: Tensor, reference: Tensor) -> float:
    return float((value - reference).norm() / reference.norm())


def show(title: str, slow: float, fast: float, goal: float | None) -> None:
    ratio = slow / fast
    verdict = "" if goal is None else f"goal {goal:g}x {'met' if ratio >= goal else 'MISSED'}"
    print(f"{title:<44} {slow:9.3f} s {fast:9.4f} s {ratio:7.2f}x   {verdict}")


def compare_steps(at: Setting, repetitions: int) -> None:
    module, slow, fast = fill(at), [], []
    our_step(at)  # masks are made once per run, not per step
    for _ in range(repetitions):
        slow.append(plain_step(at, module))
        fast.append(our_step(at))
    pairs, batch = len(at.frozen.candidates), len(at.labels)
    title = f"step, {'adapters' if at.learner.adapters else 'frozen features'}, {pairs} pairs, batch {batch}"
    ours = median(each.seconds for each in fast)
    show(title, median(each.seconds for each in slow), ours, GOALS.get((pairs, at.learner.adapters)))
    errors = compare_logits(at, module), error(fast[-1].gradients, slow[-1].gradients)
    print(f"    relative error: logits {errors[0]:.1e}, gradient {errors[1]:.1e}")
    if max(errors) > 1e-4:
        raise SystemExit("    the two ways differ by more than 1e-4")
    if at.learner.adapters:
        alone = median(tower_step(at, module) for _ in range(repetitions))
        print(f"    the image tower's own forward and backward: {alone:.3f} s, {100 * alone / ours:.0f} % of our step")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ViT-B-16")
    parser.add_argument("--settings", nargs="+", default=["16,12,83,16", "115,245,1262,32"])
    parser.add_argument("--evaluation", default="115,245,1962,64", help="as a setting")
    parser.add_argument("--images", type=int, default=12995, help="test images of the evaluation")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="torch threads; a client has 1 by default")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    model = create(Backbone(chosen.model, "" if chosen.model == "fedsilo-tiny" else "random"), seed=0)[0]
    model.eval().requires_grad_(False)
    print(f"{chosen.model}, fp32, CPU, {chosen.threads} thread(s), median of {chosen.repetitions} repetitions")
    print(f"{'':<44} {'plain':>11} {'ours':>11} {'ratio':>8}")
    for sizes in map(read_sizes, chosen.settings):
        for adapters in (False, True):
            compare_steps(setting(model, sizes, adapters), chosen.repetitions)
    sizes = read_sizes(chosen.evaluation)
    plain, ours, wrong = evaluate(setting(model, sizes, False), chosen.images, sizes.batch)
    show(f"evaluation, {sizes.pairs} pairs, {chosen.images} images", plain, ours, EVALUATION_GOAL)
    print(f"    relative error of scores: {wrong:.1e}")


def read_sizes(text: str) -> Sizes:
    return Sizes(*map(int, text.split(",")))


if __name__ == "__main__":
    main()
