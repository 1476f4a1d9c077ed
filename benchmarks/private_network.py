"""What single examples' gradients of a small network cost, against one gradient of their mean; see `private_step.py`.

Two convolutions with GroupNorm on pixels (3, 32, 32), 100 classes, batch 32, by opacus, by `torch.func.vmap` and one
after the other, each with the joint clip. Seconds are of this thread's processor time; a ratio is the median of those
to the plain steps right before and after.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean, median
from types import SimpleNamespace
from typing import Any

import torch
from text_tower import BATCH, CLASSES
from torch import Tensor, nn

from fedsilo.core import Batch
from fedsilo.core.batch import CLASS, PIXELS, named
from fedsilo.tasks.classification import Classification
from fedsilo.training.loss import Loss
from fedsilo.training.model_sizes import ModelSizes
from fedsilo.training.module_learner import ModuleLearner
from fedsilo.training.per_example.clipping import sum_clipped
from fedsilo.training.per_example.example_gradients import choose_way
from fedsilo.training.per_example.grad_sample import differentiate_with_opacus
from fedsilo.training.per_example.reference_loop import loop_over_examples
from fedsilo.training.per_example.vmap_gradients import vmap_over_examples

GOAL, SIDE = 6.0, 32


@dataclass(frozen=True)
class SmallNetwork(ModuleLearner):
    """Two convolutions with GroupNorm and one linear layer."""

    reads = frozenset({PIXELS})

    def module(self, sizes: ModelSizes) -> nn.Module:
        return nn.Sequential(
            *(nn.Conv2d(3, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.GroupNorm(4, 32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(512, sizes.candidates)),
        )


def compare_network(repetitions: int) -> None:
    """Prints every way's time over that of the plain step, and how far it is from the loop."""
    generator = torch.Generator().manual_seed(0)
    model: Any = SimpleNamespace(
        words={},
        image=None,
        candidates=named(tuple(CLASSES)),
        zero_shot=torch.zeros(len(CLASSES), 8),
        width=8,
        device="cpu",
    )
    work: Any = SimpleNamespace(model=model, task=Classification())
    learner = SmallNetwork()
    loss = Loss.at(learner, work, learner.init(model, 0, 0), {})
    pixels = torch.randn(BATCH, 3, SIDE, SIDE, generator=generator)
    batch = Batch({PIXELS: pixels}, {CLASS: torch.randint(len(CLASSES), (BATCH,), generator=generator)})
    ways = {"opacus": differentiate_with_opacus, "vmap": vmap_over_examples, "one by one": loop_over_examples}
    taken = next(name for name, way in ways.items() if way is choose_way(loss, batch))
    numbers = sum(tensor.numel() for tensor in loss.leaves.values())
    print(f"small network of {numbers} numbers, batch {BATCH}; a run takes {taken}")

    def plain() -> None:
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in loss.leaves.items()}
        torch.autograd.grad(loss(leaves, batch), list(leaves.values()))

    def private(way: Callable[..., Any]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = way(loss, loss.leaves, batch)[1]
        sum_clipped(found, 1.0)
        return found

    exact = private(loop_over_examples)
    for name, way in ways.items():
        private(way)  # what is made once per process is not part of a step
        base, ratios = [seconds(plain)[0] for _ in range(2)][1:], []
        for _ in range(repetitions):
            took, found = seconds(lambda way=way: private(way))
            base.append(seconds(plain)[0])
            ratios.append(took / mean(base[-2:]))
        apart = max(float((found[n] - exact[n]).norm() / exact[n].norm()) for n in exact)
        goal = "" if name == "one by one" else f"   goal {GOAL:g}x {'met' if median(ratios) <= GOAL else 'MISSED'}"
        print(f"{name:<38} {'':>10} {median(ratios):7.2f}x{goal}   {apart:.0e} from the loop")


def seconds(step: Callable[[], Any]) -> tuple[float, Any]:
    started = time.thread_time()
    found = step()
    return time.thread_time() - started, found
