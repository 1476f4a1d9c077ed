"""VP-CMJL against a plain implementation: forward, six logits, both inference scores, loss and all gradients."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fedsilo.core.errors import ClientError
from fedsilo.learners.vp_cmjl import VPCMJLLearner
from fedsilo.models.prompts.compositions import PairNumbers
from fedsilo.tasks.classification import Classification

SCALE = 10.0


def attend(image: Tensor, prototypes: Tensor, params: Mapping[str, Tensor], name: str, plain: Any) -> tuple[Any, Any]:
    """f_t and w: cross attention of images to prototypes, head by head."""
    p = {key.removeprefix(f"{name}."): value for key, value in params.items() if key.startswith(f"{name}.")}
    width = image.shape[1]
    heads = next(h for h in range(16, 0, -1) if width % h == 0)
    weight, bias = p["attend.in_proj_weight"], p["attend.in_proj_bias"]
    asked = plain.norm(image, p["norm_image.weight"], p["norm_image.bias"])
    given = plain.norm(prototypes, p["norm_prototypes.weight"], p["norm_prototypes.bias"])
    queries = asked @ weight[:width].T + bias[:width]
    keys = given @ weight[width : 2 * width].T + bias[width : 2 * width]
    values = given @ weight[2 * width :].T + bias[2 * width :]
    mixed, weights, size = [], [], width // heads
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        fit = (queries[:, part] @ keys[:, part].T / math.sqrt(size)).softmax(dim=1)
        mixed.append(fit @ values[:, part])
        weights.append(fit)
    h = image + torch.cat(mixed, dim=1) @ p["attend.out_proj.weight"].T + p["attend.out_proj.bias"]
    inner = plain.norm(h, p["feed_forward.norm.weight"], p["feed_forward.norm.bias"])
    inner = plain.quick_gelu(inner @ p["feed_forward.fc.weight"].T + p["feed_forward.fc.bias"])
    decomposed = h + inner @ p["feed_forward.proj.weight"].T + p["feed_forward.proj.bias"]
    return decomposed, sum(weights) / heads


def six_logits(
    model: Any, params: Mapping[str, Tensor], inputs: Any, plain: Any, mask: Callable[..., Tensor], training: bool
) -> dict[str, Tensor]:
    """The six logits, step by step; masks are drawn for adapters, the table and disentanglers in this order."""
    adapted = "adapters.down" in params
    image = plain.image(model, params, inputs["hidden.0"], mask)[0] if adapted else inputs["image"]
    table = params["table"] * mask(params["table"].shape, 0.3)
    texts = plain.families(model, params, table)
    found = {"text pair": SCALE * plain.cosines(image, texts["pair"])}
    for part in ("attribute", "object"):
        decomposed, weights = attend(image, texts[part], params, f"attention.text_{part}", plain)
        found[f"text {part}"] = SCALE * (plain.cosines(decomposed, texts[part]) + weights)
    a, o = (torch.from_numpy(model.candidates.parts[part]) for part in ("attribute", "object"))
    both = torch.cat([params["proxies.attribute"][a], params["proxies.object"][o]], dim=1)
    found["visual pair"] = SCALE * plain.cosines(image, both @ params["composer.weight"].T + params["composer.bias"])
    for part in ("attribute", "object"):
        decomposed = plain.disentangler(image, params, f"disentanglers.visual_{part}", training, mask)
        found[f"visual {part}"] = SCALE * plain.cosines(decomposed, params[f"proxies.{part}"])
    return found


def plain_loss(found: Mapping[str, Tensor], model: Any, labels: Tensor, plain: Any) -> Tensor:
    attribute, object = plain.parts(model, labels)
    targets = {"pair": labels, "attribute": attribute, "object": object}
    loss = sum(plain.cross_entropy(scores, targets[name.split()[1]]) for name, scores in found.items())
    q, p = found["text pair"].softmax(dim=1), found["visual pair"].softmax(dim=1)
    return loss + (q * (q / p).log()).sum() / len(labels)


@pytest.mark.parametrize("adapters", [True, False])
def test_loss_and_all_gradients_are_the_plain_ones(
    pairs_model: Any, pairs_batch: Any, plain: Any, adapters: bool
) -> None:
    seen, learner = pairs_model.seen_only(), VPCMJLLearner(adapters=adapters, adapter_width=6)
    buffers = plain.started(learner, seen)[1]

    def loss(leaves: Any) -> Tensor:
        found = six_logits(seen, {**buffers, **leaves}, pairs_batch.inputs, plain, plain.drop, True)
        assert found["text pair"].shape == (7, 4)
        return plain_loss(found, seen, pairs_batch.targets["class"], plain)

    gradients = plain.check_training(learner, seen, pairs_batch, loss)
    assert len(gradients) == (48 if adapters else 44)


def test_the_six_logits_of_evaluation_are_the_plain_ones_over_all_pairs(
    pairs_model: Any, pairs_batch: Any, plain: Any
) -> None:
    learner = VPCMJLLearner(adapter_width=6)
    params, buffers = plain.started(learner, pairs_model)
    state = moved_statistics({**buffers, **params})
    expected = six_logits(pairs_model, state, pairs_batch.inputs, plain, plain.no_drop, False)
    pairs = numbers(pairs_model)
    with torch.no_grad():
        sides = learner.run(
            lambda module: learner.compute_logits(module, pairs_batch.inputs, pairs_model, pairs), state, pairs_model
        )
    found = {f"{s} {f}": getattr(sides[s], f) for s in ("text", "visual") for f in ("pair", "attribute", "object")}
    assert found["visual pair"].shape == (7, 6)
    for name, logits in expected.items():
        torch.testing.assert_close(found[name], logits, rtol=1e-5, atol=1e-5, msg=lambda text, n=name: f"{n}: {text}")


def moved_statistics(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Running statistics that are not those of a fresh batch norm."""
    return {
        name: tensor + (0.3 if name.endswith(("running_mean", "running_var")) else 0) for name, tensor in state.items()
    }


def numbers(model: Any) -> Any:
    return PairNumbers.of(model)


@pytest.mark.parametrize("inference", ["probabilities", "logits"])
def test_both_inference_scores_are_the_plain_ones(
    pairs_model: Any, pairs_batch: Any, plain: Any, inference: str
) -> None:
    learner = VPCMJLLearner(adapter_width=6, inference=inference, text_weight=0.7, visual_weight=0.3)
    params, buffers = plain.started(learner, pairs_model)
    state = moved_statistics({**buffers, **params})
    with torch.no_grad():
        found = learner.scores(params, {n: state[n] for n in buffers}, pairs_batch.inputs, pairs_model)
    z = six_logits(pairs_model, state, pairs_batch.inputs, plain, plain.no_drop, False)
    a, o = (torch.from_numpy(pairs_model.candidates.parts[part]) for part in ("attribute", "object"))
    if inference == "logits":
        mixed = {f: 0.7 * z[f"text {f}"] + 0.3 * z[f"visual {f}"] for f in ("pair", "attribute", "object")}
        expected = mixed["pair"] + mixed["attribute"].softmax(dim=1)[:, a] + mixed["object"].softmax(dim=1)[:, o]
    else:
        p = {name: scores.softmax(dim=1) for name, scores in z.items()}
        sides = {s: p[f"{s} pair"] + p[f"{s} attribute"][:, a] + p[f"{s} object"][:, o] for s in ("text", "visual")}
        expected = 0.7 * sides["text"] + 0.3 * sides["visual"]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("keys", "groups"),
    [
        ({"prototypes": "text"}, "table contexts attention"),
        ({"prototypes": "visual"}, "disentanglers proxies composer"),
        ({"prototypes": "visual", "visual_decomposition": "ca"}, "attention proxies composer"),
        ({"text_decomposition": "mlp"}, "table contexts disentanglers proxies composer"),
        ({"visual_decomposition": "ca"}, "table contexts attention proxies composer"),
        ({}, "table contexts attention disentanglers proxies composer"),
    ],
)
def test_each_form_has_its_parts_and_every_part_is_trained(
    pairs_model: Any, pairs_batch: Any, plain: Any, keys: dict[str, Any], groups: str
) -> None:
    seen, learner = pairs_model.seen_only(), VPCMJLLearner(adapters=False, **keys)
    assert learner.groups == tuple(groups.split())
    assert learner.separable == ("disentanglers" not in groups)
    assert learner.reads == {"image"}
    params, buffers = plain.started(learner, seen)
    leaves = {name: tensor.requires_grad_() for name, tensor in params.items()}
    learner.loss(leaves, buffers, pairs_batch, seen, Classification()).backward()
    assert all(tensor.grad is not None for tensor in leaves.values())
    with torch.no_grad():
        scores = learner.scores(leaves, buffers, pairs_batch.inputs, pairs_model)
    assert scores.shape == (7, 6)
    assert scores.isfinite().all()


def test_weights_of_the_loss_and_the_visual_temperature_are_used(
    pairs_model: Any, pairs_batch: Any, plain: Any
) -> None:
    weights = {"cross_entropy_weight": 0.5, "divergence_weight": 2.0, "pair_weight": 3.0, "parts_weight": 0.25}
    seen = pairs_model.seen_only()
    learner = VPCMJLLearner(adapters=False, dropout=0.0, visual_decomposition="ca", visual_temperature=0.2, **weights)
    params, buffers = plain.started(learner, seen)
    labels, pairs = pairs_batch.targets["class"], numbers(seen)
    attribute, object = plain.parts(seen, labels)
    with torch.no_grad():
        found = learner.loss(params, buffers, pairs_batch, seen, Classification())
        usual = VPCMJLLearner(adapters=False, dropout=0.0, visual_decomposition="ca")
        sides = usual.run(lambda m: usual.compute_logits(m, pairs_batch.inputs, seen, pairs), params, seen)
    entropies, shares = [], []
    for side, factor in ((sides["text"], 1.0), (sides["visual"], 5.0 / SCALE)):
        pair, *parts = (factor * z for z in (side.pair, side.attribute, side.object))
        each = [plain.cross_entropy(z, y) for z, y in zip(parts, (attribute, object), strict=True)]
        entropies.append(3.0 * plain.cross_entropy(pair, labels) + 0.25 * sum(each))
        shares.append(pair.softmax(dim=1))
    kl = (shares[0] * (shares[0] / shares[1]).log()).sum() / len(labels)
    torch.testing.assert_close(found, 0.5 * sum(entropies) + 2.0 * kl, rtol=1e-6, atol=0)


def test_proxies_start_from_the_bare_words_and_the_adapted_tower_is_the_frozen_one(
    pairs_model: Any, pairs_batch: Any, plain: Any
) -> None:
    learner = VPCMJLLearner()
    params = learner.init(pairs_model, 0, 0)
    for part in ("attribute", "object"):
        expected = plain.bare_words(pairs_model, part)
        torch.testing.assert_close(params[f"proxies.{part}"], expected, rtol=1e-6, atol=1e-8)
    double = {name: tensor.double() for name, tensor in params.items()}
    image = learner.run(lambda m: learner.read_image(m, pairs_batch.inputs, pairs_model)[0], double, pairs_model)
    tail = pairs_model.image
    frozen = tail.read(tail.run(pairs_batch.inputs["hidden.0"], 0))[0]
    assert torch.equal(image, frozen)


def test_a_feature_of_zeros_gives_a_finite_loss_and_gradients(pairs_model: Any, pairs_batch: Any, plain: Any) -> None:
    """A ReLU may leave nothing of an image."""
    seen, learner = pairs_model.seen_only(), VPCMJLLearner(adapters=False, prototypes="visual")
    params, buffers = plain.started(learner, seen)
    params["disentanglers.visual_attribute.norm.bias"] = torch.full((8,), -9.0, dtype=torch.float64)
    leaves = {name: tensor.requires_grad_() for name, tensor in params.items()}
    loss = learner.loss(leaves, buffers, pairs_batch, seen, Classification())
    loss.backward()
    assert loss.isfinite()
    assert all(tensor.grad.isfinite().all() for tensor in leaves.values())


def test_pairs_that_may_not_be_predicted_take_no_probability(pairs_model: Any, pairs_batch: Any, plain: Any) -> None:
    learner = VPCMJLLearner(adapters=False, prototypes="visual")
    params, buffers = plain.started(learner, pairs_model)
    test, validation = (np.array([True, True, True, True, False, last]) for last in (False, True))
    masks = {"allowed": test, "allowed_in_validation": validation}
    closed, allowed = replace(pairs_model, candidates=replace(pairs_model.candidates, **masks)), validation
    with torch.no_grad():
        every, some = (learner.scores(params, buffers, pairs_batch.inputs, m) for m in (pairs_model, closed))
        sides = learner.run(
            lambda m: learner.compute_logits(m, pairs_batch.inputs, pairs_model, numbers(pairs_model)),
            {**buffers, **params},
            pairs_model,
        )
    share = sides["visual"].pair.softmax(dim=1)
    others = torch.from_numpy(allowed)
    moved = share * others / (1 - share[:, 4:5]) - share
    torch.testing.assert_close(some - every, moved, rtol=1e-6, atol=1e-9)


def test_one_image_under_a_batch_norm_is_refused_in_one_line(pairs_model: Any, pairs_batch: Any, plain: Any) -> None:
    seen, learner = pairs_model.seen_only(), VPCMJLLearner(adapters=False)
    params, buffers = plain.started(learner, seen)
    with pytest.raises(ClientError, match=r"training.batch_size: .*one image"):
        learner.loss(params, buffers, pairs_batch.take(slice(0, 1)), seen, Classification())


def test_the_loss_over_own_pairs_compares_these_alone(pairs_model: Any, pairs_batch: Any, plain: Any) -> None:
    seen = pairs_model.seen_only()
    few = pairs_batch.take(slice(2, 5))  # of pairs 2 and 3
    keys: dict[str, Any] = {"adapters": False, "dropout": 0.0, "prototypes": "text"}
    learner, usual = VPCMJLLearner(loss_over="own", **keys), VPCMJLLearner(**keys)
    params, buffers = plain.started(learner, seen)
    own = {**buffers, "own_pairs": torch.tensor([0.0, 0, 1, 1])}
    with torch.no_grad():
        found = learner.loss(params, own, few, seen, Classification())
        sides = usual.run(lambda m: usual.compute_logits(m, few.inputs, seen, numbers(seen)), params, seen)
    labels = few.targets["class"]
    attribute, object = plain.parts(seen, labels)
    expected = plain.cross_entropy(sides["text"].pair[:, 2:], labels - 2)
    expected += plain.cross_entropy(sides["text"].attribute, attribute)
    expected += plain.cross_entropy(sides["text"].object, object)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)
    assert not learner.separable


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"text_weight": 0.0, "visual_weight": 0.0}, "text_weight"),
        ({"prototypes": "visual", "visual_weight": 0.0}, "text_weight"),
        ({"cross_entropy_weight": 0.0}, "cross_entropy_weight"),
        ({"pair_weight": 0.0, "parts_weight": 0.0}, "cross_entropy_weight"),
    ],
)
def test_weights_that_leave_nothing_are_refused_in_one_line(keys: dict[str, Any], key: str) -> None:
    (line,) = VPCMJLLearner(**keys).problems()
    assert line.startswith(f"{key}: ")
    assert VPCMJLLearner().problems() == []
    assert VPCMJLLearner(prototypes="text", visual_weight=0.0, pair_weight=0.0).problems() == []


def test_sizes_with_vit_l_14_on_mit_states_are_the_published_code_s(plain: Any) -> None:
    """Own count of the released tensors, without the block that no logit reads: 23.4 million numbers."""
    assert plain.count_numbers(VPCMJLLearner()) == {
        "table": (115 + 245) * 768,
        "contexts": 3 * 3 * 768,
        "adapters": 48 * (2 * 1024 * 64 + 64 + 1024),
        "attention": 2 * (4 * 768 * 768 + 4 * 768 + 3 * 2 * 768 + 8 * 768 * 768 + 5 * 768),
        "disentanglers": 2 * (768 * 768 + 768 + 2 * 768),
        "proxies": (115 + 245) * 768,
        "composer": 2 * 768 * 768 + 768,
    }


def test_fresh_weights_are_those_of_the_released_code(pairs_model: Any) -> None:
    params = VPCMJLLearner().init(pairs_model, 0, 0)
    zeros = [name for name, tensor in params.items() if not tensor.any() and "norm" not in name]
    block = ("attend.in_proj_bias", "attend.out_proj.bias")
    expected = [f"attention.text_{part}.{name}" for part in ("attribute", "object") for name in block]
    assert sorted(zeros) == sorted([*expected, "adapters.down_bias", "adapters.up", "adapters.up_bias"])
    for family in ("pair", "attribute", "object"):
        assert torch.equal(params[f"contexts.{family}"], pairs_model.phrases["a photo of"])
    weight = params["attention.text_object.attend.in_proj_weight"]  # Xavier, as of one matrix (3 D, D)
    bound = math.sqrt(6 / sum(weight.shape))
    assert 0.9 * bound < float(weight.abs().max()) <= bound
