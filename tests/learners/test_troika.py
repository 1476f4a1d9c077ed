"""Troika against a plain implementation, image by image: forward, scores, loss and all gradients."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedsilo.learners.troika import TroikaLearner
from fedsilo.models.prompts import traction
from fedsilo.models.prompts.compositions import PairNumbers

SCALE, LAYERS = 10.0, 2


def tract(texts: Tensor, patches: Tensor, params: Mapping[str, Tensor], masks: Any, plain: Any) -> Tensor:
    """T' (n, D) of one image with patches (M, D)."""
    rows, width = texts, texts.shape[1]
    heads = next(h for h in range(12, 0, -1) if width % h == 0)
    size = width // heads
    for layer in range(LAYERS):
        p = {k.removeprefix(f"traction.layers.{layer}."): v for k, v in params.items()}
        queries, keys, values = (
            given @ p[f"{name}.weight"].T for name, given in (("query", rows), ("key", patches), ("value", patches))
        )
        mixed = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            mixed.append((queries[:, part] @ keys[:, part].T / math.sqrt(size)).softmax(dim=1) @ values[:, part])
        first, inside, second = masks[layer]
        rows = rows + first * (torch.cat(mixed, dim=1) @ p["out.weight"].T + p["out.bias"])
        inner = plain.norm(rows, p["feed_forward.norm.weight"], p["feed_forward.norm.bias"])
        inner = inside * plain.quick_gelu(inner @ p["feed_forward.fc.weight"].T + p["feed_forward.fc.bias"])
        rows = rows + second * (inner @ p["feed_forward.proj.weight"].T + p["feed_forward.proj.bias"])
    return normalize(texts + params["traction.strength"] * rows, dim=-1)


def three_logits(
    model: Any,
    params: Mapping[str, Tensor],
    inputs: Any,
    plain: Any,
    mask: Callable[..., Tensor],
    norms: str = "again",
) -> dict[str, Tensor]:
    adapted = "adapters.down" in params
    found = plain.image(model, params, inputs["hidden.0"], mask) if adapted else (inputs["image"], inputs["patches"])
    image, tokens = found[0], torch.cat([found[0][:, None], found[1]], dim=1)
    branches = {"pair": image}
    for part in ("attribute", "object"):
        branches[part] = plain.disentangler(image, params, f"disentanglers.{part}", mask is plain.drop, mask)
    texts = plain.families(model, params, params["table"] * mask(params["table"].shape, 0.3))
    logits = {}
    for number, (family, each) in enumerate(texts.items()):
        if number == 0 or norms == "again":
            tokens = plain.norm(tokens, params["traction.norm.weight"], params["traction.norm.bias"])
        shape = (len(image), *each.shape)
        shapes = [shape, (*shape[:2], 4 * shape[2]), shape]  # behind the attention, inside the MLP, behind it
        drawn = [[mask(size, 0.1) for size in shapes] for _ in range(LAYERS)]
        rows = []
        for b in range(len(image)):
            changed = tract(
                normalize(each, dim=-1), tokens[b], params, [[m[b] for m in layer] for layer in drawn], plain
            )
            rows.append(SCALE * changed @ normalize(branches[family][b], dim=0))
        logits[family] = torch.stack(rows)
    return logits


@pytest.mark.parametrize(("adapters", "norms"), [(True, "again"), (False, "once")])
def test_loss_and_all_gradients_are_the_plain_ones(
    pairs_model: Any, pairs_batch: Any, plain: Any, adapters: bool, norms: str
) -> None:
    seen = pairs_model.seen_only()
    learner = TroikaLearner(
        adapters=adapters, adapter_width=6, traction_layers=LAYERS, patch_norm=norms, parts_weight=0.4
    )
    buffers, labels = plain.started(learner, seen)[1], pairs_batch.targets["class"]

    def loss(leaves: Any) -> Tensor:
        z = three_logits(seen, {**buffers, **leaves}, pairs_batch.inputs, plain, plain.drop, norms)
        attribute, object = plain.parts(seen, labels)
        parts = plain.cross_entropy(z["attribute"], attribute) + plain.cross_entropy(z["object"], object)
        return plain.cross_entropy(z["pair"], labels) + 0.4 * parts

    gradients = plain.check_training(learner, seen, pairs_batch, loss)
    assert {name.partition(".")[0] for name in gradients} == set(learner.groups)


def test_scores_of_evaluation_are_the_plain_ones_in_chunks_too(
    pairs_model: Any, pairs_batch: Any, plain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = TroikaLearner(adapter_width=6, traction_layers=LAYERS)
    params, buffers = plain.started(learner, pairs_model)
    with torch.no_grad():
        z = three_logits(pairs_model, {**buffers, **params}, pairs_batch.inputs, plain, plain.no_drop)
        a, o = (torch.from_numpy(pairs_model.candidates.parts[part]) for part in ("attribute", "object"))
        expected = z["pair"] + z["attribute"].softmax(dim=1)[:, a] * z["object"].softmax(dim=1)[:, o]
        for rows in (2**15, 14):
            monkeypatch.setattr(traction, "ROWS_AT_ONCE", rows)
            found = learner.scores(params, buffers, pairs_batch.inputs, pairs_model)
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_the_norm_of_patches_makes_a_difference(pairs_model: Any, pairs_batch: Any, plain: Any) -> None:
    params, buffers = plain.started(TroikaLearner(adapters=False), pairs_model)
    pairs = PairNumbers.of(pairs_model)
    again, once = (
        learner.run(
            lambda m, learner=learner: learner.compute_logits(m, pairs_batch.inputs, pairs_model, pairs),
            {**buffers, **params},
            pairs_model,
        )
        for learner in (TroikaLearner(adapters=False, patch_norm=norms) for norms in ("again", "once"))
    )
    assert torch.equal(again.pair, once.pair)
    assert not torch.equal(again.attribute, once.attribute)


def test_it_reads_patches_or_the_tokens_before_the_first_block() -> None:
    assert TroikaLearner().reads == {"hidden.0"}
    assert TroikaLearner().needs_image_blocks == 0
    assert TroikaLearner(adapters=False).reads == {"image", "patches"}
    assert TroikaLearner(adapters=False).needs_image_blocks is None


def test_sizes_with_vit_l_14_on_mit_states_are_the_published_code_s(plain: Any) -> None:
    layer = 3 * 768 * 768 + 768 * 768 + 768 + 2 * 768 + 8 * 768 * 768 + 5 * 768
    assert plain.count_numbers(TroikaLearner()) == {
        "table": (115 + 245) * 768,
        "contexts": 3 * 3 * 768,
        "adapters": 48 * (2 * 1024 * 64 + 64 + 1024),
        "disentanglers": 2 * (768 * 768 + 768 + 2 * 768),
        "traction": 3 * layer + 2 * 768 + 768,
    }


def test_settings_of_mit_states_are_the_usual_ones(pairs_model: Any) -> None:
    learner = TroikaLearner()
    assert (learner.parts_weight, learner.traction_dropout, learner.dropout) == (1.0, 0.1, 0.3)
    assert torch.equal(learner.init(pairs_model, 0, 0)["traction.strength"], torch.full((8,), 0.1))
