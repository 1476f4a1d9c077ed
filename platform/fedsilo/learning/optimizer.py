"""The client's optimiser, with its memory as named tensors.

The steps are torch's own, by its functional API: constructing a `torch.optim.Optimizer` imports torch's compiler,
two seconds of CPU in every client process. The bits are the same; a test holds them to that.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from fedsilo.contracts import State
from fedsilo.learning.section import Optimizer

__all__ = ["MEMORY", "Optimizer", "Stepper"]

MEMORY = "optimizer/"
"""Prefix of the optimiser's tensors in a state."""


class Stepper:
    """Steps parameters down their gradients."""

    def __init__(
        self, section: Optimizer, parameters: State, state: State, factors: Mapping[str, float] | None = None
    ) -> None:
        """Makes a stepper.

        Args:
            section: The scenario's optimiser.
            parameters: The tensors, changed in place.
            state: Where the optimiser's memory of them is, if there is any.
            factors: By what the learning rate of single parameters is multiplied; 1 for those not named.
        """
        self._section, self._parameters, self._factors = section, parameters, factors or {}
        self._memory = {name: tensor.clone() for name, tensor in state.items() if name.startswith(MEMORY)}

    @torch.no_grad()
    def step(self, gradients: State) -> None:
        """Makes one step along the gradients, which are as many as the parameters."""
        for name, parameter in self._parameters.items():
            move = self._adam if self._section.name == "adam" else self._sgd
            move(name, parameter, gradients[name])

    def memory(self) -> dict[str, Tensor]:
        """Returns the optimiser's tensors, named for the state that keeps them."""
        return dict(self._memory)

    def _rate(self, name: str) -> float:
        return self._section.learning_rate * self._factors.get(name, 1.0)

    def _sgd(self, name: str, parameter: Tensor, gradient: Tensor) -> None:
        section, slot = self._section, f"{MEMORY}{name}/momentum"
        buffers = [self._memory.get(slot)]
        sgd(
            [parameter],
            [gradient],
            buffers,
            foreach=False,
            weight_decay=section.weight_decay,
            momentum=section.momentum,
            lr=self._rate(name),
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
        if buffers[0] is not None:
            self._memory[slot] = buffers[0]

    def _adam(self, name: str, parameter: Tensor, gradient: Tensor) -> None:
        def slot(kind: str, initial: Tensor) -> Tensor:
            return self._memory.setdefault(f"{MEMORY}{name}/{kind}", initial)

        adam(
            [parameter],
            [gradient],
            [slot("mean", torch.zeros_like(parameter))],
            [slot("square", torch.zeros_like(parameter))],
            [],
            [slot("steps", torch.zeros(()))],
            foreach=False,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self._rate(name),
            weight_decay=self._section.weight_decay,
            eps=1e-8,
            maximize=False,
        )
