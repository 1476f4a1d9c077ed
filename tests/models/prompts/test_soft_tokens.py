"""Class tokens that are learned: the fast path against whole sequences, and a learner whose words are parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from fedsilo.core.batch import IMAGE, Columns
from fedsilo.core.capabilities import ThroughText
from fedsilo.core.errors import BackboneError
from fedsilo.core.frozen import Frozen
from fedsilo.core.types import State
from fedsilo.methods.composed import Composed
from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.text_tower import TextTower, encode_prompts, encode_sequences
from fedsilo.models.prompts.context_learner import PromptLearner
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.loss import Loss
from fedsilo.training.per_example.example_gradients import choose_way
from fedsilo.training.per_example.reference_loop import loop_over_examples
from fedsilo.training.per_example.vmap_gradients import vmap_over_examples

PARTS = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 2], [2, 2]])
"""Attribute and object of each of the five candidates."""


@dataclass(frozen=True)
class Words(PromptLearner):
    """CSP with a context: attributes and objects are vectors that are learned, and candidates are pairs of them."""

    vectorises = True
    separable = True

    def names(self) -> tuple[str, ...]:
        return ("context", "words")

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        words = torch.randn(6, frozen.width, generator=torch.Generator().manual_seed(seed))
        return {"context": self.start(frozen, seed), "words": 0.02 * words}

    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        pairs = params["words"][PARTS + torch.tensor([0, 3])]
        texts = frozen.text_features(params["context"], frozen.classes.with_words(pairs))
        return frozen.score(inputs[IMAGE], texts)


def doubled(model: FrozenModel) -> FrozenModel:
    tower = {name: tensor.double() for name, tensor in model.tower.tensors().items()}
    classes, double = model.classes, torch.float64
    tokens = ClassTokens(classes.embeddings.to(double), classes.lengths, classes.sos.to(double), classes.names)
    return replace(model, tower=TextTower(model.tower.meta, tower), classes=tokens, zero_shot=model.zero_shot.double())


def whole(model: FrozenModel, context: Tensor, classes: ClassTokens) -> Tensor:
    """The features by every class's own sequence."""
    own = torch.split(classes.embeddings, list(classes.lengths))
    rows = [torch.cat([classes.sos[None], context, tokens]) for tokens in own]
    longest = max(map(len, rows))
    sequences = torch.stack([pad(each, (0, 0, 0, longest - len(each))) for each in rows])
    return encode_sequences(model.tower, sequences, torch.tensor([len(each) - 1 for each in rows]))


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("words", [False, True])
def test_features_and_gradients_are_those_of_whole_sequences(
    toy_model: FrozenModel, words: bool, dtype: torch.dtype
) -> None:
    model = doubled(toy_model) if dtype == torch.float64 else toy_model
    context = drawn(3, 16).to(dtype).requires_grad_()
    soft = (drawn(5, 2, 16) if words else drawn(*model.classes.embeddings.shape)).to(dtype).requires_grad_()
    classes = model.classes.with_words(soft) if words else model.classes.with_embeddings(soft)
    weights = drawn(5, 8).to(dtype)
    found, expected = encode_prompts(model.tower, classes, context), whole(model, context, classes)
    limit = 1e-5 if dtype == torch.float32 else 1e-12
    assert error(found, expected) < limit
    gradients = [torch.autograd.grad((each * weights).sum(), (context, soft)) for each in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        assert error(one, other) < limit


def error(value: Tensor, expected: Tensor) -> float:
    return float(((value - expected).norm() / expected.norm()).detach())


def test_the_own_embeddings_give_the_own_features(toy_model: FrozenModel) -> None:
    context = drawn(2, 3, 16).float()
    same = toy_model.classes.with_embeddings(toy_model.classes.embeddings)
    assert torch.equal(toy_model.text_features(context, same), toy_model.text_features(context))


def test_words_stand_before_the_full_stop_and_the_end(toy_model: FrozenModel) -> None:
    words = drawn(5, 2, 16).float()
    classes = toy_model.classes.with_words(words)
    assert classes.lengths == (3, 3, 3, 3, 3)
    assert classes.names == (2, 2, 2, 2, 2)
    own = torch.split(toy_model.classes.embeddings, list(toy_model.classes.lengths))
    for k, tokens in enumerate(torch.split(classes.embeddings, 3)):
        assert torch.equal(tokens[:2], words[k])
        assert torch.equal(tokens[2:], own[k][toy_model.classes.names[k] :])


@pytest.mark.parametrize("shape", [(4, 2, 16), (5, 2, 15), (5, 16)])
def test_words_that_do_not_fit_are_refused(toy_model: FrozenModel, shape: tuple[int, ...]) -> None:
    with pytest.raises(BackboneError, match=str(shape[0])):
        toy_model.classes.with_words(torch.zeros(shape))
    with pytest.raises(BackboneError, match="embeddings"):
        toy_model.classes.with_embeddings(torch.zeros(shape))


@torch.no_grad()
def test_features_of_learned_tokens_are_not_taken_for_those_of_others(toy_model: FrozenModel) -> None:
    context, words = drawn(3, 16).float(), drawn(5, 2, 16).float()
    one, other = toy_model.classes.with_words(words), toy_model.classes.with_words(words + 1)
    plain = toy_model.text_features(context)
    first = toy_model.text_features(context, one)
    assert toy_model.text_features(context, one) is first
    assert toy_model.text_features(context, other) is not first
    assert toy_model.text_features(context) is plain
    apart = context.expand(1, 5, 3, 16)
    assert torch.allclose(toy_model.features_apart(apart, "end", one)[0], first, atol=1e-5)
    assert torch.allclose(toy_model.features_apart(apart, "end")[0], plain, atol=1e-5)
    assert torch.allclose(first, normalize(whole(toy_model, context, one), dim=-1), atol=1e-5)


def test_words_are_learned_by_all_clients(world: Any, tmp_path: Path) -> None:
    here, method = world(rounds=3), Composed(learner=Words(context_length=3))
    outcome = here.federate(method, tmp_path / "run")
    losses = [record["loss"] for record in outcome.records]
    assert losses[2] < losses[0]
    frozen_words = replace(here.work(method), shared=method.initial_shared(here.model, 0))
    _, gradients = method.local(frozen_words).gradients(frozen_words.shared, frozen_words.everything())
    assert all(float(gradients["words"][row].norm()) > 0 for row in range(6))


def test_single_examples_take_the_general_path(world: Any, tmp_path: Path) -> None:
    learner = Words(context_length=3)
    assert not isinstance(learner, ThroughText)
    work = world().work(Composed(learner=learner))
    loss = Loss.at(learner, work, work.shared, {})
    batch = work.batch(0)
    assert choose_way(loss, batch) is vmap_over_examples
    found, expected = (way(loss, loss.leaves, batch)[1] for way in (vmap_over_examples, loop_over_examples))
    assert all(error(found[name], expected[name]) < 1e-5 for name in expected)
    private = Composed(learner=learner, strategy=FedAvgStrategy(synchronise="batch"))
    mechanism = Central(unit="example", noise_multiplier=1.0)
    assert len(world(mechanism=mechanism, rounds=1).federate(private, tmp_path / "run").records) == 1
