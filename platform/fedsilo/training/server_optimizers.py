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
from fedsilo.core.types import State
from fedsilo.core.work import ServerWork
from fedsilo.training.averaging import BATCH, Averaging

FIRST, SECOND = f"{SERVER}first/", f"{SERVER}second/"


@dataclass(frozen=True)
class ServerOptimizer(Averaging):
    """FedAvg on the clients, a step along their mean change on the server."""

    averages = False

    server_rate: float = key(0.01, "Step size eta of the server.", within="> 0")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        gradients = (
            "synchronise: with 'batch' the scenario's optimizer is the server's already. Use 'round', or the strategy "
            "fedavg."
        )
        return super().problems() + ([gradients] if self.synchronise == BATCH else [])

    def server_step(self, work: ServerWork, learner: Learner) -> State:
        """Returns the shared state after one step along the mean change; computed in fp64, rounded once."""
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
        """Returns what is added to a parameter, and the server's tensors by prefix.

        Args:
            change: Mean change of the parameter, fp64.
            memory: The server's tensors by prefix; empty in the first round.
        """


@dataclass(frozen=True)
class Adaptive(ServerOptimizer):
    """A server optimizer with a step size for every coordinate."""

    beta_1: float = key(0.9, "Decay of the mean of changes.", within="in [0, 1)")
    tau: float = key(0.001, "Degree of adaptivity: what is added to the root of the squares.", within="> 0")

    def step(self, change: Tensor, memory: State) -> tuple[Tensor, State]:
        """Returns eta m / (sqrt(v) + tau), and m and v."""
        first = self.beta_1 * memory[FIRST] if FIRST in memory else 0.0
        first = first + (1 - self.beta_1) * change
        before = memory[SECOND] if SECOND in memory else change.new_full(change.shape, self.tau**2)
        second = self.second(before, change.square())
        return self.server_rate * first / (second.sqrt() + self.tau), {FIRST: first, SECOND: second}

    @abstractmethod
    def second(self, before: Tensor, square: Tensor) -> Tensor:
        """Returns v from the v before and the squared change."""
