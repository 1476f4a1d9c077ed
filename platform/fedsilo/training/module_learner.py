"""Learners that are a `torch.nn.Module`: parameters and buffers as named tensors, called by `functional_call`.

The module is built once per process as a skeleton without weights; every call brings its own. The initial weights, and
dropout in training, are drawn from generators that are derived from the scenario's seed.

Dimensions: b images, K candidates, D joint width, W text width.
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
from fedsilo.core.errors import ClientError
from fedsilo.core.frozen import Frozen
from fedsilo.core.learner import Learner
from fedsilo.core.seeds import derive, draw_from
from fedsilo.core.types import State
from fedsilo.training.model_sizes import ModelSizes

ONE_IMAGE = (
    "training.batch_size: a client trains on a batch of one image, of which a batch norm takes no variance. Raise it, "
    "give every client more images (partition), or use GroupNorm in the learner's module."
)

NORMS = (_BatchNorm, _InstanceNorm, nn.LayerNorm, nn.GroupNorm)


_ANY = ModelSizes(2, 5040, 5040, 2, 2, 5040, 2)
"""Sizes for reading a module's names, which depend on none; 5040 is divisible by any usual number of heads."""


@dataclass(frozen=True)
class ModuleLearner(Learner):
    """A learner whose parameters and buffers are those of a module."""

    @property
    def vectorises(self) -> bool:
        """Returns True: a module computes the same operations for all numbers."""
        return True

    @property
    def state_names(self) -> Mapping[str, str]:
        """Returns beginnings of the module's names, with what replaces them in state; nothing by default."""
        return {}

    @abstractmethod
    def module(self, sizes: ModelSizes) -> nn.Module:
        """Builds the module with fresh weights.

        Args:
            sizes: Sizes of the frozen model; the names of the parameters must not depend on them.

        Returns:
            The module.
        """

    def call(self, module: nn.Module, inputs: Columns, frozen: Frozen, buffers: State) -> Tensor:
        """Scores a batch: by default the scores are the module's own output.

        Args:
            module: The module with its weights in place.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            buffers: All buffers by name.

        Returns:
            Scores (b, K).
        """
        return self.output(module, inputs)

    def output(self, module: nn.Module, inputs: Columns) -> Tensor:
        """Calls the module with the columns that the learner reads, in the order of their names.

        Args:
            module: The module with its weights in place.
            inputs: Columns of inputs, (b, ...) each.

        Returns:
            The module's output.
        """
        found: Tensor = module(*(inputs[name] for name in sorted(self.reads)))
        return found

    @property
    def separable(self) -> bool:
        """Returns whether examples do not meet: not with BatchNorm, and not where `observed` records data.

        A learner whose loss reads nothing of what `observed` records overrides this.
        """
        return not (self._records or self.batch_norms)

    @property
    def batch_norms(self) -> tuple[str, ...]:
        """Returns the names of the batch norms, which mix the examples of a batch."""
        return _list_names(self)[1]

    @property
    def entangled(self) -> str:
        """Returns the layers, or the other reason, why examples meet."""
        if self._records:
            return (
                "trains with data that it records of all images of a client, so that one image changes the gradients "
                "of the others. Use the unit 'client', or another method"
            )
        if not self.batch_norms:
            return super().entangled
        return (
            f"has batch norms ({', '.join(self.batch_norms)}), which mix the examples of a batch. Use GroupNorm or "
            "frozen statistics (torchvision's FrozenBatchNorm2d) in its module, or the unit 'client'"
        )

    @property
    def _records(self) -> bool:
        return type(self).observe_data is not Learner.observe_data

    @property
    def reads_names(self) -> bool:
        """Returns whether its parameters serve other candidates too: not where their shapes depend on K."""
        one, other = build_skeleton(self, _ANY), build_skeleton(self, replace(_ANY, candidates=_ANY.candidates + 1))
        return [p.shape for p in one.parameters()] == [p.shape for p in other.parameters()]

    @property
    def norms(self) -> tuple[str, ...]:
        """Returns the names of the parameters of normalisation layers."""
        layers = {name for name, part in build_skeleton(self, _ANY).named_modules() if isinstance(part, NORMS)}
        return tuple(
            self.in_state(n) for n, _ in build_skeleton(self, _ANY).named_parameters() if n.rpartition(".")[0] in layers
        )

    @property
    def statistics(self) -> tuple[str, ...]:
        """Returns the names of BatchNorm's running means and variances."""
        found = build_skeleton(self, _ANY).named_buffers()
        return tuple(
            self.in_state(n) for n, b in found if n.rpartition(".")[0] in self.batch_norms and b.is_floating_point()
        )

    def names(self) -> tuple[str, ...]:
        """Names the module's parameters."""
        return _list_names(self)[0]

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Draws fresh weights, the same for every client.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            The module's parameters by name.
        """
        return {self.in_state(n): p.detach().clone() for n, p in self._fresh(frozen, seed).named_parameters()}

    def buffers(self, frozen: Frozen, seed: int, client: int) -> State:
        """Builds the module's buffers.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            The buffers by name.
        """
        return {self.in_state(n): b.detach().clone() for n, b in self._fresh(frozen, seed).named_buffers()}

    def repaired(self, shared: State) -> State:
        """Sets negative running variances of batch norms to 0.

        Args:
            shared: The shared state after a server step.

        Returns:
            The variances that were negative somewhere, by name.
        """
        variances = [n for n in self.statistics if n in shared and n.endswith("running_var")]
        return {n: shared[n].clamp(min=0) for n in variances}

    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        """Computes the scores of a batch with the module.

        Args:
            params: Parameters by name.
            buffers: Buffers by name.
            inputs: Columns of b rows.
            frozen: The frozen model.
            training: Whether the module trains: dropout draws, and batch norms use the batch.

        Returns:
            (b, K) scores.

        Raises:
            ClientError: A batch norm is trained on a single number.
        """
        weights = {**buffers, **params}
        try:
            return self.run(lambda module: self.call(module, inputs, frozen, buffers), weights, frozen, training)
        except ValueError as error:
            if training and self.statistics and {len(column) for column in inputs.values()} == {1}:
                raise ClientError(ONE_IMAGE) from error
            raise

    def run(self, use: Callable[[nn.Module], Tensor], weights: State, frozen: Frozen, training: bool = False) -> Tensor:
        """Calls a function with the module, its weights in place.

        Args:
            use: Calls the module, or parts of it.
            weights: Parameters and buffers by their names in state; other tensors are ignored.
            frozen: The frozen model.
            training: Whether the module is in training mode.

        Returns:
            What the function returns.
        """
        body = _Body(build_skeleton(self, ModelSizes.of(frozen)))
        body.train(training)
        known = {name for name, _ in (*body.named_parameters(), *body.named_buffers())}
        named = {f"module.{self.in_module(name)}": tensor for name, tensor in weights.items()}
        placed = {name: tensor for name, tensor in named.items() if name in known}
        found: Tensor = torch.func.functional_call(body, placed, (use,))
        return found

    def in_state(self, name: str) -> str:
        """Translates a name of the module into its name in state.

        Args:
            name: Name of a parameter or buffer in the module.

        Returns:
            The name in state.
        """
        for inside, outside in self.state_names.items():
            if name.startswith(inside):
                return outside + name.removeprefix(inside)
        return name

    def in_module(self, name: str) -> str:
        """Translates a name in state into the module's name.

        Args:
            name: Name of a parameter or buffer in state.

        Returns:
            The name in the module.
        """
        for inside, outside in self.state_names.items():
            if name.startswith(outside):
                return inside + name.removeprefix(outside)
        return name

    def _fresh(self, frozen: Frozen, seed: int) -> nn.Module:
        with draw_from(derive(seed, "network")):
            return self.module(ModelSizes.of(frozen))


class _Body(nn.Module):
    """A module inside another one, so that `functional_call` reaches all parts that a function may call."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, use: Callable[[nn.Module], Tensor]) -> Tensor:
        return use(self.module)


@lru_cache(maxsize=64)
def build_skeleton(learner: ModuleLearner, sizes: ModelSizes) -> nn.Module:
    """Builds a learner's module without memory for its weights, on the meta device.

    Args:
        learner: The learner.
        sizes: Sizes of the frozen model: K, D and W.

    Returns:
        The module; the same object for the same arguments.
    """
    with draw_from(0), torch.device("meta"):
        return learner.module(sizes)


@lru_cache(maxsize=64)
def _list_names(learner: ModuleLearner) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lists the parameters, by their names in state, and the batch norms; strategies ask for them again and again."""
    skeleton = build_skeleton(learner, _ANY)
    norms = (name for name, part in skeleton.named_modules() if isinstance(part, _BatchNorm))
    return tuple(learner.in_state(name) for name, _ in skeleton.named_parameters()), tuple(norms)
