"""Learners that are a `torch.nn.Module`: parameters and buffers as named tensors, called by `functional_call`.

The module is built once per process as a skeleton without weights; every call brings its own. What is drawn when it is
built, and by dropout in training, comes from generators that are derived from the scenario's seed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from fedsilo.core.batch import Columns
from fedsilo.core.frozen import Frozen
from fedsilo.core.learner import Learner
from fedsilo.core.seeds import derive
from fedsilo.core.types import State
from fedsilo.training.module_random import drawing_from

NORMS = (_BatchNorm, _InstanceNorm, nn.LayerNorm, nn.GroupNorm)


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a module is built for.

    Attributes:
        candidates: Candidates, K.
        joint: Width of pooled features and text features, D.
        width: Width of the text tower, W.
    """

    candidates: int
    joint: int
    width: int

    @classmethod
    def of(cls, frozen: Frozen) -> Sizes:
        """Returns the sizes of a frozen model."""
        return cls(len(frozen.candidates), int(frozen.zero_shot.shape[1]), frozen.width)


_ANY = Sizes(2, 5040, 5040)
"""Sizes to read names off a module by: names depend on none, and 5040 is divided by any usual number of heads."""


@dataclass(frozen=True)
class ModuleLearner(Learner):
    """A learner whose parameters and buffers are those of a module."""

    @property
    def vectorises(self) -> bool:
        """Returns True: a module is called with tensors, and decides nothing by numbers in them."""
        return True

    @property
    def state_names(self) -> Mapping[str, str]:
        """Returns what the beginnings of the module's names are called in state; the same by default."""
        return {}

    @abstractmethod
    def module(self, sizes: Sizes) -> nn.Module:
        """Returns the module with fresh weights; the names of its parameters must not depend on the sizes."""

    def call(self, module: nn.Module, inputs: Columns, frozen: Frozen, buffers: State) -> Tensor:
        """Returns the scores (b, K) that the module, with its weights in place, gives: by default its own output."""
        return self.output(module, inputs)

    def output(self, module: nn.Module, inputs: Columns) -> Tensor:
        """Returns the module's output for the columns that the learner reads, in the order of their names."""
        found: Tensor = module(*(inputs[name] for name in sorted(self.reads)))
        return found

    @property
    def separable(self) -> bool:
        """Returns whether examples do not meet: not with BatchNorm, and not where it notes something of all of them.

        A learner whose loss reads nothing of what `observe_data` notes says so by overriding this.
        """
        return not (self._notes or any(isinstance(part, _BatchNorm) for part in skeleton(self, _ANY).modules()))

    @property
    def entangled(self) -> str:
        """Returns which layers, or what else, make examples meet."""
        if self._notes:
            return (
                "trains with what it notes of all images of a client, so that one of them bears on the gradients of "
                "the others. Use the unit 'client', or another method"
            )
        layers = [name for name, part in skeleton(self, _ANY).named_modules() if isinstance(part, _BatchNorm)]
        if not layers:
            return super().entangled
        return (
            f"has batch norms ({', '.join(layers)}), which mix the examples of a batch. Use GroupNorm or frozen "
            "statistics (torchvision's FrozenBatchNorm2d) in its module, or the unit 'client'"
        )

    @property
    def _notes(self) -> bool:
        return type(self).observe_data is not Learner.observe_data

    @property
    def reads_names(self) -> bool:
        """Returns whether its parameters serve other candidates too: not where shapes go by how many there are."""
        one, other = skeleton(self, _ANY), skeleton(self, replace(_ANY, candidates=_ANY.candidates + 1))
        return [p.shape for p in one.parameters()] == [p.shape for p in other.parameters()]

    @property
    def norms(self) -> tuple[str, ...]:
        """Returns the names of the parameters of normalisation layers."""
        layers = {name for name, part in skeleton(self, _ANY).named_modules() if isinstance(part, NORMS)}
        return tuple(
            self.in_state(n) for n, _ in skeleton(self, _ANY).named_parameters() if n.rpartition(".")[0] in layers
        )

    @property
    def statistics(self) -> tuple[str, ...]:
        """Returns the names of BatchNorm's running means and variances."""
        layers = {name for name, part in skeleton(self, _ANY).named_modules() if isinstance(part, _BatchNorm)}
        found = skeleton(self, _ANY).named_buffers()
        return tuple(self.in_state(n) for n, b in found if n.rpartition(".")[0] in layers and b.is_floating_point())

    def names(self) -> tuple[str, ...]:
        """Returns the names of the module's parameters."""
        return tuple(self.in_state(name) for name, _ in skeleton(self, _ANY).named_parameters())

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Returns fresh weights, the same for every client."""
        return {self.in_state(n): p.detach().clone() for n, p in self._fresh(frozen, seed).named_parameters()}

    def buffers(self, frozen: Frozen, seed: int, client: int) -> State:
        """Returns the module's buffers."""
        return {self.in_state(n): b.detach().clone() for n, b in self._fresh(frozen, seed).named_buffers()}

    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        """Returns the module's scores (b, K)."""
        return self.run(
            lambda module: self.call(module, inputs, frozen, buffers), {**buffers, **params}, frozen, training
        )

    def run(self, use: Callable[[nn.Module], Tensor], weights: State, frozen: Frozen, training: bool = False) -> Tensor:
        """Returns what a function makes of the module with its weights in place.

        Args:
            use: Calls the module, or parts of it.
            weights: Parameters and buffers by their names in state; other tensors are passed over.
            frozen: The frozen model.
            training: Whether the module is in training mode.
        """
        body = _Body(skeleton(self, Sizes.of(frozen)))
        body.train(training)
        known = {name for name, _ in (*body.named_parameters(), *body.named_buffers())}
        named = {f"module.{self.in_module(name)}": tensor for name, tensor in weights.items()}
        placed = {name: tensor for name, tensor in named.items() if name in known}
        found: Tensor = torch.func.functional_call(body, placed, (use,))
        return found

    def in_state(self, name: str) -> str:
        """Returns what a name of the module is called in state."""
        for inside, outside in self.state_names.items():
            if name.startswith(inside):
                return outside + name.removeprefix(inside)
        return name

    def in_module(self, name: str) -> str:
        """Returns the module's name for one of state."""
        for inside, outside in self.state_names.items():
            if name.startswith(outside):
                return inside + name.removeprefix(outside)
        return name

    def _fresh(self, frozen: Frozen, seed: int) -> nn.Module:
        with drawing_from(derive(seed, "network")):
            return self.module(Sizes.of(frozen))


class _Body(nn.Module):
    """A module inside another one, so that `functional_call` reaches all parts that a function may call."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, use: Callable[[nn.Module], Tensor]) -> Tensor:
        return use(self.module)


@lru_cache(maxsize=64)
def skeleton(learner: ModuleLearner, sizes: Sizes) -> nn.Module:
    """Returns a learner's module without memory for its weights."""
    with drawing_from(0), torch.device("meta"):
        return learner.module(sizes)
