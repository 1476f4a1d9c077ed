"""The optimizer of clients and of the server's step along mean gradients, with its memory as named tensors.

The steps are torch's own, by its functional API: constructing a `torch.optim.Optimizer` imports torch's compiler, two
seconds of CPU in every client process. The bits are the same; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from fedsilo.core.local_trainer import MEMORY
from fedsilo.core.round_work import ServerWork
from fedsilo.core.training_settings import ADAMW, SGD, Optimizer
from fedsilo.core.types import State


class Stepper:
    """Steps parameters against their gradients."""

    def __init__(
        self,
        section: Optimizer,
        parameters: State,
        state: State,
        factors: Mapping[str, float] | None = None,
        prefix: str = MEMORY,
    ) -> None:
        """Reads the optimizer's memory from the state.

        Args:
            section: The scenario's optimizer.
            parameters: The tensors, changed in place.
            state: State with the optimizer's memory of them, if there is any.
            factors: Factors on the learning rate of single parameters; 1 for those not named.
            prefix: Beginning of the memory's names in the state.
        """
        self._section, self._parameters, self._factors, self._prefix = section, parameters, factors or {}, prefix
        self._memory = {name: tensor.clone() for name, tensor in state.items() if name.startswith(prefix)}

    @torch.no_grad()
    def step(self, gradients: State, learning_rate: float) -> None:
        """Makes one step along the gradients.

        Args:
            gradients: One gradient for each parameter, by its name.
            learning_rate: Learning rate, > 0 or 0.
        """
        move = self._sgd if self._section.name == SGD else self._adam
        for name, parameter in self._parameters.items():
            move(name, parameter, gradients[name], learning_rate * self._factors.get(name, 1.0))

    def memory(self) -> dict[str, Tensor]:
        """Returns the optimizer's tensors, by their names in the state that keeps them."""
        return dict(self._memory)

    def _sgd(self, name: str, parameter: Tensor, gradient: Tensor, rate: float) -> None:
        section, slot = self._section, f"{self._prefix}{name}/momentum"
        buffers = [self._memory.get(slot)]
        sgd(
            [parameter],
            [gradient],
            buffers,
            foreach=False,
            weight_decay=section.weight_decay,
            momentum=section.momentum,
            lr=rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
        if buffers[0] is not None:
            self._memory[slot] = buffers[0]

    def _adam(self, name: str, parameter: Tensor, gradient: Tensor, rate: float) -> None:
        def slot(kind: str, initial: Tensor) -> Tensor:
            return self._memory.setdefault(f"{self._prefix}{name}/{kind}", initial)

        step = adamw if self._section.name == ADAMW else adam
        step(
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
            lr=rate,
            weight_decay=self._section.weight_decay,
            eps=1e-8,
            maximize=False,
        )


def step_along_mean(work: ServerWork, names: Sequence[str], factors: Mapping[str, float]) -> State:
    """Makes one step of the scenario's optimizer along the mean gradient.

    The optimizer's memory stays in the shared state from exchange to exchange and from round to round: where gradients
    are exchanged, a round is only the interval between evaluations.

    Args:
        work: The server's work, with the mean gradient.
        names: Names of the parameters.
        factors: Factors on the learning rate of single parameters; 1 for those not named.

    Returns:
        The shared state after the step.
    """
    params = {name: work.shared[name].detach().clone() for name in names}
    stepper = Stepper(work.training.optimizer, params, work.shared, factors)
    time = work.round + work.exchange / work.exchanges
    stepper.step(work.mean, work.training.learning_rate(time))
    return {**work.shared, **params, **stepper.memory()}
