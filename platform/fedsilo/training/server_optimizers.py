"""Server optimizers: the mean change of the clients as a gradient that the server steps along.

Source: Reddi et al., "Adaptive Federated Optimization", ICLR 2021, arXiv:2003.00295, algorithm 2, with D the mean of
the clients' changes:

    m = beta_1 m + (1 - beta_1) D,    v by the variant,    w = w + eta m / (sqrt(v) + tau),    v = tau^2 at first.

v is made of D itself, as in Adam; the published listing has one letter for D and m. There is no bias correction, as in
the paper. Clients count by training examples. Running statistics are averaged as they are.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.config_fields import key
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import SERVER
from fedsilo.core.round_work import ServerWork
from fedsilo.core.types import State
from fedsilo.training.averaging import Averaging

FIRST, SECOND = f"{SERVER}first/", f"{SERVER}second/"


@dataclass(frozen=True)
class ServerOptimizer(Averaging):
    """FedAvg on the clients, a step along their mean change on the server."""

    averages = False
    needs_rounds = "the scenario's optimizer is the server's already"

    server_rate: float = key(0.01, "Step size eta of the server.", within="> 0")

    def server_step(self, work: ServerWork, learner: Learner) -> State:
        """Makes one step along the mean change; computed in fp64, rounded once.

        Args:
            work: The server's work: shared state, and mean of the uploads.
            learner: The learner.

        Returns:
            The next shared state.
        """
        stepped: dict[str, Tensor] = {}
        for name in self.shared(learner):
            now = work.shared[name]
            change = work.mean[name].double() - now.double()
            memory: State = {
                key: work.shared[key + name].double() for key in self.memory() if key + name in work.shared
            }
            moved, memory = self.step(change, memory)
            stepped[name] = (now.double() + moved).to(now.dtype)
            stepped |= {key + name: tensor.to(now.dtype) for key, tensor in memory.items()}
        return {**work.shared, **work.mean, **stepped}

    def memory(self) -> tuple[str, ...]:
        """Returns the prefixes of the server's tensors, one of each for every parameter."""
        return (FIRST, SECOND)

    @abstractmethod
    def step(self, change: Tensor, memory: State) -> tuple[Tensor, State]:
        """Computes the step of one parameter.

        Args:
            change: D, the mean change of the parameter, fp64.
            memory: The server's tensors of the parameter by prefix; empty in the first round.

        Returns:
            What is added to the parameter, and the server's new tensors by prefix.
        """


@dataclass(frozen=True)
class Adaptive(ServerOptimizer):
    """A server optimizer with a step size for every coordinate."""

    beta_1: float = key(0.9, "Decay of the mean of changes.", within="in [0, 1)")
    tau: float = key(0.001, "Degree of adaptivity: what is added to the root of the squares.", within="> 0")

    def step(self, change: Tensor, memory: State) -> tuple[Tensor, State]:
        """Computes eta m / (sqrt(v) + tau).

        Args:
            change: D, the mean change of one parameter, fp64.
            memory: m and v by prefix; empty in the first round.

        Returns:
            What is added to the parameter, and m and v by prefix.
        """
        first = self.beta_1 * memory[FIRST] if FIRST in memory else 0.0
        first = first + (1 - self.beta_1) * change
        before = memory[SECOND] if SECOND in memory else change.new_full(change.shape, self.tau**2)
        second = self.update_second_moment(before, change.square())
        return self.server_rate * first / (second.sqrt() + self.tau), {FIRST: first, SECOND: second}

    @abstractmethod
    def update_second_moment(self, before: Tensor, square: Tensor) -> Tensor:
        """Computes v.

        Args:
            before: v of the round before.
            square: D^2, the squared mean change, of the same shape.

        Returns:
            v of this round.
        """
