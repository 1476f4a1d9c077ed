"""Gradients of networks, example by example: opacus, vmap and the loop agree, and the right one is taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from fedsilo.aggregation.plain import Plain
from fedsilo.aggregation.secure import Secure
from fedsilo.core import Batch
from fedsilo.core.batch import Columns
from fedsilo.core.seeds import draw_from
from fedsilo.core.types import State
from fedsilo.methods.composed import Composed
from fedsilo.methods.promptfl import PromptFL
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.privacy.mechanisms.local import LocalNoise
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.loss import Loss
from fedsilo.training.model_sizes import ModelSizes
from fedsilo.training.module_learner import ModuleLearner
from fedsilo.training.per_example.example_gradients import choose_way, compute_example_gradients
from fedsilo.training.per_example.grad_sample import differentiate_with_opacus
from fedsilo.training.per_example.reference_loop import loop_over_examples
from fedsilo.training.per_example.vmap_gradients import vmap_over_examples

FROZEN: Any = SimpleNamespace(candidates=range(5), zero_shot=torch.zeros(5, 8), width=16, words={}, image=None)
"""As much of a frozen model as a network is made for."""
SHAPES = {"image": (8,), "patches": (4, 8), "pixels": (3, 6, 6)}
WAYS = [differentiate_with_opacus, vmap_over_examples]


class Calls(nn.Module):
    """A linear layer, called by a function that is given."""

    def __init__(self, use: Callable[[nn.Module, Tensor], Tensor], **more: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.layer, self.out, self._use = nn.Linear(8, 8), nn.Linear(8, 5), use
        for name, part in more.items():
            setattr(self, name, part)

    def forward(self, read: Tensor) -> Tensor:
        return self._use(self, read)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 6), nn.LayerNorm(6), nn.ReLU(), nn.Dropout(0.4), nn.Linear(6, 5))


def convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.GroupNorm(2, 8),
        nn.ReLU(),
        nn.Dropout2d(0.3),
        nn.Conv2d(8, 8, 3, stride=2, dilation=2, padding=2, groups=4),
        nn.GroupNorm(4, 8),
        nn.Tanh(),
        nn.Conv2d(8, 4, (1, 3), padding="same"),
        nn.Flatten(),
        nn.Linear(36, 5),
    )


def grouped() -> nn.Module:
    """GroupNorm on features: the pooled feature as channels of one number."""
    return nn.Sequential(nn.Linear(8, 8), nn.GroupNorm(2, 8), nn.ReLU(), nn.Linear(8, 5))


def row() -> nn.Module:
    return nn.Sequential(nn.Conv1d(4, 6, 3, padding=1, stride=2), nn.Tanh(), nn.Flatten(), nn.Linear(24, 5))


def twice() -> nn.Module:
    return Calls(lambda at, image: at.out(torch.tanh(at.layer(torch.tanh(at.layer(image))))))  # type: ignore[operator]


def tied() -> nn.Module:
    other = nn.Linear(8, 8, bias=False)
    made = Calls(lambda at, image: at.out(torch.tanh(at.other(torch.tanh(at.layer(image))))), other=other)  # type: ignore[operator]
    other.weight = made.layer.weight
    return made


def patches() -> nn.Module:
    return Calls(lambda at, read: at.out(torch.tanh(at.layer(read)).mean(dim=1)))  # type: ignore[operator]


def flattening() -> nn.Module:
    """Four rows per example."""
    return Calls(lambda at, read: at.out(at.layer(read.flatten(0, 1)).view(len(read), -1, 8).mean(dim=1)))  # type: ignore[operator]


def patches_first() -> nn.Module:
    """Patches where opacus takes the examples to be."""
    return Calls(lambda at, read: at.out(at.layer(read.transpose(0, 1)).mean(dim=0)))  # type: ignore[operator]


def scaled() -> nn.Module:
    """A parameter that belongs to no layer."""
    return Calls(lambda at, image: at.out(at.layer(image) * at.scale), scale=nn.Parameter(torch.ones(8)))  # type: ignore[operator]


def circular() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 2, 3, padding=1, padding_mode="circular"), nn.Flatten(), nn.Linear(72, 5))


def without_bias() -> nn.Module:
    return nn.Sequential(nn.LayerNorm(8, bias=False), nn.Linear(8, 5))


def alpha() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 6), nn.AlphaDropout(0.2), nn.Linear(6, 5))


def attending() -> nn.Module:
    """Dropout inside torch's attention, which no layer says anything of."""

    def use(at: Any, read: Tensor) -> Tensor:
        rows = at.layer(read)
        found: Tensor = at.out(scaled_dot_product_attention(rows, rows, rows, dropout_p=0.5).mean(dim=1))
        return found

    return Calls(use)


def dropping() -> nn.Module:
    """Drops rows by hand."""
    return Calls(lambda at, image: at.out(at.layer(image * torch.empty_like(image[:, :1]).bernoulli_(0.5))))  # type: ignore[operator]


def noisy() -> nn.Module:
    return Calls(lambda at, image: at.out(at.layer(image + torch.randn_like(image))))  # type: ignore[operator]


@dataclass(frozen=True)
class Network(ModuleLearner):
    """A network that is made by a function."""

    make: Callable[[], nn.Module] = mlp
    column: str = "image"

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({self.column})

    def module(self, sizes: ModelSizes) -> nn.Module:
        return self.make()


@dataclass(frozen=True)
class Doubled(Network):
    """A network whose output is no score yet."""

    def call(self, module: nn.Module, inputs: Columns, frozen: Any, buffers: State) -> Tensor:
        return 2 * self.output(module, inputs)

    def representation(self, params: State, buffers: State, inputs: Columns, frozen: Any) -> Tensor:
        return self.run(lambda module: self.output(module, inputs), params, frozen, training=True)


@dataclass(frozen=True)
class Deciding(Doubled):
    """A network whose scores depend on a comparison of numbers, which vmap cannot make."""

    vectorises = False

    def call(self, module: nn.Module, inputs: Columns, frozen: Any, buffers: State) -> Tensor:
        found = self.output(module, inputs)
        return found if float(found.detach().sum()) > 0 else -found


OPACUS = [
    Network(mlp),
    Network(grouped),
    Network(convolutions, "pixels"),
    Network(row, "patches"),
    Network(patches, "patches"),
    Network(twice),
    Network(tied),
]
OTHERS = [
    Network(flattening, "patches"),
    Network(patches_first, "patches"),
    Network(scaled),
    Network(circular, "pixels"),
    Network(without_bias),
    Network(alpha),
    Network(attending, "patches"),
    Network(dropping),
    Network(noisy),
    Doubled(mlp),
]


def name(learner: Network) -> str:
    return f"{type(learner).__name__}-{learner.make.__name__}"


def images(examples: int, dtype: torch.dtype = torch.float32) -> Batch:
    generator = torch.Generator().manual_seed(5)
    inputs = {n: torch.randn(examples, *s, generator=generator).to(dtype) for n, s in SHAPES.items()}
    return Batch(inputs, {"class": torch.arange(examples) % 5})


def loss_of(world: Any, learner: Network, dtype: torch.dtype = torch.float32) -> Loss:
    """The loss at the learner's start."""
    work = world().work(Composed(learner=learner))
    params = {name: tensor.to(dtype) for name, tensor in learner.init(work.model, 0, 0).items()}
    return Loss.at(learner, work, params, {})


def taken(way: Any, loss: Loss, batch: Batch) -> tuple[Tensor, State]:
    with draw_from(3):
        losses, found = way(loss, loss.leaves, batch)
    return losses, found


def error(found: State, expected: State) -> float:
    assert list(found) == list(expected)
    return max(float((found[n] - expected[n]).norm() / expected[n].norm().clamp(min=1e-9)) for n in expected)


@pytest.mark.parametrize("examples", [1, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("learner", OPACUS, ids=name)
def test_both_ways_give_what_the_loop_gives(
    world: Any, learner: Network, way: Any, dtype: torch.dtype, examples: int
) -> None:
    loss, batch = loss_of(world, learner, dtype), images(examples, dtype)
    expected_losses, expected = taken(loop_over_examples, loss, batch)
    losses, found = taken(way, loss, batch)
    limit = 1e-5 if dtype == torch.float32 else 1e-12
    assert error(found, expected) < limit
    assert torch.allclose(losses, expected_losses, atol=limit)
    assert {tensor.dtype for tensor in found.values()} == {dtype}
    assert not any(tensor.requires_grad for tensor in (losses, *found.values()))


@pytest.mark.parametrize("learner", OTHERS, ids=name)
def test_vmap_gives_what_the_loop_gives_where_opacus_does_not_serve(world: Any, learner: Network) -> None:
    loss, batch = loss_of(world, learner), images(7)
    assert choose_way(loss, batch) is vmap_over_examples
    assert error(taken(vmap_over_examples, loss, batch)[1], taken(loop_over_examples, loss, batch)[1]) < 1e-5


@pytest.mark.parametrize("learner", OPACUS, ids=name)
def test_opacus_is_taken_where_it_knows_all_trained_layers(world: Any, learner: Network) -> None:
    loss = loss_of(world, learner)
    assert [choose_way(loss, images(examples)) for examples in (1, 3, 4)] == [differentiate_with_opacus] * 3


def test_what_decides_by_numbers_is_taken_one_by_one(world: Any) -> None:
    assert choose_way(loss_of(world, Deciding(mlp)), images(3)) is loop_over_examples


@pytest.mark.parametrize("learner", [Network(mlp), Doubled(mlp), Deciding(mlp)], ids=name)
def test_without_examples_there_are_no_gradients(world: Any, learner: Network) -> None:
    loss = loss_of(world, learner)
    each = compute_example_gradients(loss, images(0), 0.0)
    assert each.losses.shape == (0,)
    assert {n: tuple(t.shape) for n, t in each.gradients.items()} == {n: (0, *t.shape) for n, t in loss.leaves.items()}


@pytest.mark.parametrize("way", [*WAYS, loop_over_examples])
@pytest.mark.parametrize("learner", [Network(mlp), Network(convolutions, "pixels")], ids=name)
def test_draws_come_from_the_seed_and_do_not_depend_on_batch_mates(world: Any, learner: Network, way: Any) -> None:
    loss, batch = loss_of(world, learner), images(40)
    first, again = (taken(way, loss, batch)[1] for _ in range(2))
    torch.rand(3)  # what else is drawn in between does not matter
    assert all(torch.equal(first[n], again[n]) for n in first)
    alone = taken(way, loss, batch.take(slice(35, 36)))[1]
    assert error({n: t[35:36] for n, t in first.items()}, alone) < 1e-5
    with draw_from(4):
        assert error(way(loss, loss.leaves, batch)[1], first) > 0.1


def test_a_step_that_failed_does_not_spoil_the_next_one(world: Any) -> None:
    """Opacus counts how often a layer was called."""
    loss, batch = loss_of(world, Network(twice)), images(3)
    expected = taken(loop_over_examples, loss, batch)[1]
    with pytest.raises(IndexError):
        differentiate_with_opacus(loss, loss.leaves, Batch(batch.inputs, {"class": torch.full((3,), 9)}))
    assert error(taken(differentiate_with_opacus, loss, batch)[1], expected) < 1e-5


def test_what_a_strategy_adds_to_the_loss_of_an_example_is_clipped_with_it(world: Any) -> None:
    """MOON's contrast reads the data, so it must not be left out, nor be added behind the noise."""
    learner, batch = Doubled(grouped), images(4)
    loss = loss_of(world, learner)
    contrast = Loss.at(learner, loss.work, loss.params, {}, lambda at, some: size(learner, at, some))
    with_it = compute_example_gradients(contrast, batch, 0.0).gradients
    assert error(with_it, taken(loop_over_examples, contrast, batch)[1]) < 1e-5
    assert error(with_it, compute_example_gradients(loss, batch, 0.0).gradients) > 1e-3
    network = replace(contrast, learner=Network(grouped))
    assert choose_way(network, batch) is vmap_over_examples
    prompt = PromptFL(context_length=3)
    words = prompt.local(world().work(prompt))
    text = Loss.at(words.learner, words.work, words.work.shared, {}, lambda at, some: at["context"].sum())
    assert torch.allclose(
        compute_example_gradients(text, batch, 0.0).gradients["context"],
        1 + compute_example_gradients(replace(text, contrast=None), batch, 0.0).gradients["context"],
        atol=1e-4,
    )


def size(learner: Doubled, params: State, batch: Batch) -> Tensor:
    return learner.representation(params, {}, batch.inputs, FROZEN).square().mean()


def private(learner: Network) -> Composed:
    return Composed(learner=learner, strategy=FedAvgStrategy(synchronise="batch"))


@pytest.mark.parametrize("learner", [Network(grouped), Doubled(row, "patches")], ids=name)
@pytest.mark.parametrize(
    ("mechanism", "aggregation"),
    [
        (Central(unit="example", noise_multiplier=1.0), Plain()),
        (LocalNoise(unit="example", noise_multiplier=1.0), Plain()),
        (Distributed(unit="example", noise_multiplier=1.0), Secure()),
    ],
    ids=["central", "local", "distributed"],
)
def test_a_network_is_trained_with_single_examples_protected(
    world: Any, tmp_path: Path, learner: Network, mechanism: Any, aggregation: Any
) -> None:
    here = world(mechanism=mechanism, aggregation=aggregation, rounds=2)
    outcome = here.federate(private(learner), tmp_path / "run")
    again = here.federate(private(learner), tmp_path / "again")
    assert len(outcome.records) == 2
    assert all(math.isfinite(score["loss"]) for score in outcome.scores)  # type: ignore[arg-type]
    assert hashes(outcome) == hashes(again)


def hashes(outcome: Any) -> list[str]:
    return [record["shared_sha256"] for record in outcome.records]
