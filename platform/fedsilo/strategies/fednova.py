"""FedNova: clients send their change per step, so that those with more local steps do not pull the mean to themselves.

Source: Wang et al., "Tackling the Objective Inconsistency Problem in Heterogeneous Federated Optimization", NeurIPS
2020, arXiv:2007.07481. With a_i the sum of what each gradient is weighted by in client i's change (the number of steps
for plain SGD; section 4.2 for momentum) and p_i its share of the training examples,

    w = w + tau_eff sum_i p_i (w_i - w) / a_i,    tau_eff = sum_i p_i a_i.

A client sends w + (w_i - w) / a_i, and a_i beside it, so that the server needs sums only. Where all a_i are equal it is
FedAvg. With a schedule, weights are learning rates over the scenario's; a client whose rates are 0, or too small for
single precision, sends w and 0. Running statistics are averaged as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedsilo.core.finiteness import SMALLEST
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import Descent, LocalTrainer
from fedsilo.core.types import State
from fedsilo.core.work import ServerWork
from fedsilo.training.averaging import BATCH, Averaging

STEPS = "normalised_steps"


@dataclass(frozen=True)
class FedNovaStrategy(Averaging):
    """FedAvg of normalised changes."""

    averages = False
    needs_sgd = True

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        single = "synchronise: with 'batch' all clients make one step. Use 'round', or the strategy fedavg."
        return super().problems() + ([single] if self.synchronise == BATCH else [])

    def extras(self, learner: Learner) -> tuple[str, ...]:
        """Returns the name of a_i."""
        return (STEPS,)

    def initial_shared(self, params: State, learner: Learner, seed: int) -> State:
        """Returns the parameters, and 0 for a_i."""
        return {**super().initial_shared(params, learner, seed), STEPS: torch.zeros(1)}

    def upload(self, local: LocalTrainer, end: Descent) -> State:
        """Returns the parameters moved by the change per step, and a_i."""
        steps = end.travel / local.work.training.optimizer.learning_rate
        steps = steps if steps >= SMALLEST else 0.0  # below it, after many rounds of a schedule, nothing moves
        received = local.work.shared
        moved = {n: received[n] + (end.params[n] - received[n]) / (steps or 1.0) for n in self.shared(local.learner)}
        return {**super().upload(local, end), **moved, STEPS: torch.full_like(received[STEPS], steps)}

    def server_step(self, work: ServerWork, learner: Learner) -> State:
        """Returns the parameters after tau_eff times the mean change per step."""
        effective = float(work.mean[STEPS])
        stepped = {
            n: (work.shared[n].double() + effective * (work.mean[n].double() - work.shared[n].double())).to(
                work.shared[n].dtype
            )
            for n in self.shared(learner)
        }
        return {**work.shared, **work.mean, **stepped, STEPS: torch.zeros_like(work.shared[STEPS])}
