"""FedTPG: the network against torch's modules, whose class names it reads, what is sent and how it is averaged."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from fedsilo.aggregation.plain import Plain
from fedsilo.core import ClientTask
from fedsilo.core.errors import BackboneError
from fedsilo.learners.fedtpg import OWN_CLASSES
from fedsilo.methods.fedtpg import FedTPG
from fedsilo.models.clip.text_tower import encode_sequences

METHOD = FedTPG(context_length=3)


def bare_names(model: Any) -> torch.Tensor:
    """Features of `[SOS] name [EOT]`, each name by itself."""
    rows, at = [], 0
    for length, name in zip(model.classes.lengths, model.classes.names, strict=True):
        tokens = model.classes.embeddings[at : at + length]
        sequence = torch.cat([model.classes.sos[None], tokens[:name], tokens[length - 1 :]])
        rows.append(encode_sequences(model.tower, sequence[None], torch.tensor([name + 1]))[0])
        at += length
    return normalize(torch.stack(rows), dim=-1)


@pytest.mark.parametrize("names", ["bare", "template"])
def test_the_network_is_attention_without_the_queries_and_a_gated_layer_behind_norms(
    toy_model: Any, names: str
) -> None:
    features = bare_names(toy_model) if names == "bare" else toy_model.zero_shot
    generator = torch.Generator().manual_seed(2)
    start = METHOD.initial_shared(toy_model, 0)
    net = {name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator) for name, tensor in start.items()}
    own = torch.tensor([0.0, 1, 0, 1, 1])

    def layer_norm(name: str, rows: torch.Tensor) -> torch.Tensor:
        module = torch.nn.LayerNorm(rows.shape[-1])
        module.load_state_dict({"weight": net[f"norm.{name}.weight"], "bias": net[f"norm.{name}.bias"]})
        return module(rows)

    attention = torch.nn.MultiheadAttention(16, 4, kdim=8, vdim=8)
    biases = torch.cat([net["attention.query.bias"], torch.zeros(16), net["attention.value.bias"]])
    attention.load_state_dict(
        {
            "q_proj_weight": net["attention.query.weight"],
            "k_proj_weight": net["attention.key.weight"],
            "v_proj_weight": net["attention.value.weight"],
            "in_proj_bias": biases,
            "out_proj.weight": net["attention.out.weight"],
            "out_proj.bias": net["attention.out.bias"],
        }
    )
    sources = layer_norm("names", features[[1, 3, 4]])
    rows = attention(layer_norm("queries", net["queries"]), sources, sources, need_weights=False)[0]
    inner = layer_norm("forward", rows) @ net["forward.in.weight"].T + net["forward.in.bias"]
    assert inner.shape == (3, 2 * 4 * 16)
    gate = torch.nn.functional.gelu(inner[:, 64:])
    expected = rows + (inner[:, :64] * gate) @ net["forward.out.weight"].T + net["forward.out.bias"]
    found = replace(METHOD, name_text=names).learner.context(net, toy_model, own)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-5, atol=1e-5)


def test_the_queries_start_like_contexts_and_the_same_seed_starts_the_same(toy_model: Any) -> None:
    start, again, other = (METHOD.initial_shared(toy_model, seed) for seed in (0, 0, 1))
    assert set(start) == set(METHOD.uploads)
    assert 0.01 < float(start["queries"].std()) < 0.03
    assert all(torch.equal(start[name], again[name]) for name in start)
    assert not torch.equal(start["attention.key.weight"], other["attention.key.weight"])


def only(here: Any, classes: list[int]) -> Any:
    """The world in which client 0 has images of some classes only."""
    labels = here.train_labels
    chosen = np.array([n for n in here.train[0] if labels[n] in classes])
    return replace(here, train=[chosen, *here.train[1:]])


def test_a_client_reads_the_names_of_its_training_images_only(world: Any) -> None:
    here = only(world(), [1, 3])
    client, initial = here.clients(METHOD)[0], here.plan(METHOD).initial
    assert client._private[OWN_CLASSES].tolist() == [1.0] * 5
    before = client.train(ClientTask(0, 0, initial)).tensors
    assert client._private[OWN_CLASSES].tolist() == [0.0, 1.0, 0.0, 1.0, 0.0]
    # What class 4 is called is nothing to this client's context: only its column of the scores may change.
    shared = {name: torch.tensor(array) for name, array in before.items()}
    own, method = client._private[OWN_CLASSES], replace(METHOD, name_text="template")
    zero_shot = here.model.zero_shot.clone()
    zero_shot[4] = -zero_shot[4]
    renamed = replace(here.model, zero_shot=zero_shot)
    assert torch.equal(method.learner.context(shared, here.model, own), method.learner.context(shared, renamed, own))
    zero_shot[3] = -zero_shot[3]
    assert not torch.equal(
        method.learner.context(shared, here.model, own), method.learner.context(shared, renamed, own)
    )
    pooled, _ = map(here.warehouse.test.batch(np.arange(3), 0).get, ("image", "patches"))
    assert METHOD.predictor(here.model, shared, client._private)({"image": pooled}).shape == (3, 5)


@pytest.mark.parametrize("loss_over", ["all", "own"])
def test_the_loss_compares_all_classes_or_the_clients_own(world: Any, loss_over: str) -> None:
    here, method = only(world(), [1, 3]), replace(METHOD, loss_over=loss_over)
    work = here.work(method)
    own = torch.tensor([0.0, 1, 0, 1, 0])
    scores = work.model.score(
        work.batch(0).inputs["image"], work.model.text_features(METHOD.learner.context(work.shared, work.model, own))
    )
    labels = work.batch(0).targets["class"]
    kept, place = (scores[:, [1, 3]], (labels == 3).long()) if loss_over == "own" else (scores, labels)
    found = method.loss(work)(method.loss(work).leaves, work.batch(0))
    torch.testing.assert_close(found, cross_entropy(kept.double(), place).float(), rtol=1e-5, atol=1e-5)
    assert all(tensor.isfinite().all() for tensor in method.train(work).upload.values())


def test_evaluation_writes_the_context_from_the_clients_own_names(world: Any) -> None:
    here = only(world(), [1, 3])
    client, initial = here.clients(METHOD)[0], here.plan(METHOD).initial
    shared = {name: torch.tensor(array) for name, array in client.train(ClientTask(0, 0, initial)).tensors.items()}
    pooled, _ = map(here.warehouse.test.batch(np.arange(3), 0).get, ("image", "patches"))
    text = here.model.text_features(METHOD.learner.context(shared, here.model, torch.tensor([0.0, 1, 0, 1, 0])))
    scores = METHOD.predictor(here.model, shared, client._private)({"image": pooled})
    torch.testing.assert_close(scores, here.model.score(pooled, text), rtol=0, atol=0)


def test_the_network_is_sent_whole_the_names_are_not_and_clients_count_alike(world: Any) -> None:
    here = world()
    initial = here.plan(METHOD).initial
    updates = [client.train(ClientTask(0, 0, initial)) for client in here.clients(METHOD)]
    assert set(updates[0].tensors) == set(initial)
    assert OWN_CLASSES not in updates[0].tensors
    moved = [name for name in initial if not np.array_equal(updates[0].tensors[name], initial[name])]
    assert set(moved) == set(initial)
    mean = Plain().combine(updates, METHOD.uniform)
    expected = np.mean([u.tensors["queries"].astype(np.float64) for u in updates], axis=0)
    np.testing.assert_allclose(mean["queries"].numpy(), expected, rtol=1e-6, atol=1e-8)


def test_heads_that_do_not_divide_the_width_are_named(toy_model: Any) -> None:
    with pytest.raises(BackboneError, match=r"method\.heads: 3 heads do not divide the text width 16"):
        FedTPG(heads=3).initial_shared(toy_model, 0)


def test_new_classes_are_all_read_whatever_the_client_has(world: Any) -> None:
    here = only(world(), [1, 3])
    client = here.clients(METHOD)[0]
    client.train(ClientTask(0, 0, here.plan(METHOD).initial))
    assert METHOD.private_for_new_classes(here.model, client._private)[OWN_CLASSES].tolist() == [1.0] * 5


def test_one_image_bears_on_the_gradients_of_others_so_that_images_cannot_be_protected(world: Any) -> None:
    """The only image of a class adds its name to what the network reads for all images."""
    here = world()
    few = only(here, [1]).train[0][:6]
    one = next(n for n in here.train[0] if here.train_labels[n] == 3)
    gradients = []
    for train in (few, np.append(few, one)):
        work = replace(here, train=[train, *here.train[1:]]).work(METHOD)
        loss = METHOD.loss(work)
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in loss.leaves.items()}
        batch = work.everything().take(slice(0, 1))  # the same image both times
        gradients.append(torch.autograd.grad(loss(leaves, batch), leaves["queries"])[0])
    assert float((gradients[0] - gradients[1]).norm()) > 0.1 * float(gradients[0].norm())
    assert not METHOD.separable
    assert "unit 'client'" in METHOD.entangled
