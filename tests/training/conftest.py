"""A learner of two numbers, whose training can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from fedsilo.core import Batch, Frozen, Learner, Mechanism, Release, State, Task
from fedsilo.core.batch import Columns
from fedsilo.core.config_fields import key
from fedsilo.core.privacy import ExampleClipping
from fedsilo.core.round_work import LocalWork
from fedsilo.core.training_settings import Optimizer


@dataclass(frozen=True)
class Numbers(Learner):
    """Numbers `a` and `b`; the loss of every image is (a - 1)^2 / 2 + (b - 3)^2 / 2, so the gradients are a - 1, b - 3.

    It counts the forward passes of training in the buffer `count`, and notes each one's draw in `drawn`. What it notes
    of a client's data is `noted`, the client's number of images.
    """

    separable = True
    own: ClassVar[tuple[str, ...]] = ("b",)
    averaged: ClassVar[tuple[str, ...]] = ("count",)

    rate: float = key(1.0, "Factor on the learning rate of b.")

    @property
    def personal(self) -> tuple[str, ...]:
        return self.own

    @property
    def statistics(self) -> tuple[str, ...]:
        return self.averaged

    @property
    def rate_factors(self) -> dict[str, float]:
        return {"b": self.rate}

    def names(self) -> tuple[str, ...]:
        return ("a", "b")

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        return {"a": torch.zeros(1), "b": torch.zeros(1)}

    def buffers(self, frozen: Frozen, seed: int, client: int) -> State:
        return {"count": torch.zeros(1), "drawn": torch.zeros(8), "noted": torch.zeros(1)}

    def observe_data(self, work: LocalWork, buffers: State) -> State:
        return {**buffers, "noted": torch.full((1,), float(len(work.labels)))}

    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        return inputs["image"] @ frozen.zero_shot.T + params["a"] + params["b"] + buffers["noted"]

    def loss(self, params: State, buffers: State, batch: Batch, frozen: Frozen, task: Task) -> Tensor:
        if "count" in buffers:
            buffers["drawn"][int(buffers["count"])] = torch.rand(())
            buffers["count"].add_(1)
        value: Tensor = ((params["a"] - 1).square() + (params["b"] - 3).square()).sum() / 2
        return value


class Louder(Mechanism):
    """Adds 100 to every gradient that a client steps along itself, and tells which those were."""

    def __init__(self, examples: ExampleClipping | None = None) -> None:
        self.clipping, self.protected = examples, []  # type: ignore[var-annotated]

    @property
    def examples(self) -> ExampleClipping | None:
        return self.clipping

    def protect_private(self, gradients: State, release: Release) -> State:
        self.protected.append(sorted(gradients))
        return {name: gradient + 100 for name, gradient in gradients.items()}


PLAIN = Optimizer(learning_rate=0.5, momentum=0.0, weight_decay=0.0)
"""Steps that are the learning rate times the gradient."""


@pytest.fixture
def louder() -> Callable[..., Louder]:
    return Louder


@pytest.fixture
def numbers() -> type[Numbers]:
    return Numbers


@pytest.fixture
def plain(world: Any) -> Callable[..., Any]:
    """Returns a maker of worlds in which 20 images make two batches and steps are plain."""

    def make(**training: Any) -> Any:
        return world(**{"batch_size": 10, "optimizer": PLAIN, **training})

    return make


@pytest.fixture
def stepped() -> Callable[..., Optimizer]:
    """Returns a maker of optimizers that differ from the plain one."""
    return lambda **keys: replace(PLAIN, **keys)
